"""The browser halves of the views and the scripts of the web pages under ESLint, each as it is sent: after what it uses."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import ddpm_lite
from ddpm_lite.browser.scripts import page_script
from ddpm_lite.views.base import HERE, esm

ESLINT = shutil.which("eslint")
if not ESLINT and os.environ.get("REQUIRE_BROWSER"):
    raise RuntimeError("REQUIRE_BROWSER is set, but there is no ESLint: install it from npm, and put it on the PATH.")
pytestmark = pytest.mark.skipif(not ESLINT, reason="no ESLint: the JavaScript is not checked")
CONFIG = Path(__file__).parents[1] / "eslint.config.mjs"
BASE = (HERE / "base.js").read_text()


def lint(folder: Path, sources: dict[str, str]) -> dict[str, list[dict]]:
    """The messages of ESLint on each source."""
    shutil.copy(CONFIG, folder)  # ESLint only looks at files below its configuration
    for name, text in sources.items():
        (folder / f"{name}.js").write_text(text)
    done = subprocess.run([ESLINT, "--format", "json", "."], cwd=folder, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return {Path(file["filePath"]).stem: file["messages"] for file in json.loads(done.stdout)}


def test_the_browser_halves_are_clean(tmp_path):
    names = [path.stem for path in HERE.glob("*.js") if path.stem != "base"]
    found = lint(tmp_path, {name: esm(name) for name in names})
    of_base = BASE.count("\n")
    unused = {}  # what base.js offers and a view does not use: only wrong if no view does
    for name in names:
        others = []
        for message in found[name]:
            if message["line"] <= of_base and message["ruleId"] == "no-unused-vars":
                unused.setdefault(message["message"], set()).add(name)
            else:
                others.append(f"{name}.js:{message['line'] - of_base}: {message['message']}")
        assert not others
    assert not [message for message, views in unused.items() if len(views) == len(names)]


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
