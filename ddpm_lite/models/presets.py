"""The presets: each a dictionary of keyword arguments for a network, its schedule, loss and training. `recipe` builds them.

A preset with "begin" starts from the weights of that shipped model, so its training is short.
"""

from collections.abc import Iterable
from typing import Any

# The vocabulary of a network that reads captions is that of its data: `configure` stores the words beside the network.
CAPTION = {"length": 16, "width": 128, "depth": 2, "heads": 4}
GLIDE = {"size": 16, "channels": 3, "width": 32, "mults": [1, 2, 4], "depth": 1, "attention": [8, 4], "heads": 4, "groups": 8}

CLIP = {"length": 16, "size": 16, "patch": 4, "dim": 64}
CLIP |= {"text_width": 64, "text_depth": 2, "text_heads": 4, "image_width": 96, "image_depth": 3, "image_heads": 4}
COSINE = {"kind": "cosine", "T": 1000}

# What the presets of a kind have in common.
READS = {"kind": "unet", "net": {**GLIDE, "caption": CAPTION}, "schedule": COSINE}
READS["train"] = {"batch_size": 512, "lr": 1e-3, "steps": 11_000}
INPAINT = {**READS, "net": {**READS["net"], "extra": 4}, "train": {"batch_size": 64, "lr": 5e-4, "steps": 3500}}
DECODER = {
    **READS,
    "net": {**GLIDE, "caption": {**CAPTION, "image": 64}},
    "train": {"batch_size": 512, "lr": 5e-4, "steps": 4000},
}
GIVEN = {"both": 0.25, "caption": 0.35, "image": 0.3}  # how often a decoder sees both, or one of them alone

