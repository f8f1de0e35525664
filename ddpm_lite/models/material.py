"""What a recipe learns from: its captioned pictures, the words in them, and the tensors that its loss takes."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from ..data import chance, changes, digits, folder, grammar, scenes, shapes
from ..networks.tokenizer import Tokenizer
from ..training.batches import to_bytes
from ..training.loop import Rows
from .recipe import FACTOR, Pictures, Recipe

EMOJI = ("emoji", "all-emoji")  # the second is for a judge, who also sees what is held out
ALIKE = {"clip": 15}  # so many scenes that are like each one that is drawn by chance
DRAWINGS = 20_000  # drawings of one object, and as many of two, made once for each training


class Captioned(NamedTuple):
    """Pictures to learn from: captions[index[i]] describe picture i, and mirror[i] says whether they also describe its
    mirror image."""

    pictures: UInt8[Tensor, "N 3 size size"]
    mirror: Bool[Tensor, " N"]
    captions: list[list[str]]
    index: Int[Tensor, " N"]  # type: ignore[assignment]  # it hides tuple.index


def bind(preset: Recipe, pictures: Pictures | None = None) -> Recipe:
    """The recipe of a training: the preset with the size and fingerprint of the user's own pictures, and with the words of the
    captions in its data.

    ValueError if a preset that learns from a user's own pictures is given none, or any other is given some.
    """
    if (preset.data == "folder") != (pictures is not None):
        need = "needs a folder of pictures" if pictures is None else "has pictures of its own and takes no others"
        raise ValueError(f"{preset.name} {need}.")
    recipe = preset
    if pictures is not None:
        factor = 1 if preset.autoencoder is None else FACTOR
        if pictures.size % factor:
            raise ValueError(f"Latents have 1/{factor} of the size of pictures: size = {pictures.size} must be a multiple of it.")
        side = pictures.size // factor
        network = {**preset.network, "size": side}
        if "attention" in network:  # where this size has such a level
            sides = [side >> i for i in range(len(network["mults"]))]
            network["attention"] = [side for side in network["attention"] if side in sides]
        stamp = folder.fingerprint(pictures.path, pictures.captions)
        recipe = replace(preset, network=network, pictures=replace(pictures, fingerprint=stamp))
    if recipe.reads and recipe.data in EMOJI:
        recipe = replace(recipe, words=grammar.words())
    elif recipe.reads:
        captions = (caption for each in material(recipe).captions for caption in each)
        recipe = replace(recipe, words=tuple(Tokenizer.build(captions, recipe.length).words))
    return recipe


@cache
def _drawn(data: str, size: int) -> Captioned:
    """The training part of the drawn shapes: "shape" (one object) or "shapes" (one or two)."""
    g, n = torch.Generator().manual_seed(0), len(shapes.COMBINATIONS)
    drawn, captions = shapes.draw(DRAWINGS, g, size), [shapes.captions(i) for i in range(n)]
    images, index = drawn.images, drawn.index
    if data == "shapes":
        two = scenes.draw(DRAWINGS, g, size)
        images, index = torch.cat([images, two.images]), torch.cat([index, n + two.index])
        captions += [scenes.captions(i) for i in range(len(scenes.SCENES))]
    # None is mirrored: the captions say where things are.
    return Captioned(to_bytes(images), torch.zeros(len(images), dtype=torch.bool), captions, index)


def material(recipe: Recipe) -> Captioned:
    """The captioned pictures of a recipe, without the held-out part. A user's own pictures are not mirrored, since their
    captions may say where things are."""
    if recipe.pictures is None:
        return _drawn(recipe.data, recipe.size)
    found = folder.load(Path(recipe.pictures.path), recipe.size, recipe.pictures.captions, "skip")
    n = len(found.images)
    return Captioned(to_bytes(found.images), torch.zeros(n, dtype=torch.bool), found.captions, torch.arange(n))


def scenes_of_emoji(recipe: Recipe) -> Rows:
    """What draws a batch of scenes: pictures, whether they may be mirrored (never: their captions say where
    things are), and one caption of each, where the recipe reads captions."""
    tokenizer = recipe.tokenizer if recipe.reads else None

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        dice, everything = chance.Dice(generator, 40 * n), recipe.data == "all-emoji"
        drawn: list[chance.Drawn] = []
        while len(drawn) < n:
            first = chance.draw(dice, everything)
            drawn += [first, *(chance.alike(first, dice, everything) for _ in range(ALIKE.get(recipe.kind, 0)))]
        drawn = drawn[:n]
        pictures = to_bytes(changes.draw([each.scene for each in drawn], [each.artist for each in drawn], recipe.size))
        batch = [pictures, torch.zeros(n, dtype=torch.bool)]
        if tokenizer is not None:
            batch.append(tokenizer.encode([each.caption for each in drawn])[:, None].short())
        return tuple(each.to(generator.device) for each in batch)

    return draw


def artists_of_emoji(recipe: Recipe) -> Rows:
    """What draws a batch for a classifier of the artist: scenes of the things that scores do not ask for, and who drew them."""

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        dice = chance.Dice(generator, 40 * n)
        drawn: list[chance.Drawn] = []
        while len(drawn) < n:
            each = chance.draw(dice)
            if not any(grammar.is_judged(thing) for thing in (each.scene.thing, each.scene.other) if thing is not None):
                drawn.append(each)
        pictures = changes.draw([each.scene for each in drawn], [each.artist for each in drawn], recipe.size)
        return pictures.to(generator.device), torch.tensor([each.artist for each in drawn], device=generator.device)

    return draw


def moved_digits(recipe: Recipe) -> Rows:
    """What draws a batch for a classifier of digits: real ones, each turned, resized and shifted a little."""
    images, labels = digits.load(recipe.size)[0]

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        which = torch.randint(len(labels), (n,), generator=generator, device=generator.device)
        return digits.moved(images.to(generator.device)[which], generator), labels.to(generator.device)[which]

    return draw


def training_data(recipe: Recipe) -> tuple[Tensor, ...] | Rows:
    """The training data of a recipe, in the form that its loss takes, without the held-out part: tensors, or a function that
    draws them. ValueError if a user's own pictures, or their captions, have changed since `bind`."""
    if recipe.data == "digits":
        return moved_digits(recipe) if recipe.kind == "classifier" else tuple(digits.load(recipe.size)[0])
    if recipe.data in EMOJI:
        return artists_of_emoji(recipe) if recipe.kind == "classifier" else scenes_of_emoji(recipe)
    own = recipe.pictures
    if own is not None and folder.fingerprint(own.path, own.captions) != own.fingerprint:
        raise ValueError(
            f"The pictures or captions in {own.path} are not those that this run began with: say with --data (and --captions) "
            "where those are now, or begin a new run."
        )
    pictures, mirror, captions, index = material(recipe)
    if not recipe.reads:
        return pictures, mirror
    most = max(map(len, captions))  # a picture with fewer captions has some of them twice
    every = [each[i % len(each)] for each in captions for i in range(most)]
    tokens = recipe.tokenizer.encode(every).reshape(len(captions), most, -1)
    return pictures, mirror, tokens.short()[index]
