"""Weights on disk: safetensors with the configuration as JSON in the header. Nothing is pickled."""

import json
import os
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
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
            return {name: file.get_tensor(name) for name in file.keys()}, config
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged or was not written by ddpm_lite ({error}): copy or train it again.") from error


def require(config: dict[str, Any], source: str | Path, *names: str) -> None:
    """ValueError if a file's config lacks one of these entries: then something else than what is asked for wrote it."""
    missing = [name for name in names if name not in config]
    if missing:
        raise ValueError(f"{source} was not written by 'python -m ddpm_lite train': its header lacks {', '.join(missing)}.")


def fill(model: nn.Module, tensors: dict[str, Tensor], source: str = "the file") -> None:
    """Copy tensors into a model's parameters and buffers, cast to their dtype.

    ValueError, and nothing copied, if a name is missing or unknown, or a shape or kind of number differs.
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
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(f"{source} does not fit this network: {'; '.join(sorted(wrong)[:3])}{more}.")
    model.load_state_dict(tensors)
