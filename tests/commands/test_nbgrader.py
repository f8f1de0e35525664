"""The course for nbgrader: what the students get, and what nbgrader makes of what they hand in.

Graded is notebook 03, cut to its set-up and three exercises, with a choice of notebook 00 added, and the README's own
exercise as a lecturer would hide it. (That the whole notebooks run is nbval's to show.)
"""

import importlib.util
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from cut import NOTEBOOKS, needed
from nbformat.v4 import new_code_cell, new_notebook

from ddpm_lite import __main__ as cli
from ddpm_lite import exercises
from ddpm_lite.exercises.kit.asking import Prediction
from ddpm_lite.exercises.kit.exercise import Exercise
from ddpm_lite.site import assignments as course

pytestmark = [pytest.mark.usefixtures("unchecked"), pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")]
ROOT = Path(__file__).parents[2]
CHOICE = exercises.from_noise.copies
STUB, CHECK = CHOICE.stub(), "exercises.from_noise.copies.check(my_score)"
README = re.search(r"```python\n(.*?@write.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]


def nbgrader(step: str, root: Path, assignment: str) -> None:
    """`nbgrader generate_assignment` or `nbgrader autograde` in a course's folder, with the settings there."""
    from nbgrader import converters
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", str(root)).load_config()
    config.CourseDirectory.root = str(root)
    with pytest.MonkeyPatch.context() as patch:  # nbgrader calls alembic by its name
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        getattr(converters, step)(coursedir=CourseDirectory(config=config, assignment_id=assignment), config=config).start()


def read(root: Path, *place: str) -> nbformat.NotebookNode:
    return nbformat.read(root.joinpath(*place, f"{place[-1]}.ipynb"), as_version=4)


def write(nb: nbformat.NotebookNode, root: Path, *place: str) -> None:
    folder = root.joinpath(*place)
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, folder / f"{place[-1]}.ipynb")


def marked(nb: nbformat.NotebookNode, what: str) -> dict[str, nbformat.NotebookNode]:
    """The cells that are nbgrader's `solution` or `grade`, by their name there."""
    marks = [(c, c.metadata.get("nbgrader", {})) for c in nb.cells]
    return {m["grade_id"]: c for c, m in marks if m.get(what)}


def of_readme(folder: Path) -> Exercise:
    """The README's exercise, from a file of its own."""
    (folder / "own.py").write_text(README, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("own", folder / "own.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.scale


@pytest.fixture
def own(tmp_path, monkeypatch) -> Exercise:
    monkeypatch.setattr(Exercise, "all", dict(Exercise.all))
    return of_readme(tmp_path)


def test_the_readme_s_exercise_is_short_and_works(own):
    assert len([line for line in README.splitlines() if line.strip()]) <= 15
    space = {}
    exec(own.answer(), space)
    assert own.check(space["my_scale"]).state == "right" and own.points(space["my_scale"]) == 1
    exec(own.stub(), space)
    assert own.check(space["my_scale"]).state == "not attempted" and own.points(space["my_scale"]) == 0
    report = own.check(lambda x: x - 0.5)
    assert report.state == "misconception" and "half of the width" in report.says
    assert own.check(lambda x: 2 * x - 1 if x.ndim == 4 else x).state == "partly"
    assert own.hint().says == "Which number must become 0?"
    assert "the width doubles" in own.solution().says


# ---------------------------------------------------------------- what the students get


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The course of all notebooks, with the students' version of each."""
    root = tmp_path_factory.mktemp("whole")
    course.build(NOTEBOOKS, root)
    nbgrader("GenerateAssignment", root, "*")
    return root


def checks(path: Path) -> dict[str, Exercise]:
    """The exercises that a notebook checks, by name: found without the code that is tested."""
    code = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
    found = re.findall(r"^exercises\.(\w+)\.(\w+)\.check\(", code, re.MULTILINE)
    return {name: getattr(getattr(exercises, module), name) for module, name in found}


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_students_get_the_notebook_as_it_is_and_a_locked_cell_for_each_exercise(whole, path):
    graded = {name: e for name, e in checks(path).items() if not isinstance(e, Prediction)}
    assert (whole / "release" / path.stem).exists() == bool(graded)
    if not graded:
        pytest.skip("a notebook without exercises")
    source, release = read(whole, "source", path.stem), read(whole, "release", path.stem)
    assert list(marked(release, "solution")) == list(graded)
    assert [c.source.rstrip() for c in marked(release, "solution").values()] == [e.stub() for e in graded.values()]
    for name, cell in marked(source, "solution").items():
        assert cell.source.endswith(f"### BEGIN SOLUTION\n{graded[name].answer()}\n### END SOLUTION")
    grading = marked(release, "grade")
    assert list(grading) == [f"{name}-points" for name in graded]
    for cell in grading.values():
        assert cell.metadata.nbgrader.points == 2 and cell.metadata.nbgrader.locked and not cell.metadata.editable
        before = release.cells[release.cells.index(cell) - 1].source  # the check, of the same exercise and answer
        exercise, mine = re.fullmatch(r"(exercises\.\w+\.\w+)\.check\((\w+)\)", before).groups()
        assert cell.source.endswith(f'\n2 * {exercise}.points(globals().get("{mine}"))')
    rest = [c.source.rstrip() for c in release.cells if c not in grading.values()]
    assert rest == [c.source.rstrip() for c in nbformat.read(path, as_version=4).cells]
    assert not any(c.get("outputs") for c in (*source.cells, *release.cells)) and "widgets" not in release.metadata


# ---------------------------------------------------------------- what they hand in


def small(root: Path) -> str:
    """A course of one notebook, with an exercise of each kind and a hidden one; its name."""
    wanted = [f"exercises.reverse_posterior.{name}.check(" for name in ("back_density", "posterior_weight", "posterior_mean")]
    cells = nbformat.read(NOTEBOOKS / "03_reverse_posterior.ipynb", as_version=4).cells
    places = [i for i, c in enumerate(cells) if c.source.startswith(tuple(wanted))]
    sources = ["from ddpm_lite.exercises.kit import calling\ncalling.SECONDS = 2  # else the endless answer is waited for longer"]
    sources += [*(cells[i].source for i in needed(cells, places)), STUB, CHECK]
    sources.append("print('a demonstration')")
    write(new_notebook(cells=[new_code_cell(s) for s in sources]), root.parent, "small")
    course.build(root.parent / "small", root)

    nb = read(root, "source", "small")
    stub, points = (
        marked(nb, what)[name].metadata.nbgrader for what, name in (("solution", "copies"), ("grade", "copies-points"))
    )
    head = "def my_scale(x):\n    "
    own = f"{head}raise NotImplementedError\n### BEGIN SOLUTION\n{head}return 2 * x - 1\n### END SOLUTION"
    hidden = f'### BEGIN HIDDEN TESTS\n{README}\n2 * scale.points(globals().get("my_scale"))\n### END HIDDEN TESTS'
    nb.cells += [
        new_code_cell(own, metadata={"nbgrader": {**stub, "grade_id": "own"}}),
        new_code_cell(hidden, metadata={"nbgrader": {**points, "grade_id": "own-points"}}),
    ]
    write(nb, root, "source", "small")
    return "small"


# For each student and exercise what becomes of the solution: [(old, new), ...], or another answer; the stub, if nothing is said.
WRITTEN = {
    "right": {
        "back_density": [],
        "posterior_mean": [("    return", '    import warnings\n    warnings.warn("mind this")\n    print("there")\n    return')],
        "copies": [],
        "own": [],
    },
    "wrong": {
        "back_density": [("diffused(t - 1,", "diffused(t,")],
        "posterior_mean": [("alpha_bar[t - 1]", "alpha_bar[t]")],
        "copies": 'my_score = "a"',
        "own": "def my_scale(x):\n    raise SystemExit",
    },
    "half": {
        "back_density": [("= data.diffused(t - 1, schedule)", "= (data.diffused(t - 1, schedule) if t < 99 else data)")],
        "posterior_mean": [("(-1, *[1] * (x0.ndim - 1))", "(-1, 1, 1, 1)")],
        "copies": "# nothing is left of it",
        "own": "def my_scale(x):\n    while True:\n        pass",
    },
    "untouched": {},
}
WRITTEN["crashing"] = {
    **WRITTEN["right"],
    "posterior_mean": [("    return", "    import ctypes\n    ctypes.string_at(0)\n    return")],
}
WRITTEN["leaving"] = {**WRITTEN["right"], "posterior_mean": "def my_posterior_mean():\n    return 1\nexit()"}
POINTS = {
    "crashing": {"back_density": 2, "posterior_mean": 0, "copies": 2, "own": 2},
    "leaving": {"back_density": 2, "posterior_mean": 0, "copies": 2, "own": 2},
    "right": {"back_density": 2, "posterior_mean": 2, "copies": 2, "own": 2},
    "wrong": {"back_density": 0, "posterior_mean": 0, "copies": 0, "own": 0},
    "half": {"back_density": 1, "posterior_mean": 1, "copies": 0, "own": 0},
    "untouched": {"back_density": 0, "posterior_mean": 0, "copies": 0, "own": 0},
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Path:
    """The folder of a course in which four students' notebooks have been graded."""
    root = tmp_path_factory.mktemp("graded") / "course"
    name = small(root)
    nbgrader("GenerateAssignment", root, name)
    source = marked(read(root, "source", name), "solution")
    for student, written in WRITTEN.items():
        nb = read(root, "release", name)
        for key, cell in marked(nb, "solution").items():
            answer = written.get(key, cell.source)
            cell.source = answer if isinstance(answer, str) else source[key].source
            for old, new in answer if isinstance(answer, list) else []:
                assert old in cell.source
                cell.source = cell.source.replace(old, new)
        write(nb, root, "submitted", student, name)
    nbgrader("Autograde", root, name)
    return root


@pytest.mark.parametrize("student", POINTS)
def test_nbgrader_gives_each_answer_its_points(graded, student):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as book:
        submission = book.find_submission("small", student)
        grades = {g.name: (g.auto_score, g.max_score, g.needs_manual_grade) for g in submission.notebooks[0].grades}
    assert grades == {f"{name}-points": (points, 2, False) for name, points in POINTS[student].items()}


def test_an_answer_that_ends_python_is_left_out_and_named(graded):
    nb = read(graded, "autograded", "crashing", "small")
    ended = [c for c in nb.cells if any(o.output_type == "error" for o in c.get("outputs", []))]
    assert ["my_posterior_mean" in c.source for c in ended] == [True, True], "its check and its points"
    assert all("Python ended while this cell ran" in c.outputs[0].evalue for c in ended)
    assert not any("skip-execution" in c.metadata.get("tags", []) for c in nb.cells)


def test_only_the_answers_and_what_they_need_are_run(graded):
    cells = read(graded, "autograded", "right", "small").cells
    assert {c.source: c.execution_count for c in cells if c.source.startswith("print(")} == {"print('a demonstration')": None}
    assert sum(c.execution_count is not None for c in cells) >= 10


@pytest.mark.parametrize("student", sorted(set(POINTS) - {"crashing", "leaving"}))
def test_no_grade_cell_ends_in_an_error(graded, student):
    for cell in marked(read(graded, "autograded", student, "small"), "grade").values():
        assert [o.output_type for o in cell.outputs if o.output_type != "stream"] == ["execute_result"]


def test_the_wrong_answers_are_misconceptions_and_are_named(graded):
    outputs = [o for c in read(graded, "autograded", "wrong", "small").cells for o in c.outputs]
    says = " ".join(word for o in outputs if "data" in o for word in o.data["text/plain"].split())
    for exercise in (exercises.reverse_posterior.back_density, exercises.reverse_posterior.posterior_mean, CHOICE):
        assert any(sentence in says for sentence, _ in exercise.misconceptions)


def test_what_is_hidden_is_not_in_the_students_notebook(graded):
    release = read(graded, "release", "small")
    assert "2 * x - 1" in str(read(graded, "source", "small")) and "2 * x - 1" not in str(release)
    assert "SOLUTION" not in str(release) and "HIDDEN" not in str(release)
    assert marked(release, "grade")["own-points"].source == ""


# ---------------------------------------------------------------- the command


def said(capsys, *argv) -> str:
    assert cli.main(["nbgrader", *map(str, argv)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def notebook(folder: Path, *sources: str, name: str = "a") -> Path:
    folder.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=[new_code_cell(s, id=f"c{i}") for i, s in enumerate(sources)]), folder / f"{name}.ipynb")
    return folder


def written(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_it_says_what_comes_next_and_written_again_it_is_the_same(tmp_path, capsys):
    folder = notebook(tmp_path / "in", STUB, CHECK)
    notebook(folder, "1 + 1", name="b")
    (tmp_path / "one").mkdir()  # an empty folder is as good as none
    for out in (tmp_path / "one", tmp_path / "two"):
        assert cli.main(["nbgrader", "--out", str(out), "--notebooks", str(folder)]) == 0
        next_ = "Go on in that folder:  nbgrader generate_assignment a"
        assert capsys.readouterr().out == f"Written to {out}: a. {next_}\n"
    assert written(tmp_path / "one") == written(tmp_path / "two")
    assert set(written(tmp_path / "one")) == {"nbgrader_config.py", "source/a/a.ipynb"}


def test_without_nbformat_it_is_said_what_brings_it(tmp_path, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "ddpm_lite.site.assignments")
    monkeypatch.setitem(sys.modules, "nbformat", None)
    assert said(capsys, "--out", tmp_path).startswith("ddpm_lite: nbformat is not installed here: pip install")


def test_what_cannot_be_written_is_said_in_a_sentence(tmp_path, capsys, monkeypatch):
    folder = notebook(tmp_path / "in", STUB, CHECK)
    assert said(capsys, "--out", folder, "--notebooks", folder).endswith(
        "is not an empty folder, and a course needs one: name another."
    )
    assert "is not an empty folder" in said(capsys, "--out", folder / "a.ipynb", "--notebooks", folder)
    for sources, says in (
        (["1 + 1"], "There are no notebooks (*.ipynb) with exercises in"),
        ([CHECK], "a: the cell before the check of my_score must begin with its stub."),
        ([STUB, "my_other = 1", CHECK], "the cell before the check of my_score"),
        ([STUB, CHECK.replace("copies", "coppies")], "a: there is no exercise from_noise.coppies."),
    ):
        assert says in said(capsys, "--out", tmp_path / "out", "--notebooks", notebook(tmp_path / "other", *sources))
    (tmp_path / "other" / "a.ipynb").write_text("{}")
    assert said(capsys, "--out", tmp_path / "out", "--notebooks", tmp_path / "other").endswith("a.ipynb is not a notebook.")
    assert not (tmp_path / "out").exists()

    def full(path, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert "No space left" in said(capsys, "--out", tmp_path / "out", "--notebooks", folder)
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- what is run

SHOWN = {
    "a name from above": (["import torch", "x = 1", "y = 2", "print(x)"], [1, 3]),
    "import *": (["from math import *", "x = 1", "print(2)"], [0, 2]),
    "a class": (["class H:\n    pass", "x = 1", "print(H())"], [0, 2]),
    "a decorator": (["import functools", "x = 1", "@functools.cache\ndef f():\n    return 1", "print(f())"], [0, 2, 3]),
    "an annotation": (["from torch import Tensor", "def f() -> Tensor:\n    return 1", "print(f())"], [0, 1, 2]),
    "a helper below": (["def f():\n    return g()", "def g():\n    return 1", "print(f())"], [0, 1, 2]),
    "a magic": (["import torch", "%%time\ny = torch.ones(1)", "print(y)"], [0, 1, 2]),
    "an annotated name": (["x = 1", "x: int = x + 1", "print(x)"], [0, 1, 2]),
    "an entry": (["h = {}", "h['a'] = 1", "print(h)"], [0, 1, 2]),
    "a list that grows": (["h = []", "x = 1", "h.append(1)", "print(h)"], [0, 2, 3]),
    "a slip": (["x = 1", "def f(:", "print(x)"], [0, 2]),
    "a default": (["k = 3", "def f(n=k):\n    return n", "print(f())"], [0, 1, 2]),
    "a local name": (["n = 3", "def f(n):\n    m = n\n    return m", "print(f(1))"], [1, 2]),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_cell_needs_those_that_give_it_its_names(name):
    sources, wanted = SHOWN[name]
    assert needed([new_code_cell(source) for source in sources], [len(sources) - 1]) == wanted
