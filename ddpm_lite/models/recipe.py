"""What a preset determines: what a run stores of it, its network, its loss and its data."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor, nn

from ..data import digits, emoji, folder, scenes, shapes
from ..maths.schedule import Schedule
from ..networks.classifier import Classifier
from ..networks.clip import CLIP
from ..networks.prior import Prior, null_condition
from ..networks.tokenizer import Tokenizer, empty_row
from ..networks.unet import UNet
from ..training.batches import captioned, decoding, imagining, inpainting, to_bytes, upsampling
from ..training.losses import class_loss, clip_loss, eps_loss, x0_loss
from .presets import preset

DRAWINGS = 20_000  # drawings of one object, and as many of two, made once for each training


def configure(name: str, pictures: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a run of a preset stores in its header: network, schedule, loss, and the vocabulary of its captions.

    pictures   for a preset that learns from your own pictures: {"path", "size", "captions"} of `data.folder.load`; their
               fingerprint is added. ValueError if they are missing, or given for any other preset
    """
    chosen = preset(name)
    if (chosen["data"] == "folder") != (pictures is not None):
        need = "needs a folder of pictures" if pictures is None else "has pictures of its own and takes no others"
        raise ValueError(f"{name} {need}.")
    config = {"name": name, **{k: chosen[k] for k in ("net", "schedule", "loss") if k in chosen}}
    if pictures is not None:
        net = {**chosen["net"], "size": pictures["size"]}
        if "attention" in net:  # where this size has such a level
            net["attention"] = [n for n in net["attention"] if n in [net["size"] >> i for i in range(len(net["mults"]))]]
        stamp = folder.fingerprint(pictures["path"], pictures["captions"])
        config |= {"pictures": {**pictures, "fingerprint": stamp}, "net": net}
    if _length(config) is not None:
        captions = (caption for each in material(chosen["data"], _size(config), pictures).captions for caption in each)
        config["words"] = Tokenizer.build(captions, _length(config)).words
    return config


def _length(config: dict[str, Any]) -> int | None:
    """How many tokens a caption of this network has, if it reads captions."""
    return config["net"].get("length", config["net"].get("caption", {}).get("length"))


def _size(config: dict[str, Any]) -> int:
    """The side of its training pictures; a prior learns the embeddings of pictures of 16 x 16 pixels."""
    return config["net"].get("size", 16)


def make_tokenizer(config: dict[str, Any]) -> Tokenizer:
    """The tokenizer of a network that reads captions."""
    return Tokenizer(config["words"], _length(config))


def build(config: dict[str, Any], seed: int = 0) -> nn.Module:
    """The untrained network of a preset; the seed determines its initial weights."""
    net, kind = dict(config["net"]), preset(config["name"])["kind"]
    if kind in ("clip", "prior"):
        net["vocabulary"] = len(make_tokenizer(config))
    elif "words" in config:
        net["caption"] = {"vocabulary": len(make_tokenizer(config)), **net["caption"]}
    # torch's initialisers draw from the global generator: seed it for the moment, then restore it.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return {"unet": UNet, "classifier": Classifier, "clip": CLIP, "prior": Prior}[kind](**net)


def make_schedule(config: dict[str, Any]) -> Schedule:
    """The schedule of a preset."""
    kind, arguments = config["schedule"]["kind"], {k: v for k, v in config["schedule"].items() if k != "kind"}
    return getattr(Schedule, kind)(**arguments)


def make_loss(config: dict[str, Any], clip: nn.Module | None = None):
    """What a preset's network minimises; clip is the CLIP whose embeddings a prior or a decoder learns."""
    kind, options = preset(config["name"])["kind"], config.get("loss", {})
    if kind == "classifier":
        return class_loss
    schedule = make_schedule(config) if "schedule" in config else None
    if kind == "clip":
        return captioned(clip_loss(schedule), options["word_drop"], options["shift"])
    if "words" in config:
        empty = empty_row(_length(config))
        if kind == "prior":
            null = null_condition(_length(config), config["net"]["dim"])
            return captioned(imagining(x0_loss(schedule, options["drop"], null), clip), options["word_drop"])
        if "image" in options:
            rates = {name: options[name] for name in ("both", "caption", "image")}
            return captioned(decoding(eps_loss(schedule), clip, empty, **rates), options["word_drop"])
        loss = eps_loss(schedule, options["drop"], empty)
        if "everything" in options:
            loss = inpainting(loss, options["everything"])
        return captioned(loss, options["word_drop"])
    if "noise" in options:
        return captioned(upsampling(eps_loss(schedule), options["noise"]))
    return eps_loss(schedule, null=config["net"].get("num_classes"))


class Captioned(NamedTuple):
    """Pictures to learn from: captions[index[i]] describe picture i, and mirror[i] says whether they also describe its
    mirror image."""

    pictures: UInt8[Tensor, "N 3 size size"]
    mirror: Bool[Tensor, " N"]
    captions: list[list[str]]
    index: Int[Tensor, " N"]


@cache
def _drawn(data: str, size: int) -> Captioned:
    """The training part of a set that comes with the package: "emoji", "shape" (one object) or "shapes" (one or two)."""
    if data == "emoji":
        images, captions, mirrorable = emoji.load(size)[0]
        return Captioned(to_bytes(images), mirrorable, captions, torch.arange(len(images)))
    g, n = torch.Generator().manual_seed(0), len(shapes.COMBINATIONS)
    drawn, captions = shapes.draw(DRAWINGS, g, size), [shapes.captions(i) for i in range(n)]
    images, index = drawn.images, drawn.index
    if data == "shapes":
        two = scenes.draw(DRAWINGS, g, size)
        images, index = torch.cat([images, two.images]), torch.cat([index, n + two.index])
        captions += [scenes.captions(i) for i in range(len(scenes.SCENES))]
    # None is mirrored: the captions say where things are.
    return Captioned(to_bytes(images), torch.zeros(len(images), dtype=torch.bool), captions, index)


def material(data: str, size: int, pictures: dict[str, Any] | None = None) -> Captioned:
    """The captioned pictures of a preset, without the held-out part. Your own pictures are not mirrored, since their captions
    may say where things are."""
    if pictures is None:
        return _drawn(data, size)
    found = folder.load(Path(pictures["path"]), size, pictures["captions"], "skip")
    n = len(found.images)
    return Captioned(to_bytes(found.images), torch.zeros(n, dtype=torch.bool), found.captions, torch.arange(n))


def training_data(config: dict[str, Any]) -> tuple[Tensor, ...]:
    """The training data of a preset, in the form that its loss takes, without the held-out part. ValueError if your own
    pictures, or their captions, have changed since `configure`."""
    data, own = preset(config["name"])["data"], config.get("pictures")
    if data == "digits":
        return tuple(digits.load()[0])
    if own is not None and folder.fingerprint(own["path"], own["captions"]) != own.get("fingerprint"):
        raise ValueError(
            f"The pictures or captions in {own['path']} are not those that this run began with: say with --data (and --captions) "
            "where those are now, or begin a new run."
        )
    pictures, mirror, captions, index = material(data, _size(config), own)
    if "words" not in config:
        return pictures, mirror
    most = max(map(len, captions))  # a picture with fewer captions has some of them twice
    every = [each[i % len(each)] for each in captions for i in range(most)]
    tokens = make_tokenizer(config).encode(every).reshape(len(captions), most, -1)
    return pictures, mirror, tokens.short()[index]
