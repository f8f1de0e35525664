"""How well does an upsampler know what a larger picture looks like? Compared with plain interpolation."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ...data import emoji, grammar
from ...maths.checks import require_pictures
from ..kinds import UpsamplingModel
from . import artists

COUNT, STEPS = 400, 4  # scenes, and steps of the sampler, for a model that reads captions
MEANING = {
    "psnr_heldout": "peak signal-to-noise ratio in decibels of held-out emoji, or of 400 scenes with a held-out pair, made "
    "smaller and enlarged again (50 DDIM steps; scenes: 4, with captions)",
    "psnr_heldout_bicubic": "the yardstick: the same, enlarged by bicubic interpolation",
    "psnr_heldout_without": "psnr_heldout without the captions",
}


def psnr(a: Float[Tensor, "*x"], b: Float[Tensor, "*x"]) -> float:
    """10 log10(4 / mean squared error) of pictures in [-1, 1], whose range is 2."""
    require_pictures(a=a, b=b)
    return 10 * math.log10(4 / float((a - b).square().mean()))


def score(model: UpsamplingModel, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`, the last one for a model that reads captions."""
    large, captions = _held_out(model, seed)
    small = F.avg_pool2d(large, model.factor)
    smooth = F.interpolate(small, scale_factor=model.factor, mode="bicubic").clamp(-1, 1)
    found = {"psnr_heldout_bicubic": psnr(smooth, large)}
    if captions is None:
        return {"psnr_heldout": psnr(model.draw(small, seed=seed), large)} | found
    found["psnr_heldout_without"] = psnr(model.draw(small, seed=seed, steps=STEPS), large)
    return {"psnr_heldout": psnr(model.draw(small, captions, seed=seed, steps=STEPS), large)} | found


def _held_out(model: UpsamplingModel, seed: int) -> tuple[Float[Tensor, "n c h w"], list[str] | None]:
    """Pictures that the model was not trained on, at their full size, and their captions, if it reads them."""
    if model.recipe.data == "emoji":
        return emoji.load(32)[1].images, None
    g = torch.Generator().manual_seed(seed)
    scenes = [scene for kind in artists.KINDS for scene in artists.asked(kind, True, COUNT // len(artists.KINDS), g)]
    return artists.true_pictures(scenes, g, model.recipe.size), [grammar.caption(scene) for scene in scenes]
