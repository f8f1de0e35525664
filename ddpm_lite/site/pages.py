"""The course as web pages: an index, and for each notebook a page to read and a deck of slides, with live views.

Nothing is executed: the notebooks are taken as they are, with their outputs. Every file is self-contained (styles,
scripts, fonts, pictures, the data of the views), so it opens from a disk, from any static host, and without a network.
"""

import base64
import functools
import json
import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import TemplateExporter
from traitlets.config import Config

from ..machine import files as places
from ..machine.weights import write_atomically
from ..views.plots import NARROW
from . import networks
from .index import entries, folded
from .lecture import COLUMNS, LINES
from .notebooks import read
from .reference import reference
from .repository import address, services
from .text import HERE, file, inline, markdown, sections

VIEW = "application/vnd.jupyter.widget-view+json"
# What the index opens with, from assets/: it moves once, for less than five seconds, since it has no button to stop it; and where
# nothing should move, it does not.
OPENING = ("words", "scenes")
PRIORITY = [VIEW, "text/html", "text/markdown", "image/svg+xml", "image/png", "text/plain"]


def build(notebooks: Path, out: Path, repository: str | None = None) -> list[Path]:
    """Write the course in the folder `notebooks` into the folder `out`, created if necessary; returns the files written.

    repository   https://github.com/OWNER/NAME, for links to where the notebooks can be run (default: see `address`)
    FileNotFoundError if there are no notebooks; ValueError if one is not a valid notebook, or no page can be made from it,
    and for a repository of another form.
    """
    repository = address(repository)
    paths = sorted(notebooks.glob("*.ipynb"))
    if not paths:
        raise FileNotFoundError(f"There are no notebooks (*.ipynb) in {notebooks}.")
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file, but the pages need a folder.")
    course: list[dict[str, Any]] = []
    rows = _readme_rows(notebooks)
    for path in paths:
        nb = _read(path)
        course.append(
            {"name": path.stem, "nb": nb, "title": _title(nb) or path.stem, "cover": _cover(nb), **rows.get(path.stem, {})}
        )

    page, deck = _exporter("page", course), _exporter("deck", course)
    files = {}
    for i, (path, lesson) in enumerate(zip(paths, course, strict=True)):
        try:
            resources = {
                "title": lesson["title"],
                "name": lesson["name"],
                "previous": course[i - 1] if i else None,
                "next": course[i + 1] if i + 1 < len(course) else None,
                "views": _views(lesson["nb"]),
                "repository": repository,
                "services": services(repository, lesson["name"]),
            }
            for exporter, ending, form in ((page, ".html", {"narrow": True}), (deck, ".slides.html", {})):
                files[lesson["name"] + ending] = exporter.from_notebook_node(lesson["nb"], resources | form)[0].encode()
        except MemoryError:
            raise
        except Exception as error:  # metadata and outputs may hold anything
            what = f"{type(error).__name__}: {str(error).rstrip('.')}"
            raise ValueError(
                f"{path} holds outputs or metadata from which no page can be made ({what}): run it again."
            ) from error
    pictures = {name: base64.b64encode((HERE.parent / "assets" / f"{name}.png").read_bytes()).decode() for name in OPENING}
    index = page.environment.get_template("index.html.j2")
    demo = {"demo": networks.demo(), "demo_script": networks.demo_script()}
    files["index.html"] = index.render(course=course, pictures=pictures, repository=repository, **demo).encode()
    lines = page.environment.get_template("lecture.html.j2")
    files["lecture.html"] = lines.render(lines=LINES, columns=COLUMNS, found=entries(course), folded=folded(course)).encode()
    files |= reference() | networks.scripts(
        [networks.DEMO, networks.UPSAMPLER, *networks.asked(lesson["nb"] for lesson in course)]
    )
    with places.made(out):
        for name, data in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(out / name, data)
    return [out / name for name in files]


def _read(path: Path) -> nbformat.NotebookNode:
    """The notebook without the cells tagged `remove-cell`, which have no use without a kernel.

    In a notebook, a view is followed by two outputs, its filmstrip and caption; these become parts of the view's output.
    """
    try:
        nb = read(path)
        nb.cells = [cell for cell in nb.cells if "remove-cell" not in cell.metadata.get("tags", [])]
        for cell in nb.cells:
            outputs = list(cell.get("outputs", []))
            for view, still, caption in zip(outputs, outputs[1:], [*outputs[2:], {}], strict=False):
                if VIEW in view.get("data", {}) and "image/png" in still.get("data", {}):
                    view.data |= {key: still.data[key] for key in ("image/png", NARROW) if key in still.data}
                    view.metadata = still.metadata
                    cell.outputs.remove(still)
                    if "text/markdown" in caption.get("data", {}):
                        view.data["text/markdown"] = caption.data["text/markdown"]
                        cell.outputs.remove(caption)
        return nb
    except (AttributeError, KeyError, TypeError) as error:  # outputs or metadata of another form
        raise ValueError(f"{path} is not a notebook.") from error


