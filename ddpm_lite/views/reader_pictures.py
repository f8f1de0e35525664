"""Pictures in the state of a view, where the reader may put one of his own: bytes of 0 to 255 as hexadecimal digits."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
import traitlets
from jaxtyping import Float
from torch import Tensor

from .base import pictures, uint8

OWN = "your picture"


def as_hex(x: Float[Tensor, "c h w"]) -> str:
    """A picture in [-1, 1] as two digits for each number, channel by channel. ValueError for another range."""
    return uint8(x[None]).hex()


def from_hex(digits: str, shape: tuple[int, int, int]) -> Float[Tensor, "1 c h w"]:
    """The picture of `as_hex`. TraitError for digits that are none of a picture of this shape."""
    try:
        numbers = np.frombuffer(bytes.fromhex(digits), "u1")
        return torch.from_numpy(numbers.reshape(1, *shape).astype("f4") / np.float32(127.5) - 1)
    except ValueError:
        wanted = " x ".join(map(str, shape))
        raise traitlets.TraitError(f"A picture must be {wanted} bytes as hexadecimal digits, not {digits[:20]!r}.") from None


def named(given: Mapping[str, Float[Tensor, "c h w"]], most: int = 12) -> Float[Tensor, "n c h w"]:
    """The pictures that a view begins with, by their names. ValueError for none, more than `most`, and what cannot be shown."""
    if not 1 <= len(given) <= most:
        raise ValueError(f"Give one to {most} pictures to begin with, not {len(given)}.")
    sizes = {tuple(picture.shape) for picture in given.values()}
    if len(sizes) > 1:
        raise ValueError(f"The pictures to begin with must have one size, not {', '.join(map(str, sorted(sizes)))}.")
    return pictures(torch.stack(list(given.values())))


def at_size(x: Float[Tensor, "n c h w"], shape: tuple[int, int, int]) -> Float[Tensor, "n c_out h_out w_out"]:
    """Pictures as a network of this shape sees them: each pixel is the mean of k x k. ValueError for sizes that do not fit."""
    (channels, height, width), size = x.shape[1:], shape[1]
    if channels != shape[0] or height != width or height % size:
        raise ValueError(
            f"The network sees pictures of shape {shape}: give these, or k times as large, not {tuple(x.shape[1:])}."
        )
    return F.avg_pool2d(x, height // size)
