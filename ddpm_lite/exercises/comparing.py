"""Comparing an answer with the reference: is it the same numbers, and if not, what is the first difference?"""

import numpy as np
import torch
from torch import Tensor

# How far an answer may lie from the reference, relative to it and to its typical size, by the precision it came in.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.bfloat16: 4e-2, torch.float16: 1e-2}


def difference(got: object, want: object) -> str | None:
    """None where `got` are the numbers of `want` (a tensor, a number or a tuple of them); else one or two sentences.

    numpy arrays and lower precision are taken for what they are. Whole numbers are taken only where they are wanted.
    """
    if isinstance(want, tuple):
        if not isinstance(got, tuple | list) or len(got) != len(want):
            what = f"{len(got)} of them" if isinstance(got, tuple | list) else _kind(got)
            return f"It must return {len(want)} values, one after the other; it returned {what}."
        for k, (mine, theirs) in enumerate(zip(got, want, strict=True)):
            if found := difference(mine, theirs):
                return f"Of the {len(want)} returned values, look at number {k + 1}. {found}"
        return None
    if isinstance(got, tuple):
        return f"It must return one value; it returned {len(got)}, one after the other."
    want = torch.as_tensor(want)
    tensor = _tensor(got)
    if tensor is None:
        return f"It must return numbers, as a tensor; it returned {_kind(got)}."
    if problem := _wrong_type(tensor, want):
        return problem
    if tensor.shape != want.shape:
        return _wrong_shape(tuple(tensor.shape), tuple(want.shape))
    if not want.is_floating_point():
        wrong = tensor != want
    else:
        mine, theirs = tensor.double(), want.double()
        if not mine.isfinite().all():
            bad = "NaN" if mine.isnan().any() else "infinite"
            where = _index((~mine.isfinite()).nonzero()[0])
            return f"Its result is {bad}{where}. Look for a division by zero, a root of a negative number or a log of zero."
        size = float(theirs.square().mean().sqrt()) if theirs.numel() else 1.0
        wrong = (mine - theirs).abs() > TOLERANCE.get(tensor.dtype, 1e-6) * (theirs.abs() + size)
    if not wrong.any():
        return None
    first = tuple(wrong.nonzero()[0].tolist())
    apart = float((tensor.double() - want.double()).abs().max())
    share = float(wrong.double().mean())
    many = "" if want.numel() == 1 else f"; {share:.0%} of the values differ, by up to {apart:.3g}"
    return f"Expected {_number(want[first])}, got {_number(tensor[first])}{_index(first)}{many}."


def same(got: object, want: object) -> bool:
    """Whether two answers agree, as an answer agrees with a misconception: also in being NaN, and in their shape."""
    if isinstance(got, tuple | list) and isinstance(want, tuple | list):
        return len(got) == len(want) and all(same(a, b) for a, b in zip(got, want, strict=True))
    mine, theirs = _tensor(got), _tensor(want)
    if mine is None or theirs is None or mine.shape != theirs.shape or mine.is_complex():
        return False  # complex numbers have a sentence of their own
    finite = torch.isfinite(mine.double()) & torch.isfinite(theirs.double())
    if not torch.equal(torch.isfinite(mine.double()), torch.isfinite(theirs.double())):
        return False
    # What is not finite has the same place; the rest is compared as numbers are.
    return difference(mine[finite], theirs[finite].to(mine.dtype) if not mine.is_floating_point() else theirs[finite]) is None


def _tensor(value: object) -> Tensor | None:
    try:
        return value.detach().cpu() if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
    except (TypeError, ValueError, RuntimeError):
        return None


def _wrong_type(got: Tensor, want: Tensor) -> str | None:
    if got.dtype == want.dtype or (got.is_floating_point() and want.is_floating_point()):
        return None
    if got.is_complex():
        return "Its result is complex. Is there a root of a negative number in it?"
    if want.dtype == torch.bool:
        return f"It must return true or false values; its result is {got.dtype}.".replace("torch.", "")
    if got.dtype == torch.bool:
        return "Its result is boolean, true or false. Numbers are wanted: is there a comparison in the place of a difference?"
    if want.is_floating_point():
        return f"Its result holds whole numbers ({got.dtype}). Somewhere the decimals are cut off.".replace("torch.", "")
    if got.is_floating_point():
        return f"Whole numbers are wanted; its result is {got.dtype}. Round it, and convert with int() or .long().".replace(
            "torch.", ""
        )
    return None  # whole numbers of another width


def _wrong_shape(got: tuple, want: tuple) -> str:
    says = f"Its result has the shape {got}; wanted is {want}."
    if not want:
        says += " One number is asked for: something must still be summed or averaged."
    elif len(got) > len(want) or (len(got) == len(want) and any(w == 1 < g for g, w in zip(got, want, strict=True))):
        says += " Two shapes were stretched against each other by broadcasting: a coefficient for each item, (B,), must "
        says += "become (B, 1, 1, 1) to multiply pictures."
    elif np.prod(got) < np.prod(want):
        says += " Something was summed or averaged, or an axis got lost."
    return says


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"


def _index(index) -> str:
    numbers = ", ".join(str(int(i)) for i in index)
    return f" at [{numbers}]" if numbers else ""


def _number(value: Tensor) -> str:
    return f"{float(value):.6g}" if value.is_floating_point() else str(value.item())
