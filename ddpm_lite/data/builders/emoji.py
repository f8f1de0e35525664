"""Builds assets/emoji.npz from seven npm packages, drawn by PyPI's `resvg-py` 0.5.0. Only needed to rebuild it:

    npm pack @iconify-json/noto@1.2.9 @iconify-json/noto-v1@1.2.5 @iconify-json/twemoji@1.2.5
    npm pack @iconify-json/fluent-emoji-flat@1.2.6
    npm pack @iconify-json/fluent-emoji@1.2.7 @iconify-json/emojione@1.2.3 emojibase-data@17.0.0
    for each in *.tgz; do mkdir ${each%.tgz}; tar xzf $each -C ${each%.tgz}; done
    python -m ddpm_lite.data.builders.emoji .

The same packages give the same arrays. `emoji` says what is in the file.
"""

import argparse
import io
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..archive import compressed
from ..emoji import ARTISTS, COLOURS_KEPT, SIDE
from .english import article, name_of, plain, plural
from .worn import WORN

PACKAGES = {
    "google": "noto-1.2.9",
    "old google": "noto-v1-1.2.5",
    "twitter": "twemoji-1.2.5",
    "microsoft": "fluent-emoji-flat-1.2.6",
    "microsoft 3d": "fluent-emoji-1.2.7",
    "emojione": "emojione-1.2.3",
}
LEFT_OUT = {2, 9}  # Unicode's groups of components (skin tones, hair) and flags
PEOPLE = 1
NOUNS = {3, 4, 5, 7}  # groups whose keywords are mostly other names: animals, food, places, objects
LEAST = 3  # artists that must have drawn a thing
UNFIT = {"hankey", "shit", "poop", "crap", "turd"}  # keywords unfit for a class


def unicode_of(code: str) -> str:
    """A code without the sign that only asks for a coloured picture."""
    return code.lower().replace("-fe0f", "")


class Artist:
    """The pictures of one package, by their Unicode code."""

    def __init__(self, folder: Path, slugs: dict[str, list[str]]):
        self.set, self.slugs = json.loads((folder / "icons.json").read_text(encoding="utf-8")), slugs

    def slug(self, code: str) -> str | None:
        """The package's own name for a code, or None if it has no picture of it."""
        icons, aliases = self.set["icons"], self.set.get("aliases", {})
        for slug in dict.fromkeys(self.slugs.get(unicode_of(code), [])):
            if slug in icons:
                return slug
            if set(aliases.get(slug, {})) == {"parent"} and aliases[slug]["parent"] in icons:
                return aliases[slug]["parent"]
        return None

    def draw(self, slug: str) -> np.ndarray:
        """The picture, (SIDE, SIDE, 4) in red, green, blue and alpha."""
        icon = self.set["icons"][slug]
        width, height = (icon.get(name, self.set.get(name, 16)) for name in ("width", "height"))
        return rendered(f'viewBox="{icon.get("left", 0)} {icon.get("top", 0)} {width} {height}"', icon["body"])


def rendered(box: str, body: str) -> np.ndarray:
    """What an SVG shows, (SIDE, SIDE, 4)."""
    import resvg_py

    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    svg = f'<svg {space} {box} width="{SIDE}" height="{SIDE}">{body}</svg>'
    with Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))) as image:
        return np.asarray(image.convert("RGBA"))


def all_six(packages: Path) -> list[Artist]:
    """The six, in the order of ARTISTS. Three packages say which code each name stands for; the names of the others are the
    same ones."""
    slugs: dict[str, list[str]] = defaultdict(list)
    folders = [packages / f"iconify-json-{PACKAGES[name]}" / "package" for name in ARTISTS]
    for folder in folders:
        for code, slug in json.loads((folder / "chars.json").read_text(encoding="utf-8")).items():
            slugs[unicode_of(code)].append(slug)
    return [Artist(folder, slugs) for folder in folders]


def synonyms(entries: list[dict[str, Any]], names: list[str]) -> list[list[str]]:
    """For each entry those of Unicode's keywords that it alone has and that are no words of any name."""
    tags = [{plain(tag) for tag in entry.get("tags", [])} for entry in entries]
    uses = Counter(tag for each in tags for tag in each)
    taken = {word for name in names for word in [name, *name.split()]} | {plural(name) for name in names}
    fit = [sorted(t for t in each if uses[t] == 1 and t not in taken | UNFIT and len(t) > 3 and t.isalpha()) for each in tags]
    return [each[:3] if entry["group"] in NOUNS else [] for each, entry in zip(fit, entries, strict=True)]


def packed(pictures: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The pictures in COLOURS_KEPT colours each: palettes, and the numbers of the colours in one LZMA stream."""
    indices = np.zeros((len(pictures), SIDE, SIDE), dtype=np.uint8)
    palettes = np.zeros((len(pictures), COLOURS_KEPT, 4), dtype=np.uint8)
    for picture, index, palette in zip(pictures, indices, palettes, strict=True):
        image = Image.fromarray(picture).quantize(COLOURS_KEPT, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        index[:] = np.asarray(image)
        assert image.palette is not None
        colours = np.frombuffer(image.palette.tobytes(), dtype=np.uint8).reshape(-1, 4)[:COLOURS_KEPT]
        palette[: len(colours)] = colours
    return {"indices": compressed(indices), "palettes": compressed(palettes)}


def build(packages: Path) -> dict[str, np.ndarray]:
    """The arrays of emoji.npz from the folder of the unpacked packages."""
    six = all_six(packages)
    entries = json.loads((packages / "emojibase-data-17.0.0" / "package" / "en" / "data.json").read_text(encoding="utf-8"))
    entries = [e for e in entries if "group" in e and e["group"] not in LEFT_OUT]
    entries = [e for e in entries if sum(a.slug(e["hexcode"]) is not None for a in six) >= LEAST]
    names = [name_of(entry) for entry in entries]
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise ValueError(f"Some things have the same name: {', '.join(twice)}.")
    pictures: list[np.ndarray] = []
    rows: list[tuple[int, int, int]] = []  # thing, artist, tone
    for thing, entry in enumerate(entries):
        # Skin tones are kept for single persons whose name says neither man nor woman.
        person = entry["group"] == PEOPLE and not {"man", "woman", "men", "women"} & set(names[thing].split())
        tones = [each for each in entry.get("skins", []) if isinstance(each.get("tone"), int)] if person else []
        for tone, code in [(0, entry["hexcode"]), *((each["tone"], each["hexcode"]) for each in tones)]:
            for number, artist in enumerate(six):
                if (slug := artist.slug(code)) is not None:
                    pictures.append(artist.draw(slug))
                    rows.append((thing, number, tone))
    lines = [
        "\t".join([name, article(name), plural(name, entry["group"]), str(entry["group"]), *others])
        for name, entry, others in zip(names, entries, synonyms(entries, names), strict=True)
    ]
    return {
        **packed(pictures),
        "rows": np.array(rows, dtype=np.int16),
        "things": np.frombuffer("\n".join(lines).encode(), dtype=np.uint8),
        "worn": np.stack([rendered('viewBox="0 0 64 64"', body) for body in WORN.values()]),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build assets/emoji.npz from the unpacked npm packages.")
    parser.add_argument("packages", type=Path, help="the folder that holds the folders of the packages")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "assets" / "emoji.npz")
    args = parser.parse_args()
    arrays: dict[str, Any] = build(args.packages)
    np.savez_compressed(args.out, **arrays)
