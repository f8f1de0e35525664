"""Shapes: drawn as their captions say, a fifth held out, and a judge that is never wrong about a drawing."""

import itertools
import math
import time

import pytest
import torch
import torch.nn.functional as F

from ddpm_lite.data import drawing, scenes, shapes

AREAS = {"circle": math.pi, "square": 4.0, "triangle": 1.7, "cross": 4 * 0.68 - 0.68**2}  # of radius 1
BOTH = pytest.mark.parametrize("size", [16, 32])


def blurred(images, std):
    k = torch.arange(-4.0, 5.0)
    w = torch.exp(-(k**2) / (2 * std**2))
    kernel = (w[:, None] * w / w.sum() ** 2)[None, None]
    padded = F.pad(images, (4, 4, 4, 4), mode="replicate").flatten(0, 1)[:, None]
    return F.conv2d(padded, kernel).reshape(images.shape)


def noisy(images, std, g):
    return (images + std * torch.randn(images.shape, generator=g)).clamp(-1, 1)


def test_a_fifth_is_held_out_and_every_three_attributes_meet_in_training():
    assert len(shapes.COMBINATIONS) == 8 * 4 * 2 * 4 == len(shapes.COMBINATIONS.unique(dim=0))
    assert len(shapes.HELDOUT) == 52 and shapes.HELDOUT[:5].tolist() == [0, 15, 19, 22, 26]
    assert sorted([*shapes.TRAIN.tolist(), *shapes.HELDOUT.tolist()]) == list(range(256))
    for three in itertools.combinations(range(4), 3):
        met = shapes.COMBINATIONS[shapes.TRAIN][:, three].unique(dim=0)
        assert torch.equal(met, shapes.COMBINATIONS[:, three].unique(dim=0))


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_outlines_are_signed_distances(name, g):
    x, y = (3 * torch.rand(2, 2000, generator=g) - 1.5).requires_grad_()
    distance = shapes.SHAPES[name](x, y)
    gx, gy = torch.autograd.grad(distance.sum(), (x, y))
    torch.testing.assert_close((gx**2 + gy**2).sqrt(), torch.ones(2000))  # it grows by 1 for every 1 away from the outline
    inside = 9 * (distance < 0).double().mean()
    assert inside == pytest.approx(AREAS[name], abs=5 * 9 * 0.5 / 2000**0.5)


@BOTH
@pytest.mark.parametrize("name", shapes.SHAPES)
def test_a_shape_covers_its_area_to_about_a_pixel(name, size, g):
    radius = 0.12 + 0.13 * torch.rand(500, generator=g)
    centre = 0.3 + 0.4 * torch.rand(500, 2, generator=g)
    shape = torch.full((500,), list(shapes.SHAPES).index(name))
    covered = drawing.coverage(shape, centre, radius, size).sum((1, 2))
    assert (covered - AREAS[name] * (radius * size) ** 2).abs().max() < (1 if name in ("circle", "square") else 1.3)  # pixels
    fine = drawing.coverage(shape[:5], centre[:5], radius[:5], 512).mean((1, 2))
    torch.testing.assert_close(fine, AREAS[name] * radius[:5] ** 2, rtol=3e-3, atol=0)


@BOTH
def test_drawings_have_the_colour_place_and_size_of_their_combination(size, g):
    index = torch.arange(256).repeat(4)
    images = shapes.render(index, size, g)
    assert images.shape == (1024, 3, size, size) and images.dtype == torch.float32
    assert images.max() == 1 and images.min() >= -1 and (images == 1).all(1).float().mean() > 0.6  # white paper
    colour, shape, radius, place = shapes.COMBINATIONS[index].unbind(1)
    darkest = images.flatten(2).gather(2, images.sum(1).flatten(1).argmin(1)[:, None, None].expand(-1, 3, 1))[:, :, 0]
    named = 2 * torch.tensor(list(shapes.COLOURS.values()))[colour] - 1
    off = (darkest - named).abs().amax(1)
    assert off[shape < 2].max() < 2 * drawing.COLOUR_JITTER + 1e-6  # circles and squares cover a pixel in full
    ink = 1 - images.mean(1)
    pixel = (torch.arange(size) + 0.5) / size
    x, y = (ink.sum(1) @ pixel / ink.sum((1, 2)), ink.sum(2) @ pixel / ink.sum((1, 2)))
    right, bottom = place % 2, place // 2
    assert torch.equal((x > 0.5).long(), right) and torch.equal((y > 0.5).long(), bottom)
    covered = (images < 1).any(1).flatten(1).sum(1) / size**2
    for s in range(4):
        assert covered[(shape == s) & (radius == 0)].max() < covered[(shape == s) & (radius == 1)].min()


