"""The exercises as they stand in the notebooks: question, stub and check of each; with the solutions written in, all is right."""

import ast
import re
from types import ModuleType

import nbclient
import nbformat
import pytest
from cut import NOTEBOOKS, cut, needed

from ddpm_lite import exercises
from ddpm_lite.exercises.kit.asking import Prediction
from ddpm_lite.exercises.kit.exercise import Exercise

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
KEYS = {  # each exercise of the kit, and how a notebook calls it
    exercise: f"exercises.{module.__name__.split('.')[-1]}.{name}"
    for module in vars(exercises).values()
    if isinstance(module, ModuleType)
    for name, exercise in vars(module).items()
    if isinstance(exercise, Exercise)
}
every = pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)


def cells(path) -> list:
    return nbformat.read(path, as_version=4).cells


def expected(path) -> list[Exercise]:
    """The kit's exercises for a notebook, by its number."""
    return sorted((e for e in KEYS if int(e.number.split(".")[0]) == int(path.stem[:2])), key=lambda e: e.number)


def mine(exercise: Exercise) -> str:
    """The name that an answer has in the notebook."""
    return re.search(r"my_\w+", exercise.stub())[0]


def check(exercise: Exercise) -> str:
    return f"{KEYS[exercise]}.check({mine(exercise)})"


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def test_no_exercise_is_without_a_notebook():
    assert {e for path in PATHS for e in expected(path)} == set(KEYS) and len(KEYS) >= 24


@every
def test_each_exercise_stands_in_its_notebook_once_question_stub_and_check(path):
    found, wanted = cells(path), expected(path)
    assert len(wanted) >= 3
    sources = [c.source for c in found]
    for exercise in wanted:
        assert sources.count(check(exercise)) == 1, exercise.number
        at = sources.index(check(exercise))
        question, stub = found[at - 2], found[at - 1]
        assert stub.cell_type == "code" and stub.source == exercise.stub()
        assert question.cell_type == "markdown"
        head = f"**Exercise {exercise.number} · {exercise.title}** ({exercise.line}). "
        assert squeezed(question.source) == head + squeezed(exercise.question)
    headed = re.findall(r"\*\*Exercise (\d+\.\d+) ·", "\n".join(c.source for c in found if c.cell_type == "markdown"))
    assert headed == [e.number for e in wanted], "each once, in the order of their numbers"
    assert sources.count("exercises.progress()") == 1
    assert sources.index("exercises.progress()") > max(sources.index(check(e)) for e in wanted)


@every
def test_no_other_cell_uses_a_students_answer(path):
    allowed = {source for e in expected(path) for source in (e.stub(), check(e))}
    for cell in cells(path):
        if cell.cell_type == "code":
            names = {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}
            names |= {node.name for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.FunctionDef)}
            assert cell.source in allowed or not any(name.startswith("my_") for name in names), cell.source


@every
def test_the_stored_outputs_are_those_of_the_stubs(path):
    for cell in cells(path):
        if cell.cell_type == "code" and ".check(" in cell.source:
            (output,) = cell.outputs
            number = next(e.number for e in expected(path) if check(e) == cell.source)
            assert output.data["text/plain"].startswith(f"○ Exercise {number}: Not attempted yet.")


PREDICTIONS = [(path, e) for path in PATHS for e in expected(path) if isinstance(e, Prediction)]


@pytest.mark.parametrize(("path", "exercise"), PREDICTIONS, ids=lambda x: getattr(x, "number", getattr(x, "stem", "")))
def test_a_prediction_is_compared_below_with_what_comes_out_there(path, exercise):
    sources = [c.source for c in cells(path)]
    (at,) = (i for i, source in enumerate(sources) if f"{KEYS[exercise]}.compare(" in source)
    assert at > sources.index(check(exercise))
    *before, last = cut(path, at).values()
    space = {"__name__": "__main__"}
    for source in before:
        exec(source, space)
    exercise.check(exercise.reference)
    *above, shown = ast.parse(last).body
    exec(compile(ast.Module(above, []), "<cell>", "exec"), space)
    assert "and it is" in eval(compile(ast.Expression(shown.value), "<cell>", "eval"), space).says


@every
def test_with_the_solutions_written_into_the_stubs_every_check_is_passed(path):
    found, wanted = cells(path), expected(path)
    sources = [c.source for c in found]
    checks = {sources.index(check(e)): e for e in wanted}
    nb = nbformat.v4.new_notebook()
    for i in needed(found, checks):
        exercise = checks.get(i + 1)
        source = exercise.answer() if exercise else found[i].source
        nb.cells.append(nbformat.v4.new_code_cell(source, metadata={"exercise": checks[i].number if i in checks else None}))
    nb.cells.append(nbformat.v4.new_code_cell("exercises.progress()"))
    nbclient.NotebookClient(nb, timeout=120, kernel_name="python3").execute()

    says = {c.metadata.exercise: c.outputs[0].data for c in nb.cells if c.metadata.get("exercise")}
    assert list(says) == [e.number for e in wanted]
    for exercise in wanted:
        state = "Kept" if isinstance(exercise, Prediction) else "Right"
        assert says[exercise.number]["text/plain"].startswith(f"✓ Exercise {exercise.number}: {state}.")
        row = f"| {exercise.number} | {exercise.title} | {exercise.line} | ✓ {state} |"
        assert row in nb.cells[-1].outputs[0].data["text/markdown"]
