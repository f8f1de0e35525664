"""What may be asked of the six artists: captions, what is held out, and what a training draws."""

from collections import Counter

import pytest
import torch

from ddpm_lite.data import artists, grammar
from ddpm_lite.data.grammar import Dice, Scene

NUMBER = {thing.name: i for i, thing in enumerate(artists.load().things)}


def dice(seed=0):
    return Dice(torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def drawn():
    d = dice()
    return [grammar.draw(d) for _ in range(20_000)]


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


def test_training_sees_at_most_one_change_and_no_pair_that_is_held_out(drawn):
    row = artists.load().row
    for each in drawn:
        assert len(each.scene.changes) <= 1 and not grammar.is_held_out(each.scene, each.artist)
        assert (each.scene.thing, each.artist, each.scene.tone) in row
        assert each.scene.other is None or (each.scene.other, each.artist, 0) in row
        assert len(each.caption.split()) <= grammar.WORDS and set(each.caption.split()) <= set(grammar.words())


def test_a_tenth_of_each_kind_of_pair_is_held_out():
    d, shares = dice(1), {}
    for kind in ("colour", "number", "worn", "place"):
        scenes = {grammar.change(Scene(d.among(1624)), kind, d) for _ in range(4000)} - {Scene(i) for i in range(1624)}
        shares[kind] = sum(map(grammar.is_held_out, scenes)) / len(scenes)
    scenes = [Scene(thing, artist) for thing, artist, tone in artists.load().row if not tone]
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
    thing, artist = next((t, a) for t, a, tone in artists.load().row if grammar.is_held_out(Scene(t, a)))
    assert not grammar.is_held_out(Scene(thing)) and grammar.is_held_out(Scene(thing), artist)
    other = next(i for i in range(1624) if i != thing and not grammar.is_held_out(Scene(i, place="above", other=thing)))
    assert grammar.is_held_out(Scene(other, place="above", other=thing), artist)


def test_each_word_of_a_test_caption_is_one_of_training(drawn):
    known = Counter(word for each in drawn for word in each.caption.split())
    often = set(grammar.COLOURS) | set(grammar.NUMBERS) | set(" ".join([*grammar.WEARS.values(), *grammar.PLACES]).split())
    assert all(known[word] > 50 for word in often)
    for i, thing in enumerate(artists.load().things):  # some artist's picture of each is there, and some number of them
        assert any(not grammar.is_held_out(Scene(i), artist) for artist in grammar.artists_of(i)), thing
    # The three numbers of one thing are held out; each of its words comes with others.
    things = enumerate(artists.load().things)
    lost = [t for i, t in things if t.plural and all(grammar.is_held_out(Scene(i, number=n)) for n in (2, 3, 4))]
    assert [thing.plural for thing in lost] == ["smiling faces with halo"]


def test_shares_are_those_that_are_written(drawn):
    share = Counter((each.scene.changes or ("",))[0] for each in drawn)
    for kind, wanted in grammar.SHARES.items():  # some cannot be made of some things
        assert 0.6 * wanted < share[kind] / 20_000 < 1.4 * wanted
    named = sum(" by " in each.caption for each in drawn) / 20_000
    assert named == pytest.approx(grammar.NAMED, abs=0.02)
    assert sum(each.scene.tone > 0 for each in drawn) > 100


def test_hardly_any_caption_stands_for_two_scenes(drawn):
    scenes = {}
    for each in drawn:
        scenes.setdefault(grammar.caption(each.scene), set()).add(each.scene)
    assert sum(len(each) > 1 for each in scenes.values()) <= 3


def test_what_cannot_be_said():
    assert not grammar.can_be(NUMBER["scissors"], "number") and not grammar.can_be(NUMBER["broccoli"], "number")
    assert not grammar.can_be(NUMBER["red heart"], "colour") and grammar.can_be(NUMBER["fox"], "colour")
    assert not grammar.can_be(NUMBER["smiling face with sunglasses"], "worn", "sunglasses")
    assert grammar.can_be(NUMBER["smiling face with sunglasses"], "worn", "crown")
    sign = next(i for i, thing in enumerate(artists.load().things) if thing.group == grammar.SIGNS)
    assert not any(grammar.can_be(sign, kind) for kind in ("number", "worn", "place")) and grammar.can_be(sign, "turned")


def test_dice_are_even_and_come_from_the_generator():
    a, b = dice(4), dice(4)
    assert [a() for _ in range(5000)] == [b() for _ in range(5000)]
    counts = Counter(a.among(6) for _ in range(60_000))
    assert set(counts) == set(range(6)) and max(counts.values()) - min(counts.values()) < 700
