"""Where the right result is a sum of multiples of arguments: which of these terms is wrong."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .comparing import near


def agree(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors agree, up to what 32 bits leave. Where the second is not finite, nothing agrees with it."""
    return a.shape == b.shape and bool((near(a.float(), b) & b.isfinite()).all())


def wrong_terms(gots: list, wants: list, names: Sequence[str], inputs: Sequence) -> str | None:
    """Where the right result is a sum of multiples of arguments: which of them have a wrong factor, or none."""
    meant, found = [], []
    for got, want, case in zip(gots, wants, inputs, strict=True):
        columns = _columns(names, case, want)
        if not set(columns) - {""} or want[0].numel() < 2 * sum(column.shape[2] for column in columns.values()):
            continue  # so few numbers are a sum of anything
        if (fit := _fitted(want, columns)) is None:
            return None
        meant.append(fit)
        found.append(_fitted(got, columns))
    if not meant:
        return None
    there = sorted({name for fit in meant for name, factor in fit.items() if factor.abs().max() > 1e-4})
    terms = " and ".join(f"`{name}`" for name in there)
    fitted = [mine for mine in found if mine is not None]
    if len(fitted) < len(found):
        return f"It is not a sum of multiples of {terms}, as it should be: look for a product, a division or a power of them."
    pairs = [(name, mine[name], fit[name]) for mine, fit in zip(fitted, meant, strict=True) for name in fit]
    away = {name for name, mine, right in pairs if (mine - right).abs().max() > 1e-4 * (1 + right.abs().max())}
    if left := [f"`{name}`" for name in there if all(mine[name].abs().max() < 1e-4 for mine in fitted)]:
        return f"There is no {' and no '.join(left)} in the result, or its factor is 0."
    if away == {""}:
        return f"A number is added that is the same everywhere: only multiples of {terms} belong into the result."
    wrong = [f"`{name}`" for name in sorted(away - {""})]
    right = sorted(set(there) - away)
    return f"Look at the factor of {' and at that of '.join(wrong)}{': that of the rest is right.' if right else '.'}"


def _columns(names: Sequence[str], case: Sequence, like: Tensor) -> dict[str, Tensor]:
    """The arguments of the shape of a result, or of many such in a row: (items, numbers, how many); "" for a plain number."""
    found = {"": torch.ones(len(like), like[0].numel(), 1, dtype=torch.float64)} if like.ndim > 1 else {}
    for name, value in zip(names, case, strict=True):
        if isinstance(value, Tensor) and value.is_floating_point() and like.ndim > 1:
            if value.shape == like.shape:
                found[name] = value.double().flatten(1)[..., None]
            elif value.shape[1:] == like.shape:
                found[name] = value.double().flatten(2).movedim(0, 2)
    return found


def _fitted(result: Tensor, columns: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """The factors with which the columns add up to a result, item by item; None if they do not."""
    table, wanted = torch.cat(list(columns.values()), 2), result.flatten(1)
    factors = torch.linalg.lstsq(table, wanted[..., None]).solution
    if not agree((table @ factors)[..., 0], wanted):
        return None
    return dict(zip(columns, factors[..., 0].split([column.shape[2] for column in columns.values()], 1), strict=True))
