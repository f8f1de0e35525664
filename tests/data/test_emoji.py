"""Emoji: what the file holds, that its parts do not overlap, and that the script rebuilds it byte for byte."""

import hashlib
import json
import re
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lite.data import emoji
from ddpm_lite.data.builders import emoji as emoji_build

ASSETS = emoji.FILE.parent


def words(captions):
    return {word for caption in captions for word in re.findall("[a-z0-9]+", caption)}


@pytest.fixture(scope="module")
def parts():
    return emoji.load(16)


@pytest.mark.parametrize("size", [16, 32])
def test_the_emoji_are_there_in_colour_on_white(size):
    train, held_out = emoji.load(size)
    assert train.images.shape == (1816, 3, size, size) and held_out.images.shape == (95, 3, size, size)
    everything = torch.cat([train.images, held_out.images])
    assert everything.dtype == torch.float32 and everything.min() == -1 and everything.max() == 1
    assert (everything[:, :, 0, 0] == 1).all(1).float().mean() > 0.8  # most leave their corners white
    for part in (train, held_out):
        assert len(part.names) == len(part.captions) == len(part.mirrorable) == len(part.images)


def test_small_pictures_are_means_of_the_large_ones(parts):
    for small, large in zip(parts, emoji.load(32), strict=True):
        a = large.images.double()
        mean = (a[..., ::2, ::2] + a[..., ::2, 1::2] + a[..., 1::2, ::2] + a[..., 1::2, 1::2]) / 4
        torch.testing.assert_close(small.images.double(), mean, atol=1e-6, rtol=0)
        assert small.captions == large.captions


def test_no_emoji_and_no_picture_is_in_both_parts(parts):
    train, held_out = parts
    names = Counter(train.names + held_out.names)
    assert len(names) == 1911 and max(names.values()) == 1
    a, b = held_out.images.flatten(1), train.images.flatten(1)
    assert torch.cdist(a, b).min() / 768**0.5 * 127.5 > emoji_build.ALIKE


def test_each_word_of_a_held_out_name_is_known_from_two_others(parts):
    train, held_out = parts
    known = Counter(word for captions in train.captions for word in words(captions))
    for name in held_out.names:
        assert len(name.split()) > 1 and all(known[word] >= 2 for word in name.split()), name
    assert set(held_out.names).isdisjoint(caption for captions in train.captions for caption in captions)


def test_the_split_never_changes(parts):
    assert parts[1].names[:3] == [
        "smiling face with open mouth and smiling eyes",
        "kissing face with closed eyes",
        "face with open eyes and hand over mouth",
    ]
    assert hashlib.sha256("\n".join(parts[1].names).encode()).hexdigest().startswith("d18362cc38a922de")
    assert {"red heart", "woman judge", "large yellow circle"} < set(parts[1].names)


def test_captions_are_plain_different_and_short(parts):
    for part in parts:
        for captions in part.captions:
            assert len(captions) >= 2 and len(set(captions)) == len(captions)
            assert all(re.fullmatch(r"[a-z0-9]+( [a-z0-9]+)*(, [a-z0-9 ]+)?", caption) for caption in captions), captions
            assert max(len(caption.split()) for caption in captions) <= 13
    of = {captions[0]: captions for part in parts for captions in part.captions}
    assert of["grinning face"] == ["grinning face", "a grinning face", "grinning", "grinning face, face smiling"]
    assert of["germany flag"] == ["germany flag", "flag of germany"]
    assert of["owl"] == ["owl", "an owl", "owl, animal bird"]
    assert of["man with red hair"][:3] == ["man with red hair", "a man with red hair", "red haired man"]
    assert "cat" not in of["cat face"]  # the name of another one


def test_no_caption_belongs_to_two_emoji(parts):
    owners = Counter(caption for part in parts for captions in part.captions for caption in captions)
    assert max(owners.values()) == 1


HUES = {"red": (235, 55, 45), "orange": (245, 150, 15), "yellow": (250, 205, 50), "green": (125, 180, 60), "blue": (25, 115, 210),
        "purple": (170, 70, 185), "brown": (180, 110, 85), "black": (65, 65, 65), "white": (225, 225, 225)}  # fmt: skip


def test_colours_in_the_names_are_the_colours_of_the_pictures(parts):
    seen = 0
    for part in parts:
        for name, image in zip(part.names, part.images, strict=True):
            colour = set(name.split()) & set(HUES)
            if set(name.split()) & {"heart", "circle", "square"} and colour and "button" not in name and "light" not in name:
                middle = (image[:, 7:9, 7:9].mean((1, 2)) + 1) * 127.5
                off = {hue: (middle - torch.tensor(rgb)).norm() for hue, rgb in HUES.items()}
                assert min(off, key=off.get) == colour.pop(), name
                seen += 1
    assert seen >= 30


