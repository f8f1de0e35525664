"""Builds assets/emoji.npz from the npm package `emoji-datasource-google` 16.0.0. Only needed to rebuild it:

    npm pack emoji-datasource-google@16.0.0 && tar xzf emoji-datasource-google-16.0.0.tgz
    python -m ddpm_lite.data.builders.emoji package

The same package gives the same arrays and, with the same zlib, the same file. `emoji` says what is in the file.
"""

import argparse
import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .english import plain

SIDE = 32
HELD_OUT = 20  # one in this many
ALIKE = 10  # root mean square difference in 8-bit levels at 16 x 16, below which two pictures count as the same one

# Unicode says black for filled, white for outlined and heavy for bold: only in these groups are the words meant literally.
MEANT = {"animal-bird", "animal-mammal", "flag", "geometric", "heart", "person", "person-activity"}
# Names that are wrong for the picture, ambiguous, or the same as another one once black, white and heavy are gone.
NAMES = {
    "1f935.png": "person in tuxedo",
    "002a-fe0f-20e3.png": "keycap star",
    "2764-fe0f.png": "red heart",
    "2705.png": "check mark button",
    "274e.png": "cross mark button",
    "2754.png": "grey question mark ornament",
    "2755.png": "grey exclamation mark ornament",
    "1f53c.png": "upwards button",
    "1f53d.png": "downwards button",
}
NOT_NAMES = {"blue car", "hankey", "shit"}  # short names that are wrong for the picture, or unfit for a class

# What does not keep its name when mirrored: groups with letters, digits, maps or directions, and words that imply them.
ONE_WAY_GROUPS = {
    "alphanum", "arrow", "av-symbol", "award-medal", "country-flag", "currency", "flag", "gender", "keycap", "math", "money",
    "music", "other-symbol", "place-map", "punctuation", "religion", "subdivision-flag", "time", "transport-sign", "warning",
    "zodiac",
}  # fmt: skip
ONE_WAY_WORDS = {
    "ambulance", "arriving", "bank", "calendar", "card", "cards", "chart", "clockwise", "convenience", "crescent", "departure",
    "disc", "dvd", "gibbous", "hotel", "hundred", "left", "leftwards", "mahjong", "newspaper", "police", "quarter",
    "right", "rightwards", "sleeping", "stop", "taxi", "waning", "waxing",
}  # fmt: skip


def without_form(name: str, group: str) -> str:
    """A plain name without black, white and heavy, unless these are colours here."""
    return name if group in MEANT else " ".join(w for w in name.split() if w not in ("black", "white", "heavy"))


def name_of(entry: dict) -> str:
    """The plain name of an entry of emoji.json: "man with red hair" for "MAN: RED HAIR"."""
    name = entry["name"].lower()
    if entry["subcategory"] == "person":
        name = re.sub(r"^(\w+): bald$", r"bald \1", name).replace(": ", " with ")
    return NAMES.get(entry["image"]) or without_form(plain(name), entry["subcategory"])


def article(name: str, entry: dict) -> list[str]:
    """["a tiger"], for the names of single faces, animals and people; [] for others."""
    group = entry["subcategory"]
    single = group in {"person", "person-role", "person-fantasy", "monkey-face"} or group.startswith("animal-")
    if name.endswith("s") or not (single or (entry["category"] == "Smileys & Emotion" and "face" in name.split())):
        return []
    return [f"{'an' if name[0] in 'aeiou' else 'a'} {name}"]