PRESETS: dict[str, dict[str, Any]] = {
    "digits": {
        "about": "draws handwritten digits, 8 x 8 pixels, by class",
        "kind": "unet",
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
        "kind": "classifier",
        "data": "digits",
        "net": {"size": 8, "channels": 1, "num_classes": 10},
        "train": {"batch_size": 128, "lr": 1e-3, "weight_decay": 0.05, "steps": 3000},
    },
    "clip-shapes": {
        "about": "tells which caption fits a picture of one coloured shape, 16 x 16 pixels",
        "kind": "clip",
        "data": "shape",
        "net": {**CLIP, "text_depth": 1, "image_width": 64, "image_depth": 2},
        "loss": {"word_drop": 0.0, "shift": 0},
        "train": {"batch_size": 128, "lr": 3e-3, "steps": 1500},
    },
    "clip-emoji": {
        "about": "tells which name fits an emoji, 16 x 16 pixels",
        "kind": "clip",
        "data": "emoji",
        "net": CLIP,
        "loss": {"word_drop": 0.1, "shift": 1},
        "train": {"batch_size": 256, "lr": 1e-3, "steps": 4000, "weight_decay": 0.1},
    },
    "judge-emoji": {
        "about": "a second CLIP of other sizes and another seed, for scores alone: nothing is trained with it or guided by it",
        "kind": "clip",
        "data": "emoji",
        "net": {**CLIP, "patch": 2, "dim": 96, "text_width": 96, "image_width": 64},
        "loss": {"word_drop": 0.2, "shift": 1},
        "train": {"batch_size": 256, "lr": 1e-3, "steps": 4000, "weight_decay": 0.1, "seed": 1},
    },
    "clip-emoji-noisy": {
        "about": "the same for an emoji under noise, at every t: what CLIP guidance follows",
        "kind": "clip",
        "data": "emoji",
        "net": {**CLIP, "noisy": True},
        "schedule": COSINE,
        "loss": {"word_drop": 0.1, "shift": 1},
        "train": {"batch_size": 256, "lr": 1e-3, "steps": 4000, "weight_decay": 0.1},
    },
    "glide-shapes": {
        **READS,
        "about": "draws one or two coloured shapes, 16 x 16 pixels, from captions",
        "data": "shapes",
        "loss": {"drop": 0.1, "word_drop": 0.05},
    },
    "glide-emoji": {
        **READS,
        "about": "draws emoji, 16 x 16 pixels, from captions",
        "data": "emoji",
        "loss": {"drop": 0.1, "word_drop": 0.1},
    },
    "inpaint-shapes": {
        **INPAINT,
        "about": "fills in from captions what is erased of a picture of coloured shapes, 16 x 16 pixels",
        "data": "shapes",
        "loss": {"drop": 0.1, "word_drop": 0.05, "everything": 0.1},
        "begin": "glide-shapes",
    },
    "inpaint-emoji": {
        **INPAINT,
        "about": "fills in from captions what is erased of an emoji, 16 x 16 pixels",
        "data": "emoji",
        "loss": {"drop": 0.1, "word_drop": 0.1, "everything": 0.1},
        "begin": "glide-emoji",
    },
    "prior-shapes": {
        "about": "imagines the CLIP embedding of a picture of one shape from its caption",
        "kind": "prior",
        "data": "shape",
        "clip": "clip-shapes",
        "net": {"length": 16, "dim": 64, "width": 128, "depth": 3, "heads": 4},
        "schedule": COSINE,
        "loss": {"drop": 0.1, "word_drop": 0.0},
        "train": {"batch_size": 512, "lr": 1e-3, "steps": 8000},
    },
    "prior-emoji": {
        "about": "imagines the CLIP embedding of an emoji from its caption",
        "kind": "prior",
        "data": "emoji",
        "clip": "clip-emoji",
        "net": {"length": 16, "dim": 64, "width": 128, "depth": 3, "heads": 4},
        "schedule": COSINE,
        "loss": {"drop": 0.1, "word_drop": 0.1},
        "train": {"batch_size": 256, "lr": 1e-3, "steps": 1500},
    },
    "decoder-shapes": {
        **DECODER,
        "about": "draws shapes from captions, CLIP embeddings or both, 16 x 16 pixels",
        "data": "shapes",
        "clip": "clip-shapes",
        "begin": "glide-shapes",
        "loss": {**GIVEN, "word_drop": 0.05},
    },
    "decoder-emoji": {
        **DECODER,
        "about": "draws emoji from captions, CLIP embeddings or both, 16 x 16 pixels",
        "data": "emoji",
        "clip": "clip-emoji",
        "begin": "glide-emoji",
        "loss": {**GIVEN, "word_drop": 0.1},
    },
    "folder": {
        "about": "draws pictures like yours from captions",
        "kind": "unet",
        "data": "folder",
        "net": {
            "size": 64,
            "channels": 3,
            "width": 64,
            "mults": [1, 2, 3, 4],
            "depth": 2,
            "attention": [16, 8],
            "heads": 4,
            "caption": {**CAPTION, "length": 32, "width": 256, "depth": 4},
        },
        "schedule": COSINE,
        "loss": {"drop": 0.1, "word_drop": 0.1},
        "train": {"batch_size": 64, "lr": 3e-4, "steps": 50_000},
    },
    "clip-folder": {
        "about": "tells which caption fits a picture of yours",
        "kind": "clip",
        "data": "folder",
        "net": {
            **CLIP,
            "length": 32,
            "size": 64,
            "patch": 8,
            "dim": 256,
            "text_width": 256,
            "image_width": 256,
            "image_depth": 6,
        },
        "loss": {"word_drop": 0.1, "shift": 2},
        "train": {"batch_size": 128, "lr": 5e-4, "steps": 5000, "weight_decay": 0.1},
    },
    "upsampler-emoji": {
        "about": "draws emoji of 32 x 32 pixels from those of 16 x 16",
        "kind": "unet",
        "data": "emoji",
        "net": {**GLIDE, "size": 32, "attention": [], "extra": 3},
        "schedule": COSINE,
        "loss": {"noise": 0.2},
        "train": {"batch_size": 128, "lr": 1e-3, "steps": 7500},
    },
}

# Shorter names for the command `sample`: a model, then the upsampler for its pictures, if there is one.
ALIASES = {"emoji": ["glide-emoji", "upsampler-emoji"], "shapes": ["glide-shapes"]}

# DALL·E 2: the models that make up a chain.
CHAINS = {
    "unclip-shapes": {"clip": "clip-shapes", "prior": "prior-shapes", "decoder": "decoder-shapes"},
    "unclip-emoji": {
        "clip": "clip-emoji",
        "prior": "prior-emoji",
        "decoder": "decoder-emoji",
        "upsampler": "upsampler-emoji",
    },
}


def unknown(name: str, known: Iterable[str] = PRESETS, what: str = "model or folder") -> str:
    """The error message for an unknown name; for a name that stands for several models, it lists them."""
    parts = ALIASES.get(name) or list(CHAINS.get(name, {}).values())
    if parts:
        return f"{name} stands for {', '.join(parts)}: name one of these."
    return f"There is no {what} {name!r}: the known ones are {', '.join(known)}."


def preset(name: str) -> dict[str, Any]:
    """The preset of this name. ValueError, listing the known names, for any other."""
    if name not in PRESETS:
        raise ValueError(unknown(name, what="model"))
    return PRESETS[name]