def _title(nb: nbformat.NotebookNode) -> str:
    """The text of the first heading of level 1, or nothing."""
    for cell in nb.cells:
        found = cell.cell_type == "markdown" and re.search(r"^# +(.+?) *$", cell.source, re.MULTILINE)
        if found:
            return found[1]
    return ""


def _cover(nb: nbformat.NotebookNode) -> dict[str, str] | None:
    """The figure of the cell tagged `cover`, which stands for the notebook on the index, with its alternative text."""
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if "cover" in cell.metadata.get("tags", []) and "image/png" in output.get("data", {}):
                return {"png": output.data["image/png"], "alt": output.metadata.get("image/png", {}).get("alt", "")}
    return None


def _readme_rows(notebooks: Path) -> dict[str, dict[str, str]]:
    """Question and minutes of each notebook: its row in the table of the README one folder up, if there is one."""
    readme = notebooks.resolve().parent / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    row = r"^\|[^|]*\| *\[[^|]*\]\([^|)]*?([\w.-]+)\.ipynb\) *\| *([^|]+?) *\| *([^|]+?) *\| *([^|]+?) *\|$"
    found = re.findall(row, text, re.MULTILINE)
    return {name: {"question": question, "teach": teach, "run": run} for name, question, teach, run in found}


def _exporter(template: str, course: list[dict]) -> TemplateExporter:
    """nbconvert, with our own templates over its plain `base`: the only styles and scripts are ours."""
    ending = {"page": ".html", "deck": ".slides.html"}[template]
    pages = {lesson["name"]: lesson["name"] + ending for lesson in course}
    return TemplateExporter(
        config=Config({"NbConvertBase": {"display_data_priority": PRIORITY}}),
        extra_template_basedirs=[str(HERE / "templates")],
        template_name="course",
        template_file=f"{template}.html.j2",
        filters={
            "markdown": functools.partial(markdown, pages=pages),
            "sections": sections,
            "slides": slides,
            "size": _png_size,
            "json_in_html": _json_in_html,
            "text": inline,
            "file": file,
        },
    )


def slides(cells: Iterable[nbformat.NotebookNode]) -> list[list[list[tuple[nbformat.NotebookNode, int | None]]]]:
    """The cells as slides, each a list of subslides, each a list of (cell, which fragment it belongs to, or None).

    A cell without a slide type continues the slide or fragment before it; one to be skipped is left out.
    """
    deck: list[list[list[tuple[nbformat.NotebookNode, int | None]]]] = []
    fragment: int | None = None
    for cell in cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if kind == "skip":
            continue
        if kind == "slide" or not deck:
            deck.append([])
        if kind in ("slide", "subslide") or not deck[-1]:
            deck[-1].append([])
            fragment = None
        if kind == "fragment":
            fragment = 0 if fragment is None else fragment + 1
        deck[-1][-1].append((cell, fragment))
    return deck


def _views(nb: nbformat.NotebookNode) -> dict:
    """The views that have a saved state: {model_id: state, buffers, which module, which style}, and each of these texts once."""
    states = nb.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    models: dict[str, dict] = {}
    modules: list[str] = []
    styles: list[str] = []
    for output in (output for cell in nb.cells for output in cell.get("outputs", [])):
        name = output.get("data", {}).get(VIEW, {}).get("model_id")
        saved = states.get(name, {})
        if "_esm" not in saved.get("state", {}):
            continue
        state = saved["state"]
        models[name] = {
            "module": _place(state["_esm"], modules),
            "style": _place(state.get("_css") or "", styles),
            "state": {key: value for key, value in state.items() if not key.startswith("_")},
            "buffers": [{"path": b["path"], "data": b["data"]} for b in saved.get("buffers", [])],
        }
    return {"models": models, "modules": modules, "styles": styles}


def _place(text: str, texts: list[str]) -> int:
    """The index of `text` in `texts`; it is added if it is new."""
    if text not in texts:
        texts.append(text)
    return texts.index(text)


def _json_in_html(value: Any) -> str:
    """JSON that can stand in a <script> element: no < in it, so nothing ends the element early."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _png_size(png: str) -> str:
    """Width and height of a PNG (base64) as attributes of <img>, so the page has its final length before they are decoded."""
    width, height = struct.unpack(">2I", base64.b64decode(png[:32])[16:24])
    return f'width="{width}" height="{height}"'
