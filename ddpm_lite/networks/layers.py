"""The parts that networks share: the embedding of the time, and that of the condition."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..maths.checks import require_labels
from ..maths.schedule import require_floating


def timestep_embedding(t: Int[Tensor, " batch"], dim: int) -> Float[Tensor, "batch dim"]:
    """sin(t w_i) and cos(t w_i) for dim/2 frequencies w_i from 1 down to 1/10000, in float32: the network reads t at
    many scales at once. Slide L19; Ho et al. 2020, appendix B; Vaswani et al. 2017, section 3.5."""
    if dim < 4 or dim % 2:
        raise ValueError(f"dim = {dim}, but a time embedding needs an even number of at least 4.")
    half = dim // 2
    w = torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half, dtype=torch.float32, device=t.device))
    angle = t[:, None].float() * w
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class Condition(nn.Module):
    """Time and condition as one vector: MLP(timestep_embedding(t)) + the embedding of the condition.
    Slide L25; Ho & Salimans 2022, section 3.2.

    With num_classes, cond is (B,) labels 0..num_classes, and num_classes itself is the null label ("no condition").
    With cond_dim, cond is (B, cond_dim) vectors, and the null condition is the zero vector.
    cond = None is the null condition for the whole batch. ValueError for a cond that does not fit.
    """

    def __init__(self, embedding_dim: int, dim: int, num_classes: int | None = None, cond_dim: int | None = None):
        super().__init__()
        if num_classes is not None and cond_dim is not None:
            raise ValueError("A network takes class labels (num_classes) or vectors (cond_dim) as its condition, not both.")
        self.embedding_dim, self.num_classes, self.cond_dim = embedding_dim, num_classes, cond_dim
        self.time = nn.Sequential(nn.Linear(embedding_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        if num_classes is not None:
            self.label = nn.Embedding(num_classes + 1, dim)
        if cond_dim is not None:
            self.vector = nn.Linear(cond_dim, dim, bias=False)

    def forward(self, t: Int[Tensor, " batch"], cond: Tensor | None = None) -> Float[Tensor, "batch dim"]:
        emb = self.time(timestep_embedding(t, self.embedding_dim).to(next(self.time.parameters()).dtype))
        if self.num_classes is None and self.cond_dim is None:
            if cond is not None:
                raise ValueError("This network was built without a condition, but cond was given.")
        elif self.num_classes is not None:
            cond = torch.full_like(t, self.num_classes) if cond is None else cond
            if cond.shape != t.shape or cond.is_floating_point():
                raise ValueError(f"cond must be ({len(t)},) integer labels, not {cond.dtype} of shape {tuple(cond.shape)}.")
            require_labels(self.num_classes + 1, labels=cond)
            emb = emb + self.label(cond)
        elif cond is not None:
            require_floating(cond=cond)
            if cond.shape != (len(t), self.cond_dim):
                raise ValueError(f"cond must be ({len(t)}, {self.cond_dim}) vectors, but its shape is {tuple(cond.shape)}.")
            emb = emb + self.vector(cond)
        return emb
