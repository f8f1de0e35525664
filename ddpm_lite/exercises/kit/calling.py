"""Calling a student's function: what goes wrong in it becomes a sentence about it, never a traceback of ours."""

import contextlib
import copy
import io
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor, nn

from .comparing import plain, same
from .explaining import by_name, is_stub, misfit, unwrapped, where
from .keeping import kept

SECONDS = 10.0  # for all cases together


@dataclass
class Fault:
    """Takes the place of a result: what the function raised."""

    says: str


@dataclass
class Called:
    """What came of calling a function: `plain` results, one for each case; or a state of report.STATES and why it ends there."""

    results: list
    state: str = ""
    says: str = ""


def call(
    function: Callable,
    inputs: Sequence[tuple | list],
    watched: dict[CodeType, str],
    names: Sequence[str],
    result: Callable[[Any, list], Any] = lambda value, arguments: plain(value),
) -> Called:
    """function(*arguments) for each of the inputs, twice, in a thread that is stopped after some seconds.

    watched  code that must not run inside, the package's own answer, with its name
    names    of the parameters: for the sentences, and to call a function whose parameters are keyword-only
    result   of what the function returned, and of its arguments: what is kept
    What it prints comes out once, shortened. Its warnings are silenced: Python gives some only once, so a sentence that
    held them would change from one check to the next, and what they are about (NaN, a cast) the comparison says too.
    """
    if says := misfit(function, names, len(inputs[0])):
        return Called([], "stopped", says)
    trial, printed = _Trial(function, inputs, watched, names, result), _Printed()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        warnings.catch_warnings(),
        kept({} if trial.space is None else trial.space),
    ):
        warnings.simplefilter("ignore")
        thread = threading.Thread(target=trial.run, args=(printed,), daemon=True)
        try:
            thread.start()
            late = not trial.ended()
        finally:  # also where the kernel was interrupted
            stopped = trial.stop(thread)
    printed.show()
    if trial.unattempted:
        return Called([], "not attempted", trial.says)
    if late:
        says = f"It was not finished after {SECONDS:g} seconds. Is there a loop that never stops, or does it wait for something?"
        return Called([], "stopped", says if stopped else says + " It is still running: restart the kernel to end it.")
    if trial.met:
        says = f"It calls the package's own {trial.met}. That function is right, but here you should write it yourself."
        return Called([], "wrong", says)
    for arguments, given in zip(inputs, trial.given, strict=True):
        for name, before, after in zip(names, arguments, given, strict=False):
            if not _unchanged(before, after):
                says = f"It changes its input {name} in place, so {name} is no longer the same for the caller. "
                return Called([], "wrong", says + "Compute a new tensor instead.")
    if not all(same(a, b) for a, b in zip(trial.results, trial.again, strict=True)):
        says = "Called twice with the same input, it gives two answers. Does it draw random numbers, or use a variable "
        return Called([], "wrong", says + "from outside? Everything it needs comes in as an argument.")
    return Called(trial.results)


