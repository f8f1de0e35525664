"""What words compose: the table of a model that draws emoji from captions, its curves, and when a card has them."""

import json
from dataclasses import replace

import pytest
import torch
from made import Judge, made, share

from ddpm_lite import __main__ as cli
from ddpm_lite.data import grammar
from ddpm_lite.data.grammar import Scene
from ddpm_lite.models import evaluation, trained
from ddpm_lite.models.evaluation import clips, composing, edits, exact, priors, texts, upsampler
from ddpm_lite.models.header import Made
from ddpm_lite.models.kinds import MODELS, TextModel
from ddpm_lite.models.presets import PRESETS


def true(scenes):
    return exact.true_pictures(scenes, torch.Generator().manual_seed(1))


def test_the_table_from_a_model_that_draws_the_truth_and_from_one_that_ignores_changes(monkeypatch):
    monkeypatch.setattr(exact, "OTHERS", 30)  # a few are enough here
    found = composing.composed(true, n=4)
    keys = {f"composed_{kind}{part}" for kind in exact.KINDS for part in ("", "_seen")}
    keys |= {f"composed_{name}" for name in ("two_changes", "chance", "true", "error")}
    assert found.keys() == keys and keys <= evaluation.MEANING.keys()
    assert found["composed_chance"] == 0 and found["composed_true"] >= 0.7
    assert all(found[key] >= 0.75 for key in keys - {"composed_chance", "composed_true", "composed_error"})
    assert found["composed_error"] == pytest.approx(0.15)
    plain = composing.composed(lambda scenes: true([Scene(s.thing) for s in scenes]), n=4)
    assert all(value == 0 for key, value in plain.items() if key not in ("composed_true", "composed_error"))


def test_names_are_told_from_all_others_by_the_pictures():
    found = composing.named(true, n=12)
    assert found["names"] > 0.9 and found["recall_at_5"] == 1  # some things are drawn alike
    another = composing.named(lambda scenes: true(scenes).roll(1, 0), n=12)
    assert another["names"] < 0.1 and another["recall_at_5"] < 0.3
    blank = composing.named(lambda scenes: torch.ones(len(scenes), 3, 16, 16), n=200)
    assert blank["names"] <= blank["recall_at_5"] < 0.05  # always the same five things


def test_what_draws_emoji_from_captions_is_judged_by_what_it_composes(unchecked):
    judges = {"glide-emoji": composing, "decoder-emoji": composing, "glide-shapes": texts, "clip-emoji": clips}
    judges |= {"judge-emoji": clips, "inpaint-emoji": edits, "prior-emoji": priors, "upsampler-emoji": upsampler}
    for name, judge in judges.items():
        model = MODELS[PRESETS[name].kind](PRESETS[name], torch.nn.Linear(1, 1))
        assert evaluation.judge_of(model) is judge and not evaluation.draws_nothing(model), name


def test_a_model_is_drawn_from_as_its_numbers_say(monkeypatch, unchecked):
    monkeypatch.setattr(composing, "composed", lambda draw, seed: {"composed_colour": share(draw(scenes) == 1), "seed": seed})
    monkeypatch.setattr(composing, "named", lambda draw, seed: {"names": share(draw(scenes[:1]) == 1) + seed})
    monkeypatch.setattr(composing, "by_artist", lambda draw, seed: {"composed_artist": share(draw(scenes) == 1) + seed})
    scenes, said = [Scene(3), Scene(5, colour="red")], []
    model = made("decoder-emoji", lambda asked, *_: said.append(asked) or torch.ones(len(asked), 3, 16, 16))
    assert evaluation.score(model, seed=4) == {"composed_colour": 1, "seed": 4, "names": 5, "composed_artist": 5}
    assert model.log == [(n, 4, 15, 4.0, "dpm-solver++") for n in (2, 1, 2)]
    assert said == [exact.captions(scenes), exact.captions(scenes[:1]), exact.captions(scenes)]


