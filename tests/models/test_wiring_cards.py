"""The wiring of the scores, where test_wiring_scores.py ends: editors, priors and upsamplers, and what a card holds."""

from types import SimpleNamespace

import pytest
import torch
from made import Judge, MadeChain, made, show
from torch import nn

from ddpm_lite.data import grammar
from ddpm_lite.machine import weights
from ddpm_lite.maths import metrics
from ddpm_lite.models import evaluation, header, trained
from ddpm_lite.models.evaluation import clips, edits, exact, priors, upsampler
from ddpm_lite.models.kinds import UpsamplingModel
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.models.recipe import Recipe, Training

pytestmark = pytest.mark.usefixtures("unchecked")  # made-up models are no networks


# Editors, priors, upsamplers.


@pytest.fixture
def few(monkeypatch):
    """Forty scenes for each number, and where `exact.asked_of_each` is asked for some, a note of it."""
    for module in (edits, priors, upsampler):
        monkeypatch.setattr(module, "COUNT", 40)
    asked, real = [], exact.asked_of_each

    def asked_of_each(held_out, n, generator):
        asked.append(real(held_out, n, generator))
        assert all(grammar.is_held_out(scene) == held_out for scene in asked[-1]) and len(asked[-1]) == n
        return asked[-1]

    monkeypatch.setattr(exact, "asked_of_each", asked_of_each)
    return asked


def held(scenes):
    """Whether all of these are held out, or none."""
    (found,) = {grammar.is_held_out(scene) for scene in scenes}
    return found


def test_what_is_filled_in_is_half_of_a_picture_of_each_part_and_blank_paper_is_the_yardstick(monkeypatch, few):
    judge = Judge(monkeypatch, lambda times, n: torch.arange(n) % (times + 2) == 0)  # a half, a third, a quarter of them
    said = []
    model = made("inpaint-emoji", lambda pictures, known: said.append((model.asked, known)) or -pictures)
    found = evaluation.score(model, seed=3)
    assert found == pytest.approx({"filled": 1 / 2, "filled_blank": 1 / 3, "filled_heldout": 1 / 4}, abs=0.02)
    assert model.log == [(40, 3, 15, 4.0, "dpm-solver++")] * 2
    (filled, scenes), (blank, again), (new, heldout) = judge.asked
    assert scenes == again == few[0] and heldout == few[1] and not held(scenes) and held(heldout)
    assert scenes == exact.asked_of_each(False, 40, torch.Generator().manual_seed(3)), "the seed has no effect"
    assert show(-filled, scenes) and show(-new, heldout)
    assert [asked for asked, _ in said] == [exact.captions(scenes), exact.captions(heldout)]
    for _, known in said:
        assert known.shape == (40, 1, 16, 16) and (known.mean((1, 2, 3)) == 0.5).all() and len(known.unique(dim=0)) == 4
    assert torch.equal(blank, torch.where(said[0][1] > 0, -filled, torch.ones(())))  # the other half is white


def test_a_prior_is_measured_by_the_cosines_with_the_picture_of_its_caption(monkeypatch, few):
    loaded, imagined, pictures = [], [], []
    directions = torch.randn(768, 6, generator=torch.Generator().manual_seed(0))

    def features(of):
        pictures.append(of)
        return nn.functional.normalize(of.flatten(1) @ directions, dim=1)

    def letters(captions):
        return nn.functional.normalize(torch.tensor([[len(c), *map(ord, c[:5])] for c in captions]).float(), dim=1)

    def imagine(prior, clip, captions, *, seed, candidates):
        imagined.append((captions, seed, candidates))
        return 7 * torch.randn(len(captions), 6, generator=torch.Generator().manual_seed(len(imagined)))

    clip = SimpleNamespace(encode=features, encode_text=letters)
    monkeypatch.setattr(trained, "load", lambda which, device: loaded.append(which) or clip)
    monkeypatch.setattr(priors, "imagine", imagine)
    found = evaluation.score(made("prior-emoji"), seed=3)
    assert loaded == ["clip-emoji"] and imagined == [(exact.captions(scenes), 3, 1) for scenes in few]
    assert [held(scenes) for scenes in few] == [False, True]
    assert few[0] == exact.asked_of_each(False, 40, torch.Generator().manual_seed(3)), "the seed has no effect"
    expected = {}
    for i, (key, scenes) in enumerate(zip(("cosine", "cosine_heldout"), few[:2], strict=True)):
        own, other = pictures[2 * i : 2 * i + 2]
        assert show(own, scenes) and show(other, scenes) and not torch.equal(own, other)
        image, sample = features(own), torch.randn(40, 6, generator=torch.Generator().manual_seed(i + 1))
        expected[key] = float(torch.cosine_similarity(sample, image).mean())
        if not i:
            expected["cosine_text"] = float(torch.cosine_similarity(letters(exact.captions(scenes)), image).mean())
            expected["cosine_pictures"] = float((features(other) * image).sum(1).mean())
    assert found == pytest.approx(expected, abs=1e-6)


