"""What an answer could change for everything that runs after it: kept while it runs, and put back."""

import builtins
import contextlib
import functools
import io
import itertools
import math
import os
import random
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from .matching import guarded

try:
    import resource
except ModuleNotFoundError:  # on Windows, which refuses by itself more than there is
    resource = None  # type: ignore[assignment]

ROOM = 8 * 2**30  # bytes that an answer may take: far more than any needs, less than ends the kernel
SPACES: tuple[Any, ...] = (builtins, functools, itertools, math, os, random, sys, time)
SPACES += (np, torch, nn, nn.functional, torch.linalg, Tensor)


@contextlib.contextmanager
def kept(space: dict[str, Any]) -> Iterator[None]:
    """While it runs, nothing can end Python, what counts without end can be stopped, and memory is limited; `space` are the
    answer's globals.

    After it all is as before: the functions of Python, NumPy and torch, torch's defaults, the seeds, the working directory,
    the environment, the search path and where output goes.
    """
    before = [(where, dict(vars(where))) for where in SPACES]
    environment, path = dict(os.environ), list(sys.path)
    with contextlib.ExitStack() as stack:
        for state, put_back in _states():
            stack.callback(put_back, state)
        stack.callback(_put_back, before, environment, path)
        for stream in (1, 2):
            with contextlib.suppress(OSError):  # none is there, or it is closed
                stack.callback(_reopen, os.dup(stream), stream)
        _disarm(space, stack)
        guarded(space, stack)
        _limit_memory(stack)
        yield


def _states() -> list[tuple[Any, Any]]:
    """(a state, the function that puts it back)."""
    states: list[tuple[Any, Any]] = [
        (torch.get_default_dtype(), torch.set_default_dtype),
        (torch.get_num_threads(), torch.set_num_threads),
        (torch.is_anomaly_enabled(), torch.autograd.set_detect_anomaly),
        (torch.get_rng_state(), torch.set_rng_state),
        (random.getstate(), random.setstate),
        (np.random.get_state(), np.random.set_state),
        (sys.getrecursionlimit(), sys.setrecursionlimit),
    ]
    with contextlib.suppress(OSError):  # the folder is gone
        states.append((os.getcwd(), os.chdir))
    return states


def _put_back(before: list[tuple[Any, dict[str, Any]]], environment: dict[str, str], path: list[str]) -> None:
    for where, had in before:
        has = vars(where)
        for name, value in had.items():
            if callable(value) and has.get(name) is not value:
                setattr(where, name, value)
        if isinstance(where, type):  # a method that it inherits is hidden by one of its own
            for name in set(has) - set(had):
                delattr(where, name)
    if dict(os.environ) != environment:
        os.environ.clear()
        os.environ.update(environment)
    sys.path[:] = path


def _reopen(copy: int, stream: int) -> None:
    os.dup2(copy, stream)
    os.close(copy)


def _disarm(space: dict[str, Any], stack: contextlib.ExitStack) -> None:
    """Until the stack is unwound: `exit` raises, also a notebook's own, and the counters of itertools are Python's. In C, a
    `sum` over one of them would never let another thread run. (`_put_back` restores what is changed in modules.)"""
    setattr(os, "_exit", _leave)  # noqa: B010  # mypy takes it for a function that never returns
    setattr(builtins, "exit", _leave)  # noqa: B010
    setattr(builtins, "quit", _leave)  # noqa: B010
    stood_for = {name: getattr(itertools, name) for name in ENDLESS}
    for name, endless in ENDLESS.items():
        setattr(itertools, name, endless)
    finder = _FirstImport(stood_for)
    sys.meta_path.insert(0, finder)
    stack.callback(sys.meta_path.remove, finder)
    for name, value in list(space.items()):
        instead = _leave if name in ("exit", "quit") else next((ENDLESS[n] for n, of in stood_for.items() if value is of), None)
        if instead is not None:
            stack.callback(space.__setitem__, name, value)
            space[name] = instead
    for name, stream in (("stdin", io.StringIO()), ("__stdout__", sys.stdout), ("__stderr__", sys.stderr)):
        stack.callback(setattr, sys, name, getattr(sys, name))
        setattr(sys, name, stream)


class _FirstImport(MetaPathFinder):
    """Finds no module. But before one is imported for the first time, the counters of itertools are its own again: a library may
    build on them, as torch's compiler does, which comes with the first step of an optimiser."""

    def __init__(self, counters: dict[str, Any]) -> None:
        self.counters = counters

    def find_spec(self, *module: Any) -> None:
        """None: others find it."""
        for name, value in self.counters.items():
            setattr(itertools, name, value)


def _limit_memory(stack: contextlib.ExitStack) -> None:
    """Until the stack is unwound, more than ROOM bytes beyond what is in use raise an error: Linux would end the kernel."""
    with contextlib.suppress(OSError, ValueError):  # another system, or a limit that may not be changed
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if soft == resource.RLIM_INFINITY or soft > taken + ROOM:
            resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, hard))
            stack.callback(resource.setrlimit, resource.RLIMIT_AS, (soft, hard))


def _leave(code: object = None) -> NoReturn:
    raise SystemExit("the code asks Python to end" if code is None else code)


def _count(start: Any = 0, step: Any = 1) -> Iterator[Any]:
    while True:
        yield start
        start += step


def _cycle(iterable: Iterable) -> Iterator[Any]:
    seen = list(iterable)
    while seen:
        yield from seen


def _repeat(value: Any, times: int | None = None) -> Iterator[Any]:
    while times is None or times > 0:
        yield value
        times = None if times is None else times - 1


ENDLESS = {"count": _count, "cycle": _cycle, "repeat": _repeat}
