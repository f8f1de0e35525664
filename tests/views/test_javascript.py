"""The browser halves of the views and the scripts of the web pages under ESLint, each as it is sent: after what it uses."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import ddpm_lite
from ddpm_lite import views
from ddpm_lite.browser.scripts import page_script
from ddpm_lite.views.base import HERE, esm

ESLINT = shutil.which("eslint")
if not ESLINT and os.environ.get("REQUIRE_BROWSER"):
    raise RuntimeError("REQUIRE_BROWSER is set, but there is no ESLint: install it from npm, and put it on the PATH.")
pytestmark = pytest.mark.skipif(not ESLINT, reason="no ESLint: the JavaScript is not checked")
CONFIG = Path(__file__).parents[1] / "eslint.config.mjs"
VIEWS = {name: view for name, view in vars(views).items() if isinstance(view, type) and "_esm" in vars(view)}


def lint(folder: Path, sources: dict[str, str]) -> dict[str, list[dict]]:
    """The messages of ESLint on each source."""
    shutil.copy(CONFIG, folder)  # ESLint only looks at files below its configuration
    for name, text in sources.items():
        (folder / f"{name}.js").write_text(text)
    done = subprocess.run([ESLINT, "--format", "json", "."], cwd=folder, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return {Path(file["filePath"]).stem: file["messages"] for file in json.loads(done.stdout)}


def test_the_browser_halves_are_clean(tmp_path):
    found = lint(tmp_path, {name: view._esm for name, view in VIEWS.items()})
    unused = {}  # what the shared files offer and a view does not use: only wrong if no view does
    for name, view in VIEWS.items():
        own = HERE / f"{view.__module__.split('.')[-1]}.js"
        shared = view._esm.count("\n") - own.read_text().count("\n")
        others = []
        for message in found[name]:
            if message["line"] <= shared and message["ruleId"] == "no-unused-vars":
                unused.setdefault(message["message"], set()).add(name)
            else:
                others.append(f"{name}, {message['line'] - shared}: {message['message']}")
        assert not others
    for message, idle in unused.items():
        word = re.search(r"'(\w+)'", message)[1]
        assert idle < {name for name, view in VIEWS.items() if re.search(rf"\b{word}\b", view._esm)}, message


def test_the_scripts_of_the_web_pages_are_clean(tmp_path):
    folder = Path(ddpm_lite.__file__).parent / "site"
    scripts = {"theme": ["theme"], "page": ["maths", "views", "page"], "deck": ["maths", "views", "deck"]}
    sources = {name: "".join((folder / f"{part}.js").read_text() for part in parts) for name, parts in scripts.items()}
    found = lint(tmp_path, sources | {"index": page_script() + (folder / "demo.js").read_text()})
    assert [f"{name}.js:{m['line']}: {m['message']}" for name in found for m in found[name]] == []


@pytest.mark.parametrize(
    ("slip", "rule"),
    [("const a = 1;", "no-unused-vars"), ("build = missing;", "no-undef"), ("if (1 == build) build();", "eqeqeq")],
)
def test_a_slip_is_found(tmp_path, slip, rule):
    found = lint(tmp_path, {"noise": esm("noise") + slip})
    assert rule in {message["ruleId"] for message in found["noise"]}
