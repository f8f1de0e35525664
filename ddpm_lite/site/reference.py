"""The reference of the package, made by pdoc from the docstrings: a page for each room, and one for each module it exports.

The templates are ours: the frame, the styles and the formulas are those of the course's pages, and nothing is loaded. A
docstring is plain text, so it is not read as Markdown, whose underscores would become italics.
"""

import functools
import html
import inspect
import re
import sys
from typing import Any

import pdoc.doc
import pdoc.render

import ddpm_lite

from .citations import CITATION, METHODS, exported, pages
from .lecture import LINES
from .text import HERE, file, inline

ITEM = re.compile(r"(\S.*?) {2,}(\S.*)")  # of a table in a docstring: a name, and after two spaces or more what it means
FORMULA = re.compile(r"[\w*(),{} -]+ = ")  # at the start of a line that stands by itself


@functools.cache
def reference() -> dict[str, bytes]:
    """{name of a file below the folder of the site: its content}; made once in a process, as the package does not change."""
    documented = {page.__name__: pdoc.doc.Module(page) for page in pages()}
    pdoc.render.configure(template_directory=HERE / "templates" / "api", search=False)
    filters = {"file": file, "docstring": docstring, "own": own, "members": members, "methods": methods, "lines": lines}
    pdoc.render.env.filters |= {**filters, "says": says}
    files = {_path(name): pdoc.render.html_module(module, documented) for name, module in documented.items()}
    template = pdoc.render.env.get_template("names.html.jinja2")
    files["api/index.html"] = template.render(rooms=documented, names=top_level(), depth=1, all_modules=documented)
    return {name: text.encode() for name, text in files.items()}


def top_level() -> dict[str, str]:
    """{name that `ddpm_lite` exports: where its entry is, seen from the folder of the reference}."""
    places: dict[str, str] = {}
    for page in pages():
        here = _path(page.__name__).removeprefix("api/")
        places |= {
            name: f"{here}#{name}"
            for name in exported(page)
            if name not in places and getattr(ddpm_lite, name, None) is getattr(page, name)
        }
        if getattr(ddpm_lite, page.__name__.rpartition(".")[2], None) is page:  # a module that is exported has its own page
            places[page.__name__.rpartition(".")[2]] = here
    return {name: places[name] for name in ddpm_lite.__all__}


def _path(page: str) -> str:
    return f"api/{page.replace('.', '/')}.html"


def lines(documented: pdoc.doc.Doc[Any]) -> list[str]:
    """The lines of the lecture that the citation of a name gives."""
    cited = CITATION.search(" ".join(documented.docstring.split()))
    return re.findall(r"L\d+", (cited and cited[1]) or "")


def own(documented: pdoc.doc.Doc[Any]) -> str:
    """The docstring of a name itself: not that of the class it inherits from, nor what Python says of a named tuple."""
    if documented.name == "__init__":
        return ""
    if documented.kind != "variable":
        return documented.obj.__doc__ or ""
    homes = [module for name, module in sys.modules.items() if name.startswith(f"{documented.modulename}.")]
    found = [pdoc.doc.Module(home).get(documented.name) for home in homes if vars(home).get(documented.name) is documented.obj]
    return next((each.docstring for each in (documented, *found) if each and each.docstring), "")


def members(documented: pdoc.doc.Module) -> list[pdoc.doc.Doc[Any]]:
    """What has an entry on a page."""
    names = exported(documented.obj)
    return [each for each in documented.flattened_own_members if each.qualname in names and each.kind != "module"]


def methods(documented: pdoc.doc.Class) -> list[pdoc.doc.Doc[Any]]:
    """How an object of a class is made, and its public methods and properties; its fields stand in its docstring."""
    defined = {name for name, value in vars(documented.obj).items() if name[0] != "_" and isinstance(value, METHODS)}
    return [each for each in documented.own_members if each.name in defined | {"__init__"}]


def docstring(text: str) -> str:
    """A docstring as HTML: paragraphs, tables of arguments, code between backticks; no underscore or star is lost."""
    return "\n".join(_block(block.split("\n")) for block in re.split(r"\n\s*\n", inspect.cleandoc(text)))


def _block(rows: list[str]) -> str:
    """A paragraph, in which lines of two columns make a list of terms."""
    parts: list[tuple[str, list[str]]] = []  # (term, or "" for text; its lines)
    for row in rows:
        item = ITEM.fullmatch(row.strip()) if not row.startswith("  ") else None
        if item:
            parts.append((item[1], [item[2]]))
        elif parts and (row.startswith("  ") or (not parts[-1][0] and not FORMULA.match(row))):
            parts[-1][1].append(row.strip())
        else:
            parts.append(("", [row.strip()]))
    made = ""
    for term, words in parts:
        said = _marked(" ".join(words))
        made += f"<dl><dt>{_marked(term)}</dt><dd>{said}</dd></dl>" if term else f"<p>{said}</p>"
    return made.replace("</dl><dl>", "")


def _marked(text: str) -> str:
    """Text as HTML: what stands between backticks is code, and a citation's slides lead to the index of the lecture."""
    cited = CITATION.search(text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
    if cited and cited[1]:
        slides = re.sub(r"L\d+", lambda line: f'<a href="{{up}}lecture.html#{line[0]}">{line[0]}</a>', cited[1])
        text = text.replace(cited[1], slides)
    return text


def says(line: str) -> str:
    """What a line of the lecture says, as HTML with formulas."""
    return inline(LINES[line].says)
