"""DALL·E 2, or unCLIP (Ramesh et al. 2022): the prior, a diffusion over the CLIP embeddings of pictures.

The decoder, which draws the picture from its embedding, is the U-Net with captions: see `caption.Caption`.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..maths.checks import require_labels
from ..maths.schedule import require_floating
from .layers import Condition
from .tokenizer import PAD, empty_row
from .transformer import Transformer


class Prior(nn.Module):
    """x0_hat(x_t, t, c): the clean image embedding, predicted from a noisy one, a caption and its text embedding.
    Slide L26; Ramesh et al. 2022, section 2.2.

    A causal Transformer over the caption's tokens, the text embedding, the time, the noisy image embedding, and a query
    whose output is the prediction: the embedding itself, not the noise in it.

    vocabulary, length    of the captions
    dim                   of the embeddings, which are CLIP's unit vectors times sqrt(dim): each number has a variance of
                          about 1, as the schedules expect (our own scaling: it changes no cosine, and the decoder shares it)
    width, depth, heads   of the Transformer

    cond has one row per caption, (B, length + dim) numbers: its tokens, then its text embedding; `null` is the row for "no
    condition", the empty caption and zeros. None stands for `null` in the whole batch. ValueError for inputs of another shape.
    """

    null: Tensor

    def __init__(self, vocabulary: int, length: int, dim: int, width: int, depth: int, heads: int):
        super().__init__()
        self.length, self.dim, self.shape = length, dim, (dim,)
        self.token = nn.Embedding(vocabulary, width)
        self.text, self.image = nn.Linear(dim, width), nn.Linear(dim, width)
        self.time = Condition(width, width)
        self.query = nn.Parameter(torch.empty(width))
        self.position = nn.Parameter(torch.empty(length + 4, width))
        self.transformer = Transformer(width, depth, heads, causal=True, activation="gelu")
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, dim)
        for parameter, std in ((self.token.weight, 0.02), (self.query, 0.02), (self.position, 0.01)):
            nn.init.normal_(parameter, std=std)
        self.register_buffer("null", null_condition(length, dim), persistent=False)

    def forward(
        self, x_t: Float[Tensor, "b dim"], t: Int[Tensor, " b"], cond: Float[Tensor, "b c"] | None = None
    ) -> Float[Tensor, "b dim"]:
        require_floating(x_t=x_t, cond=cond)
        b = len(x_t)
        cond = self.null.expand(b, -1) if cond is None else cond
        if x_t.shape[1:] != (self.dim,) or cond.shape != (b, self.length + self.dim):
            wanted = f"embeddings ({b}, {self.dim}) and conditions ({b}, {self.length + self.dim})"
            raise ValueError(f"This prior takes {wanted}, not {tuple(x_t.shape)} and {tuple(cond.shape)}.")
        tokens, text = cond[:, : self.length].long(), cond[:, self.length :]
        require_labels(self.token.num_embeddings, tokens=tokens)
        rest = [self.text(text), self.time(t), self.image(x_t), self.query.expand(b, -1)]
        x = torch.cat([self.token(tokens), torch.stack(rest, dim=1)], dim=1) + self.position
        visible = F.pad(tokens != PAD, (0, 4), value=True)
        return self.last(self.norm(self.transformer(x, visible)[:, -1]))


def embed(features: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """CLIP's unit vectors, scaled as the prior and the decoder expect them: times sqrt(dim).
    Slide L26; Ramesh et al. 2022, section 2.2."""
    require_floating(features=features)
    return features * features.shape[1] ** 0.5


def conditions(tokens: Int[Tensor, "n length"], embedding: Float[Tensor, "n dim"]) -> Float[Tensor, "n length+dim"]:
    """Tokens and embeddings joined, one row per caption: the cond of the prior (text embeddings) and the decoder (image ones).
    Slides L26, L27; Ramesh et al. 2022, sections 2.1 and 2.2."""
    require_floating(embedding=embedding)
    return torch.cat([tokens.to(embedding.dtype), embedding], dim=1)


def null_condition(length: int, dim: int) -> Float[Tensor, " {length+dim}"]:
    """The cond that means "no condition": the empty caption and no embedding.
    Slides L26, L27; Ramesh et al. 2022, sections 2.1 and 2.2."""
    row = torch.zeros(length + dim)
    row[:length] = empty_row(length)
    return row


def closest(candidates: Float[Tensor, "k n dim"], text: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """Of the k image embeddings drawn for each caption, the one with the largest dot product with the caption's text
    embedding; the paper draws k = 2. Slide L26; Ramesh et al. 2022, section 2.2."""
    require_floating(candidates=candidates, text=text)
    best = (candidates * text).sum(2).argmax(0)
    return candidates[best, torch.arange(len(text), device=text.device)]


def slerp(a: Float[Tensor, "*n d"], b: Float[Tensor, "*n d"], share: float) -> Float[Tensor, "*n d"]:
    """From a (share = 0) to b (share = 1) along the great circle, at constant speed:

    (sin((1 - share) w) a + sin(share w) b) / sin w, where w is the angle between a and b, which must be of equal length.
    Where they point the same way, the result is a. ValueError for opposite vectors, between which there is no shortest arc.

    Slide L27; Ramesh et al. 2022, section 3.2.
    """
    require_floating(a=a, b=b)
    cosine = F.cosine_similarity(a, b, dim=-1).clamp(-1, 1)[..., None]
    if (cosine < -1 + 1e-6).any():
        raise ValueError("There is no single shortest path between two opposite embeddings.")
    w = cosine.acos()
    mixed = (((1 - share) * w).sin() * a + (share * w).sin() * b) / w.sin()
    return torch.where(w < 1e-4, a, mixed)


def text_difference(
    image: Float[Tensor, "n d"], before: Float[Tensor, "n d"], after: Float[Tensor, "n d"], share: float
) -> Float[Tensor, "n d"]:
    """The image embedding turned towards the difference between two captions:

    slerp(image, (after - before) / |after - before|, share), at the image's length. The paper uses shares of 0.25 to 0.5.
    ValueError for two captions with the same embedding, which have no difference.

    Slide L27; Ramesh et al. 2022, section 3.3.
    """
    require_floating(image=image, before=before, after=after)
    difference = after - before
    length = difference.norm(dim=1, keepdim=True)
    if (length < 1e-6).any():
        raise ValueError("The two captions have the same embedding, so there is no difference to turn towards.")
    return slerp(image, difference / length * image.norm(dim=1, keepdim=True), share)


def principal(embedding: Float[Tensor, "n d"], among: Float[Tensor, "m d"], k: int) -> Float[Tensor, "n d"]:
    """The embeddings with only the k largest principal components of `among` kept:
    m + (embedding - m) V_k V_k^T, where m is the mean of `among` and V_k its first k directions, scaled back to the length
    that each embedding had. ValueError for a k outside 0..d, or larger than m, the number of embeddings in `among`.
    Slide L27; Ramesh et al. 2022, section 4.
    """
    require_floating(embedding=embedding, among=among)
    most = min(among.shape)
    if not 0 <= k <= most:
        raise ValueError(f"k = {k}, but {len(among)} embeddings of {among.shape[1]} numbers have 0 to {most} components.")
    mean = among.mean(0)
    directions = torch.linalg.svd(among - mean, full_matrices=False).Vh[:k]
    kept = mean + (embedding - mean) @ directions.T @ directions
    return F.normalize(kept, dim=1) * embedding.norm(dim=1, keepdim=True)
