"""The emoji of six artists: what the file holds, and that its builder reads packages as it should."""

import hashlib
import json
import re
from collections import Counter

import numpy as np
import pytest
import torch

from ddpm_lite.data import emoji, grammar
from ddpm_lite.data.builders import emoji as builder
from ddpm_lite.data.builders import english, worn
from ddpm_lite.data.emoji import ARTISTS, TONES

ASSETS = emoji.FILE.parent


def test_the_file_holds_what_its_page_says():
    found, about = emoji.load(), (ASSETS / "emoji.md").read_text()
    assert found.pictures.shape == (12479, 4, 64, 64) and len(found.things) == 1624 and found.worn.shape == (5, 4, 64, 64)
    assert hashlib.sha256(emoji.FILE.read_bytes()).hexdigest() in about and emoji.FILE.stat().st_size < 6_000_000
    assert all(name in about for name in builder.PACKAGES) and tuple(builder.PACKAGES) == ARTISTS
    assert all(version in about for version in ("CC BY 4.0", "Apache License 2.0", "MIT licence", "Twitter, Inc"))


def test_each_thing_has_three_artists_and_no_two_share_a_name():
    found = emoji.load()
    by = Counter(thing for thing, _, tone in found.row if tone == 0)
    assert len(by) == len(found.things) and min(by.values()) == builder.LEAST
    names = [thing.name for thing in found.things]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[a-z0-9]+( [a-z0-9]+)*", name) for name in names)
    plurals = [thing.plural for thing in found.things if thing.plural]
    assert len(set(plurals)) == len(plurals)
    same = {thing.plural for thing in found.things if thing.name == thing.plural}  # "two tropical fish"
    # Other things are called "eyes" and "houses"; of these one says no number, so "two eyes" are two of an eye.
    several = {thing.name for thing in found.things if not thing.plural}
    assert set(plurals) & set(names) - same <= several and len(same) < 12
    assert tuple(worn.WORN) == grammar.WORN
    assert {artist for _, artist, _ in found.row} == set(range(len(ARTISTS)))
    assert {tone for *_, tone in found.row} == set(range(len(TONES)))


def test_a_synonym_is_one_things_alone():
    found = emoji.load()
    synonyms = Counter(word for thing in found.things for word in thing.synonyms)
    assert max(synonyms.values()) == 1 and not set(synonyms) & {thing.name for thing in found.things}
    assert "hippo" in {word for thing in found.things if thing.name == "hippopotamus" for word in thing.synonyms}
    assert not set(synonyms) & builder.UNFIT


def test_pictures_have_outlines_and_artists_differ():
    found = emoji.load()
    assert found.pictures[:, 3].float().mean((1, 2)).min() > 5  # none is empty
    fox = next(i for i, thing in enumerate(found.things) if thing.name == "fox")
    rows = [found.row[fox, artist, 0] for artist in range(6)]
    shown = found.pictures[rows].float().flatten(1)
    assert (torch.cdist(shown, shown) + 1e9 * torch.eye(6)).min() > 1000
    assert all(found.pictures[row, 3, 0, 0] == 0 for row in rows)  # nothing in the corner


def test_a_damaged_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(emoji, "FILE", tmp_path / "emoji.npz")
    whole = (ASSETS / "emoji.npz").read_bytes()
    for content in (b"", b"no zip", whole[:100_000]):
        (tmp_path / "emoji.npz").write_bytes(content)
        emoji.load.cache_clear()
        with pytest.raises(ValueError, match=r"emoji.npz is damaged or missing .*install ddpm_lite again"):
            emoji.load()
    np.savez(tmp_path / "emoji.npz", rows=np.zeros((1, 3)), indices=np.zeros(9, np.uint8), palettes=np.zeros(9, np.uint8))
    with pytest.raises(ValueError, match=r"emoji.npz is damaged or missing .*install ddpm_lite again"):
        emoji.load()
    emoji.load.cache_clear()


