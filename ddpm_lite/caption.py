"""A caption as a condition of the U-Net, the way of GLIDE (Nichol et al. 2022, section 3.1): a Transformer of the U-Net's
own reads the words, trained together with it; its last feature joins the time, all its features join the attention."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from .checks import require_labels
from .schedule import require_floating
from .tokenizer import PAD, empty_row
from .transformer import Transformer

PLACES = 4  # of the Context, that an image embedding takes


class Context(NamedTuple):
    """What attention sees beside the pixels: features (b, n, width), and which of their places count (the rest is padding)."""

    features: Float[Tensor, "b n width"]
    visible: Bool[Tensor, "b n"]


class Caption(nn.Module):
    """Tokens (B, length) to a vector (B, dim) that is added to the embedding of t, and to the Context of every attention.

    vocabulary, length    different tokens, and the most tokens a caption may have
    width, depth, heads   of the Transformer; it is not causal, as the whole caption is there from the start
    dim                   of the time embedding
    image                 of a CLIP embedding of the picture, for the decoder of DALL·E 2 (Ramesh et al. 2022, section 2.1); 0
                          for none. It is added to the vector, and four more places of the Context are made of it

    With an embedding, cond is one row a picture, (B, length + image) numbers: the tokens, then the embedding, which is 0 for
    "no embedding": then nothing is added and its four places are not seen, so the network is that without it.

    Places of padding are never looked at, so a caption means the same in a row of any length. GLIDE learns a feature for
    them instead and lets them be seen, which works where every row has the same length, and takes the last place of the
    row as the caption's feature; here it is the last place of the caption, its end token.
    """

    def __init__(self, vocabulary: int, length: int, width: int, depth: int, heads: int, dim: int, image: int = 0):
        super().__init__()
        self.image = image
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.empty(length, width))
        self.transformer = Transformer(width, depth, heads, activation="gelu")
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, dim)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position, std=0.01)
        empty = empty_row(length)
        if image:
            self.vector, self.places = nn.Linear(image, dim, bias=False), nn.Linear(image, PLACES * width, bias=False)
            nn.init.zeros_(self.vector.weight)
            empty = torch.cat([empty.float(), torch.zeros(image)])
        self.register_buffer("empty", empty, persistent=False)

    def forward(self, cond: Shaped[Tensor, "b n"] | None, batch: int) -> tuple[Float[Tensor, "b dim"], Context]:
        """cond = None is the empty caption for a whole batch of this size. ValueError for a cond that does not fit."""
        tokens = self.empty.expand(batch, -1) if cond is None else cond
        embedding, length = None, len(self.position)
        if self.image:
            if tokens.shape != (batch, length + self.image):
                raise ValueError(f"cond must be ({batch}, {length} tokens + {self.image} numbers), not {tuple(tokens.shape)}.")
            require_floating(cond=tokens)
            tokens, embedding = tokens[:, :length].long(), tokens[:, length:]
        if tokens.ndim != 2 or len(tokens) != batch or tokens.shape[1] > length or tokens.is_floating_point():
            fit = f"({batch}, at most {length}) integer tokens"
            raise ValueError(f"cond must be {fit}, not {tokens.dtype} of shape {tuple(tokens.shape)}.")
        require_labels(self.token.num_embeddings, tokens=tokens)
        visible = tokens != PAD
        x = self.token(tokens) + self.position[: tokens.shape[1]]
        x = self.norm(self.transformer(x, visible))
        end = visible.sum(1) - 1
        vector = self.projection(x[torch.arange(batch, device=x.device), end])
        if embedding is None:
            return vector, Context(x, visible)
        there = (embedding != 0).any(1, keepdim=True).expand(-1, PLACES)
        places = self.places(embedding).reshape(batch, PLACES, -1)
        return vector + self.vector(embedding), Context(torch.cat([x, places.to(x.dtype)], 1), torch.cat([visible, there], 1))
