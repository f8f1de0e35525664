"""What a training begins with beside its data: the model in whose embeddings or latents it works, and its first weights, fresh
ones or those of a shipped model, fitted to the new network."""

from dataclasses import replace
from pathlib import Path
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
from . import material, trained
from .autoencoding import AutoencoderModel
from .model import Trained
from .recipe import FACTOR, Recipe

LOOKED_AT = 256  # pictures, to find out what colours latents stand for


def space_of(preset: Recipe, run: Path, autoencoder: Path | None, size: int | None) -> Trained | None:
    """The model in whose embeddings or latents a preset works: a shipped one, the copy that the run keeps of an autoencoder of
    your own, or for a new run that autoencoder, by the folder of its run. ValueError for one that does not fit, or has no
    effect."""
    if not trained.has_own_autoencoder(preset):
        if autoencoder is not None:
            raise ValueError(f"{preset.name} takes no autoencoder of your own: leave --autoencoder out.")
        return None if preset.space is None else trained.load(preset.space, "cpu")
    if (run / trained.CHECKPOINT).exists():
        if autoencoder is not None:
            raise ValueError(f"{run} keeps a copy of its autoencoder: leave --autoencoder out.")
        return trained.kept_autoencoder(run, torch.device("cpu"))
    if autoencoder is None:
        raise ValueError(f"{preset.name} works in latents: train {preset.autoencoder} and give its folder with --autoencoder.")
    found = trained.load(autoencoder.resolve(), "cpu")
    if not isinstance(found, AutoencoderModel) or found.name != preset.autoencoder:
        raise ValueError(f"{autoencoder} holds a run of {found.name}, and {preset.name} needs one of {preset.autoencoder}.")
    if size not in (None, found.recipe.size):
        learnt = f"{found.recipe.size} x {found.recipe.size} pixels"
        raise ValueError(f"{autoencoder} learnt {learnt}, so --size {size} does not fit: leave it out.")
    return found


def sized(preset: Recipe, space: Trained | None) -> Recipe:
    """A preset in the latents of an autoencoder of your own learns pictures of the size that the autoencoder learnt."""
    if space is None or not trained.has_own_autoencoder(preset):
        return preset
    return replace(preset, network={**preset.network, "size": space.recipe.size // FACTOR})


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


def teacher_of(recipe: Recipe, parent: Trained | None) -> nn.Module | None:
    """The network that teaches a student of few steps: that of the model from which it begins. ValueError for one that knows
    other words."""
    if parent is None or recipe.kind != "few-steps":
        return None
    if parent.recipe.words != recipe.words:
        raise ValueError(f"{parent.name} knows other words than {recipe.name}, so it cannot teach it: train it again.")
    return parent.net


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
