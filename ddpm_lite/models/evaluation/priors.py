"""How close is the embedding that the prior imagines from a caption to the CLIP embedding of its picture?"""

from typing import cast

import torch

from .. import trained
from ..kinds import ClipModel, PriorModel
from ..unclip import imagine
from . import exact

MEANING = {
    "cosine": "mean cosine of the prior's sample (guidance 1, 25 DDIM steps) and the CLIP embedding of a true picture of the "
    "caption, for pairs that are not held out",
    "cosine_heldout": "the same for held-out pairs",
    "cosine_text": "the yardstick: the same of the caption's own CLIP embedding: the modality gap",
    "cosine_pictures": "the yardstick: the same of a true picture by any artist, perhaps another one",
}
COUNT = 400


def score(model: PriorModel, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`."""
    found, g = {}, torch.Generator().manual_seed(seed)
    clip = cast(ClipModel, trained.load(str(model.recipe.clip), model.device))  # the kind of what a recipe names as its CLIP
    for held_out, name in ((False, ""), (True, "_heldout")):
        scenes = exact.asked_of_each(held_out, COUNT, g)
        image, other = (clip.encode(exact.true_pictures(scenes, g)) for _ in range(2))
        captions = exact.captions(scenes)
        imagined = torch.nn.functional.normalize(imagine(model, clip, captions, seed=seed, candidates=1), dim=1)
        found[f"cosine{name}"] = float((imagined * image).sum(1).mean())
        if not held_out:
            text = clip.encode_text(captions)
            found["cosine_text"], found["cosine_pictures"] = (float((x * image).sum(1).mean()) for x in (text, other))
    return found
