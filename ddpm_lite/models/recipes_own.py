"""Recipes for models of your own pictures."""

from .recipe import Recipe, Training
from .recipes_course import CAPTION, CLIP, COSINE, TRANSFORMER

OWN = [
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
