"""Do the pictures show what their captions say? The judges had no part in the training: for shapes the exact one, for
emoji a second CLIP, which is used for nothing else (GLIDE's authors found that guidance fools the CLIP that guides)."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...data import compositions, emoji, scenes, shapes
from ...maths import metrics
from ...sampling.guidance import clip_guided
from ...sampling.loop import sample
from ...sampling.noise import normal
from .. import trained
from ..kinds import ClipModel, TextModel
from . import clips

MEANING = {
    "scenes_seen": "share of 200 training captions of two objects for which the exact judge sees all that was asked for",
    "scenes_heldout": "the same for scenes held out of all training",
    "nearest_asked": "share of the pictures drawn for 400 training names whose nearest training picture, mirrored or not, is the "
    "one of that name",
    "nearest_seen": "median distance of these pictures to the nearest training picture, in pixel values: near 0 are copies",
    "nearest_heldout": "the same for pictures drawn for names held out of all training",
    "nearest_real": "the yardstick: the same for the real pictures of the held-out names",
    "composed": "share of 100 captions with one word exchanged for which the second CLIP finds the caption asked for better than "
    "the two that it is made of (guessing: 0.33)",
}
SCALE, STEPS = 3.0, 25  # at which all scores are measured, with DDIM
SCALES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
CLIP_SCALES = (1.0, 3.0, 10.0, 30.0)
COUNT = 400


def right(data: str, pictures: Float[Tensor, "n 3 16 16"], own: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Whether the judge of these data ("shape", "shapes" or "emoji") sees what was asked: combination own[i], or emoji own[i]
    among its best five."""
    if data != "emoji":
        return shapes.judge(pictures).index == own
    return clips.ranks(trained.shipped("judge-emoji"), pictures, own) < 5


