"""The one place that chooses a precision."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch

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


def autocast(device: torch.device, precision: torch.dtype | None) -> AbstractContextManager:
    """Run what follows in the given precision; None leaves everything as it is."""
    return nullcontext() if precision is None else torch.autocast(device.type, dtype=precision)
