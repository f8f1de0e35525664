"""How well does a model fill in what was erased? Half of a picture is kept, and the result has to show its caption."""

import torch

from ...data import emoji, shapes
from ..kinds import InpaintingModel
from . import texts

MEANING = {
    "filled": "share of training pictures, one half erased and filled in from the caption (guidance 3), in which the judge "
    "then sees what was asked for",
    "filled_heldout": "the same for held-out pictures",
    "filled_blank": "the yardstick: the same for training pictures whose erased half is left white",
}
COUNT = 200


def score(model: InpaintingModel, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`; the judge is that of `texts`."""
    found, g = {}, torch.Generator().manual_seed(seed)
    parts: tuple[tuple[shapes.Part, str], ...] = (("train", ""), ("heldout", "_heldout"))
    for part, name in parts:
        if model.recipe.data == "shapes":
            drawn = shapes.draw(COUNT, g, 16, part)
            pictures, own = drawn.images, drawn.index
            captions = [shapes.captions(i)[0] for i in own.tolist()]
        else:
            train, held_out = emoji.load(16)
            if part == "train":
                chosen, first, rows = train, 0, torch.randperm(len(train.images), generator=g)[:COUNT]
            else:
                chosen, first, rows = held_out, len(train.images), torch.arange(len(held_out.images))
            pictures, own, captions = chosen.images[rows], first + rows, [chosen.names[i] for i in rows.tolist()]
        mask = halves(len(pictures), g)
        filled = model.edit(pictures, mask, captions, seed=seed, steps=25, scale=3.0)
        found[f"filled{name}"] = float(texts.right(model.recipe.data, filled, own).double().mean())
        if part == "train":
            found["filled_blank"] = float(texts.right(model.recipe.data, pictures.where(mask > 0, 1.0), own).double().mean())
    return found


def halves(n: int, generator: torch.Generator) -> torch.Tensor:
    """Masks (n, 1, 16, 16), 1 where a picture is known: the left, right, upper or lower half, at random."""
    mask = torch.zeros(4, 1, 16, 16)
    mask[0, :, :, :8] = mask[1, :, :, 8:] = mask[2, :, :8] = mask[3, :, 8:] = 1
    return mask[torch.randint(4, (n,), generator=generator)]
