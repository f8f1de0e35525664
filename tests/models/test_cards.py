"""The cards say what the shipped weights do: parts of every card are computed again from the weights, and compared.

What draws nothing (yardsticks, modality gaps, CLIPs) must agree but for bf16 against float32. A number of pictures that are
drawn is that of a few pictures here, from other noise than the card's where that was drawn on a GPU: it must agree within
four standard errors of so few, plus 0.05.
"""

import math

import pytest
import torch

from ddpm_lite.data import emoji, grammar, shapes
from ddpm_lite.maths import metrics
from ddpm_lite.models import evaluation, presets, trained
from ddpm_lite.models.evaluation import artists, chains, clips, edits, priors, texts, upsampler
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
    # What stands twice on a card is the same: the curves are at the scale of the table too.
    for row in chain.card["curves"]:
        if row["scale"] == chains.SCALE:
            key = f"{row['embedding']}_seen"
            assert (row["accuracy"], row["spread"]) == tuple(chain.card["scores"][k] for k in (key, f"{key}_spread"))


# The yardsticks of each model, for which nothing is drawn, with how far they may be off: shares of 200 to 800 things by a few.
YARDSTICKS = {
    "digits": {"frechet_real": 0.1, "precision_real": 0.01, "recall_real": 0.01, "nearest_real": 0.01},
    **{name: {"nearest_real": 0.01} for name in ("glide-emoji", "decoder-emoji")},
    **{name: {"filled_blank": 0.02} for name in ("inpaint-emoji", "inpaint-shapes")},
    **{name: {"cosine_text": 0.005, "cosine_pictures": 0.005} for name in ("prior-emoji", "prior-shapes")},
    "upsampler-emoji": {"psnr_heldout_bicubic": 0.01},
    "upsampler-artists": {"psnr_heldout_bicubic": 0.01},
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


@pytest.mark.parametrize("name", ["digits-classifier", "clip-shapes", "clip-emoji", "clip-emoji-noisy", "judge-emoji"])
def test_what_tells_pictures_apart_does_so_as_often_as_its_card_says(name):
    model = trained.shipped(name)
    assert evaluation.score(model) == pytest.approx(model.card["scores"], abs=0.012)  # 4 of 360 digits, 1 of 95 held-out emoji
    for row in model.card.get("curves", [])[3:4]:  # of the CLIP of noisy pictures, at one t
        part, a = emoji.load(16)[0], float(model.schedule.alpha_bar[row["t"]])
        eps = torch.randn(part.images.shape, generator=torch.Generator().manual_seed(row["t"]))
        rank = clips.ranks(model, a**0.5 * part.images + (1 - a) ** 0.5 * eps, torch.arange(len(eps)), row["t"])
        assert row["recall_at_5"] == pytest.approx(clips.recall(rank, 5), abs=0.012)


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
    train = emoji.load(16)[0]
    own = torch.randperm(len(train.images), generator=torch.Generator().manual_seed(7))[:FEW]
    drawn = model.draw([train.names[i] for i in own.tolist()], seed=0, steps=texts.STEPS, scale=texts.SCALE)
    rank = clips.ranks(trained.shipped("judge-emoji"), drawn, own)
    known = torch.cat([train.images, train.images.flip(3)])
    index = metrics.nearest(drawn, known)[1] % len(train.images)
    return {"recall_at_1": rank < 1, "recall_at_5": rank < 5, "nearest_asked": index == own}


def of_artists(model: DrawingModel) -> dict[str, torch.Tensor]:
    g, right = torch.Generator().manual_seed(7), {}
    for kind in artists.KINDS:
        scenes = artists.asked(kind, True, FEW, g)
        options = {"steps": artists.STEPS, "scale": artists.SCALE, "method": artists.METHOD}
        right[f"composed_{kind}"] = artists.Pixels().right(model.draw([grammar.caption(s) for s in scenes], **options), scenes)
    return right


def of_halves(model: DrawingModel) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(7)
    captions, own, pictures = chains.examples(model.recipe.data, "seen", FEW)
    filled = model.edit(pictures, edits.halves(FEW, g), captions, seed=0, steps=25, scale=3.0)
    return {"filled": texts.right(model.recipe.data, filled, own)}


DRAWN = {
    "digits": of_digits,
    "glide-shapes": of_shapes,
    "decoder-shapes": of_shapes,
    "glide-emoji": of_emoji,
    "glide-artists": of_artists,
    "decoder-emoji": of_emoji,
    "inpaint-shapes": of_halves,
    "inpaint-emoji": of_halves,
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_few_drawn_pictures_are_right_as_often_as_the_card_says(name):
    model = trained.shipped(name)
    for key, right in DRAWN[name](model).items():
        assert near(right, model.card["scores"][key]), (key, right.tolist())


@pytest.mark.parametrize("name", presets.CHAINS)
def test_a_cell_of_a_chain_s_table_is_what_a_few_pictures_give(name):
    chain = load_chain(name, "cpu")
    captions, own, pictures = chains.examples(chain.data, "seen", FEW)
    drawn = chains.table_cell(chain, "prior", False, captions, pictures, seed=1)
    assert near(texts.right(chain.data, drawn, own), chain.card["scores"]["prior_seen"])


@pytest.mark.parametrize("name", ["prior-shapes", "prior-emoji"])
def test_what_a_prior_imagines_is_as_close_to_the_picture_as_its_card_says(name):
    prior, clip = trained.shipped(name), trained.shipped(presets.preset(name).clip)
    captions, _, pictures = chains.examples(prior.recipe.data, "seen", 20)
    image = clip.encode(pictures)
    cosine = torch.cosine_similarity(imagine(prior, clip, captions, candidates=1), image)
    assert float(cosine.mean()) == pytest.approx(prior.card["scores"]["cosine"], abs=0.03)


def test_the_upsampler_knows_more_than_interpolation_by_what_its_card_says():
    """In decibels, by which a few pictures differ: the gain of five or six is 2 more or less than that of all."""
    model, large = trained.shipped("upsampler-emoji"), emoji.load(32)[1].images[::19]
    small = torch.nn.functional.avg_pool2d(large, 2)
    smooth = torch.nn.functional.interpolate(small, scale_factor=2, mode="bicubic").clamp(-1, 1)
    said = model.card["scores"]["psnr_heldout"] - model.card["scores"]["psnr_heldout_bicubic"]
    assert upsampler.psnr(model.draw(small), large) - upsampler.psnr(smooth, large) == pytest.approx(said, abs=3)
