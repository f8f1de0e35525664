"""The cards say what the shipped weights do: parts of every card are computed again from the weights, and compared.

What draws nothing (yardsticks, modality gaps, CLIPs) must agree but for bf16 against float32. A number of pictures that are
drawn is that of a few pictures here, from other noise than the card's where that was drawn on a GPU: it must agree within
four standard errors of so few, plus 0.05.
"""

import math

import pytest
import torch

from ddpm_lite.data import shapes
from ddpm_lite.maths import metrics
from ddpm_lite.maths.gaussian import q_sample
from ddpm_lite.models import evaluation, presets, trained
from ddpm_lite.models.evaluation import autoencoders, chains, clips, composing, edits, exact, priors, texts, upsampler
from ddpm_lite.models.model import DrawingModel
from ddpm_lite.models.unclip import imagine, load_chain

SHIPPED = sorted(file.stem for file in trained.ASSETS.glob("*.safetensors"))
FEW = 5  # pictures


def near(found: torch.Tensor, said: float) -> bool:
    """Whether a share of some pictures can be that of a card."""
    likely = min(max(said, 0.03), 0.97)
    return abs(float(found.double().mean()) - said) <= 4 * math.sqrt(likely * (1 - likely) / len(found)) + 0.05


def test_every_shipped_file_has_a_card_and_every_card_its_file_or_its_chain():
    assert {file.stem for file in trained.ASSETS.glob("*.json")} == {*SHIPPED, *presets.CHAINS}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_counts_what_was_trained(name):
    model, preset = trained.shipped(name), presets.preset(name)
    card = model.card
    assert (card["name"], card["about"], card["data"]) == (name, preset.about, evaluation.DATA[preset.data])
    assert card["parameters"] == sum(p.numel() for p in model.net.parameters())
    assert card["pictures"] == card["steps"] * card["batch_size"]
    words = card["command"].split()
    said = dict(zip(words[words.index("--out") :: 2], words[words.index("--out") + 1 :: 2], strict=True))
    assert words[3:5] == ["train", name]
    assert (said["--batch-size"], said["--seed"]) == (str(card["batch_size"]), str(card["seed"]))
    assert "--minutes" in said or said["--steps"] == str(card["steps"])


@pytest.mark.parametrize("name", presets.CHAINS)
def test_a_chain_s_card_names_the_models_that_are_shipped(name):
    chain = load_chain(name, "cpu")
    assert chain.card["models"] == chains.made_of(chain)["models"]
    gap = {key: value for key, value in chain.card["scores"].items() if key.startswith("gap_")}
    assert gap == pytest.approx(chains.gap(chain), abs=0.005) and len(gap) == 4
    rows = [(row["embedding"], row["scale"]) for row in chain.card["curves"] if "embedding" in row]
    assert rows == [(source, scale) for source in ("prior", "none") for scale in chains.SCALES]


# The yardsticks of each model, for which nothing is drawn, with how far they may be off: shares of 200 to 800 things by a few.
YARDSTICKS = {
    "digits": {"frechet_real": 0.1, "precision_real": 0.01, "recall_real": 0.01, "nearest_real": 0.01},
    "prior-emoji": {"cosine_text": 0.005, "cosine_pictures": 0.005},
    "upsampler-emoji": {"psnr_heldout_bicubic": 0.01},
}


@pytest.mark.parametrize("name", YARDSTICKS)
def test_the_yardsticks_of_a_card_are_those_of_the_real_pictures(name, monkeypatch):
    def nothing(model, asked, *given, **options):
        return torch.rand(len(asked), *model.net.shape, generator=torch.Generator().manual_seed(0))

    monkeypatch.setattr(priors, "imagine", lambda prior, clip, captions, **options: torch.ones(len(captions), prior.net.dim))
    model = trained.shipped(name)
    for way in ("draw", "edit"):
        if hasattr(model, way):
            monkeypatch.setattr(type(model), way, nothing)
    found = evaluation.score(model)
    for key, off in YARDSTICKS[name].items():
        assert model.card["scores"][key] == pytest.approx(found[key], abs=off), key


@pytest.mark.parametrize("name", ["digits-classifier", "clip-shapes", "artist-emoji"])
def test_what_tells_pictures_apart_does_so_as_often_as_its_card_says(name):
    model = trained.shipped(name)
    assert evaluation.score(model) == pytest.approx(model.card["scores"], abs=0.012)  # 24 of 2,000 digits, 4 of 360 things


@pytest.mark.parametrize("name", ["clip-emoji", "judge-emoji", "clip-emoji-noisy"])
def test_a_clip_of_emoji_finds_captions_as_often_as_its_card_says(name):
    model, g, n = trained.shipped(name), torch.Generator().manual_seed(7), 40
    t = None if model.recipe.schedule is None else 1
    for part in chains.PARTS:
        scenes, pictures = chains.examples(part, n)
        assert near(clips.fits(model, pictures, scenes, t), model.card["scores"][f"pairs_{part}"]), part
    for row in model.card.get("curves", [])[3:4]:  # of the CLIP of noisy pictures, at one t
        scenes, pictures = chains.examples("heldout", n)
        x_t = q_sample(pictures, torch.full((n,), row["t"]), torch.randn(pictures.shape, generator=g), model.schedule)
        assert near(clips.fits(model, x_t, scenes, row["t"]), row["pairs_heldout"])


