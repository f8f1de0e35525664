"""Regular expressions in an answer: one that runs away holds Python's lock, so that no other thread can stop it."""

import contextlib
import inspect
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

SECONDS = 2.0  # for one match
TRIES = 40  # matches that are tried out: so many are enough for any answer, and each takes 30 ms
FUNCTIONS = ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")
TRY = """
import pickle, re, sys
name, pattern, flags, given, options = pickle.load(sys.stdin.buffer)
list(getattr(re.compile(pattern, flags), name)(*given, **options) or ())
"""


def guarded(space: dict[str, Any], stack: contextlib.ExitStack) -> None:
    """Until the stack is unwound, what the answer with these globals matches is first tried out in another process, and raises
    TimeoutError where that does not end."""
    trials = _Trials(space)
    stack.callback(_unwrap, space)
    stack.callback(trials.end)
    for name in (*FUNCTIONS, "compile"):
        function = getattr(re, name)
        stack.callback(setattr, re, name, function)
        instead = partial(_called, name, function, trials)
        setattr(re, name, instead)
        for own in [own for own, value in space.items() if value is function]:  # from re import match
            stack.callback(space.__setitem__, own, function)
            space[own] = instead
    for own, value in list(space.items()):
        if isinstance(value, re.Pattern):
            space[own] = _Pattern(value, trials)


def _unwrap(space: dict[str, Any]) -> None:
    for name, value in list(space.items()):
        if isinstance(value, _Pattern):
            space[name] = value.pattern_itself


class _Pattern:
    """A compiled pattern of the answer's."""

    def __init__(self, pattern: re.Pattern, trials: "_Trials"):
        self.pattern_itself, self._trials = pattern, trials

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.pattern_itself, name)
        return partial(self._tried, name, method) if name in FUNCTIONS else method

    def _tried(self, name: str, method: Callable, *given: Any, **options: Any) -> Any:
        self._trials.try_out(name, self.pattern_itself, given, options)
        return method(*given, **options)


def _called(name: str, function: Callable, trials: "_Trials", *given: Any, **options: Any) -> Any:
    """A function of the module re."""
    given = tuple(each.pattern_itself if isinstance(each, _Pattern) else each for each in given)
    if not trials.asked_by_the_answer():
        return function(*given, **options)
    if name == "compile":
        return _Pattern(function(*given, **options), trials)
    with contextlib.suppress(TypeError, re.error):  # wrong arguments: the function itself says what is wrong
        bound = inspect.signature(function).bind(*given, **options).arguments
        pattern = re._compile(bound.pop("pattern"), bound.pop("flags", 0))  # type: ignore[attr-defined]  # re.compile is ours
        trials.try_out(name, pattern, (), bound)
    return function(*given, **options)


class _Trials:
    """The matches of one answer that are tried out."""

    def __init__(self, space: dict[str, Any]):
        self.space, self.left, self.stopped = space, TRIES, False
        self.child: subprocess.Popen | None = None

    def asked_by_the_answer(self) -> bool:
        """Whether the code that calls is the answer's, and not a library's or the kit's."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_globals.get("__name__", "").startswith((__name__, "jaxtyping")):
            frame = frame.f_back
        return frame is not None and frame.f_globals is self.space

    def try_out(self, name: str, pattern: re.Pattern, given: tuple, options: dict[str, Any]) -> None:
        """TimeoutError where this does not end; nothing where it does, and after many trials."""
        if name in ("sub", "subn"):  # what is put in does not matter
            given, options = (("", *given[1:]), options) if given else ((), {**options, "repl": ""})
        if self.left > 0 and not self.stopped:
            self.left -= 1
            with contextlib.suppress(OSError, pickle.PicklingError, TypeError, AttributeError):
                task = pickle.dumps((name, pattern.pattern, pattern.flags, given, options))
                quiet: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
                self.child = subprocess.Popen([sys.executable, "-I", "-S", "-c", TRY], stdin=subprocess.PIPE, **quiet)
                try:
                    self.child.communicate(task, SECONDS)
                except subprocess.TimeoutExpired:
                    self.end()
        if self.stopped:
            raise TimeoutError(
                f"A regular expression was not done after {SECONDS:g} seconds. One repetition inside another, as in (a+)+, tries "
                "all ways."
            )

    def end(self) -> None:
        """Nothing is matched any more, and no child runs on. (To wait for it could take for ever: the answer's thread may be
        held while it waits.)"""
        self.stopped = True
        if self.child is not None:
            self.child.kill()
