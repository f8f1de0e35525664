"""The course as web pages: what is written, and that it needs nothing else. (test_site_browser.py opens the pages.)"""

import base64
import json
import posixpath
import re
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from markupsafe import escape
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ddpm_lite import __main__ as cli
from ddpm_lite import site
from ddpm_lite.commands import common
from ddpm_lite.site.text import HERE
from ddpm_lite.views.plots import NARROW

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{file name: its text} of the whole course."""
    out = tmp_path_factory.mktemp("site")
    return {path.relative_to(out).as_posix(): path.read_text(encoding="utf-8") for path in site.build(NOTEBOOKS, out)}


def small(folder: Path, *cells, widgets: dict | None = None, name: str = "a") -> Path:
    """A folder with one notebook of these cells; where no slide type is given, each is a slide."""
    folder.mkdir(parents=True, exist_ok=True)
    for cell in cells:
        cell.metadata.setdefault("slideshow", {"slide_type": "slide"})
    metadata = {"widgets": {"application/vnd.jupyter.widget-state+json": {"state": widgets}}} if widgets else {}
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata), folder / f"{name}.ipynb")
    return folder


def built(tmp_path, *cells, **more) -> tuple[str, str]:
    """The page and the deck of one notebook, without the scripts and styles that all have."""
    files = site.build(small(tmp_path / "notebooks", *cells, **more), tmp_path / "out")
    return tuple(re.search(r"<main.*</main>", path.read_text(encoding="utf-8"), re.DOTALL)[0] for path in files[:2])


def test_every_notebook_has_a_page_and_a_deck_and_the_index_leads_to_them(pages):
    assert {name for name in pages if not name.startswith(("api/", "networks/"))} == {
        "index.html", "lecture.html", *(f"{n}{end}" for n in NAMES for end in (".html", ".slides.html"))
    }  # fmt: skip
    readme = (NOTEBOOKS.parent / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f'href="{name}.html"' in pages["index.html"] and f'href="{name}.slides.html"' in pages["index.html"]
        row = re.search(rf"{name}\.ipynb\) \| ([^|]+) \| ([^|]+) \|", readme)
        assert row[1] in pages["index.html"] and f"{row[2]} to teach" in pages["index.html"]
    for a, b in pairwise(NAMES):
        assert f'rel="next" href="{b}.html"' in pages[f"{a}.html"] and f'rel="prev" href="{a}.html"' in pages[f"{b}.html"]


def test_every_page_leads_to_the_lines_of_the_lecture_and_to_the_reference(pages):
    for name, text in pages.items():
        if not name.endswith((".slides.html", ".js")):
            linked = {posixpath.normpath(posixpath.join(name, "..", to)) for to in re.findall(r'<a [^>]*href="([^"#]+)', text)}
            assert {"index.html", "lecture.html", "api/index.html"} - {name} <= linked, name


def test_the_index_shows_a_figure_of_each_notebook_and_what_it_shows(pages):
    for name in NAMES:
        cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4).cells
        (cover,) = (cell for cell in cells if "cover" in cell.metadata.get("tags", []))
        (figure,) = (output for output in cover.outputs if "image/png" in output.get("data", {}))
        assert figure.data["image/png"].replace("\n", "") in pages["index.html"], name
        assert escape(figure.metadata["image/png"]["alt"]) in pages["index.html"], name
    assert pages["index.html"].count('class="cover"') == len(NAMES)


def test_the_index_opens_with_words_that_become_pictures_and_stands_still_where_nothing_should_move(pages):
    found = re.search(
        r'<picture>\s*<source media="\(prefers-reduced-motion: reduce\)" srcset="([^"]+)">\s*<img src="([^"]+)"',
        pages["index.html"],
    )
    still, moving = (base64.b64decode(each.partition("base64,")[2]) for each in found.groups())
    assert b"acTL" in moving and b"acTL" not in still  # the chunk that makes a PNG an animation


@pytest.mark.parametrize("name", ["index", "lecture", *NAMES, *(f"{n}.slides" for n in NAMES)])
def test_a_file_is_complete_in_itself_and_not_large(pages, name):
    assert_complete(pages, f"{name}.html")


def test_a_page_of_the_reference_is_complete_in_itself_and_not_large(pages):
    for name in pages:
        if name.startswith("api/"):
            assert_complete(pages, name)


def assert_complete(pages: dict[str, str], name: str) -> None:
    text = pages[name]
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">') and len(text.encode()) <= 6_000_000
    assert not re.search(r"<script[^>]*\ssrc", text)
    text = re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.DOTALL)  # what these load, the browser's tests see
    assert not re.search(r"<link|<iframe|@import", text)
    for attribute in re.findall(r'\ssrc="([^"]{0,20})', text):
        assert attribute.startswith("data:image/"), attribute
    for address in re.findall(r"url\(([^)]{0,20})", text):
        assert address.strip("\"'").startswith(("data:", "#")), address
    for target in re.findall(r'<a [^>]*href="([^"]*)"', text):  # links of the text may lead away; those within must arrive
        if not target.startswith("https://"):
            file, _, anchor = target.partition("#")
            there = posixpath.normpath(posixpath.join(name, "..", file)) if file else name
            assert there in pages, (name, target)
            assert not anchor or f'id="{anchor}"' in pages[there], (name, target)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_holds_its_notebook_and_the_deck_what_is_on_slides(pages, name):
    page, deck = pages[f"{name}.html"], pages[f"{name}.slides.html"]
    every = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    cells = [c for c in every if "remove-cell" not in c.metadata.get("tags", [])]
    pictures = [o.data for c in cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    attached = sum(len(c.get("attachments", {})) for c in cells)
    assert page.count('<img src="data:image/png;base64,') == len(pictures) + attached
    assert page.count("<picture>") == sum(NARROW in data for data in pictures)
    # What has been done with the exercises is known to a kernel only.
    assert {c.source for c in every if c not in cells and c.cell_type == "code"} == {"exercises.progress()"}
    assert "exercises.progress()" not in page and "| Exercise |" not in page and "<th>Exercise</th>" not in page
    assert page.count('<div class=" highlight') == sum(c.cell_type == "code" for c in cells)
    kinds = [c.metadata["slideshow"]["slide_type"] for c in cells]
    assert deck.count("<section>") == kinds.count("slide") + kinds.count("slide") + kinds.count("subslide")
    assert deck.count('<aside class="notes">') == kinds.count("notes")
    views = json.loads(re.search(r'<script type="application/json" id="views">(.*?)</script>', page, re.DOTALL)[1])
    assert set(re.findall(r'data-model="(\w+)"', page)) == set(views["models"])
    assert len(set(views["modules"])) == len(views["modules"]) <= len(views["models"]) or not views["models"]
    assert page.count("<h1") == 1 and page.count("<details><summary>Code") == sum(
        "hide-input" in c.metadata.get("tags", []) or c.metadata.get("jupyter", {}).get("source_hidden", False) for c in cells
    )


def test_written_again_it_is_the_same(tmp_path):
    folder = small(tmp_path / "notebooks", new_markdown_cell("# A"), new_code_cell("1"))
    first = {path: path.read_bytes() for path in site.build(folder, tmp_path / "out")}
    assert {path: path.read_bytes() for path in site.build(folder, tmp_path / "out")} == first
    assert {path for path in (tmp_path / "out").rglob("*") if path.is_file()} == set(first)  # nothing temporary is left


def test_formulas_come_through_as_they_were_typed(tmp_path):
    formulas = [r"x_1 * y_2 * z_3", r"a \\ b", r"a < b & c > d", r"\mathcal{N}(0, I)\,|\,x_t", r"[a](b)", r"\{1\}"]
    page, _ = built(tmp_path, *(new_markdown_cell(f"so ${f}$, and\n\n$${f}$$\n\n`${f}$`") for f in formulas))
    escaped = [f.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for f in formulas]
    assert re.findall(r'<span class="math">(.*?)</span>', page) == escaped
    assert re.findall(r'<span class="math display">(.*?)</span>', page) == escaped
    assert re.findall(r"<code>(.*?)</code>", page) == [f"${f}$" for f in escaped]


def test_headings_folded_boxes_and_links_between_notebooks(tmp_path):
    folder = tmp_path / "notebooks"
    small(folder, new_markdown_cell("# B"), name="b")
    box = "<details>\n<summary>If you follow the lecture: slide L9 prints x</summary>\n\nIt *prints* $x$.\n\n</details>"
    text = f"## 1.1 One *and* two  ·  *3 min to teach*\n\n{box}\n\n[B](b.ipynb), [C](c.ipynb)"
    small(folder, new_markdown_cell("# A"), new_markdown_cell(text))
    page, deck = (path.read_text() for path in site.build(folder, tmp_path / "out")[:2])
    anchor = "if-you-follow-the-lecture-slide-l9-prints-x"
    for form in (page, deck):
        assert f'<details class="lecture" id="{anchor}"><summary>If you follow the lecture: slide L9 prints x</summary>' in form
        assert '<p>It <em>prints</em> <span class="math">x</span>' in form
    lines = (tmp_path / "out" / "lecture.html").read_text()
    assert f'<li><a href="a.html#{anchor}">Slide L9 prints x</a></li>' in lines
    assert '<li><a href="#1-1-one-and-two">1.1 One <em>and</em> two</a></li>' in page and '<h2 id="1-1-one-and-two">' in page
    assert '<a href="b.html">B</a>, C' in page and '<a href="b.slides.html">B</a>, C' in deck


def test_a_picture_attached_to_a_text_is_a_part_of_page_and_deck(tmp_path):
    cell = new_markdown_cell("# One\n\n![a red dot](attachment:dot.png)\n\nText.", attachments={"dot.png": {"image/png": "aGk="}})
    for text in built(tmp_path, cell):
        assert '<img src="data:image/png;base64,aGk=" alt="a red dot"' in text


def test_slide_types(tmp_path):
    kinds = ["slide", "-", "fragment", "-", "fragment", "notes", "subslide", "skip", "slide"]
    cells = [new_markdown_cell(f"cell{i}", metadata={"slideshow": {"slide_type": kind}}) for i, kind in enumerate(kinds)]
    _, deck = built(tmp_path, *cells)
    found = re.findall(r'<(section|aside|div class="jp-Cell[^>]*)[ >]|(cell\d)|</(section)', deck)
    flat = [a.removeprefix('div class="jp-Cell').strip('" ') or b or (c and "/") for a, b, c in found]
    assert " ".join(filter(None, flat)) == (
        'section section cell0 cell1 fragment" data-fragment-index="0 cell2 fragment" data-fragment-index="0 cell3 '
        'fragment" data-fragment-index="1 cell4 aside cell5 / section cell6 / / section section cell8 / /'
    )


def widget(esm: str, **state) -> dict:
    return {"model_name": "AnyModel", "state": {"_esm": esm, "_css": "", **state}, "buffers": []}


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


def test_a_view_without_its_state_is_its_picture_and_equal_modules_are_stored_once(tmp_path):
    still = new_output("display_data", {"image/png": PNG}, metadata={"image/png": {"alt": "a < b"}})
    outputs = [output for i in "abc" for output in (new_output("display_data", {VIEW: {"model_id": i}}), still)]
    widgets = {"a": widget("export default 1 // </script>"), "b": widget("export default 1 // </script>", t=3)}
    folder = small(tmp_path / "notebooks", new_code_cell("view", outputs=outputs), widgets=widgets)
    page = site.build(folder, tmp_path / "out")[0].read_text()
    assert page.count(f"data:image/png;base64,{PNG}") == 3 and re.findall(r'data-model="(.)"', page) == ["a", "b"]
    assert page.count('width="1" height="1"') == 3 and page.count('alt="a &lt; b"') == 3
    views = json.loads(re.search(r'id="views">(.*?)</script>', page)[1])
    assert views["modules"] == ["export default 1 // </script>"] and views["models"]["b"]["state"] == {"t": 3}


@pytest.mark.parametrize("view", [False, True], ids=["figure", "filmstrip"])
def test_a_page_has_the_narrow_form_of_a_figure_for_a_phone_and_a_slide_has_not(tmp_path, view):
    outputs = [new_output("display_data", {"image/png": PNG, NARROW: PNG + "\n"}, metadata={"image/png": {"alt": "a < b"}})]
    if view:
        outputs.insert(0, new_output("display_data", {VIEW: {"model_id": "a"}}))
    page, deck = built(tmp_path, new_code_cell("show", outputs=outputs), widgets={"a": widget("export default 1")})
    source = f'<source media="(max-width: 600px)" srcset="data:image/png;base64,{PNG}" width="1" height="1">'
    found = re.search(r"<picture>(<source [^>]*>)<img ([^>]*)></picture>", page, re.DOTALL)
    assert found[1] == source and 'alt="a &lt; b"' in found[2]
    assert page.count(PNG) == 2 and deck.count(PNG) == 1 and "<picture>" not in deck and 'alt="a &lt; b"' in deck


def test_the_caption_of_a_filmstrip_stands_with_it_and_not_below_the_view(tmp_path):
    still = new_output("display_data", {"image/png": PNG}, metadata={"image/png": {"alt": "Six states."}})
    below, after = (new_output("display_data", {"text/markdown": text}) for text in ("*Six states.*", "*Something else.*"))
    shown = new_output("display_data", {VIEW: {"model_id": "a"}})
    cell = new_code_cell("view", outputs=[shown, still, below, after])
    for text in built(tmp_path, cell, widgets={"a": widget("export default 1")}):
        inside = re.search(r'<div class="view" data-model="a"><div class="still">(.*?)</div></div></div>', text, re.DOTALL)[1]
        assert "Six states.</em>" in inside and text.count("Six states.</em>") == 1
        assert "Something else.</em>" in text and "Something else" not in inside
    cell = new_code_cell("view", outputs=[shown, still, below, after])
    for text in built(tmp_path / "stateless", cell):  # a view whose state was not saved is its filmstrip, with its caption
        assert 'class="view"' not in text and text.count("Six states.</em>") == 1


def test_a_cell_for_a_kernel_only_is_on_no_page(tmp_path):
    cells = [new_markdown_cell("seen"), new_code_cell("only_with_a_kernel()", metadata={"tags": ["remove-cell"]})]
    for text in built(tmp_path, *cells):
        assert "seen" in text and "only_with" not in text


def test_outputs_of_every_kind_are_text_not_markup(tmp_path):
    outputs = [
        new_output("stream", name="stdout", text="1 < 2 <b>"),
        new_output("execute_result", {"text/plain": "<b>result"}),
        new_output("error", ename="E", evalue="", traceback=["\x1b[31m<b>E"]),
        new_output("display_data", {"text/html": "<table><tr><td>1</td></tr></table>", "text/plain": "no"}),
    ]
    page, _ = built(tmp_path, new_code_cell("1 < 2", outputs=outputs))
    assert "1 &lt; 2 &lt;b&gt;" in page and "&lt;b&gt;result" in page and "&lt;b&gt;E" in page
    assert "<td>1</td>" in page and "no" not in re.findall(r"<pre[^>]*>(.*?)</pre>", page)


def said(capsys, *argv) -> str:
    assert cli.main(["site", *map(str, argv)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_what_cannot_be_done_is_said_in_one_sentence(tmp_path, capsys):
    out, folder = tmp_path / "out", tmp_path / "notebooks"
    assert said(capsys, "--out", out, "--notebooks", tmp_path / "none").startswith(
        "ddpm_lite: There are no notebooks (*.ipynb) in"
    )
    for text in ("not json", "{}", "[]"):
        folder.mkdir(exist_ok=True)
        (folder / "a.ipynb").write_text(text)
        assert said(capsys, "--out", out, "--notebooks", folder).endswith("a.ipynb is not a notebook.")
    assert not out.exists()
    small(folder, new_markdown_cell("# A"))
    out.write_text("")
    assert said(capsys, "--out", out, "--notebooks", folder).endswith("out is a file, but the pages need a folder.")


class Missing:
    """An importer before all others, which finds no nbconvert."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "nbconvert":
            raise ModuleNotFoundError("No module named 'nbconvert'", name="nbconvert")


