"""What can be seen in wrong numbers: how they come from the right ones, or from other inputs, in a sentence."""

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...maths.schedule import Schedule
from .comparing import same
from .exchanging import from_other_inputs
from .terms import agree, wrong_terms

# What may have been done to the whole result.
RESULTS: dict[str, Callable[[Tensor], Tensor]] = {
    "Each number has the wrong sign.": lambda x: -x,
    "Each number is the square of what it should be: a root is missing, or a square is too many.": lambda x: x**2,
    "Each number is the root of what it should be: a square is missing, or a root is too many.": lambda x: x.abs().sqrt(),
    "Each number is 1 divided by what it should be.": lambda x: 1 / x,
    "Each number is 1 minus what it should be.": lambda x: 1 - x,
    "Each number is the exponential of what it should be.": lambda x: x.exp(),
}
TABLES = ("alpha_bar", "alpha", "beta")
# What a factor may be of a number that the inputs hold.
CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "{}": lambda x: x,
    "the square of {}": lambda x: x**2,
    "1 - {}": lambda x: 1 - x,
}


def describe(
    results: Sequence, wants: Sequence, names: Sequence[str], inputs: Sequence[Sequence], reference: Callable
) -> str | None:
    """What all of the wrong results, each `plain`, have in common; None where there is nothing.

    names and inputs are those of the parameters, of each case; the reference gives the right results.
    """
    says = from_other_inputs(results, names, inputs, reference)
    return says or _look((_as_a_whole, _on_an_axis, _factor, _offset), results, wants, names, inputs)


def describe_parts(results: Sequence, wants: Sequence, names: Sequence[str], inputs: Sequence[Sequence]) -> str | None:
    """Which part of the wrong results is wrong: some places, or some terms; None where it cannot be told."""
    return _look((_where, wrong_terms), results, wants, names, inputs)


def _look(
    ways: Sequence[Callable], results: Sequence, wants: Sequence, names: Sequence[str], inputs: Sequence[Sequence]
) -> str | None:
    parts = _parts(results, wants)
    if parts is None:
        return None
    which, gots, rights = parts
    return next((which + says for look in ways if (says := look(gots, rights, names, inputs))), None)


def _parts(results: Sequence, wants: Sequence) -> tuple[str, list[Tensor], list[Tensor]] | None:
    """The first of several returned values that is wrong, with its place in words; None unless all are numbers that fit."""
    several = isinstance(wants[0], tuple)
    for k in range(len(wants[0])) if several else [0]:
        gots, rights = ([each[k] for each in values] if several else list(values) for values in (results, wants))
        fit = all(
            isinstance(a, Tensor) and a.shape == b.shape and b.is_floating_point() for a, b in zip(gots, rights, strict=True)
        )
        if not fit or any(a.is_complex() or a.is_meta or not a.isfinite().all() for a in gots):
            return None
        if not all(map(same, gots, rights)):
            which = f"Of the {len(wants[0])} returned values, look at number {k + 1}. " if several else ""
            return which, [a.double() for a in gots], [b.double() for b in rights]
    return None


