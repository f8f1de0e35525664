"""How well does a model fill in what was erased? Half of a picture is kept, and the result has to show its caption."""

import torch

from ..kinds import InpaintingModel
from . import exact

MEANING = {
    "filled": "share of 200 pictures of pairs that are not held out, one half erased and filled in from the caption (guidance "
    "4, 15 steps), that the exact judge then finds right",
    "filled_heldout": "the same for held-out pairs",
    "filled_blank": "the yardstick: `filled` for pictures whose erased half is left white",
}
COUNT = 200


def score(model: InpaintingModel, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`."""
    found, g, judge = {}, torch.Generator().manual_seed(seed), exact.Pixels()
    for held_out, name in ((False, ""), (True, "_heldout")):
        scenes = exact.asked_of_each(held_out, COUNT, g)
        pictures, mask = exact.true_pictures(scenes, g), halves(COUNT, g)
        captions = exact.captions(scenes)
        filled = model.edit(pictures, mask, captions, seed=seed, steps=15, scale=4.0, method="dpm-solver++")
        found[f"filled{name}"] = float(judge.right(filled, scenes).double().mean())
        if not held_out:
            found["filled_blank"] = float(judge.right(pictures.where(mask > 0, 1.0), scenes).double().mean())
    return found


def halves(n: int, generator: torch.Generator) -> torch.Tensor:
    """Masks (n, 1, 16, 16), 1 where a picture is known: the left, right, upper or lower half, at random."""
    mask = torch.zeros(4, 1, 16, 16)
    mask[0, :, :, :8] = mask[1, :, :, 8:] = mask[2, :, :8] = mask[3, :, 8:] = 1
    return mask[torch.randint(4, (n,), generator=generator)]
