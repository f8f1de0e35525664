"""Your own pictures with captions: a folder, and a CSV file of captions or else the names of the pictures."""

import csv
import re
import warnings
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
HEADER = ["file", "caption"]
NAMED = 10  # files that a message names


class Folder(NamedTuple):
    """Pictures (N, 3, size, size) in [-1, 1], one or more captions for each, and their paths inside the folder."""

    images: Float32[Tensor, "N 3 size size"]
    captions: list[list[str]]
    names: list[str]


def load(path: str | Path, size: int, captions: str | Path | None = None, broken: Literal["refuse", "skip"] = "refuse") -> Folder:
    """The pictures in a folder and in the folders inside it, in the order of their names, as squares of one size.

    captions   a CSV file in UTF-8 whose first line is file,caption; files are named from the folder on, one in several rows
               has several captions. Without it the name is the caption: "red_car-012.jpg" is "red car"
    broken     what to do about files that cannot be read: "refuse" all with a ValueError, or "skip" them with a warning

    Both name the files. FileNotFoundError or ValueError, in one sentence, for everything else that does not fit.
    """
    path = Path(path)
    if broken not in ("refuse", "skip"):
        raise ValueError(f"broken = {broken!r}, but it is 'refuse' or 'skip'.")
    if size < 1:
        raise ValueError(f"size = {size}, but a picture has a side of 1 pixel or more.")
    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path)!r}.")
    found = {f.relative_to(path).as_posix(): f for f in path.rglob("*") if f.suffix.lower() in ENDINGS and f.is_file()}
    names = sorted(name for name in found if not re.search(r"(^|/)\.", name))  # hidden files are the system's
    if not names:
        raise ValueError(f"The folder {str(path)!r} holds no pictures: files that end in {', '.join(ENDINGS)}.")
    said = from_names(names) if captions is None else from_csv(Path(captions), names)

    images, unreadable = {}, []
    for name in names:
        try:
            images[name] = read(found[name], size)
        except ValueError:
            unreadable.append(name)
    if unreadable and broken == "refuse":
        raise ValueError(f"These pictures cannot be read: {listed(unreadable)}; broken='skip' leaves them out.")
    if not images:
        raise ValueError(f"None of the pictures in {str(path)!r} can be read: {listed(unreadable)}.")
    if unreadable:
        warnings.warn(f"These pictures cannot be read and are left out: {listed(unreadable)}.", stacklevel=2)
    pixels = torch.from_numpy(np.stack(list(images.values()))).permute(0, 3, 1, 2)
    return Folder((pixels / 127.5 - 1).contiguous(), [said[name] for name in images], list(images))


def read(file: Path, size: int) -> np.ndarray:
    """`square` of the picture in a file. ValueError, its reason in a few words, for what cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own, of large pictures and of odd metadata: it reads them all the same
            with Image.open(file) as image:
                return square(image, size)
    except MemoryError:
        raise
    except Image.DecompressionBombError:
        most = 2 * Image.MAX_IMAGE_PIXELS // 1_000_000
        raise ValueError(f"it has more than {most} megapixels, make it smaller") from None
    except UnidentifiedImageError:
        raise ValueError("it is in no format that is known, a PNG or a JPEG is") from None
    except Exception as error:  # the readers of damaged files raise all kinds
        raise ValueError(str(error).strip(".") or "it is damaged") from error


def square(image: Image.Image, size: int) -> np.ndarray:
    """The middle square of a picture, size x size x 3 in 8 bits: upright as its EXIF data say, on white where transparent.

    ValueError for grey values in floating point, since nothing says which of them is white.
    """
    image.draft(None, (4 * size, 4 * size))  # a large JPEG is decoded no finer than needed
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("Grey values in floating point have no fixed white.")
    if image.mode.startswith("I"):  # 16 bits of grey
        image = Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image.convert("RGBA"))
        image = paper
    return np.asarray(ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.LANCZOS))


def from_names(names: list[str]) -> dict[str, list[str]]:
    """The caption of each file from its name: words without the folder, the ending and the number at the end."""
    said = {name: " ".join(re.sub(r"\(?\d+\)?$", "", re.sub(r"[\s_-]+", " ", Path(name).stem)).split()) for name in names}
    mute = [name for name, caption in said.items() if not caption]
    if mute:
        raise ValueError(f"These names have no words for a caption: {listed(mute)}; name the files in words or give a CSV file.")
    return {name: [caption] for name, caption in said.items()}


def from_csv(file: Path, names: list[str]) -> dict[str, list[str]]:
    """The captions of each file from a CSV file; ValueError unless rows and files fit each other."""
    if not file.is_file():
        raise FileNotFoundError(f"There is no file of captions {str(file)!r}.")
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines)
            rows = [(reader.line_num, [field.strip() for field in row]) for row in reader if row]
    except UnicodeDecodeError:
        raise ValueError(f"{file.name} is not in UTF-8: save it in that encoding.") from None
    except csv.Error as error:
        raise ValueError(f"{file.name} is no CSV file: {error}.") from None
    if not rows or rows[0][1] != HEADER:
        first = ",".join(rows[0][1]) if rows else ""
        raise ValueError(f"The first line of {file.name} must be {','.join(HEADER)}, not {first[:60]!r}.")
    said = {name: [] for name in names}
    for line, row in rows[1:]:
        if len(row) != 2:
            raise ValueError(
                f"{file.name}, line {line}: {len(row)} fields instead of 2; a caption with a comma stands in double quotes."
            )
        name, caption = row
        if name not in said:
            raise ValueError(f"{file.name}, line {line}: there is no picture {name!r} in the folder.")
        if not caption:
            raise ValueError(f"{file.name}, line {line}: the caption of {name!r} is empty.")
        said[name].append(caption)
    without = [name for name, captions in said.items() if not captions]
    if without:
        raise ValueError(f"{file.name} has no caption for {listed(without)}.")
    return said


def listed(names: list[str]) -> str:
    """Names for a message: the first ten, and how many more."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
