"""The diffusion transformer DiT (Peebles & Xie 2023): a picture, or its latents, cut into patches, which a Transformer denoises.

Time and condition enter each block by adaLN-zero: they shift and scale what the block reads, and gate what it adds.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..machine.precision import autocast
from ..maths.schedule import require_floating
from .attention import attend
from .blocks import Asked, asked, shares, zero
from .caption import Caption, Context
from .layers import Condition
from .resnet import require_shape

FREQUENCIES = 256  # numbers in the embedding of t
DIT_SIZES = {
    "S": {"width": 384, "depth": 12, "heads": 6},
    "B": {"width": 768, "depth": 12, "heads": 12},
    "L": {"width": 1024, "depth": 24, "heads": 16},
    "XL": {"width": 1152, "depth": 28, "heads": 16},
}
"""The sizes of Peebles & Xie 2023, table 1."""


def grid_positions(width: int, side: int) -> Float[Tensor, "{side}*{side} {width}"]:
    """What is added to the patches of a picture, side x side of them, row by row, so that the network sees where each is: sines
    and cosines of the column, then of the row, at width / 4 frequencies from 1 down to nearly 1/10000.
    Peebles & Xie 2023, section 3.2; Vaswani et al. 2017, section 3.5.

    ValueError for a width that is not a multiple of 4.
    """
    if width % 4:
        raise ValueError(f"width = {width} must be a multiple of 4: sines and cosines of rows and columns.")
    # With NumPy, as on `meta` some of torch's functions import its compiler, which takes a second.
    angle = np.arange(side)[:, None] * 10_000.0 ** (-np.arange(width // 4) / (width // 4))
    line = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)  # (side, width / 2)
    return torch.tensor(np.concatenate([np.tile(line, (side, 1)), np.repeat(line, side, axis=0)], axis=1), dtype=torch.float32)


class DiTBlock(nn.Module):
    """x + g_1 attention(a_1 norm(x) + b_1), then x + g_2 mlp(a_2 norm(x) + b_2), where a = 1 + scale, the shift b and the gate g
    are linear in silu(emb), and 0 at first: a block starts as x. Peebles & Xie 2023, section 3.2.

    With context_width, the patches also attend to the words of a caption, as in `blocks.Attention`.
    """

    def __init__(self, width: int, heads: int, context_width: int | None = None):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.modulation = nn.Linear(width, 6 * width)
        self.qkv = nn.Linear(width, 3 * width)
        self.words = nn.Linear(context_width, 2 * width) if context_width is not None else None
        self.out = nn.Linear(width, width)
        self.mlp_in, self.mlp_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for layer in filter(None, (self.qkv, self.words, self.out, self.mlp_in, self.mlp_out)):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        zero(self.modulation)

    def forward(
        self, x: Float[Tensor, "b n width"], emb: Float[Tensor, "b width"], context: Context | None = None
    ) -> Float[Tensor, "b n width"]:
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = self._modulated(emb)
        seen = attend(*self._asked(self.norm(x) * (1 + scale_1) + shift_1, context))  # (b, heads, n, width / heads)
        x = x + gate_1 * self.out(seen.transpose(1, 2).flatten(2))
        h = self.mlp_in(self.norm(x) * (1 + scale_2) + shift_2)
        return x + gate_2 * self.mlp_out(F.gelu(h, approximate="tanh"))

    def weights(
        self, x: Float[Tensor, "b n width"], emb: Float[Tensor, "b width"], context: Context | None = None
    ) -> Float[Tensor, "b heads n places"]:
        """What each patch looks at, in shares that add up to 1: first the words, if there are any, then the patches."""
        shift, scale, *_ = self._modulated(emb)
        q, k, _, mask = self._asked(self.norm(x) * (1 + scale) + shift, context)
        return shares(q, k, mask)

    def _modulated(self, emb: Tensor) -> tuple[Tensor, ...]:
        return self.modulation(F.silu(emb))[:, None].chunk(6, dim=-1)

    def _asked(self, x: Tensor, context: Context | None) -> Asked:
        return asked(x, self.qkv, self.words, self.heads, context)


class DiT(nn.Module):
    """eps_theta(x_t, t, c) for pictures or latents (B, channels, size, size), t (B,) steps, c a condition or None.
    Peebles & Xie 2023, section 3.2.

    width, depth, heads   of the Transformer, whose blocks are `DiTBlock`s
    patch                 the side of the squares that are cut out: (size / patch)^2 of them are denoised together
    num_classes           class labels as condition: see `layers.Condition`
    caption               captions as condition, as in `unet.UNet`: the vector of `caption.Caption` enters adaLN, and its words
                          the attention

    The paper's networks for ImageNet are `DiT(32, 4, **DIT_SIZES["XL"], num_classes=1000)` and the like, but for the variance,
    which they predict too. ValueError for sizes that do not fit together, and for inputs of another shape.
    """

    precision: torch.dtype | None = None  # set by `device.place`
    positions: Tensor

    def __init__(
        self,
        size: int,
        channels: int,
        width: int,
        depth: int,
        heads: int,
        patch: int = 2,
        num_classes: int | None = None,
        caption: dict[str, int] | None = None,
    ):
        super().__init__()
        if caption is not None and num_classes is not None:
            raise ValueError("A DiT takes captions (caption) or labels (num_classes), not both.")
        if size % patch:
            raise ValueError(f"A {size} x {size} picture cannot be cut into patches of {patch} x {patch} pixels.")
        if width % heads:
            raise ValueError(f"width = {width} must be divisible by the number of heads, {heads}.")
        self.shape, self.patch, self.null_label = (channels, size, size), patch, num_classes
        self.condition = Condition(FREQUENCIES, width, num_classes)
        self.caption = Caption(**caption, dim=width) if caption is not None else None
        words = caption["width"] if caption is not None else None
        self.first = nn.Linear(channels * patch**2, width)
        nn.init.xavier_uniform_(self.first.weight)
        self.register_buffer("positions", grid_positions(width, size // patch), persistent=False)
        self.blocks = nn.ModuleList(DiTBlock(width, heads, words) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.modulation = zero(nn.Linear(width, 2 * width))
        self.last = zero(nn.Linear(width, channels * patch**2))

    def forward(
        self, x_t: Float[Tensor, "b c h w"], t: Int[Tensor, " b"], cond: Tensor | None = None
    ) -> Float[Tensor, "b c h w"]:
        require_floating(x_t=x_t)
        require_shape(x_t, self.shape)
        with autocast(x_t.device, self.precision):
            if self.caption is None:
                emb, context = self.condition(t, cond), None
            else:
                emb, context = self.caption(cond, len(t))
                emb = emb + self.condition(t)
            patches = F.pixel_unshuffle(x_t, self.patch)
            h = self.first(patches.flatten(2).mT) + self.positions  # (b, n, width)
            for block in self.blocks:
                h = block(h, emb, context)
            shift, scale = self.modulation(F.silu(emb))[:, None].chunk(2, dim=-1)
            h = self.last(self.norm(h) * (1 + scale) + shift)
            return F.pixel_shuffle(h.mT.reshape(patches.shape), self.patch).to(x_t.dtype)
