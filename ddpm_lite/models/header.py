"""What the header of a weight file must contain before a model is built from it or its training continues."""

import json
from pathlib import Path
from typing import Any

import torch

from ..machine.weights import is_number, is_whole, refusal, require, require_fit
from . import presets, recipe

# These arguments of a network may differ from its preset's; the data and other models rely on the others.
INSIDE = {f"{of}{each}" for of in ("", "text_", "image_") for each in ("width", "depth", "heads")}
INSIDE |= {"mults", "attention", "groups", "patch"}


def check(config: dict[str, Any], source: str | Path, of_run: bool = False) -> None:
    """ValueError, in one sentence, unless a model of this version can be built from this header.

    of_run   also require what is needed to continue the training and to write its card
    """
    require(config, source, "name", "net")
    name = config["name"]
    if not isinstance(name, str) or name not in presets.PRESETS:
        known = ", ".join(presets.PRESETS)
        raise ValueError(f"{source} holds a model called {repr(name)[:60]}, which is not known here: the known ones are {known}.")
    preset = presets.PRESETS[name]
    needed = ["made", "step", "steps", "seconds", *(each for each in ("loss",) if each in preset)] if of_run else []
    needed += ["schedule"] if "schedule" in preset else []
    needed += ["words"] if {"length", "caption"} & preset["net"].keys() else []
    needed += ["pictures"] if preset["data"] == "folder" else []
    require(config, source, *needed)
    fits = {
        "net": lambda net: _net(net, preset),
        "schedule": _schedule,
        "words": lambda words: isinstance(words, list) and all(isinstance(word, str) for word in words),
        "loss": lambda loss: (
            isinstance(loss, dict) and loss.keys() == preset["loss"].keys() and all(map(is_number, loss.values()))
        ),
        "clip": lambda clip: isinstance(clip, str),
        "made": _made,
        "pictures": _pictures,
        "step": is_whole,
        "steps": lambda steps: steps is None or is_whole(steps, 1),
        "seconds": is_number,
    }
    require_fit(config, source, {entry: fit for entry, fit in fits.items() if entry in config})
    try:
        with torch.device("meta"):  # the shapes alone, which take no memory
            recipe.build(config)
        if "schedule" in config:
            recipe.make_schedule(config)
    except Exception as error:  # arguments that do not fit each other raise errors of many kinds
        raise refusal(source, str(error)) from error


def _net(net: Any, preset: dict[str, Any]) -> bool:
    free = INSIDE | ({"size"} if preset["data"] == "folder" else set())
    return isinstance(net, dict) and _wholes(net) and _form(net, free) == _form(json.loads(json.dumps(preset["net"])), free)


def _wholes(value: Any) -> bool:
    """Are these whole numbers, lists of them, and dictionaries of both?"""
    if isinstance(value, dict):
        return all(map(_wholes, value.values()))
    return all(isinstance(each, int) and each >= 1 for each in (value if isinstance(value, list) else [value]))  # noisy: True


def _form(net: dict[str, Any], free: set[str]) -> dict[str, Any]:
    """The arguments; for those that are free, their type only."""
    return {k: _form(v, free) if isinstance(v, dict) else v if k not in free else type(v) for k, v in net.items()}


def _numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_number, value.values()))


def _schedule(schedule: Any) -> bool:
    return isinstance(schedule, dict) and schedule.get("kind") in ("linear", "cosine") and is_whole(schedule.get("T"), 1, 10**6)


def _made(made: Any) -> bool:
    return (
        isinstance(made, dict)
        and is_whole(made.get("seed"))
        and is_whole(made.get("batch_size"), 1)
        and ("steps" in made) != ("minutes" in made)
        and all(is_number(made[each]) for each in ("steps", "minutes", "lr", "weight_decay") if each in made)
    )


def _pictures(pictures: Any) -> bool:
    return isinstance(pictures, dict) and isinstance(pictures.get("path"), str) and is_whole(pictures.get("size"), 1)
