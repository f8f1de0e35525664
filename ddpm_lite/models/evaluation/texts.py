"""Do pictures of shapes show what their captions say? The judge is the exact one of `shapes` and `scenes`."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...data import scenes, shapes
from ...maths import metrics
from .. import trained
from ..kinds import TextModel

MEANING = {
    "scenes_seen": "share of 200 training captions of two objects for which the exact judge sees all that was asked for",
    "scenes_heldout": "the same for scenes held out of all training",
}
SCALE, STEPS = 3.0, 25  # at which all scores are measured, with DDIM
SCALES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
COUNT = 400


def score(model: TextModel, seed: int = 0) -> dict[str, float]:
    """accuracy_... and scenes_..."""

    def draw(asked: Sequence[str]) -> Tensor:
        return model.draw(asked, seed=seed, steps=STEPS, scale=SCALE)

    found, g = {}, torch.Generator().manual_seed(seed)
    for part, name in (("train", "seen"), ("heldout", "heldout")):
        own, captions = asked_shapes(part, COUNT, g)
        found[f"accuracy_{name}"] = metrics.accuracy(shapes.judge(draw(captions)).index, own)
    for part, name in (("train", "seen"), ("heldout", "heldout")):
        own = scenes.PARTS[part][torch.randperm(len(scenes.PARTS[part]), generator=g)[: COUNT // 2]]
        drawn = draw([_one(scenes.captions(int(i)), g) for i in own])
        found[f"scenes_{name}"] = metrics.accuracy(scenes.judge(drawn).index, own)
    return found


def asked_shapes(part: str, n: int, generator: torch.Generator) -> tuple[Int[Tensor, " n"], list[str]]:
    """n combinations of a part, evenly drawn, and for each one of its captions."""
    own = shapes.PARTS[part][torch.randint(len(shapes.PARTS[part]), (n,), generator=generator)]
    return own, [_one(shapes.captions(int(i)), generator) for i in own]


def _one(captions: list[str], generator: torch.Generator) -> str:
    return captions[int(torch.randint(len(captions), (), generator=generator))]


def curves(model: TextModel, n: int = 200) -> list[dict[str, float | str]]:
    """Against the guidance scale: the share of right pictures (accuracy), and their diversity.

    precision and recall are against as many drawings of these captions, in the features of the CLIP of shapes. spread: how much a
    pixel varies among 20 pictures of one caption, divided by how much it varies among 20 drawings.
    """
    g = torch.Generator().manual_seed(1)
    rows: list[dict[str, float | str]] = []
    own = shapes.TRAIN[torch.randperm(len(shapes.TRAIN), generator=g)[: n // 20]].repeat_interleave(20)
    captions, real, eye = [shapes.captions(int(i))[0] for i in own], shapes.render(own, 16, g), trained.shipped("clip-shapes")
    for scale in SCALES:
        drawn = model.draw(captions, seed=2, steps=STEPS, scale=scale)
        pair = metrics.precision_recall(eye.encode(real), eye.encode(drawn))
        right = {"accuracy": metrics.accuracy(shapes.judge(drawn).index, own), "spread": spread(drawn) / spread(real)}
        rows.append({"guidance": "classifier-free", "scale": scale, **right, "precision": pair.precision, "recall": pair.recall})
    return rows


def spread(pictures: Float[Tensor, "n 3 h w"]) -> float:
    """The standard deviation of a pixel among 20 consecutive pictures, averaged."""
    return float(pictures.unflatten(0, (-1, 20)).std(1).mean())
