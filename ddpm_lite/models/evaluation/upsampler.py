"""How well does an upsampler know what a larger picture looks like? Compared with plain interpolation."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ...maths.checks import require_pictures
from ..kinds import UpsamplingModel
from . import exact

COUNT = 400
MEANING = {
    "psnr_heldout": f"peak signal-to-noise ratio in decibels of {COUNT} scenes with a held-out pair, made smaller and enlarged "
    "again from the small picture and its caption (4 DDIM steps)",
    "psnr_heldout_bicubic": "the yardstick: the same, enlarged by bicubic interpolation",
    "psnr_heldout_without": "psnr_heldout without the captions",
}


def psnr(a: Float[Tensor, "*x"], b: Float[Tensor, "*x"]) -> float:
    """10 log10(4 / mean squared error) of pictures in [-1, 1], whose range is 2."""
    require_pictures(a=a, b=b)
    return 10 * math.log10(4 / float((a - b).square().mean()))


def score(model: UpsamplingModel, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`."""
    g = torch.Generator().manual_seed(seed)
    scenes = exact.asked_of_each(True, COUNT, g)
    large, captions = exact.true_pictures(scenes, g, model.recipe.size), exact.captions(scenes)
    small = F.avg_pool2d(large, model.factor)
    smooth = F.interpolate(small, scale_factor=model.factor, mode="bicubic").clamp(-1, 1)
    return {
        "psnr_heldout": psnr(model.draw(small, captions, seed=seed), large),
        "psnr_heldout_bicubic": psnr(smooth, large),
        "psnr_heldout_without": psnr(model.draw(small, seed=seed), large),
    }
