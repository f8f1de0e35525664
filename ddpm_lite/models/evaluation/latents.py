"""What a model that draws in latents composes from captions, and how its pictures look at full size, beside those of the pixel
cascade: a small picture that is enlarged."""

import torch

from .. import trained
from ..kinds import UpsamplingModel
from ..latent import LatentModel
from ..text import TextModel
from . import composing, exact
from .upsampler import frechet

COUNT = 400  # scenes
CASCADE = ("glide-emoji", "upsampler-emoji")
MEANING = {
    "frechet_drawn": "Frechet distance of details, squares of 16 x 16 of the 64 x 64 pixels, of pictures drawn from the captions "
    f"of {COUNT} scenes with a held-out pair to those of true pictures of other scenes, in the 96 features of judge-emoji",
    "frechet_drawn_cascade": f"the yardstick: the same for pictures that {CASCADE[0]} draws from these captions and {CASCADE[1]} "
    "enlarges",
}


def score(model: LatentModel, seed: int = 0) -> dict[str, float]:
    """composed_..., names and the numbers of `MEANING`."""
    g = torch.Generator().manual_seed(seed)
    scenes = exact.asked_of_each(True, COUNT, g)
    true, captions = exact.true_pictures(scenes, g, model.recipe.size), exact.captions(scenes)
    first, second = (trained.load(name, model.device) for name in CASCADE)
    assert isinstance(first, TextModel) and isinstance(second, UpsamplingModel)
    drawn = composing.drawn(model, captions, seed)
    enlarged = second.draw(composing.drawn(first, captions, seed), captions, seed=seed)
    found = {"frechet_drawn": frechet(drawn, true), "frechet_drawn_cascade": frechet(enlarged, true)}
    return composing.score(model, seed) | found
