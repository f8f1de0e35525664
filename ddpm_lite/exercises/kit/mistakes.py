"""Which mistakes give an answer's numbers: one slip in the solution, or two mistakes at once."""

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .comparing import all_same, near, same
from .explaining import shape
from .slips import slips


class Mistake(NamedTuple):
    """A wrong function, the sentence about it, and its result in the first case, also as one row of numbers, if it has some."""

    says: str
    function: Callable
    first: Any
    row: Tensor | None


class Mistakes:
    """The misconceptions of an exercise, and its solution with one slip in it, in every way.

    solution   its source, a function my_... of the names that the reference sees; "" where none is known
    first      what a function gives in the first case; it may raise an error
    give       what it gives in all cases
    """

    def __init__(
        self,
        misconceptions: Iterable[tuple[str, Callable]],
        solution: str,
        reference: Callable,
        first: Callable[[Callable], Any],
        give: Callable[[Callable], list],
    ):
        self._give = give
        self._known = [Mistake(says, function, value := first(function), _row(value)) for says, function in misconceptions]
        self._slips, space = [], inspect.unwrap(reference).__globals__
        for says, code in slips(solution) if solution else []:
            with contextlib.suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(code, own := dict(space))
                value = first(function := own[f"my_{reference.__name__}"])
                self._slips.append(Mistake(says, function, value, _row(value)))

    def _gives(self, function: Callable, results: Sequence) -> bool:
        with contextlib.suppress(Exception):  # in a later case
            return all_same(results, self._give(function))
        return False

    def one(self, results: Sequence) -> str | None:
        """The sentence about the slip that gives these results; None if none does."""
        for says, function, first, _ in self._slips:
            if same(results[0], first) and self._gives(function, results):
                return says
        return None

    def two(self, results: Sequence, wants: Sequence) -> str | None:
        """The sentences about two mistakes that give these results, a misconception among them if possible. They may not be those
        that were made: so ask this last."""
        every = [*self._known, *self._slips]
        if shape(results[0]) != shape(wants[0]):
            return None
        return self._two(self._known, every, results, wants) or self._two(self._slips, self._slips, results, wants)

    def _two(self, some: list[Mistake], others: list[Mistake], results: Sequence, wants: Sequence) -> str | None:
        """The sentences about one of some mistakes and one of others whose errors, added or multiplied, are those of the results:
        they act in different terms or factors."""
        got, want = _row(results[0]), _row(wants[0])
        if got is None or want is None or got.shape != want.shape:
            return None
        fit = [(each, each.row) for each in others if each.row is not None and each.row.shape == want.shape]
        rows = torch.stack([want, *(row for _, row in fit)])[1:]
        for one in some:
            if one.row is None or one.row.shape != want.shape or _same(one.row, want):
                continue
            for way in (_sum, _product):
                away = (way(one.row, rows, want) - got).abs().amax(1)
                for k in (away <= 1e-4 * got.abs().mean()).nonzero()[:, 0].tolist():
                    other = fit[k][0]
                    if other is one or _same(rows[k], want) or _same(rows[k], one.row):
                        continue
                    with contextlib.suppress(Exception):  # in a later case
                        given = zip(self._give(one.function), self._give(other.function), results, wants, strict=True)
                        if all(_fits(way, *map(_row, each)) for each in given):
                            return f"It comes out as if two mistakes were made at once. {one.says} {other.says}"
        return None


def _sum(a: Tensor, b: Tensor, right: Tensor) -> Tensor:
    return a + b - right


def _product(a: Tensor, b: Tensor, right: Tensor) -> Tensor:
    return a * b / right


def _fits(way: Callable, one: Tensor | None, other: Tensor | None, got: Tensor | None, want: Tensor | None) -> bool:
    if one is None or other is None or got is None or want is None or not one.shape == other.shape == got.shape == want.shape:
        return False
    return _same(way(one, other, want), got)


def _same(a: Tensor, b: Tensor) -> bool:
    return bool(near(a, b).all())


def _row(value: Any) -> Tensor | None:
    """A result as one row of numbers with decimals; None where it is something else, or not finite."""
    parts = value if isinstance(value, tuple) else (value,)
    if not parts or not all(isinstance(part, Tensor) and part.is_floating_point() and not part.is_meta for part in parts):
        return None
    row = torch.cat([part.double().flatten() for part in parts])
    return row if bool(row.isfinite().all()) else None