def score(model: TextModel, seed: int = 0) -> dict[str, float]:
    """accuracy_..., scenes_... for a model of shapes; recall_at_..., nearest_..., composed for one of emoji."""

    def draw(asked: Sequence[str]) -> Tensor:
        return model.draw(asked, seed=seed, steps=STEPS, scale=SCALE)

    found, g = {}, torch.Generator().manual_seed(seed)
    if model.recipe.data == "shapes":
        for part, name in (("train", "seen"), ("heldout", "heldout")):
            own, captions = asked_shapes(part, COUNT, g)
            found[f"accuracy_{name}"] = metrics.accuracy(shapes.judge(draw(captions)).index, own)
        for part, name in (("train", "seen"), ("heldout", "heldout")):
            own = scenes.PARTS[part][torch.randperm(len(scenes.PARTS[part]), generator=g)[: COUNT // 2]]
            drawn = draw([_one(scenes.captions(int(i)), g) for i in own])
            found[f"scenes_{name}"] = metrics.accuracy(scenes.judge(drawn).index, own)
        return found
    train, held_out = emoji.load(16)
    # Mirrored pictures that keep their captions were trained on too.
    known = torch.cat([train.images, train.images[train.mirrorable].flip(3)])
    which = torch.cat([torch.arange(len(train.images)), train.mirrorable.nonzero()[:, 0]])
    rows = torch.randperm(len(train.images), generator=g)[:COUNT]
    for those, chosen, name in ((train, rows, ""), (held_out, torch.arange(len(held_out.images)), "_heldout")):
        drawn = draw([those.names[i] for i in chosen.tolist()])
        rank = clips.ranks(trained.shipped("judge-emoji"), drawn, chosen + (len(train.images) if name else 0))
        found |= {f"recall_at_{k}{name}": clips.recall(rank, k) for k in (1, 5)}
        distance, index = metrics.nearest(drawn, known)
        found[f"nearest{name or '_seen'}"] = float(distance.median())
        if not name:
            found["nearest_asked"] = metrics.accuracy(which[index], chosen)
    found["nearest_real"] = float(metrics.nearest(held_out.images, known)[0].median())
    return found | {"composed": composed(draw([each.asked for each in compositions.exchanged()]))}


def composed(pictures: Float[Tensor, "n 3 16 16"]) -> float:
    """How often the second CLIP prefers the caption of `compositions.exchanged` that was asked for to those it is made of."""
    judge = trained.shipped("judge-emoji")
    image = judge.encode(pictures)
    text = judge.encode_text([c for each in compositions.exchanged() for c in each])
    fit = (image[:, None] * text.reshape(len(image), -1, text.shape[1])).sum(2)
    return float((fit.argmax(1) == 0).double().mean())


def asked_shapes(part: str, n: int, generator: torch.Generator) -> tuple[Int[Tensor, " n"], list[str]]:
    """n combinations of a part, evenly drawn, and for each one of its captions."""
    own = shapes.PARTS[part][torch.randint(len(shapes.PARTS[part]), (n,), generator=generator)]
    return own, [_one(shapes.captions(int(i)), generator) for i in own]


def _one(captions: list[str], generator: torch.Generator) -> str:
    return captions[int(torch.randint(len(captions), (), generator=generator))]


def curves(model: TextModel, n: int = 200) -> list[dict[str, float | str]]:
    """Against the guidance scale: the share of right pictures (accuracy), and their diversity.

    precision and recall are against as many real pictures of these captions, in the features of the CLIP that comes with the
    data. spread, for shapes: how much a pixel varies among 20 pictures of one caption, divided by how much it varies among 20
    drawings. For emoji there is CLIP guidance too: the network gets no caption, and only the noise-aware CLIP that guides it
    knows it; accuracy_by_guide is what that CLIP itself says. A decoder has no curves of its own.
    """
    if model.recipe.kind != "text-conditional":
        return []
    g, rows = torch.Generator().manual_seed(1), []
    if shapes_are := model.recipe.data == "shapes":
        own = shapes.TRAIN[torch.randperm(len(shapes.TRAIN), generator=g)[: n // 20]].repeat_interleave(20)
        captions, real, eye = [shapes.captions(int(i))[0] for i in own], shapes.render(own, 16, g), trained.shipped("clip-shapes")
    else:
        train = emoji.load(16)[0]
        own = torch.randperm(len(train.images), generator=g)[:n]
        captions, real, eye = [train.names[i] for i in own.tolist()], train.images[own], trained.shipped("clip-emoji")

    def row(guidance: str, scale: float, drawn: Tensor) -> dict[str, float | str]:
        pair = metrics.precision_recall(eye.encode(real[: len(drawn)]), eye.encode(drawn))
        accuracy = float(right(model.recipe.data, drawn, own[: len(drawn)]).double().mean())
        return {"guidance": guidance, "scale": scale, "accuracy": accuracy, "precision": pair.precision, "recall": pair.recall}

    for scale in SCALES:
        drawn = model.draw(captions, seed=2, steps=STEPS, scale=scale)
        rows.append(row("classifier-free", scale, drawn))
        if shapes_are:
            rows[-1]["spread"] = spread(drawn) / spread(real)
    if not shapes_are:
        half, guide = n // 2, trained.load("clip-emoji-noisy", model.device)
        for scale in CLIP_SCALES:
            drawn = by_clip(model, guide, captions[:half], scale, seed=2)
            praise = clips.recall(clips.ranks(guide, drawn, own[:half], t=1), 5)
            rows.append(row("CLIP", scale, drawn) | {"accuracy_by_guide": praise})
    return rows


def spread(pictures: Float[Tensor, "n 3 h w"]) -> float:
    """The standard deviation of a pixel among 20 consecutive pictures, averaged."""
    return float(pictures.unflatten(0, (-1, 20)).std(1).mean())


def by_clip(
    model: TextModel, clip: ClipModel, captions: Sequence[str], scale: float, seed: int = 0
) -> Float[Tensor, "n 3 16 16"]:
    """Pictures by the network without a caption, led by a noise-aware CLIP to these captions (50 DDIM steps)."""
    device = model.device
    eps = clip_guided(model.eps(), clip.net, clip.tokenizer.encode(captions).to(device), model.schedule, scale)
    x_T = normal(len(captions), model.net.shape, torch.Generator(device).manual_seed(seed))
    *_, last = sample(eps, x_T, model.schedule, steps=50, method="ddim", clip=True)
    return last.x_t.clamp(-1, 1).cpu()