def _all_agree(gots: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    return all(map(agree, gots, others))


def _as_a_whole(gots: list, wants: list, names: Sequence[str], inputs: Sequence) -> str | None:
    spread = [_spread(a) for a, b in zip(gots, wants, strict=True) if a.numel() > 1 and _spread(b)]
    if spread and not any(spread):
        return "All numbers of the result are the same: is one of them computed for all, or an average taken?"
    return next((says for says, change in RESULTS.items() if _all_agree(gots, [change(want) for want in wants])), None)


def _spread(x: Tensor) -> bool:
    return float(x.max() - x.min()) > 1e-6 * float(x.abs().max())


def _on_an_axis(gots: list, wants: list, names: Sequence[str], inputs: Sequence) -> str | None:
    ways: list[tuple[str, Callable[[Tensor], Tensor]]] = [
        ("The rows are where the columns should be: transpose it.", lambda x: x.mT)
    ]
    for axis in range(min(want.ndim for want in wants)):
        ways += [
            (f"Axis {axis} is the wrong way round: its first entry should be the last.", partial(torch.flip, dims=[axis])),
            (f"Everything stands one place too late on axis {axis}.", partial(torch.roll, shifts=1, dims=axis)),
            (f"Everything stands one place too early on axis {axis}.", partial(torch.roll, shifts=-1, dims=axis)),
        ]
    some = [k for k, want in enumerate(wants) if want.ndim]
    for says, change in ways:
        with contextlib.suppress(RuntimeError):  # one axis is not transposed
            if some and _all_agree([gots[k] for k in some], [change(wants[k]) for k in some]):
                return says
    return None


def _factor(gots: list, wants: list, names: Sequence[str], inputs: Sequence) -> str | None:
    """One factor for all, or for each item of a batch."""
    factors = []
    for got, want in zip(gots, wants, strict=True):
        factor = _projection(got, want)
        if not agree(got, factor * want):
            return None
        factors.append(factor)
    if says := _called(factors, names, inputs, "Each number is {} times what it should be."):
        return says
    if any(want.numel() == factor.numel() for want, factor in zip(wants, factors, strict=True)):
        return None  # one number is a multiple of any other
    return "All numbers of an item are wrong by one factor, which is another for each item: look at what multiplies everything."


def _offset(gots: list, wants: list, names: Sequence[str], inputs: Sequence) -> str | None:
    away = [got - want for got, want in zip(gots, wants, strict=True)]
    level = [_projection(each, torch.ones_like(each)) for each in away]
    if gots[0].numel() > 1 and _all_agree(away, [mean.expand_as(each) for each, mean in zip(away, level, strict=True)]):
        sign, how = (-1, "small") if all((each < 0).all() for each in level) else (1, "large")
        return _called([sign * each for each in level], names, inputs, f"Each number is too {how} by {{}}.") or (
            "All numbers of an item are wrong by the same amount: look for a number that is added or left out."
        )
    return None


def _projection(a: Tensor, b: Tensor) -> Tensor:
    """The factor by which b comes nearest to a, for each item of a batch; for the whole of a row of numbers."""
    if b.ndim < 2:
        return (a * b).sum() / (b * b).sum().clamp_min(1e-30)
    factor = (a * b).flatten(1).sum(1) / (b * b).flatten(1).sum(1).clamp_min(1e-30)
    return factor.reshape(-1, *[1] * (b.ndim - 1))


def _called(values: list[Tensor], names: Sequence[str], inputs: Sequence, says: str) -> str | None:
    """The sentence about a number that is the same everywhere, or that the inputs hold: an argument, a table's entry, a count."""
    first = values[0].flatten()[0] if values[0].numel() else torch.tensor(torch.nan)
    if all(agree(value, first.expand_as(value)) for value in values):
        return says.format(f"{float(first):.4g}")
    known = [_quantities(names, case, value) for case, value in zip(inputs, values, strict=True)]
    for name in known[0]:
        if all(name in each for each in known):
            for slip, change in CHANGES.items():
                for more, root in (("", 1.0), ("the root of ", 0.5), ("1 / ", -1.0), ("1 / the root of ", -0.5)):
                    others = [change(each[name]) ** root for each in known]
                    if _all_agree(values, others):
                        return says.format(more + slip.format(name))
    return None


def _quantities(names: Sequence[str], case: Sequence, like: Tensor) -> dict[str, Tensor]:
    """What the inputs of a case hold, in words, as one number or one for each item, in the shape of `like`."""
    given: dict[str, Any] = dict(zip(names, case, strict=True))
    found: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, Tensor) and not value.is_complex() and value.numel() in (1, like.numel()):
            found[f"`{name}`"] = value
        elif isinstance(value, int | float):
            found[f"`{name}`"] = torch.tensor(float(value))
        if isinstance(value, Tensor) and value.ndim:
            found |= {f"the length of `{name}`": torch.tensor(len(value)), f"the size of `{name}`": torch.tensor(value.numel())}
    for schedule in (value for value in given.values() if isinstance(value, Schedule)):
        found["T"] = torch.tensor(float(schedule.T))
        for name, value in given.items():
            steps = torch.as_tensor(value) if isinstance(value, Tensor | int) else torch.tensor(0.5)
            if steps.is_floating_point() or steps.numel() not in (1, like.numel()) or not 0 <= int(steps.min()):
                continue
            if int(steps.max()) <= schedule.T:
                found |= {f"{table}[{name}]": getattr(schedule, table)[steps] for table in TABLES}
    return {
        name: value.double().reshape(-1)[: like.numel()].expand(like.numel()).reshape(like.shape) for name, value in found.items()
    }


def _where(gots: list, wants: list, names: Sequence[str], inputs: Sequence) -> str | None:
    """Whether it is wrong in some places alone: at an end of an axis, at the first or last step, under a mask."""
    wrong = [(a - b).abs() > 1e-4 * (b.abs() + b.abs().mean()) for a, b in zip(gots, wants, strict=True)]
    for axis in range(min(each.ndim for each in wrong)):
        bad = [each.movedim(axis, 0).flatten(1).any(1) if each.ndim > 1 else each for each in wrong if each.shape[axis] > 2]
        for says, at in (("first", 0), ("last", -1)):
            if bad and all(int(each.sum()) == int(each[at]) for each in bad) and any(each.any() for each in bad):
                return f"Only the {says} entry of axis {axis} is wrong."
            if bad and all(not each[at] and int((~each).sum()) == 1 for each in bad):
                return f"Only the {says} entry of axis {axis} is right."
    for k, name in enumerate(names):
        shown = [(each, case[k]) for each, case in zip(wrong, inputs, strict=True) if isinstance(case[k], Tensor)]
        fit = [(each, x.expand(each.shape)) for each, x in shown if _covers(x.shape, each.shape) and x.unique().numel() <= 2]
        for value in (0, 1):
            if fit and all(bool((x[each] == value).all()) and bool((x != value).any()) for each, x in fit):
                return f"It is wrong only where `{name}` is {value}."
    return None


def _covers(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Whether a tensor of this shape can be stretched to the other."""
    return len(shape) == len(other) and all(a in (1, b) for a, b in zip(shape, other, strict=True))
