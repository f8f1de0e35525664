"""A photograph to add noise to: the flower that comes with scikit-learn (by vultilion, CC BY 2.0); nothing is downloaded."""

import torch
from jaxtyping import Float32
from torch import Tensor

SIDE = 384  # of the square that holds the flower, in pixels of the photograph


def flower(size: int = 64) -> Float32[Tensor, "3 size size"]:
    """The flower as (3, size, size) in [-1, 1], each pixel the mean of a square of the photograph; size divides 384."""
    if size < 1 or SIDE % size:
        raise ValueError(f"size = {size}, but it must divide {SIDE}, for example 32, 64 or 96.")
    # scikit-learn takes a second to import, and code that does not need the picture should not wait for it.
    from sklearn.datasets import load_sample_image

    photo = torch.tensor(load_sample_image("flower.jpg"), dtype=torch.float32).permute(2, 0, 1)
    square = photo[None, :, 22 : 22 + SIDE, 116 : 116 + SIDE]
    return torch.nn.functional.avg_pool2d(square, SIDE // size)[0] / 127.5 - 1
