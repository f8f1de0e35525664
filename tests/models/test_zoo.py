"""The shipped models: that their cards are true and good enough, and that scores measure what they say."""

import json
from dataclasses import replace

import pytest
import torch

from ddpm_lite.data import digits
from ddpm_lite.machine import weights
from ddpm_lite.maths import metrics
from ddpm_lite.models import evaluation, header, material, presets, trained

DIGITS = presets.PRESETS["digits"]
CARD = json.loads((trained.ASSETS / "digits.json").read_text())


def test_the_digit_model_is_as_good_as_promised():
    found = CARD["scores"]
    assert found["recognised"] >= 0.99 and found["recognised_10_steps"] >= 0.95
    assert found["frechet"] <= 1.3 * found["frechet_real"]
    assert CARD["parameters"] <= 1_200_000 and CARD["minutes"] <= 60
    assert (trained.ASSETS / "digits.safetensors").stat().st_size <= 4_000_000
    assert {"command", "seed", "data", "machine"} <= CARD.keys() and set(found) <= set(evaluation.MEANING)


@pytest.mark.parametrize("name", sorted(file.stem for file in trained.ASSETS.glob("*.safetensors")))
def test_shipped_weights_are_bf16_of_the_preset_s_network(name):
    tensors, config = weights.load(trained.ASSETS / f"{name}.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.bfloat16}
    recipe, preset = header.read_recipe(config, name), presets.PRESETS[name]
    found_out = {key: getattr(recipe, key) for key in ("words", "clip_weights", "autoencoder_weights")}
    assert recipe == replace(preset, **found_out)
    assert (recipe.words is not None) == preset.reads and (recipe.clip_weights is not None) == (preset.clip is not None)
    assert (recipe.autoencoder_weights is not None) == (preset.autoencoder is not None)
    card = json.loads((trained.ASSETS / f"{name}.json").read_text())
    assert card["parameters"] == sum(p.numel() for p in trained.shipped(name).net.parameters())
    assert f"train {name} " in card["command"]


def test_a_live_draw_agrees_with_the_card():
    asked = torch.arange(10).repeat(20)
    model = trained.load("digits", "cpu")
    for steps, scale, key in ((10, 2.0, "recognised_10_steps"), (10, 1.0, "recognised_unguided")):
        drawn = model.draw(asked, seed=3, steps=steps, scale=scale)
        assert drawn.shape == (200, 1, 16, 16) and drawn.abs().max() <= 1
        p = CARD["scores"][key]
        assert metrics.accuracy(evaluation.recognise(drawn), asked) >= p - 4 * max(p * (1 - p) / 200, 1e-4) ** 0.5 - 0.01


def test_the_judge_knows_real_digits_and_never_saw_the_held_out_ones():
    train, held_out = digits.load()
    classifier, recipe = trained.shipped("digits-classifier"), presets.PRESETS["digits-classifier"]
    right = metrics.accuracy(evaluation.recognise(held_out.images), held_out.labels)
    assert right == pytest.approx(classifier.card["scores"]["accuracy"], abs=1e-3) and right >= 0.99
    x, labels = material.training_data(recipe)(100, torch.Generator().manual_seed(4))
    g = torch.Generator().manual_seed(4)
    rows = torch.randint(len(train.labels), (100,), generator=g)
    assert torch.equal(x, digits.moved(train.images[rows], g)) and torch.equal(labels, train.labels[rows])


def test_real_halves_are_disjoint_balanced_and_close():
    halves = evaluation.real_halves()
    assert len(halves) == 5
    for a, b in halves:
        assert a.shape == b.shape == (800, 16)
        assert torch.cdist(a, b).min() > 0
        assert metrics.frechet(a, b) < 3 * CARD["scores"]["frechet_real"]


def test_the_frechet_distance_sees_what_a_good_eye_sees():
    """Real digits and the model's are close to real ones; blurred ones and noise are far away."""
    train, _ = digits.load()
    real = torch.cat([train.images[train.labels == d][:80] for d in range(10)])
    blurred = torch.nn.functional.avg_pool2d(real, 3, stride=1, padding=1)
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    drawn = trained.load("digits", "cpu").draw(torch.arange(10).repeat(80), steps=10, scale=1.0)
    near, far = ([evaluation.frechet_to_real(x) for x in pair] for pair in ((real, drawn), (blurred, noise)))
    assert 20 * max(near) < min(far), (near, far)


def test_the_same_seed_draws_the_same_and_any_integer_is_a_seed():
    model, labels = trained.load("digits", "cpu"), torch.tensor([3, 7])
    assert torch.equal(model.draw(labels, steps=2), model.draw(labels, steps=2))
    assert not torch.equal(model.draw(labels, steps=2), model.draw(labels, steps=2, seed=20261123224900))


ALONE = ["digits", "glide-shapes", "glide-emoji", "inpaint-emoji", "decoder-emoji", "latent-emoji", "dit-emoji"]


@pytest.mark.parametrize("name", ALONE)
def test_every_sampler_without_noise_arrives_at_the_same_picture(name):
    """In 20 steps nearly where DDIM arrives in 100, under guidance: each is a way along the same flow."""
    model = trained.load(name, "cpu")
    asked = torch.tensor([3]) if name == "digits" else ["a red circle" if name == "glide-shapes" else "a blue heart"]
    fine = model.draw(asked, seed=0, steps=100, method="ddim", scale=2.0)
    for method in ("ddim", "dpm-solver++", "euler", "heun"):
        drawn = model.draw(asked, seed=0, steps=20, method=method, scale=2.0)
        assert float((drawn - fine).square().mean().sqrt()) < 0.2, method


def test_build_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    a, b = DIGITS.build(1), DIGITS.build(1)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_ship_writes_rounded_weights_and_a_card(tmp_path, monkeypatch):
    from ddpm_lite import __main__ as cli

    out = tmp_path / "run"
    assert cli.main(["train", "digits-classifier", "--out", str(out), "--steps", "3", "--device", "cpu"]) == 0
    monkeypatch.setattr(trained, "ASSETS", tmp_path)
    card = evaluation.release(trained.load(out, "cpu"))
    assert json.loads((tmp_path / "digits-classifier.json").read_text())["steps"] == card["steps"] == 3
    assert {t.dtype for t in weights.load(tmp_path / "digits-classifier.safetensors")[0].values()} == {torch.bfloat16}


@pytest.mark.parametrize("name", [name for name in presets.PRESETS if not (trained.ASSETS / f"{name}.safetensors").is_file()])
def test_a_preset_without_weights_says_how_to_get_them(name):
    with pytest.raises(FileNotFoundError, match=f"{name} comes without weights: train it"):
        trained.load(name, "cpu")
