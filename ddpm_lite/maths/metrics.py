"""How good are the pictures? Numbers from arrays of features or predictions; `evaluation` brings them together with judges.

None of these numbers means much by itself: show each next to the same number for real data against real data.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .checks import require_finite
from .schedule import require_floating


def frechet(a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of features, in squared feature units:
    |mean_a - mean_b|^2 + tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2)). Slides L1, L2; Heusel et al. 2017, appendix A1.

    It is biased upwards by about 1/n: compare only values from equal numbers of items. ValueError for fewer items
    than features, where the covariance cannot be estimated.
    """
    require_floating(a=a, b=b)
    require_finite(a=a, b=b)
    if min(len(a), len(b)) <= a.shape[1]:
        raise ValueError(
            f"A Frechet distance in {a.shape[1]} features needs more than {a.shape[1]} items each, not {len(a)} and {len(b)}."
        )
    a, b = a.double(), b.double()
    cov_a, cov_b = a.T.cov(), b.T.cov()
    # tr (cov_a cov_b)^(1/2) = tr (root cov_b root)^(1/2), root = cov_a^(1/2): symmetric, so its eigenvalues are real.
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)


class PrecisionRecall(NamedTuple):
    """precision: the share of generated items among the real ones; recall: the share of real ones among the generated.
    Slide L2; Kynkäänniemi et al. 2019, eqs. 1 to 3."""

    precision: float
    recall: float


def precision_recall(real: Float[Tensor, "n d"], generated: Float[Tensor, "m d"], k: int = 3) -> PrecisionRecall:
    """Improved precision and recall: an item counts as part of a set if it lies no farther from some member than that
    member's k-th nearest neighbour in the set.
    Slide L2; Kynkäänniemi et al. 2019, eqs. 1 to 3."""
    require_floating(real=real, generated=generated)
    require_finite(real=real, generated=generated)
    if min(len(real), len(generated)) <= k:
        raise ValueError(
            f"k = {k} nearest neighbours need more than {k} items in each set, not {len(real)} and {len(generated)}."
        )

    def share(items: Tensor, members: Tensor) -> float:
        radius = torch.cdist(members, members).kthvalue(k + 1).values  # the nearest of all is the member itself
        return float((torch.cdist(items, members) <= radius).any(1).double().mean())

    real, generated = real.double(), generated.double()
    return PrecisionRecall(share(generated, real), share(real, generated))


def nearest(items: Float[Tensor, "n *d"], training: Float[Tensor, "m *d"]) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """The distance of each item to its nearest training item, and that item's index. Copies have a distance near
    0: compare with the distances of held-out data."""
    require_floating(items=items, training=training)
    require_finite(items=items, training=training)
    distance, index = torch.cdist(items.flatten(1).double(), training.flatten(1).double()).min(1)
    return distance, index


def accuracy(predicted: Int[Tensor, " n"], asked: Int[Tensor, " n"]) -> float:
    """The share of predictions that match what was asked for. ValueError unless there is one for each item, and at least one."""
    if predicted.shape != asked.shape or not len(asked):
        raise ValueError(f"accuracy needs one prediction for each item asked for, not {len(predicted)} for {len(asked)}.")
    return float((predicted == asked).double().mean())
