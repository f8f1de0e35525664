"""A caption as a condition of the U-Net, as in GLIDE (Nichol et al. 2022, section 3.1): a Transformer, trained together with
the U-Net, reads the words; its last feature is added to the time embedding, and all its features enter the attention."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from ..maths.checks import require_labels
from ..maths.schedule import require_floating
from .prior import null_condition
from .tokenizer import END, PAD, empty_row
from .transformer import Transformer

START_OF_WORDS = END + 1  # the tokens before it are not words
PLACES = 4  # positions in the Context that an image embedding takes


class Context(NamedTuple):
    """What attention sees besides the pixels: features (b, n, width), and which positions count (the others are padding).
    Slides L24, L25; Nichol et al. 2022, section 3.1."""

    features: Float[Tensor, "b n width"]
    visible: Bool[Tensor, "b n"]


class Caption(nn.Module):
    """Turns tokens (B, length) into a vector (B, dim), added to the embedding of t, and a Context for every attention layer.
    Slides L24, L25, L27; Nichol et al. 2022, section 3.1; Ramesh et al. 2022, section 2.1.

    vocabulary, length    the number of different tokens, and the most tokens a caption may have
    width, depth, heads   of the Transformer, which is not causal, as the whole caption is known from the start
    dim                   of the time embedding
    image                 of a vector that is given with the words: a CLIP embedding of the picture, for the decoder of DALL·E 2,
                          or which number of steps is taken, for a student of few; 0 for none.
                          It is added to the vector and becomes four more positions of the Context

    With an embedding, cond has one row per picture, (B, length + image) numbers: the tokens, then the embedding. Zeros mean
    "no embedding": nothing is added and the four positions are hidden, so the network acts as if it were built without one.

    Padding is never attended to, so a caption means the same in a row of any length. GLIDE instead learns a feature for
    padding and attends to it, which works where every row has the same length, and takes the last position of the row as the
    caption's feature; here it is the last position of the caption, its end token.
    """

    empty: Tensor

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
            empty = null_condition(length, image)
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


def reworded(
    state: dict[str, Tensor], fresh: dict[str, Tensor], before: Sequence[str], after: Sequence[str]
) -> dict[str, Tensor]:
    """The weights of a network with a Caption for another vocabulary: a word that it knew keeps its embedding, and a new one has
    that of `fresh`, the weights of an untrained network with the words `after`."""
    known, name = {word: START_OF_WORDS + i for i, word in enumerate(before)}, "caption.token.weight"
    moved = fresh[name].clone()
    moved[:START_OF_WORDS] = state[name][:START_OF_WORDS]
    for i, word in enumerate(after):
        if word in known:
            moved[START_OF_WORDS + i] = state[name][known[word]]
    return state | {name: moved}
