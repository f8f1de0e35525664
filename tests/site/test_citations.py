"""The way back to the lecture: what public names cite, and what the rooms say of themselves."""

import ast
import importlib
import re

import pytest
from test_project import ROOT, imports, modules, part

from ddpm_lite.site import citations
from ddpm_lite.site.citations import Citation, citation
from ddpm_lite.site.index import FOUND
from ddpm_lite.site.lecture import LINES

ROOMS = sorted({page.__name__ for page in citations.pages() if page.__name__.count(".") == 1})
OF_THE_LECTURE = {"maths", "networks", "training", "sampling", "views"}
# Public functions and classes of these rooms that stand for nothing of the lecture or of a paper.
UNCITED = {
    "accuracy": "a share of right answers",
    "nearest": "a distance",
    "gather": "reads a table",
    "Classifier": "the judge of drawn digits",
    "class_loss": "trains that judge",
    "captioned": "draws one of several captions: our own",
    "drop_words": "our own",
    "to_bytes": "a quarter of the memory",
    "Sheet": "shows any pictures over any axes",
    "View": "what all views share",
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("So. Slide L12; Ho et al. 2020, eq. 7.", Citation(("L12",), ("Ho et al. 2020, eq. 7",))),
        ("Slides L11, L12; Ho et al. 2020, eqs. 6 and 7. More.", Citation(("L11", "L12"), ("Ho et al. 2020, eqs. 6 and 7",))),
        (
            "Song et al. 2021, eq. 12; Lu et al. 2022b,\n    Algorithm 2, appendix B.3.",
            Citation((), ("Song et al. 2021, eq. 12", "Lu et al. 2022b, Algorithm 2, appendix B.3")),
        ),
        ("Nothing of L_0 or of a list like L[1].", None),
    ],
)
def test_a_citation_is_read(text, found):
    assert citation("f", text) == found


@pytest.mark.parametrize(
    "text",
    [
        "Slide L12.",
        "See L12.",
        "Slides L12; Ho et al. 2020, eq. 7.",
        "Slide L11, L12; Ho et al. 2020, eq. 7.",
        "Slides L12, L11; Ho et al. 2020, eq. 7.",
        "Slide L12, Ho et al. 2020, eq. 7.",
        "Slide L12; Ho et al., eq. 7.",
        "Slide L12; Ho et al. 2020.",
        "Slide L12; Ho et al. 2020, Eq. 7.",
        "Slide L12; Ho et al. 2020, eqs. 7.",
        "Slide L12; Ho et al. 2020, eq. 7",
        "A formula (Ho et al. 2020, eq. 7).",
        "Rotations (Shoemake 1985).",
        "Slide L12; Ho et al. 2020, eq. 7. Slide L13; Ho et al. 2020, eq. 4.",
    ],
)
def test_a_citation_in_another_form_is_refused(text):
    with pytest.raises(ValueError, match="f "):
        citation("f", text)


def test_what_stands_for_something_of_the_lecture_cites_it():
    cited = {each[:2] for each in citations.cited()}  # it refuses every malformed citation
    without = set()
    for each in citations.public():
        room, named = each.page.split(".")[1], each.page != "ddpm_lite.views.plots"
        if room in OF_THE_LECTURE and named and callable(each.value) and "." not in each.name and each[:2] not in cited:
            without.add(each.name)
    assert without == set(UNCITED)


def test_a_function_stands_once_for_a_line():
    sources = citations.cited()
    for line in LINES:
        names = [each["html"] for each in FOUND["function"](line, [], sources)]
        assert len(set(names)) == len(names), line


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_says_what_belongs_in_it_and_holds_no_logic(name):
    room = importlib.import_module(name)
    own, text = name.split(".")[1], " ".join(room.__doc__.split())
    tree = ast.parse((ROOT / "ddpm_lite" / own / "__init__.py").read_text(encoding="utf-8"))
    assert all(isinstance(node, ast.ImportFrom | ast.Assign | ast.Expr) for node in tree.body)
    assert len(set(room.__all__)) == len(room.__all__) and all(hasattr(room, each) for each in room.__all__)
    used = {n.split(".")[1] for path in modules() if part(path) == own for n in imports(path) if n.startswith("ddpm_lite.")}
    assert used - {own} == set(re.findall(r"`(\w+)`", re.search(r"The room imports (.*?)\. ", text + " ")[1]))
    said = set()
    for first, last in re.findall(r"L(\d+)(?: to L(\d+))?", text):
        said |= {f"L{number}" for number in range(int(first), int(last or first) + 1)}
    assert said == {
        slide for each, found in citations.cited().items() if each.page.split(".")[1] == own for slide in found.slides
    }


def test_the_first_import_is_the_one_that_hears_ctrl_c():
    for path, first in (("__init__.py", ["machine"]), ("machine/__init__.py", [None])):
        tree = ast.parse((ROOT / "ddpm_lite" / path).read_text(encoding="utf-8"))
        start = next(node for node in tree.body if isinstance(node, ast.ImportFrom))
        assert [start.module] == first and [alias.name for alias in start.names] == ["interrupt"]
