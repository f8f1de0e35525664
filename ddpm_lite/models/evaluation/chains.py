"""Does it help to imagine the picture's embedding first? The table of DALL·E 2's claim (Ramesh et al. 2022, section 5.1).

The same decoder draws the same captions from the same noise, given the text embedding as if it were an image's, the prior's
sample, the embedding of a real picture, or none; the judges are those of `texts`, which played no part in training the chain.
"""

from statistics import fmean, stdev

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...data import emoji, shapes
from .. import presets, trained
from ..unclip import Chain
from . import texts

COUNT, SEEDS, SCALE = 50, 5, 3.0
SCALES = (1.0, 3.0, 6.0)
SOURCES = {
    "text": "the text embedding as if it were an image's",
    "prior": "the prior's embedding",
    "true": "the embedding of a real picture",
    "none": "no embedding: GLIDE",
}
WAYS = [(source, alone) for source in SOURCES for alone in (False, True) if (source, alone) != ("none", True)]
MEANING: dict[str, str] = {}
for _source, _alone in WAYS:
    for _part, _which in (("seen", "training"), ("heldout", "held-out")):
        _key, _but = f"{_source}{'_alone' * _alone}_{_part}", ", and not the caption" * _alone
        MEANING |= {
            _key: f"share right, {SEEDS} seeds of {COUNT} {_which} captions; the decoder has {SOURCES[_source]}{_but}",
            f"{_key}_std": "its standard deviation between the seeds",
            f"{_key}_spread": "how much a pixel varies over the seeds, in pixel values",
        }
MEANING |= {
    "slow_seen": "prior_seen with 100 DDIM steps in place of 15 of DPM-Solver++, one seed",
    "slow_heldout": "the same for held-out captions",
    "gap_pairs": "the modality gap: mean cosine of a picture's CLIP embedding and its caption's, of all training pictures or 500",
    "gap_others": "the same of pictures and captions that do not belong together",
    "gap_images": "the same of two different pictures",
    "gap_texts": "the same of two different captions",
}


def score(chain: Chain, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`; the seeds are `seed` and the four after it."""
    found: dict[str, float] = {}
    for part in ("seen", "heldout"):
        captions, own, pictures = examples(chain.data, part, COUNT)
        for source, alone in WAYS:
            rows = [table_cell(chain, source, alone, captions, pictures, seed + i) for i in range(SEEDS)]
            right = [float(texts.right(chain.data, drawn, own).double().mean()) for drawn in rows]
            key = f"{source}{'_alone' * alone}_{part}"
            found |= {key: fmean(right), f"{key}_std": stdev(right), f"{key}_spread": over_seeds(rows)}
        slow = chain.decode(chain.imagine(captions, seed=seed), captions, seed=seed, steps=100, scale=SCALE, method="ddim")
        found[f"slow_{part}"] = float(texts.right(chain.data, slow, own).double().mean())
    return found | gap(chain)


def made_of(chain: Chain) -> dict[str, dict[str, str]]:
    """What a card says about the models it was measured with: their names and the fingerprints of their weights."""
    parts = {part: getattr(chain, part) for part in presets.CHAINS[chain.name]}
    return {"models": {model.name: trained.fingerprint(model.net) for model in parts.values()}}


def examples(data: str, part: str, n: int) -> tuple[list[str], Int[Tensor, " n"], Float[Tensor, "n 3 16 16"]]:
    """n captions of the part "seen" or "heldout", the number of the combination or emoji of each, and a real picture of each."""
    g = torch.Generator().manual_seed(3)
    if data != "emoji":
        own, captions = texts.asked_shapes({"seen": "train"}.get(part, part), n, g)
        return captions, own, shapes.render(own, 16, g)
    train, held_out = emoji.load(16)
    chosen = train if part == "seen" else held_out
    rows = torch.randperm(len(chosen.images), generator=g)[:n]
    own = rows if part == "seen" else rows + len(train.images)
    return [chosen.names[i] for i in rows.tolist()], own, chosen.images[rows]


def table_cell(
    chain: Chain, source: str, alone: bool, captions: list[str], pictures: Tensor, seed: int, scale: float = SCALE
) -> Float[Tensor, "n 3 16 16"]:
    """What the decoder draws for the captions from the embedding of this source, with the noise of the seed."""
    embedding = {
        "text": lambda: chain.encode_text(captions),
        "prior": lambda: chain.imagine(captions, seed=seed),
        "true": lambda: chain.encode(pictures),
        "none": lambda: torch.zeros(len(captions), chain.prior.net.dim),
    }[source]()
    return chain.decode(embedding, None if alone else captions, seed=seed, scale=scale)


def over_seeds(rows: list[Float[Tensor, "n 3 h w"]]) -> float:
    """The standard deviation of a pixel over the seeds, averaged over pixels and captions."""
    return float(torch.stack(rows).std(0).mean())


@torch.no_grad()
def gap(chain: Chain) -> dict[str, float]:
    """The cosines of CLIP's embeddings within each kind and between the kinds."""
    if chain.data == "shapes":
        captions, own, pictures = examples(chain.data, "seen", 500)
    else:
        train = emoji.load(16)[0]
        captions, own, pictures = train.names, torch.arange(len(train.names)), train.images
    image, text = (torch.nn.functional.normalize(e, dim=1) for e in (chain.encode(pictures), chain.encode_text(captions)))
    other = own[:, None] != own  # captions of one combination of shapes belong together, however they are worded
    return {
        "gap_pairs": float((image * text).sum(1).mean()),
        "gap_others": float((image @ text.T)[other].mean()),
        "gap_images": float((image @ image.T)[other].mean()),
        "gap_texts": float((text @ text.T)[other].mean()),
    }


def curves(chain: Chain) -> list[dict[str, float | str]]:
    """Against the guidance scale, for training captions: the share of right pictures and the spread over the seeds, with the
    prior's embedding and with none. In Ramesh et al. 2022, section 5.3, guidance makes pictures of one caption alike without a
    prior, but not with one, since the prior has already chosen an embedding."""
    captions, own, pictures = examples(chain.data, "seen", COUNT)
    rows = []
    for source in ("prior", "none"):
        for scale in SCALES:
            drawn = [table_cell(chain, source, False, captions, pictures, seed, scale) for seed in range(SEEDS)]
            right = fmean(float(texts.right(chain.data, each, own).double().mean()) for each in drawn)
            rows.append({"embedding": source, "scale": scale, "accuracy": right, "spread": over_seeds(drawn)})
    return rows