class _Trial:
    """The calls, in a thread of their own, and what was seen while they ran."""

    def __init__(
        self,
        function: Callable,
        inputs: Sequence[tuple | list],
        watched: dict[CodeType, str],
        names: Sequence[str],
        result: Callable[[Any, list], Any],
    ):
        self.function, self.inputs, self.result = function, inputs, result
        self.keywords = names if by_name(function, names) else None
        self.watched = {id(code): name for code, name in watched.items()}  # code is equal where it reads the same
        self.space = getattr(unwrapped(function), "__globals__", None)
        self.given: list[list] = []
        self.results: list[object] = []
        self.again: list[object] = []
        self.met, self.unattempted, self.says = "", False, ""
        self.over, self.held, self.done = False, threading.Event(), threading.Event()

    def run(self, printed: "_Printed") -> None:
        """Each case twice. What the first call prints is heard."""
        sys.settrace(self._calls)
        for arguments in self.inputs:
            printed.listening = True
            self.given.append(fresh(arguments))
            self.results.append(self._once(self.given[-1]))
            if self.unattempted:
                break
            printed.listening = False
            raised = isinstance(self.results[-1], Fault)
            self.again.append(self.results[-1] if raised else self._once(fresh(arguments)))
        sys.settrace(None)
        self.done.set()

    def _once(self, arguments: list) -> object:
        try:
            if self.keywords is None:
                value = self.function(*arguments)
            else:
                value = self.function(**dict(zip(self.keywords, arguments, strict=True)))
            if not self.results and (value is None or value is ...):
                self.unattempted = True
                self.says = "It returned None. If you have written it, a return is missing. " if value is None else ""
            return self.result(value, arguments)
        except BaseException as error:  # also SystemExit, of which only this thread would hear
            self.unattempted = not self.results and is_stub(error)
            return Fault(where(error, self.function, arguments))

    def ended(self) -> bool:
        """Wait for the end, in small pieces: on Windows an interrupt of the kernel does not end a wait. (And not by `join`:
        an interrupted one takes the thread for ended.)"""
        end = time.monotonic() + SECONDS
        while not self.done.wait(0.1) and time.monotonic() < end:
            pass
        return self.done.is_set()

    def stop(self, thread: threading.Thread) -> bool:
        """Stop it, on every system; whether that was possible. What waits inside a library is left to itself.

        It is held for good at the next line of the student's, where it takes no time and prints no more. An exception raised
        in the thread could be caught by it, and one that waits for a sleeping thread can make Python 3.11 hang in others.
        """
        self.over = not self.done.is_set()
        frame = sys._current_frames().get(thread.ident or 0) if self.over else None
        while frame:  # Python 3.11 sees no line in a loop that is a single instruction, `while True: pass`
            frame.f_trace_opcodes = frame.f_trace is not None
            frame = frame.f_back
        return not self.over or self.held.wait(1) or self.done.is_set()

    def _calls(self, frame: FrameType, event: str, _: object) -> Callable | None:
        """For each call of a Python function: is it the package's own answer? In the student's, each line is watched, too."""
        if id(frame.f_code) in self.watched:
            self.met = self.watched[id(frame.f_code)]
        self._hold()
        return self._lines if frame.f_globals is self.space else None

    def _lines(self, frame: FrameType, event: str, _: object) -> Callable:
        self._hold()
        return self._lines

    def _hold(self) -> None:
        while self.over:
            self.held.set()
            threading.Event().wait()


class _Printed(io.TextIOBase):
    """Takes what a function prints, and keeps the beginning: a loop may print without end."""

    def __init__(self) -> None:
        self.kept, self.lines, self.listening = "", 0, True

    def close(self) -> None:
        """Nothing: an answer that closes its output prints on."""

    def write(self, text: str) -> int:
        if self.listening:
            self.kept += text[: 2000 - len(self.kept)]
            self.lines += text.count("\n")
        return len(text)

    def show(self) -> None:
        shown = self.kept.splitlines()[:20]
        if shown:
            print(*shown, sep="\n")
        if self.lines > len(shown):
            print(f"({self.lines - len(shown)} more lines that your function printed are left out)")


def fresh(arguments: Iterable) -> list:
    """Deep copies, so that no function sees what another has done to its inputs: a tensor, the entries of a list or a dict, the
    tables of a schedule, a network's statistics, a generator's state."""
    return copy.deepcopy(list(arguments))


def _unchanged(before: Any, after: Any) -> bool:
    # Drawing from a generator is what it is for, and whether a network may be changed is the exercise's business.
    if before is after or isinstance(before, torch.Generator | nn.Module):
        return True
    if type(before) is not type(after):
        return False
    if isinstance(before, Tensor):
        return before.dtype == after.dtype and torch.equal(before, after)
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_unchanged(part, after[name]) for name, part in before.items())
    if hasattr(before, "__dict__"):  # a schedule, a mixture: an object with tables that an answer could change
        return _unchanged(vars(before), vars(after))
    return before == after
