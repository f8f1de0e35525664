"""What the network of a recipe minimises: one loss for each kind, with the numbers of the recipe in it."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ..networks.autoencoder import Autoencoder
from ..networks.clip import CLIP
from ..networks.prior import null_condition
from ..networks.tokenizer import empty_row
from ..sampling.guidance import guided
from ..sampling.samplers import as_eps
from ..training.batches import captioned, decoding, imagining, in_latents, inpainting, upsampling
from ..training.distillation import few_step_loss
from ..training.losses import LossFunction, autoencoder_loss, class_loss, clip_loss, denoising_loss
from .recipe import FACTOR, Recipe

Objective = Callable[..., Any]
DROP = 0.1  # how often an upsampler sees no caption


def make_loss(recipe: Recipe, space: nn.Module | None = None, teacher: nn.Module | None = None) -> Objective:
    """The loss of a recipe, as `training.loop.train` takes it; space is the network of `recipe.space`: the CLIP whose embeddings
    a prior or a decoder learns, or the autoencoder in whose latents it draws. A student of few steps has a teacher: the network
    of `recipe.begin`."""
    numbers: dict[str, Any] = {name: number for name, number in recipe.loss.items() if name != "min_snr"}  # for `_denoising`
    if teacher is not None:
        numbers["teacher"] = teacher
    return LOSSES[recipe.kind](recipe, space, **numbers)


def _denoising(recipe: Recipe, drop: float | None = None, null: int | Tensor | None = None) -> LossFunction:
    """The squared error of what the recipe's network predicts."""
    assert recipe.target is not None, "a recipe of this kind has a target"
    return denoising_loss(recipe.target, recipe.make_schedule(), drop, null, recipe.loss.get("min_snr"))


def _classifier(recipe: Recipe, space: None) -> Objective:
    return class_loss


def _class_conditional(recipe: Recipe, space: None) -> Objective:
    return _denoising(recipe, null=recipe.network["num_classes"])


def _text_conditional(recipe: Recipe, space: None, drop: float, word_drop: float) -> Objective:
    return captioned(_denoising(recipe, drop, empty_row(recipe.length)), word_drop)


def _inpainting(recipe: Recipe, space: None, drop: float, word_drop: float, everything: float) -> Objective:
    loss = _denoising(recipe, drop, empty_row(recipe.length))
    return captioned(inpainting(loss, everything), word_drop)


def _decoder(recipe: Recipe, space: CLIP, both: float, caption: float, image: float, word_drop: float) -> Objective:
    loss = decoding(_denoising(recipe), space, empty_row(recipe.length), both, caption, image)
    return captioned(loss, word_drop)


def _upsampling(recipe: Recipe, space: None, noise: float, factor: int) -> Objective:
    if not recipe.reads:
        return captioned(upsampling(_denoising(recipe), noise, factor))
    # It sees no caption now and then, so that it can also enlarge a picture without one.
    loss = _denoising(recipe, DROP, empty_row(recipe.length))
    return captioned(upsampling(loss, noise, factor), word_drop=0.0)


def _prior(recipe: Recipe, space: CLIP, drop: float, word_drop: float) -> Objective:
    null = null_condition(recipe.length, recipe.network["dim"])
    return captioned(imagining(_denoising(recipe, drop, null), space), word_drop)


def _clip(recipe: Recipe, space: None, word_drop: float, shift: int) -> Objective:
    return captioned(clip_loss(None if recipe.schedule is None else recipe.make_schedule()), word_drop, shift)


def _autoencoder(recipe: Recipe, space: None, kl: float) -> Objective:
    side = recipe.size // FACTOR
    return captioned(autoencoder_loss(kl, (recipe.network["latent"], side, side)))


def _latent(recipe: Recipe, space: Autoencoder, drop: float, word_drop: float) -> Objective:
    return captioned(in_latents(_denoising(recipe, drop, empty_row(recipe.length)), space), word_drop)


def _few_steps(recipe: Recipe, space: Autoencoder, scale: float, word_drop: float, teacher: nn.Module) -> Objective:
    assert recipe.target is not None, "a recipe of this kind has a target"
    schedule = recipe.make_schedule()
    eps = teacher if recipe.target == "eps" else as_eps(teacher, schedule, recipe.target)
    loss = few_step_loss(schedule, recipe.target, guided(eps, scale, empty_row(recipe.length)))
    return captioned(in_latents(loss, space), word_drop)


LOSSES: dict[str, Callable[..., Objective]] = {
    "classifier": _classifier,
    "class-conditional": _class_conditional,
    "text-conditional": _text_conditional,
    "inpainting": _inpainting,
    "decoder": _decoder,
    "upsampling": _upsampling,
    "prior": _prior,
    "clip": _clip,
    "autoencoder": _autoencoder,
    "latent": _latent,
    "latent-transformer": _latent,
    "few-steps": _few_steps,
}
