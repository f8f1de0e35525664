"""What the docstrings of public names say of their source, in one fixed form: "Slide L12; Ho et al. 2020, eq. 7."

First the slide, or several ("Slides L11, L12; ..."), then the paper with the place in it, or several ("...; Lu et al. 2022,
Algorithm 2."). Where the lecture has no line for it, the paper alone.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import ddpm_lite

NUMBER = r"(?:[A-Z]?\d+(?:\.\d+)*|[A-Z](?:\.\d+)*)"
PLACE = rf"(?:(?:eq\.|section|appendix|Algorithm|fig\.) {NUMBER}|(?:eqs\.|sections) {NUMBER} (?:and|to) {NUMBER})"
AUTHORS = r"[A-Z]\w+(?: et al\.| & [A-Z]\w+)?"
PAPER = rf"{AUTHORS} \d{{4}}[a-z]?(?:, {PLACE})+"
CITATION = re.compile(rf"(?<!\S)(?:(Slide L\d+|Slides L\d+(?:, L\d+)+); )?({PAPER}(?:; {PAPER})*)\.(?!\S)")
LOOSE = re.compile(rf"Slides? L?\d|(?<!\")\bL\d|et al\.|\b{AUTHORS},? \(?(?:19|20)\d\d")  # what only a citation may hold
METHODS = (FunctionType, classmethod, staticmethod, property)


class Citation(NamedTuple):
    """A source: slides ("L12") and papers ("Ho et al. 2020, eq. 7")."""

    slides: tuple[str, ...]
    papers: tuple[str, ...]


def citation(name: str, docstring: str) -> Citation | None:
    """The citation in a docstring, if there is one. ValueError if it is not in the fixed form, or not alone."""
    text = " ".join(docstring.split())
    found = list(CITATION.finditer(text))
    loose = LOOSE.search(CITATION.sub("", text))
    if loose or len(found) > 1:
        what = f"{loose[0]!r}" if loose else f"{len(found)} citations"
        raise ValueError(f"{name} has one citation in the form 'Slide L12; Ho et al. 2020, eq. 7.', but {what} stands there.")
    if not found:
        return None
    slides = tuple(re.findall(r"L\d+", found[0][1] or ""))
    if list(slides) != sorted(set(slides), key=lambda slide: int(slide[1:])):
        raise ValueError(f"{name} cites the slides {', '.join(slides)}: each once, in the order of the lecture.")
    return Citation(slides, tuple(found[0][2].split("; ")))


class Public(NamedTuple):
    """A public name: the page of the reference on which it is, its name there, and what it stands for."""

    page: str
    name: str
    value: Any

    @property
    def address(self) -> str:
        """Where the reference says more, seen from the index of the site."""
        return f"api/{self.page.replace('.', '/')}.html#{self.name}"


def pages() -> list[ModuleType]:
    """What has a page in the reference: each room, and each module that a room exports. The exercises are pages of their own."""
    found = []
    for info in pkgutil.iter_modules(ddpm_lite.__path__, "ddpm_lite."):
        if info.ispkg and hasattr(room := importlib.import_module(info.name), "__all__"):
            modules = [value for name in room.__all__ if inspect.ismodule(value := getattr(room, name))]
            found += [room, *(modules if info.name != "ddpm_lite.exercises" else [])]
    return found


def exported(page: ModuleType) -> list[str]:
    """The names of a page: `__all__` of a room, or else the functions and classes that the module defines."""
    own = [
        name
        for name, value in vars(page).items()
        if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == page.__name__ and name[0] != "_"
    ]
    return list(getattr(page, "__all__", own))


def public() -> Iterator[Public]:
    """Every public name, with the methods of the classes, each once."""
    for page in pages():
        for name in exported(page):
            value = getattr(page, name)
            if inspect.ismodule(value):
                continue
            yield Public(page.__name__, name, value)
            if inspect.isclass(value):
                for method, own in vars(value).items():
                    if method[0] != "_" and isinstance(own, METHODS):
                        yield Public(page.__name__, f"{name}.{method}", own)


def cited() -> dict[Public, Citation]:
    """The citations of all public names that have one. ValueError for a citation in another form."""
    found: dict[Public, Citation] = {}
    for each in public():
        if inspect.isclass(each.value) or isinstance(each.value, METHODS):
            source = citation(f"{each.page}.{each.name}", each.value.__doc__ or "")
            found |= {each: source} if source else {}
    return found
