"""How close is the embedding that the prior imagines from a caption to the CLIP embedding of its picture?"""

from typing import cast

import torch

from ...data import emoji, shapes
from .. import trained
from ..kinds import ClipModel, PriorModel
from ..unclip import imagine

MEANING = {
    "cosine": "mean cosine of the prior's sample (guidance 1, 25 DDIM steps) and the CLIP embedding of a training picture of the "
    "caption",
    "cosine_heldout": "the same for held-out captions",
    "cosine_text": "the yardstick: the same of the caption's own CLIP embedding, for training captions: the modality gap",
    "cosine_pictures": "the yardstick: the same of another drawing of the same caption (shapes), or the mirrored picture (emoji)",
}
COUNT = 400


def score(model: PriorModel, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`."""
    found, g = {}, torch.Generator().manual_seed(seed)
    clip = cast(ClipModel, trained.load(str(model.recipe.clip), model.device))  # the kind of what a recipe names as its CLIP
    parts: tuple[tuple[shapes.Part, str], ...] = (("train", ""), ("heldout", "_heldout"))
    for part, name in parts:
        if model.recipe.data == "shape":
            drawn = shapes.draw(COUNT, g, 16, part)
            pictures, again = drawn.images, shapes.render(drawn.index, 16, g)
            captions = [shapes.captions(int(i))[0] for i in drawn.index]
        else:
            chosen = emoji.load(16)[name != ""]
            rows = torch.randperm(len(chosen.images), generator=g)[:COUNT]
            pictures, captions = chosen.images[rows], [chosen.names[i] for i in rows.tolist()]
            again = pictures.flip(3)
        image, other, text = clip.encode(pictures), clip.encode(again), clip.encode_text(captions)
        imagined = torch.nn.functional.normalize(imagine(model, clip, captions, seed=seed, candidates=1), dim=1)
        found[f"cosine{name}"] = float((imagined * image).sum(1).mean())
        if not name:
            found["cosine_text"], found["cosine_pictures"] = (float((x * image).sum(1).mean()) for x in (text, other))
    return found
