"""What may be asked of the six artists: captions, and what is held out."""

import pytest
import torch

from ddpm_lite.data import chance, emoji, grammar
from ddpm_lite.data.grammar import Scene

NUMBER = {thing.name: i for i, thing in enumerate(emoji.load().things)}


@pytest.mark.parametrize(
    ("caption", "changes"),
    [
        ("a fox", {}),
        ("an ox", {"thing": "ox"}),
        ("an orange fox", {"colour": "orange"}),
        ("a tiny fox", {"tiny": True}),
        ("three foxes", {"number": 3}),
        ("four pink foxes with sunglasses on blue upside down by old google",
         {"number": 4, "colour": "pink", "worn": "sunglasses", "ground": "blue", "turned": True, "artist": 1}),
        ("a tiny red fox with a party hat above a pizza",
         {"tiny": True, "colour": "red", "worn": "party hat", "place": "above", "other": "pizza"}),
        ("a fox left of scissors by microsoft 3d", {"place": "left of", "other": "scissors", "artist": 4}),
        ("scissors on grey", {"thing": "scissors", "ground": "grey"}),
        ("pink scissors", {"thing": "scissors", "colour": "pink"}),
        ("a waving hand with medium dark skin", {"thing": "waving hand", "tone": 4}),
        ("a waving hand with dark skin and a crown", {"thing": "waving hand", "tone": 5, "worn": "crown"}),
    ],
)  # fmt: skip
def test_captions(caption, changes):
    names = {k: NUMBER[v] for k, v in changes.items() if k in ("thing", "other")}
    assert grammar.caption(Scene(**{"thing": NUMBER["fox"], **changes, **names})) == caption


def test_a_scene_by_the_names_of_its_things():
    wanted = Scene(NUMBER["cat"], place="left of", other=NUMBER["pizza"])
    assert grammar.scene("cat", place="left of", other="pizza") == wanted and grammar.scene("fox") == Scene(NUMBER["fox"])
    with pytest.raises(ValueError, match="No thing is called 'elefant': did you mean 'elephant'"):
        grammar.scene("elefant")
    with pytest.raises(ValueError, match="No thing is called 'qqqq'\\."):
        grammar.scene("cat", place="above", other="qqqq")
    for changes, said in (
        ({"place": "right of", "other": "pizza"}, "place = 'right of', but it is one of '', 'left of', 'above'"),
        ({"number": 5}, "number = 5, but it is one of 1, 2, 3, 4"),
        ({"colour": "violet"}, "colour = 'violet', but it is one of '', 'red'"),
        ({"place": "above"}, "A place needs another thing"),
        ({"other": "pizza"}, "A place needs another thing"),
        ({"number": 2, "tiny": True}, "Several things are neither tiny nor"),
    ):
        with pytest.raises(ValueError, match=said):
            grammar.scene("cat", **changes)
    with pytest.raises(ValueError, match="their name must have a plural"):
        grammar.scene("scissors", number=2)


def test_a_synonym_stands_for_the_name():
    assert grammar.caption(Scene(NUMBER["hippopotamus"], colour="pink"), "hippo") == "a pink hippo"
    assert grammar.caption(Scene(NUMBER["llama"]), "alpaca") == "an alpaca"


def test_changes_of_a_scene():
    assert Scene(0).changes == ()
    assert Scene(0, tiny=True).changes == ("size",)
    assert Scene(0, tiny=True, place="above", other=1).changes == ("place",)  # size and place count as one
    every = Scene(0, colour="red", number=2, worn="halo", ground="blue", turned=True)
    assert every.changes == ("colour", "number", "worn", "ground", "turned")
    assert Scene(0, artist=3, tone=2).changes == ()


def test_a_tenth_of_each_kind_of_pair_is_held_out():
    d, shares = chance.Dice(torch.Generator().manual_seed(1)), {}
    for kind in ("colour", "number", "worn", "place"):
        scenes = {chance.change(Scene(d.among(1624)), kind, d) for _ in range(4000)} - {Scene(i) for i in range(1624)}
        shares[kind] = sum(map(grammar.is_held_out, scenes)) / len(scenes)
    scenes = [Scene(thing, artist) for thing, artist, tone in emoji.load().row if not tone]
    shares["artist"] = sum(map(grammar.is_held_out, scenes)) / len(scenes)
    assert all(0.085 < share < 0.115 for share in shares.values()), shares


def test_what_is_held_out_never_changes():
    held = [grammar.is_held_out(Scene(i, colour=colour)) for i in range(40) for colour in grammar.COLOURS]
    assert "".join(str(i % 10) for i, each in enumerate(held) if each) == "14825913851335661479343123741091678413791639"
    a, b = NUMBER["cat"], NUMBER["pizza"]
    for place in grammar.PLACES:  # one pair, whichever comes first
        assert grammar.is_held_out(Scene(a, place=place, other=b)) == grammar.is_held_out(Scene(b, place=place, other=a))
    assert grammar.is_held_out(Scene(a, colour="red", turned=True))  # two changes


def test_a_picture_by_an_artist_is_held_out_also_where_he_is_not_named():
    thing, artist = next((t, a) for t, a, tone in emoji.load().row if grammar.is_held_out(Scene(t, a)))
    assert not grammar.is_held_out(Scene(thing)) and grammar.is_held_out(Scene(thing), artist)
    other = next(i for i in range(1624) if i != thing and not grammar.is_held_out(Scene(i, place="above", other=thing)))
    assert grammar.is_held_out(Scene(other, place="above", other=thing), artist)


def test_what_cannot_be_said():
    assert not grammar.can_be(NUMBER["scissors"], "number") and not grammar.can_be(NUMBER["broccoli"], "number")
    assert not grammar.can_be(NUMBER["red heart"], "colour") and grammar.can_be(NUMBER["fox"], "colour")
    assert not grammar.can_be(NUMBER["smiling face with sunglasses"], "worn", "sunglasses")
    assert grammar.can_be(NUMBER["smiling face with sunglasses"], "worn", "crown")
    sign = next(i for i, thing in enumerate(emoji.load().things) if thing.group == grammar.SIGNS)
    assert not any(grammar.can_be(sign, kind) for kind in ("number", "worn", "place")) and grammar.can_be(sign, "turned")
