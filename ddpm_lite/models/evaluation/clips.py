"""How well does a CLIP tell which caption fits? And what does it make of noise, when it guides?"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...data import shapes
from ...data.grammar import Scene
from ...maths.gaussian import q_sample
from ...sampling.guidance import clip_guided
from ...sampling.loop import sample
from ...sampling.noise import normal
from .. import trained
from ..kinds import ClipModel, TextModel
from . import exact
from .exact import COUNT

MEANING = {
    "accuracy_seen": "share of pictures of one shape with all attributes right: for a CLIP, in the best of all 256 captions;"
    " for a model that draws, in what the exact judge sees in its picture for a training caption",
    "accuracy_heldout": "the same for combinations held out of all training",
    "pairs_heldout": f"share of {COUNT} true pictures of held-out pairs whose caption fits best among those of the thing without "
    "the change, all other values and 200 other things",
    "pairs_seen": "the same for pairs that are not held out",
    "pairs_two_changes": "the same for scenes with two changes",
}
NOISE = (1, 100, 200, 300, 400, 500, 600, 800)  # the t of a card's curve


@torch.no_grad()
def fits(
    model: ClipModel, pictures: Float[Tensor, "n 3 16 16"], scenes: Sequence[Scene], t: int | None = None
) -> Bool[Tensor, " n"]:
    """Does the caption of each scene fit its picture better than those of all others, for a CLIP? One for noisy pictures is
    asked at t."""
    found = []
    images = model.encode(pictures, None if t is None else torch.full((len(pictures),), t))
    for i, (image, scene) in enumerate(zip(images, scenes, strict=True)):
        every = [scene, *exact.others(scene, torch.Generator().manual_seed(i % 10))]
        found.append(int((model.encode_text(exact.captions(every)) @ image).argmax()) == 0)
    return torch.tensor(found)


def judge_features(pictures: Float[Tensor, "n 3 16 16"]) -> Float[Tensor, "n 96"]:
    """The embeddings of the second CLIP, which has seen everything: the space in which sets of pictures of emoji are compared."""
    return cast(ClipModel, trained.shipped("judge-emoji")).encode(pictures)


def score(model: ClipModel, seed: int = 0) -> dict[str, float]:
    """accuracy_... for the CLIP of shapes, pairs_... for those of emoji."""
    if model.recipe.data == "shape":
        return _score_shapes(model, seed)
    g, t = torch.Generator().manual_seed(seed), _t_of(model, 1)
    asked = {"heldout": exact.asked_of_each(True, COUNT, g), "seen": exact.asked_of_each(False, COUNT, g)}
    asked["two_changes"] = exact.asked_of_two(COUNT, g)
    true = {part: exact.true_pictures(scenes, g) for part, scenes in asked.items()}
    return {f"pairs_{part}": float(fits(model, true[part], scenes, t).double().mean()) for part, scenes in asked.items()}


def _t_of(model: ClipModel, t: int) -> int | None:
    """t for a CLIP of noisy pictures, which alone has a schedule."""
    return None if model.recipe.schedule is None else t


def _score_shapes(model: ClipModel, seed: int) -> dict[str, float]:
    found = {}
    text = model.encode_text([shapes.captions(i)[0] for i in range(len(shapes.COMBINATIONS))])
    parts: tuple[tuple[shapes.Part, str], ...] = (("train", "seen"), ("heldout", "heldout"))
    for which, name in parts:
        g = torch.Generator().manual_seed(seed + 12345)  # not the drawings of the training
        drawn = shapes.draw(2000, g, 16, which)
        best = (model.encode(drawn.images) @ text.T).argmax(1).cpu()
        found[f"accuracy_{name}"] = float((best == drawn.index).double().mean())
    return found


def curves(model: ClipModel, n: int = 200) -> list[dict[str, float]]:
    """For a CLIP of noisy pictures: how often it finds the caption of n pictures of held-out pairs, at several t."""
    if model.recipe.schedule is None:
        return []
    g = torch.Generator().manual_seed(1)
    scenes = exact.asked_of_each(True, n, g)
    true, rows = exact.true_pictures(scenes, g), []
    eps = torch.randn(true.shape, generator=g)
    for t in NOISE:
        noisy = q_sample(true, torch.full((n,), t), eps, model.schedule)
        rows.append({"t": t, "pairs_heldout": float(fits(model, noisy, scenes, t).double().mean())})
    return rows


def led(model: TextModel, clip: ClipModel, captions: Sequence[str], scale: float, seed: int = 0) -> Float[Tensor, "n 3 16 16"]:
    """Pictures by the network without a caption, led by a noise-aware CLIP to these captions (50 DDIM steps)."""
    device = model.device
    eps = clip_guided(model.eps(), clip.net, clip.tokenizer.encode(captions).to(device), model.schedule, scale)
    x_T = normal(len(captions), model.net.shape, torch.Generator(device).manual_seed(seed))
    *_, last = sample(eps, x_T, model.schedule, steps=50, method="ddim", clip=True)
    return last.x_t.clamp(-1, 1).cpu()
