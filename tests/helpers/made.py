"""Made-up models for the tests of the scores: what they draw is known, and so is every number."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from ddpm_lite.data import emoji, shapes
from ddpm_lite.models.evaluation import clips, edits, priors, texts
from ddpm_lite.models.kinds import MODELS, ClipModel
from ddpm_lite.models.model import Trained
from ddpm_lite.models.presets import CHAINS, PRESETS
from ddpm_lite.models.unclip import Chain

SAID = {caption: i for i in range(256) for caption in shapes.captions(i)}


def share(found: torch.Tensor) -> float:
    return float(found.double().mean())


def a_few(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The emoji, but only 90 and 20 of them, and 40 pictures for each number; with the pictures and names of both parts."""
    whole = emoji.load(16)
    train, held_out = (emoji.Emoji(p.images[:n], p.captions[:n], p.mirrorable[:n]) for p, n in zip(whole, (90, 20), strict=True))
    names = train.names + held_out.names
    monkeypatch.setattr(emoji, "load", lambda size=16: (train, held_out))
    monkeypatch.setattr(clips, "names", lambda: names)
    for module in (texts, edits, priors):
        monkeypatch.setattr(module, "COUNT", 40)
    return SimpleNamespace(train=train, held_out=held_out, images=torch.cat([train.images, held_out.images]), names=names)


class Drawing:
    """Draws what `picture(asked, seed, steps, scale, method)` says, and keeps how it was asked."""

    def draw(self, asked, *, seed=0, steps=50, scale=2.0, method="ddim"):
        self.log.append((len(asked), seed, steps, scale, method))
        return self.picture(asked, seed, steps, scale, method)

    def edit(self, pictures, known, asked, *, seed=0, steps=50, scale=2.0, method="ddim"):
        self.log.append((len(asked), seed, steps, scale, method))
        self.known, self.asked = known, asked
        return self.picture(pictures, known)


def made(name: str, picture: Callable | None = None, **changes: Any) -> Trained:
    """A made-up model of a preset, of the class of its kind, in whose recipe these values differ: see `Drawing`."""
    recipe = replace(PRESETS[name], **changes)
    model = type("Made", (Drawing, MODELS[recipe.kind]), {})(recipe, nn.Linear(1, 1))
    model.picture, model.log = picture, []
    return model


class Eye(nn.Linear):
    """A CLIP that knows every picture of a list and fits it best to what stands `off[i]` places above its own caption."""

    def __init__(self, images, off):
        super().__init__(1, 1)
        self.numbers, self.off, self.seen = {x.numpy().tobytes(): i for i, x in enumerate(images)}, off, []

    def encode_text(self, tokens):
        return torch.eye(len(self.off))[tokens[:, 0]]

    def encode_image(self, pictures, t=None):
        self.seen.append((pictures, t))
        own = torch.tensor([self.numbers.get(x.numpy().tobytes(), 0) for x in pictures])
        fit = torch.zeros(len(own), len(self.off))
        fit[torch.arange(len(own)), own] = 0.5
        for k in range(int(self.off.max())):  # so many fit better
            rows = (self.off[own] > k).nonzero()[:, 0]
            fit[rows, (own[rows] + k + 1) % len(self.off)] = 1
        return fit


class Counting:
    """A tokenizer: a caption is its number in a list."""

    def __init__(self, captions):
        self.captions = captions

    def encode(self, captions):
        return torch.tensor([[self.captions.index(caption)] for caption in captions])


class MadeClip(ClipModel):
    """A made-up CLIP of a preset: see `Eye`."""

    def __init__(self, name, images, captions, off):
        super().__init__(PRESETS[name], Eye(images, off))
        self.captions = captions

    tokenizer = property(lambda self: Counting(self.captions))
    schedule = property(lambda self: SimpleNamespace(alpha_bar=torch.linspace(1, 0, 1001, dtype=torch.float64)))


class MadeChain(Chain):
    """A chain that draws nothing: it keeps what its decoder is given, and draws numbers."""

    def __init__(self, name):
        self.name, self.log, self.imagined = name, [], []
        self.prior = SimpleNamespace(net=SimpleNamespace(dim=4))
        self.decoder = SimpleNamespace(recipe=PRESETS[CHAINS[name]["decoder"]])

    def imagine(self, captions, **options):
        self.imagined.append(options)
        return torch.full((len(captions), 4), 2.0)

    def encode_text(self, captions):
        return torch.full((len(captions), 4), 3.0)

    def encode(self, pictures):
        return torch.full((len(pictures), 4), 4.0)

    def decode(self, embedding, captions=None, *, seed=0, steps=15, scale=2.0, method="dpm-solver++"):
        self.log.append((int(embedding[0, 0]), captions is not None, seed, steps, scale, method))
        return torch.rand(len(embedding), 3, 16, 16, generator=torch.Generator().manual_seed(seed))