def test_the_curves_ask_the_exact_judge_and_for_clip_guidance_the_guide_too(monkeypatch, unchecked):
    judge, loaded, led, praised = Judge(monkeypatch, lambda times, n: torch.arange(n) < times % 4), [], [], []
    guide = object()
    monkeypatch.setattr(trained, "load", lambda name, device: loaded.append(name) or guide)

    def by_guide(model, clip, captions, scale, seed):
        led.append((model, clip, captions, scale, seed))
        return torch.full((len(captions), 3, 16, 16), -scale)

    def fits(clip, pictures, scenes, t):
        praised.append((clip, float(pictures.mean()), scenes, t))
        return torch.arange(len(scenes)) < 7

    monkeypatch.setattr(clips, "led", by_guide)
    monkeypatch.setattr(clips, "fits", fits)
    model = made("glide-emoji", lambda asked, seed, steps, scale, method: torch.full((len(asked), 3, 16, 16), scale))
    rows = composing.curves(model, n=8)
    assert model.log == [(8, 2, 15, scale, "dpm-solver++") for scale in composing.SCALES] and loaded == ["clip-emoji-noisy"]
    scenes = judge.asked[0][1]
    assert all(map(grammar.is_held_out, scenes)) and {scene.changes for scene in scenes} == {(kind,) for kind in exact.KINDS}
    assert all(asked == scenes for _, asked in judge.asked)
    assert [float(drawn.mean()) for drawn, _ in judge.asked] == [*composing.SCALES, *(-scale for scale in composing.CLIP_SCALES)]
    assert led == [(model, guide, exact.captions(scenes), scale, 2) for scale in composing.CLIP_SCALES]
    assert praised == [(guide, -scale, scenes, 1) for scale in composing.CLIP_SCALES]
    for i, (row, scale) in enumerate(zip(rows, [*composing.SCALES, *composing.CLIP_SCALES], strict=True)):
        of_clip = {"guidance": "CLIP", "accuracy_by_guide": 7 / 8} if i >= len(composing.SCALES) else {}
        assert row == {"guidance": "classifier-free", "scale": scale, "accuracy": i % 4 / 8} | of_clip
    assert composing.curves(made("decoder-emoji")) == []


class Draws(TextModel):
    """Stands in for a GLIDE of emoji after some steps of training."""

    def __init__(self, step):  # without a network
        self.recipe = replace(PRESETS["glide-emoji"], words=grammar.words())
        self.made = Made("here", "train", step, 9, 60.0)

    def draw(self, captions, **options):
        return torch.zeros(len(captions), 3, 16, 16)


def test_the_curve_of_a_card_is_what_is_composed_by_earlier_checkpoints(monkeypatch):
    models = [Draws(2), Draws(5)]
    monkeypatch.setattr(composing, "composed", lambda draw, seed=0, n=500: {"composed_colour": n / 1000})
    rows = composing.progress(models)
    assert rows == [{"pictures": 2 * 64.0, "composed_colour": 0.1}, {"pictures": 5 * 64.0, "composed_colour": 0.1}]


def test_a_curve_is_refused_where_there_is_none(tmp_path, capsys, unchecked):
    digits = trained.shipped("digits")
    with pytest.raises(ValueError, match="digits has no curve against the pictures seen: leave the earlier checkpoints out"):
        evaluation.release(digits, earlier=[digits])
    with pytest.raises(ValueError, match="An earlier checkpoint of glide-emoji must be from a run of it, and one is of digits"):
        evaluation.release(Draws(9), earlier=[digits])
    other = Draws(2)
    other.recipe = PRESETS["decoder-emoji"]
    with pytest.raises(ValueError, match="must be from a run of it, and one is of decoder-emoji"):
        evaluation.release(Draws(9), earlier=[Draws(2), other])
    assert cli.main(["score", "digits", "--earlier", str(tmp_path)]) == 2
    assert "--earlier makes a curve of the card, so it needs --release" in capsys.readouterr().err


def test_a_released_model_of_emoji_has_its_curves_on_its_card(monkeypatch, tmp_path):
    monkeypatch.setattr(trained, "ASSETS", tmp_path)
    monkeypatch.setattr(composing, "score", lambda model, seed: {"composed_colour": 1.0})
    monkeypatch.setattr(composing, "progress", lambda models: [{"pictures": float(model.made.step)} for model in models])
    monkeypatch.setattr(composing, "curves", lambda model: [{"scale": 1.0}])
    last = Draws(9)
    last.net = torch.nn.Linear(1, 1).requires_grad_(False)
    assert evaluation.release(last)["curves"] == [{"scale": 1.0}]
    card = evaluation.release(last, earlier=[Draws(2), Draws(5)])
    assert card["curves"] == [{"pictures": 2.0}, {"pictures": 5.0}, {"pictures": 9.0}, {"scale": 1.0}]
    assert json.loads((tmp_path / "glide-emoji.json").read_text())["curves"] == card["curves"]
