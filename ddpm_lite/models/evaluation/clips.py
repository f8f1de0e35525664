"""How well does a CLIP tell which caption fits? Measured on the training part and on the held-out part."""

from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...data import emoji, shapes
from ..kinds import ClipModel

MEANING = {
    "accuracy_seen": "share of pictures of one shape with all attributes right: for a CLIP, in the best of all 256 captions;"
    " for a model that draws, in what the exact judge sees in its picture for a training caption",
    "accuracy_heldout": "the same for combinations held out of all training",
    "recall_at_1": "share of training emoji whose name fits best among all 1,911: for a CLIP, of the real pictures; "
    "for a model that draws, of its pictures for 400 names, judged by the second CLIP",
    "recall_at_5": "the same: among the best five",
    "recall_at_1_heldout": "recall_at_1 for the 95 emoji held out of all training",
    "recall_at_5_heldout": "recall_at_5 for the 95 emoji held out of all training",
}


@cache
def names() -> list[str]:
    """The names of all emoji: first those of the training part, then those held out."""
    return [name for part in emoji.load(16) for name in part.names]


@torch.no_grad()
def ranks(model: ClipModel, pictures: Float[Tensor, "n 3 16 16"], own: Int[Tensor, " n"], t: int = 0) -> Int[Tensor, " n"]:
    """How many of all names of emoji fit each picture better than its own, number own[i]. A CLIP for noisy pictures is
    asked at t, with the same noise in all of them."""
    text = model.encode_text(names())
    steps = None if model.recipe.schedule is None else torch.full((len(pictures),), t)  # only a CLIP for noise has one
    scores = model.encode(pictures, steps) @ text.T
    return (scores > scores.gather(1, own.to(model.device)[:, None])).sum(1).cpu()


def recall(ranks: Int[Tensor, " n"], k: int) -> float:
    """The share of ranks among the best k."""
    return float((ranks < k).double().mean())


def score(model: ClipModel, seed: int = 0) -> dict[str, float]:
    """accuracy_... for the CLIP of shapes, recall_at_... for those of emoji."""
    found, start = {}, 0
    if model.recipe.data == "shape":
        text = model.encode_text([shapes.captions(i)[0] for i in range(len(shapes.COMBINATIONS))])
        parts: tuple[tuple[shapes.Part, str], ...] = (("train", "seen"), ("heldout", "heldout"))
        for which, name in parts:
            g = torch.Generator().manual_seed(seed + 12345)  # not the drawings of the training
            drawn = shapes.draw(2000, g, 16, which)
            best = (model.encode(drawn.images) @ text.T).argmax(1).cpu()
            found[f"accuracy_{name}"] = float((best == drawn.index).double().mean())
        return found
    for part, name in zip(emoji.load(16), ("", "_heldout"), strict=True):
        own = start + torch.arange(len(part.images))
        rank, start = ranks(model, part.images, own, t=1), start + len(own)
        found |= {f"recall_at_{k}{name}": recall(rank, k) for k in (1, 5)}
    return found


def curves(model: ClipModel) -> list[dict[str, float]]:
    """For a CLIP of noisy pictures: how often the name of a training emoji is among the best five, at several t."""
    if model.recipe.schedule is None:
        return []
    part, rows = emoji.load(16)[0], []
    for t in (1, 100, 200, 300, 400, 500, 600, 800):
        a = float(model.schedule.alpha_bar[t])
        eps = torch.randn(part.images.shape, generator=torch.Generator().manual_seed(t))
        rank = ranks(model, a**0.5 * part.images + (1 - a) ** 0.5 * eps, torch.arange(len(eps)), t)
        rows.append({"t": t, "recall_at_5": recall(rank, 5)})
    return rows
