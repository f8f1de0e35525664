"""The autoencoder of latent diffusion (Rombach et al. 2022): pictures become small latents, in which a diffusion works, and
latents become pictures. The encoder is that of a variational autoencoder (Kingma & Welling 2014)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..machine import distributed
from ..machine.precision import autocast
from ..maths.gaussian import kl
from ..maths.schedule import require_floating
from .blocks import Downsample, Norm, ResBlock, Upsample
from .resnet import require_shape

FOLLOWED = 0.01  # the share of each training batch in the statistics of the latents
LOG_VAR = (-30.0, 20.0)  # the range of a log-variance, as in the code of Rombach et al.


class Encoding(NamedTuple):
    """What the encoder says of a picture: a Gaussian over its latents, q(z | x) = N(mean, exp(log_var)).
    Kingma & Welling 2014, eq. 9."""

    mean: Float[Tensor, "b c h w"]
    log_var: Float[Tensor, "b c h w"]

    def sample(self, z: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """mean + std z, with z from N(0, I). Kingma & Welling 2014, section 2.4."""
        return self.mean + (0.5 * self.log_var).exp() * z

    def kl(self) -> Float[Tensor, " b"]:
        """KL(q(z | x) || N(0, I)) in nats, summed over the latents of each picture. Kingma & Welling 2014, appendix B."""
        zero = torch.zeros((), dtype=self.mean.dtype, device=self.mean.device)
        return kl(self.mean, self.log_var.exp(), zero, zero + 1).flatten(1).sum(1)


class Autoencoder(nn.Module):
    """Pictures (B, channels, size, size) to latents (B, latent, size / f, size / f) and back, f = patch 2^(levels - 1).
    Rombach et al. 2022, section 3.1; Kingma & Welling 2014, section 3.

    latent     channels of the latents
    width      channels of the first level; level i has width * mults[i], and half the size of the one before
    depth      residual blocks per level of the encoder (one more in the decoder)
    groups     GroupNorm groups
    patch      the side of the squares of pixels that count as one pixel inside, with all their channels

    A diffusion works best on numbers of variance 1. So the network keeps the mean and the variance of each channel of the
    latents, which follow the training batches; `scaled` and `unscaled` convert. ValueError for sizes that do not fit.
    """

    precision: torch.dtype | None = None  # set by `device.place`
    latent_mean: Tensor
    latent_var: Tensor

    def __init__(
        self,
        size: int,
        channels: int,
        latent: int,
        width: int,
        mults: Sequence[int] = (1, 2),
        depth: int = 1,
        groups: int = 8,
        patch: int = 1,
    ):
        super().__init__()
        factor = patch * 2 ** (len(mults) - 1)
        if size % factor:
            raise ValueError(f"A {size} x {size} picture cannot be made {factor} times smaller.")
        if any(width * mult % groups for mult in mults):
            raise ValueError(f"The channels, {[width * m for m in mults]}, must be multiples of groups = {groups}.")
        self.shape, self.latents = (channels, size, size), (latent, size // factor, size // factor)
        self.patch = patch

        def level(c: int, to: int, count: int) -> list[nn.Module]:
            return [ResBlock(to if i else c, to, None, groups, dropout=0.0) for i in range(count)]

        c = width
        down: list[nn.Module] = [nn.Conv2d(channels * patch**2, width, 3, padding=1)]
        for i, mult in enumerate(mults):
            down += [*([Downsample(c)] if i else []), *level(c, width * mult, depth)]
            c = width * mult
        self.down = nn.ModuleList([*down, Norm(groups, c, eps=1e-6), nn.SiLU(), nn.Conv2d(c, 2 * latent, 3, padding=1)])
        up: list[nn.Module] = [nn.Conv2d(latent, c, 3, padding=1)]
        for i, mult in reversed(list(enumerate(mults))):
            up += [*level(c, width * mult, depth + 1), *([Upsample(width * mult)] if i else [])]
            c = width * mult
        self.up = nn.ModuleList([*up, Norm(groups, c, eps=1e-6), nn.SiLU(), nn.Conv2d(c, channels * patch**2, 3, padding=1)])
        self.register_buffer("latent_mean", torch.zeros(latent))
        self.register_buffer("latent_var", torch.ones(latent))

    def encode(self, pictures: Float[Tensor, "b c h w"]) -> Encoding:
        """The Gaussian over the latents of each picture, as the encoder gives them: see `scaled`."""
        require_floating(pictures=pictures)
        require_shape(pictures, self.shape)
        with autocast(pictures.device, self.precision):
            mean, log_var = _through(self.down, F.pixel_unshuffle(pictures, self.patch)).to(pictures.dtype).chunk(2, dim=1)
        return Encoding(mean, log_var.clamp(*LOG_VAR))

    def decode(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c_out H W"]:
        """A picture from each of the encoder's latents."""
        require_floating(latents=latents)
        if tuple(latents.shape[1:]) != self.latents:
            raise ValueError(
                f"This network decodes latents of shape (B, {', '.join(map(str, self.latents))}), not {tuple(latents.shape)}."
            )
        with autocast(latents.device, self.precision):
            return F.pixel_shuffle(_through(self.up, latents), self.patch).to(latents.dtype)

    def scaled(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The latents with mean 0 and variance 1 in each channel. Rombach et al. 2022, appendix G."""
        return (latents - self.latent_mean[:, None, None]) / self.latent_var[:, None, None].sqrt()

    def unscaled(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The inverse of `scaled`. Rombach et al. 2022, appendix G."""
        return latents * self.latent_var[:, None, None].sqrt() + self.latent_mean[:, None, None]

    def forward(
        self, pictures: Float[Tensor, "b c H W"], z: Float[Tensor, "b k h w"]
    ) -> tuple[Float[Tensor, "b c H W"], Encoding]:
        """The pictures, decoded from latents drawn with z from N(0, I), and what the encoder said of them."""
        encoding = self.encode(pictures)
        if self.training:
            self._follow(encoding.mean)
        return self.decode(encoding.sample(z)), encoding

    @torch.no_grad()
    def _follow(self, latents: Tensor) -> None:
        """Let the statistics of the latents follow those of a batch."""
        mean, power = distributed.mean(torch.stack([each.float().mean((0, 2, 3)) for each in (latents, latents.square())]))
        self.latent_mean.lerp_(mean, FOLLOWED)
        self.latent_var.lerp_(power - mean.square(), FOLLOWED)


def _through(layers: nn.ModuleList, h: Tensor) -> Tensor:
    """A picture through layers of all kinds."""
    for layer in layers:
        h = layer(h, None) if isinstance(layer, ResBlock) else layer(h)
    return h
