"""Every mutant of the wiring is seen by its test: tests/mutants.py.

Run by itself, this file lets each named test run on the package with one mutant in it, all in one process: the package is
imported anew for each, with the mutant's source in the place of the file's, and nothing is written to disk.
"""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType

import pytest
import torch
from mutants import MUTANTS, Mutant

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "ddpm_lite"
SOME = 60
OPTIONS = ["-o", "addopts=", "--noconftest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:unraisableexception"]


def test_each_mutant_changes_one_place_of_its_file():
    wrong = []
    for file, old, new, test in MUTANTS:
        source, (where, name) = (PACKAGE / file).read_text(), test.split("[")[0].split("::")
        if (times := source.count(old)) != 1:
            wrong.append(f"{file} holds {times} times, not once: {old}")
        if f"\ndef {name}(" not in (TESTS / where).read_text():
            wrong.append(f"There is no test {test}.")
        compile(source.replace(old, new), file, "exec")
    assert wrong == [] and len(set(MUTANTS)) == len(MUTANTS) >= 124


def test_mutants_of_the_wiring_are_seen_by_their_tests():
    """Some of them, others whenever the package or the table changes: all take ten minutes, `python tests/test_mutants.py`."""
    helpers = os.pathsep.join(filter(None, [str(TESTS / "helpers"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": helpers}
    done = subprocess.run([sys.executable, __file__, "--some"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    unseen = json.loads(done.stdout.splitlines()[-1])
    assert unseen == [], "\n".join(unseen)


class Mutated:
    """Finds one file of the package with another source than the one on disk."""

    def __init__(self, file: str, source: str):
        self.file, self.source = str(PACKAGE / file), source

    def find_spec(self, name: str, path: list[str] | None = None, target: object = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name.split(".")[0] == "ddpm_lite" else None
        if spec is None or spec.origin != self.file:
            return None
        spec.loader = Source(name, self.file)
        spec.loader.source = self.source
        return spec


class Source(SourceFileLoader):
    """Loads a module from `source`, a text."""

    def get_code(self, name: str) -> CodeType:
        return compile(self.source, self.path, "exec")


class Fixtures:
    """Those of conftest.py that the named tests use, without its checks of shapes, which take longer than the tests."""

    @pytest.fixture
    def g(self) -> torch.Generator:
        return torch.Generator().manual_seed(0)

    @pytest.fixture
    def unchecked(self) -> None:
        pass


def run(*tests: str) -> int:
    """pytest's exit code: 0 where all passed, 1 where one failed."""
    for name, module in list(sys.modules.items()):
        of_tests = TESTS in Path(getattr(module, "__file__", None) or "").parents
        if name.split(".")[0] == "ddpm_lite" or (of_tests and name != "__main__"):
            del sys.modules[name]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return pytest.main([*OPTIONS, *(str(TESTS / test) for test in tests)], plugins=[Fixtures()])


def some() -> list[Mutant]:
    """As many mutants as a minute or two allows: the same ones as long as neither the package nor the table changes."""
    sources = "".join(path.read_text() for path in sorted(PACKAGE.rglob("*.py")))
    return random.Random(sources + str(MUTANTS)).sample(MUTANTS, SOME)


def unseen(only: str = "") -> list[str]:
    """The mutants that their tests do not fail for; before them, whatever fails without a mutant."""
    chosen = some() if only == "--some" else [mutant for mutant in MUTANTS if only in str(mutant)]
    found = [] if run(*dict.fromkeys(test for *_, test in chosen)) == 0 else ["Some of the tests fail without any mutant."]
    for file, old, new, test in chosen:
        sys.meta_path.insert(0, Mutated(file, (PACKAGE / file).read_text().replace(old, new)))
        if (code := run(test)) != 1:
            found.append(f"{file}: {old} -> {new}: {test} ends with {code}")
        del sys.meta_path[0]
    return found


if __name__ == "__main__":
    print(json.dumps(unseen(*sys.argv[1:])))
