"""How well does the upsampler know what a picture of twice the size looks like? Compared with plain interpolation."""

import math

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ...data import emoji
from ...maths.checks import require_pictures
from ..kinds import UpsamplingModel

MEANING = {
    "psnr_heldout": "peak signal-to-noise ratio in decibels of held-out emoji, halved and enlarged again (50 DDIM steps)",
    "psnr_heldout_bicubic": "the yardstick: the same, enlarged by bicubic interpolation",
}


def psnr(a: Float[Tensor, "*x"], b: Float[Tensor, "*x"]) -> float:
    """10 log10(4 / mean squared error) of pictures in [-1, 1], whose range is 2."""
    require_pictures(a=a, b=b)
    return 10 * math.log10(4 / float((a - b).square().mean()))


def score(model: UpsamplingModel, seed: int = 0) -> dict[str, float]:
    """The two numbers of `MEANING`."""
    large = emoji.load(32)[1].images
    small = F.avg_pool2d(large, 2)
    smooth = F.interpolate(small, scale_factor=2, mode="bicubic").clamp(-1, 1)
    return {"psnr_heldout": psnr(model.draw(small, seed=seed), large), "psnr_heldout_bicubic": psnr(smooth, large)}
