"""The model that turns pictures into latents and back: the first stage of latent diffusion."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..maths.checks import require_finite, require_pictures
from ..networks.autoencoder import Autoencoder
from .model import Trained


class AutoencoderModel(Trained):
    """A model that turns pictures into latents of mean 0 and variance 1, and latents into pictures."""

    net: Autoencoder

    @torch.no_grad()
    def encode(self, pictures: Float[Tensor, "n c H W"]) -> Float[Tensor, "n k h w"]:
        """The latents of pictures in [-1, 1], on its device: the means that the encoder gives, scaled to variance 1. ValueError
        for another range or size."""
        require_pictures(pictures=pictures)
        return self.net.scaled(self.net.encode(pictures.to(self.device)).mean)

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "n k h w"]) -> Float[Tensor, "n c H W"]:
        """The pictures of latents, in [-1, 1], on its device. ValueError for numbers that are not finite, and another shape."""
        require_finite(latents=latents)
        return self.net.decode(self.net.unscaled(latents.to(self.device))).clamp(-1, 1)
