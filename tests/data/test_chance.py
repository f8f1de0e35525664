"""Scenes by chance: what a training draws, what a judge draws, and the dice of both."""

from collections import Counter

import pytest
import torch

from ddpm_lite.data import chance, emoji, grammar
from ddpm_lite.data.grammar import Scene


def dice(seed=0):
    return chance.Dice(torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def drawn():
    d = dice()
    return [chance.draw(d) for _ in range(20_000)]


@pytest.fixture(scope="module")
def everything():
    d = dice()
    return [chance.draw(d, everything=True) for _ in range(20_000)]


@pytest.mark.parametrize("which", ["drawn", "everything"])
def test_what_is_drawn_is_there_and_can_be_said(which, request):
    row, words = emoji.load().row, set(grammar.words())
    for each in request.getfixturevalue(which):
        assert (each.scene.thing, each.artist, each.scene.tone) in row
        assert each.scene.other is None or (each.scene.other, each.artist, 0) in row
        assert len(each.caption.split()) <= grammar.WORDS and set(each.caption.split()) <= words


def test_training_sees_at_most_one_change_and_no_pair_that_is_held_out(drawn):
    for each in drawn:
        assert len(each.scene.changes) <= 1 and not grammar.is_held_out(each.scene, each.artist)


def test_a_judge_sees_what_is_held_out_too_and_two_changes(everything):
    one = [each for each in everything if len(each.scene.changes) == 1]
    for kind in ("colour", "number", "worn", "place"):  # as many are held out as there are
        held = [grammar.is_held_out(each.scene) for each in one if each.scene.changes == (kind,)]
        assert 0.07 < sum(held) / len(held) < 0.13, kind
    by = [grammar.is_held_out(Scene(each.scene.thing), each.artist) for each in everything]
    assert 0.085 < sum(by) / len(by) < 0.115  # pictures by an artist
    two = [each.scene.changes for each in everything if len(each.scene.changes) > 1]
    assert all(len(changes) == 2 and grammar.go_together(*changes) for changes in two)
    # A second one is drawn for SECOND of those with a first; half of these cannot be made beside it, or are none.
    assert 0.4 * chance.SECOND < len(two) / (len(one) + len(two)) < chance.SECOND
    assert len(set(two)) > 12


@pytest.mark.parametrize("which", ["drawn", "everything"])
def test_scenes_that_are_alike_share_the_thing_or_the_change(which, request):
    d, row, words, same = dice(1), emoji.load().row, set(grammar.words()), Counter()
    for first in request.getfixturevalue(which)[:3000]:
        each = chance.alike(first, d, everything=which == "everything")
        scene, plain = each.scene, first.scene._replace(tone=0)
        assert all((thing, each.artist, 0) in row for thing in (scene.thing, scene.other) if thing is not None)
        assert len(each.caption.split()) <= grammar.WORDS and set(each.caption.split()) <= words
        assert all(grammar.can_be(scene.thing, kind, scene.worn) for kind in scene.changes) and scene.thing != scene.other
        if which == "drawn":
            assert len(scene.changes) <= 1 and not grammar.is_held_out(scene, each.artist)
        same["held out"] += grammar.is_held_out(scene, each.artist)
        with_values = [kind for kind in plain.changes if kind in grammar.VALUES] or ["colour"]  # not: tiny, upside down
        one_kind = len(scene.changes) == 1 and scene.changes[0] in with_values
        same["thing"] += scene.thing == plain.thing and one_kind
        if len(with_values) == 2 and scene.thing == plain.thing and one_kind:
            same[with_values.index(scene.changes[0])] += 1
        same["change"] += scene.thing != plain.thing and scene._replace(thing=plain.thing) == plain
    assert (same["held out"] > 0) == (which == "everything")
    assert same["thing"] + same["change"] > 0.97 * 3000 and 0.6 < same["thing"] / same["change"] < 1.4, same
    assert which == "drawn" or 0.6 < same[0] / same[1] < 1.6, same  # of two changes, either is kept


def test_each_word_of_a_test_caption_is_one_of_training(drawn):
    known = Counter(word for each in drawn for word in each.caption.split())
    often = set(grammar.COLOURS) | set(grammar.NUMBERS) | set(" ".join([*grammar.WEARS.values(), *grammar.PLACES]).split())
    assert all(known[word] > 50 for word in often)
    for i, thing in enumerate(emoji.load().things):  # some artist's picture of each is there, and some number of them
        assert any(not grammar.is_held_out(Scene(i), artist) for artist in grammar.artists_of(i)), thing
    # The three numbers of one thing are held out; each of its words comes with others.
    things = enumerate(emoji.load().things)
    lost = [t for i, t in things if t.plural and all(grammar.is_held_out(Scene(i, number=n)) for n in (2, 3, 4))]
    assert [thing.plural for thing in lost] == ["smiling faces with halo"]


def test_shares_are_those_that_are_written(drawn):
    share = Counter((each.scene.changes or ("",))[0] for each in drawn)
    for kind, wanted in chance.SHARES.items():  # some cannot be made of some things
        assert 0.6 * wanted < share[kind] / 20_000 < 1.4 * wanted
    named = sum(" by " in each.caption for each in drawn) / 20_000
    assert named == pytest.approx(chance.NAMED, abs=0.02)
    assert sum(each.scene.tone > 0 for each in drawn) > 100


def test_hardly_any_caption_stands_for_two_scenes(drawn):
    scenes = {}
    for each in drawn:
        scenes.setdefault(grammar.caption(each.scene), set()).add(each.scene)
    assert sum(len(each) > 1 for each in scenes.values()) <= 3


def test_dice_are_even_and_come_from_the_generator():
    a, b = dice(4), dice(4)
    assert [a() for _ in range(5000)] == [b() for _ in range(5000)]
    counts = Counter(a.among(6) for _ in range(60_000))
    assert set(counts) == set(range(6)) and max(counts.values()) - min(counts.values()) < 700
