"""The exact judge of emoji: it finds true pictures right, others wrong, whatever is wrong with them."""

import pytest
import torch

from ddpm_lite.data import changes, grammar
from ddpm_lite.data.grammar import Scene
from ddpm_lite.models.evaluation import exact

KINDS = (*exact.KINDS, "two")


def new(seed=0):
    return torch.Generator().manual_seed(seed)


def some(kind, n=6, held_out=True):
    return exact.asked_of_two(n, new()) if kind == "two" else exact.asked(kind, held_out, n, new())


def true(scenes):
    return exact.true_pictures(scenes, new(1))


@pytest.mark.parametrize("kind", KINDS)
def test_true_pictures_are_right_also_under_some_noise_and_others_wrong(kind):
    scenes = some(kind)
    pictures, judge = true(scenes), exact.Pixels()
    noisy = pictures + 0.1 * torch.randn(pictures.shape, generator=new(2))
    # One in fifty is like another: a picture of one colour has few that it can be told from.
    assert judge.right(pictures, scenes).double().mean() > 0.8 and judge.right(noisy, scenes).double().mean() > 0.8
    assert not judge.right(pictures.roll(1, 0), scenes).any()


@pytest.mark.parametrize("kind", exact.KINDS)
def test_the_right_thing_with_another_value_is_wrong_and_so_is_another_thing(kind):
    scenes, judge = some(kind), exact.Pixels()
    values = grammar.VALUES[kind][1:]
    other = [s._replace(**{kind: values[(values.index(getattr(s, kind)) + 1) % len(values)]}) for s in scenes]
    assert not judge.right(true(other), scenes).any()
    things = [exact.others(s, new(i % 10))[-2].thing for i, s in enumerate(scenes)]
    other = [s._replace(thing=thing) for s, thing in zip(scenes, things, strict=True)]
    other = [s if exact.drawn_by(s) else Scene(s.thing) for s in other]
    assert not judge.right(true(other), scenes).any()


def test_two_things_in_the_wrong_order_are_wrong():
    scenes = some("place")
    swapped = [s._replace(thing=s.other, other=s.thing) for s in scenes]
    assert not exact.Pixels().right(true(swapped), scenes).any()


@pytest.mark.parametrize("kind", exact.KINDS)
@pytest.mark.parametrize("held_out", [True, False])
def test_captions_asked_for_are_held_out_or_trained_on(kind, held_out):
    scenes = exact.asked(kind, held_out, 200, new(3))
    assert len(set(scenes)) == 200 and all(scene.changes == (kind,) and scene.artist is None for scene in scenes)
    assert all(grammar.is_held_out(scene) == held_out for scene in scenes)
    words = {word for scene in scenes for word in grammar.caption(scene).split()}
    assert words <= set(grammar.words()) and max(len(grammar.caption(s).split()) for s in scenes) <= grammar.WORDS


def test_there_are_captions_enough_and_no_more_are_promised():
    for kind in exact.KINDS:
        n = exact.FEWER.get(kind, exact.COUNT)
        assert len(exact.asked(kind, True, n, new())) == n
    with pytest.raises(ValueError, match="370 scenes with another number were asked for, but only 369 were found: ask for fewer"):
        exact.asked("number", True, 370, new())


def test_two_changes_are_of_two_kinds():
    scenes = exact.asked_of_two(200, new(4))
    assert all(len(scene.changes) == 2 for scene in scenes) and len({scene.changes for scene in scenes}) >= 8


@pytest.mark.parametrize("held_out", [True, False])
def test_as_many_are_asked_of_each_kind_and_pictured_by_any_of_their_artists(held_out):
    scenes = exact.asked_of_each(held_out, 40, new())
    assert [scene.changes for scene in scenes] == [(kind,) for kind in exact.KINDS for _ in range(10)]
    assert all(grammar.is_held_out(scene) == held_out for scene in scenes)
    assert exact.captions(scenes) == [grammar.caption(scene) for scene in scenes]
    fox = [grammar.scene("fox", colour="blue")] * 60
    pictures, by = exact.true_pictures(fox, new(), 64), changes.draw(fox[:6], range(6), 64)
    distance = torch.cdist(pictures.flatten(1), by.flatten(1))
    assert pictures.shape[2:] == (64, 64) and distance.min(1).values.max() < 1 < distance.median()
    assert set(distance.argmin(1).tolist()) == set(range(6))


@pytest.mark.parametrize("kind", KINDS)
def test_others_are_all_values_and_many_things(kind):
    for scene in some(kind, 10):
        found = exact.others(scene, new(5))
        assert scene not in found and len(set(found)) == len(found) >= 150
        for change in scene.changes:
            mine = {getattr(each, change) for each in found if each.thing == scene.thing and each.other == scene.other}
            values = [v for v in grammar.VALUES[change][1:] if grammar.is_sayable(grammar.caption(scene._replace(**{change: v})))]
            assert mine >= set(values) - {getattr(scene, change)}
            without = {"place": "", "other": None} if change == "place" else {change: grammar.VALUES[change][0]}
            assert scene._replace(**without) in found
        if scene.other is not None:
            assert scene._replace(thing=scene.other, other=scene.thing) in found
        same = [all(getattr(each, change) == getattr(scene, change) for change in scene.changes) for each in found]
        assert sum(same) >= 140
        for each in found:  # each can be asked for and drawn
            assert all(grammar.can_be(each.thing, change, each.worn) for change in each.changes) and exact.drawn_by(each)


def test_two_things_are_put_together_from_pictures_of_each():
    scenes = [*some("place", 8), *(s for s in some("two", 60) if s.place)]
    scenes.append(scenes[0]._replace(ground="blue"))  # not on white: drawn as it is
    assert {scene.place for scene in scenes} == set(grammar.PLACES) and any(scene.colour for scene in scenes)
    for scene, found in zip(scenes, exact.Pixels().true(scenes), strict=True):
        by = exact.drawn_by(scene)
        whole = (changes.draw([scene] * len(by), by, 16) + 1) * 127.5
        assert (found - whole.flatten(1)).abs().max() <= 0.51


def test_every_artist_counts():
    fox = grammar.scene("fox", colour="blue")
    drawn = changes.draw([fox] * 6, range(6), 16)
    assert exact.Pixels().right(drawn, [fox] * 6).all()
