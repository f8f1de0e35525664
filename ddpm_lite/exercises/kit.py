"""An exercise: a question, the reference, hints, and executable misconceptions, each with the sentence that puts it right."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable
from typing import ClassVar

import torch

from .calling import call, fresh
from .comparing import difference, same
from .report import STATES, Report, Text


class Exercise:
    """What all kinds of exercise share. Subclasses say `_judge(answer) -> (state, sentence)` and `solution`.

    number, title, line   "2.3", a few words, and the lecture's line it belongs to ("L12")
    question              what is asked; Markdown with formulas
    hints                 two or three, that lead without giving away
    """

    all: ClassVar[dict[str, "Exercise"]] = {}

    def __init__(self, number: str, title: str, line: str, question: str, hints: Iterable[str]):
        self.number, self.title, self.line = number, title, line
        self.question, self.hints = inspect.cleandoc(question), list(hints)
        self.state, self.hints_seen, self.solution_seen = "not attempted", 0, False
        if number in Exercise.all:
            raise ValueError(f"There are two exercises {number}.")
        Exercise.all[number] = self

    def check(self, answer: object) -> Report:
        """What is right or wrong with the answer. Never raises, so that the notebook goes on."""
        self.state, says = self._judge(answer)
        return Report(f"Exercise {self.number}", self.state, says)

    def points(self, answer: object) -> float:
        """The share of the points that the answer earns, from 0 to 1: for grading."""
        return STATES[self._judge(answer)[0]][2]

    def hint(self) -> Text:
        """One more hint at each call; after the last one, the last one again."""
        self.hints_seen = min(self.hints_seen + 1, len(self.hints))
        title = f"Exercise {self.number}, hint {self.hints_seen} of {len(self.hints)}"
        return Text(title, self.hints[self.hints_seen - 1])

    def _judge(self, answer: object) -> tuple[str, str]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return (
            f"Exercise {self.number}: {self.title} ({self.line}). {STATES[self.state][1]}.\n{textwrap.fill(self.question, 100)}"
        )

    def _repr_markdown_(self) -> str:
        return f"**Exercise {self.number}: {self.title}** ({self.line}). *{STATES[self.state][1]}.*\n\n{self.question}"


class Write(Exercise):
    """A function to write; made by the decorator `write` from its reference, whose source is the solution.

    cases(generator) -> [(label, *arguments), ...]: the inputs to try; those of one label are one kind of input, so that
    an answer that fails only for points, or only for a batch of one, is told so
    given      for finding a fault: the faulty function, as it stands in the stub
    package    the package's own functions that are the answer: calling them back is not writing them
    """

    def __init__(
        self, reference: Callable, cases: Callable, *, given: Callable | None = None, package: Iterable[Callable] = (), **about
    ):
        super().__init__(**about)
        self.reference, self.given, self.misconceptions = reference, given, []
        self._cases = cases
        self._watched = {inspect.unwrap(f).__code__ for f in (reference, *package)}
        self.names = list(inspect.signature(reference).parameters)

    def wrong(self, says: str) -> Callable:
        """Decorator: a misconception, as the code that students write, and the sentence that puts it right."""

        def add(function: Callable) -> Callable:
            self.misconceptions.append((says, function))
            return function

        return add

    def cases(self) -> list[tuple]:
        """The inputs, always the same: the same wrong answer always gets the same sentence."""
        return self._cases(torch.Generator().manual_seed(0))

    def _judge(self, answer: object) -> tuple[str, str]:
        if answer is None or answer is ...:
            return "not attempted", _NOT_YET
        if not callable(answer):
            return "wrong", f"A function of ({', '.join(self.names)}) is wanted, not a {type(answer).__name__}."
        labels, inputs = zip(*((label, tuple(arguments)) for label, *arguments in self.cases()), strict=True)
        called = call(answer, inputs, self._watched, self.names)
        if called.problem == "not attempted":
            return "not attempted", _NOT_YET
        if called.problem in ("endless", "signature"):
            return "stopped", called.says
        if called.problem not in (None, "raised"):
            return "wrong", called.says
        if called.problem is None and self.given is not None and self._equals(self.given, called.results, inputs):
            return "not attempted", "The code is still as it was given, or gives the same numbers. " + _NOT_YET
        wants = (self.reference(*fresh(arguments)) for arguments in inputs)
        found = [difference(got, want) for got, want in zip(called.results, wants, strict=False)]
        if called.problem is None and not any(found):
            return "right", f"Compared with the reference in {len(inputs)} random cases: {', '.join(dict.fromkeys(labels))}."
        for says, function in self.misconceptions:
            if called.problem is None and self._equals(function, called.results, inputs):
                return "misconception", says
        found += [called.says] * (len(inputs) - len(found))  # it raised: the cases from there on have no result
        first = next(i for i, says in enumerate(found) if says)
        good = [
            label for label in dict.fromkeys(labels) if not any(f for f, of in zip(found, labels, strict=True) if of == label)
        ]
        says = f"With {_inputs(self.names, inputs[first])}: {found[first]}"
        if good:
            return "partly", f"It is right for {', '.join(good)}, but not for {labels[first]}. {says}"
        return "stopped" if called.problem and first == len(called.results) else "wrong", says

    def _equals(self, function: Callable, results: list, inputs: Iterable[tuple]) -> bool:
        return all(same(got, function(*fresh(a))) for got, a in zip(results, inputs, strict=True))

    def stub(self) -> str:
        """What stands in the notebook for the student to fill in."""
        if self.given is not None:
            return _source(self.given)
        head = self.answer().split("\n")
        signature = next(i for i, line in enumerate(head) if line.rstrip().endswith(":"))
        return "\n".join([*head[: signature + 1], "    raise NotImplementedError  # your turn: replace this line"])

    def solution(self) -> Text:
        """The reference, and why it is so."""
        self.solution_seen = True
        return Text(f"Exercise {self.number}, a solution", inspect.getdoc(self.reference) or "", self.answer())

    def answer(self) -> str:
        """The source of the solution, as it can stand in the stub's place."""
        return _source(self.reference)


