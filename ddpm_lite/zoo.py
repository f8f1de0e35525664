"""The shipped models: their presets, their weights, and how good they are.

A preset is a dictionary of keyword arguments. A trained model is found by the name of a preset (the shipped weights)
or by the folder of a run (`python -m ddpm_lite train NAME --out FOLDER`).
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from . import distributed, weights
from .data import digits
from .device import choose_device, place
from .guidance import guided
from .nets import Classifier
from .sample import sample
from .schedule import Schedule
from .train import class_loss, eps_loss
from .unet import UNet

ASSETS = Path(__file__).parent / "assets" / "weights"
CHECKPOINT = "checkpoint.safetensors"
AT_ONCE = 250  # pictures drawn in one batch

PRESETS: dict[str, dict[str, Any]] = {
    "digits": {
        "about": "draws handwritten digits, 8 x 8 pixels, by class",
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
        "net": {"size": 8, "channels": 1, "num_classes": 10},
        "train": {"batch_size": 128, "lr": 1e-3, "weight_decay": 0.05, "steps": 3000},
    },
}


def preset(name: str) -> dict[str, Any]:
    """The preset of this name; ValueError with the known names for another."""
    if name not in PRESETS:
        raise ValueError(f"There is no model {name!r}: the known ones are {', '.join(PRESETS)} (or give the folder of a run).")
    return PRESETS[name]


def build(config: dict[str, Any], seed: int = 0) -> nn.Module:
    """The untrained network of a preset, its first weights fixed by the seed."""
    # The initialisers of torch draw from the global generator: lend it ours, and put it back.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return UNet(**config["net"]) if "schedule" in config else Classifier(**config["net"])


def make_schedule(config: dict[str, Any]) -> Schedule:
    """The schedule of a preset."""
    kind, arguments = config["schedule"]["kind"], {k: v for k, v in config["schedule"].items() if k != "kind"}
    return getattr(Schedule, kind)(**arguments)


def make_loss(config: dict[str, Any]):
    """What a preset's network minimises."""
    if "schedule" not in config:
        return class_loss
    return eps_loss(make_schedule(config), null=config["net"].get("num_classes"))


@dataclass
class Trained:
    """A trained network with what belongs to it: its name, its configuration, its card (empty for a run of yours)."""

    name: str
    net: nn.Module
    config: dict[str, Any]
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def schedule(self) -> Schedule:
        """The schedule it was trained with."""
        return make_schedule(self.config)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.net.parameters()).device

    def draw(
        self,
        labels: Int[Tensor, " n"],
        *,
        seed: int = 0,
        steps: int = 50,
        scale: float = 2.0,
        method: str = "ddim",
    ) -> Float[Tensor, "n c h w"]:
        """One picture for each label, in [-1, 1], on the CPU, under guidance of this scale.

        The noise of every 250 pictures has a generator of its own: the processes of a torchrun share out the
        batches, and the pictures are the same on any number of them.
        """
        if "schedule" not in self.config:
            able = ", ".join(name for name, preset in PRESETS.items() if "schedule" in preset)
            raise ValueError(f"{self.name} is a classifier and draws nothing; this one draws: {able}.")
        classes = self.config["net"]["num_classes"]
        if len(labels) and not (labels.min() >= 0 and labels.max() <= classes):
            raise ValueError(
                f"Labels go from 0 to {classes - 1}, and {classes} means 'no condition'; {labels.tolist()} does not fit."
            )
        model, schedule = guided(self.net, scale, self.net.null_label), self.schedule
        mine = {}
        for i, part in enumerate(labels.split(AT_ONCE)):
            if i % distributed.world_size() == distributed.rank():
                generator = torch.Generator(self.device).manual_seed((seed * 1_000_003 + i) % 2**63)
                x_T = torch.randn(len(part), *self.net.shape, generator=generator, device=self.device)
                options = {"steps": steps, "method": method, "generator": generator}
                *_, last = sample(model, x_T, schedule, cond=part.to(self.device), clip=True, **options)
                mine[i] = last.x_t.clamp(-1, 1).cpu()
        everyone = {i: x for share in distributed.gather_all(mine) for i, x in share.items()}
        return torch.cat([everyone[i] for i in sorted(everyone)]) if everyone else torch.zeros(0, *self.net.shape)


def load(name: str | Path, device: str | torch.device = "auto") -> Trained:
    """A shipped model by its name, or a run by its folder, ready to use: the averaged weights, in eval mode, placed.

    FileNotFoundError or ValueError, in one sentence, for what is not there or damaged.
    """
    device = choose_device(device) if isinstance(device, str) else device
    if str(name) in PRESETS:  # a folder of the same name in the working directory must not take its place: that is ./NAME
        file = ASSETS / f"{name}.safetensors"
        tensors, config = weights.load(file)
        card = json.loads(file.with_suffix(".json").read_text())
    elif not str(name) or not Path(name).is_dir():
        raise FileNotFoundError(f"There is no model and no folder {str(name)!r}: the models are {', '.join(PRESETS)}.")
    else:
        file, card = Path(name) / CHECKPOINT, {}
        tensors, config = weights.load(file)
        tensors = {k.removeprefix("ema."): v for k, v in tensors.items() if k.startswith("ema.")}
    weights.require(config, file, "name", "net")
    net = build(config)
    weights.fill(net, tensors, str(file))
    return Trained(config["name"], place(net.eval().requires_grad_(False), device), config, card)


@cache
def shipped(name: str) -> Trained:
    """`load` on the CPU, kept: the classifier is asked for again and again."""
    return load(name, "cpu")


def training_data(name: str) -> tuple[Tensor, ...]:
    """What a preset is trained on: the held-out part is never in it."""
    preset(name)
    return tuple(digits.load()[0])
