"""A view as a reader meets it on a page of the course, which lies on a disk."""

import shutil
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import ipywidgets
import nbformat
from lab import SCREENSHOTS

from ddpm_lite import site
from ddpm_lite.browser.export import exported

VIEW = "application/vnd.jupyter.widget-view+json"
ROOT = "document.querySelector('.live').shadowRoot.querySelector('.ddpm-view')"
FINISHED = f"JSON.stringify(JSON.parse({ROOT}.dataset.finished ?? '0')) === {ROOT}.dataset.state"


def published(view, home: Path) -> Path:
    """A folder with the page view.html, and the weights of 8 bits beside it."""
    saved = ipywidgets.Widget.get_manager_state(widgets=[view])["state"]
    output = nbformat.v4.new_output("display_data", {VIEW: {"model_id": view.model_id}})
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("view", outputs=[output])])
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": saved}}
    (home / "notebooks").mkdir()
    nbformat.write(nb, home / "notebooks" / "view.ipynb")
    with mock.patch("ddpm_lite.site.pages.reference", return_value={}):  # it takes most of the time
        site.build(home / "notebooks", home / "out")
    with_weights(view, home / "out", 8)
    return home / "out"


def with_weights(view, folder: Path, bits: int) -> Path:
    """The folder, once the weights of a view in so many bits are in it."""
    for name in getattr(view, "networks", ()):
        (folder / "networks" / f"{name}.js").write_text(exported(view._models[name], bits).script())
    return folder


def part_of(folder: Path, to: Path, *whole: str, cut: tuple[str, ...] = ()) -> Path:
    """Another folder, with the page, and of what it can load only what is named: in full, or the first half of it."""
    (to / "networks").mkdir(exist_ok=True)
    shutil.copy(folder / "view.html", to / "view.html")
    for name in (*whole, *cut):
        data = (folder / "networks" / f"{name}.js").read_bytes()
        (to / "networks" / f"{name}.js").write_bytes(data[: len(data) // 2] if name in cut else data)
    return to


@contextmanager
def opened(chromium, folder: Path, width: int = 1280, init: str = "", height: int = 1000, file: str = "view.html", **options):
    """The page of a view in a browser without a network, after a script `init`; its faults are the test's."""
    page = chromium.new_page(viewport={"width": width, "height": height}, offline=True, **options)
    page.add_init_script(init)
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((folder / file).as_uri())
    page.wait_for_selector(".live canvas", state="attached")
    yield page
    page.close()
    cut = ("Unexpected end", "Invalid or unexpected token")  # what the browser says of a script that was cut
    assert not [fault for fault in faults if not any(words in fault for words in cut)]


def listen(page, root: str = ROOT) -> None:
    """From now on, window.heard holds what a screen reader says of itself: what changes in live regions, while they are live."""
    page.evaluate(f"""() => {{
        window.heard = [];
        const live = ({{ target }}) => (target.closest ? target : target.parentElement)?.closest('[aria-live], [role], output');
        const says = (node) => node?.matches('[aria-live], [role=status], [role=alert], output') && node.ariaLive !== 'off';
        const hear = (all) => {{
            for (const node of new Set(all.map(live))) if (says(node) && node.textContent) heard.push(node.textContent);
        }};
        new MutationObserver(hear).observe({root}, {{ childList: true, characterData: true, subtree: true }});
    }}""")


def swipe(page, node, across: int = 0, down: int = 0) -> None:
    """A finger goes from the middle of an element by so many pixels, as a touch screen reports it."""
    box, screen = node.bounding_box(), page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for i in range(11):
        at = {"x": x + across * i / 10, "y": y + down * i / 10}
        screen.send("Input.dispatchTouchEvent", {"type": "touchMove" if i else "touchStart", "touchPoints": [at]})
    screen.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def alert(page) -> str:
    """What the view says is wrong."""
    said = page.locator(".live [role=alert]:not([hidden])")
    said.wait_for(timeout=60_000)
    return said.inner_text()


def photograph(page, name: str) -> None:
    """A picture to be looked at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