def all_captions(entries: list[dict]) -> list[list[str]]:
    """For each entry its name, then the other captions; ValueError if two have the same name."""
    names = [name_of(entry) for entry in entries]
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise ValueError(f"Some emoji have the same name: {', '.join(twice)}.")
    short = [[without_form(plain(s.replace("-", " ")), e["subcategory"]) for s in e["short_names"]] for e in entries]
    uses = Counter([*names, *(s for each in short for s in set(each))])
    captions = []
    for name, entry, others in zip(names, entries, short, strict=True):
        if entry["subcategory"] in ("country-flag", "subdivision-flag"):
            captions.append([name, f"flag of {name.removesuffix(' flag')}"])
            continue
        others = [
            s
            for s in dict.fromkeys(others)
            if uses[s] == 1 and len(s) > 2 and not re.search("[0-9]", s) and s.replace(" ", "") != name.replace(" ", "")
        ]
        group = plain(entry["subcategory"].replace("-", " "))
        captions.append([name, *article(name, entry), *(s for s in others if s not in NOT_NAMES), f"{name}, {group}"])
    return captions


def keeps_its_name(captions: list[str], group: str) -> bool:
    """Whether the mirrored picture may have the same captions."""
    words = {word for caption in captions for word in plain(caption).split()}
    return group not in ONE_WAY_GROUPS and not words & ONE_WAY_WORDS


def hold_out(entries: list[dict], captions: list[list[str]], small: np.ndarray) -> np.ndarray:
    """A twentieth of the emoji, in the order of a hash of their code, so that nobody has chosen them.

    Their names have two words or more, and each word also occurs in the captions of two others that are not held out:
    only the combination of words is new. No other picture is like a held-out one.
    """
    flat = small.reshape(len(small), -1).astype(np.float64)
    square = (flat**2).sum(1)
    distance = np.sqrt(np.maximum(square[:, None] + square - 2 * flat @ flat.T, 0) / flat.shape[1])
    np.fill_diagonal(distance, np.inf)
    words = [{word for caption in each for word in plain(caption).split()} for each in captions]
    left = Counter(word for each in words for word in each)
    held = np.zeros(len(entries), dtype=bool)
    for i in sorted(range(len(entries)), key=lambda i: hashlib.sha256(entries[i]["unified"].encode()).hexdigest()):
        name = captions[i][0].split()
        composed = len(name) > 1 and entries[i]["subcategory"] not in {"alphanum", "keycap", "skin-tone"}
        known = all(left[word] > 2 for word in name)
        if composed and known and distance[i].min() > ALIKE and held.sum() < len(entries) // HELD_OUT:
            held[i] = True
            left -= Counter(words[i])
    return held


def build(package: Path) -> dict[str, np.ndarray]:
    """The arrays of emoji.npz from the folder of the package."""
    entries = [e for e in json.loads((package / "emoji.json").read_text()) if e["has_img_google"]]
    entries.sort(key=lambda e: e["sort_order"])
    pictures = np.zeros((len(entries), SIDE, SIDE, 3), dtype=np.uint8)
    for entry, picture in zip(entries, pictures, strict=True):
        with Image.open(package / "img" / "google" / "64" / entry["image"]) as image:
            opened = image.convert("RGBA")
        # On white first: then the mean of pixels is the mean of what is seen, and no colour hidden under alpha 0 leaks in.
        paper = Image.new("RGBA", opened.size, "white")
        paper.alpha_composite(opened)
        picture[:] = np.asarray(paper.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX))
    captions = all_captions(entries)
    small = pictures.reshape(-1, SIDE // 2, 2, SIDE // 2, 2, 3).mean((2, 4))
    return {
        "pictures": pictures,
        "captions": np.frombuffer("\n".join("\t".join(each) for each in captions).encode(), dtype=np.uint8),
        "mirrorable": np.array([keeps_its_name(c, e["subcategory"]) for c, e in zip(captions, entries, strict=True)]),
        "held_out": hold_out(entries, captions, small),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build assets/emoji.npz from the unpacked npm package.")
    parser.add_argument("package", type=Path, help="the folder that holds emoji.json and img/google/64")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "assets" / "emoji.npz")
    args = parser.parse_args()
    arrays: dict[str, Any] = build(args.package)
    np.savez_compressed(args.out, **arrays)
