"""Real handwriting: the 1,797 digits of scikit-learn's `load_digits`, 8 x 8 pixels, 17 grey levels.

From the UCI repository (E. Alpaydin and C. Kaynak 1998, CC BY 4.0); they come with scikit-learn, so nothing is downloaded.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

LEVELS = 17  # grey values 0..16 become -1, -7/8, ..., 1
NUM_CLASSES = 10


class Digits(NamedTuple):
    """Pictures (N, 1, 8, 8) in [-1, 1], where 1 is ink, and their labels (N,) 0..9."""

    images: Float32[Tensor, "N 1 8 8"]
    labels: Int64[Tensor, " N"]


def load() -> tuple[Digits, Digits]:
    """The digits as (train, held_out), 1,437 and 360 of them: a fixed stratified split with no picture in both."""
    # scikit-learn takes a second to import, and code that only trains on points should not wait for it.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 8 - 1
    labels = torch.tensor(labels, dtype=torch.int64)
    train, held_out = train_test_split(range(len(labels)), test_size=360, random_state=0, stratify=labels)
    return Digits(images[train], labels[train]), Digits(images[held_out], labels[held_out])
