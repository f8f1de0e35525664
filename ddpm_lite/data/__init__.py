"""The pictures and captions, one file for each set; `builders` holds how the shipped files were made.

Each set has functions that load or draw it, and those that are drawn have a `judge`, which says what a picture shows. The
room imports `maths` and `networks` (its tokenizer splits captions into words). The lecture names no data set.
"""

from . import chance, changes, digits, emoji, folder, grammar, photos, points, scenes, shapes

__all__ = [
    "chance",
    "changes",
    "digits",
    "emoji",
    "folder",
    "grammar",
    "photos",
    "points",
    "scenes",
    "shapes",
]
