"""An exercise: a question, the reference, hints, and executable misconceptions, each with the sentence that puts it right."""

import contextlib
import inspect
import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch

from .calling import Fault, call, fresh
from .comparing import all_same, difference, gradient, kind, plain
from .describing import describe, describe_parts
from .explaining import in_words, shape
from .mistakes import Mistakes
from .report import STATES, Report, Text
from .source import source

NOT_YET = "The rest of the notebook does not need it. hint() gives a hint, solution() shows one way."


class Exercise:
    """What all kinds of exercise share. Subclasses define `_judge(answer) -> (state, sentence)` and `solution`.

    number, title, line   "2.3", a few words, and the lecture's line it belongs to ("L12"), or else the place in a paper
    question              what is asked; Markdown with formulas
    hints                 two or three that lead to the answer without giving it away
    """

    all: ClassVar[dict[str, "Exercise"]] = {}
    answer: Callable[[], str]  # the solution, as it can replace the stub

    def __init__(self, number: str, title: str, line: str, question: str, hints: Iterable[str]):
        self.number, self.title, self.line = number, title, line
        self.question, self.hints = inspect.cleandoc(question), list(hints)
        self.state, self.hints_seen, self.solution_seen = "not attempted", 0, False
        before = Exercise.all.get(number)
        if before is not None and before.title != title:
            raise ValueError(f"There are two exercises {number}, '{before.title}' and '{title}': give one another number.")
        Exercise.all[number] = self

    def check(self, answer: object) -> Report:
        """What is right or wrong with the answer. Never raises, so that the notebook goes on."""
        self.state, says = self._judged(answer)
        return Report(f"Exercise {self.number}", self.state, says)

    def points(self, answer: object) -> float:
        """The share of the points that the answer earns, from 0 to 1: for grading."""
        with contextlib.redirect_stdout(io.StringIO()):  # what the answer prints is not part of its points
            return STATES[self._judged(answer)[0]][2]

    def hint(self) -> Text:
        """One more hint at each call; after the last one, that there is no more, and the last one again."""
        if not self.hints:
            return Text(f"Exercise {self.number}", "This exercise has no hints; solution() shows one way.")
        count, more = len(self.hints), self.hints_seen < len(self.hints)
        self.hints_seen = min(self.hints_seen + 1, count)
        says = self.hints[self.hints_seen - 1]
        says = says if more else f"There is no further hint; solution() shows one way. The last one was: {says}"
        return Text(f"Exercise {self.number}, hint {self.hints_seen} of {count}", says)

    def _judge(self, answer: object) -> tuple[str, str]:
        raise NotImplementedError

    def _judged(self, answer: object) -> tuple[str, str]:
        """`_judge`, also of an object that raises as soon as it is looked at."""
        try:
            return self._judge(answer)
        except (Exception, SystemExit) as error:
            says = f"The answer cannot be examined: it raised {type(error).__name__} when it was looked at. Return plain numbers."
            return "stopped", says

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
    package    the package's own functions that are the answer: to call them is not to write them; all others may be used
    trained    the argument that is trained with the answer, a network or a tensor: the answer must have its gradient, too
    """

    def __init__(
        self,
        reference: Callable,
        cases: Callable,
        *,
        given: Callable | None = None,
        package: Iterable[Callable] = (),
        trained: str = "",
        **about: Any,
    ):
        super().__init__(**about)
        answers = [inspect.unwrap(function) for function in package]
        self.question += " " + _allowed(answers)
        self.reference, self.given, self.trained = reference, given, trained
        self.misconceptions: list[tuple[str, Callable]] = []
        self._cases, self._known = cases, dict[Callable, list]()
        self._watched = {code: code.co_qualname for code in (f.__code__ for f in (inspect.unwrap(reference), *answers))}
        self.names = list(inspect.signature(reference).parameters)

    def wrong(self, says: str) -> Callable:
        """Decorator: a misconception, as the code that students write, and the sentence that puts it right.

        The function's name says the mistake in two to five words: `width_not_doubled`, `last_entry_missing`.
        """

        def add(function: Callable) -> Callable:
            self.misconceptions.append((says, function))
            return function

        return add

    def cases(self) -> list[tuple]:
        """The inputs, always the same: the same wrong answer always gets the same sentence."""
        return self._cases(torch.Generator().manual_seed(0))

    def _judge(self, answer: object) -> tuple[str, str]:
        if answer is None or answer is ...:
            return "not attempted", NOT_YET
        if not callable(answer) or inspect.isclass(answer):
            what = "a class" if inspect.isclass(answer) else kind(answer)
            return "wrong", f"The answer must be a function of ({', '.join(self.names)}), not {what}."
        called = call(answer, self._inputs, self._watched, self.names)
        if called.state:
            return called.state, called.says + (NOT_YET if called.state == "not attempted" else "")
        if self.given is not None and self._equals(self.given, called.results):
            return "not attempted", "The code is still as it was given, or gives the same numbers. " + NOT_YET
        wants = self._results(self.reference)
        found = [r.says if isinstance(r, Fault) else difference(r, want) for r, want in zip(called.results, wants, strict=True)]
        if not any(found):
            if self.trained and (says := self._untrained(answer)):
                return "wrong", says
            return "right", f"Compared with the reference in {len(found)} random cases: {', '.join(dict.fromkeys(self._labels))}."
        for says, function in self.misconceptions:
            if self._equals(function, called.results):
                return "misconception", says
        return self._first_difference(found, called.results, wants)

    def _untrained(self, answer: Callable) -> str | None:
        """What is wrong with the gradient of an answer whose numbers are right."""
        k, inputs = self.names.index(self.trained), [fresh(arguments) for arguments in self._inputs]
        for arguments in inputs:
            arguments[k].requires_grad_(True)
        called = call(answer, inputs, self._watched, self.names, lambda value, arguments: gradient(value, arguments[k]))
        if called.state or not all(isinstance(found, torch.Tensor) for found in called.results):
            return (
                f"The number is right, but it is cut off from {self.trained}, so nothing can be trained with it. Compute it "
                "with torch from beginning to end, without no_grad, detach(), item() and NumPy."
            )
        with torch.enable_grad():
            wants = [gradient(self.reference(*arguments), arguments[k]) for arguments in map(fresh, inputs)]
        if any(map(difference, called.results, wants)):
            return f"The number is right, but not its gradient at {self.trained}: is a part of it detached?"
        return None

    def _first_difference(self, found: list[str | None], results: list, wants: list) -> tuple[str, str]:
        """Where it is right, and the first case in which it is not."""
        first, good = next(i for i, says in enumerate(found) if says), [i for i, says in enumerate(found) if not says]
        wrong = {label for label, says in zip(self._labels, found, strict=True) if says}
        right = [label for label in dict.fromkeys(self._labels) if label not in wrong]
        says = f"With {in_words(self.names, self._inputs[first])}:\n{found[first]}"
        raised = isinstance(results[first], Fault)
        if seen := self._seen(results, wants):
            says = f"{seen}\n{says}"
        state = "stopped" if raised else "wrong"
        if right:  # at an end, say, where a term is 0: that alone is not half of it
            state = "partly" if len(right) >= len(wrong) else state
            return state, f"It is right for {', '.join(right)}, but not for {self._labels[first]}.\n{says}"
        sizes = [list(map(shape, arguments)) for arguments in self._inputs]
        if (raised or shape(results[first]) != shape(wants[first])) and good and sizes[first] not in [sizes[i] for i in good]:
            example = in_words(self.names, self._inputs[good[0]])
            return state, f"It is right with {example}. Is one of its sizes written into the code?\n{says}"
        return state, says

    def _seen(self, results: list, wants: list) -> str | None:
        """What can be seen in wrong numbers: the mistakes that they come from, or how they differ from the right ones."""
        if any(isinstance(result, Fault) for result in results):
            return None
        return (
            self._mistakes.one(results)
            or describe(results, wants, self.names, self._inputs, self.reference)
            or self._mistakes.two(results, wants)
            or describe_parts(results, wants, self.names, self._inputs)
        )

    def _equals(self, function: Callable, results: list) -> bool:
        return all_same(results, self._results(function))

    def _results(self, function: Callable) -> list:
        """What one of the exercise's own functions gives in each case; computed once."""
        if function not in self._known:
            self._known[function] = [self._result(function, arguments) for arguments in self._inputs]
        return self._known[function]

    def _result(self, function: Callable, arguments: Sequence) -> Any:
        return plain(function(*fresh(arguments)))

    @cached_property
    def _mistakes(self) -> Mistakes:
        solution = ""
        with contextlib.suppress(OSError):  # it was written at a console, which keeps no source
            solution = self.answer()
        return Mistakes(self.misconceptions, solution, self.reference, lambda f: self._result(f, self._inputs[0]), self._results)

    @cached_property
    def _labels(self) -> list[str]:
        return [label for label, *_ in self.cases()]

    @cached_property
    def _inputs(self) -> list[tuple]:
        return [tuple(arguments) for _, *arguments in self.cases()]

    def stub(self) -> str:
        """What stands in the notebook for the student to fill in."""
        if self.given is not None:
            return source(self.given)
        head = self.answer().split("\n")
        signature = next(i for i, line in enumerate(head) if line.rstrip().endswith(":"))
        return "\n".join([*head[: signature + 1], "    raise NotImplementedError  # your turn: replace this line"])

    def solution(self) -> Text:
        """The reference, and why it is so."""
        self.solution_seen = True
        return Text(f"Exercise {self.number}, a solution", inspect.getdoc(self.reference) or "", self.answer())

    def answer(self) -> str:
        """The source of the solution, as it can replace the stub."""
        return source(self.reference)


def write(cases: Callable, **about: Any) -> Callable[[Callable], Write]:
    """Decorator that makes an exercise of its reference, `my_...`; its docstring is the explanation of the solution."""
    return lambda reference: Write(reference, cases, **about)


def _allowed(package: Sequence[Callable]) -> str:
    """What of the package an answer may use, in words."""
    names = " and ".join(f"`{function.__qualname__}`" for function in package)
    return "The package may be used" + (f", except {names}." if names else ".")
