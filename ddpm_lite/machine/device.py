"""The one place that chooses a device and puts a network there. Everywhere else the device follows the data."""

from typing import TypeVar

import torch
from torch import nn

from .precision import choose_precision

Network = TypeVar("Network", bound=nn.Module)


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`, or the best one there is: cuda, else mps, else cpu. ValueError for one that is not there;
    cuda:7, for example, needs eight GPUs."""
    count = {"cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0}
    count |= {"mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if name == "auto":
        return torch.device(next(kind for kind in count if count[kind]))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or (device.index or 0) >= count.get(device.type, 0):
        there = [f"{kind}:{i}" for kind in count if count[kind] > 1 for i in range(count[kind])]
        there += [kind for kind in count if count[kind] == 1]
        raise ValueError(f"There is no device {name!r} here: use 'auto' or one of {', '.join(there)}.")
    return device


def own_generator(device: torch.device) -> torch.Generator:
    """The generator of this device that dropout draws from (each GPU has its own)."""
    if device.type == "cpu":
        return torch.default_generator
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]


def place(model: Network, device: torch.device, precision: torch.dtype | str | None = "auto") -> Network:
    """Put a network on a device, in the precision and memory format that are fastest there; returns the same network.

    Parameters stay float32. A network that works in lower precision (the U-Net) has an attribute `precision` and reads
    it at every call; a small one without it stays in float32; ValueError if a precision is given for it.
    channels_last lays the channels of one pixel side by side, which is how the convolutions of low precision read them;
    in float32 on a CPU it only slows the normalisation down.
    """
    if precision not in ("auto", None) and not hasattr(model, "precision"):
        raise ValueError(f"A {type(model).__name__} works only in float32: leave precision = {precision} out.")
    precision = choose_precision(device) if precision == "auto" else precision
    model.to(device)
    if precision is not None:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    if hasattr(model, "precision"):
        model.precision = precision  # type: ignore[assignment]  # torch's stub knows parameters and buffers only
    return model
