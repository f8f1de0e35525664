"""Noise that does not depend on how much of it is drawn: the i-th picture of a seed is the same whatever stands beside it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def normal(n: int, shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "n *d"]:
    """N(0, I), (n, *shape): the first rows are the same whatever n is. torch.randn draws blocks of 16 numbers one after the
    other, so each row is given whole blocks."""
    size = math.prod(shape)
    rows = torch.randn(n, -(-size // 16) * 16, generator=generator, device=generator.device)
    return rows[:, :size].reshape(n, *shape)


def seeds(n: int, seed: int) -> list[int]:
    """n seeds derived from one, for independent generators; the first seeds are the same whatever n is."""
    return torch.randint(2**63 - 1, (n,), generator=torch.Generator().manual_seed(seed)).tolist()
