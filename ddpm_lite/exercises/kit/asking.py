"""Exercises answered without code: a number, an array or a choice; and predictions, made before a cell is run."""

from typing import Any, TypeGuard

import torch

from .comparing import kind, plain
from .exercise import NOT_YET, Exercise
from .report import Report, Text


class Answer(Exercise):
    """A number, an array or one of several choices, given as `my_... = `.

    answer       what is right; tolerance: how far off a number may be, relative to it
    wrong        {value: the sentence that puts it right}
    explanation  why it is so, shown with the solution
    options      {key: text}, if it is a choice; the answer is a key
    """

    def __init__(
        self,
        answer: object,
        wrong: dict,
        explanation: str,
        *,
        name: str,
        tolerance: float = 0.01,
        options: dict[str, str] | None = None,
        **about: Any,
    ):
        super().__init__(**about)
        self.reference, self.misconceptions, self.explanation = (
            answer,
            [(says, value) for value, says in wrong.items()],
            explanation,
        )
        self.name, self.tolerance, self.options = name, tolerance, options

    def _judge(self, answer: object) -> tuple[str, str]:
        answer = _array(answer)
        if answer is None or answer is ...:
            return "not attempted", NOT_YET
        if self.options is not None:
            key = answer.strip().lower() if isinstance(answer, str) else None
            if key not in self.options:
                return "wrong", f"Choose one of {', '.join(map(repr, self.options))}."
            if key == self.reference:
                return "right", self.explanation
            return "misconception", next(says for says, value in self.misconceptions if value == key)
        want = _array(self.reference)
        if self._near(answer, want):
            return "right", self.explanation
        for says, value in self.misconceptions:
            if self._near(answer, _array(value)):
                return "misconception", says
        if not _is_numbers(answer) or answer.shape != want.shape:
            wanted = f"an array of shape {tuple(want.shape)}" if want.ndim else "a number"
            return "wrong", f"The answer must be {wanted}, not {_in_words(answer)}."
        return "wrong", f"It is not {_in_words(answer)}." if not want.ndim else "These are not the right numbers."

    def _near(self, answer: object, value: torch.Tensor) -> bool:
        if not _is_numbers(answer) or answer.shape != value.shape:
            return False
        return bool(((answer.double() - value.double()).abs() <= self.tolerance * value.double().abs() + 1e-12).all())

    def stub(self) -> str:
        """What stands in the notebook for the student to fill in."""
        return f"{self.name} = ...  # your turn"

    def answer(self) -> str:
        """The solution, as it can replace the stub."""
        return f"{self.name} = {self.reference!r}"

    def solution(self) -> Text:
        """The answer, and why it is so."""
        self.solution_seen = True
        return Text(f"Exercise {self.number}, a solution", self.explanation, self.answer())


class Prediction(Exercise):
    """A number to be guessed before a cell is run, as `my_... = `: kept by `check`, and compared with what comes out.

    reference    what comes out, as `compare` will be given it; tolerance: how far off counts as near, relative to it
    explanation  why it is so
    """

    def __init__(self, reference: int | float, explanation: str, *, name: str, tolerance: float = 0.2, **about: Any):
        super().__init__(**about)
        self.reference, self.explanation, self.name, self.tolerance = reference, explanation, name, tolerance
        self.misconceptions: list[tuple[str, object]] = []
        self.kept: float | None = None

    def _judge(self, answer: object) -> tuple[str, str]:
        number = plain(answer)
        if number is None or number is ...:
            return "not attempted", "Make your guess first: it costs one line. The next cell runs without it, too."
        if not _is_numbers(number) or number.ndim:
            return "wrong", f"The prediction must be a number, not {_in_words(number)}."
        return "kept", f"Your prediction is {float(number):g}. The next cell shows what comes out."

    def check(self, answer: object) -> Report:
        """Keep the prediction until `compare`."""
        report = super().check(answer)
        self.kept = float(plain(answer)) if report.state == "kept" else None
        return report

    def compare(self, measured: int | float | torch.Tensor) -> Report:
        """The prediction beside what came out."""
        title, found = f"Exercise {self.number}", float(measured)
        says = f"it is {found:.3g}. {self.explanation}"
        if self.kept is None:
            return Report(title, "not attempted", f"You made no prediction; {says}")
        near = abs(self.kept - found) <= self.tolerance * abs(found)
        return Report(title, "kept", f"You said {self.kept:g}, {'and' if near else 'but'} {says}")

    stub, answer, solution = Answer.stub, Answer.answer, Answer.solution


def _array(value: object) -> Any:
    """A number or an array as a tensor, a tuple as an array; anything else as it is."""
    return plain(list(value) if isinstance(value, tuple) else value)


def _is_numbers(value: object) -> TypeGuard[torch.Tensor]:
    """Whether it is what can be a number or an array of numbers: real, finite, not a truth value."""
    if not isinstance(value, torch.Tensor) or value.is_complex() or value.dtype == torch.bool or value.is_meta:
        return False
    return bool(value.isfinite().all())


def _in_words(value: object) -> str:
    """A wrong answer in a sentence: a number as it is, anything else by its kind."""
    if not isinstance(value, torch.Tensor):
        return kind(value)
    if value.ndim or value.is_meta:
        return f"an array of shape {tuple(value.shape)}"
    return str(value.item()) if value.dtype == torch.bool else f"{value.item():g}"
