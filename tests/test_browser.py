"""The views as a reader meets them: in JupyterLab, in Chromium, moved by mouse and keyboard.

What is drawn is compared with what the view's Python half says in the same state. Without Chromium the tests are
skipped; with REQUIRE_BROWSER=1, as CI sets it, that is a failure.
"""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if not CHROMIUM and os.environ.get("REQUIRE_BROWSER"):
    raise RuntimeError("REQUIRE_BROWSER is set, but there is no Chromium: install Debian's package chromium.")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="no Chromium: the views are not tested in a browser")]
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    pytest.importorskip("playwright")
    with jupyterlab(tmp_path_factory.mktemp("lab")) as open_:
        yield open_


@contextmanager
def jupyterlab(home: Path):
    """JupyterLab in a folder of its own, and Chromium; gives open_(cells) -> page, once all cells run and `wait` is there."""
    from playwright import sync_api

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    folders = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="]
    options += [f"--ServerApp.root_dir={home}", "--allow-root", "--LabApp.expose_app_in_browser=True"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    env = os.environ | folders | {"IPYTHONDIR": str(home / "ipython")}
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=env, stdout=-3, stderr=-3)
    try:
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())

            def open_(cells, wait=".ddpm-view canvas, .ddpm-view [role=alert]"):
                page, errors = browser.new_page(viewport={"width": 1280, "height": 1000}), []
                page.on("pageerror", lambda error: errors.append(str(error)))
                page.errors = errors
                spec = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
                name = f"n{time.monotonic_ns()}"  # a workspace of its own: Lab would open the last one's tabs again
                nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), home / f"{name}.ipynb")
                for _ in range(120):
                    try:
                        page.goto(f"http://127.0.0.1:{port}/lab/workspaces/{name}/tree/{name}.ipynb")
                        break
                    except sync_api.Error:
                        time.sleep(0.5)
                widget = "jupyterapp.shell.currentWidget"
                page.wait_for_function(f"window.jupyterapp && {widget}?.context?.isReady && {widget}.sessionContext?.session")
                page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
                page.wait_for_selector(wait, state="attached", timeout=60_000)
                return page

            yield open_
            browser.close()
    finally:
        server.terminate()
        server.wait(10)


def cut(path: Path, name: str) -> list:
    """The cell of a notebook that shows the view `name`, and the cells that give it its names."""
    from test_lecture import cut as cut_cells

    cells = nbformat.read(path, as_version=4).cells
    (index,) = [i for i, c in enumerate(cells) if c.cell_type == "code" and f"{name}(" in c.source]
    return [nbformat.v4.new_code_cell(source) for source in cut_cells(path, index)]


DRAWN = "(() => {const c = document.querySelector('.ddpm-view canvas'); return [c.dataset.state, Array.from(c.drawn.x_t), "
DRAWN += "c.drawn.alpha_bar, c.getAttribute('aria-label')]})()"


@pytest.mark.parametrize("notebook", ["01_forward_process", "02_closed_form"])
def test_noise_draws_what_its_python_half_says(lab, notebook):
    path = NOTEBOOKS / f"{notebook}.ipynb"
    cells = cut(path, "Noise")
    space = {}
    for cell in cells:  # the same view, here
        exec(cell.source, space)
    view = space["view"]
    page = lab(cells)
    slider = page.locator(".ddpm-view input[type=range]")
    slider.focus()
    choice = random.Random(0)
    for schedule in view.schedules:
        page.select_option(".ddpm-view select", schedule)
        for t in [0, view.T, view.T // 2, *(choice.randint(0, view.T) for _ in range(20))]:
            slider.fill(str(t))
            want = json.dumps({"t": t, "schedule": schedule}, separators=(",", ":"))
            page.wait_for_function("want => document.querySelector('.ddpm-view canvas').dataset.state === want", arg=want)
            _, x_t, share, words = page.evaluate(DRAWN)
            view.t, view.schedule = t, schedule
            frame = view.frame()
            assert np.abs(np.array(x_t) - frame["x_t"].ravel()).max() < 1e-4
            assert abs(share - float(frame["alpha_bar"])) < 1e-6
            assert words == view.describe()
    assert page.errors == []


def test_schedule_draws_what_its_python_half_says(lab):
    cells = cut(NOTEBOOKS / "01_forward_process.ipynb", "ScheduleView")
    space = {}
    for cell in cells:
        exec(cell.source, space)
    view = space["view"]
    page = lab(cells)
    choice = random.Random(0)
    for kind in ("linear", "falling", "cosine"):
        page.select_option(".ddpm-view select", kind)
        for T in [10, 1000, 505, *(choice.randint(10, 1000) for _ in range(6))]:
            state = {"kind": kind, "T": T}
            sliders = {"T": 0, "s": 3} if kind == "cosine" else {"T": 0, "beta_1": 1, "beta_T": 2}
            for name, i in sliders.items():
                if name != "T":
                    trait = view.traits()[name]
                    state[name] = round(choice.uniform(trait.min, trait.max), 3 if name != "beta_1" else 4)
                page.locator(".ddpm-view input[type=range]").nth(i).fill(str(state[name]))
            view.set_trait("kind", kind)
            for name, value in state.items():
                view.set_trait(name, value)
            page.wait_for_function(
                "words => document.querySelector('.ddpm-view canvas').ariaLabel === words", arg=view.describe()
            )
            drawn = page.evaluate("Array.from(document.querySelector('.ddpm-view canvas').drawn.alpha_bar)")
            assert np.abs(np.array(drawn) - view.frame()["alpha_bar"]).max() < 1e-9
    assert page.errors == []


def test_the_keyboard_moves_the_slider_and_jupyterlab_does_not_take_its_keys(lab):
    page = lab(cut(NOTEBOOKS / "01_forward_process.ipynb", "Noise"))
    slider = page.locator(".ddpm-view input[type=range]")
    slider.focus()
    for key, t in (("Home", 0), ("ArrowRight", 1), ("PageUp", 11), ("ArrowLeft", 10), ("End", 1000), ("PageDown", 990)):
        slider.press(key)
        page.wait_for_function("t => JSON.parse(document.querySelector('.ddpm-view canvas').dataset.state).t === t", arg=t)
    assert slider.get_attribute("aria-valuetext").startswith("t = 990 of 1000")
    assert page.locator(".jp-Notebook.jp-mod-editMode").count() == 0


def test_a_fault_in_the_browser_half_is_seen(lab):
    cells = cut(NOTEBOOKS / "01_forward_process.ipynb", "Noise")
    cells[-1].source = "Noise._esm = Noise._esm.replace('model.get(\"shape\")', 'model.get(\"nothing\")')\n" + cells[-1].source
    page = lab(cells)
    assert page.locator(".ddpm-view [role=alert]").inner_text().startswith("This view failed:")