def test_a_seed_fixes_the_drawings_and_without_one_nothing_jitters():
    a, b, c = (shapes.draw(50, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(a.images, b.images) and torch.equal(a.index, b.index) and not torch.equal(a.images, c.images)
    assert torch.equal(shapes.render(a.index), shapes.render(a.index)) and not torch.equal(shapes.render(a.index), a.images)


def test_the_jitter_fills_its_range_evenly(g):
    circle = int((shapes.COMBINATIONS == torch.tensor([0, 0, 1, 0])).all(1).nonzero())  # large and red, at the top left
    images = shapes.render(torch.full((2000,), circle), 32, g).double()
    ink = (1 - images).mean(1)
    pixel = (torch.arange(32, dtype=torch.float64) + 0.5) / 32
    x, y = (ink.sum(1) @ pixel / ink.sum((1, 2)), ink.sum(2) @ pixel / ink.sum((1, 2)))
    colour = (images[:, :, 10, 10] + 1) / 2  # covered by every one
    for jitter, reach in [
        (x - 0.31, shapes.PLACE_JITTER),
        (y - 0.31, shapes.PLACE_JITTER),
        ((ink.sum((1, 2)) / ink[:, 10, 10] / math.pi).sqrt() / 32 / 0.25 - 1, drawing.SIZE_JITTER),
        *zip(colour.T - torch.tensor([[0.88], [0.10], [0.12]]), [drawing.COLOUR_JITTER] * 3, strict=True),
    ]:
        assert jitter.abs().max() == pytest.approx(reach, rel=0.05) and abs(jitter.mean()) < reach / 10
        assert jitter.std() == pytest.approx(reach / 3**0.5, rel=0.05)


@pytest.mark.parametrize("part, among", [("train", shapes.TRAIN), ("heldout", shapes.HELDOUT), ("all", torch.arange(256))])
def test_draws_come_from_their_part_and_from_all_of_it(part, among, g):
    assert torch.equal(shapes.draw(5000, g, 16, part).index.unique(), among)


def test_each_caption_names_its_combination_and_no_other():
    seen = {}
    for i in range(256):
        captions = shapes.captions(i)
        assert len(set(captions)) == len(shapes.PHRASES)
        for caption in captions:
            words = caption
            for usual, other in shapes.OTHER_WORDS.items():
                words = words.replace(other, usual)
            named = [[k for k, value in enumerate(a) if value in words.replace(",", "").replace(":", "")] for a in (
                shapes.COLOURS, shapes.SHAPES, shapes.SIZES, shapes.PLACES)]  # fmt: skip
            assert named == [[k] for k in shapes.COMBINATIONS[i].tolist()], caption
            assert seen.setdefault(caption, i) == i
    assert shapes.captions(0) == [
        "a small red circle at the top left",
        "top left: a little red disc",
        "a little red disc in the upper left corner",
        "the red circle at the top left is small",
        "at the top left a small red disc",
        "in the upper left corner there is a little red circle",
        "small red circle, top left",
        "the circle at the upper left is little and red",
    ]


@BOTH
def test_the_judge_is_right_about_every_fresh_drawing(size, g):
    images, index = shapes.draw(5000, g, size, "all")
    verdict = shapes.judge(images)
    assert torch.equal(verdict.index, index) and verdict.confidence.min() > 0.999
    assert torch.equal(torch.stack([verdict.colour, verdict.shape, verdict.size, verdict.place], 1), shapes.COMBINATIONS[index])


@BOTH
@pytest.mark.parametrize("spoil", ["noise 0.05", "noise 0.1", "blur", "both", "pale"])
def test_the_judge_reads_drawings_that_are_slightly_off(size, spoil, g):
    images, index = shapes.draw(1000, g, size, "all")
    images = {
        "noise 0.05": lambda: noisy(images, 0.05, g),
        "noise 0.1": lambda: noisy(images, 0.1, g),
        "blur": lambda: blurred(images, 0.5 * size / 16 if size == 16 else 0.8),
        "both": lambda: noisy(blurred(images, 0.4 * size / 16), 0.1, g),
        "pale": lambda: 1 - 0.9 * (1 - images),
    }[spoil]()
    assert (shapes.judge(images).index == index).float().mean() >= 0.997


@BOTH
def test_the_judge_refuses_what_is_no_drawing(size, g):
    blank = torch.ones(200, 3, size, size)
    drawn = shapes.draw(400, g, size, "all")
    mixed = (drawn.images[:200] + drawn.images[200:]) / 2
    apart = shapes.COMBINATIONS[drawn.index[:200], 3] != shapes.COMBINATIONS[drawn.index[200:], 3]
    for name, images in {
        "noise": noisy(0 * blank, 1, g),
        "uniform noise": 2 * torch.rand(blank.shape, generator=g) - 1,
        "blank": blank,
        "blank and noise": noisy(blank, 0.1, g),
        "grey": 0 * blank,
        "black": -blank,
        "mixed": mixed[apart],
        "two objects": scenes.draw(200, g, size, "all").images,
        "not a number": float("nan") * blank,
        "upside down": -drawn.images,
    }.items():
        verdict = shapes.judge(images)
        assert all((attribute == -1).all() for attribute in verdict[:5]) and (verdict.confidence == 0).all(), name


def test_the_judge_refuses_to_choose_between_two_shapes():
    index = torch.tensor([[i, i + 8] for i in range(256) if shapes.COMBINATIONS[i, 1] == 0])  # a circle, and its square
    images = shapes.render(index.flatten()).unflatten(0, (-1, 2)).mean(1)
    verdict = shapes.judge(images)
    wrong = (verdict.index >= 0) & (verdict.index != index[:, 0]) & (verdict.index != index[:, 1])
    assert not wrong.any()


def test_the_judge_finds_the_nearest_of_very_many_drawings(g):
    images, _ = shapes.draw(40, g, 16, "all")
    images = noisy(images, 0.1, g)
    every = torch.arange(256).repeat(100)
    many = shapes.render(every, 16, g)
    assert torch.equal(every[torch.cdist(images.flatten(1), many.flatten(1)).argmin(1)], shapes.judge(images).index)


def test_drawing_and_judging_are_fast(g, unchecked):
    begin = time.process_time()
    images, _ = shapes.draw(20_000, g)
    drawn = time.process_time()
    shapes.judge(images[:2000])
    judged = time.process_time()
    assert drawn - begin < 4  # seconds; 0.3 on one core
    assert 2000 / (judged - drawn) > 500  # a second; 6,000 on one core


def test_no_pictures_are_no_verdicts():
    assert len(shapes.judge(torch.zeros(0, 3, 16, 16)).index) == 0 and len(shapes.render(torch.zeros(0, dtype=torch.int64))) == 0


def test_bad_arguments_are_named(g):
    with pytest.raises(ValueError, match="size = 24, but shapes are drawn and judged at 16 x 16 or 32 x 32"):
        shapes.render(torch.tensor([0]), 24)
    with pytest.raises(ValueError, match="size = 8, "):
        shapes.judge(torch.zeros(1, 3, 8, 8))
    for wrong in (-1, 256):
        with pytest.raises(ValueError, match=f"^{wrong} is not among the numbers 0 to 255"):
            shapes.render(torch.tensor([0, wrong]))
        with pytest.raises(ValueError, match=f"^{wrong} is not among the numbers 0 to 255"):
            shapes.captions(wrong)
    with pytest.raises(ValueError, match="no part 'test': it is one of train, heldout, all"):
        drawing.choose(5, shapes.PARTS, "test", g)


@pytest.mark.gpu
def test_drawing_and_judging_on_a_gpu():
    images, index = shapes.draw(500, torch.Generator("cuda").manual_seed(0), 32, "all")
    assert images.is_cuda and torch.equal(shapes.judge(images).index, index)
    torch.testing.assert_close(shapes.render(index).cpu(), shapes.render(index.cpu()))
