"""The layers of the U-Net of Ho et al. 2020 (appendix B): residual blocks, attention, and changes of size."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .attention import attend
from .caption import Context

Asked = tuple[Tensor, Tensor, Tensor, Tensor | None]  # queries, keys, values, and which of these may be seen


class Norm(nn.GroupNorm):
    """GroupNorm, always computed in float32: in bf16 it is less exact and, on a CPU, several times slower.
    The result is cast back to the dtype of the input, so that the next layers move half as much memory."""

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x.float(), self.num_groups, self.weight, self.bias, self.eps).to(x.dtype)


class ResBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x))) + emb))), the second convolution zero at first, so a block starts as x.
    With emb_dim None there is no emb. Slide L19; Ho et al. 2020, appendix B."""

    def __init__(self, channels_in: int, channels_out: int, emb_dim: int | None, groups: int, dropout: float):
        super().__init__()
        self.norm_1 = Norm(groups, channels_in, eps=1e-6)
        self.conv_1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.emb = None if emb_dim is None else nn.Linear(emb_dim, channels_out)
        self.norm_2 = Norm(groups, channels_out, eps=1e-6)
        self.dropout = nn.Dropout(dropout)
        self.conv_2 = zero(nn.Conv2d(channels_out, channels_out, 3, padding=1))
        self.skip = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()

    def forward(
        self, x: Float[Tensor, "b c_in h w"], emb: Float[Tensor, "b e"] | None, context: Context | None = None
    ) -> Float[Tensor, "b c_out h w"]:
        h = self.conv_1(F.silu(self.norm_1(x)))
        if self.emb is not None:
            h = h + self.emb(emb)[:, :, None, None]
        h = self.conv_2(self.dropout(F.silu(self.norm_2(h))))
        return self.skip(x) + h


def asked(x: Tensor, qkv: nn.Linear, words: nn.Linear | None, heads: int, context: Context | None) -> Asked:
    """Queries, keys and values of places x (b, n, width), and which of these may be seen: what `attend` takes. With a layer for
    words, the words of a caption give further keys and values, before those of the places."""
    b, n, width = x.shape
    q, k, v = qkv(x).reshape(b, n, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    if words is None:
        return q, k, v, None
    assert context is not None, "a network with captions makes a Context at each call"
    k_words, v_words = words(context.features).reshape(b, -1, 2, heads, width // heads).permute(2, 0, 3, 1, 4)
    mask = F.pad(context.visible, (0, n), value=True)[:, None, None]  # all places are visible
    return q, torch.cat([k_words, k], dim=2), torch.cat([v_words, v], dim=2), mask


def shares(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    """What each place looks at, in shares that add up to 1."""
    fit = q.float() @ k.float().mT / q.shape[-1] ** 0.5
    return (fit if mask is None else fit.masked_fill(~mask, -torch.inf)).softmax(-1)


class Attention(nn.Module):
    """Every pixel attends to every other: x + W softmax(q k^T / sqrt(d)) v, with W zero at first.
    Slides L19, L24; Ho et al. 2020, appendix B; Nichol et al. 2022, section 3.1.

    With context_width, it also attends to the words of a caption: their features give further keys and values, next to
    those of the pixels, so each pixel weighs words against pixels in one softmax.
    """

    def __init__(self, channels: int, groups: int, heads: int, context_width: int | None = None):
        super().__init__()
        self.heads = heads
        self.norm = Norm(groups, channels, eps=1e-6)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.words = nn.Linear(context_width, 2 * channels) if context_width is not None else None
        self.out = zero(nn.Linear(channels, channels))

    def forward(
        self, x: Float[Tensor, "b c h w"], emb: Tensor | None = None, context: Context | None = None
    ) -> Float[Tensor, "b c h w"]:
        b, c, h, w = x.shape
        seen = attend(*self._asked(x, context))  # (b, heads, hw, c / heads)
        seen = self.out(seen.transpose(1, 2).reshape(b, h * w, c))
        return x + seen.mT.reshape(b, c, h, w)

    def weights(self, x: Float[Tensor, "b c h w"], context: Context | None = None) -> Float[Tensor, "b heads hw places"]:
        """What each pixel looks at, in shares that add up to 1: first the words, if there are any, then the pixels."""
        q, k, _, mask = self._asked(x, context)
        return shares(q, k, mask)

    def _asked(self, x: Tensor, context: Context | None) -> Asked:
        return asked(self.norm(x).flatten(2).mT, self.qkv, self.words, self.heads, context)


class Downsample(nn.Conv2d):
    """Halves the size by a convolution of stride 2, padded at the right and the bottom only, as in the code of DDPM."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, 3, stride=2)

    def forward(
        self, x: Float[Tensor, "b c h w"], emb: Tensor | None = None, context: Context | None = None
    ) -> Float[Tensor, "b c h/2 w/2"]:
        return super().forward(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Conv2d):
    """Doubles the size: repeats each pixel four times, then applies a convolution."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, 3, padding=1)

    def forward(
        self, x: Float[Tensor, "b c h w"], emb: Tensor | None = None, context: Context | None = None
    ) -> Float[Tensor, "b c 2*h 2*w"]:
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def zero(layer: nn.Module) -> nn.Module:
    """The layer, with all its parameters set to 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
