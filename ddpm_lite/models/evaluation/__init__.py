"""How good is a model? Its numbers, the curves of its card, and how it is shipped. Each kind of model has a file here."""

import json
from types import ModuleType

from ...machine import distributed, weights
from .. import header, presets, trained
from ..unclip import Chain
from . import chains, clips, digits, edits, priors, texts, upsampler
from .digits import features, frechet_to_real, judge, real_halves, recognise

__all__ = ["MEANING", "features", "frechet_to_real", "judge", "real_halves", "recognise", "score", "ship"]

# Which file judges a model.
JUDGES = {
    "digits": digits,
    "digits-classifier": digits,
    "clip-shapes": clips,
    "clip-emoji": clips,
    "clip-emoji-noisy": clips,
    "judge-emoji": clips,
    "glide-shapes": texts,
    "glide-emoji": texts,
    "upsampler-emoji": upsampler,
    "inpaint-shapes": edits,
    "inpaint-emoji": edits,
    "prior-shapes": priors,
    "prior-emoji": priors,
    "decoder-shapes": texts,
    "decoder-emoji": texts,
    "unclip-shapes": chains,
    "unclip-emoji": chains,
}
SEEDLESS = {"digits-classifier", "clip-emoji", "clip-emoji-noisy", "judge-emoji"}  # judged on pictures that are always the same
MEANING = digits.MEANING | clips.MEANING | texts.MEANING | upsampler.MEANING | edits.MEANING | priors.MEANING | chains.MEANING
DATA = {
    "digits": "load_digits of scikit-learn: the 1,437 training digits of ddpm_lite.data.digits (UCI, CC BY 4.0)",
    "emoji": "the 1,816 training emoji of ddpm_lite.data.emoji (Noto Emoji, Apache 2.0)",
    "shape": "20,000 drawings of one shape by ddpm_lite.data.shapes, none of a held-out combination",
    "shapes": "20,000 drawings of one shape and 20,000 of two by ddpm_lite.data, none of a held-out combination",
}


def _judge(name: str) -> ModuleType:
    if name not in JUDGES:
        raise ValueError(f"{name} cannot be scored: there is no judge for pictures of your own.")
    return JUDGES[name]


def score(model: trained.Trained | Chain, seed: int | None = None) -> dict[str, float]:
    """The numbers of a model, with the keys of MEANING. ValueError for a model that nothing here can judge, and for a seed
    (default 0) where nothing is drawn."""
    if seed is not None and model.name in SEEDLESS:
        raise ValueError(f"Scoring {model.name} draws nothing, so a seed has no effect: leave it out.")
    seed = 0 if seed is None else seed
    return _judge(model.name).score(model, seed)


def ship(model: trained.Trained | Chain, seed: int | None = None) -> dict:
    """Write the model into the package: its averaged weights in bf16, and its card beside them; returns the card. A chain has
    only a card, since its models are shipped separately.

    What is scored is what is shipped: the weights after rounding to bf16. The card counts the steps that were taken, and also
    gives the number planned if that is larger. ValueError for a model that is not from a run, or that nothing here can judge.
    """
    if isinstance(model, Chain):
        return _write({"name": model.name, **chains.made_of(model), "scores": score(model, seed), "curves": chains.curves(model)})
    _judge(model.name)
    header.check(model.config, model.name, of_run=True)
    for parameter in model.net.parameters():
        parameter.copy_(parameter.bfloat16())
    chosen = presets.preset(model.name)
    card = {"name": model.name, "about": chosen["about"], **model.config["made"]}
    steps, planned = model.config["step"], model.config["steps"]
    card |= {"steps": steps, "pictures": steps * card["batch_size"], "minutes": model.config["seconds"] / 60}
    if steps != planned:  # None if the run was to last some minutes and ended while the first steps were timed
        card["planned_steps"] = planned
    card |= {"data": DATA[chosen["data"]]}
    card |= {"parameters": sum(p.numel() for p in model.net.parameters()), "scores": score(model, seed)}
    curves = getattr(_judge(model.name), "curves", None)  # a kind of model without curves has no such function
    if rows := curves and curves(model):
        card["curves"] = rows
    if distributed.rank() == 0:
        trained.ASSETS.mkdir(parents=True, exist_ok=True)
        config = {k: model.config[k] for k in ("name", "net", "schedule", "words", "clip") if k in model.config}
        tensors = {k: v.bfloat16() for k, v in model.net.state_dict().items()}
        weights.save(trained.ASSETS / f"{model.name}.safetensors", tensors, config)
    return _write(card)


def _write(card: dict) -> dict:
    """Put a card into the package."""
    if distributed.rank() == 0:
        weights.write_atomically(trained.ASSETS / f"{card['name']}.json", (json.dumps(_rounded(card), indent=2) + "\n").encode())
    return card


def _rounded(value):
    """Numbers to 4 significant digits: the rest is noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value
