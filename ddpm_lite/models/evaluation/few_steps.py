"""What a student of few steps composes from captions, and how its pictures look, step for step beside its teacher's."""

import torch

from .. import trained
from ..latent import FewStepsModel, LatentModel
from . import composing, exact
from .upsampler import frechet

COUNT = 400  # scenes
STUDENT, TEACHER = (1, 2, 4, 8), (1, 2, 4, 8, 16)  # steps of each


score = composing.score  # in the number of steps that the model takes by default


def curves(model: FewStepsModel, seed: int = 0) -> list[dict[str, float | str]]:
    """Against the number of steps, for the student and for its teacher with DDIM and the guidance that the student has learnt:
    evaluations of the network for a picture, the share of COUNT held-out captions that is drawn right (see `exact`), and
    the Frechet distance of details (see `latents.MEANING`)."""
    teacher = trained.load(str(model.recipe.begin), model.device)
    assert isinstance(teacher, LatentModel), "the teacher of a model of this kind draws in latents"
    g = torch.Generator().manual_seed(seed + 1)
    scenes = exact.asked_of_each(True, COUNT, g)
    true, captions, judge = exact.true_pictures(scenes, g, model.recipe.size), exact.captions(scenes), exact.Pixels()
    rows: list[dict[str, float | str]] = []
    for who, counts, each in ((model, STUDENT, 1), (teacher, TEACHER, 2)):
        for steps in counts:
            scale = None if who is model else model.recipe.loss["scale"]
            drawn = who.draw(captions, seed=seed, steps=steps, scale=scale)
            right = judge.right(composing.small(drawn), scenes).double().mean()
            numbers = {"evaluations": steps * each, "accuracy": float(right), "frechet": frechet(drawn, true)}
            rows.append({"model": who.name, "steps": steps, **numbers})
    return rows