@pytest.mark.parametrize("method", ["ddpm", "dpm-solver++"])
def test_a_row_of_the_digits_curves_is_what_one_of_its_seeds_gives(method):
    model, asked = trained.shipped("digits"), torch.arange(10).repeat(80)
    (row,) = (row for row in model.card["curves"] if (row["method"], row["steps"]) == (method, 5))
    drawn = model.draw(asked, seed=12, steps=5, method=method, scale=1.0)
    assert evaluation.frechet_to_real(drawn) == pytest.approx(row["frechet"], abs=4 * row["frechet_std"] + 0.1)
    assert metrics.accuracy(evaluation.recognise(drawn), asked) == pytest.approx(
        row["recognised"], abs=4 * row["recognised_std"] + 0.005
    )


def of_digits(model: DrawingModel) -> dict[str, torch.Tensor]:
    asked = torch.arange(10)
    return {"recognised_10_steps": evaluation.recognise(model.draw(asked, steps=10, scale=2.0)) == asked}


def of_shapes(model: DrawingModel) -> dict[str, torch.Tensor]:
    own, captions = texts.asked_shapes("heldout", FEW, torch.Generator().manual_seed(7))
    drawn = model.draw(captions, seed=0, steps=texts.STEPS, scale=texts.SCALE)
    return {"accuracy_heldout": shapes.judge(drawn).index == own}


def of_emoji(model: DrawingModel) -> dict[str, torch.Tensor]:
    g, right = torch.Generator().manual_seed(7), {}
    for kind in exact.KINDS:
        scenes = exact.asked(kind, True, FEW, g)
        right[f"composed_{kind}"] = exact.Pixels().right(composing.drawing(model, 0)(scenes), scenes)
    return right


def of_halves(model: DrawingModel) -> dict[str, torch.Tensor]:
    scenes, pictures = chains.examples("seen", 8)
    mask = edits.halves(len(scenes), torch.Generator().manual_seed(7))
    filled = model.edit(pictures, mask, exact.captions(scenes), seed=0, steps=15, scale=4.0, method="dpm-solver++")
    judge, blank = exact.Pixels(), pictures.where(mask > 0, torch.ones(()))
    return {"filled": judge.right(filled, scenes), "filled_blank": judge.right(blank, scenes)}


DRAWN = {
    "digits": of_digits,
    "glide-shapes": of_shapes,
    "glide-emoji": of_emoji,
    "decoder-emoji": of_emoji,
    "inpaint-emoji": of_halves,
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_few_drawn_pictures_are_right_as_often_as_the_card_says(name):
    model = trained.shipped(name)
    for key, right in DRAWN[name](model).items():
        assert near(right, model.card["scores"][key]), (key, right.tolist())


@pytest.mark.parametrize("name", presets.CHAINS)
@pytest.mark.parametrize("part", chains.PARTS)
def test_a_cell_of_a_chain_s_table_is_what_a_few_pictures_give(name, part):
    chain = load_chain(name, "cpu")
    scenes, pictures = chains.examples(part, 8)
    drawn = chains.table_cell(chain, "prior", False, scenes, pictures, seed=1)
    assert near(exact.Pixels().right(drawn, scenes), chain.card["scores"][f"prior_{part}"])


def test_what_a_prior_imagines_is_as_close_to_the_picture_as_its_card_says():
    prior, clip = trained.shipped("prior-emoji"), trained.shipped("clip-emoji")
    for part, key in (("seen", "cosine"), ("heldout", "cosine_heldout")):
        scenes, pictures = chains.examples(part, 60)
        cosine = torch.cosine_similarity(imagine(prior, clip, exact.captions(scenes), candidates=1), clip.encode(pictures))
        off = 4 * float(cosine.std()) / math.sqrt(len(cosine))  # four standard errors of so few
        assert float(cosine.mean()) == pytest.approx(prior.card["scores"][key], abs=off)


def test_an_autoencoder_gives_back_as_much_as_its_card_says(monkeypatch):
    """Of forty scenes in place of four hundred: their error is larger by the root of ten."""
    monkeypatch.setattr(autoencoders, "COUNT", 40)
    model = trained.shipped("autoencoder-emoji")
    found, scores = evaluation.score(model, 7), model.card["scores"]
    off = 4 * 10**0.5 * scores["psnr_decoded_error"]
    for key in ("psnr_decoded", "psnr_decoded_bicubic"):
        assert found[key] == pytest.approx(scores[key], abs=off), key
    assert found["psnr_decoded"] > found["psnr_decoded_bicubic"] + 3
    for key in ("latent_std", "latent_noise", "latent_nats"):
        assert found[key] == pytest.approx(scores[key], rel=0.1), key


def test_the_upsampler_knows_more_than_interpolation_by_what_its_card_says():
    """In decibels, by which a few pictures differ: the gain of eight is 1.5 more or less than that of all."""
    model, g = trained.shipped("upsampler-emoji"), torch.Generator().manual_seed(7)
    scenes = exact.asked_of_each(True, 8, g)
    large = exact.true_pictures(scenes, g, 64)
    small = torch.nn.functional.avg_pool2d(large, 4)
    smooth = torch.nn.functional.interpolate(small, scale_factor=4, mode="bicubic").clamp(-1, 1)
    scores = model.card["scores"]
    for captions, key in ((exact.captions(scenes), "psnr_heldout"), (None, "psnr_heldout_without")):
        gain = upsampler.psnr(model.draw(small, captions), large) - upsampler.psnr(smooth, large)
        assert gain == pytest.approx(scores[key] - scores["psnr_heldout_bicubic"], abs=1.5) and gain > 0
