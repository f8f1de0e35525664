"""1,911 emoji with their names: Noto Emoji by Google (Apache 2.0), from the npm package emoji-datasource-google 16.0.0.

assets/emoji.npz holds them at 32 x 32 pixels on white; `emoji_build` makes it; assets/emoji.md says where they are from.
"""

import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

FILE = Path(__file__).parents[1] / "assets" / "emoji.npz"


class Emoji(NamedTuple):
    """Pictures (N, 3, size, size) in [-1, 1] on white, several captions for each, the first of which is its name,
    and whether the mirrored picture keeps them: an arrow, a letter or a "left hand" does not."""

    images: Float32[Tensor, "N 3 size size"]
    captions: list[list[str]]
    mirrorable: Bool[Tensor, " N"]

    @property
    def names(self) -> list[str]:
        """The name of each, in lower-case words; no two are the same."""
        return [each[0] for each in self.captions]


@cache
def _stored() -> tuple[Tensor, list[list[str]], Tensor, Tensor]:
    try:
        with np.load(FILE, allow_pickle=False) as file:
            captions = [line.split("\t") for line in file["captions"].tobytes().decode().split("\n")]
            pictures = torch.from_numpy(file["pictures"]).permute(0, 3, 1, 2)
            return pictures, captions, torch.from_numpy(file["mirrorable"]), torch.from_numpy(file["held_out"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{FILE} is damaged or missing ({error}): install ddpm_lite again.") from error


def load(size: int = 16) -> tuple[Emoji, Emoji]:
    """The emoji as (train, held_out), 1,816 and 95 of them, a fixed split; no name and no picture is in both.

    Each word of a held-out name occurs in captions of the training part: only the combination is new. At 16 x 16 a pixel is
    the mean of four at 32 x 32. ValueError for a size other than 16 and 32.
    """
    if size not in (16, 32):
        raise ValueError(f"size = {size}, but the emoji come at 16 x 16 and 32 x 32 pixels.")
    pictures, captions, mirrorable, held_out = _stored()
    images = torch.nn.functional.avg_pool2d(pictures.float(), 32 // size) / 127.5 - 1

    def part(rows: Tensor) -> Emoji:
        return Emoji(images[rows], [list(captions[i]) for i in rows.nonzero()[:, 0].tolist()], mirrorable[rows])

    return part(~held_out), part(held_out)
