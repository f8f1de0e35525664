"""Comparing an answer with the reference: is it the same numbers, and if not, what is the first difference?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# How far an answer may lie from the reference, relative to it and to its typical size, by the precision it came in.
# Lower precision may have been used on the way to any of them: a float64 result may hold what was a float32 number.
# In 16 bits the last rounding alone is allowed for: what was computed in them is not as exact.
TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4, torch.float16: 1e-3, torch.bfloat16: 8e-3}
WHOLE = {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
COMPARED = {*TOLERANCE, *WHOLE, torch.complex64, torch.complex128}  # dtypes
LARGEST = 10**7  # numbers in a tensor: no answer has as many


@dataclass(frozen=True)
class Unreadable:
    """Takes the place of what looks like numbers, but cannot be compared; `what` it is, with its article."""

    what: str


def plain(value: object, seen: dict[int, Any] | None = None) -> Any:
    """A result as it is compared: numbers as a tensor of its own, on the CPU; several values one by one, in a tuple or list.

    Anything else is left as it is, or is Unreadable. Of a tensor that is far too large, or has no values, shape and dtype are
    kept (meta). `seen` are the lists and tuples that the value stands in, by their id.
    """
    seen = {} if seen is None else seen
    if id(value) in seen:
        return seen[id(value)]
    try:
        if isinstance(value, Tensor):
            return _plain_tensor(value)
        if isinstance(value, tuple | list):
            seen[id(value)] = Unreadable(f"a {type(value).__name__} that contains itself")
            items = [plain(item, seen) for item in value]
            kinds = {(i.shape, i.dtype if i.ndim else None) if isinstance(i, Tensor) else () for i in items}
            stacked = isinstance(value, list) and len(kinds) == 1 and () not in kinds
            found = tuple(items) if isinstance(value, tuple) else torch.stack(items) if stacked else items
            seen[id(value)] = found
            return found
        array = np.array(value, order="C")
        if array.dtype == object and isinstance(value, Number):
            array = np.array(float(value))  # type: ignore[arg-type]  # a fraction, or a whole number of many digits
        elif array.dtype.kind == "f" and array.itemsize > 8:
            array = array.astype(np.float64)
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
    except Exception:  # an object that resists is not a number, whatever it raises
        return Unreadable("a tensor that cannot be read") if isinstance(value, Tensor) else value


def _plain_tensor(value: Tensor) -> Tensor | Unreadable:
    with torch._C.DisableTorchFunctionSubclass():  # a subclass may do anything in its place
        if value.is_nested:
            return Unreadable("a nested tensor")
        if value.is_quantized or value.dtype not in COMPARED:
            return Unreadable(f"a tensor of dtype {_dtype(value)}, which holds too few digits or none: convert it to float32")
        value = value.detach()
        if value.is_meta or value.numel() > LARGEST:
            return value.to("meta")
        value = (value if value.layout == torch.strided else value.to_dense()).cpu().clone()
        value.flatten()[:1].tolist()  # of a tensor that left its torch.vmap, nothing can be read
    return value if type(value) is Tensor else value.as_subclass(Tensor)


ONE_MORE = " It has an axis of length 1 too many: is it kept by keepdim, or made by [:, None]?"


def difference(got: Any, want: Any) -> str | None:
    """None where `got` are the numbers of `want` (a tensor, or a tuple of them); else what differs, in some sentences.

    Both are `plain`. Lower precision is allowed for. Whole numbers are accepted only where they are expected.
    """
    if isinstance(want, tuple):
        got = _several(got, len(want))
        if not isinstance(got, tuple | list) or len(got) != len(want):
            what = f"{len(got)} of them." if isinstance(got, tuple | list) else _returned(got)
            return f"It must return {len(want)} values, one after the other; it returned {what}"
        for k, (mine, theirs) in enumerate(zip(got, want, strict=True)):
            if found := difference(mine, theirs):
                return f"Of the {len(want)} returned values, look at number {k + 1}. {found}"
        return None
    if isinstance(got, tuple):
        says = f"It must return one value; it returned a tuple of {len(got)}."
        return says + (" Is there a comma at the end of the line?" if len(got) == 1 else "")
    if not isinstance(got, Tensor):
        return f"It must return numbers, as a tensor; it returned {_returned(got)}"
    if problem := _wrong_type(got, want):
        return problem
    if got.shape != want.shape:
        return _wrong_shape(tuple(got.shape), tuple(want.shape))
    if got.is_meta:
        return "Its result is on the device meta, where tensors have a shape but hold no numbers."
    if want.is_floating_point() and not got.isfinite().all():
        first = tuple((~got.isfinite()).nonzero()[0].tolist())
        what = "NaN" if got[first].isnan() else "infinite"
        return f"Its result is {what}{_at(first)}. Look for a division by zero, a root of a negative number or a log of zero."
    wrong = ~near(got, want)
    return _wrong_numbers(got, want, wrong) if wrong.any() else None


def same(got: object, want: object) -> bool:
    """Whether two results agree, as an answer agrees with a misconception: in shape, in kind, and in what is not finite."""
    if isinstance(want, tuple):
        got = _several(got, len(want))
    if isinstance(got, tuple | list) and isinstance(want, tuple | list):
        return len(got) == len(want) and all(same(a, b) for a, b in zip(got, want, strict=True))
    if not isinstance(got, Tensor) or not isinstance(want, Tensor):
        return type(got) is type(want)
    if got.shape != want.shape or _wrong_type(got, want) or got.is_meta != want.is_meta:
        return False
    if got.is_meta:
        return True
    odd = ~want.isfinite()
    return bool((odd == ~got.isfinite()).all() and (near(got, want) | odd).all())


def all_same(results: Sequence, others: Sequence) -> bool:
    """Whether the results of all cases agree. Two functions that give nothing but NaN agree in nothing that could be named."""
    return all(map(same, results, others)) and not all(map(_nothing, results))


def _nothing(value: object) -> bool:
    """Whether it is numbers of which none is finite."""
    if isinstance(value, tuple | list):
        return bool(value) and all(map(_nothing, value))
    return isinstance(value, Tensor) and not value.is_meta and value.numel() > 0 and not bool(value.isfinite().any())


def gradient(value: object, of: Tensor | nn.Module) -> Tensor | None:
    """d value / d of, as one row of numbers; None where the value does not depend on it."""
    leaves = list(of.parameters()) if isinstance(of, nn.Module) else [of]
    if not isinstance(value, Tensor) or not value.requires_grad:
        return None
    found = torch.autograd.grad(value, leaves, allow_unused=True)
    return None if any(part is None for part in found) else torch.cat([part.flatten() for part in found])


def kind(value: object) -> str:
    """What a value is, with its article: "a dict", "an int"."""
    if isinstance(value, Unreadable):
        return value.what
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' or name == 'ndarray' else 'a'} {name}"


def _several(got: object, count: int) -> Any:
    """One tensor of as many parts as values are expected, as several values; anything else as it is."""
    if isinstance(got, Tensor) and got.ndim and len(got) == count and not got.is_meta:
        return tuple(got)
    return got


def near(got: Tensor, want: Tensor, times: float = 1.0) -> Tensor:
    """Where two tensors of one shape agree, as exactly as the precision of the first allows. NaN agrees with nothing."""
    if got.is_complex():
        return (got - want).abs() <= TOLERANCE[torch.float64] * want.abs()
    if not got.is_floating_point():
        return got.long() == want.long()
    mine, theirs = got.double(), want.double()
    finite = theirs[theirs.isfinite()]
    size = max(float(finite.square().mean().sqrt()) if finite.numel() else 0.0, 1e-5)
    return (mine - theirs).abs() <= times * TOLERANCE.get(got.dtype, 1e-5) * (theirs.abs() + size)


def _wrong_numbers(got: Tensor, want: Tensor, wrong: Tensor) -> str:
    first = tuple(wrong.nonzero()[0].tolist())
    says = f"Expected {_number(want[first])}, got {_number(got[first])}{_at(first)}"
    if want.numel() > 1:
        apart = float((got.double() - want.double()).abs().max())
        says += f"; {int(wrong.sum())} of {want.numel()} values differ, by up to {apart:.3g}"
        says += f" ({_dtype(got)}, shape {tuple(got.shape)})"
    says += "."
    if want.is_floating_point() and near(got.double(), want, times=100).all():
        says += " All are close, but not as close as rounding leaves them: is one of your numbers rounded, or a small one added?"
    return says


def _wrong_type(got: Tensor, want: Tensor) -> str | None:
    if got.dtype == want.dtype or (got.is_floating_point() and want.is_floating_point()):
        return None
    if got.is_complex():
        return "Its result is complex. Is there a root of a negative number in it?"
    if want.dtype == torch.bool:
        return f"It must return true or false values; its result is {_dtype(got)}."
    if got.dtype == torch.bool:
        return "Its result is boolean, true or false. It should return numbers: is there a comparison in place of a difference?"
    if want.is_floating_point():
        return f"Its result holds whole numbers ({_dtype(got)}), not numbers with decimals. Look for //, int() or .long()."
    if got.is_floating_point():
        return f"It should return whole numbers; its result is {_dtype(got)}. Round it, and convert with int() or .long()."
    return None  # whole numbers of another width


def _wrong_shape(got: tuple, want: tuple) -> str:
    says, many, wanted = f"Its result has the shape {got}; it should have {want}.", math.prod(got), math.prod(want)
    if not want:
        return says + f" The result should be one number{': sum or average' if many > 1 else ', without axes'}."
    if [n for n in got if n != 1] == [n for n in want if n != 1]:
        return says + (" An axis of length 1 is missing." if len(got) < len(want) else ONE_MORE)
    if many == wanted:
        return says + " The count is right, but the numbers are arranged differently."
    apart = [g - w for g, w in zip(got, want, strict=False) if g != w] if len(got) == len(want) else []
    if apart in ([1], [-1]):
        return says + f" That is one entry too {'many' if apart == [1] else 'few'}."
    if many < wanted:
        return says + (" Was something summed or averaged, or an axis lost?" if len(got) < len(want) else "")
    if len(got) == len(want) and not any(w == 1 < g for g, w in zip(got, want, strict=True)):
        return says
    if len(want) == 1 and got != 2 * want:
        return says + " One number for each item is wanted, without another axis."
    says += " Most likely two shapes were stretched against each other by broadcasting: "
    if len(want) == 1:
        return says + "where a shape (n, 1) meets (n,), each entry meets every other."
    item = (want[0], *(1,) * (len(want) - 1))
    return says + f"numbers of the shape {want[:1]}, one for each item, must become {item} to multiply {want}."


def _returned(value: object) -> str:
    """What was returned, as the end of a sentence, with what is often the reason."""
    if isinstance(value, Tensor):
        return f"one tensor of shape {tuple(value.shape)}."
    if isinstance(value, list):
        return f"a list of {len(value)} things that do not make one tensor."
    often = {
        "NoneType": ": is there a path through it without a return?",
        "generator": ": is there a yield in place of a return?",
        "function": ": are the brackets of a call missing?",
        "method": ": are the brackets of a call missing?",
        "builtin_function_or_method": ": are the brackets of a call missing?",
    }
    return kind(value) + often.get(type(value).__name__, ".")


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _at(index: tuple) -> str:
    return f" at [{', '.join(map(str, index))}]" if index else ""


def _number(value: Tensor) -> str:
    return f"{float(value):.6g}" if value.is_floating_point() else str(value.item())
