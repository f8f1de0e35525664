"""Calling a student's function: what goes wrong in it becomes a sentence about it, never a traceback of ours."""

import copy
import ctypes
import inspect
import linecache
import sys
import threading
from collections.abc import Callable, Sequence
from types import CodeType
from typing import NamedTuple

import numpy as np
import torch

SECONDS = 10.0  # for all cases together


class Called(NamedTuple):
    """What came of calling a function on some inputs: its results, or the problem that it met."""

    results: list
    problem: str | None = None  # one of the keys below, or None
    says: str = ""


def call(
    function: Callable, inputs: Sequence[tuple], watched: set[CodeType], names: Sequence[str], seconds: float = SECONDS
) -> Called:
    """function(*arguments) for each of the inputs, twice, in a thread that is stopped after some seconds.

    watched  code that must not run inside: the package's own answer
    names    of the parameters, for the sentences
    The problems: "signature", "not attempted", "raised", "endless", "changed", "unsteady", "called back".
    """
    try:
        inspect.signature(function).bind(*inputs[0])
    except TypeError:
        wants = ", ".join(inspect.signature(function).parameters)
        return Called([], "signature", f"It is called with ({', '.join(names)}), but your function takes ({wants}).")
    except ValueError:
        pass  # a builtin without a signature: it will say itself what is wrong
    results, again, state = [], [], {"called": False, "error": None, "changed": None}

    def watch(frame, event, _):
        if event == "call" and frame.f_code in watched:
            state["called"] = True

    def work() -> None:
        sys.setprofile(watch)
        try:
            for arguments in inputs:
                given = fresh(arguments)
                results.append(function(*given))
                if _unattempted(results[-1]):
                    return
                for name, before, after in zip(names, arguments, given, strict=False):
                    if not _same(before, after):
                        state["changed"] = name
                again.append(function(*fresh(arguments)))
        except BaseException as error:
            state["error"] = error
        finally:
            sys.setprofile(None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        # Python code is interrupted like this on every system; what waits inside a library is left to itself.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeoutError))
        thread.join(1)
        return Called([], "endless", f"It had not ended after {seconds:g} seconds. Does a loop in it never stop?")
    error = state["error"]
    if isinstance(error, NotImplementedError) or (results and _unattempted(results[-1])):
        return Called([], "not attempted")
    if error is not None:
        return Called(results, "raised", _where(error, function))
    if state["called"]:
        says = "This calls the package's own answer. That works, and it is the answer: now write it yourself."
        return Called([], "called back", says)
    if state["changed"]:
        says = f"It changes its input {state['changed']} in place: whoever calls it would find another {state['changed']} "
        return Called([], "changed", says + "afterwards. Compute into a new tensor.")
    if not all(_same(a, b) for a, b in zip(results, again, strict=True)):
        says = "Called twice with the same input it gives two answers. Does it draw random numbers, or use a variable "
        return Called([], "unsteady", says + "from outside? All it needs comes in as an argument.")
    return Called(results)


def _unattempted(value: object) -> bool:
    return value is None or value is ...


def fresh(arguments: Sequence) -> list:
    """Copies, so that no function sees what another has done to its inputs."""
    return [_copy(a) for a in arguments]


def _copy(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, torch.Generator):
        return value.clone_state()
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value)  # its mode, and the statistics of its batch norms
    return list(value) if isinstance(value, list) else value


def _same(a: object, b: object) -> bool:
    """Equal, with NaN equal to NaN; what is no number is compared as it is."""
    if isinstance(a, torch.Generator):
        return True  # drawing from it is what it is for
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and torch.allclose(a, b, rtol=1e-12, atol=1e-12, equal_nan=True)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, float) and isinstance(b, float):
        return bool(a == b or (a != a and b != b))  # numpy's numbers are floats, but their truth is not Python's
    return a is b or type(a) is type(b)


def _where(error: BaseException, function: Callable) -> str:
    """The student's own error, with the line of their cell in which it arose."""
    says = f"Your code raised {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'without a message'}"
    says = says if says.endswith((".", "!", "?")) else says + "."
    if "must match the size of tensor" in says:
        says += " A coefficient for each item, of shape (B,), must become (B, 1, 1, 1) to multiply pictures, (B, 1) for points."
    code, line = getattr(function, "__code__", None), None
    trace = error.__traceback__
    while trace is not None and code is not None:
        if trace.tb_frame.f_code.co_filename == code.co_filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    if line is None:
        return says
    return f"{says} It was in line {line} of the cell:  {linecache.getline(code.co_filename, line).strip()}"
