"""The weights with which a training begins: fresh ones, or those of a shipped model, fitted to the new network."""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..machine import weights
from ..networks.autoencoder import Autoencoder
from ..networks.caption import reworded
from ..networks.channels import recoloured, widen
from ..networks.unet import UNet
from . import material
from .model import Trained
from .recipe import Recipe

LOOKED_AT = 256  # pictures, to find out what colours latents stand for


def begin(recipe: Recipe, model: nn.Module, parent: Trained | None, space: nn.Module | None) -> None:
    """Give the network of a recipe its first weights: those of `parent`, the model of `recipe.begin`, where there is one. A
    network for latents, which begins from one for small pictures, reads the colours out of them."""
    if parent is None:
        return
    begun = widen(parent.net.state_dict(), cast(UNet, model).extra)  # only U-Nets begin from another
    if parent.recipe.words != recipe.words:
        begun = reworded(begun, model.state_dict(), parent.recipe.words or (), recipe.words or ())
    if recipe.autoencoder != parent.recipe.autoencoder:
        begun = recoloured(begun, *colours(recipe, cast(Autoencoder, space)))
    weights.fill(model, model.state_dict() | begun, parent.name)


@torch.no_grad()
def colours(recipe: Recipe, autoencoder: Autoencoder) -> tuple[Float[Tensor, "c k"], Float[Tensor, "k c"]]:
    """The linear maps from scaled latents to the colours that they stand for, and back, by least squares over pictures that the
    recipe learns from. Constants are left out."""
    rows = material.training_data(recipe)
    assert callable(rows), "pictures of emoji are drawn anew"
    pictures = rows(LOOKED_AT, torch.Generator().manual_seed(0))[0].float() / 127.5 - 1
    latents = autoencoder.scaled(autoencoder.encode(pictures).mean)
    small = F.avg_pool2d(pictures, pictures.shape[-1] // latents.shape[-1])
    z, x = (each.movedim(1, -1).flatten(0, -2) for each in (latents, small))
    z, x = z - z.mean(0), x - x.mean(0)
    return torch.linalg.lstsq(z, x).solution.mT, torch.linalg.lstsq(x, z).solution.mT
