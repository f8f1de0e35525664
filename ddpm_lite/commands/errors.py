"""What a command says when it fails: one sentence on one line."""

import os
import traceback
from pathlib import Path

import torch

from ..machine import distributed


class Stopped(Exception):
    """A command that ended early: Ctrl-C, a signal, another program's error."""


class Refused(ValueError):
    """Arguments of the command line that do not fit."""


SAID = (ValueError, TypeError, OSError, FloatingPointError, ImportError, Stopped)  # what this package raises, in sentences


def sentence(error: Exception, checkpoint: Path | None = None) -> str:
    """What went wrong, for the user; `checkpoint` is the file of the training that failed, from which it can go on.

    What this package raises is a sentence already and ends with a full stop. Anything else is unexpected and sends the user
    to --debug.
    """
    says = " ".join(str(error).split())
    saved = f"; --resume goes on from {checkpoint}" if checkpoint is not None and os.path.isfile(checkpoint) else ""
    if isinstance(error, RuntimeError) and distributed.lost(error):
        return f"Another process was lost, so this one ends too{saved}."
    if lacks_memory(error):
        less = (
            "a smaller --batch-size needs less" if checkpoint is not None else "close other programs, or draw on another --device"
        )
        return f"There is not enough memory: {less}{saved}."
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return f"torch.compile does not work here ({type(error).__name__}): leave --compile out{saved}."
    if isinstance(error, OSError) and error.strerror is not None:  # the system's own words
        return f"{error.filename}: {error.strerror}." if error.filename is not None else f"{error.strerror}."
    if isinstance(error, SAID) and says.endswith("."):
        return says
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}, line {where.lineno}"
    return f"Unexpected error ({type(error).__name__}, {place}: {says[:200]}): 'python -m ddpm_lite --debug ...' shows more."


def lacks_memory(error: Exception) -> bool:
    """Does this error mean that there was not enough memory? Only the GPU's error has a class of its own."""
    words = ("out of memory", "not enough memory", "can't allocate memory", "Storage size calculation overflowed")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(each in str(error) for each in words)
    )