def test_details_are_the_squares_of_a_picture():
    pictures = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = upsampler.details(pictures)
    assert found.shape == (32, 3, 16, 16)
    for i in range(32):
        picture, row, column = i // 16, i // 4 % 4, i % 4
        assert torch.equal(found[i], pictures[picture, :, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16])


def test_an_upsampler_is_measured_by_held_out_scenes_against_bicubic(few, monkeypatch):
    asked = []

    def features(pictures):
        return pictures.flatten(1)[:, 100:700:200].contiguous()

    monkeypatch.setattr(clips, "judge_features", features)

    class Enlarges(UpsamplingModel):
        """Nearest neighbours, paler for each seed, and more so without captions."""

        def draw(self, small, captions=None, *, seed=0):
            asked.append((small, captions, seed))
            drawn = nn.functional.interpolate(small, scale_factor=4.0)
            return drawn * (1 - seed / 10) if captions else drawn * (0.5 - seed / 10)

    found = evaluation.score(Enlarges(PRESETS["upsampler-emoji"], nn.Linear(1, 1)), seed=1)
    (scenes,) = few
    g = torch.Generator().manual_seed(1)
    assert held(scenes) and scenes == exact.asked_of_each(True, 40, g), "the seed has no effect"
    assert sorted((captions or [], seed) for _, captions, seed in asked) == [([], 1), (exact.captions(scenes), 1)]
    large = exact.true_pictures(scenes, g, 64)
    small = nn.functional.avg_pool2d(large, 4)
    assert all(torch.equal(given, small) for given, *_ in asked)
    nearest, smooth = (nn.functional.interpolate(small, scale_factor=4, mode=mode) for mode in ("nearest", "bicubic"))
    expected = {"psnr_heldout": 0.9 * nearest, "psnr_heldout_without": 0.4 * nearest}
    expected["psnr_heldout_bicubic"] = smooth.clamp(-1, 1)
    numbers = {key: upsampler.psnr(x, large) for key, x in expected.items()}
    for key, pictures in (expected | {"psnr_heldout_real": large}).items():
        first, second = (  # each half against the true details of the other
            metrics.frechet(features(upsampler.details(pictures[i::2])), features(upsampler.details(large[1 - i :: 2])))
            for i in (0, 1)
        )
        numbers[key.replace("psnr", "frechet")] = (first + second) / 2
    assert found == pytest.approx(numbers, rel=1e-4, abs=1e-6)


# What is shipped.


def test_a_card_and_its_file_hold_what_was_trained_and_what_was_scored(tmp_path, monkeypatch):
    scored = []

    def score(model, seed):
        scored.append((seed, model.net.weight.clone()))
        return {"accuracy": 0.123456}

    judge = SimpleNamespace(score=score, curves=lambda model: [{"t": 1, "pairs_heldout": 0.98765}])
    monkeypatch.setitem(evaluation.JUDGES, "prior", judge)
    monkeypatch.setattr(trained, "ASSETS", tmp_path / "assets")
    training = Training(7, 0.1, minutes=9.0, weight_decay=0.25, seed=3)
    model = made("prior-emoji", words=("x",), clip_weights="abc", training=training)
    with pytest.raises(ValueError, match="prior-emoji is not from a run"):
        evaluation.release(model, 5)
    model.made = header.Made("this one", "train it", 11, 11, 90.0)
    before = model.net.requires_grad_(False).weight.clone()
    card = evaluation.release(model, 5)
    (seed, weight), (tensors, stored) = scored[0], weights.load(tmp_path / "assets" / "prior-emoji.safetensors")
    assert seed == 5 and torch.equal(weight, before.bfloat16().float()) and torch.equal(tensors["weight"].float(), weight)
    assert {t.dtype for t in tensors.values()} == {torch.bfloat16}
    assert stored.keys() == {"recipe"} and Recipe.from_json(stored["recipe"]) == model.recipe
    about, data = PRESETS["prior-emoji"].about, evaluation.DATA["emoji"]
    ran = {"seed": 3, "batch_size": 7, "lr": 0.1, "weight_decay": 0.25, "command": "train it", "machine": "this one"}
    assert card == {
        "name": "prior-emoji",
        "about": about,
        **ran,
        "steps": 11,
        "pictures": 77,
        "minutes": 1.5,
        "data": data,
        "target": "x0",
        "parameters": 2,
        "scores": {"accuracy": 0.123456},
        "curves": [{"t": 1, "pairs_heldout": 0.98765}],
    }
    stored = (tmp_path / "assets" / "prior-emoji.json").read_text()
    assert '"accuracy": 0.1235' in stored and '"pairs_heldout": 0.9877' in stored and stored.endswith("}\n")


def test_a_chain_s_card_names_the_seed_s_scores_and_the_weights_of_its_models(tmp_path, monkeypatch):
    judge = SimpleNamespace(
        score=lambda chain, seed: {"gap_pairs": seed}, curves=lambda chain: [], made_of=lambda chain: {"models": {}}
    )
    monkeypatch.setattr(evaluation, "chains", judge)
    monkeypatch.setattr(trained, "ASSETS", tmp_path)
    card = evaluation.release(MadeChain("unclip-emoji"), 5)
    assert card["scores"] == {"gap_pairs": 5} and card["models"] == {}