def test_without_nbconvert_it_is_said_what_brings_it(tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("nbconvert", "ddpm_lite.site"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    assert said(capsys, "--out", tmp_path).startswith("ddpm_lite: nbconvert is not installed here: pip install")


def test_the_notebooks_here_are_taken_else_those_of_the_clone(tmp_path, capsys, monkeypatch):
    small(tmp_path / "notebooks", new_markdown_cell("# A"), name="mine")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["site", "--out", "out"]) == 0
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"index.html", "lecture.html", "api", "networks", "mine.html", "mine.slides.html"}
    count = sum(p.is_file() for p in (tmp_path / "out").rglob("*"))
    assert capsys.readouterr().out.startswith(f"{count} files in out")
    assert common.BESIDE == NOTEBOOKS


def test_no_notebook_is_named_that_has_no_title(tmp_path):
    files = site.build(small(tmp_path / "notebooks", new_markdown_cell("nothing")), tmp_path / "out")
    assert "<title>a – ddpm_lite</title>" in files[0].read_text(encoding="utf-8")


def test_what_is_not_ours_has_its_licence_and_says_where_it_is_from():
    for folder in [*(HERE / "vendor").iterdir(), *(Path(__file__).parents[1] / "vendor").iterdir()]:
        assert (folder / "LICENSE").stat().st_size > 500 and re.search(r"\d+\.\d+\.\d+ \(npm\)", (folder / "SOURCE").read_text())


def luminance(color: str) -> float:
    """WCAG 2's relative luminance of #rgb or #rrggbb."""
    parts = re.findall("..", color) if len(color) == 6 else [2 * c for c in color]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (int(p, 16) / 255 for p in parts)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_code_is_readable_in_both_themes(theme):
    css = (HERE / "notebook.css").read_text()
    colors = {m[0]: m[1 + theme] for m in re.findall(r"--([\w-]+): light-dark\(#(\w+), #(\w+)\)", css)}
    ground = luminance(colors.pop("code-ground"))
    assert len(colors) == 6
    for name, color in colors.items():
        low, high = sorted((ground, luminance(color)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, name
