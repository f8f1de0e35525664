"""The exact judge of what words compose: it finds true pictures right, others wrong, whatever is wrong with them."""

import json
from dataclasses import replace

import pytest
import torch

from ddpm_lite import __main__ as cli
from ddpm_lite.data import artists, changes, grammar
from ddpm_lite.data.grammar import Scene
from ddpm_lite.models import evaluation, trained
from ddpm_lite.models.evaluation import artists as judging
from ddpm_lite.models.evaluation import upsampler
from ddpm_lite.models.header import Made
from ddpm_lite.models.kinds import ClipModel, TextModel, UpsamplingModel
from ddpm_lite.models.presets import PRESETS

KINDS = (*judging.KINDS, "two")


def new(seed=0):
    return torch.Generator().manual_seed(seed)


def some(kind, n=6, held_out=True):
    return judging.asked_of_two(n, new()) if kind == "two" else judging.asked(kind, held_out, n, new())


def true(scenes):
    return judging.true_pictures(scenes, new(1))


@pytest.mark.parametrize("kind", KINDS)
def test_true_pictures_are_right_also_under_some_noise_and_others_wrong(kind):
    scenes = some(kind)
    pictures, judge = true(scenes), judging.Pixels()
    noisy = pictures + 0.1 * torch.randn(pictures.shape, generator=new(2))
    # One in fifty is like another: a picture of one colour has few that it can be told from.
    assert judge.right(pictures, scenes).double().mean() > 0.8 and judge.right(noisy, scenes).double().mean() > 0.8
    assert not judge.right(pictures.roll(1, 0), scenes).any()


@pytest.mark.parametrize("kind", judging.KINDS)
def test_the_right_thing_with_another_value_is_wrong_and_so_is_another_thing(kind):
    scenes, judge = some(kind), judging.Pixels()
    values = grammar.VALUES[kind][1:]
    other = [s._replace(**{kind: values[(values.index(getattr(s, kind)) + 1) % len(values)]}) for s in scenes]
    assert not judge.right(true(other), scenes).any()
    things = [judging.others(s, new(i % 10))[-2].thing for i, s in enumerate(scenes)]
    other = [s._replace(thing=thing) for s, thing in zip(scenes, things, strict=True)]
    other = [s if judging._drawn_by(s) else Scene(s.thing) for s in other]
    assert not judge.right(true(other), scenes).any()


def test_two_things_in_the_wrong_order_are_wrong():
    scenes = some("place")
    swapped = [s._replace(thing=s.other, other=s.thing) for s in scenes]
    assert not judging.Pixels().right(true(swapped), scenes).any()


@pytest.mark.parametrize("kind", judging.KINDS)
@pytest.mark.parametrize("held_out", [True, False])
def test_captions_asked_for_are_held_out_or_trained_on(kind, held_out):
    scenes = judging.asked(kind, held_out, 200, new(3))
    assert len(set(scenes)) == 200 and all(scene.changes == (kind,) and scene.artist is None for scene in scenes)
    assert all(grammar.is_held_out(scene) == held_out for scene in scenes)
    words = {word for scene in scenes for word in grammar.caption(scene).split()}
    assert words <= set(grammar.words()) and max(len(grammar.caption(s).split()) for s in scenes) <= grammar.WORDS


def test_there_are_captions_enough_and_no_more_are_promised():
    for kind in judging.KINDS:
        n = judging.FEWER.get(kind, judging.COUNT)
        assert len(judging.asked(kind, True, n, new())) == n
    with pytest.raises(ValueError, match="370 scenes with another number were asked for, but only 369 were found: ask for fewer"):
        judging.asked("number", True, 370, new())


def test_two_changes_are_of_two_kinds():
    scenes = judging.asked_of_two(200, new(4))
    assert all(len(scene.changes) == 2 for scene in scenes) and len({scene.changes for scene in scenes}) >= 8


@pytest.mark.parametrize("kind", KINDS)
def test_others_are_all_values_and_many_things(kind):
    for scene in some(kind, 10):
        found = judging.others(scene, new(5))
        assert scene not in found and len(set(found)) == len(found) >= 150
        for change in scene.changes:
            mine = {getattr(each, change) for each in found if each.thing == scene.thing and each.other == scene.other}
            values = [v for v in grammar.VALUES[change][1:] if judging._sayable(scene._replace(**{change: v}))]
            assert mine >= set(values) - {getattr(scene, change)}
            without = {"place": "", "other": None} if change == "place" else {change: grammar.VALUES[change][0]}
            assert scene._replace(**without) in found
        if scene.other is not None:
            assert scene._replace(thing=scene.other, other=scene.thing) in found
        same = [all(getattr(each, change) == getattr(scene, change) for change in scene.changes) for each in found]
        assert sum(same) >= 140
        for each in found:  # each can be asked for and drawn
            assert all(grammar.can_be(each.thing, change, each.worn) for change in each.changes) and judging._drawn_by(each)


def test_the_table_from_a_model_that_draws_the_truth_and_from_one_that_ignores_changes(monkeypatch):
    monkeypatch.setattr(judging, "OTHERS", 30)  # a few are enough here
    found = judging.composed(true, n=4)
    keys = {f"composed_{kind}{part}" for kind in judging.KINDS for part in ("", "_seen")}
    keys |= {f"composed_{name}" for name in ("two_changes", "chance", "true", "error")}
    assert found.keys() == keys and keys <= evaluation.MEANING.keys()
    assert found["composed_chance"] == 0 and found["composed_true"] >= 0.7
    assert all(found[key] >= 0.75 for key in keys - {"composed_chance", "composed_true", "composed_error"})
    assert found["composed_error"] == pytest.approx(0.15)
    plain = judging.composed(lambda scenes: true([Scene(s.thing) for s in scenes]), n=4)
    assert all(value == 0 for key, value in plain.items() if key not in ("composed_true", "composed_error"))


