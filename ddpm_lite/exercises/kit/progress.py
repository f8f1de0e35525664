"""How far one has got with the exercises."""

from .exercise import Exercise
from .report import STATES, Table


def progress() -> Table:
    """What has been done since the kernel started: each exercise with its state and the help that was taken."""
    rows: list[tuple[str, ...]] = []
    for number, exercise in sorted(Exercise.all.items()):
        mark, words, _ = STATES[exercise.state]
        help_ = f"{exercise.hints_seen} of {len(exercise.hints)} hints" + (", solution" if exercise.solution_seen else "")
        rows.append((number, exercise.title, exercise.line, f"{mark} {words}", help_))
    return Table(("Exercise", "Title", "Line", "State", "Help"), rows)
