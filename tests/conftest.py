"""Shapes and dtypes in the package's signatures are checked at every call while the tests run."""

import os
import signal

import jaxtyping
import pytest
import torch

# Where the tests run in several processes, each has its share of the cores, and so have the kernels that it starts. A number
# of threads that is given stays.
workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0))
if workers and "OMP_NUM_THREADS" not in os.environ:
    threads = max(1, (os.cpu_count() or 1) // workers)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would the kernels that are to be interrupted.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hook = jaxtyping.install_import_hook("ddpm_lite", "beartype.beartype")
hook.__enter__()


@pytest.fixture
def unchecked():
    """Without the shape checks, as a user runs the package: for tests of the package's own error messages."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def g() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def chromium():
    """A browser of the module's own."""
    from lab import chromium

    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """open_(cells) -> page, in a JupyterLab of the module's own."""
    from lab import jupyterlab

    with jupyterlab(tmp_path_factory.mktemp("lab")) as open_:
        yield open_


# The slowest files, slowest first: each file keeps one process busy, and none of these may be left for the end.
SLOW = """
07_unclip 05_sampling 06_clip_conditioning 04_epsilon_training 00_from_noise_to_images 08_score_and_flow
09_latents_and_transformers test_browser test_nbgrader test_mutants
test_exercise_notebooks test_exercise_browser test_site_browser test_lecture test_train test_distributed test_view_live
test_cards test_clip
""".split()


def pytest_collection_modifyitems(items):
    place = {name: number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(item.path.stem, len(SLOW)))
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA GPU"))
