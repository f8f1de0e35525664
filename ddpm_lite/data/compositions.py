"""Captions of emoji that do not exist, so a model that draws them cannot have memorised them.

`exchanged` makes a hundred of them by a rule, for the scores; SHEET lists forty to look at.
"""

import re
from functools import cache
from itertools import product
from typing import NamedTuple

import torch

from . import emoji

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white", "pink")
ANIMALS = ("cat", "dog", "bear", "monkey", "pig", "mouse", "rabbit", "fox", "lion", "tiger", "cow", "horse", "panda", "frog")
MOODS = ("grinning", "crying", "weary", "kissing", "smiling", "winking", "thinking", "angry", "sleepy", "dizzy")
# For each kind: where in a name its words may be exchanged (not in "computer mouse"), and how many of the hundred are of it.
EXCHANGES = ((COLOURS, r"\b{}\b", 34), (ANIMALS, r"\b{}(?= face)", 33), (MOODS, r"\b{}(?= (?:cat )?face)", 33))

SHEET = (
    "blue cat face", "angry cat face", "sleepy cat face", "crying dog face", "smiling dog face with sunglasses",
    "green apple book", "smiling moon", "crying moon", "sun with sunglasses", "pink elephant", "blue dog", "green pig face",
    "purple apple", "blue apple", "black apple", "white book", "pink book", "yellow book", "red book", "purple car",
    "green car", "yellow car", "blue fire engine", "red house", "blue house", "angry dog face", "kissing dog face",
    "crying frog face", "grinning bear face", "angry pig face", "smiling tiger face", "panda face with sunglasses",
    "cow face with tears of joy", "lion face with halo", "blue mushroom", "green mushroom", "black flower", "blue flower",
    "green bird", "red bird",
)  # fmt: skip


class Exchange(NamedTuple):
    """A caption that no emoji has, the name it is made from, and a name that contains the new word."""

    asked: str
    made_from: str
    holds_the_word: str


@cache
def exchanged() -> tuple[Exchange, ...]:
    """A hundred captions made from names of training emoji by exchanging one word for another of its kind: a colour, an animal
    or a mood. None is a caption of any emoji. The choice of the hundred is fixed."""
    train, held_out = emoji.load(16)
    known = {caption for part in (train, held_out) for captions in part.captions for caption in captions}
    found, g = [], torch.Generator().manual_seed(0)
    for kind, where, count in EXCHANGES:
        holders = {word: [name for name in train.names if word in name.split()] for word in kind}
        made = {}  # the last name from which each caption is made
        for old, new in product(kind, kind):
            for name in train.names:
                asked = re.sub(where.format(old), new, name)
                if asked not in known and holders[new] and len(name.split()) > 1:
                    made[asked] = Exchange(asked, name, min(holders[new], key=len))
        order = torch.randperm(len(made), generator=g)[:count].sort().values.tolist()
        found += [list(made.values())[i] for i in order]
    return tuple(found)