def test_what_shows_a_direction_or_a_sign_is_not_mirrored(parts):
    mirrorable = {name: bool(m) for part in parts for name, m in zip(part.names, part.mirrorable, strict=True)}
    assert 1200 < sum(mirrorable.values()) < 1400
    for name in ("grinning face", "cat", "taco", "red heart", "large blue circle", "clapping hands sign"):
        assert mirrorable[name], name
    for name, yes in mirrorable.items():
        if set(name.split()) & {"left", "right", "leftwards", "rightwards", "clock", "keycap", "squared", "arrows"}:
            assert not yes, name
    for part in parts:
        assert not any(m for m, captions in zip(part.mirrorable, part.captions, strict=True) if captions[1].startswith("flag of"))


def test_each_direction_word_and_group_forbids_the_mirror_in_any_caption(parts):
    assert emoji_build.keeps_its_name(["red fox", "a red fox"], "animal-mammal")
    for word in emoji_build.ONE_WAY_WORDS:
        assert not emoji_build.keeps_its_name([f"fox {word}"], "animal-mammal"), word
        assert not emoji_build.keeps_its_name(["red fox", f"a {word} fox"], "animal-mammal"), word
    for group in emoji_build.ONE_WAY_GROUPS:
        assert not emoji_build.keeps_its_name(["red fox"], group), group
    for part in parts:  # the file was built with these words
        for captions, mirrorable in zip(part.captions, part.mirrorable, strict=True):
            assert not (mirrorable and words(captions) & emoji_build.ONE_WAY_WORDS), captions


def test_a_size_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="size = 24, but the emoji come at 16 x 16 and 32 x 32 pixels"):
        emoji.load(24)


def test_the_file_is_small_unpickled_and_the_one_described():
    assert emoji.FILE.stat().st_size < 2_600_000
    about, licence = (ASSETS / "emoji.md").read_text(), (ASSETS / "emoji-LICENSE.txt").read_text()
    assert hashlib.sha256(emoji.FILE.read_bytes()).hexdigest() in about
    assert "Apache License" in licence and "END OF TERMS AND CONDITIONS" in licence
    with np.load(emoji.FILE, allow_pickle=False) as file:
        assert {name: (file[name].dtype, file[name].shape) for name in file if name != "captions"} == {
            "pictures": (np.uint8, (1911, 32, 32, 3)),
            "mirrorable": (bool, (1911,)),
            "held_out": (bool, (1911,)),
        }


def entry(i, name, short=("x",), group="animal-mammal", category="Animals & Nature", google=True):
    return {"name": name, "short_names": list(short), "subcategory": group, "category": category, "unified": f"{i:04X}",
            "image": f"{i:04x}.png", "sort_order": -i, "has_img_google": google}  # fmt: skip


@pytest.fixture
def package(tmp_path):
    """A package like the real one, of four pictures, each in one of the modes that occur in it."""
    folder = tmp_path / "img" / "google" / "64"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i, mode in enumerate(["RGBA", "LA", "P"]):
        Image.fromarray(rng.integers(0, 256, (64, 64, 4), dtype=np.uint8)).convert(mode).save(folder / f"{i:04x}.png")
    hidden = np.zeros((64, 64, 4), dtype=np.uint8)
    hidden[:] = [0, 255, 0, 0]  # green that nobody sees
    hidden[:, ::2] = [255, 0, 0, 255]
    Image.fromarray(hidden).save(folder / "0003.png")
    entries = [entry(0, "RED FOX", ["fox", "red_fox"]), entry(1, "BLACK CAT"), entry(2, "BLACK NIB", group="writing"),
               entry(3, "OX", ["ox2"]), entry(4, "APPLE ONLY", google=False)]  # fmt: skip
    (tmp_path / "emoji.json").write_text(json.dumps(entries))
    return tmp_path


def test_the_same_package_builds_the_same_bytes(package, tmp_path):
    for out in ("a.npz", "b.npz"):
        np.savez_compressed(tmp_path / out, **emoji_build.build(package))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_pictures_are_means_on_white_in_the_order_of_the_package(package):
    pictures = emoji_build.build(package)["pictures"]
    assert pictures.shape == (4, 32, 32, 3)
    assert np.abs(pictures[0].astype(int) - [255, 127.5, 127.5]).max() <= 1  # the last entry sorts first: red and white, no green
    with Image.open(package / "img" / "google" / "64" / "0000.png") as file:
        rgba = np.asarray(file).astype(float)
    alpha = rgba[..., 3:] / 255
    on_white = (rgba[..., :3] * alpha + 255 * (1 - alpha)).reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(pictures[3] - on_white).max() < 1.5


