"""The exercises of each notebook, and how far one has got with them.

`exercises.closed_form.q_sample.check(my_q_sample)` says what is right or wrong with an answer; `.hint()` and
`.solution()` help. Nothing is written to disk.
"""

from . import clip_conditioning, closed_form, epsilon_training, forward_process, from_noise, reverse_posterior, sampling, unclip
from .kit.asking import Answer, Prediction
from .kit.exercise import Exercise, Write, write
from .kit.report import STATES, Table

__all__ = [
    "Answer",
    "Exercise",
    "Prediction",
    "Write",
    "clip_conditioning",
    "closed_form",
    "epsilon_training",
    "forward_process",
    "from_noise",
    "progress",
    "reverse_posterior",
    "sampling",
    "unclip",
    "write",
]


def progress() -> Table:
    """What has been done since the kernel started: each exercise with its state and the help that was taken."""
    rows = []
    for number, exercise in sorted(Exercise.all.items()):
        mark, words, _ = STATES[exercise.state]
        help_ = f"{exercise.hints_seen} of {len(exercise.hints)} hints" + (", solution" if exercise.solution_seen else "")
        rows.append((number, exercise.title, exercise.line, f"{mark} {words}", help_))
    return Table(("Exercise", "Title", "Line", "State", "Help"), rows)
