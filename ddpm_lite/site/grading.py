"""How nbgrader runs what a student hands in: only the answers and what they need, and on to the others after a crash."""

from typing import Any

import nbformat
from nbclient.exceptions import DeadKernelError
from nbgrader.converters import Autograde
from nbgrader.preprocessors import Execute

from .assignments import CHECK
from .needed import needed

SKIP = "skip-execution"  # the tag of cells that are not run
ENDED = "Python ended while this cell ran. Nothing of it counts; the other answers are graded as usual."


def preprocessors() -> list[type]:
    """Those of nbgrader's command `autograde`, with `Answers` in the place of what runs the notebook."""
    return [Answers if each is Execute else each for each in Autograde().autograde_preprocessors]


class Answers(Execute):
    """Runs the students' answers, the cells that check and count them, and all that these need: seconds, where a whole notebook
    takes minutes. An answer that ends Python is left out, with a sentence in its place, and all others are run again."""

    def preprocess(self, nb: nbformat.NotebookNode, resources: Any = None, **more: Any) -> Any:
        """The notebook with the outputs of what has been run."""
        run = set(needed(nb.cells, [i for i, cell in enumerate(nb.cells) if _counts(cell)]))
        skipped = [cell for i, cell in enumerate(nb.cells) if cell.cell_type == "code" and i not in run]
        for cell in skipped:
            cell.metadata.setdefault("tags", []).append(SKIP)
        try:
            while True:
                try:
                    return super().preprocess(nb, resources, **more)
                except DeadKernelError:
                    for cell in (cell for i, cell in enumerate(nb.cells) if i in run and cell not in skipped):
                        cell.outputs, cell.execution_count = [], None
                    self.running.outputs = [nbformat.v4.new_output("error", ename="Ended", evalue=ENDED, traceback=[ENDED])]
                    self.running.metadata.setdefault("tags", []).append(SKIP)
                    skipped.append(self.running)
        finally:
            for cell in skipped:
                cell.metadata.tags.remove(SKIP)

    def preprocess_cell(self, cell: nbformat.NotebookNode, *given: Any, **more: Any) -> Any:
        """Runs one cell; `running` is the one that runs."""
        self.running = cell
        return super().preprocess_cell(cell, *given, **more)

    def on_cell_executed(self, **more: Any) -> None:
        """After a cell. What exit() asks for happens a moment later: it is told here, while it is known who asked."""
        super().on_cell_executed(**more)
        if any(each.get("source") == "ask_exit" for each in more["execute_reply"]["content"].get("payload", [])):
            raise DeadKernelError("exit() was called")


def _counts(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell is an answer, counts its points or checks it."""
    marks = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(marks.get("solution") or marks.get("grade") or CHECK.search(cell.source))
