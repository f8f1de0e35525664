"""Your own pictures with captions: a folder, and a CSV file of captions or else the names of the pictures."""

import csv
import hashlib
import json
import re
import unicodedata
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..networks.tokenizer import split

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
HEADER = ["file", "caption"]
NAMED = 10  # files that a message names


class Folder(NamedTuple):
    """Pictures (N, 3, size, size) in [-1, 1], one or more captions for each, and their paths inside the folder, in NFC."""

    images: Float32[Tensor, "N 3 size size"]
    captions: list[list[str]]
    names: list[str]


def load(path: str | Path, size: int, captions: str | Path | None = None, broken: Literal["refuse", "skip"] = "refuse") -> Folder:
    """The pictures in a folder and in the folders inside it, in the order of their names, as squares of one size.

    captions   a CSV file in UTF-8 whose first line is file,caption; files are named relative to the folder, and a file in
               several rows has several captions. Without it the name is the caption: "red_car-012.jpg" is "red car"
    broken     what to do about files that cannot be read: "refuse" all with a ValueError, or "skip" them with a warning

    Both name the files and the reasons. Of an animation, the first picture is taken. Names are compared in Unicode's
    composed form (NFC), since some systems store "é" as one character and some as two. FileNotFoundError or ValueError, in
    one sentence, for everything else that does not fit, a caption without words included.
    """
    path = Path(path)
    if broken not in ("refuse", "skip"):
        raise ValueError(f"broken = {broken!r}, but it is 'refuse' or 'skip'.")
    if size < 1:
        raise ValueError(f"size = {size}, but a picture has a side of 1 pixel or more.")
    found, said = listing(path, captions)
    images, unreadable = {}, []
    for name in said:
        try:
            images[name] = read(found[name], size)
        except ValueError as error:
            unreadable.append(f"{name} ({error})")
    if unreadable and broken == "refuse":
        raise ValueError(f"These pictures cannot be read: {listed(unreadable)}; broken='skip' leaves them out.")
    if not images:
        raise ValueError(f"None of the pictures in {str(path)!r} can be read: {listed(unreadable)}.")
    if unreadable:
        warnings.warn(f"These pictures cannot be read and are left out: {listed(unreadable)}.", stacklevel=2)
    pixels = torch.from_numpy(np.stack(list(images.values()))).permute(0, 3, 1, 2)
    return Folder((pixels / 127.5 - 1).contiguous(), [said[name] for name in images], list(images))


def listing(path: Path, captions: str | Path | None = None) -> tuple[dict[str, Path], dict[str, list[str]]]:
    """The files with the ending of a picture, by name, and the captions of each, in the order of the names: see `load`."""
    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path)!r}.")
    found: dict[str, Path] = {}
    for file in path.rglob("*"):
        name = composed(file.relative_to(path).as_posix())
        hidden = re.search(r"(^|/)\.", name)  # hidden files belong to the system
        if file.suffix.lower() in ENDINGS and not file.is_dir() and not hidden:
            if name in found:
                raise ValueError(f"Two pictures in {str(path)!r} have the name {name!r}, in two Unicode forms: rename one.")
            found[name] = file
    names = sorted(found)
    if not names:
        raise ValueError(f"The folder {str(path)!r} holds no pictures: files that end in {', '.join(ENDINGS)}.")
    return found, from_names(names) if captions is None else from_csv(Path(captions), names)


def fingerprint(path: str | Path, captions: str | Path | None = None) -> str:
    """A hash, 16 characters, of the bytes of the pictures in a folder and of their captions, wherever the folder is."""
    found, said = listing(Path(path), captions)
    digest = hashlib.sha256()
    for name, lines in said.items():
        digest.update(json.dumps(lines).encode())
        with suppress(OSError):  # `load` says that it cannot be read
            digest.update(hashlib.sha256(found[name].read_bytes()).digest())
    return digest.hexdigest()[:16]


def read(file: Path, size: int) -> np.ndarray:
    """`square` of the picture in a file. ValueError, with the reason in a few words, for what cannot be read."""
    try:
        if not file.stat().st_size:
            raise ValueError("the file is empty")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about large pictures and odd metadata, which Pillow reads all the same
            with Image.open(file) as image:
                return square(image, size)
    except (ValueError, MemoryError):
        raise
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise ValueError(f"it has more than {most} megapixels: make it smaller") from None
    except UnidentifiedImageError:
        raise ValueError("it is not a picture in a known format, such as PNG or JPEG") from None
    except Exception as error:  # damaged files raise errors of many kinds
        reason = getattr(error, "strerror", None)  # from the system, such as "Permission denied"
        raise ValueError(reason or f"it is damaged: {str(error).strip('.') or type(error).__name__}") from error


