"""What the network of a recipe minimises: one loss for each kind, with the numbers of the recipe in it."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ..networks.clip import CLIP
from ..networks.prior import null_condition
from ..networks.tokenizer import empty_row
from ..training.batches import captioned, decoding, imagining, inpainting, upsampling
from ..training.losses import LossFunction, class_loss, clip_loss, denoising_loss
from .recipe import Recipe

Objective = Callable[..., Any]
DROP = 0.1  # how often an upsampler sees no caption


def make_loss(recipe: Recipe, clip: nn.Module | None = None) -> Objective:
    """The loss of a recipe, as `training.loop.train` takes it; clip is the CLIP whose embeddings a prior or a decoder learns."""
    numbers = {name: number for name, number in recipe.loss.items() if name != "min_snr"}  # this one is for `_denoising`
    return LOSSES[recipe.kind](recipe, clip, **numbers)


def _denoising(recipe: Recipe, drop: float | None = None, null: int | Tensor | None = None) -> LossFunction:
    """The squared error of what the recipe's network predicts."""
    assert recipe.target is not None, "a recipe of this kind has a target"
    return denoising_loss(recipe.target, recipe.make_schedule(), drop, null, recipe.loss.get("min_snr"))


def _classifier(recipe: Recipe, clip: None) -> Objective:
    return class_loss


def _class_conditional(recipe: Recipe, clip: None) -> Objective:
    return _denoising(recipe, null=recipe.network["num_classes"])


def _text_conditional(recipe: Recipe, clip: None, drop: float, word_drop: float) -> Objective:
    return captioned(_denoising(recipe, drop, empty_row(recipe.length)), word_drop)


def _inpainting(recipe: Recipe, clip: None, drop: float, word_drop: float, everything: float) -> Objective:
    loss = _denoising(recipe, drop, empty_row(recipe.length))
    return captioned(inpainting(loss, everything), word_drop)


def _decoder(recipe: Recipe, clip: CLIP, both: float, caption: float, image: float, word_drop: float) -> Objective:
    loss = decoding(_denoising(recipe), clip, empty_row(recipe.length), both, caption, image)
    return captioned(loss, word_drop)


def _upsampling(recipe: Recipe, clip: None, noise: float, factor: int) -> Objective:
    if not recipe.reads:
        return captioned(upsampling(_denoising(recipe), noise, factor))
    # It sees no caption now and then, so that it can also enlarge a picture without one.
    loss = _denoising(recipe, DROP, empty_row(recipe.length))
    return captioned(upsampling(loss, noise, factor), word_drop=0.0)


def _prior(recipe: Recipe, clip: CLIP, drop: float, word_drop: float) -> Objective:
    null = null_condition(recipe.length, recipe.network["dim"])
    return captioned(imagining(_denoising(recipe, drop, null), clip), word_drop)


def _clip(recipe: Recipe, clip: None, word_drop: float, shift: int) -> Objective:
    return captioned(clip_loss(None if recipe.schedule is None else recipe.make_schedule()), word_drop, shift)


LOSSES: dict[str, Callable[..., Objective]] = {
    "classifier": _classifier,
    "class-conditional": _class_conditional,
    "text-conditional": _text_conditional,
    "inpainting": _inpainting,
    "decoder": _decoder,
    "upsampling": _upsampling,
    "prior": _prior,
    "clip": _clip,
}
