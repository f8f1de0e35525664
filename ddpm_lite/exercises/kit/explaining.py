"""What went wrong with a student's function, in a sentence: its parameters, or what it raised and in which line."""

import dis
import functools
import inspect
import linecache
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from ...maths.schedule import Schedule


def misfit(function: Callable, names: Sequence[str], count: int) -> str | None:
    """What is wrong with its parameters, before it is called with so many arguments."""
    try:
        signature = inspect.signature(function)
    except Exception:
        return None  # a builtin without a signature, or an object that resists: it will say itself what is wrong
    mine = list(signature.parameters)
    try:
        signature.bind(*range(count))
    except TypeError:
        if by_name(function, names):
            return None
        return f"It is called with ({', '.join(names)}), but your function takes ({', '.join(mine)})."
    if mine != list(names) and sorted(mine) == sorted(names):
        return f"The arguments come in the order ({', '.join(names)}); your function takes them as ({', '.join(mine)})."
    return None


def by_name(function: Callable, names: Sequence[str]) -> bool:
    """Whether it can be called by keywords of these names, and not with the arguments in a row."""
    try:
        signature = inspect.signature(function)
        signature.bind(**dict.fromkeys(names))
    except Exception:
        return False
    try:
        signature.bind(*names)
    except TypeError:
        return True
    return False


def unwrapped(function: Any) -> Any:
    """The function itself: what a partial calls, what a decorator wraps, a network's forward, an object's __call__."""
    for _ in range(20):  # one in the other; an object may give itself for all of them
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, nn.Module):
            function = function.forward
        elif hasattr(function, "__func__"):  # a bound method
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif hasattr(function, "__code__"):
            break
        else:
            function = type(function).__call__
    return function


def is_stub(error: BaseException) -> bool:
    """Whether it is a plain `raise NotImplementedError`. torch, too, raises that, but from inside of a call; so does input()
    in a notebook without a reader, with an error of its own kind."""
    trace = error.__traceback__
    assert trace is not None, "it was raised"
    while trace.tb_next:
        trace = trace.tb_next
    frame = trace.tb_frame
    raises = dis.opname[frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
    of_torch = frame.f_globals.get("__name__", "").startswith("torch.")
    return type(error) is NotImplementedError and raises and not of_torch


def where(error: BaseException, function: Callable, arguments: Sequence) -> str:
    """The student's own error, with the line of their cell in which it arose."""
    try:
        message = textwrap.shorten(str(error), 250, placeholder=" ...")
    except Exception:
        message = ""
    says = f"Your code raised {type(error).__name__}: {message or 'without a message'}"
    says = says if says.endswith((".", "!", "?")) else says + "."
    if "must match the size of tensor" in message or "could not be broadcast" in message:
        says += _shapes(arguments, set(map(int, re.findall(r"\d+", message))))
    code, line = getattr(unwrapped(function), "__code__", None), None
    trace = error.__traceback__
    while trace is not None and code is not None:
        if trace.tb_frame.f_code.co_filename == code.co_filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    if code is None or line is None:
        return says
    text = linecache.getline(code.co_filename, line).strip()
    return f"{says} The error is in line {line} of the cell{': `' + text + '`' if text else '.'}"


def _shapes(arguments: Sequence, sizes: set[int]) -> str:
    """What to do where numbers for each item met the items; `sizes` are the numbers in the error."""
    shapes = [tuple(a.shape) for a in arguments if isinstance(a, Tensor)]
    for one in shapes:
        for many in shapes:
            if len(one) == 1 < len(many) and one[0] == many[0] and {one[0], many[-1]} <= sizes:
                item = (*one, *(1,) * (len(many) - 1))
                return f" Numbers for each item, of shape {one}, must become {item} to multiply a tensor of shape {many}."
            if len(one) == 1 and len(many) > 2 and one[0] == many[1] and {one[0], many[-1]} <= sizes:
                channel = (*one, *(1,) * (len(many) - 2))
                return f" Numbers for each channel, of shape {one}, must become {channel} to meet a tensor of shape {many}."
    return ""


def shape(value: object) -> tuple | None:
    """The shape of a tensor; None of anything else."""
    return tuple(value.shape) if isinstance(value, Tensor) else None


def in_words(names: Iterable[str], arguments: Iterable) -> str:
    """The inputs of a case in words: small numbers as they are, tensors by their shape."""
    words = []
    for name, value in zip(names, arguments, strict=False):
        if isinstance(value, Tensor) and value.numel() > 4:
            words.append(f"{name} of shape {tuple(value.shape)}")
        elif isinstance(value, Tensor):
            words.append(f"{name} = {[round(v, 4) for v in value.flatten().tolist()]}")
        elif isinstance(value, int | float | str | list):
            words.append(f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}")
        elif isinstance(value, Schedule):
            words.append(f"{name}.T = {value.T}")
    return ", ".join(words)
