"""The repository's address: one place, from which every link is made; without it, no link is shown and nothing stands for it."""

import re
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell
from test_site import NOTEBOOKS, said, small

from ddpm_lite import __main__ as cli
from ddpm_lite import site
from ddpm_lite.site import repository
from ddpm_lite.site.repository import address

ROOT = NOTEBOOKS.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
URL = "https://github.com/some-one/A.course_2"
PLACES = [
    "https://colab.research.google.com/github/some-one/A.course_2/blob/main/notebooks/a.ipynb",
    "https://mybinder.org/v2/gh/some-one/A.course_2/HEAD?labpath=notebooks/a.ipynb",
    "https://codespaces.new/some-one/A.course_2",
]


def installed_with(monkeypatch, urls: dict[str, str]) -> None:
    """The package as if installed with these [project.urls]; where it is not installed, there are none."""
    monkeypatch.setattr(repository, "URLS", urls)


@pytest.mark.parametrize("how", ["option", "pyproject"])
def test_each_page_leads_to_where_its_notebook_can_be_run_and_says_how_to_install(tmp_path, monkeypatch, how):
    folder = small(tmp_path / "notebooks", new_markdown_cell("# A"))
    installed_with(monkeypatch, {"Repository": URL if how == "pyproject" else "https://github.com/an/other", "Lecture": "L"})
    given = ["--repository", URL] if how == "option" else []
    assert cli.main(["site", "--notebooks", str(folder), "--out", str(tmp_path / "out"), *given]) == 0
    page, index = ((tmp_path / "out" / name).read_text(encoding="utf-8") for name in ("a.html", "index.html"))
    assert re.findall(r'<a class="run" href="(.*?)" aria-label="Run this notebook in \w+">', page) == PLACES
    assert f"<code>%pip install git+{URL}</code>" in page and f'href="{URL}"' in page and f'href="{URL}"' in index


def test_without_an_address_there_is_no_link_and_nothing_stands_for_it(tmp_path, monkeypatch):
    installed_with(monkeypatch, {})
    for path in site.build(small(tmp_path / "notebooks", new_markdown_cell("# A")), tmp_path / "out"):
        if "api" in path.relative_to(tmp_path / "out").parts:  # the reference speaks of the code, which has such words
            continue
        text = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r'class="run"|class="install"|git\+|colab|binder|codespaces|github|None|repository', text)


def test_nothing_in_the_project_stands_for_an_address():
    folders = [ROOT.glob("*"), *((ROOT / name).rglob("*") for name in ("notebooks", "ddpm_lite", ".github", ".devcontainer"))]
    texts = {".md", ".py", ".ipynb", ".j2", ".js", ".toml", ".yml", ".json"}
    for path in (path for folder in folders for path in folder if path.suffix in texts):
        found = re.search(r"(?<![\w+/])git\+[A-Z<]|\bADDRESS\b", path.read_text(encoding="utf-8"))  # and not inside of a picture
        assert not found, (path, found)


@pytest.mark.parametrize(
    "url",
    ["", "some-one/course", "http://github.com/a/b", "https://github.com/a", "https://github.com/a/b/", "https://github.com/a/b.git",
     "https://github.com/a/..", "https://github.com/a/b/tree/main", "https://gitlab.com/a/b", 'https://github.com/a/b"><script>',
     "https://github.com/a/b\n", "https://github.com/ä/b"],
)  # fmt: skip
def test_another_form_is_refused_in_one_sentence_and_nothing_is_written(tmp_path, capsys, url):
    folder = small(tmp_path / "notebooks", new_markdown_cell("# A"))
    line = said(capsys, "--notebooks", folder, "--out", tmp_path / "out", "--repository", url)
    assert line == f"ddpm_lite: The repository {url!r} must have the form https://github.com/OWNER/NAME."
    assert not (tmp_path / "out").exists()


def test_the_one_in_pyproject_has_the_form():
    for url in PYPROJECT["project"].get("urls", {}).values():
        assert address(url) == url


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_notebook_without_its_package_says_what_to_run(path: Path, monkeypatch):
    first = next(cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    monkeypatch.setitem(sys.modules, "ddpm_lite", None)
    with pytest.raises(ImportError) as caught:
        exec(first.source, {"__name__": "notebook"})
    (sentence,) = caught.value._render_traceback_()
    assert "%pip install -e ..  in a new cell" in sentence and sentence.endswith("then restart the kernel.")
    assert (path.parent / ".." / "pyproject.toml").is_file(), "so that .. is what to install"
