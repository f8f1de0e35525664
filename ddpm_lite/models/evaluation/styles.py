"""In whose style? A model is asked for a thing as an artist would draw it, whose picture of it no training has seen.

What that picture is like cannot be known from the caption, so the exact judge would be too strict. Two others decide: a
classifier, which learnt the artists from other things, says who drew it, and a second CLIP, which has seen everything, what it
is among 200 things.
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...data import changes, emoji, grammar
from ...data.grammar import Scene
from .. import trained
from ..kinds import ClassifierModel
from . import clips

COUNT = 400
MEANING = {
    "artist": f"share of true pictures of {COUNT} other things, for which the classifier names the artist who drew them",
    "composed_artist": f"share of {COUNT} captions (a thing and an artist, held out of all training) for whose pictures the "
    "classifier names the artist, and the second CLIP the thing among 200",
    "composed_artist_seen": "the same for pairs that are not held out",
    "composed_artist_true": "the same for the true pictures of the held-out pairs: the most that can be reached",
}


def asked(held_out: bool, n: int, generator: torch.Generator) -> list[Scene]:
    """n different scenes, each a thing by an artist who has drawn it: held-out pairs, or none."""
    plain = [Scene(thing, artist) for thing, artist, tone in emoji.load().row if not tone and grammar.is_judged(thing)]
    fit = [scene for scene in plain if grammar.is_held_out(scene) == held_out]
    return [fit[i] for i in torch.randperm(len(fit), generator=generator)[:n].tolist()]


def true_pictures(scenes: Sequence[Scene]) -> Float[Tensor, "n 3 16 16"]:
    """What the artists have drawn."""
    return changes.draw(scenes, [artist_of(scene) for scene in scenes], 16)


def artist_of(scene: Scene) -> int:
    """The artist that a scene names."""
    assert scene.artist is not None, "a scene of this file names its artist"
    return scene.artist


def right(pictures: Float[Tensor, "n 3 16 16"], scenes: Sequence[Scene]) -> Bool[Tensor, " n"]:
    """Is each picture of the thing and by the artist that were asked for?"""
    by = cast(ClassifierModel, trained.shipped("artist-emoji")).predict(pictures)
    named = torch.tensor([artist_of(scene) for scene in scenes])
    return (by == named) & clips.fits(trained.shipped("judge-emoji"), pictures, scenes)


def score(model: ClassifierModel, seed: int = 0) -> dict[str, float]:
    """The number of the classifier."""
    g = torch.Generator().manual_seed(seed)
    scenes = asked(True, COUNT // 2, g) + asked(False, COUNT - COUNT // 2, g)
    named = torch.tensor([artist_of(scene) for scene in scenes])
    return {"artist": float((model.predict(true_pictures(scenes)) == named).double().mean())}
