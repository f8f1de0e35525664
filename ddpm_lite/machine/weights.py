"""Weights on disk: safetensors with the configuration as JSON in the header. Nothing is pickled."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import safe_open
from torch import Tensor, nn

from . import files


def save(path: str | Path, tensors: dict[str, Tensor], config: dict[str, Any]) -> None:
    """Write tensors and config to one file, whole or not at all: a reader never sees half a file, even after a power cut.

    OSError (a full disk, a missing folder) leaves the old file as it was.
    """
    data = safetensors.torch.save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, {"config": json.dumps(config)})
    write_atomically(path, data)


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write to a temporary file beside `path`, force it to the disk, then rename it over `path`."""
    path = Path(path)
    temporary = files.temporary(path)
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the rename itself must reach the disk too; Windows cannot open a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def load(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the config of a file that `save` wrote. FileNotFoundError, or ValueError for a damaged file."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no weight file {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {})["config"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, MemoryError):
        raise
    except Exception as error:  # damaged files raise errors of many kinds
        raise ValueError(f"{path} is damaged or was not written by ddpm_lite ({error}): copy or train it again.") from error
    if not isinstance(config, dict):
        raise refusal(path, f"it is a {type(config).__name__}, not a dict")
    return tensors, config


def refusal(source: str | Path, why: str) -> ValueError:
    """The error that says that a file's config is damaged."""
    return ValueError(f"The header of {source} is damaged ({why.rstrip('.')}): copy the file or train the model again.")


def require(config: dict[str, Any], source: str | Path, *names: str) -> None:
    """ValueError if a file's config lacks one of these entries, so something else wrote it."""
    missing = [name for name in names if name not in config]
    if missing:
        raise ValueError(f"{source} was not written by a training of ddpm_lite: its header lacks {', '.join(missing)}.")


def require_fit(config: dict[str, Any], source: str | Path, fits: dict[str, Callable[[Any], bool]]) -> None:
    """ValueError if the value of one of these entries does not fit."""
    for name, fit in fits.items():
        if not fit(config[name]):
            raise refusal(source, misfit(name, config[name]))


def misfit(name: str, value: Any) -> str:
    """What is said of a value that does not fit, without the end of a long one."""
    text = repr(value)
    return f"{name} = {text if len(text) <= 60 else text[:60] + '...'} does not fit"


def is_whole(value: Any, least: int = 0, most: int = 2**63 - 1) -> bool:
    """Is this a whole number in the range?"""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_number(value: Any) -> bool:
    """Is this a finite number of 0 or more?"""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def fill(model: nn.Module, tensors: dict[str, Tensor], source: str = "the file") -> None:
    """Copy tensors into a model's parameters and buffers, cast to their dtype.

    ValueError, and nothing copied, if a name is missing or unknown, a shape or kind of number differs, or a number is not finite.
    """
    own = model.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in tensors]
    wrong += [f"{name} is unknown" for name in tensors if name not in own]
    for name in own.keys() & tensors.keys():
        mine, theirs = own[name], tensors[name]
        if mine.shape != theirs.shape:
            wrong.append(f"{name} is {tuple(theirs.shape)} instead of {tuple(mine.shape)}")
        elif mine.is_floating_point() != theirs.is_floating_point():
            wrong.append(f"{name} is {theirs.dtype} instead of {mine.dtype}")
        elif not theirs.isfinite().all():
            wrong.append(f"{name} holds NaN or infinity")
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(f"{source} does not fit this network: {'; '.join(sorted(wrong)[:3])}{more}.")
    model.load_state_dict(tensors)
