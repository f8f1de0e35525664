"""Made-up models for the tests of the scores: what they draw is known, and so is every number."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from ddpm_lite.data import changes, shapes
from ddpm_lite.data.grammar import Scene
from ddpm_lite.models.evaluation import composing, exact
from ddpm_lite.models.kinds import MODELS, ClipModel
from ddpm_lite.models.model import Trained
from ddpm_lite.models.presets import CHAINS, PRESETS
from ddpm_lite.models.unclip import Chain

SAID = {caption: i for i in range(256) for caption in shapes.captions(i)}


def share(found: torch.Tensor) -> float:
    return float(found.double().mean())


def true_of(scene: Scene) -> torch.Tensor:
    """All true pictures of a scene, one of each artist, in [-1, 1]."""
    by = exact.drawn_by(scene)
    return changes.draw([scene] * len(by), by, 16)


def show(pictures: torch.Tensor, scenes: Sequence[Scene]) -> bool:
    """Whether each picture is a true one of its scene, by any of the artists."""
    every = zip(pictures, scenes, strict=True)
    return all(bool(((true_of(scene) - picture).abs().amax((1, 2, 3)) < 1e-5).any()) for picture, scene in every)


class Judge:
    """In the place of the exact judge: it keeps what it is asked, and `right(times it was asked before, n)` is what it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, right: Callable[[int, int], torch.Tensor]):
        self.asked: list[tuple[torch.Tensor, list[Scene]]] = []
        for module in (exact, composing):
            monkeypatch.setattr(module, "Pixels", lambda: SimpleNamespace(right=self.judged))
        self.says = right

    def judged(self, pictures: torch.Tensor, scenes: Sequence[Scene]) -> torch.Tensor:
        self.asked.append((pictures, list(scenes)))
        return self.says(len(self.asked) - 1, len(scenes))


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
    """A CLIP whose captions are at right angles; a test says what it makes of a picture: `encode_image`."""

    def __init__(self, count):
        super().__init__(1, 1)
        self.count = count

    def encode_text(self, tokens):
        return torch.eye(self.count)[tokens[:, 0]]


class Counting:
    """A tokenizer: a caption is its number in a list."""

    def __init__(self, captions):
        self.captions = captions

    def encode(self, captions):
        return torch.tensor([[self.captions.index(caption)] for caption in captions])


class MadeClip(ClipModel):
    """A made-up CLIP of a preset: see `Eye`."""

    def __init__(self, name, captions):
        super().__init__(PRESETS[name], Eye(len(captions)))
        self.captions = captions

    tokenizer = property(lambda self: Counting(self.captions))


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
