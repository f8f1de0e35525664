"""The one place that chooses a device, a precision and a memory format. Everywhere else the device follows the data."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


PRECISION = "DDPM_LITE_PRECISION"  # the environment variable that overrides the choice of precision
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


def choose_precision(device: torch.device) -> torch.dtype | None:
    """The dtype for matrix products and convolutions under autocast on this device; None keeps float32.

    bf16 where the hardware supports it (Ampere GPUs and later; CPUs with AVX512-BF16 or AMX), fp16 on older GPUs. The
    environment variable DDPM_LITE_PRECISION, float32 or bfloat16, overrides this on every device; ValueError for another value.
    """
    if wanted := os.environ.get(PRECISION):
        if wanted not in PRECISIONS:
            raise ValueError(f"{PRECISION} is {wanted!r}: set it to {' or '.join(PRECISIONS)}, or leave it out.")
        return PRECISIONS[wanted]
    if device.type == "cuda":
        with torch.cuda.device(device):  # the check below is about the current device
            return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return torch.bfloat16
    return None


def place(model: nn.Module, device: torch.device, precision: torch.dtype | str | None = "auto") -> nn.Module:
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
        model.to(memory_format=torch.channels_last)
    if hasattr(model, "precision"):
        model.precision = precision
    return model


def autocast(device: torch.device, precision: torch.dtype | None) -> AbstractContextManager:
    """Run what follows in the given precision; None leaves everything as it is."""
    return nullcontext() if precision is None else torch.autocast(device.type, dtype=precision)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """softmax(q k^T / sqrt(d)) v over (B, heads, places, d), by the fastest kernel of the device (flash attention on cuda).

    mask: True where a query may look, broadcast to (B, heads, queries, keys). causal: only at places up to its own.
    On a CPU in float32: there the bf16 kernel's backward is seven times slower than the float32 one.
    """
    if mask is not None and causal:  # the kernels take one or the other
        mask, causal = mask & torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril(), False
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), mask, is_causal=causal)
