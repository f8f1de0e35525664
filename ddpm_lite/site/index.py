"""The index of the lecture: from each line to its equations, the sections, functions, exercises and views that stand for it.

Nothing of it is written by hand: it is read from the citations in the docstrings, the tags and headings of the notebooks, the
lines of the exercises, and the views that a section shows.
"""

import re
from typing import Any, NamedTuple

from .. import exercises, views
from .citations import cited
from .lecture import COLUMNS, LINES
from .text import boxes, markdown, sections

VIEWS = [name for name in views.__all__ if name not in ("View", "plots")]


class Section(NamedTuple):
    """A section of a notebook: where it is, its heading, the lines that it asserts, and the code of its cells."""

    address: str
    title: str
    lines: set[str]
    code: str

    @property
    def link(self) -> dict[str, str]:
        """The heading, as a link to the section."""
        return {"html": self.title, "address": self.address}


def sections_of(course: list[dict[str, Any]]) -> list[Section]:
    """The sections of all notebooks, in order."""
    found: list[Section] = []
    for lesson in course:
        for cell in lesson["nb"].cells:
            if cell.cell_type == "markdown":
                for anchor, title in sections(markdown(cell.source, {}, cell.get("attachments"))):
                    found.append(Section(f"{lesson['name']}.html#{anchor}", title, set(), ""))
            elif cell.cell_type == "code" and found and found[-1].address.startswith(f"{lesson['name']}.html"):
                lines = {tag for tag in cell.metadata.get("tags", []) if tag in LINES}
                found[-1] = found[-1]._replace(lines=found[-1].lines | lines, code=f"{found[-1].code}\n{cell.source}")
    return found


def entries(course: list[dict[str, Any]]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """{line: {column: what stands for it, each with its `html` and, where there is one, its `address`}}."""
    parts, sources = sections_of(course), cited()
    return {line: {column: FOUND[column](line, parts, sources) for column in COLUMNS} for line in LINES}


def folded(course: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The boxes of all notebooks in which what a slide prints is folded away: `html` and `address` of each."""
    cells = [(lesson["name"], cell) for lesson in course for cell in lesson["nb"].cells if cell.cell_type == "markdown"]
    found = [(name, box) for name, cell in cells for box in boxes(markdown(cell.source, {}, cell.get("attachments")))]
    return [{"html": says[0].upper() + says[1:], "address": f"{name}.html#{anchor}"} for name, (anchor, says) in found]


def _equations(line: str, parts: list[Section], sources: dict) -> list[dict[str, Any]]:
    papers = [paper for source in sources.values() if line in source.slides for paper in source.papers]
    return [{"html": paper.replace("&", "&amp;")} for paper in dict.fromkeys(papers)]


def _sections(line: str, parts: list[Section], sources: dict) -> list[dict[str, Any]]:
    return [part.link for part in parts if line in part.lines]


def _functions(line: str, parts: list[Section], sources: dict) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}  # what a room exports from a module that it exports too stands once
    for each, source in sources.items():
        if line in source.slides and not each.page.startswith("ddpm_lite.views"):
            found.setdefault(id(each.value), {"html": f"<code>{each.name}</code>", "address": each.address})
    return list(found.values())


def _exercises(line: str, parts: list[Section], sources: dict) -> list[dict[str, Any]]:
    found = []
    for number, exercise in sorted(exercises.Exercise.all.items()):
        if exercise.line == line and exercise.__class__.__module__.startswith("ddpm_lite."):
            check = re.compile(rf"exercises\.\w+\.{_name(exercise)}\.check\(")
            places = [part.address for part in parts if check.search(part.code)]
            found.append({"html": f"{number} {exercise.title}", **({"address": places[0]} if places else {})})
    return found


def _name(exercise: exercises.Exercise) -> str:
    """The name by which notebooks call an exercise, `exercises.closed_form.NAME`."""
    modules = [getattr(exercises, name) for name in exercises.__all__]
    names = [name for module in modules for name, value in vars(module).items() if value is exercise]
    return names[0] if names else r"\b\B"  # of a course's own: nothing matches it


def _views(line: str, parts: list[Section], sources: dict) -> list[dict[str, Any]]:
    found = []
    for name in VIEWS:
        shown = [part for part in parts if re.search(rf"\b{name}[(.]", part.code)]
        here = [part for part in shown if line in part.lines]
        citing = [each for each, source in sources.items() if each.name == name and line in source.slides]
        if here or citing:
            found.append({"html": f"<code>{name}</code>", "address": f"api/ddpm_lite/views.html#{name}",
                          "shown": [part.link for part in here or shown]})  # fmt: skip
    return found


FOUND = {"equation": _equations, "section": _sections, "function": _functions, "exercise": _exercises, "view": _views}
