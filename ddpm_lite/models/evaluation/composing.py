"""Do words make pictures that nobody drew? What a model composes from captions, held out or not, by the exact judge."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...data import emoji
from ...data.grammar import Scene
from .. import trained
from ..latent import FewStepsModel
from ..text import TextModel
from . import clips, exact, styles
from .exact import COUNT, FEWER, KINDS, Pixels

SCALE, STEPS, METHOD = 4.0, 15, "dpm-solver++"
SCALES, CLIP_SCALES = (0.0, 1.0, 2.0, 4.0, 8.0), (1.0, 3.0, 10.0, 30.0)  # of the two ways of guidance, on a card
_RIGHT = (
    "share of 500 captions ({}) of {}, for which the picture is nearer to a true one than to the thing without the change, "
    "all other {} and 200 other things"
)
MEANING = {
    f"composed_{kind}{part}": _RIGHT.format(which, f"a thing and {what}", values)
    for kind, what, values in (
        ("colour", "a colour", "colours"),
        ("number", "a number (360 of them)", "numbers"),
        ("worn", "something worn", "things worn"),
        ("place", "another thing beside it", "orders and places"),
    )
    for part, which in (("", "held out of all training"), ("_seen", "not held out"))
}
MEANING |= {
    "composed_two_changes": "the same for captions with two changes, of which training never has more than one",
    "composed_chance": "mean of colour, number, worn and place for pictures drawn for other captions, a fifth of them",
    "composed_true": "the same for true pictures under noise of 0.1: the most that can be reached",
    "composed_error": f"the standard error of a share of {COUNT} at .9",
    "names": f"share of {COUNT} things, asked for by name, whose picture is nearest to a true one of that thing among all 1,624",
    "recall_at_5": "the same: the thing is among the five nearest",
}
MEANING |= styles.MEANING
Draw = Callable[[Sequence[Scene]], Tensor]


def score(model: TextModel, seed: int = 0) -> dict[str, float]:
    """composed_... and names."""
    draw = drawing(model, seed)
    return composed(draw, seed) | named(draw, seed) | by_artist(draw, seed)


def by_artist(draw: Draw, seed: int = 0, n: int = styles.COUNT) -> dict[str, float]:
    """The shares of n things that are drawn as the artist would whom the caption names: see `styles`."""
    found, g = {}, torch.Generator().manual_seed(seed)
    for held_out, part in ((True, ""), (False, "_seen")):
        scenes = styles.asked(held_out, n, g)
        found[f"composed_artist{part}"] = float(styles.right(draw(scenes), scenes).double().mean())
        if held_out:
            found["composed_artist_true"] = float(styles.right(styles.true_pictures(scenes), scenes).double().mean())
    return found


def drawing(model: TextModel, seed: int, scale: float = SCALE) -> Draw:
    """The model as a function that draws scenes from their captions, at the size that the judge sees."""

    def draw(scenes: Sequence[Scene]) -> Tensor:
        return small(drawn(model, exact.captions(scenes), seed, scale))

    return draw


def small(pictures: Tensor) -> Tensor:
    """Pictures at the size that the judge sees."""
    return F.avg_pool2d(pictures, pictures.shape[-1] // 16)


def drawn(model: TextModel, captions: Sequence[str], seed: int, scale: float = SCALE) -> Tensor:
    """A picture of each caption, drawn as all that is scored here; a student of few steps has learnt how."""
    if isinstance(model, FewStepsModel):
        return model.draw(captions, seed=seed)
    return model.draw(captions, seed=seed, steps=STEPS, scale=scale, method=METHOD)


def composed(draw: Draw, seed: int = 0, n: int = COUNT) -> dict[str, float]:
    """The shares of right pictures among n of each kind, from a function that draws scenes."""
    found, g, chance, true = {}, torch.Generator().manual_seed(seed), [], []
    for kind in KINDS:
        for held_out, part in ((True, ""), (False, "_seen")):
            scenes = exact.asked(kind, held_out, min(n, FEWER.get(kind, n)), g)
            drawn, judge = draw(scenes), Pixels()
            found[f"composed_{kind}{part}"] = float(judge.right(drawn, scenes).double().mean())
            if held_out:
                fewer = max(n // 5, 2)
                real = exact.true_pictures(scenes[:fewer], g)
                noisy = real + 0.1 * torch.randn(real.shape, generator=g)
                chance.append(judge.right(drawn[:fewer].roll(1, 0), scenes[:fewer]).double().mean())
                true.append(judge.right(noisy, scenes[:fewer]).double().mean())
    scenes = exact.asked_of_two(n, g)
    found["composed_two_changes"] = float(Pixels().right(draw(scenes), scenes).double().mean())
    found |= {"composed_chance": float(torch.stack(chance).mean()), "composed_true": float(torch.stack(true).mean())}
    return found | {"composed_error": (0.9 * 0.1 / n) ** 0.5}


def progress(models: Sequence[TextModel], n: int = 100) -> list[dict[str, float]]:
    """How what is composed rises with the pictures seen: `composed` with n captions of each kind, for checkpoints of one run."""
    rows = []
    for model in models:
        assert model.made is not None, "a checkpoint says how far it was trained"
        seen = model.made.step * model.recipe.training.batch_size
        rows.append({"pictures": float(seen), **composed(drawing(model, 0), n=n)})
    return rows


def named(draw: Draw, seed: int = 0, n: int = COUNT) -> dict[str, float]:
    """names and recall_at_5 of n things: how often a picture, asked for by name, is nearest to a true one of the same thing among
    all things, and how often the thing is one of the five nearest."""
    every = [Scene(i) for i in range(len(emoji.load().things))]
    asked_for = [every[i] for i in torch.randperm(len(every), generator=torch.Generator().manual_seed(seed))[:n].tolist()]
    true = Pixels().true(every)
    distance = torch.cdist((draw(asked_for).flatten(1) + 1) * 127.5, torch.cat(true).float())
    to_thing = torch.stack([each.amin(1) for each in distance.split([len(each) for each in true], dim=1)], 1)  # (n, things)
    five = to_thing.topk(5, largest=False).indices == torch.tensor([scene.thing for scene in asked_for])[:, None]
    return {"names": float(five[:, 0].double().mean()), "recall_at_5": float(five.any(1).double().mean())}


def curves(model: TextModel, n: int = 100) -> list[dict[str, float | str]]:
    """Against the guidance scale: the share of n held-out captions that is drawn right. CLIP guidance is measured too: the
    network gets no caption, and only the noise-aware CLIP that guides it knows it. accuracy_by_guide is what that CLIP itself
    says of the pictures. A decoder has no curves of its own."""
    if model.recipe.kind != "text-conditional":
        return []
    scenes, judge = exact.asked_of_each(True, n, torch.Generator().manual_seed(1)), Pixels()
    rows: list[dict[str, float | str]] = []
    for scale in SCALES:
        drawn = drawing(model, 2, scale)(scenes)
        rows.append(
            {"guidance": "classifier-free", "scale": scale, "accuracy": float(judge.right(drawn, scenes).double().mean())}
        )
    guide = trained.load("clip-emoji-noisy", model.device)
    for scale in CLIP_SCALES:
        drawn = clips.led(model, guide, exact.captions(scenes), scale, seed=2)
        right, praise = judge.right(drawn, scenes), clips.fits(guide, drawn, scenes, t=1)
        accuracy = {"accuracy": float(right.double().mean()), "accuracy_by_guide": float(praise.double().mean())}
        rows.append({"guidance": "CLIP", "scale": scale, **accuracy})
    return rows
