"""How good is a model? Its numbers, the curves of its card, and how it is shipped. Each kind of model has a file here."""

import json
from collections.abc import Sequence
from types import ModuleType
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ...machine import distributed, weights
from .. import trained
from ..kinds import ClassifierModel, TextModel
from ..model import Trained
from ..unclip import Chain
from . import autoencoders, chains, clips, composing, digits, edits, exact, few_steps, latents, priors, styles, texts, upsampler
from .digits import features, frechet_to_real, real_halves, recognise

__all__ = [
    "MEANING",
    "chains",
    "exact",
    "features",
    "frechet_to_real",
    "generated",
    "real_halves",
    "recognise",
    "release",
    "score",
    "study",
]

# Which file judges a model of this kind.
JUDGES = {
    "class-conditional": digits,
    "classifier": digits,
    "clip": clips,
    "text-conditional": texts,
    "decoder": composing,
    "inpainting": edits,
    "upsampling": upsampler,
    "prior": priors,
    "autoencoder": autoencoders,
    "latent": latents,
    "latent-transformer": latents,
    "few-steps": few_steps,
}
EMOJI = {"classifier": styles, "text-conditional": composing}  # of emoji, another one
MEANING = digits.MEANING | clips.MEANING | texts.MEANING | upsampler.MEANING | edits.MEANING | priors.MEANING | chains.MEANING
MEANING |= composing.MEANING | autoencoders.MEANING | latents.MEANING
DATA = {
    "digits": "8,000 digits of MNIST, the training part of ddpm_lite.data.digits (CC BY-SA 3.0)",
    "emoji": "scenes of ddpm_lite.data.grammar, drawn anew at each step: 1,624 things by six artists (Apache 2.0, CC BY "
    "4.0, MIT) with at most one change, without the pairs that are held out",
    "all-emoji": "the same with up to two changes, and with the pairs that are held out",
    "shape": "20,000 drawings of one shape by ddpm_lite.data.shapes, none of a held-out combination",
    "shapes": "20,000 drawings of one shape and 20,000 of two by ddpm_lite.data, none of a held-out combination",
}


STUDIES = trained.ASSETS.parent / "studies"


def study(name: str) -> list[dict[str, Any]]:
    """The rows of an experiment with several networks: "targets", "composing", "generators", "latents", "cost" or "few_steps",
    whose scripts are in tests/bench. ValueError for another name."""
    known = sorted(path.stem for path in STUDIES.glob("*.json"))
    if name not in known:
        raise ValueError(f"There is no study {name!r}: the known ones are {', '.join(known)}.")
    return json.loads((STUDIES / f"{name}.json").read_text(encoding="utf-8"))


def generated() -> dict[str, Float[Tensor, "n 3 16 16"]]:
    """What the three generators of the study "generators" drew at its end, as many pictures of each."""
    rows = study("generators")
    names = list(dict.fromkeys(row["name"] for row in rows if row["steps"]))
    with Image.open(STUDIES / "generators.png") as file:
        sheet = torch.from_numpy(np.asarray(file.convert("RGB")).copy()).permute(2, 0, 1) / 127.5 - 1
    pictures = sheet.unfold(1, 16, 16).unfold(2, 16, 16).permute(1, 2, 0, 3, 4).flatten(0, 1)
    return dict(zip(names, pictures.chunk(len(names)), strict=True))


def judge_of(model: Trained | Chain) -> ModuleType:
    """The file that judges a model. ValueError where there is none."""
    if isinstance(model, Chain):
        return chains
    if model.recipe.data == "folder":
        raise ValueError(f"{model.name} cannot be scored: there is no judge for pictures of your own.")
    if model.recipe.data == "emoji" and model.recipe.kind in EMOJI:
        return EMOJI[model.recipe.kind]
    return JUDGES[model.recipe.kind]


def draws_nothing(model: Trained | Chain) -> bool:
    """Whether it is judged by pictures that are always the same, so that no seed has an effect."""
    return isinstance(model, ClassifierModel) and model.recipe.data == "digits"


def score(model: Trained | Chain, seed: int | None = None) -> dict[str, float]:
    """The numbers of a model, with the keys of MEANING. ValueError for a model that nothing here can judge, and for a seed
    (default 0) where nothing is drawn."""
    judging = judge_of(model)
    if seed is not None and draws_nothing(model):
        raise ValueError(f"Scoring {model.name} draws nothing, so a seed has no effect: leave it out.")
    return judging.score(model, 0 if seed is None else seed)


def release(model: Trained | Chain, seed: int | None = None, earlier: Sequence[Trained] = ()) -> dict:
    """Write the model into the package: its averaged weights in bf16, and its card beside them; returns the card. A chain has
    only a card, since its models are shipped separately.

    What is scored is what is shipped: the weights after rounding to bf16. The card counts the steps that were taken, and also
    gives the number planned if that is larger. `earlier` are checkpoints of the same run, of a model that draws emoji: the card
    then has the curve of what it composes against the pictures seen. ValueError for a model that is not from a run, or that
    nothing here can judge, and for earlier checkpoints of another kind.
    """
    if earlier and judge_of(model) is not composing:
        raise ValueError(f"{model.name} has no curve against the pictures seen: leave the earlier checkpoints out.")
    if isinstance(model, Chain):
        return _write({"name": model.name, **chains.made_of(model), "scores": score(model, seed), "curves": chains.curves(model)})
    judging, recipe, made = judge_of(model), model.recipe, model.made
    if made is None:
        raise ValueError(f"{model.name} is not from a run: name the folder of one.")
    for each in earlier:
        if each.made is None or each.name != recipe.name:
            raise ValueError(f"An earlier checkpoint of {recipe.name} must be from a run of it, and one is of {each.name}.")
    for tensor in model.net.state_dict().values():
        tensor.copy_(tensor.bfloat16())
    training = recipe.training
    card = {"name": recipe.name, "about": recipe.about, "seed": training.seed, "batch_size": training.batch_size}
    card |= {"lr": training.lr, "weight_decay": training.weight_decay, "machine": made.machine, "command": made.command}
    card |= {"steps": made.step, "pictures": made.step * training.batch_size, "minutes": made.seconds / 60}
    if made.step != made.steps:  # None if the run was to last some minutes and ended while the first steps were timed
        card["planned_steps"] = made.steps
    card |= {"data": DATA[recipe.data]} | ({} if recipe.target is None else {"target": recipe.target})
    card |= {"parameters": sum(p.numel() for p in model.net.parameters()), "scores": score(model, seed)}
    curves = getattr(judging, "curves", None)  # a kind of model without curves has no such function
    rows = composing.progress([cast(TextModel, each) for each in (*earlier, model)]) if earlier else []
    if rows := rows + (curves(model) if curves else []):
        card["curves"] = rows
    if distributed.rank() == 0:
        trained.ASSETS.mkdir(parents=True, exist_ok=True)
        tensors = {k: v.bfloat16() for k, v in model.net.state_dict().items()}
        weights.save(trained.ASSETS / f"{model.name}.safetensors", tensors, {"recipe": recipe.as_json()})
    return _write(card)


def _write(card: dict) -> dict:
    """Put a card into the package."""
    if distributed.rank() == 0:
        weights.write_atomically(trained.ASSETS / f"{card['name']}.json", (json.dumps(_rounded(card), indent=2) + "\n").encode())
    return card


def _rounded(value: Any) -> Any:
    """Numbers to 4 significant digits: the rest is noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value