@pytest.mark.parametrize(
    ("label", "name", "article", "plural"),
    [
        ("fox", "fox", "a", "foxes"),
        ("face with tears of joy", "face with tears of joy", "a", "faces with tears of joy"),
        ("man dancing", "man dancing", "a", "men dancing"),
        ("man: red hair", "man with red hair", "a", "men with red hair"),
        ("woman firefighter", "woman firefighter", "a", "woman firefighters"),
        ("mouse", "mouse", "a", "mice"),
        ("butterfly", "butterfly", "a", "butterflies"),
        ("key", "key", "a", "keys"),
        ("octopus", "octopus", "an", "octopuses"),
        ("ewe", "ewe", "a", "ewes"),
        ("unicorn", "unicorn", "a", "unicorns"),
        ("hourglass done", "hourglass done", "an", "hourglass dones"),
        ("scissors", "scissors", "", ""),
        ("glasses", "glasses", "", ""),
        ("broccoli", "broccoli", "", ""),
        ("thumbs up", "thumbs up", "", ""),
        ("backhand index pointing left", "backhand index pointing left", "a", ""),
        ("O button (blood type)", "o button", "an", "o buttons"),
        ("Côte d’Ivoire", "cote divoire", "a", "cote divoires"),
        ("keycap: 3", "keycap 3", "a", ""),
        ("keycap: #", "number sign keycap", "a", "number sign keycaps"),
        ("family: man, woman, boy", "family of man woman boy", "a", "families of man woman boy"),
    ],
)
def test_names_articles_and_plurals(label, name, article, plural):
    assert english.name_of({"label": label}) == name
    assert (english.article(name), english.plural(name)) == (article, plural)


def test_a_sign_has_no_plural():
    assert english.plural("o button", english.SYMBOLS) == ""


def svg(colour):
    return {"body": f'<rect width="16" height="32" fill="{colour}"/>'}


def package(folder, icons, chars, aliases=None, **size):
    folder.mkdir(parents=True)
    (folder / "icons.json").write_text(json.dumps({"icons": icons, "aliases": aliases or {}, **size}))
    (folder / "chars.json").write_text(json.dumps(chars))


@pytest.fixture
def packages(tmp_path):
    """Six packages of three things, one of which too few have drawn."""
    for i, (name, version) in enumerate(builder.PACKAGES.items()):
        icons = {"ox": svg("#102030"), "hand": svg("#fc0"), "hand-dark": svg("#630")} | ({"egg": svg("#fff")} if i < 2 else {})
        aliases = {}
        if name == "twitter":  # another name for the same picture, and one that is turned
            icons["bull"], aliases = icons.pop("ox"), {"ox": {"parent": "bull"}, "hand": {"parent": "hand-dark", "rotate": 1}}
            del icons["hand"]
        knows = {"1F402": "ox", "270B-FE0F": "hand", "270b-1f3ff": "hand-dark", "1f95a": "egg"} if i % 2 == 0 else {}
        package(tmp_path / f"iconify-json-{version}" / "package", icons, knows, aliases, width=32, height=32)
    entries = [
        {"label": "ox", "hexcode": "1F402", "group": 3, "tags": ["bull", "zodiac", "ox"]},
        {"label": "raised hand", "hexcode": "270B", "group": 1, "tags": ["zodiac"],
         "skins": [{"hexcode": "270B-1F3FF", "tone": 5}, {"hexcode": "270B-1F3FB", "tone": 1}]},
        {"label": "egg", "hexcode": "1F95A", "group": 4, "tags": []},
        {"label": "flag: Chad", "hexcode": "1F402", "group": 9, "tags": []},
        {"label": "regional indicator", "hexcode": "1F402", "tags": []},
    ]  # fmt: skip
    folder = tmp_path / "emojibase-data-17.0.0" / "package" / "en"
    folder.mkdir(parents=True)
    (folder / "data.json").write_text(json.dumps(entries))
    return tmp_path


def test_the_builder_takes_what_three_have_drawn_with_tones(packages, tmp_path, monkeypatch):
    arrays = builder.build(packages)
    assert arrays["things"].tobytes().decode().split("\n") == ["ox\tan\toxen\t3\tbull", "raised hand\ta\traised hands\t1"]
    # Twitter's ox is found by its other name; its hand is only a turned picture, and is left out.
    rows = [(0, a, 0) for a in range(6)] + [(1, a, 0) for a in range(6) if a != 2] + [(1, a, 5) for a in range(6)]
    assert sorted(map(tuple, arrays["rows"].tolist())) == sorted(rows)
    np.savez_compressed(tmp_path / "made.npz", **arrays)
    monkeypatch.setattr(emoji, "FILE", tmp_path / "made.npz")
    emoji.load.cache_clear()
    made = emoji.load()
    emoji.load.cache_clear()
    ox = made.pictures[made.row[0, 0, 0]]
    assert ox[:, 30, 5].tolist() == [16, 32, 48, 255] and ox[3, 30, 60] == 0  # the left half, on nothing


def test_the_same_packages_build_the_same_bytes(packages):
    a, b = builder.build(packages), builder.build(packages)
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_two_things_of_one_name_are_refused(packages):
    file = packages / "emojibase-data-17.0.0" / "package" / "en" / "data.json"
    entries = json.loads(file.read_text())
    file.write_text(json.dumps([entries[0], entries[0]]))
    with pytest.raises(ValueError, match="Some things have the same name: ox"):
        builder.build(packages)
