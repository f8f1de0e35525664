"""What the header of a weight file must contain before a model is built from it or its training continues."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ..machine.weights import refusal, require, require_fit
from ..training.checkpoint import FITS as RUN
from . import presets
from .recipe import Recipe

# These arguments of a network may differ from its preset's; the data and other models rely on the others.
INSIDE = {f"{of}{each}" for of in ("", "text_", "image_") for each in ("width", "depth", "heads")}
INSIDE |= {"mults", "image_mults", "attention", "groups", "patch"}


@dataclass(frozen=True)
class Made:
    """What a checkpoint stores of its training beside its recipe: where it ran, by which command, the steps that were taken
    and planned (None while its minutes are still being timed), and the seconds they took."""

    machine: str
    command: str
    step: int
    steps: int | None
    seconds: float


FITS = {
    "machine": lambda machine: isinstance(machine, str),
    "command": lambda command: isinstance(command, str),
    **{name: RUN[name] for name in ("step", "steps", "seconds")},
}


def read_made(config: dict[str, Any], source: str | Path) -> Made:
    """What a checkpoint stores of its training. ValueError, in one sentence, if it lacks any of it."""
    require(config, source, "recipe", *FITS)
    require_fit(config, source, FITS)
    return Made(**{name: config[name] for name in FITS})


def read_recipe(config: dict[str, Any], source: str | Path) -> Recipe:
    """The recipe in a header. ValueError, in one sentence, unless a model of this version can be built from it."""
    stored = config["recipe"] if "recipe" in config else _completed(config, source)
    try:
        recipe = Recipe.from_json(stored)
    except ValueError as error:
        raise refusal(source, str(error)) from error
    preset = _preset(recipe.name, source)
    needed = {"words": recipe.reads, "pictures": recipe.data == "folder", "clip_weights": recipe.clip is not None}
    needed["autoencoder_weights"] = recipe.autoencoder is not None
    for name in (name for name, is_needed in needed.items() if is_needed and getattr(recipe, name) is None):
        require({}, source, name)
    for name in ("kind", "data", "clip", "autoencoder"):
        if getattr(recipe, name) != getattr(preset, name):
            raise refusal(source, f"{name} = {getattr(recipe, name)!r}, and that of {recipe.name} is {getattr(preset, name)!r}")
    free = INSIDE | ({"size"} if recipe.data == "folder" else set())
    if _form(recipe.network, free) != _form(preset.network, free):
        raise refusal(source, f"network = {str(dict(recipe.network))[:60]}... does not fit {recipe.name}")
    try:
        with torch.device("meta"), _Unfilled():  # the shapes alone, which take no memory
            recipe.build()
        if recipe.schedule is not None:
            recipe.make_schedule()
    except Exception as error:  # arguments that do not fit each other fail in all ways
        raise refusal(source, str(error)) from error
    return recipe


class _Unfilled(TorchFunctionMode):
    """Leaves out torch's initialisers: on `meta` they have no effect, but import torch's compiler, which takes a second."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def _completed(config: dict[str, Any], source: str | Path) -> dict[str, Any]:
    """The recipe of an older file, whose header has a name, a network, a schedule, words and a CLIP's fingerprint: the rest is
    its preset's. To be deleted when each shipped file has been replaced by one that holds its recipe."""
    require(config, source, "name", "net")
    own = {"network": config["net"], "clip_weights": config.get("clip")}
    own |= {name: config.get(name) for name in ("schedule", "words", "pictures")}
    preset = _preset(config["name"], source)
    own["target"] = "eps" if preset.target == "v" else preset.target  # when these were written, no network predicted v
    return preset.as_json() | own


def _preset(name: Any, source: str | Path) -> Recipe:
    """The preset of the name in a header. ValueError for an unknown one."""
    if not isinstance(name, str) or name not in presets.PRESETS:
        known = ", ".join(presets.PRESETS)
        raise ValueError(f"{source} holds a model called {repr(name)[:60]}, which is not known here: the known ones are {known}.")
    return presets.PRESETS[name]


def _form(network: Mapping[str, Any], free: set[str]) -> dict[str, Any]:
    """The arguments; for those that are free, their type only."""
    return {k: _form(v, free) if isinstance(v, Mapping) else v if k not in free else type(v) for k, v in network.items()}
