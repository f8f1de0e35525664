"""The course for nbgrader: each notebook with exercises becomes an assignment, its solutions put in, its answers graded.

Nothing is executed, and nbgrader is not needed for it. What becomes of an exercise:
    the stub's cell    the stub as it was, and below it the solution, which in the source notebook takes its place. nbgrader
                       cuts out what stands between the marks: the students' cell is the stub again, a faulty code too
    the check's cell   as it was: students may look as often as they like
    a new, locked one  whose only result is a number: without one, nbgrader gives full points to a cell that does not raise
"""

import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat

from .. import exercises
from ..exercises.kit.asking import Prediction
from ..exercises.kit.exercise import Exercise
from ..machine import files
from .notebooks import read

POINTS = 2  # for each exercise; its `points` says which share of them an answer earns
CHECK = re.compile(r"exercises\.(\w+)\.(\w+)\.check\((\w+)\)")
CONFIG = """\
# What nbgrader reads when it is run in this folder.
from ddpm_lite.site.grading import preprocessors

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "ddpm_lite"
c.ClearSolutions.code_stub = {"python": ""}  # in place of a solution: the code to start from stands above it already
c.Autograde.autograde_preprocessors = preprocessors()  # of a notebook, the answers and what they need are run
c.Execute.timeout = 180  # seconds for one cell; its own limit of 30 is too short where an answer needs a trained network
"""


def build(notebooks: Path, out: Path) -> list[Path]:
    """Write `source/NAME/NAME.ipynb` for each notebook with exercises, and nbgrader's settings, into `out`, made if need be.

    Returns the notebooks written. FileNotFoundError if there is none; FileExistsError if `out` is not an empty folder;
    ValueError for a file that is not a notebook, or a notebook whose check does not follow its stub.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is not an empty folder, and a course needs one: name another.")
    course = {}
    for path in sorted(notebooks.glob("*.ipynb")):
        nb = read(path)
        if _assign(nb, path.stem):
            course[Path("source", path.stem, path.name)] = nbformat.writes(nb)
    if not course:
        raise FileNotFoundError(f"There are no notebooks (*.ipynb) with exercises in {notebooks}.")

    with files.made(out), tempfile.TemporaryDirectory(dir=out, prefix=".") as draft:  # whole or not at all
        for name, text in {**course, Path("nbgrader_config.py"): CONFIG}.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_text(text, encoding="utf-8")
        for entry in sorted(Path(draft).iterdir()):
            entry.rename(out / entry.name)
    return [out / name for name in course]


def _assign(nb: nbformat.NotebookNode, name: str) -> int:
    """Make a notebook an assignment, in place; how many of its exercises are graded."""
    cells, graded = [], 0
    for cell in nb.cells:
        cells.append(cell)
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None  # they are those of the stubs
        found = CHECK.fullmatch(cell.source.strip())
        if not found:
            continue
        module, key, mine = found.groups()
        exercise = getattr(getattr(exercises, module, None), key, None)
        if not isinstance(exercise, Exercise):
            raise ValueError(f"{name}: there is no exercise {module}.{key}.")
        if isinstance(exercise, Prediction):
            continue  # a guess has no solution and earns no points
        stub = cells[-2] if len(cells) > 1 else cell
        if not re.match(rf"def {mine}\(|{mine} = ", stub.source):
            raise ValueError(f"{name}: the cell before the check of {mine} must begin with its stub.")
        stub.source += f"\n### BEGIN SOLUTION\n{exercise.answer()}\n### END SOLUTION"
        stub.metadata["nbgrader"] = _marks(key, solution=True)
        cells.append(_grade_cell(f"{module}.{key}", mine))
        graded += 1
    nb.cells = cells
    nb.metadata.pop("widgets", None)  # the views' states belong to their outputs
    return graded


def _grade_cell(exercise: str, mine: str) -> nbformat.NotebookNode:
    """It needs no other cell: a name that is gone, or was never given, is an answer not attempted."""
    name = exercise.split(".")[1] + "-points"
    source = f"""\
# {POINTS} points for what is right, {POINTS // 2} for what is right in part
from ddpm_lite import exercises
{POINTS} * exercises.{exercise}.points(globals().get("{mine}"))"""
    marks = _marks(name, grade=True, locked=True, points=POINTS)
    return nbformat.v4.new_code_cell(source, id=name, metadata={"nbgrader": marks, "slideshow": {"slide_type": "skip"}})


def _marks(name: str, **marks: Any) -> dict:
    """A cell's metadata for nbgrader, in its scheme 3."""
    return {"schema_version": 3, "grade_id": name, "grade": False, "locked": False, "solution": False, "task": False, **marks}
