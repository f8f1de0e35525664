"""Inputs drawn at random, so that an answer with one of them written in is found out."""

import torch
from torch import Tensor

from ...maths.schedule import Schedule


def normal(g: torch.Generator, *shape: int) -> Tensor:
    """Numbers of a standard normal distribution."""
    return torch.randn(shape, generator=g, dtype=torch.float64)


def uniform(g: torch.Generator, *shape: int) -> Tensor:
    """Numbers from 0 to 1."""
    return torch.rand(shape, generator=g, dtype=torch.float64)


def schedule(g: torch.Generator, T: int) -> Schedule:
    """A schedule of T steps of many sizes: no two that are drawn agree. About 0.02 of the picture's variance is left after T
    steps, if there are ten or more: enough for an answer in 32 bits."""
    return Schedule.from_beta(min(4 / T, 0.4) * (0.3 + 1.4 * torch.rand(T, generator=g, dtype=torch.float64)))


def told(t: object, x: Tensor) -> Tensor:
    """What a stand-in for a network is told beside x, ready to multiply x. An answer may tell it one number, as a number or as a
    tensor, or one for each item, as the package's networks take it."""
    given = torch.as_tensor(t, dtype=x.dtype)
    return given.reshape(()) if given.numel() == 1 else given.reshape(-1, *[1] * (x.ndim - 1))
