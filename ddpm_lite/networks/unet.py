"""The U-Net of Ho et al. 2020 (appendix B), which predicts the noise in a picture.

Pictures go down through levels, each of half the size, then up again; every block on the way up also reads the output of
the block of the same size on the way down. Time (and condition) enters every residual block, and the words of a
caption every attention block.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..machine.precision import autocast
from ..maths.schedule import require_floating
from .attention import attend
from .caption import Caption, Context
from .layers import Condition


class Norm(nn.GroupNorm):
    """GroupNorm, always computed in float32: in bf16 it is less exact and, on a CPU, several times slower.
    The result is cast back to the dtype of the input, so that the next layers move half as much memory."""

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x.float(), self.num_groups, self.weight, self.bias, self.eps).to(x.dtype)


class ResBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x))) + emb))), the second convolution zero at first, so a block starts as x.
    Slide L19; Ho et al. 2020, appendix B."""

    def __init__(self, channels_in: int, channels_out: int, emb_dim: int, groups: int, dropout: float):
        super().__init__()
        self.norm_1 = Norm(groups, channels_in, eps=1e-6)
        self.conv_1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.emb = nn.Linear(emb_dim, channels_out)
        self.norm_2 = Norm(groups, channels_out, eps=1e-6)
        self.dropout = nn.Dropout(dropout)
        self.conv_2 = zero(nn.Conv2d(channels_out, channels_out, 3, padding=1))
        self.skip = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()

    def forward(
        self, x: Float[Tensor, "b c_in h w"], emb: Float[Tensor, "b e"], context: Context | None = None
    ) -> Float[Tensor, "b c_out h w"]:
        h = self.conv_1(F.silu(self.norm_1(x)))
        h = h + self.emb(emb)[:, :, None, None]
        h = self.conv_2(self.dropout(F.silu(self.norm_2(h))))
        return self.skip(x) + h


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
        pixels = self.norm(x).flatten(2).mT  # (b, hw, c)
        q, k, v = self.qkv(pixels).reshape(b, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mask = None
        if self.words is not None:
            assert context is not None, "a network with captions makes a Context at each call"
            words = self.words(context.features)
            k_words, v_words = words.reshape(b, -1, 2, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
            k, v = torch.cat([k_words, k], dim=2), torch.cat([v_words, v], dim=2)
            mask = F.pad(context.visible, (0, h * w), value=True)[:, None, None]  # all pixels are visible
        seen = attend(q, k, v, mask)  # (b, heads, hw, c / heads)
        seen = self.out(seen.transpose(1, 2).reshape(b, h * w, c))
        return x + seen.mT.reshape(b, c, h, w)


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


class UNet(nn.Module):
    """eps_theta(x_t, t, c) for pictures (B, channels, size, size), t (B,) steps, c a condition or None.
    Slides L19, L24, L25; Ho et al. 2020, appendix B; Hoogeboom et al. 2023, section 3.3.

    width      channels at full size; level i has width * mults[i]
    depth      residual blocks per level on the way down (one more on the way up)
    attention  the sizes, in pixels, at which self-attention follows each residual block (default 16, where a level has that
               size); in the middle there is always one
    heads, groups, dropout   attention heads, GroupNorm groups, dropout rate
    num_classes or cond_dim  class labels or vectors as condition: see `layers.Condition`
    caption    captions as condition, cond = tokens (B, length): {"vocabulary", "length", "width", "depth", "heads"} of
               `caption.Caption`
    extra      channels of a picture that is given with x_t, as further channels of the input: see `with_channels`
    patch      the side of the squares of pixels that count as one pixel inside, with all their channels; also for `attention`

    ValueError for sizes that do not fit together, and for inputs of another shape.
    """

    precision: torch.dtype | None = None  # set by `device.place`

    def __init__(
        self,
        size: int,
        channels: int,
        width: int,
        mults: Sequence[int] = (1, 2, 2, 2),
        depth: int = 2,
        attention: Sequence[int] | None = None,
        heads: int = 1,
        groups: int = 32,
        dropout: float = 0.0,
        num_classes: int | None = None,
        cond_dim: int | None = None,
        caption: dict[str, int] | None = None,
        extra: int = 0,
        patch: int = 1,
    ):
        super().__init__()
        if caption is not None and (num_classes is not None or cond_dim is not None):
            raise ValueError("A U-Net takes captions (caption) or labels or vectors (num_classes, cond_dim), not both.")
        if size % patch:
            raise ValueError(f"A {size} x {size} picture cannot be cut into patches of {patch} x {patch} pixels.")
        self.shape, self.extra, self.patch = (channels, size, size), extra, patch
        size //= patch
        if size % 2 ** (len(mults) - 1):
            raise ValueError(
                f"A {size} x {size} picture cannot be halved {len(mults) - 1} times: use fewer mults or another size."
            )
        sizes = [size >> i for i in range(len(mults))]
        if absent := set(attention or ()) - set(sizes):
            raise ValueError(f"There is no level of {min(absent)} pixels for attention: the levels have {sizes}.")
        attention = (16,) if attention is None else attention
        if any(width * m % groups or width * m % heads for m in mults):
            raise ValueError(
                f"The channels, {[width * m for m in mults]}, must be multiples of groups = {groups} and of heads = {heads}."
            )
        self.null_label = num_classes
        emb_dim = 4 * width
        self.condition = Condition(width, emb_dim, num_classes, cond_dim)
        self.caption = Caption(**caption, dim=emb_dim) if caption is not None else None
        words = caption["width"] if caption is not None else None

        def level(blocks: list[tuple[int, int]], pixels: int) -> list[nn.Module]:
            layers: list[nn.Module] = []
            for c_in, c_out in blocks:
                layers.append(ResBlock(c_in, c_out, emb_dim, groups, dropout))
                if pixels in attention:
                    layers.append(Attention(c_out, groups, heads, words))
            return layers

        # The way down. `left` lists the channels of every result that the way up will read, the last one first.
        self.first = nn.Conv2d((channels + extra) * patch**2, width, 3, padding=1)
        self.down, left, c = nn.ModuleList(), [width], width
        for i, mult in enumerate(mults):
            for _ in range(depth):
                self.down.append(nn.ModuleList(level([(c, width * mult)], size >> i)))
                c = width * mult
                left.append(c)
            if i < len(mults) - 1:
                self.down.append(nn.ModuleList([Downsample(c)]))
                left.append(c)

        self.middle = nn.ModuleList(
            [
                ResBlock(c, c, emb_dim, groups, dropout),
                Attention(c, groups, heads, words),
                ResBlock(c, c, emb_dim, groups, dropout),
            ]
        )

        self.up = nn.ModuleList()
        for i, mult in reversed(list(enumerate(mults))):
            for j in range(depth + 1):
                layers = level([(c + left.pop(), width * mult)], size >> i)
                c = width * mult
                if j == depth and i > 0:
                    layers.append(Upsample(c))
                self.up.append(nn.ModuleList(layers))
        self.last_norm = Norm(groups, c, eps=1e-6)
        self.last = zero(nn.Conv2d(c, channels * patch**2, 3, padding=1))

    def forward(
        self, x_t: Float[Tensor, "b c_in h w"], t: Int[Tensor, " b"], cond: Tensor | None = None
    ) -> Float[Tensor, "b c h w"]:
        require_floating(x_t=x_t)
        channels, *sides = self.shape
        if tuple(x_t.shape[1:]) != (channels + self.extra, *sides):
            wanted = ", ".join(map(str, (channels + self.extra, *sides)))
            more = f", of which the last {self.extra} channels are given with x_t" if self.extra else ""
            raise ValueError(f"This network takes pictures of shape (B, {wanted}){more}, not {tuple(x_t.shape)}.")
        with autocast(x_t.device, self.precision):
            if self.caption is None:
                emb, context = self.condition(t, cond), None
            else:
                emb, context = self.caption(cond, len(t))
                emb = emb + self.condition(t)
            emb = F.silu(emb)
            h = self.first(F.pixel_unshuffle(x_t, self.patch))
            left = [h]
            for layers in self.down:
                for layer in layers.children():
                    h = layer(h, emb, context)
                left.append(h)
            for layer in self.middle:
                h = layer(h, emb, context)
            for layers in self.up:
                h = torch.cat([h, left.pop()], dim=1)
                for layer in layers.children():
                    h = layer(h, emb, context)
            return F.pixel_shuffle(self.last(F.silu(self.last_norm(h))), self.patch).to(x_t.dtype)


def zero(layer: nn.Module) -> nn.Module:
    """The layer, with all its parameters set to 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


CIFAR10 = {"size": 32, "channels": 3, "width": 128, "mults": (1, 2, 2, 2), "depth": 2, "attention": (16,), "dropout": 0.1}
"""The arguments of DDPM's network for CIFAR-10: 35,746,307 parameters, as the checkpoint google/ddpm-cifar10-32."""
