"""Whether wrong numbers are right for other inputs: arguments exchanged, shifted by one, squared, left out."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from torch import Tensor

from ...maths.schedule import Schedule
from .calling import fresh
from .comparing import plain, same

# What may stand in the place of a number by a slip, in words.
SLIPS: dict[str, Callable[[Any], Any]] = {
    "`-{}`": lambda x: -x,
    "`{} + 1`": lambda x: x + 1,
    "`{} - 1`": lambda x: x - 1,
    "`1 - {}`": lambda x: 1 - x,
    "the square of `{}`": lambda x: x**2,
    "the root of `{}`": lambda x: x**0.5,
    "`1 / {}`": lambda x: 1 / x,
    "twice `{}`": lambda x: 2 * x,
    "half of `{}`": lambda x: x / 2,
    "0": lambda x: x * 0,
    "1": lambda x: x * 0 + 1,
}


def from_other_inputs(results: Sequence, names: Sequence[str], inputs: Sequence[Sequence], reference: Callable) -> str | None:
    """A sentence about the inputs for which the reference gives these results; None if there are none such."""
    for says, change in _changes(names, inputs):
        if all(_gives(reference, change, case, result) for case, result in zip(inputs, results, strict=True)):
            return says
    return None


def _gives(reference: Callable, change: Callable[[Sequence], Sequence], case: Sequence, result: Any) -> bool:
    with contextlib.suppress(Exception):  # a step beyond the table, a division by zero, a matrix that does not fit
        return same(result, plain(reference(*change(fresh(case)))))
    return False


def _changes(names: Sequence[str], inputs: Sequence[Sequence]) -> Iterator[tuple[str, Callable[[Sequence], Sequence]]]:
    """What may have been put in the place of the arguments: in words, and as a function of a case."""
    count = range(len(names))
    for i, j in itertools.combinations(count, 2):
        if all(type(case[i]) is type(case[j]) and _shape(case[i]) == _shape(case[j]) for case in inputs):
            order = [j if k == i else i if k == j else k for k in count]
            says = f"It is what comes out with `{names[i]}` and `{names[j]}` exchanged."
            yield says, itemgetter(*order)
    for k, name in enumerate(names):
        values = [case[k] for case in inputs]
        if any(isinstance(value, Tensor) and value.ndim == 1 and len(value) > 1 for value in values):
            yield f"It is what comes out if all have the first `{name}`: is [0] written where each has its own?", _at(k, _first)
        if all(isinstance(value, Tensor | int | float) and not isinstance(value, bool) for value in values):
            for slip, change in SLIPS.items():
                yield f"It is what comes out with {slip.format(name)} in the place of `{name}`.", _at(k, change)
        if all(isinstance(value, Schedule) for value in values):
            for slip in ("the root of `{}`", "the square of `{}`"):
                says = f"It is what comes out with {slip.format('beta')} in the place of `beta` in the schedule."
                yield says, _at(k, partial(_other_schedule, SLIPS[slip]))


def _at(k: int, change: Callable[[Any], Any]) -> Callable[[Sequence], Sequence]:
    """A function of a case that changes its argument number k."""
    return lambda case: [change(argument) if i == k else argument for i, argument in enumerate(case)]


def _other_schedule(change: Callable[[Tensor], Tensor], given: Schedule) -> Schedule:
    return Schedule.from_beta(change(given.beta[1:]))


def _first(value: Any) -> Any:
    return value[:1].expand(len(value)) if isinstance(value, Tensor) and value.ndim else value


def _shape(value: object) -> object:
    return (value.shape, value.dtype) if isinstance(value, Tensor) else None
