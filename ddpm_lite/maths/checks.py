"""Checks of arguments, each with an error in one sentence: numbers that are not finite, pictures outside [-1, 1], shares
outside [0, 1]. Each check looks at all numbers once, at the call; tensors on `meta` hold none."""

import math

import torch
from torch import Tensor, nn

ROUNDING = 1e-3  # how far outside [-1, 1] rounding may put a pixel
NOISY = 16.0  # noise of variance 1 around a picture never reaches this far


def require_finite(**tensors: Tensor | None) -> None:
    """ValueError unless all numbers in each tensor (None aside) are finite."""
    for name, x in tensors.items():
        if x is not None and not x.is_meta and not (finite := x.isfinite()).all():
            raise ValueError(
                f"{name} must be finite, but {int((~finite).sum()):,} of its {x.numel():,} numbers are NaN or infinite."
            )


def require_pictures(most: float = 1 + ROUNDING, /, **tensors: Tensor) -> None:
    """ValueError unless all numbers in each tensor lie in [-1, 1], apart from rounding, or noise up to `most`."""
    for name, x in tensors.items():
        if x.numel() and not x.is_meta:
            low, high = map(float, x.aminmax())
            if not -most <= low <= high <= most:  # NaN fails too
                raise ValueError(f"{name} must lie in [-1, 1], but {_range(low, high)}: convert 0..255 by x / 127.5 - 1.")


def require_data(**tensors: Tensor) -> None:
    """`require_pictures` for what has the shape of pictures, (n, 1 or 3 channels, height, width); else `require_finite`."""
    for name, x in tensors.items():
        (require_pictures if x.ndim == 4 and x.shape[1] in (1, 3) else require_finite)(**{name: x})


def require_labels(count: int, **tensors: Tensor) -> None:
    """ValueError unless each tensor holds whole numbers from 0 to count - 1: labels, or tokens.

    Tensors on a GPU are not checked here, since every step would have to wait: the GPU itself stops at such a number.
    """
    for name, x in tensors.items():
        if x.is_floating_point() or x.is_complex():
            raise ValueError(f"{name} must be whole numbers from 0 to {count - 1}, not {x.dtype}.")
        if x.device.type == "cpu" and x.numel() and not torch.compiler.is_compiling():
            low, high = map(int, x.aminmax())
            if low < 0 or high >= count:
                raise ValueError(f"{name} go from 0 to {count - 1}: {low if low < 0 else high} does not fit.")


def require_share(**numbers: float) -> None:
    """ValueError unless each number lies between 0 and 1."""
    for name, p in numbers.items():
        if not 0 <= p <= 1:
            raise ValueError(f"{name} = {p}, but a probability lies between 0 and 1.")


def require_training(
    model: nn.Module, data: tuple[Tensor, ...], generator: torch.Generator, settings: dict[str, int | float]
) -> None:
    """ValueError unless a network with weights to train, its data, generator and the settings of `train` fit each other."""
    if not data or any(len(d) != len(data[0]) for d in data) or not len(data[0]):
        raise ValueError(f"data must be tensors with the same number of rows, at least one, not {[len(d) for d in data]}.")
    weights = dict(model.named_parameters())
    if not any(p.requires_grad for p in weights.values()):
        raise ValueError("No weight of this network can be trained: call model.requires_grad_() first.")
    places = {str(x.device) for x in (*weights.values(), *data)} | {generator.device.type}
    if len({place.split(":")[0] for place in places}) > 1:
        raise ValueError(f"The network, its data and the generator must be on one device, not on {', '.join(sorted(places))}.")
    require_finite(**weights)
    require_data(**{f"data[{i}]": d for i, d in enumerate(data) if d.is_floating_point()})
    if type(settings["warmup"]) is not int or type(settings["batch_size"]) is not int:
        raise TypeError("warmup and batch_size are whole numbers.")
    for name in ("lr", "warmup", "weight_decay"):
        if not 0 <= settings[name] < math.inf:
            raise ValueError(f"{name} = {settings[name]}, but it must be finite and not below 0.")
    if not settings["clip_norm"] > 0:
        raise ValueError(f"clip_norm = {settings['clip_norm']}, but it must be above 0.")
    require_share(ema_decay=settings["ema_decay"])


def _range(low: float, high: float) -> str:
    return f"its numbers go from {low:g} to {high:g}" if low <= high else "some of its numbers are NaN"
