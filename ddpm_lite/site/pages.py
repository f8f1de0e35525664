"""The course as web pages: an index, and for each notebook a page to read and a deck of slides, with live views.

Nothing is executed: the notebooks are taken as they are, with their outputs. Every file is self-contained (styles,
scripts, fonts, pictures, the data of the views), so it opens from a disk, from any static host, and without a network.
"""

import base64
import functools
import html
import json
import re
import struct
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbconvert.exporters import TemplateExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

from ..machine import files as places
from ..machine.weights import write_atomically
from ..views.plots import NARROW
from .notebooks import read
from .repository import address, services

HERE = Path(__file__).parent
VIEW = "application/vnd.jupyter.widget-view+json"
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
    course, rows = [], _readme_rows(notebooks)
    for path in paths:
        nb = _read(path)
        course.append({"name": path.stem, "nb": nb, "title": _title(nb) or path.stem, **rows.get(path.stem, {})})

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
    filmstrip = base64.b64encode((HERE.parent / "assets" / "filmstrip.png").read_bytes()).decode()
    index = page.environment.get_template("index.html.j2")
    files["index.html"] = index.render(course=course, filmstrip=filmstrip, repository=repository).encode()
    with places.made(out):
        for name, data in files.items():
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
            "file": _file,
        },
    )


class _Renderer(IPythonRenderer):
    """nbconvert's Markdown; formulas become elements of their own, so that KaTeX looks nowhere else."""

    def block_math(self, body: str) -> str:
        return f'<span class="math display">{self.escape_html(body)}</span>'

    def inline_math(self, body: str) -> str:
        return f'<span class="math">{self.escape_html(body)}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


def markdown(source: str, pages: dict[str, str]) -> str:
    """Markdown as HTML: ids for the headings, classes for errata and dots, links from notebook to notebook.

    pages  {name of a notebook: the file it has become}; a link to any other notebook becomes plain text.
    """
    text = MarkdownWithMath(_Renderer(escape=False, exclude_anchor_links=True)).render(source)
    text = re.sub(r"<(h[1-6])>(.*?)</h", lambda m: f'<{m[1]} id="{_slug(m[2])}">{m[2]}</h', text)
    text = re.sub(r"(<h2[^>]*>.*?\S)(\s*·\s*)(<em>)", r'\1<span class="dot">\2</span>\3', text)
    text = re.sub(r"<blockquote>(\s*<p><strong>Erratum)", r'<blockquote class="erratum">\1', text)
    # No line may end between a formula and the comma after it: a word joiner holds them together.
    text = re.sub(r'(<span class="math">[^<]*</span>)(?=[\w,.;:!?)\]-])', "\\1&NoBreak;", text)
    # A table may be wider than a phone: it gets a box that scrolls.
    text = re.sub(r"(<table>.*?</table>)", r'<div class="scroll">\1</div>', text, flags=re.DOTALL)

    def link(found: re.Match) -> str:
        return f'<a href="{pages[found[1]]}">{found[2]}</a>' if found[1] in pages else found[2]

    return re.sub(r'<a href="([\w.-]+)\.ipynb">(.*?)</a>', link, text)


def inline(source: str) -> str:
    """One line of Markdown as HTML, without a paragraph around it."""
    return markdown(source, {}).strip().removeprefix("<p>").removesuffix("</p>")


def _slug(heading: str) -> str:
    """The id of a heading: its words, without the minutes (in italics, after a dot) and without signs."""
    words = html.unescape(re.sub(r"·\s*<em>.*|<[^>]*>", "", heading)).lower()
    return re.sub(r"\W+", "-", words).strip("-") or "section"


def sections(page: str) -> list[tuple[str, str]]:
    """(id, title) of each section of a page of HTML."""
    found = re.findall(r'<h2 id="([^"]*)">(.*?)</h2>', page)
    return [(name, re.sub(r'<span class="dot">.*', "", title)) for name, title in found]


def slides(cells: Iterable[nbformat.NotebookNode]) -> list[list[list[tuple[nbformat.NotebookNode, int | None]]]]:
    """The cells as slides, each a list of subslides, each a list of (cell, which fragment it belongs to, or None).

    A cell without a slide type continues the slide or fragment before it; one to be skipped is left out.
    """
    deck, fragment = [], None
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
    models, modules, styles = {}, [], []
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


def _json_in_html(value) -> str:
    """JSON that can stand in a <script> element: no < in it, so nothing ends the element early."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _png_size(png: str) -> str:
    """Width and height of a PNG (base64) as attributes of <img>, so the page has its final length before they are decoded."""
    width, height = struct.unpack(">2I", base64.b64decode(png[:32])[16:24])
    return f'width="{width}" height="{height}"'


@functools.cache
def _file(name: str) -> str:
    """A script or a style of this folder, to stand inside an HTML page; the fonts it names are put into it."""
    text = (HERE / name).read_text(encoding="utf-8")
    if name.endswith(".js"):  # "<\/script>" is the same string, and does not end the element
        return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")

    def font(found: re.Match) -> str:
        data = base64.b64encode((HERE / name).with_name("fonts").joinpath(found[1]).read_bytes()).decode()
        return f'src:url(data:font/woff2;base64,{data}) format("woff2")}}'

    return re.sub(r"src:url\(fonts/([\w-]+\.woff2)\)[^}]*\}", font, text)