class Reads(ClipModel):
    """Stands in for a CLIP: features of a caption, or of the picture that shows it."""

    def __init__(self, pictures, scenes):  # without a network
        self.feature = {}
        self.of = {picture.sum().item(): grammar.caption(scene) for picture, scene in zip(pictures, scenes, strict=True)}

    def encode_text(self, captions):
        for caption in captions:
            self.feature.setdefault(
                caption, torch.nn.functional.normalize(torch.randn(64, generator=new(len(self.feature))), dim=0)
            )
        return torch.stack([self.feature[caption] for caption in captions])

    def encode(self, pictures):
        return self.encode_text([self.of[picture.sum().item()] for picture in pictures])


def test_a_clip_is_right_where_the_caption_fits_best():
    scenes = some("worn") + some("place")
    pictures = true(scenes)
    clip = Reads(pictures, scenes)
    assert judging.by_clip(clip, pictures, scenes).all()
    assert not judging.by_clip(clip, pictures.roll(1, 0), scenes).any()


def test_names_are_told_from_all_others_by_the_pictures():
    assert judging.named(true, n=12) > 0.9  # some things are drawn alike
    assert judging.named(lambda scenes: true(scenes).roll(1, 0), n=12) < 0.1


def test_two_things_are_put_together_from_pictures_of_each():
    scenes = [*some("place", 8), *(s for s in some("two", 60) if s.place)]
    scenes.append(scenes[0]._replace(ground="blue"))  # not on white: drawn as it is
    assert {scene.place for scene in scenes} == set(grammar.PLACES) and any(scene.colour for scene in scenes)
    for scene, found in zip(scenes, judging.Pixels().true(scenes), strict=True):
        by = judging._drawn_by(scene)
        whole = (changes.draw([scene] * len(by), by, 16) + 1) * 127.5
        assert (found - whole.flatten(1)).abs().max() <= 0.51


def test_every_artist_counts():
    fox = Scene(next(i for i, thing in enumerate(artists.load().things) if thing.name == "fox"), colour="blue")
    drawn = changes.draw([fox] * 6, range(6), 16)
    assert judging.Pixels().right(drawn, [fox] * 6).all()


class Enlarges(UpsamplingModel):
    """Stands in for an upsampler: nearest neighbours, and paler without captions."""

    def __init__(self):  # without a network
        self.recipe, self.asked = PRESETS["upsampler-artists"], []

    def draw(self, small, captions=None, **options):
        self.asked.append((captions, options))
        drawn = torch.nn.functional.interpolate(small, scale_factor=4.0)
        return drawn if captions else 0.5 * drawn


def test_an_upsampler_that_reads_is_measured_by_held_out_scenes(monkeypatch):
    monkeypatch.setattr(upsampler, "COUNT", 40)
    model = Enlarges()
    found = upsampler.score(model, 3)
    assert found["psnr_heldout_without"] < found["psnr_heldout"] < found["psnr_heldout_bicubic"] < 40
    (none, _), (captions, options) = model.asked
    assert none is None and options == {"seed": 3, "steps": 4} and len(captions) == 40
    g = new(3)
    scenes = [scene for kind in judging.KINDS for scene in judging.asked(kind, True, 10, g)]
    assert captions == [grammar.caption(scene) for scene in scenes] and all(map(grammar.is_held_out, scenes))
    assert found.keys() <= evaluation.MEANING.keys()


class Draws(TextModel):
    """Stands in for a GLIDE of the six artists after some steps of training."""

    def __init__(self, step):  # without a network
        self.recipe = replace(PRESETS["glide-artists"], words=grammar.words())
        self.made = Made("here", "train", step, 9, 60.0)

    def draw(self, captions, **options):
        return torch.zeros(len(captions), 3, 16, 16)


def test_the_curve_of_a_card_is_what_is_composed_by_earlier_checkpoints(monkeypatch):
    models = [Draws(2), Draws(5)]
    monkeypatch.setattr(judging, "composed", lambda draw, seed=0, n=500: {"composed_colour": n / 1000})
    rows = judging.progress(models)
    assert rows == [{"pictures": 2 * 64.0, "composed_colour": 0.1}, {"pictures": 5 * 64.0, "composed_colour": 0.1}]


def test_a_curve_is_refused_where_there_is_none(monkeypatch, tmp_path, capsys):
    digits = trained.shipped("digits")
    with pytest.raises(ValueError, match="digits has no curve against the pictures seen: leave the earlier checkpoints out"):
        evaluation.release(digits, earlier=[digits])
    with pytest.raises(ValueError, match="An earlier checkpoint of glide-artists must be from a run of it, and one is of digits"):
        evaluation.release(Draws(9), earlier=[digits])
    assert cli.main(["score", "digits", "--earlier", str(tmp_path)]) == 2
    assert "--earlier makes a curve of the card, so it needs --release" in capsys.readouterr().err


def test_a_released_model_of_the_artists_has_its_curve_on_its_card(monkeypatch, tmp_path):
    monkeypatch.setattr(trained, "ASSETS", tmp_path)
    monkeypatch.setattr(judging, "score", lambda model, seed: {"composed_colour": 1.0})
    monkeypatch.setattr(judging, "progress", lambda models: [{"pictures": float(model.made.step)} for model in models])
    last = Draws(9)
    last.net = torch.nn.Linear(1, 1).requires_grad_(False)
    card = evaluation.release(last, earlier=[Draws(2), Draws(5)])
    assert card["curves"] == [{"pictures": 2.0}, {"pictures": 5.0}, {"pictures": 9.0}]
    assert json.loads((tmp_path / "glide-artists.json").read_text())["curves"] == card["curves"]
