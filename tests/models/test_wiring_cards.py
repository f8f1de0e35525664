"""The wiring of the scores, where test_wiring_scores.py ends: editors, priors, upsamplers and chains, and what a card holds."""

from statistics import fmean, stdev
from types import SimpleNamespace

import pytest
import torch
from made import SAID, MadeChain, a_few, made
from torch import nn

from ddpm_lite.data import emoji, shapes
from ddpm_lite.machine import weights
from ddpm_lite.models import evaluation, header, trained
from ddpm_lite.models.evaluation import chains, priors, texts, upsampler
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.models.recipe import Recipe, Training

pytestmark = pytest.mark.usefixtures("unchecked")  # made-up models are no networks


# Editors, priors, upsamplers.


@pytest.mark.parametrize("name", ["inpaint-emoji", "inpaint-shapes"])
def test_what_is_filled_in_is_half_of_a_picture_of_each_part_and_blank_paper_is_the_yardstick(monkeypatch, name):
    few = a_few(monkeypatch)
    judged = []

    def right(of, pictures, own):
        judged.append((pictures, own))
        return torch.arange(len(own)) % (len(judged) + 1) == 0  # a half, a third, a quarter of them

    monkeypatch.setattr(texts, "right", right)
    model = made(name, lambda pictures, known: -pictures)
    found = evaluation.score(model, seed=3)
    assert found == pytest.approx({"filled": 1 / 2, "filled_blank": 1 / 3, "filled_heldout": 1 / 4}, abs=0.02)
    assert all(log[1:] == (3, 25, 3.0, "ddim") for log in model.log) and len(model.log) == 2
    (filled, own), (blank, again), (new, new_own) = judged
    assert torch.equal(own, again) and model.known.shape == (len(new), 1, 16, 16)
    if "emoji" in name:
        assert torch.equal(-filled, few.images[own]) and torch.equal(-new, few.images[new_own]) and new_own.min() == 90
        assert model.asked == [few.names[i] for i in new_own] and own.max() < 90
    else:
        assert set(own.tolist()) <= set(shapes.TRAIN.tolist()) and set(new_own.tolist()) <= set(shapes.HELDOUT.tolist())
        assert torch.equal(shapes.judge(-new).index, new_own) and [SAID[c] for c in model.asked] == new_own.tolist()
    paper = (blank == 1).all(1)  # half of each is white, the other half is the picture
    assert torch.equal(blank, torch.where(paper[:, None], 1.0, -filled)) and (paper.float().mean((1, 2)) >= 0.5).all()


@pytest.mark.parametrize("name", ["prior-emoji", "prior-shapes"])
def test_a_prior_is_measured_by_the_cosines_with_the_picture_of_its_caption(monkeypatch, name):
    few = a_few(monkeypatch)
    loaded, imagined, directions = [], [], torch.randn(768, 6, generator=torch.Generator().manual_seed(0))

    def features(pictures):
        return nn.functional.normalize(pictures.flatten(1) @ directions, dim=1)

    def load(which, device):
        loaded.append(which)
        letters = lambda captions: torch.tensor([[len(c), *map(ord, c[:5])] for c in captions]).float()  # noqa: E731
        said = lambda captions: nn.functional.normalize(letters(captions), dim=1)  # noqa: E731
        return SimpleNamespace(encode=features, encode_text=said)

    def imagine(prior, clip, captions, *, seed, candidates):
        imagined.append((captions, seed, candidates))
        return 7 * torch.randn(len(captions), 6, generator=torch.Generator().manual_seed(len(imagined)))

    monkeypatch.setattr(trained, "load", load)
    monkeypatch.setattr(priors, "imagine", imagine)
    monkeypatch.setattr(shapes, "render", lambda index, size=16, generator=None: few.images[index % 110])
    found = evaluation.score(made(name), seed=3)
    assert loaded == [name.replace("prior", "clip")] and [each[1:] for each in imagined] == [(3, 1)] * 2
    for number, (key, (captions, *_)) in enumerate(zip(("cosine", "cosine_heldout"), imagined, strict=True)):
        if "emoji" in name:
            own = torch.tensor([few.names.index(c) for c in captions])
            assert ((own < 90) == (number == 0)).all()
            again = features(few.images[own].flip(3))
        else:
            index = torch.tensor([SAID[c] for c in captions])
            assert set(index.tolist()) <= set((shapes.TRAIN, shapes.HELDOUT)[number].tolist())
            own = index % 110
            again = features(few.images[own])
        image, sample = features(few.images[own]), torch.randn(len(own), 6, generator=torch.Generator().manual_seed(number + 1))
        assert found[key] == pytest.approx(float(torch.cosine_similarity(sample, image).mean()))
        if not number:
            text = torch.tensor([[len(c), *map(ord, c[:5])] for c in captions]).float()
            assert found["cosine_text"] == pytest.approx(float(torch.cosine_similarity(text, image).mean()))
            assert found["cosine_pictures"] == pytest.approx(float((again * image).sum(1).mean()))


