"""Does it help to imagine the picture's embedding first? The claims of DALL·E 2 (Ramesh et al. 2022, sections 5.1 and 5.3).

The same decoder draws the same captions from the same noise, given the text embedding as if it were an image's, the prior's
sample, the embedding of a real picture, or none. The exact judge decides.
"""

from collections import Counter
from collections.abc import Sequence
from math import log2
from statistics import fmean, stdev

import torch
from jaxtyping import Float
from torch import Tensor

from ...data.emoji import ARTISTS
from ...data.grammar import Scene
from ...maths import metrics
from .. import presets, trained
from ..unclip import Chain
from . import claims, clips, exact

COUNT, SEEDS, SCALE = 100, 3, 4.0
SCALES, THINGS, TIMES = (1.0, 2.0, 4.0, 8.0), 24, 12  # of the curves: scales, things, and pictures of each thing
SOURCES = {
    "text": "the text embedding as if it were an image's",
    "prior": "the prior's embedding",
    "true": "the embedding of a true picture",
    "none": "no embedding: GLIDE",
}
PARTS = {"seen": "pairs that are not held out", "heldout": "held-out pairs", "two_changes": "scenes with two changes"}
WAYS = [(source, alone) for source in SOURCES for alone in (False, True) if (source, alone) != ("none", True)]
MEANING: dict[str, str] = {}
for _source, _alone in WAYS:
    for _part, _which in PARTS.items():
        _key, _but = f"{_source}{'_alone' * _alone}_{_part}", ", and not the caption" * _alone
        MEANING |= {
            _key: f"share right, {SEEDS} seeds of {COUNT} captions of {_which}; the decoder has {SOURCES[_source]}{_but}",
            f"{_key}_std": "its standard deviation between the seeds",
            f"{_key}_spread": "how much a pixel varies over the seeds, in pixel values",
            f"{_key}_frechet": f"Frechet distance of these {SEEDS * COUNT} pictures to as many true ones of the same scenes, in "
            "the 96 features of judge-emoji",
        }
MEANING |= {f"frechet_real_{_part}": f"the yardstick: the same between true pictures, of {PARTS[_part]}" for _part in PARTS}
MEANING |= {
    "gap_pairs": "the modality gap: mean cosine of a picture's CLIP embedding and its caption's, of 500 pictures",
    "gap_others": "the same of pictures and captions that do not belong together",
    "gap_images": "the same of two different pictures",
    "gap_texts": "the same of two different captions",
    **claims.MEANING,
    "entropy_even": f"the mean entropy in bits of {TIMES} artists who were drawn evenly: the most that the curves can reach",
}


def score(chain: Chain, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`; the seeds are `seed` and those after it."""
    found: dict[str, float] = {}
    for part in PARTS:
        scenes, pictures = examples(part, COUNT)
        judge, g = exact.Pixels(), torch.Generator().manual_seed(seed)
        real, other = (clips.judge_features(torch.cat([exact.true_pictures(scenes, g) for _ in range(SEEDS)])) for _ in range(2))
        found[f"frechet_real_{part}"] = metrics.frechet(other, real)
        for source, alone in WAYS:
            rows = [table_cell(chain, source, alone, scenes, pictures, seed + i) for i in range(SEEDS)]
            right = [float(judge.right(drawn, scenes).double().mean()) for drawn in rows]
            key = f"{source}{'_alone' * alone}_{part}"
            found |= {key: fmean(right), f"{key}_std": stdev(right), f"{key}_spread": over_seeds(rows)}
            found[f"{key}_frechet"] = metrics.frechet(clips.judge_features(torch.cat(rows)), real)
    even = torch.randint(len(ARTISTS), (1000, TIMES), generator=torch.Generator().manual_seed(seed))
    found |= gap(chain) | claims.variations(chain, seed)
    return found | {"entropy_even": fmean(entropy(row) for row in even.tolist())}


def made_of(chain: Chain) -> dict[str, dict[str, str]]:
    """What a card says about the models it was measured with: their names and the fingerprints of their weights."""
    parts = {part: getattr(chain, part) for part in presets.CHAINS[chain.name]}
    return {"models": {model.name: trained.fingerprint(model.net) for model in parts.values()}}


def examples(part: str, n: int) -> tuple[list[Scene], Float[Tensor, "n 3 16 16"]]:
    """n scenes of one of PARTS, and a true picture of each."""
    g = torch.Generator().manual_seed(3)
    scenes = exact.asked_of_two(n, g) if part == "two_changes" else exact.asked_of_each(part == "heldout", n, g)
    return scenes, exact.true_pictures(scenes, g)


def table_cell(
    chain: Chain, source: str, alone: bool, scenes: Sequence[Scene], pictures: Tensor, seed: int, scale: float = SCALE
) -> Float[Tensor, "n 3 16 16"]:
    """What the decoder draws for the scenes from the embedding of this source, with the noise of the seed."""
    captions = exact.captions(scenes)
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
    scenes, pictures = examples("seen", 500)
    embeddings = chain.encode(pictures), chain.encode_text(exact.captions(scenes))
    image, text = (torch.nn.functional.normalize(e, dim=1) for e in embeddings)
    other = ~torch.eye(len(scenes), dtype=torch.bool)
    return {
        "gap_pairs": float((image * text).sum(1).mean()),
        "gap_others": float((image @ text.T)[other].mean()),
        "gap_images": float((image @ image.T)[other].mean()),
        "gap_texts": float((text @ text.T)[other].mean()),
    }


def entropy(values: Sequence[int]) -> float:
    """The entropy in bits of how often each value is there."""
    shares = [n / len(values) for n in Counter(values).values()]
    return -sum(p * log2(p) for p in shares)


def curves(chain: Chain) -> list[dict[str, float | str]]:
    """The rows of `diversity`, of `claims.turned`, `claims.between` and `claims.probes`."""
    turned = [row for kind in (*claims.KINDS, "artist") for row in claims.turned(chain, kind)]
    return diversity(chain) + turned + claims.between(chain) + claims.probes(chain)


def diversity(chain: Chain) -> list[dict[str, float | str]]:
    """Against the decoder's guidance scale, for THINGS that all six artists drew, asked for by name, with the prior's embedding
    and with none: the share of pictures nearest to a true one of the thing (accuracy), the mean entropy in bits of the artist who
    drew that true one, over TIMES pictures of a thing, the spread of a pixel over these, and the share of the true pictures that
    lie among those drawn (recall, in the features of judge-emoji). In Ramesh et al. 2022, section 5.3, guidance makes pictures of
    one caption alike without a prior, but not with one, since the prior has already chosen an embedding."""
    scenes = [Scene(thing) for thing in claims.drawn_by_all(THINGS)]
    true = claims.by_all(scenes)
    seen = clips.judge_features(true.flatten(0, 1))
    rows: list[dict[str, float | str]] = []
    for source in ("prior", "none"):
        for scale in SCALES:
            drawn = [table_cell(chain, source, False, scenes, true[:, 0], seed, scale) for seed in range(TIMES)]
            nearest = torch.stack([metrics.nearest(each, true.flatten(0, 1))[1] for each in drawn], 1)
            right = nearest // len(ARTISTS) == torch.arange(THINGS)[:, None]
            who = fmean(entropy(row) for row in (nearest % len(ARTISTS)).tolist())
            found = {"accuracy": float(right.double().mean()), "entropy": who, "spread": over_seeds(drawn)}
            found["recall"] = metrics.precision_recall(seen, clips.judge_features(torch.cat(drawn))).recall
            rows.append({"embedding": source, "scale": scale, **found})
    return rows
