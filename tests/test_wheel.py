"""The package as a wheel: everything is in it, and what is installed from it works where the repository is not."""

import os
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION, URL = PROJECT["version"], PROJECT.get("urls", {}).get("Repository", "https://github.com/owner/course")
USE = """
import sys
from pathlib import Path
import torch
import ddpm_lite
from ddpm_lite import __main__, views
from ddpm_lite.site.repository import address
assert Path(ddpm_lite.__file__).is_relative_to(sys.argv[1]), ddpm_lite.__file__
assert __main__.main(["sample", "digits", "3", "1", "--steps", "4", "--device", "cpu", "-o", "two.png"]) == 0
view = views.Matrix(torch.eye(2), ["a", "b"], ["c", "d"], "Similarity")
print(len(view._esm) > 5000, view.describe(), ddpm_lite.__version__, address())
"""


def pip(*words: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel, built from a copy, since setuptools writes beside what it builds."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("README.md", "LICENSE"):
        copy(ROOT / name, folder)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if "urls" not in PROJECT:  # so that what is read from there is tested before there is an address
        project = project.replace("[project.optional-", f'[project.urls]\nRepository = "{URL}"\n\n[project.optional-')
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    copytree(ROOT / "ddpm_lite", folder / "ddpm_lite", ignore=ignore_patterns("__pycache__"))
    isolation = ["--no-build-isolation"] if find_spec("setuptools") else []  # in isolation, pip fetches setuptools
    stored = "--config-settings=--build-option=--compression=stored"  # the weights hardly shrink, and it takes seconds
    done = pip("wheel", "--no-deps", *isolation, stored, "-w", folder, folder)
    if done.returncode and not isolation and "No matching distribution found for setuptools" in done.stderr:
        pytest.skip("neither setuptools nor a package index is there: no wheel can be built")
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_every_file_of_the_package_is_in_it_and_all_licences(wheel):
    assert wheel.name == f"ddpm_lite-{VERSION}-py3-none-any.whl"
    names = set(ZipFile(wheel).namelist())
    files = {p.relative_to(ROOT).as_posix() for p in (ROOT / "ddpm_lite").rglob("*") if p.is_file() and p.suffix != ".pyc"}
    assert {name for name in names if name.startswith("ddpm_lite/")} == files
    assert "ddpm_lite/py.typed" in files
    licences = {"LICENSE", *(name for name in files if "LICENSE" in name)}
    assert len(licences) == 4 and {f"ddpm_lite-{VERSION}.dist-info/licenses/{name}" for name in licences} <= names


def test_installed_elsewhere_it_draws_and_makes_a_view(wheel, tmp_path):
    done = pip("install", "--no-deps", "--no-index", "--no-compile", "--target", tmp_path / "site", wheel)
    assert done.returncode == 0, done.stderr
    away = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", USE, str(tmp_path / "site")]
    done = subprocess.run(command, cwd=tmp_path, env=away, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"True Similarity: 1.00 for a and c; greatest in the row: c. {VERSION} {URL}\n"), done.stdout
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG")