def test_an_upsampler_is_measured_by_held_out_emoji_against_bicubic():
    large = emoji.load(32)[1].images
    model = made("upsampler-emoji", lambda small, seed, *_: nn.functional.interpolate(small, scale_factor=2) * (1 - seed / 10))
    found, small = evaluation.score(model, seed=1), nn.functional.avg_pool2d(large, 2)
    assert model.log == [(95, 1, 50, 2.0, "ddim")]
    nearest = nn.functional.interpolate(small, scale_factor=2) * 0.9
    smooth = nn.functional.interpolate(small, scale_factor=2, mode="bicubic").clamp(-1, 1)
    expected = {"psnr_heldout": nearest, "psnr_heldout_bicubic": smooth}
    assert found == pytest.approx({key: upsampler.psnr(x, large) for key, x in expected.items()})


# Chains.


@pytest.mark.parametrize("data", ["emoji", "shapes"])
def test_what_a_chain_is_asked_belongs_together(monkeypatch, data):
    few = a_few(monkeypatch)
    for part, among in (("seen", range(90)), ("heldout", range(90, 110))):
        said, own, pictures = chains.examples(data, part, 10)
        if data == "emoji":
            assert (
                set(own.tolist()) <= set(among) and said == [few.names[i] for i in own] and torch.equal(pictures, few.images[own])
            )
        else:
            assert set(own.tolist()) <= set(shapes.PARTS[{"seen": "train"}.get(part, part)].tolist())
            assert [SAID[c] for c in said] == own.tolist() == shapes.judge(pictures).index.tolist()


def test_each_cell_of_the_table_is_drawn_as_it_says(monkeypatch):
    a_few(monkeypatch)
    monkeypatch.setattr(chains, "COUNT", 4)
    monkeypatch.setattr(chains, "gap", lambda chain: {"gap_pairs": 0.25})
    monkeypatch.setattr(texts, "right", lambda data, pictures, own: torch.arange(4) < pictures.sum().int() % 5)
    chain, embeddings = MadeChain("unclip-emoji"), {"text": 3, "prior": 2, "true": 4, "none": 0}
    found = evaluation.score(chain, seed=20)
    fast = (15, 3.0, "dpm-solver++")
    cells = [(embeddings[source], not alone, 20 + i, *fast) for source, alone in chains.WAYS for i in range(5)]
    assert chain.log == [*cells, (2, True, 20, 100, 3.0, "ddim")] * 2
    assert chain.imagined == ([{"seed": 20 + i} for i in range(5)] * 2 + [{"seed": 20}]) * 2
    drawn = [torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(20 + i)) for i in range(5)]
    right = [min(int(x.sum().int() % 5), 4) / 4 for x in drawn]
    for source, alone in chains.WAYS:
        key = f"{source}{'_alone' * alone}_heldout"
        assert found[key] == pytest.approx(fmean(right)) and found[f"{key}_std"] == pytest.approx(stdev(right))
        assert found[f"{key}_spread"] == pytest.approx(float(torch.stack(drawn).std(0).mean()))
    assert found["slow_seen"] == right[0] and found["gap_pairs"] == 0.25 and found.keys() >= {"slow_heldout", "none_seen"}


def test_the_modality_gap_is_that_of_pairs_and_of_strangers(monkeypatch):
    a_few(monkeypatch)
    images, words = (torch.randn(90, 4, generator=torch.Generator().manual_seed(i)) for i in (1, 2))
    chain = MadeChain("unclip-emoji")
    chain.encode, chain.encode_text = lambda pictures: 2 * images, lambda captions: 3 * words
    cosines = [[torch.cosine_similarity(a[:, None], b, dim=2) for b in (images, words)] for a in (images, words)]
    strangers = ~torch.eye(90, dtype=torch.bool)
    assert chains.gap(chain) == pytest.approx(
        {
            "gap_pairs": float(cosines[0][1].diagonal().mean()),
            "gap_others": float(cosines[0][1][strangers].mean()),
            "gap_images": float(cosines[0][0][strangers].mean()),
            "gap_texts": float(cosines[1][1][strangers].mean()),
        },
        abs=1e-6,
    )


# What is shipped.


def test_a_card_and_its_file_hold_what_was_trained_and_what_was_scored(tmp_path, monkeypatch):
    scored = []

    def score(model, seed):
        scored.append((seed, model.net.weight.clone()))
        return {"accuracy": 0.123456}

    judge = SimpleNamespace(score=score, curves=lambda model: [{"t": 1, "recall_at_5": 0.98765}])
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
        "curves": [{"t": 1, "recall_at_5": 0.98765}],
    }
    stored = (tmp_path / "assets" / "prior-emoji.json").read_text()
    assert '"accuracy": 0.1235' in stored and '"recall_at_5": 0.9877' in stored and stored.endswith("}\n")


def test_a_chain_s_card_names_the_seed_s_scores_and_the_weights_of_its_models(tmp_path, monkeypatch):
    judge = SimpleNamespace(
        score=lambda chain, seed: {"gap_pairs": seed}, curves=lambda chain: [], made_of=lambda chain: {"models": {}}
    )
    monkeypatch.setattr(evaluation, "chains", judge)
    monkeypatch.setattr(trained, "ASSETS", tmp_path)
    card = evaluation.release(MadeChain("unclip-emoji"), 5)
    assert card["scores"] == {"gap_pairs": 5} and card["models"] == {}
