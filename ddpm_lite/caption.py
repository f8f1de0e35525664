"""A caption as a condition of the U-Net, the way of GLIDE (Nichol et al. 2022, section 3.1): a Transformer of the U-Net's
own reads the words, trained together with it; its last feature joins the time, all its features join the attention."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from .tokenizer import END, PAD, START
from .transformer import Transformer


class Context(NamedTuple):
    """What attention sees beside the pixels: features (b, n, width), and which of their places count (the rest is padding)."""

    features: Float[Tensor, "b n width"]
    visible: Bool[Tensor, "b n"]


class Caption(nn.Module):
    """Tokens (B, length) to a vector (B, dim) that is added to the embedding of t, and to the Context of every attention.

    vocabulary, length    different tokens, and the most tokens a caption may have
    width, depth, heads   of the Transformer; it is not causal, as the whole caption is there from the start
    dim                   of the time embedding

    Places of padding are never looked at, so a caption means the same in a row of any length. GLIDE learns a feature for
    them instead and lets them be seen, which works where every row has the same length, and takes the last place of the
    row as the caption's feature; here it is the last place of the caption, its end token.
    """

    def __init__(self, vocabulary: int, length: int, width: int, depth: int, heads: int, dim: int):
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.empty(length, width))
        self.transformer = Transformer(width, depth, heads, activation="gelu")
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, dim)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position, std=0.01)
        # The empty caption, "no condition": start, end, padding.
        empty = F.pad(torch.tensor([START, END]), (0, length - 2), value=PAD)
        self.register_buffer("empty", empty, persistent=False)

    def forward(self, tokens: Int[Tensor, "b n"] | None, batch: int) -> tuple[Float[Tensor, "b dim"], Context]:
        """tokens = None is the empty caption for a whole batch of this size. ValueError for tokens that do not fit."""
        tokens = self.empty.expand(batch, -1) if tokens is None else tokens
        length = len(self.position)
        if tokens.ndim != 2 or len(tokens) != batch or tokens.shape[1] > length or tokens.is_floating_point():
            fit = f"({batch}, at most {length}) integer tokens"
            raise ValueError(f"cond must be {fit}, not {tokens.dtype} of shape {tuple(tokens.shape)}.")
        visible = tokens != PAD
        x = self.token(tokens) + self.position[: tokens.shape[1]]
        x = self.norm(self.transformer(x, visible))
        end = visible.sum(1) - 1
        return self.projection(x[torch.arange(batch, device=x.device), end]), Context(x, visible)
