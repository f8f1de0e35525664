"""How well does an upsampler know what a larger picture looks like? Compared with plain interpolation."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ...maths import metrics
from ...maths.checks import require_pictures
from ..kinds import UpsamplingModel
from . import clips, exact

COUNT = 400
MEANING = {
    "psnr_heldout": f"peak signal-to-noise ratio in decibels of {COUNT} scenes with a held-out pair, made smaller and enlarged "
    "again from the small picture and its caption (4 DDIM steps)",
    "psnr_heldout_bicubic": "the yardstick: the same, enlarged by bicubic interpolation",
    "psnr_heldout_without": "psnr_heldout without the captions",
    "frechet_heldout": "Frechet distance of details, squares of 16 x 16 of the 64 x 64 pixels, of those enlarged pictures to "
    f"those of true pictures of other scenes, {COUNT // 2} scenes against {COUNT // 2}, in the 96 features of judge-emoji",
    "frechet_heldout_real": "the yardstick: the same between true pictures",
    "frechet_heldout_bicubic": "the same, enlarged by bicubic interpolation",
    "frechet_heldout_without": "frechet_heldout without the captions",
}


def psnr(a: Float[Tensor, "*x"], b: Float[Tensor, "*x"]) -> float:
    """10 log10(4 / mean squared error) of pictures in [-1, 1], whose range is 2."""
    require_pictures(a=a, b=b)
    return 10 * math.log10(4 / float((a - b).square().mean()))


def details(pictures: Float[Tensor, "n 3 size size"]) -> Float[Tensor, "m 3 16 16"]:
    """The squares of 16 x 16 pixels that pictures fall into: what an upsampler adds can be seen in them at full size."""
    return pictures.unfold(2, 16, 16).unfold(3, 16, 16).permute(0, 2, 3, 1, 4, 5).flatten(0, 2).contiguous()


def frechet(pictures: Float[Tensor, "n 3 size size"], true: Float[Tensor, "n 3 size size"]) -> float:
    """The Frechet distance of the details of pictures to those of true pictures of other scenes: of every second scene to those
    between them, and the other way round."""
    drawn, real = ([clips.judge_features(details(each[i::2])) for i in (0, 1)] for each in (pictures, true))
    return (metrics.frechet(drawn[0], real[1]) + metrics.frechet(drawn[1], real[0])) / 2


def score(model: UpsamplingModel, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`."""
    g = torch.Generator().manual_seed(seed)
    scenes = exact.asked_of_each(True, COUNT, g)
    large, captions = exact.true_pictures(scenes, g, model.recipe.size), exact.captions(scenes)
    small = F.avg_pool2d(large, model.factor)
    made = {
        "": model.draw(small, captions, seed=seed),
        "_bicubic": F.interpolate(small, scale_factor=model.factor, mode="bicubic").clamp(-1, 1),
        "_without": model.draw(small, seed=seed),
    }
    found = {f"psnr_heldout{how}": psnr(pictures, large) for how, pictures in made.items()}
    found |= {f"frechet_heldout{how}": frechet(pictures, large) for how, pictures in (made | {"_real": large}).items()}
    return found
