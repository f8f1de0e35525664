"""The i-th picture of a seed is the same whatever is drawn beside it, by every method and in every way of drawing."""

from dataclasses import replace

import pytest
import torch
from test_caption import READER, SMALL, WORDS
from test_networks import randomise

from ddpm_lite.__main__ import main
from ddpm_lite.data import changes, grammar
from ddpm_lite.models import model as model_file
from ddpm_lite.models.kinds import MODELS
from ddpm_lite.models.model import DrawingModel
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.models.unclip import Chain, load_chain
from ddpm_lite.sampling.noise import normal

METHODS = ["ddpm", "ddim", "dpm-solver++"]
CLOSE = 0.05  # convolutions of another batch size round otherwise, and in bf16 the steps add that up; other noise is off by 0.5


def untrained(name: str) -> DrawingModel:
    """A small random network of a preset's kind, which draws quickly, and by its noise: it predicts eps."""
    caption = {k: v for k, v in READER.items() if k != "vocabulary"}
    own = {
        "digits": {"num_classes": 10},
        "glide-shapes": {"caption": caption},
        "inpaint-emoji": {"caption": caption, "extra": 4},
        "decoder-emoji": {"caption": {**caption, "image": 8}},
        "upsampler-emoji": {"caption": caption, "extra": 3},
    }
    words = tuple(WORDS) if PRESETS[name].reads else None
    network, schedule = {**SMALL, **own[name]}, {"kind": "cosine", "T": 100}
    recipe = replace(PRESETS[name], network=network, schedule=schedule, words=words, target="eps")
    return MODELS[recipe.kind](recipe, randomise(recipe.build()))


ASKED = {
    "digits": torch.tensor([3, 1, 4, 1, 5]),
    "glide-shapes": ["red circle", "blue", "", "red", "blue square"],
    "upsampler-emoji": torch.linspace(-1, 1, 5 * 3 * 2 * 2).reshape(5, 3, 2, 2),
}
ASKED["inpaint-emoji"] = ASKED["decoder-emoji"] = ASKED["glide-shapes"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ASKED)
def test_a_model_draws_the_same_picture_whatever_n_is(name, method, monkeypatch):
    monkeypatch.setattr(model_file, "AT_ONCE", 3)
    model, asked, options = untrained(name), ASKED[name], {"steps": 4, "method": method, "seed": 2}
    whole = model.draw(asked, **options)
    for n in (1, 2, 4):
        torch.testing.assert_close(model.draw(asked[:n], **options), whole[:n], rtol=0, atol=CLOSE)
    again = model.draw(asked[:1], **{**options, "seed": 3})
    assert (again - whole[:1]).abs().max() > 0.2
    assert (whole[0] - whole[3]).abs().max() > 0.2  # of another batch, and not the noise of the first once more
    if hasattr(model, "edit"):
        pictures, known = torch.zeros(5, *model.net.shape), torch.ones(5, 1, 8, 8)
        known[:, :, :4] = 0
        whole = model.edit(pictures, known, asked, **options)
        torch.testing.assert_close(model.edit(pictures[:2], known[:2], asked[:2], **options), whole[:2], rtol=0, atol=CLOSE)


def test_the_noise_of_the_first_rows_does_not_depend_on_how_many_follow():
    for shape in ((3, 16, 16), (5,), (1, 3, 3), (64,), (2, 9)):
        whole = normal(300, shape, torch.Generator().manual_seed(1))
        assert whole.shape == (300, *shape) and abs(float(whole.std()) - 1) < 0.1
        for n in (1, 2, 7):
            assert torch.equal(normal(n, shape, torch.Generator().manual_seed(1)), whole[:n])
    large = torch.randn(7, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(normal(7, (3, 8, 8), torch.Generator().manual_seed(1)), large)


@pytest.fixture(scope="module")
def chain() -> Chain:
    return load_chain("unclip-emoji", "cpu")


CAPTIONS = ["a red fox", "two cats", "a pizza on blue"]


@pytest.mark.parametrize("candidates", [1, 2])
def test_a_prior_imagines_the_same_embedding_whatever_n_is(chain, candidates):
    options = {"candidates": candidates, "steps": 10, "seed": 4}
    whole = chain.imagine(CAPTIONS, **options)
    for n in (1, 2):
        torch.testing.assert_close(chain.imagine(CAPTIONS[:n], **options), whole[:n], rtol=0, atol=0.01)
    assert (chain.imagine([CAPTIONS[1]], **options) - whole[1]).abs().max() > 0.1


@pytest.mark.parametrize("method", METHODS)
def test_a_chain_draws_and_varies_the_same_whatever_n_is(chain, method):
    fast = {"steps": 4, "method": method, "seed": 4}
    whole = chain.draw(CAPTIONS, **fast)
    torch.testing.assert_close(chain.draw(CAPTIONS[:2], **fast), whole[:2], rtol=0, atol=2 * CLOSE)
    pictures = changes.draw([grammar.scene("fox"), grammar.scene("pizza")], [2, 3], 16)
    varied = chain.variations(pictures, 3, **fast)  # after four steps in bf16, two of them differ by 0.18 somewhere
    assert varied.shape == (2, 3, 3, 64, 64) and (varied[:, 0] - varied[:, 1]).abs().amax((1, 2, 3)).min() > 0.1
    torch.testing.assert_close(chain.variations(pictures, 2, **fast), varied[:, :2], rtol=0, atol=2 * CLOSE)
    torch.testing.assert_close(chain.variations(pictures[1:], 2, **fast), varied[1:, :2], rtol=0, atol=2 * CLOSE)


@pytest.mark.parametrize("method", METHODS)
def test_the_first_picture_of_a_command_is_the_same_for_every_n(method, tmp_path):
    import numpy as np
    from PIL import Image

    drawn = {}
    for n in (1, 4):
        file = tmp_path / f"{n}.png"
        argv = ["sample", "digits", "3", "-n", str(n), "--steps", "5", "--method", method, "-o", str(file), "--device", "cpu"]
        assert main(argv) == 0
        drawn[n] = np.asarray(Image.open(file)).astype(int)[:80, :80]
    assert np.abs(drawn[1] - drawn[4]).max() <= 127.5 * CLOSE
