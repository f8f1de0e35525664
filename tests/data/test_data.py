"""The data: what it holds, and that its parts do not overlap."""

import hashlib

import pytest
import torch
from sklearn.datasets import load_sample_image

from ddpm_lite.data import digits, photos, points

# How many of each digit are among MNIST's first 10,000 training pictures.
OF_EACH = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]


@pytest.mark.parametrize("size", [16, 32])
def test_the_digits_are_ten_thousand_of_mnist_in_the_documented_range(size):
    train, held_out = digits.load(size)
    assert train.images.shape == (8000, 1, size, size) and held_out.images.shape == (2000, 1, size, size)
    everything = torch.cat([train.images, held_out.images])
    assert everything.min() == -1 and everything.max() == 1 and len(everything.unique()) <= digits.LEVELS
    assert torch.bincount(torch.cat([train.labels, held_out.labels])).tolist() == OF_EACH
    assert torch.bincount(held_out.labels).min() >= 160
    frame = 1 if size == 16 else 2
    around = everything.clone()
    around[..., frame:-frame, frame:-frame] = -1
    assert (around == -1).all()  # the frame is paper
    assert digits.NUM_CLASSES == 10 and all(part.labels.unique().tolist() == list(range(10)) for part in (train, held_out))


def test_a_digit_of_16_pixels_is_the_mean_of_the_digit_of_32():
    small, large = (digits.load(size)[1].images for size in (16, 32))
    mean = torch.nn.functional.avg_pool2d(large, 2)
    assert (small - mean).abs().max() <= 0.5 / 127.5 + 1e-6
    with pytest.raises(ValueError, match="16 or 32 pixels a side, not 28"):
        digits.load(28)


def test_the_file_of_digits_is_the_one_that_its_notes_describe(tmp_path, monkeypatch):
    notes = (digits.FILE.parent / "digits.md").read_text()
    assert hashlib.sha256(digits.FILE.read_bytes()).hexdigest() in notes
    assert "Attribution-ShareAlike 3.0" in notes and "LeCun" in notes
    whole = digits.FILE.read_bytes()
    monkeypatch.setattr(digits, "FILE", tmp_path / "digits.npz")
    for content in (None, b"", whole[:5000], whole[:-900]):
        digits.stored.cache_clear()
        if content is not None:
            digits.FILE.write_bytes(content)
        with pytest.raises(ValueError, match=r"digits.npz is damaged or missing .*install ddpm_lite again"):
            digits.load()
    digits.stored.cache_clear()


def test_a_moved_digit_is_the_same_one_a_little_turned_and_shifted(g):
    _, held_out = digits.load()
    moved = digits.moved(held_out.images, g)
    assert moved.shape == held_out.images.shape and moved.min() >= -1 - 1e-5 and moved.max() <= 1 + 1e-5
    assert 0.1 < (moved - held_out.images).square().mean() ** 0.5 < 0.4
    ink = (moved + 1).sum((1, 2, 3)) / (held_out.images + 1).sum((1, 2, 3))  # an area grows by up to 1.1 squared
    assert 0.75 < ink.min() and ink.max() < 1.3
    again = torch.Generator().manual_seed(g.initial_seed())
    assert torch.equal(moved, digits.moved(held_out.images, again))


def test_a_digit_is_moved_by_what_the_numbers_say():
    """A single spot follows the turn, the growth and the shift, which are drawn in this order."""
    spot = torch.full((200, 1, 16, 16), -1.0)
    spot[:, :, 7:9, 11:13] = 1.0  # its middle lies 4 to the right of the picture's
    u = 2 * torch.rand(4, 200, generator=torch.Generator().manual_seed(3)) - 1
    moved = (digits.moved(spot, torch.Generator().manual_seed(3)) + 1)[:, 0].double()
    at = torch.arange(16).double() - 7.5
    x, y = ((moved.sum(axis) * at).sum(1) / moved.sum((1, 2)) for axis in (1, 2))
    turn, size = u[0] * 12 * torch.pi / 180, 1 + 0.1 * u[1]
    # The picture looks up where each pixel comes from, so all goes the other way.
    right, down = 4 - 8 * u[2] / 8, -8 * u[3] / 8
    expected = ((turn.cos() * right + turn.sin() * down) / size, (-turn.sin() * right + turn.cos() * down) / size)
    assert (x - expected[0]).abs().max() < 0.2 and (y - expected[1]).abs().max() < 0.2


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
