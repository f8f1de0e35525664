"""The index of the lecture has nothing empty without a reason, and the reference has every public name, as it was typed."""

import html
import inspect
import re

import pytest
from test_project import ROOT

import ddpm_lite
from ddpm_lite.site import citations
from ddpm_lite.site.index import entries
from ddpm_lite.site.lecture import COLUMNS, LINES
from ddpm_lite.site.pages import _read
from ddpm_lite.site.reference import docstring, reference, top_level


@pytest.fixture(scope="module")
def found():
    """{line: {column: what stands for it}} of the course."""
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    return entries([{"name": path.stem, "nb": _read(path)} for path in paths])


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_lecture_has_something_in_each_column_or_the_reason_why_not(found, line):
    assert set(LINES) == {f"L{number}" for number in range(1, 28)} == set(found)
    for column in COLUMNS:
        assert bool(found[line][column]) != (column in LINES[line].reasons), f"{line} has no {column}, or a reason too much"
    assert all(each.get("address") for column in ("section", "function", "exercise", "view") for each in found[line][column])


def test_a_citation_names_a_line_of_the_lecture():
    for each, source in citations.cited().items():
        assert set(source.slides) <= set(LINES), each.name


def test_every_public_name_has_an_entry_in_the_reference():
    pages = {name: content.decode() for name, content in reference().items()}
    for each in citations.public():
        page, _, anchor = each.address.partition("#")
        assert f'id="{anchor}"' in pages[page], each.address
    addresses = top_level()
    assert set(addresses) == set(ddpm_lite.__all__)
    for name, address in addresses.items():
        page, _, anchor = address.partition("#")
        assert bool(anchor) != inspect.ismodule(getattr(ddpm_lite, name)), f"{name} leads to {address}"
        assert f'href="{address}"' in pages["api/index.html"] and (not anchor or f'id="{anchor}"' in pages[f"api/{page}"]), name


def test_a_docstring_comes_through_as_it_was_typed():
    """All words of all docstrings, in order: Markdown would take the underscores of x_{t-1} * x_t for italics."""
    for each in citations.public():
        typed = (each.value.__doc__ or "") if "." not in each.name and callable(each.value) else ""
        seen = html.unescape(re.sub(r"<[^>]*>", " ", docstring(typed)))
        assert re.findall(r"[^\s`]", seen) == re.findall(r"[^\s`]", typed), each.name


@pytest.mark.parametrize(
    ("typed", "made"),
    [
        ("One *x_{t-1}* two\nlines.", "<p>One *x_{t-1}* two lines.</p>"),
        ("x     <what>\n      goes on\ny, z  more", "<dl><dt>x</dt><dd>&lt;what&gt; goes on</dd><dt>y, z</dt><dd>more</dd></dl>"),
        ("a   b\nText `f(x)`.", "<dl><dt>a</dt><dd>b</dd></dl><p>Text <code>f(x)</code>.</p>"),
        ("As follows:\nmean = a + b\nvariance = c", "<p>As follows:</p><p>mean = a + b</p><p>variance = c</p>"),
    ],
)
def test_a_docstring_becomes_paragraphs_and_lists_of_terms(typed, made):
    assert docstring(typed) == made


def test_a_citation_leads_to_its_lines_and_shows_them():
    page = reference()["api/ddpm_lite/maths.html"].decode()
    entry = re.search(r'<section id="q_sample">.*?</section>', page, re.DOTALL)[0]
    for line in ("L11", "L12", "L19"):
        assert f'<a href="../../lecture.html#{line}">{line}</a>, ' in entry or f">{line}</a>; Ho et al. 2020, eq. 4." in entry
    assert r'<span class="math">x_t = \sqrt{\bar\alpha_t}\,x_0' in entry and "{up}" not in page
    assert re.sub("<[^>]*>", "", entry).split("q_sample(")[1].strip().startswith("x0: ")  # the first argument is there too
