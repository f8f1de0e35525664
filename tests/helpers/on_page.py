"""A view on a web page of its own, as a reader opens it from a disk."""

from contextlib import contextmanager
from pathlib import Path

import ipywidgets
import nbformat
from lab import SCREENSHOTS

from ddpm_lite import site
from ddpm_lite.browser.export import exported

VIEW = "application/vnd.jupyter.widget-view+json"
ROOT = "document.querySelector('.live').shadowRoot.querySelector('.ddpm-view')"


def built(home: Path, name: str, view) -> Path:
    """The folder of a page NAME.html with a view that draws, and what it draws with."""
    saved = ipywidgets.Widget.get_manager_state(widgets=[view])["state"]
    output = nbformat.v4.new_output("display_data", {VIEW: {"model_id": view.model_id}})
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("view", outputs=[output])])
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": saved}}
    (home / "notebooks").mkdir()
    nbformat.write(nb, home / "notebooks" / f"{name}.ipynb")
    site.build(home / "notebooks", home / "out")
    for model in view.networks:
        (home / "out" / "networks" / f"{model}.js").write_text(exported(view._models[model]).script())
    return home / "out"


@contextmanager
def opened(chromium, path: Path, **options):
    """A page without a network, in which nothing fails."""
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 1000}, "offline": True} | options)
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_selector(".live canvas", state="attached")
    yield page
    context.close()
    assert not faults


def photograph(page, name: str) -> None:
    """A picture to be looked at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
