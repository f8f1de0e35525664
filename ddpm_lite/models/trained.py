"""The trained models: the shipped ones with their cards, loaded by the name of their preset, and your own runs, loaded
by their folder (`python -m ddpm_lite train NAME --out FOLDER`)."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, Literal, overload

import torch
from torch import nn

from ..machine import weights
from ..machine.device import choose_device, place
from .autoencoding import AutoencoderModel
from .header import read_made, read_recipe
from .kinds import MODELS, ClassifierModel, ClipModel, LatentModel
from .model import Trained
from .presets import PRESETS, unknown
from .recipe import Recipe

ASSETS = Path(__file__).parents[1] / "assets" / "weights"
CHECKPOINT = "checkpoint.safetensors"
AUTOENCODER = "autoencoder.safetensors"  # beside the checkpoint, of a run in the latents of an autoencoder of your own


ClipName = Literal["clip-shapes", "clip-emoji", "judge-emoji", "clip-emoji-noisy"]


@overload
def load(name: ClipName, device: str | torch.device = "auto") -> ClipModel: ...


@overload
def load(name: str | Path, device: str | torch.device = "auto") -> Trained: ...


def load(name: str | Path, device: str | torch.device = "auto") -> Trained:
    """A shipped model by its name, or a run by its folder, ready to use: its averaged weights, in eval mode, on the device.
    Its class is that of its kind in the table MODELS.

    FileNotFoundError or ValueError, in one sentence, for a model that is missing or damaged.
    """
    device = choose_device(device) if isinstance(device, str) else device
    made = None
    if str(name) in PRESETS:  # a folder of the same name in the working directory is ./NAME instead
        file = ASSETS / f"{name}.safetensors"
        if not file.is_file():
            raise FileNotFoundError(
                f"{name} comes without weights: train it ({_how_to_train(str(name))}) and give DIR in its place."
            )
        tensors, config = weights.load(file)
        recipe, card = read_recipe(config, file), read_card(str(name))
    elif not str(name) or not Path(name).is_dir():
        raise FileNotFoundError(unknown(str(name)))
    else:
        file, card = Path(name) / CHECKPOINT, {}
        tensors, config = weights.load(file)
        tensors = {k.removeprefix("ema."): v for k, v in tensors.items() if k.startswith("ema.")}
        recipe = read_recipe(config, file)
        made = read_made(config, file) if "recipe" in config else None
    model = MODELS[recipe.kind](recipe, _network(recipe, tensors, file, device), card, made)
    if isinstance(model, LatentModel):
        model.autoencoder = _autoencoder(recipe, file, device)
    return model


def _how_to_train(name: str) -> str:
    """What to type to train a preset."""
    recipe = PRESETS[name]
    own = " --data PICTURES" * (recipe.data == "folder")
    own += " --autoencoder RUN" * has_own_autoencoder(recipe)
    return f"python -m ddpm_lite train {name}{own} --out DIR"


def _network(recipe: Recipe, tensors: dict[str, torch.Tensor], file: Path, device: torch.device) -> nn.Module:
    """The network of a recipe with these weights, ready to use."""
    net = recipe.build()
    weights.fill(net, tensors, str(file))
    return place(net.eval().requires_grad_(False), device)


def has_own_autoencoder(recipe: Recipe) -> bool:
    """Whether the latents of a recipe are those of an autoencoder that you have trained on pictures of your own.

    A run keeps a copy of it, so that nothing is lost when the run of the autoencoder is moved or trained again."""
    return recipe.autoencoder is not None and recipe.data == "folder"


def keep_autoencoder(model: AutoencoderModel, folder: Path) -> None:
    """Put a copy of an autoencoder into the folder of a run in its latents."""
    weights.save(folder / AUTOENCODER, dict(model.net.state_dict()), {"recipe": model.recipe.as_json()})


def kept_autoencoder(folder: Path, device: torch.device) -> AutoencoderModel:
    """The autoencoder that a run keeps. FileNotFoundError or ValueError if the copy is missing or damaged."""
    file = folder / AUTOENCODER
    tensors, config = weights.load(file)
    recipe = read_recipe(config, file)
    return AutoencoderModel(recipe, _network(recipe, tensors, file, device))


def _autoencoder(recipe: Recipe, file: Path, device: torch.device) -> AutoencoderModel:
    """The autoencoder in whose latents a model draws. ValueError if it was trained in those of another."""
    assert recipe.autoencoder is not None, "a recipe of this kind names one"
    found = kept_autoencoder(file.parent, device) if has_own_autoencoder(recipe) else load(recipe.autoencoder, device)
    if fingerprint(found.net) != recipe.autoencoder_weights:
        raise ValueError(
            f"{file} was not trained with this {recipe.autoencoder}, and the latents of another one mean nothing to it: "
            "train it again."
        )
    assert isinstance(found, AutoencoderModel)
    return found


def read_card(name: str) -> dict[str, Any]:
    """The card of a shipped model or chain. ValueError for one that is damaged or missing."""
    file = ASSETS / f"{name}.json"
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        card = None
    if not isinstance(card, dict):
        raise ValueError(f"{file} is damaged or missing: install ddpm_lite again.")
    return card


def fingerprint(net: nn.Module) -> str:
    """A hash of a network's weights, 16 characters. What works in embeddings or latents stores that of the CLIP or
    the autoencoder that gave them, since those of another mean nothing to it."""
    tensors = sorted(net.state_dict().items())
    return hashlib.sha256(b"".join(t.float().cpu().numpy().tobytes() for _, t in tensors)).hexdigest()[:16]


@overload
def shipped(name: ClipName) -> ClipModel: ...


@overload
def shipped(name: Literal["digits-classifier"]) -> ClassifierModel: ...


@overload
def shipped(name: str) -> Trained: ...


@cache
def shipped(name: str) -> Trained:
    """`load` on the CPU, cached, since the classifier is needed again and again."""
    return load(name, "cpu")