def square(image: Image.Image, size: int) -> np.ndarray:
    """The middle square of a picture, size x size x 3 in 8 bits: upright by its EXIF data, on white where transparent.

    ValueError for grey values in floating point or beyond 16 bits, since nothing says which of them is white, and for the
    colours of LAB.
    """
    key, depth = image.info.get("transparency"), _depth(image)
    image.draft(None, (4 * size, 4 * size))  # a large JPEG is decoded no finer than needed
    image = ImageOps.exif_transpose(image)
    if image.mode in ("F", "LAB"):
        raise ValueError(f"its pixels are of the kind {image.mode}: save it as grey or RGB with 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits of grey
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise ValueError(f"its grey values run from {grey.min()} to {grey.max()}, beyond 16 bits")
        opaque = np.full_like(grey, 255) if key is None else np.where(grey == key, 0, 255)
        image = Image.fromarray(np.stack([(grey / 257).round(), opaque], axis=2).astype(np.uint8))
    elif image.mode == "L" and depth < 8 and key is not None:  # Pillow scales grey values up to 8 bits, but not this one
        image.info["transparency"] = key * 255 // (2**depth - 1)
    elif image.mode == "RGB" and depth > 8 and key is not None:  # and colours down to 8 bits
        image.info["transparency"] = tuple(part >> (depth - 8) for part in key)
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image.convert("RGBA"))
        image = paper
    return np.asarray(ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.LANCZOS))


def _depth(image: Image.Image) -> int:
    """The bits per number in a PNG file, from Pillow's name for its layout ("L;2", "RGB;16B"); 8 for other files."""
    tile = image.tile if isinstance(image, ImageFile.ImageFile) and image.format == "PNG" else []
    layout = tile[0][3] if tile else ""
    return int(re.sub(r"\D", "", str(layout)) or 8)


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which equal names are equal strings."""
    return unicodedata.normalize("NFC", name)


def from_names(names: list[str]) -> dict[str, list[str]]:
    """The caption of each file from its name: words without the folder, the ending and the number at the end."""
    said = {name: " ".join(re.sub(r"\(?\d+\)?$", "", re.sub(r"[\s_-]+", " ", Path(name).stem)).split()) for name in names}
    mute = [name for name, caption in said.items() if not split(caption)]
    if mute:
        raise ValueError(f"These names have no words for a caption: {listed(mute)}; name the files in words or give a CSV file.")
    return {name: [caption] for name, caption in said.items()}


def from_csv(file: Path, names: list[str]) -> dict[str, list[str]]:
    """The captions of each file from a CSV file; ValueError unless rows and files match."""
    if not file.is_file():
        raise FileNotFoundError(f"There is no file of captions {str(file)!r}.")
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines)
            rows = [(reader.line_num, [field.strip() for field in row]) for row in reader if row]
    except UnicodeDecodeError:
        raise ValueError(f"{file.name} is not in UTF-8: save it in that encoding.") from None
    except csv.Error as error:
        raise ValueError(f"{file.name} is not a CSV file: {error}.") from None
    if not rows or rows[0][1] != HEADER:
        first = ",".join(rows[0][1]) if rows else ""
        raise ValueError(f"The first line of {file.name} must be {','.join(HEADER)}, not {first[:60]!r}.")
    said: dict[str, list[str]] = {name: [] for name in names}
    for line, row in rows[1:]:
        if len(row) != 2:
            raise ValueError(
                f"{file.name}, line {line}: found {len(row)} instead of 2 fields; put a caption with a comma in double quotes."
            )
        name, caption = composed(row[0]), row[1]
        if name not in said:
            raise ValueError(f"{file.name}, line {line}: there is no picture {name!r} in the folder.")
        if not split(caption):
            what = f"holds no word ({caption[:40]!r})" if caption else "is empty"
            raise ValueError(f"{file.name}, line {line}: the caption of {name!r} {what}, so nothing can be learned from it.")
        said[name].append(caption)
    without = [name for name, captions in said.items() if not captions]
    if without:
        raise ValueError(f"{file.name} has no caption for {listed(without)}.")
    return said


def listed(names: list[str]) -> str:
    """The first ten names, and how many more, for a message."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
