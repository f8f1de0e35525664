"""Real handwriting: 10,000 digits of MNIST, 28 x 28 pixels in 256 shades of grey, which the course draws at 16 x 16.

assets/digits.npz holds them; `builders.digits` makes it; assets/digits.md says where they are from.
"""

import math
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from .archive import expanded, opened

FILE = Path(__file__).parents[1] / "assets" / "digits.npz"
SIDE, NUM_CLASSES = 28, 10
LEVELS = 256  # shades of grey
HELD_OUT = 5  # each fifth digit is kept aside


class Digits(NamedTuple):
    """Pictures (N, 1, size, size) in [-1, 1], where 1 is ink, and their labels (N,) 0..9."""

    images: Float[Tensor, "N 1 size size"]
    labels: Int64[Tensor, " N"]


@cache
def stored() -> tuple[UInt8[Tensor, "N 1 28 28"], Int64[Tensor, " N"]]:
    """All pictures and labels, read once. ValueError if the file is damaged or missing."""
    with opened(FILE) as file:
        labels = torch.from_numpy(file["labels"]).long()
        return torch.from_numpy(expanded(file["images"]).reshape(len(labels), 1, SIDE, SIDE).copy()), labels


def load(size: int = 16) -> tuple[Digits, Digits]:
    """The digits as (train, held_out), 8,000 and 2,000 of them, always the same ones.

    size    32 frames the 28 x 28 pixels with paper; 16 also takes the mean of each 2 x 2, in 256 shades again
    ValueError for another size.
    """
    if size not in (16, 32):
        raise ValueError(f"The digits have 16 or 32 pixels a side, not {size}.")
    pixels, labels = stored()
    framed = F.pad(pixels / 127.5 - 1, (2, 2, 2, 2), value=-1.0)
    images = framed if size == 32 else ((F.avg_pool2d(framed, 2) + 1) * 127.5).round() / 127.5 - 1
    aside = torch.arange(len(labels)) % HELD_OUT == 0
    return Digits(images[~aside], labels[~aside]), Digits(images[aside], labels[aside])


def moved(images: Float[Tensor, "n 1 size size"], generator: torch.Generator) -> Float[Tensor, "n 1 size size"]:
    """Each digit turned by up to 12 degrees, up to a tenth larger or smaller and shifted by up to a sixteenth of the side: the
    same digit still, so a classifier that learns from them is right more often."""
    n, device = len(images), images.device
    turn, grow, right, down = (2 * torch.rand(4, n, generator=generator, device=device) - 1).unbind()
    turn, size = turn * math.radians(12), 1 + 0.1 * grow
    rows = [size * turn.cos(), -size * turn.sin(), right / 8, size * turn.sin(), size * turn.cos(), down / 8]
    places = F.affine_grid(torch.stack(rows, 1).reshape(n, 2, 3), list(images.shape), align_corners=False)
    # Outside is paper, -1, where grid_sample has 0.
    return F.grid_sample(images + 1, places, align_corners=False) - 1
