"""The judges of CLIP and GLIDE: that they are others than what is used, that no held-out part was trained on, and the cards."""

import json

import pytest
import torch

from ddpm_lite.data import shapes
from ddpm_lite.models import evaluation, material, presets, trained
from ddpm_lite.models.evaluation import edits, upsampler
from ddpm_lite.models.kinds import MODELS

SHIPPED = sorted(file.stem for file in trained.ASSETS.glob("*.safetensors"))


def card(name: str) -> dict:
    if name not in SHIPPED:
        pytest.skip(f"{name} is not shipped yet")
    return json.loads((trained.ASSETS / f"{name}.json").read_text())["scores"]


def test_every_key_of_a_card_has_its_meaning():
    for name in SHIPPED:
        assert card(name).keys() <= evaluation.MEANING.keys(), name


def test_the_clips_are_as_good_as_promised():
    for name in ("clip-shapes", "clip-emoji", "judge-emoji"):
        if name in SHIPPED:
            assert json.loads((trained.ASSETS / f"{name}.json").read_text())["parameters"] <= 3e6
            assert (trained.ASSETS / f"{name}.safetensors").stat().st_size <= 6e6
    assert card("clip-shapes")["accuracy_heldout"] >= 0.98
    for name, least in (("clip-emoji", 0.4), ("judge-emoji", 0.25)):  # guessing: 0.005
        assert min(card(name)["pairs_seen"], card(name)["pairs_heldout"]) >= least, name


def test_the_judge_of_emoji_is_another_clip_than_those_that_are_used():
    judge, used = presets.preset("judge-emoji"), [presets.preset(name) for name in ("clip-emoji", "clip-emoji-noisy")]
    assert all(judge.network != each.network and judge.training.seed != each.training.seed for each in used)
    assert judge.data == "all-emoji" and all(each.data == "emoji" for each in used)
    made_with = {name for each in presets.PRESETS.values() for name in (each.clip, each.begin)}
    drawn_with = {name for names in [*presets.ALIASES.values(), *map(dict.values, presets.CHAINS.values())] for name in names}
    assert not {"judge-emoji", "artist-emoji"} & (made_with | drawn_with)


def test_no_held_out_drawing_is_in_the_material():
    for name in ("clip-shapes", "glide-shapes"):
        drawn = material.material(presets.PRESETS[name])
        assert not set(drawn.index.tolist()) & set(shapes.HELDOUT.tolist())
    assert len(material.material(presets.PRESETS["clip-shapes"]).captions) == 256


def test_psnr_and_the_halves_are_what_they_say(g):
    a = torch.zeros(2, 3, 4, 4)
    assert upsampler.psnr(a, a + 0.2) == pytest.approx(20)  # a tenth of the range
    known = edits.halves(200, g)
    assert known.shape == (200, 1, 16, 16) and (known.mean((1, 2, 3)) == 0.5).all() and len(known.unique(dim=0)) == 4


@pytest.mark.parametrize("name", ["folder", "clip-folder"])
def test_a_model_of_your_own_pictures_has_no_judge(name):
    recipe = presets.PRESETS[name]
    with pytest.raises(ValueError, match=f"{name} cannot be scored"):
        evaluation.score(MODELS[recipe.kind](recipe, torch.nn.Linear(1, 1)))


VARIED = {
    "composing": {"things", "held_out", "target", "pictures"},
    "generators": {"name", "seconds"},
    "targets": {"way", "steps", "seeds"},
}


@pytest.mark.parametrize("name", VARIED)
def test_a_study_has_the_rows_that_its_script_writes(name):
    """Each row says what was varied and what came of it: every share from 0 to 1."""
    rows = evaluation.study(name)
    assert len(rows) == len({json.dumps({k: v for k, v in row.items() if k in VARIED[name]}) for row in rows}) >= 7
    for row in rows:
        shares = [value for key, value in row.items() if key.endswith(("_heldout", "_seen")) or key in ("recognised", "recall")]
        assert shares and all(0 <= share <= 1 for share in shares) and row.keys() >= VARIED[name]


def test_a_picture_costs_seconds_in_the_order_of_its_multiply_adds():
    """In all ways, the pixel cascade's and that of 64 x 64 pixels, as tests/bench/latents.py measures them."""
    seconds = {row["way"]: row["seconds"] for row in evaluation.study("cost")}
    assert list(seconds) == ["16 x 16 pixels alone", "latents, decoded", "the cascade", "64 x 64 pixels"]
    assert 0 < seconds["latents, decoded"] < seconds["the cascade"] < seconds["64 x 64 pixels"] / 10


def test_a_student_that_teaches_itself_draws_less_that_is_right():
    own, path = evaluation.study("few_steps")
    assert (own["way"], path["way"]) == ("its own steps", "the teacher's path")
    for row in (own, path):
        assert row["updates"] > 0 and all(list(row[key]) == ["1", "2", "4", "8"] for key in ("last", "right"))
        assert all(0 <= share <= 1 for share in row["right"].values())
    assert all(path["right"][count] > own["right"][count] for count in own["right"])


def test_the_three_generators_have_as_many_pictures_each_and_they_differ_in_colour():
    drawn = evaluation.generated()
    assert list(drawn) == ["VAE", "GAN", "DDPM"] and {tuple(x.shape) for x in drawn.values()} == {(200, 3, 16, 16)}
    for pictures in drawn.values():
        assert -1 <= pictures.min() < -0.9 and 0.98 < pictures.max() <= 1
        assert (pictures[:, :, 0, 0] > 0.7).all(1).float().mean() > 0.5  # most corners are paper: no tile is cut in two


def test_an_unknown_study_is_refused():
    known = "composing, cost, few_steps, generators, latents, targets"
    with pytest.raises(ValueError, match=f"There is no study 'cats': the known ones are {known}"):
        evaluation.study("cats")
