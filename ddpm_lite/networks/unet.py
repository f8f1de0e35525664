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
from .blocks import Attention, Downsample, Norm, ResBlock, Upsample, zero
from .caption import Caption
from .layers import Condition


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
    residual   whether the last `channels` of those are added to the output, so that the network only predicts what differs from
               them: for an upsampler that predicts x0
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
        residual: bool = False,
        patch: int = 1,
    ):
        super().__init__()
        if caption is not None and (num_classes is not None or cond_dim is not None):
            raise ValueError("A U-Net takes captions (caption) or labels or vectors (num_classes, cond_dim), not both.")
        if size % patch:
            raise ValueError(f"A {size} x {size} picture cannot be cut into patches of {patch} x {patch} pixels.")
        if residual and extra < channels:
            raise ValueError(f"residual adds {channels} given channels to the output, but extra = {extra}: give as many.")
        self.shape, self.extra, self.patch, self.residual = (channels, size, size), extra, patch, residual
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
            out = F.pixel_shuffle(self.last(F.silu(self.last_norm(h))), self.patch).to(x_t.dtype)
            return out + x_t[:, -channels:] if self.residual else out


CIFAR10 = {"size": 32, "channels": 3, "width": 128, "mults": (1, 2, 2, 2), "depth": 2, "attention": (16,), "dropout": 0.1}
"""The arguments of DDPM's network for CIFAR-10: 35,746,307 parameters, as the checkpoint google/ddpm-cifar10-32."""
