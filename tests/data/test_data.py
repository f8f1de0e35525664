"""The data: what it holds, and that its parts do not overlap."""

import pytest
import torch
from sklearn.datasets import load_digits, load_sample_image

from ddpm_lite.data import digits, photos, points


def test_the_digits_are_scikit_learn_s_in_the_documented_range():
    train, held_out = digits.load()
    assert train.images.shape == (1437, 1, 8, 8) and held_out.images.shape == (360, 1, 8, 8)
    everything = torch.cat([train.images, held_out.images])
    assert everything.min() == -1 and everything.max() == 1 and len(everything.unique()) == digits.LEVELS
    ours = sorted(map(tuple, ((everything + 1) * 8).flatten(1).int().tolist()))
    assert ours == sorted(map(tuple, load_digits().data.astype(int).tolist()))
    assert torch.bincount(held_out.labels).min() >= 34  # stratified: each class about a tenth


def test_no_digit_is_in_both_parts_or_twice():
    train, held_out = digits.load()
    everything = torch.cat([train.images, held_out.images]).flatten(1)
    assert len(everything.unique(dim=0)) == len(everything)


def test_the_split_never_changes():
    a, b = digits.load(), digits.load()
    assert all(torch.equal(x, y) for one, two in zip(a, b, strict=True) for x, y in zip(one, two, strict=True))


@pytest.mark.parametrize("mixture", [points.two_humps(), points.three_humps(), points.ring()], ids=["two", "three", "ring"])
def test_mixtures_have_about_unit_variance_and_labels_of_their_components(mixture, g):
    x, labels = mixture.draw(20_000, g)
    assert x.mean().abs() < 0.15 and 0.7 < x.var(0).mean() < 1.4
    nearest = torch.cdist(x, mixture.means).argmin(1)
    assert (nearest == labels).double().mean() > 0.95


@pytest.mark.parametrize(
    "draw", [points.moons, points.swiss_roll, lambda n, g: points.letters("DDPM", n, g)], ids=["moons", "roll", "letters"]
)
def test_point_sets_are_centred_of_about_unit_size_and_fixed_by_their_generator(draw):
    a, b = (draw(4000, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(a, b) and a.shape == (4000, 2) and a.dtype == torch.float32
    assert a.mean(0).abs().max() < 0.3 and 0.3 < a.std() < 1.5 and a.abs().max() < 3


def test_letters_lie_on_their_ink(g):
    x = points.letters("I", 2000, g)
    assert x[:, 0].std() < 0.3 * x[:, 1].std()  # a tall, narrow stroke
    ring = points.letters("o", 2000, g)
    assert ring.norm(dim=1).min() > 0.5  # the hole of an "o" is not ink
    for empty in ("", " ", "\u200b"):
        with pytest.raises(ValueError, match="has no visible letters"):
            points.letters(empty, 10, g)


def test_the_flower_is_the_mean_of_squares_of_the_photograph():
    flower = photos.flower(96)
    assert flower.shape == (3, 96, 96) and -1 <= flower.min() < -0.9 and 0.9 < flower.max() <= 1
    corner = torch.tensor(load_sample_image("flower.jpg")[22:26, 116:120]).double().mean((0, 1)) / 127.5 - 1
    assert torch.allclose(flower[:, 0, 0].double(), corner)
    assert torch.allclose(torch.nn.functional.avg_pool2d(flower, 3), photos.flower(32), atol=1e-5)


@pytest.mark.parametrize("size", [0, -4, 100])
def test_a_size_that_does_not_divide_the_photograph_is_refused(size):
    with pytest.raises(ValueError, match=f"size = {size}, but it must divide 384"):
        photos.flower(size)
