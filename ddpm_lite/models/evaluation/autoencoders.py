"""What is left of a picture that has been through an autoencoder, and what its latents are like."""

import math

import torch
import torch.nn.functional as F

from ..autoencoding import AutoencoderModel
from ..recipe import FACTOR
from . import exact
from .upsampler import frechet, psnr

COUNT, AT_ONCE = 400, 50  # scenes, and how many of them in one batch
MEANING = {
    "psnr_decoded": f"peak signal-to-noise ratio in decibels of {COUNT} scenes with a held-out pair, encoded and decoded again",
    "psnr_decoded_error": "the standard error of psnr_decoded over these scenes",
    "psnr_decoded_bicubic": "the yardstick: the same scenes made smaller, to the sides of the latents, and enlarged by bicubic "
    "interpolation",
    "frechet_decoded": "Frechet distance of details, squares of 16 x 16 of the 64 x 64 pixels, of those decoded pictures to "
    f"those of true pictures of other scenes, {COUNT // 2} scenes against {COUNT // 2}, in the 96 features of judge-emoji",
    "frechet_decoded_real": "the yardstick: the same between true pictures",
    "latent_std": "standard deviation of the latents of those scenes, by which a diffusion works, over all channels",
    "latent_noise": "the standard deviation that the encoder gives to a latent, beside that of the latents: root mean square",
    "latent_nats": "KL of the encoder's Gaussian to N(0, I), in nats a picture",
}


@torch.no_grad()
def score(model: AutoencoderModel, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`."""
    g = torch.Generator().manual_seed(seed)
    pictures = exact.true_pictures(exact.asked_of_each(True, COUNT, g), g, model.recipe.size)
    latents = torch.cat([model.encode(batch).cpu() for batch in pictures.split(AT_ONCE)])
    decoded = torch.cat([model.decode(batch).cpu() for batch in latents.split(AT_ONCE)])
    said = [model.net.encode(batch.to(model.device)) for batch in pictures.split(AT_ONCE)]
    noise = torch.cat([each.log_var.exp() / model.net.latent_var[:, None, None] for each in said])
    small = F.interpolate(F.avg_pool2d(pictures, FACTOR), scale_factor=FACTOR, mode="bicubic").clamp(-1, 1)
    errors = (decoded - pictures).square().flatten(1).mean(1).double()
    return {
        "psnr_decoded": psnr(decoded, pictures),
        # The derivative of 10 log10(m) is 10 / (m ln 10).
        "psnr_decoded_error": float(10 / math.log(10) * errors.std() / errors.mean() / len(errors) ** 0.5),
        "psnr_decoded_bicubic": psnr(small, pictures),
        "frechet_decoded": frechet(decoded, pictures),
        "frechet_decoded_real": frechet(pictures, pictures),
        "latent_std": float(latents.std()),
        "latent_noise": float(noise.mean().sqrt()),
        "latent_nats": float(torch.cat([each.kl() for each in said]).mean()),
    }
