"""What the templates of all pages use: Markdown with formulas, headings, and the files that stand inside a page."""

import base64
import functools
import html
import re
from pathlib import Path

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

HERE = Path(__file__).parent


class _Renderer(IPythonRenderer):
    """nbconvert's Markdown; formulas become elements of their own, so that KaTeX looks nowhere else."""

    def block_math(self, body: str) -> str:
        return f'<span class="math display">{self.escape_html(body)}</span>'

    def inline_math(self, body: str) -> str:
        return f'<span class="math">{self.escape_html(body)}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


def markdown(source: str, pages: dict[str, str], attachments: dict[str, dict[str, str]] | None = None) -> str:
    """Markdown as HTML: ids for headings and folded boxes, a class for dots, links from notebook to notebook.

    pages        {name of a notebook: the file it has become}; a link to any other notebook becomes plain text.
    attachments  the pictures that a cell has with it, {name: {format: base64}}; each becomes a part of the page.
    """
    text = MarkdownWithMath(_Renderer(escape=False, exclude_anchor_links=True, attachments=attachments or {})).render(source)
    text = re.sub(r"<(h[1-6])>(.*?)</h", lambda m: f'<{m[1]} id="{slug(m[2])}">{m[2]}</h', text)
    text = re.sub(r"(<h2[^>]*>.*?\S)(\s*·\s*)(<em>)", r'\1<span class="dot">\2</span>\3', text)
    text = re.sub(r"<details>\s*<summary>(.*?)<", lambda m: f'<details class="lecture" id="{slug(m[1])}"><summary>{m[1]}<', text)
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


def slug(heading: str) -> str:
    """The id of a heading: its words, without the minutes (in italics, after a dot) and without signs."""
    words = html.unescape(re.sub(r"·\s*<em>.*|<[^>]*>", "", heading)).lower()
    return re.sub(r"\W+", "-", words).strip("-") or "section"


def sections(page: str) -> list[tuple[str, str]]:
    """(id, title) of each section of a page of HTML."""
    found = re.findall(r'<h2 id="([^"]*)">(.*?)</h2>', page)
    return [(name, re.sub(r'<span class="dot">.*', "", title)) for name, title in found]


def boxes(page: str) -> list[tuple[str, str]]:
    """(id, what is folded in it) of each box in a page of HTML for those who follow the lecture."""
    return re.findall(r'<details class="lecture" id="([^"]*)"><summary>If you follow the lecture: (.*?)</summary>', page)


def in_html(script: str) -> str:
    """A script that can stand in a <script> element: "<\\/script>" is the same string, and does not end the element."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


@functools.cache
def file(name: str) -> str:
    """A script or a style of this folder, to stand inside an HTML page; the fonts it names are put into it."""
    text = (HERE / name).read_text(encoding="utf-8")
    if name.endswith(".js"):
        return in_html(text)

    def font(found: re.Match) -> str:
        data = base64.b64encode((HERE / name).with_name("fonts").joinpath(found[1]).read_bytes()).decode()
        return f'src:url(data:font/woff2;base64,{data}) format("woff2")}}'

    return re.sub(r"src:url\(fonts/([\w-]+\.woff2)\)[^}]*\}", font, text)
