"""The presets: a recipe for each model of the course, and for models of your own pictures.

A preset that begins from the weights of another shipped model has a short training.
"""

from collections.abc import Iterable
from typing import Any

from .recipe import Recipe, Training

# The vocabulary of a network that reads captions is that of its data: see `material.bind`.
CAPTION = {"length": 16, "width": 128, "depth": 2, "heads": 4}
UNET = {"size": 16, "channels": 3, "width": 32, "mults": [1, 2, 4], "depth": 1, "attention": [8, 4], "heads": 4, "groups": 8}
GLIDE = {**UNET, "caption": CAPTION}
DIGITS = {
    "size": 16,
    "channels": 1,
    "width": 32,
    "mults": [1, 2, 2],
    "depth": 1,
    "attention": [8],
    "groups": 8,
    "num_classes": 10,
}
CLIP: dict[str, Any] = {"length": 16, "size": 16, "dim": 64, "text_width": 64, "text_depth": 2, "text_heads": 4}
TRANSFORMER = {"patch": 4, "image_width": 96, "image_depth": 3, "image_heads": 4}
RESNET = {"image_width": 32, "image_depth": 2, "image_mults": [1, 2, 4]}
CLIP_EMOJI = {**CLIP, **RESNET, "dim": 96, "text_width": 128}
COSINE = {"kind": "cosine", "T": 1000}
LATENT = {"size": 16, "channels": 4}  # what `autoencoder-emoji` makes of 64 x 64 pixels
GIVEN = {"both": 0.25, "caption": 0.35, "image": 0.3}  # how often a decoder sees both, or one of them alone

