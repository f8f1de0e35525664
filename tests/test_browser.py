"""The views as a reader meets them: in JupyterLab, in Chromium, moved by mouse and keyboard.

What is drawn is compared with what the view's Python half says in the same state. Without Chromium the tests are
skipped; with REQUIRE_BROWSER=1, as CI sets it, that is a failure.
"""

import os
import re
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

from ddpm_lite import views

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if not CHROMIUM and os.environ.get("REQUIRE_BROWSER"):
    raise RuntimeError("REQUIRE_BROWSER is set, but there is no Chromium: install Debian's package chromium.")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="no Chromium: the views are not tested in a browser")]
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SCREENSHOTS = Path(__file__).parent.parent / "build" / "screenshots"  # test output, to be looked at; git ignores it
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
    (index,) = [i for i, c in enumerate(cells) if c.cell_type == "code" and re.search(rf"\b{name}\(", c.source)]
    return [nbformat.v4.new_code_cell(source) for source in cut_cells(path, index)]


def shown() -> list[tuple[str, str]]:
    """Each notebook and view in it."""
    found = []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        code = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
        found += [(path.stem, name) for name in views.__all__ if re.search(rf"\b{name}\(", code)]
    return found


# Put every slider at its ends, its middle and 20 random places, every list at each of its entries.
PLACES = """seed => {
  const root = document.querySelector('.ddpm-view');
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const places = [];
  root.querySelectorAll('[data-trait]').forEach((node, k) => {
    if (node.tagName === 'SELECT') return node.querySelectorAll('option').forEach((o) => places.push([k, o.value]));
    const [min, max, step] = [Number(node.min), Number(node.max), Number(node.step)];
    const many = Math.round((max - min) / step);
    const at = [0, many, many / 2, ...Array.from({ length: 20 }, () => many * random())];
    for (const i of at) places.push([k, String(min + Math.round(i) * step)]);
  });
  return places;
}"""
PUT = """([k, value]) => {
  const node = document.querySelectorAll('.ddpm-view [data-trait]')[k];
  node.value = value;
  node.dispatchEvent(new Event(node.tagName === 'SELECT' ? 'change' : 'input'));
}"""
THERE = """k => {
  const node = document.querySelectorAll('.ddpm-view [data-trait]')[k];
  const value = JSON.parse(node.closest('.ddpm-view').dataset.state)[node.dataset.trait];
  return value === (node.tagName === 'SELECT' ? node.value : node.means(Number(node.value)));
}"""
DRAWN = """() => {
  const root = document.querySelector('.ddpm-view');
  const plain = (v) => (ArrayBuffer.isView(v) ? Array.from(v) : v);
  const drawn = Object.fromEntries(Object.entries(root.drawn).map(([name, v]) => [name, plain(v)]));
  return [JSON.parse(root.dataset.state), drawn, root.querySelector('canvas').ariaLabel];
}"""


def assert_drawn(page, view) -> None:
    """What is drawn, and how it is called, is what the Python half says in the same state."""
    state, drawn, words = page.evaluate(DRAWN)
    with view.hold_trait_notifications():
        for name, value in state.items():
            setattr(view, name, value)
    frame = view.frame()
    assert drawn.keys() == frame.keys()
    for name, values in frame.items():
        got, want = np.array(drawn[name], dtype=float), np.asarray(values, dtype=float).ravel()
        assert got.size == want.size and np.allclose(got.ravel(), want, rtol=0, atol=1e-4, equal_nan=True), (name, state)
    assert words == view.describe()


@pytest.mark.parametrize(("notebook", "name"), shown())
def test_a_view_draws_what_its_python_half_says(lab, notebook, name):
    cells = cut(NOTEBOOKS / f"{notebook}.ipynb", name)
    space = {}
    for cell in cells:  # the same view, here
        exec(cell.source, space)
    view = space["view"]
    page = lab(cells)
    for place in page.evaluate(PLACES, 1):
        page.evaluate(PUT, place)
        page.wait_for_function(THERE, arg=place[0])
        assert_drawn(page, view)
    page.locator(".ddpm-view").screenshot(path=SCREENSHOTS / f"{notebook}-{name}.png")
    assert page.errors == []


def pixels(page, canvas: int, places: list) -> np.ndarray:
    """The colours (n, 3) of a canvas at some places, each the arguments of its `place`."""
    look = """([k, places]) => {
      const canvas = document.querySelectorAll('.ddpm-view canvas')[k];
      const context = canvas.getContext('2d');
      return places.map((p) => Array.from(context.getImageData(...canvas.place(...p), 1, 1).data).slice(0, 3));
    }"""
    return np.array(page.evaluate(look, [canvas, places]))


def test_the_pixels_of_noise_are_those_of_its_frame(lab):
    cells = cut(NOTEBOOKS / "02_closed_form.ipynb", "Noise")
    space = {}
    for cell in cells:
        exec(cell.source, space)
    view = space["view"]
    page = lab(cells)
    page.evaluate(PUT, [0, "137"])
    page.wait_for_function(THERE, arg=0)
    view.t = 137
    places = [(2, k, i, j) for k in range(8) for i in range(8) for j in range(8)]
    want = (1 - view.frame()["x_t"].clip(-1, 1).ravel()) * 127.5  # dark ink on white paper
    assert np.abs(pixels(page, 0, places) - want[:, None]).max() <= 2
    share = view._schedules["linear"].alpha_bar
    inked = pixels(page, 1, [(t, float(share[t])) for t in range(20, 1000, 49)])
    assert (inked.min(1) < 128).all()


def test_the_keyboard_moves_the_slider_and_jupyterlab_does_not_take_its_keys(lab):
    page = lab(cut(NOTEBOOKS / "01_forward_process.ipynb", "Noise"))
    slider = page.locator(".ddpm-view input[type=range]").first
    slider.focus()
    for key, t in (("Home", 0), ("ArrowRight", 1), ("PageUp", 11), ("ArrowLeft", 10), ("End", 1000), ("PageDown", 990)):
        slider.press(key)
        page.wait_for_function("t => JSON.parse(document.querySelector('.ddpm-view').dataset.state).t === t", arg=t)
    assert slider.get_attribute("aria-valuetext").startswith("t = 990 of 1000")
    assert page.locator(".jp-Notebook.jp-mod-editMode").count() == 0


def test_a_fault_in_the_browser_half_is_seen(lab):
    cells = cut(NOTEBOOKS / "01_forward_process.ipynb", "Noise")
    cells[-1].source = "Noise._esm = Noise._esm.replace('model.get(\"shape\")', 'model.get(\"nothing\")')\n" + cells[-1].source
    page = lab(cells)
    assert page.locator(".ddpm-view [role=alert]").inner_text().startswith("This view failed:")
