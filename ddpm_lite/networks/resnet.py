"""CLIP's other encoder of pictures: a residual network of convolutions."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..maths.schedule import require_floating
from .blocks import Downsample, Norm, ResBlock
from .layers import Condition

GROUPS = 8  # of channels, over which it normalises


class ResNet(nn.Module):
    """Pictures to features: the way down of a U-Net, and one linear map of what is at its end.
    Slide L23; He et al. 2016, section 3.1; Radford et al. 2021, section 2.4.

    width, mults, depth  channels of level i are width * mults[i], with `depth` residual blocks; each level has half the size
    noisy                each block also reads the time t, so that the network can read a noisy x_t

    Convolutions know beforehand that neighbouring pixels belong together, so with few pictures they learn sooner than a Vision
    Transformer. Where OpenAI's ResNets pool by attention and normalise over the batch, this network, of few places, reads all of
    them by one map and normalises over groups of channels. ValueError for sizes that do not fit.
    """

    def __init__(
        self,
        size: int,
        channels: int,
        width: int,
        mults: Sequence[int],
        depth: int,
        dim: int,
        noisy: bool = False,
    ):
        super().__init__()
        if size % 2 ** (len(mults) - 1):
            raise ValueError(f"A {size} x {size} picture cannot be halved {len(mults) - 1} times.")
        if width % GROUPS:
            raise ValueError(f"width = {width} must be divisible by groups = {GROUPS}.")
        self.shape = (channels, size, size)
        self.time = Condition(width, width) if noisy else None
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks, c = nn.ModuleList(), width
        for level, mult in enumerate(mults):
            if level:
                self.blocks.append(Downsample(c))
            for _ in range(depth):
                self.blocks.append(ResBlock(c, width * mult, width if noisy else None, GROUPS, dropout=0.0))
                c = width * mult
        self.norm = Norm(GROUPS, c, eps=1e-6)
        self.projection = nn.Linear(c * (size >> (len(mults) - 1)) ** 2, dim, bias=False)

    def forward(self, pictures: Float[Tensor, "b c h w"], t: Int[Tensor, " b"] | None = None) -> Float[Tensor, "b dim"]:
        require_floating(pictures=pictures)
        require_shape(pictures, self.shape)
        require_time(t, noisy=self.time is not None)
        emb = None if self.time is None else self.time(t)
        h = self.first(pictures)
        for block in self.blocks:
            h = block(h, emb)
        return self.projection(F.silu(self.norm(h)).flatten(1))


def require_shape(pictures: Tensor, shape: tuple[int, ...]) -> None:
    """ValueError for pictures of another shape than an encoder was built for."""
    if tuple(pictures.shape[1:]) != shape:
        raise ValueError(f"This network takes pictures of shape (B, {', '.join(map(str, shape))}), not {tuple(pictures.shape)}.")


def require_time(t: Tensor | None, noisy: bool) -> None:
    """ValueError if an encoder of noisy pictures is given no t, or one of clean pictures is given one."""
    if (t is not None) != noisy:
        need = "was built for noisy pictures and needs t" if noisy else "takes no t: noisy=True builds one that does"
        raise ValueError(f"This CLIP {need}.")
