"""1,624 things drawn by six artists, with their names: emoji of Google (two sets), Twitter, Microsoft (two) and EmojiOne.

assets/emoji.npz holds them at 64 x 64 pixels with their outlines; `builders.emoji` makes it; assets/emoji.md says where
they are from. `changes` draws changes on them, and `grammar` says what may be asked.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from .archive import expanded, opened

FILE = Path(__file__).parents[1] / "assets" / "emoji.npz"
SIDE, COLOURS_KEPT = 64, 32  # of a stored picture: its pixels and its colours
ARTISTS = ("google", "old google", "twitter", "microsoft", "microsoft 3d", "emojione")
TONES = ("", "light", "medium light", "medium", "medium dark", "dark")  # of skin; the first means that none is asked for


class Thing(NamedTuple):
    """A thing that is drawn: its name, its article ("a", "an" or nothing), its plural (nothing where one does not say it),
    Unicode's group, and names or keywords of Unicode that it alone has."""

    name: str
    article: str
    plural: str
    group: int
    synonyms: tuple[str, ...]


class Emoji(NamedTuple):
    """Pictures (N, 4, 64, 64) in red, green, blue and alpha, which thing, artist and tone of skin each shows, and what a thing
    can wear, in the order of `grammar.WORN`."""

    pictures: UInt8[Tensor, "N 4 64 64"]
    things: tuple[Thing, ...]
    row: dict[tuple[int, int, int], int]  # (thing, artist, tone) -> its picture
    worn: UInt8[Tensor, "k 4 64 64"]


@cache
def load() -> Emoji:
    """All pictures and names, read once. ValueError if the file is damaged or missing."""
    with opened(FILE) as file:
        rows = file["rows"]
        index = torch.from_numpy(expanded(file["indices"]).reshape(len(rows), -1).copy())
        palette = torch.from_numpy(expanded(file["palettes"]).reshape(len(rows), COLOURS_KEPT, 4).copy())
        lines = [line.split("\t") for line in file["things"].tobytes().decode().split("\n")]
        worn = torch.from_numpy(file["worn"]).permute(0, 3, 1, 2)
    parts = zip(index.split(1000), palette.split(1000), strict=True)  # of a whole, the indices would take 400 MB
    pictures = torch.cat([p[torch.arange(len(p))[:, None], i.long()].mT for i, p in parts]).reshape(-1, 4, SIDE, SIDE)
    things = tuple(Thing(a, b, c, int(group), tuple(more)) for a, b, c, group, *more in lines)
    return Emoji(pictures, things, {tuple(row): i for i, row in enumerate(rows.tolist())}, worn)
