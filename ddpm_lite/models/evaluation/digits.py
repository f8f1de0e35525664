"""How good are the drawn digits? A judge that never saw the held-out digits, and the numbers of a model's card.

The judge is the shipped classifier, which was trained on real digits only: it says which digit a picture shows, and its
features are the space in which distributions are compared.
"""

from functools import cache
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ...data import digits
from ...maths import metrics
from ...maths.checks import NOISY, require_pictures
from .. import trained
from ..kinds import ClassifierModel, ClassModel

MEANING = {
    "recognised": "share of 1,000 pictures (guidance 2, 50 DDIM steps) in which the classifier of real digits sees the digit "
    "asked for",
    "recognised_10_steps": "the same at 10 DDIM steps",
    "recognised_unguided": "the same at 50 steps without guidance (scale 1)",
    "frechet": "Frechet distance of 800 unguided pictures (50 DDIM steps) to 800 real ones, mean of 5 splits, 16 features",
    "frechet_real": "the yardstick: the same between 800 and 800 other real digits",
    "frechet_null": "the same as frechet for 800 pictures without any label (scale 0)",
    "precision": "share of those 800 pictures that lie among the real digits",
    "precision_real": "the yardstick: the same for 800 real digits",
    "recall": "share of the real digits that lie among those 800 pictures",
    "recall_real": "the yardstick: the same for 800 real digits",
    "nearest": "median distance of an unguided picture to the nearest training digit, in pixel values; near 0 would mean copies",
    "nearest_real": "the yardstick: the same for the held-out digits",
    "accuracy": "share of the 2,000 held-out digits that the classifier gets right",
}
HALF, SPLITS = 800, 5


def recognise(images: Float[Tensor, "n 1 16 16"]) -> Int[Tensor, " n"]:
    """The digit that the judge sees in each picture, which may be noisy."""
    require_pictures(NOISY, images=images)
    return trained.shipped("digits-classifier").predict(images)


@torch.no_grad()
def features(images: Float[Tensor, "n 1 16 16"]) -> Float[Tensor, "n 16"]:
    """The shipped classifier's 16 features of each picture, which may be noisy."""
    require_pictures(NOISY, images=images)
    return trained.shipped("digits-classifier").net.features(images)


def drawn_by(model: ClassModel, labels: Int[Tensor, " n"], **how: Any) -> Float[Tensor, "n 1 16 16"]:
    """What a model draws, at the size that the judge reads: the mean of each 2 x 2 pixels where it draws at 32 x 32."""
    pictures = model.draw(labels, **how)
    return F.avg_pool2d(pictures, model.recipe.size // 16)


@cache
def real_halves() -> list[tuple[Float[Tensor, "800 16"], Float[Tensor, "800 16"]]]:
    """Features of two disjoint sets of 800 real digits, for each of 5 random splits of all 10,000.

    Each side has 80 digits of each class, like the drawn ones: otherwise random class counts would change the yardstick.
    """
    train, held_out = digits.load()
    images, labels = (torch.cat(pair) for pair in zip(train, held_out, strict=True))
    real, each, halves = features(images), HALF // digits.NUM_CLASSES, []
    for seed in range(SPLITS):
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        by_class = [order[labels[order] == c] for c in range(digits.NUM_CLASSES)]
        sides = [torch.cat([members[start : start + each] for members in by_class]) for start in (0, each)]
        halves.append((real[sides[0]], real[sides[1]]))
    return halves


def frechet_to_real(images: Float[Tensor, "800 1 16 16"]) -> float:
    """Mean Frechet distance of 800 pictures to 800 real digits, over 5 halves of the real ones."""
    drawn = features(images)
    return fmean(metrics.frechet(drawn, half) for half, _ in real_halves())


def score(model: ClassModel | ClassifierModel, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING` for a model that draws digits, or the accuracy of a classifier."""
    train, held_out = digits.load()
    if isinstance(model, ClassifierModel):
        return {"accuracy": metrics.accuracy(model.predict(held_out.images), held_out.labels)}
    labels = torch.arange(10).repeat(100)
    found = {}
    for key, steps, scale in (("recognised", 50, 2.0), ("recognised_10_steps", 10, 2.0), ("recognised_unguided", 50, 1.0)):
        found[key] = metrics.accuracy(recognise(drawn_by(model, labels, seed=seed, steps=steps, scale=scale)), labels)
    unguided = drawn_by(model, labels[:HALF], seed=seed + 1, scale=1.0)
    halves, drawn = real_halves(), features(unguided)
    found["frechet"] = frechet_to_real(unguided)
    found["frechet_real"] = fmean(metrics.frechet(a, b) for a, b in halves)
    found["frechet_null"] = frechet_to_real(drawn_by(model, labels[:HALF], seed=seed + 1, scale=0.0))
    for key, others in (("", lambda b: drawn), ("_real", lambda b: b)):
        pairs = [metrics.precision_recall(a, others(b)) for a, b in halves]
        found[f"precision{key}"], found[f"recall{key}"] = fmean(p.precision for p in pairs), fmean(p.recall for p in pairs)
    found["nearest"] = float(metrics.nearest(unguided, train.images)[0].median())
    found["nearest_real"] = float(metrics.nearest(held_out.images, train.images)[0].median())
    return found


def curves(model: ClassModel | ClassifierModel, seeds: int = 3) -> list[dict[str, float | str]]:
    """Quality against the number of steps (nothing for the classifier): for each method and number, the Frechet distance of
    800 unguided pictures and the share of them recognised, as mean and standard deviation over seeds."""
    labels = torch.arange(10).repeat(HALF // 10)
    rows: list[dict[str, float | str]] = []
    if isinstance(model, ClassifierModel):
        return rows
    for method in ("ddpm", "ddim", "dpm-solver++"):
        for steps in (5, 10, 20, 50):
            each = []
            for seed in range(10, 10 + seeds):
                drawn = drawn_by(model, labels, seed=seed, steps=steps, method=method, scale=1.0)
                each.append((metrics.accuracy(recognise(drawn), labels), frechet_to_real(drawn)))
            (recognised, r_std), (frechet, f_std) = zip(
                *(f(torch.tensor(each, dtype=torch.float64).T, dim=1).tolist() for f in (torch.mean, torch.std)), strict=True
            )
            rows.append(
                {
                    "method": method,
                    "steps": steps,
                    "recognised": recognised,
                    "recognised_std": r_std,
                    "frechet": frechet,
                    "frechet_std": f_std,
                }
            )
    return rows