def write(cases: Callable, **about) -> Callable[[Callable], Write]:
    """Decorator that makes an exercise of its reference, `my_...`; its docstring is the explanation of the solution."""
    return lambda reference: Write(reference, cases, **about)


class Answer(Exercise):
    """A number, an array or one of some choices, to be given as `my_... = `.

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
        **about,
    ):
        super().__init__(**about)
        self.reference, self.misconceptions, self.explanation = (
            answer,
            [(says, value) for value, says in wrong.items()],
            explanation,
        )
        self.name, self.tolerance, self.options = name, tolerance, options

    def _judge(self, answer: object) -> tuple[str, str]:
        if answer is None or answer is ...:
            return "not attempted", _NOT_YET
        if self.options is not None:
            key = str(answer).strip().lower()
            if key not in self.options:
                return "wrong", f"Choose one of {', '.join(map(repr, self.options))}."
            if key == self.reference:
                return "right", self.explanation
            return "misconception", next(says for says, value in self.misconceptions if value == key)
        if not self._near(answer, self.reference):
            for says, value in self.misconceptions:
                if self._near(answer, value):
                    return "misconception", says
            return "wrong", f"It is not {answer}." if isinstance(answer, int | float) else "These are not the numbers asked for."
        return "right", self.explanation

    def _near(self, answer: object, value: object) -> bool:
        try:
            mine, theirs = torch.as_tensor(answer).double(), torch.as_tensor(value).double()
        except (TypeError, ValueError, RuntimeError):
            return False
        return mine.shape == theirs.shape and bool(((mine - theirs).abs() <= self.tolerance * theirs.abs() + 1e-12).all())

    def stub(self) -> str:
        """What stands in the notebook for the student to fill in."""
        return f"{self.name} = ...  # your turn"

    def answer(self) -> str:
        """The solution, as it can stand in the stub's place."""
        return f"{self.name} = {self.reference!r}"

    def solution(self) -> Text:
        """The answer, and why it is so."""
        self.solution_seen = True
        return Text(f"Exercise {self.number}, a solution", self.explanation, self.answer())


class Prediction(Exercise):
    """A number to be guessed before a cell is run, as `my_... = `: kept by `check`, and set beside what comes out.

    reference    what comes out, as `compare` will be given it; tolerance: how far off counts as near, relative to it
    explanation  why it is so
    """

    def __init__(self, reference: int | float, explanation: str, *, name: str, tolerance: float = 0.2, **about):
        super().__init__(**about)
        self.reference, self.explanation, self.name, self.tolerance = reference, explanation, name, tolerance
        self.misconceptions, self.kept = [], None

    def _judge(self, answer: object) -> tuple[str, str]:
        if answer is None or answer is ...:
            return "not attempted", "Make your guess first: it costs one line. The next cell runs without it, too."
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            return "wrong", f"A number is wanted, not {answer!r}."
        return "kept", f"Your prediction is {answer:g}. The next cell shows what comes out."

    def check(self, answer: object) -> Report:
        """Keep the prediction until `compare`."""
        report = super().check(answer)
        self.kept = answer if report.state == "kept" else None
        return report

    def compare(self, measured: int | float) -> Report:
        """The prediction beside what came out."""
        title, says = f"Exercise {self.number}", f"it is {float(measured):.3g}. {self.explanation}"
        if self.kept is None:
            return Report(title, "not attempted", f"You made no prediction; {says}")
        near = abs(self.kept - measured) <= self.tolerance * abs(measured)
        return Report(title, "kept", f"You said {self.kept:g}, {'and' if near else 'but'} {says}")

    stub, answer, solution = Answer.stub, Answer.answer, Answer.solution


_NOT_YET = "The rest of the notebook does not need it. hint() gives a hint, solution() shows one way."


def _source(function: Callable) -> str:
    """The source of a function as it stands in a notebook: called my_..., without decorators and docstring."""
    text = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(text).body[0]
    lines = text.split("\n")
    if ast.get_docstring(node):
        doc = node.body[0]
        del lines[doc.lineno - 1 : doc.end_lineno]
    return "\n".join(lines[node.lineno - 1 :]).rstrip().replace(f"def {node.name}(", f"def my_{node.name}(", 1)


def _inputs(names: Iterable[str], arguments: Iterable) -> str:
    """The inputs of a case in words: small numbers as they are, tensors by their shape."""
    words = []
    for name, value in zip(names, arguments, strict=False):
        if isinstance(value, torch.Tensor) and value.numel() > 4:
            words.append(f"{name} of shape {tuple(value.shape)}")
        elif isinstance(value, torch.Tensor):
            words.append(f"{name} = {[round(v, 4) for v in value.flatten().tolist()]}")
        elif isinstance(value, int | float | str):
            words.append(f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}")
        else:
            words.append(name)
    return ", ".join(words)