def test_captions_are_made_from_the_entries(package):
    lines = emoji_build.build(package)["captions"].tobytes().decode().split("\n")
    assert [line.split("\t") for line in lines] == [
        ["ox", "an ox", "ox, animal mammal"],
        ["nib", "nib, writing"],
        ["black cat", "a black cat", "black cat, animal mammal"],
        ["red fox", "a red fox", "fox", "red fox, animal mammal"],
    ]


def test_short_names_that_say_nothing_new_or_name_another_one_are_left_out():
    entries = [
        entry(0, "DOG FACE", ["dog", "dogface", "pup", "puppy2", "d"]),
        entry(1, "DOG", ["dog2", "hound", "pup"]),
        entry(2, "RAM", ["white_hound", "black-ram"], group="sport"),
    ]
    assert [captions[1:-1] for captions in emoji_build.all_captions(entries)] == [["a dog face"], ["a dog"], []]


def test_the_builder_marks_what_may_be_mirrored(package):
    entries = json.loads((package / "emoji.json").read_text())
    entries[0]["short_names"] += ["left_fox"]
    entries[2]["subcategory"] = "arrow"
    (package / "emoji.json").write_text(json.dumps(entries))
    assert emoji_build.build(package)["mirrorable"].tolist() == [True, False, True, False]  # ox, nib, cat, fox


def test_held_out_names_are_new_ways_to_put_known_words_together(monkeypatch):
    """60 names of two words, each word in three of them, then as many of one word; every third picture is there twice."""
    monkeypatch.setattr(emoji_build, "HELD_OUT", 4)
    captions = [[f"colour{i % 20} thing{i // 3}", "x"] for i in range(60)] + [[f"colour{i % 20}"] for i in range(60)]
    entries = [entry(i, captions[i][0]) for i in range(120)]
    small = np.random.default_rng(0).integers(0, 256, (120, 4, 4, 3)).astype(float)
    small[1:60:3] = small[:60:3]
    held = emoji_build.hold_out(entries, captions, small)
    assert 5 <= held.sum() <= 30 and not held[60:].any()
    left = Counter(
        word for each, out in zip(captions, held, strict=True) if not out for caption in each for word in caption.split()
    )
    for i in held.nonzero()[0]:
        assert all(left[word] >= 2 for word in captions[i][0].split()), captions[i]
        assert i % 3 == 2, "its picture is there twice"


def test_each_word_of_a_held_out_name_stays_in_two_others(monkeypatch):
    """Nine names of three colours and three animals: once one is held out, its colour and its animal are left in two others, so
    three names can go, one of each colour and of each animal. A tenth has words of which one is in two names only."""
    names = [f"{colour} {animal}" for colour in ("red", "blue", "green") for animal in ("fox", "hen", "owl")]
    names += ["black cat", "black", "black ox", "cat"]
    small = np.random.default_rng(0).integers(0, 256, (len(names), 4, 4, 3)).astype(float)
    entries = [entry(i, name) for i, name in enumerate(names)]

    def held_out():
        return [names[i] for i in emoji_build.hold_out(entries, [[name] for name in names], small).nonzero()[0]]

    monkeypatch.setattr(emoji_build, "HELD_OUT", 1)  # as many as there are
    held = held_out()
    assert Counter(word for name in held for word in name.split()) == dict.fromkeys("red blue green fox hen owl".split(), 1)
    monkeypatch.setattr(emoji_build, "HELD_OUT", 7)  # one in 7 of 13
    assert held_out() == [min(held, key=lambda name: hashlib.sha256(f"{names.index(name):04X}".encode()).hexdigest())]
    for group in ("alphanum", "keycap", "skin-tone"):
        for each in entries:
            each["subcategory"] = group
        assert held_out() == [], group


def test_two_emoji_of_one_name_are_refused():
    with pytest.raises(ValueError, match="Some emoji have the same name: ox"):
        emoji_build.all_captions([entry(0, "OX"), entry(1, "Ox")])


@pytest.mark.parametrize(
    "given, expected", [("Côte d’Ivoire Flag", "cote divoire flag"), ("T-REX", "t rex"), ("U.S. & Co_x", "us and co x")]
)
def test_plain_words(given, expected):
    assert emoji_build.plain(given) == expected
