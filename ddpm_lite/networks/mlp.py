"""A small network for points in the plane."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from ..maths.schedule import require_floating
from .layers import Condition


class PointMLP(nn.Module):
    """A residual MLP eps_theta(x_t, t, c) for points (B, dim): each block adds W_2 silu(W_1 norm(h) + time and condition).
    Slide L19; Ho et al. 2020, section 3.2."""

    def __init__(
        self, dim: int = 2, width: int = 128, depth: int = 4, num_classes: int | None = None, cond_dim: int | None = None
    ):
        super().__init__()
        self.dim = dim
        self.null_label = num_classes
        self.condition = Condition(width, width, num_classes, cond_dim)
        self.first = nn.Linear(dim, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.ins = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.outs = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, dim)
        for layer in (*self.outs, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, x_t: Float[Tensor, "batch dim"], t: Int[Tensor, " batch"], cond: Tensor | None = None
    ) -> Float[Tensor, "batch dim"]:
        require_floating(x_t=x_t)
        if x_t.ndim != 2 or x_t.shape[1] != self.dim:
            raise ValueError(f"This network takes points of shape (B, {self.dim}), not {tuple(x_t.shape)}.")
        emb = self.condition(t, cond)
        h = self.first(x_t)
        for norm, layer_in, layer_out in zip(self.norms, self.ins, self.outs, strict=True):
            h = h + layer_out(nn.functional.silu(layer_in(norm(h)) + emb))
        return self.last(h)
