"""The presets, each a dictionary of keyword arguments, and what follows from them: the network, its loss, its data."""

from functools import cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor, nn

from .batches import captioned, to_bytes, upsampling
from .data import digits, emoji, scenes, shapes
from .nets import Classifier
from .schedule import Schedule
from .tokenizer import Tokenizer
from .train import class_loss, eps_loss
from .unet import UNet

DRAWINGS = 20_000  # of one object, and as many of two, drawn once for a training

# The vocabulary of a network of captions is that of its data: `configure` stores the words beside the network.
CAPTION = {"length": 16, "width": 128, "depth": 2, "heads": 4}
GLIDE = {"size": 16, "channels": 3, "width": 32, "mults": [1, 2, 4], "depth": 1, "attention": [8, 4], "heads": 4, "groups": 8}

PRESETS: dict[str, dict[str, Any]] = {
    "digits": {
        "about": "draws handwritten digits, 8 x 8 pixels, by class",
        "data": "digits",
        "net": {
            "size": 8,
            "channels": 1,
            "width": 32,
            "mults": [1, 2],
            "depth": 1,
            "attention": [4],
            "groups": 8,
            "num_classes": 10,
        },
        "schedule": {"kind": "linear", "T": 1000},
        "train": {"batch_size": 128, "lr": 2e-3, "steps": 5000},
    },
    "digits-classifier": {
        "about": "tells digits apart; its 16 features are the space of the Frechet distance",
        "data": "digits",
        "net": {"size": 8, "channels": 1, "num_classes": 10},
        "train": {"batch_size": 128, "lr": 1e-3, "weight_decay": 0.05, "steps": 3000},
    },
    "glide-shapes": {
        "about": "draws one or two coloured shapes, 16 x 16 pixels, from captions",
        "data": "shapes",
        "net": {**GLIDE, "caption": CAPTION},
        "schedule": {"kind": "cosine", "T": 1000},
        "loss": {"drop": 0.1, "word_drop": 0.05},
        "train": {"batch_size": 64, "lr": 1.5e-3, "steps": 3000},
    },
    "glide-emoji": {
        "about": "draws emoji, 16 x 16 pixels, from captions",
        "data": "emoji",
        "net": {**GLIDE, "caption": CAPTION},
        "schedule": {"kind": "cosine", "T": 1000},
        "loss": {"drop": 0.1, "word_drop": 0.1},
        "train": {"batch_size": 64, "lr": 1.5e-3, "steps": 5000},
    },
    "upsampler-emoji": {
        "about": "draws emoji of 32 x 32 pixels from those of 16 x 16",
        "data": "emoji",
        "net": {**GLIDE, "size": 32, "attention": [], "extra": 3},
        "schedule": {"kind": "cosine", "T": 1000},
        "loss": {"noise": 0.2},
        "train": {"batch_size": 64, "lr": 1e-3, "steps": 1500},
    },
}

# What the command line's `sample` calls by a shorter name: a model, and what enlarges its pictures if it is there.
ALIASES = {"emoji": ["glide-emoji", "upsampler-emoji"], "shapes": ["glide-shapes"]}


def preset(name: str) -> dict[str, Any]:
    """The preset of this name; ValueError with the known names for another."""
    if name not in PRESETS:
        raise ValueError(f"There is no model {name!r}: the known ones are {', '.join(PRESETS)} (or give the folder of a run).")
    return PRESETS[name]


def configure(name: str) -> dict[str, Any]:
    """What a run of a preset keeps in its header: network, schedule, loss, and the words that its captions are made of."""
    chosen = preset(name)
    config = {"name": name, **{k: chosen[k] for k in ("net", "schedule", "loss") if k in chosen}}
    if "caption" in config["net"]:
        captions = (caption for each in material(name).captions for caption in each)
        config["words"] = Tokenizer.build(captions, config["net"]["caption"]["length"]).words
    return config


def make_tokenizer(config: dict[str, Any]) -> Tokenizer:
    """The tokenizer of a network of captions."""
    return Tokenizer(config["words"], config["net"]["caption"]["length"])


def build(config: dict[str, Any], seed: int = 0) -> nn.Module:
    """The untrained network of a preset, its first weights fixed by the seed."""
    net = dict(config["net"])
    if "words" in config:
        net["caption"] = {"vocabulary": len(make_tokenizer(config)), **net["caption"]}
    # The initialisers of torch draw from the global generator: lend it ours, and put it back.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return UNet(**net) if "schedule" in config else Classifier(**net)


def make_schedule(config: dict[str, Any]) -> Schedule:
    """The schedule of a preset."""
    kind, arguments = config["schedule"]["kind"], {k: v for k, v in config["schedule"].items() if k != "kind"}
    return getattr(Schedule, kind)(**arguments)


def make_loss(config: dict[str, Any]):
    """What a preset's network minimises."""
    if "schedule" not in config:
        return class_loss
    schedule, options = make_schedule(config), config.get("loss", {})
    if "words" in config:
        empty = make_tokenizer(config).encode([""])[0]
        return captioned(eps_loss(schedule, options["drop"], empty), options["word_drop"])
    if "noise" in options:
        return captioned(upsampling(eps_loss(schedule), options["noise"]))
    return eps_loss(schedule, null=config["net"].get("num_classes"))


class Captioned(NamedTuple):
    """Pictures to learn from: captions[index[i]] say what picture i shows, and mirror[i] whether they say it of its mirror
    image too."""

    pictures: UInt8[Tensor, "N 3 size size"]
    mirror: Bool[Tensor, " N"]
    captions: list[list[str]]
    index: Int[Tensor, " N"]


@cache
def material(name: str) -> Captioned:
    """The captioned pictures of a preset: the held-out part is never in it."""
    data, size = preset(name)["data"], preset(name)["net"]["size"]
    if data == "emoji":
        images, captions, mirrorable = emoji.load(size)[0]
        return Captioned(to_bytes(images), mirrorable, captions, torch.arange(len(images)))
    g = torch.Generator().manual_seed(0)
    one, two = shapes.draw(DRAWINGS, g, size), scenes.draw(DRAWINGS, g, size)
    pictures, n = to_bytes(torch.cat([one.images, two.images])), len(shapes.COMBINATIONS)
    captions = [shapes.captions(i) for i in range(n)] + [scenes.captions(i) for i in range(len(scenes.SCENES))]
    # None is mirrored: the captions say where things are.
    return Captioned(pictures, torch.zeros(len(pictures), dtype=torch.bool), captions, torch.cat([one.index, n + two.index]))


def training_data(config: dict[str, Any]) -> tuple[Tensor, ...]:
    """What a preset is trained on, as its loss takes it: the held-out part is never in it."""
    if preset(config["name"])["data"] == "digits":
        return tuple(digits.load()[0])
    pictures, mirror, captions, index = material(config["name"])
    if "words" not in config:
        return pictures, mirror
    most = max(map(len, captions))  # a picture with fewer captions has some of them twice
    every = [each[i % len(each)] for each in captions for i in range(most)]
    tokens = make_tokenizer(config).encode(every).reshape(len(captions), most, -1)
    return pictures, mirror, tokens.short()[index]
