"""The Transformer, used by both sides of CLIP and by the caption readers of the text-to-picture models.

The order within a block is that of Radford et al. 2019 (GPT-2), as in CLIP: first normalise, then attend or transform,
then add to the input.
"""

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from .attention import attend


def quick_gelu(x: Tensor) -> Tensor:
    """x sigmoid(1.702 x): the approximation of GELU with which OpenAI trained CLIP.
    Slide L23; Hendrycks & Gimpel 2016, section 2."""
    return F.silu(1.702 * x) / 1.702  # the same number; silu keeps one tensor for the backward pass instead of two


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"quick_gelu": quick_gelu, "gelu": F.gelu}


class Block(nn.Module):
    """x + W softmax(q k^T / sqrt(d)) v, then x + W_2 act(W_1 x), the input of each normalised; W_1 is four times as wide.
    Slide L23; Vaswani et al. 2017, section 3; Radford et al. 2019, section 2.3."""

    def __init__(self, width: int, heads: int, causal: bool, activation: str):
        super().__init__()
        self.heads, self.causal, self.activation = heads, causal, ACTIVATIONS[activation]
        self.norm_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "b n width"], mask: Bool[Tensor, "b 1 #n n"] | None = None) -> Float[Tensor, "b n width"]:
        b, n, width = x.shape
        q, k, v = self.qkv(self.norm_1(x)).reshape(b, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        seen = attend(q, k, v, mask, self.causal)  # (b, heads, n, width / heads)
        x = x + self.out(seen.transpose(1, 2).reshape(b, n, width))
        return x + self.mlp_out(self.activation(self.mlp_in(self.norm_2(x))))


class Transformer(nn.Module):
    """`depth` blocks over a sequence (B, n, width); the caller adds positions and the norm after the last block.
    Slide L23; Vaswani et al. 2017, section 3; Radford et al. 2019, section 2.3.

    heads       attention heads, among which the width is divided
    causal      a position attends to itself and to what comes before it, not to what comes after it
    activation  between the layers of each MLP: "quick_gelu" as OpenAI's CLIP, or "gelu"

    Initial weights: normal, with the standard deviations of CLIP's code: width^-1/2 into the attention,
    (2 width)^-1/2 into the MLP, and width^-1/2 (2 depth)^-1/2 for the two layers that add to the
    sequence, so that their sum over all blocks does not grow with the depth. Biases are 0.

    ValueError for a width that is not divisible by heads, or an unknown activation.
    """

    def __init__(self, width: int, depth: int, heads: int, causal: bool = False, activation: str = "quick_gelu"):
        super().__init__()
        if width % heads:
            raise ValueError(f"width = {width} must be divisible by the number of heads, {heads}.")
        if activation not in ACTIVATIONS:
            raise ValueError(f"There is no activation {activation!r}: use one of {', '.join(ACTIVATIONS)}.")
        self.causal = causal
        blocks = [Block(width, heads, causal, activation) for _ in range(depth)]
        self.blocks = nn.ModuleList(blocks)
        for block in blocks:
            adds = width**-0.5 * (2 * depth) ** -0.5
            for layer, std in (
                (block.qkv, width**-0.5),
                (block.out, adds),
                (block.mlp_in, (2 * width) ** -0.5),
                (block.mlp_out, adds),
            ):
                nn.init.normal_(layer.weight, std=std)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Float[Tensor, "b n width"], visible: Bool[Tensor, "b n"] | None = None) -> Float[Tensor, "b n width"]:
        """visible marks the positions that may be attended to (False: padding), at least one in each row; None marks all."""
        mask = None if visible is None else visible[:, None, None, :]
        for block in self.blocks:
            x = block(x, mask)
        return x
