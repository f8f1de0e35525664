"""The presets by name: the recipes of the course's models, and of models of your own pictures."""

from collections.abc import Iterable

from .recipe import Recipe
from .recipes_course import COURSE
from .recipes_own import OWN

PRESETS = {recipe.name: recipe for recipe in [*COURSE, *OWN]}

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
