"""How close to a picture's CLIP embedding is what the prior imagines from its caption?"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from .. import presets, zoo
from ..data import emoji, shapes
from ..guidance import guided
from ..sample import as_eps, sample
from ..unclip import conditions, embed

MEANING = {
    "cosine": "mean cosine of the prior's sample (guidance 1, 25 DDIM steps) and the CLIP embedding of a training picture of the "
    "caption",
    "cosine_heldout": "the same for held-out captions",
    "cosine_text": "the yardstick: the same of the caption's own CLIP embedding, for training captions: the modality gap",
    "cosine_pictures": "the yardstick: the same of another drawing of the same caption (shapes), or the mirrored picture (emoji)",
}
COUNT = 400


def imagine(model: zoo.Trained, clip: zoo.Trained, captions: Sequence[str], seed: int = 0) -> Float[Tensor, "n d"]:
    """One embedding for each caption, of length sqrt(d) or nearly so, by a prior and the CLIP that it was trained with."""
    device = model.device
    tokens = clip.tokenizer.encode(captions).to(device)
    with torch.no_grad():
        cond = conditions(tokens, embed(clip.net.encode_text(tokens)))
    x_T = torch.randn(len(cond), model.net.dim, generator=torch.Generator(device).manual_seed(seed), device=device)
    eps = guided(as_eps(model.net, model.schedule), 1.0, model.net.null)
    *_, last = sample(eps, x_T, model.schedule, cond=cond, steps=25, method="ddim")
    return last.x_t


def score(model: zoo.Trained, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`."""
    found, g = {}, torch.Generator().manual_seed(seed)
    clip = zoo.load(presets.preset(model.name)["clip"], model.device)
    for part, name in (("train", ""), ("heldout", "_heldout")):
        if "shapes" in model.name:
            drawn = shapes.draw(COUNT, g, 16, part)
            pictures, again = drawn.images, shapes.render(drawn.index, 16, g)
            captions = [shapes.captions(int(i))[0] for i in drawn.index]
        else:
            chosen = emoji.load(16)[name != ""]
            rows = torch.randperm(len(chosen.images), generator=g)[:COUNT]
            pictures, captions = chosen.images[rows], [chosen.names[i] for i in rows.tolist()]
            again = pictures.flip(3)
        with torch.no_grad():
            image, other = (clip.net.encode_image(x.to(model.device)) for x in (pictures, again))
            text = clip.net.encode_text(clip.tokenizer.encode(captions).to(model.device))
        imagined = torch.nn.functional.normalize(imagine(model, clip, captions, seed), dim=1)
        found[f"cosine{name}"] = float((imagined * image).sum(1).mean())
        if not name:
            found["cosine_text"], found["cosine_pictures"] = (float((x * image).sum(1).mean()) for x in (text, other))
    return found
