"""The judges of CLIP and GLIDE: that they see what is there, that no held-out part was trained on, and that cards are true."""

import json

import pytest
import torch

from ddpm_lite.data import compositions, emoji, shapes
from ddpm_lite.models import evaluation, material, presets, trained
from ddpm_lite.models.evaluation import clips, edits, texts, upsampler
from ddpm_lite.models.kinds import MODELS
from ddpm_lite.networks.tokenizer import split

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
    assert card("clip-emoji")["recall_at_5"] >= 0.95


def test_a_name_s_rank_counts_the_names_that_fit_better():
    model, part = trained.shipped("clip-emoji"), emoji.load(16)[0]
    own = torch.arange(20)
    with torch.no_grad():
        fit = model.net.encode_image(part.images[:20]) @ model.net.encode_text(model.tokenizer.encode(clips.names())).T
    order = fit.argsort(1, descending=True)
    by_hand = torch.tensor([order[i].tolist().index(i) for i in range(20)])
    assert torch.equal(clips.ranks(model, part.images[:20], own), by_hand)
    assert clips.recall(torch.tensor([0, 3, 5, 9]), 5) == 0.5


def test_the_judge_of_emoji_is_another_clip_than_those_that_are_used():
    judge, used = presets.preset("judge-emoji"), [presets.preset(name) for name in ("clip-emoji", "clip-emoji-noisy")]
    assert all(judge.network != each.network and judge.training.seed != each.training.seed for each in used)


def test_no_held_out_picture_is_in_the_material():
    kept, (train, held_out) = material.material(presets.PRESETS["clip-emoji"]), emoji.load(16)
    assert len(kept.pictures) == len(train.images)
    distance = torch.cdist(held_out.images.flatten(1), kept.pictures.float().flatten(1) / 127.5 - 1)
    assert distance.min() > 0.1
    for name in ("clip-shapes", "glide-shapes"):
        drawn = material.material(presets.PRESETS[name])
        assert not set(drawn.index.tolist()) & set(shapes.HELDOUT.tolist())
    assert len(material.material(presets.PRESETS["clip-shapes"]).captions) == 256


def test_right_is_what_the_exact_judge_says(g):
    own = shapes.TRAIN[:20]
    assert texts.right("shapes", shapes.render(own, 16, g), own).all()
    assert not texts.right("shapes", shapes.render(own.roll(1), 16, g), own).any()
    assert not texts.right("shapes", torch.randn(20, 3, 16, 16, generator=g).clamp(-1, 1), own).any()


def test_the_hundred_exchanges_are_captions_of_no_emoji_made_of_known_words():
    train, held_out = emoji.load(16)
    known = {caption for part in (train, held_out) for each in part.captions for caption in each}
    words = {word for each in train.captions for caption in each for word in split(caption)}
    found = compositions.exchanged()
    assert len(found) == 100 == len({each.asked for each in found})
    for each in found:
        assert each.asked not in known and each.made_from in train.names and each.holds_the_word in train.names
        new = set(each.asked.split()) - set(each.made_from.split())
        assert len(new) <= 1 and len(each.asked.split()) == len(each.made_from.split())
        assert new <= set(each.holds_the_word.split())
    assert len(set(compositions.SHEET)) == 40 and not known & set(compositions.SHEET)
    assert {word for caption in compositions.SHEET for word in split(caption)} <= words


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