_RECIPES = [
    Recipe(
        "digits",
        "class-conditional",
        "digits",
        DIGITS,
        Training(128, 2e-3, 9000),
        about="draws handwritten digits, 16 x 16 pixels, by class",
        target="v",
        schedule={"kind": "linear", "T": 1000},
    ),
    Recipe(
        "digits-32",
        "class-conditional",
        "digits",
        {**DIGITS, "size": 32, "mults": [1, 2, 2, 2]},
        Training(128, 1e-3, 10_000),
        about="draws handwritten digits, 28 x 28 pixels in a frame of 32 x 32, by class",
        target="v",
        schedule={"kind": "linear", "T": 1000},
    ),
    Recipe(
        "digits-classifier",
        "classifier",
        "digits",
        {"size": 16, "channels": 1, "num_classes": 10, "depth": 2, "groups": 8},
        Training(128, 2e-3, 3000, weight_decay=0.05),
        about="reads digits; its 16 features are the space of the Frechet distance",
        target=None,
    ),
    Recipe(
        "clip-shapes",
        "clip",
        "shape",
        {**CLIP, **TRANSFORMER, "text_depth": 1, "image_width": 64, "image_depth": 2},
        Training(128, 3e-3, 1500),
        about="tells which caption fits a picture of one coloured shape, 16 x 16 pixels",
        target=None,
        loss={"word_drop": 0.0, "shift": 0},
    ),
    Recipe(
        "glide-shapes",
        "text-conditional",
        "shapes",
        GLIDE,
        Training(512, 1e-3, 11_000),
        about="draws one or two coloured shapes, 16 x 16 pixels, from captions",
        schedule=COSINE,
        loss={"drop": 0.1, "word_drop": 0.05},
    ),
    Recipe(
        "clip-emoji",
        "clip",
        "emoji",
        CLIP_EMOJI,
        Training(256, 2e-3, 3900, weight_decay=0.1),
        about="tells which caption fits a picture of emoji, 16 x 16 pixels",
        target=None,
        loss={"word_drop": 0.0, "shift": 0},
    ),
    Recipe(
        "judge-emoji",
        "clip",
        "all-emoji",
        {**CLIP_EMOJI, "text_width": 96},
        Training(256, 2e-3, 3900, weight_decay=0.1, seed=1),
        about="a second CLIP, which has seen what is held out too, for scores alone: nothing is trained with it or guided by it",
        target=None,
        loss={"word_drop": 0.0, "shift": 0},
    ),
    Recipe(
        "clip-emoji-noisy",
        "clip",
        "emoji",
        {**CLIP, **TRANSFORMER, "dim": 96, "text_width": 128, "patch": 2, "image_width": 64, "noisy": True},
        Training(256, 2e-3, 2000, weight_decay=0.1),
        about="a CLIP for pictures of emoji under noise, at every t: what CLIP guidance follows",
        target=None,
        schedule=COSINE,
        loss={"word_drop": 0.0, "shift": 0},
    ),
    Recipe(
        "artist-emoji",
        "classifier",
        "emoji",
        {"size": 16, "channels": 3, "num_classes": 6, "width": 48, "num_features": 64},
        Training(128, 1e-3, 3000, weight_decay=0.05),
        about="tells which of the six artists drew emoji, for scores alone",
        target=None,
    ),
    Recipe(
        "glide-emoji",
        "text-conditional",
        "emoji",
        GLIDE,
        Training(64, 1e-3, 31_250),
        about="draws from captions, 16 x 16 pixels: things in colours, numbers, places and hats, as six artists would",
        target="v",
        schedule=COSINE,
        loss={"drop": 0.1, "word_drop": 0.0},
    ),
    Recipe(
        "upsampler-emoji",
        "upsampling",
        "emoji",
        {
            **{**UNET, "size": 64, "width": 64, "mults": [1, 2], "attention": [8], "extra": 3, "residual": True, "patch": 4},
            "caption": {**CAPTION, "width": 64, "depth": 1},
        },
        Training(32, 1e-3, 12_000),
        about="draws emoji of 64 x 64 pixels from those of 16 x 16 and their captions",
        target="x0",
        schedule=COSINE,
        loss={"noise": 0.2, "factor": 4},
    ),
    Recipe(
        "inpaint-emoji",
        "inpainting",
        "emoji",
        {**GLIDE, "extra": 4},
        Training(64, 5e-4, 2500),
        about="fills in from captions what is erased of a picture of emoji, 16 x 16 pixels",
        target="v",
        schedule=COSINE,
        loss={"drop": 0.1, "word_drop": 0.0, "everything": 0.1},
        begin="glide-emoji",
    ),
    Recipe(
        "prior-emoji",
        "prior",
        "emoji",
        {"length": 16, "dim": 96, "width": 128, "depth": 3, "heads": 4},
        Training(256, 1e-3, 1250),
        about="imagines the CLIP embedding of a picture of emoji from its caption",
        target="x0",
        schedule=COSINE,
        loss={"drop": 0.1, "word_drop": 0.0},
        clip="clip-emoji",
    ),
    Recipe(
        "decoder-emoji",
        "decoder",
        "emoji",
        {**UNET, "caption": {**CAPTION, "image": 96}},
        Training(64, 5e-4, 5000),
        about="draws emoji from captions, CLIP embeddings or both, 16 x 16 pixels",
        target="v",
        schedule=COSINE,
        loss={**GIVEN, "word_drop": 0.0},
        clip="clip-emoji",
        begin="glide-emoji",
    ),
    Recipe(
        "autoencoder-emoji",
        "autoencoder",
        "emoji",
        {"size": 64, "channels": 3, "latent": 4, "width": 64, "mults": [1, 2], "depth": 1, "groups": 8, "patch": 2},
        Training(16, 2e-3, 4500),
        about="turns pictures of emoji, 64 x 64 pixels, into 4 x 16 x 16 latents and back",
        target=None,
        loss={"kl": 1e-3},
    ),
    Recipe(
        "latent-emoji",
        "latent",
        "emoji",
        {**GLIDE, **LATENT},
        Training(64, 1e-3, 11_000),
        about="draws emoji of 64 x 64 pixels from captions, in the latents of an autoencoder",
        target="v",
        schedule=COSINE,
        loss={"drop": 0.1, "word_drop": 0.0},
        autoencoder="autoencoder-emoji",
    ),
    Recipe(
        "dit-emoji",
        "latent-transformer",
        "emoji",
        {**LATENT, "width": 128, "depth": 7, "heads": 4, "patch": 2, "caption": CAPTION},
        Training(64, 1e-3, 11_000),
        about="draws emoji of 64 x 64 pixels from captions, in the latents of an autoencoder, with a Transformer for the U-Net",
        target="v",
        schedule=COSINE,
        loss={"drop": 0.1, "word_drop": 0.0},
        autoencoder="autoencoder-emoji",
    ),
    Recipe(
        "few-steps-emoji",
        "few-steps",
        "emoji",
        {**GLIDE, **LATENT, "caption": {**CAPTION, "image": 4}},
        Training(32, 3e-4, 8000),
        about="draws emoji of 64 x 64 pixels from captions in 1, 2, 4 or 8 steps: a student of latent-emoji",
        target="v",
        schedule=COSINE,
        loss={"scale": 4.0, "word_drop": 0.0},
        begin="latent-emoji",
        autoencoder="autoencoder-emoji",
    ),
    Recipe(
        "folder",
        "text-conditional",
        "folder",
        {
            **{"size": 64, "channels": 3, "width": 64, "mults": [1, 2, 3, 4], "depth": 2, "attention": [16, 8], "heads": 4},
            "caption": {**CAPTION, "length": 32, "width": 256, "depth": 4},
        },
        Training(64, 3e-4, 50_000),
        about="draws pictures like yours from captions",
        schedule=COSINE,
        loss={"drop": 0.1, "word_drop": 0.1},
    ),
    Recipe(
        "autoencoder-folder",
        "autoencoder",
        "folder",
        {"size": 128, "channels": 3, "latent": 4, "width": 64, "mults": [1, 2], "depth": 2, "groups": 8, "patch": 2},
        Training(16, 1e-3, 30_000),
        about="turns pictures like yours, 128 x 128 pixels, into 4 x 32 x 32 latents and back",
        target=None,
        loss={"kl": 1e-3},
    ),
    Recipe(
        "latent-folder",
        "latent",
        "folder",
        {
            **{"size": 32, "channels": 4, "width": 64, "mults": [1, 2, 4], "depth": 2, "attention": [16, 8], "heads": 4},
            "caption": {**CAPTION, "length": 32, "width": 256, "depth": 4},
        },
        Training(64, 3e-4, 50_000),
        about="draws pictures like yours from captions, in the latents of an autoencoder of your own",
        target="v",
        schedule=COSINE,
        loss={"drop": 0.1, "word_drop": 0.1},
        autoencoder="autoencoder-folder",
    ),
    Recipe(
        "clip-folder",
        "clip",
        "folder",
        {
            **{**CLIP, **TRANSFORMER, "length": 32, "size": 64, "patch": 8, "dim": 256},
            **{"text_width": 256, "image_width": 256, "image_depth": 6},
        },
        Training(128, 5e-4, 5000, weight_decay=0.1),
        about="tells which caption fits a picture of yours",
        target=None,
        loss={"word_drop": 0.1, "shift": 2},
    ),
]
PRESETS = {recipe.name: recipe for recipe in _RECIPES}

# Shorter names for the command `sample`: a model, then the upsampler for its pictures, if there is one.
ALIASES = {
    "emoji": ["glide-emoji", "upsampler-emoji"],
    "shapes": ["glide-shapes"],
}

# DALL·E 2: the models that make up a chain.
CHAINS = {
    "unclip-emoji": {"clip": "clip-emoji", "prior": "prior-emoji", "decoder": "decoder-emoji", "upsampler": "upsampler-emoji"},
}


def unknown(name: str, known: Iterable[str] = PRESETS, what: str = "model or folder") -> str:
    """The error message for an unknown name; for a name that stands for several models, it lists them."""
    parts = ALIASES.get(name) or list(CHAINS.get(name, {}).values())
    if parts:
        return f"{name} stands for {', '.join(parts)}: name one of these."
    return f"There is no {what} {name!r}: the known ones are {', '.join(known)}."


def preset(name: str) -> Recipe:
    """The preset of this name. ValueError, listing the known names, for any other."""
    if name not in PRESETS:
        raise ValueError(unknown(name, what="model"))
    return PRESETS[name]
