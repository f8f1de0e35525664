"""Scenes of two objects: which is which, and how they lie, in the picture, the caption and the verdict."""

import itertools

import pytest
import torch

from ddpm_lite.data import scenes, shapes

BOTH = pytest.mark.parametrize("size", [16, 32])


def test_a_fifth_is_held_out_and_every_four_attributes_meet_in_training():
    assert len(scenes.SCENES) == 32 * 2 * 31 == len(scenes.SCENES.unique(dim=0))
    assert len(scenes.HELDOUT) == 398 and scenes.HELDOUT[:3].tolist() == [10, 13, 16]
    assert sorted([*scenes.TRAIN.tolist(), *scenes.HELDOUT.tolist()]) == list(range(1984))
    for four in itertools.combinations(range(5), 4):
        met = scenes.SCENES[scenes.TRAIN][:, four].unique(dim=0)
        assert torch.equal(met, scenes.SCENES[:, four].unique(dim=0))


@BOTH
def test_each_object_lies_in_its_half_in_its_colour(size, g):
    images, index = scenes.draw(2000, g, size, "all")
    assert images.shape == (2000, 3, size, size) and images.max() == 1 and images.min() >= -1
    scene, half = scenes.SCENES[index], size // 2
    palette = torch.tensor(list(shapes.COLOURS.values())) * 2 - 1
    for relation, halves in enumerate(((images[..., :half], images[..., half:]), (images[..., :half, :], images[..., half:, :]))):
        rows = scene[:, 2] == relation
        for part, colour in zip(halves, (scene[:, 0], scene[:, 3]), strict=True):
            ink = (1 - part[rows]).flatten(2).sum(2)
            expected = 1 - palette[colour[rows]]
            # cos of the angle between the colour of the ink and the named one
            assert torch.cosine_similarity(ink, expected).min() > 0.98


def test_the_objects_move_along_and_across_the_line_through_them(g):
    squares = int((scenes.SCENES == torch.tensor([0, 1, 0, 1, 1])).all(1).nonzero())  # red left of orange
    ink = (1 - scenes.render(torch.full((1000,), squares), 32, g).double()).mean(1)
    pixel = (torch.arange(32, dtype=torch.float64) + 0.5) / 32
    for half, middle in ((slice(0, 16), 0.25), (slice(16, 32), 0.75)):
        part = ink[..., half]
        x, y = (part.sum(1) @ pixel[half] / part.sum((1, 2)), part.sum(2) @ pixel / part.sum((1, 2)))
        assert (x - middle).abs().max() == pytest.approx(0.03, rel=0.05) and (y - 0.5).abs().max() == pytest.approx(0.1, rel=0.05)


@BOTH
def test_the_judge_is_right_about_every_fresh_scene(size, g):
    images, index = scenes.draw(2000, g, size, "all")
    verdict = scenes.judge(images)
    assert torch.equal(verdict.index, index) and verdict.confidence.min() > 0.999


@BOTH
def test_the_judge_reads_slightly_noisy_scenes(size, g):
    images, index = scenes.draw(1000, g, size, "all")
    images = (images + 0.1 * torch.randn(images.shape, generator=g)).clamp(-1, 1)
    assert (scenes.judge(images).index == index).float().mean() >= 0.999


@BOTH
def test_the_judge_refuses_what_is_no_scene(size, g):
    a, b = (scenes.draw(200, g, size, "all") for _ in range(2))
    left = scenes.SCENES[a.index, 2] == 0
    twice = a.images[left].clone()
    twice[..., size // 2 :] = twice[..., : size // 2]  # the same object on both sides
    other = scenes.SCENES[a.index, 2] != scenes.SCENES[b.index, 2]
    blank = torch.ones(100, 3, size, size)
    for name, images in {
        "one object": shapes.draw(200, g, size, "all").images,
        "four objects": (a.images + b.images - 1).clamp(min=-1)[other],
        "mixed": ((a.images + b.images) / 2)[other],
        "the same twice": twice,
        "noise": torch.randn(blank.shape, generator=g).clamp(-1, 1),
        "blank": blank,
        "grey": 0 * blank,
        "not a number": float("nan") * blank,
    }.items():
        verdict = scenes.judge(images)
        assert len(images) > 50 and (verdict.index == -1).all() and (verdict.confidence == 0).all(), name


def described(caption: str) -> list[int]:
    """The scene that a caption describes, read by other rules than those that wrote it."""
    for usual, other in (("circle", "disc"), ("square", "box"), ("cross", "plus")):
        caption = caption.replace(other, usual)
    objects = [w for w in caption.replace(",", "").replace(":", "").split() if w in shapes.COLOURS or w in shapes.SHAPES]
    first, second = ([list(shapes.COLOURS).index(c), list(shapes.SHAPES).index(s)] for c, s in (objects[:2], objects[2:]))
    words = set(caption.replace(",", "").replace(":", "").split())
    swapped = (
        bool(words & {"below", "under", "bottom"}) and not caption.startswith("at the top")
        if words & {"above", "over", "below", "under", "top"}
        else "right" in words and not caption.startswith("on the left")
    )
    relation = int(bool(words & {"above", "over", "below", "under", "top"}))
    return [*second, relation, *first] if swapped else [*first, relation, *second]


def test_each_caption_describes_its_scene():
    for i in range(len(scenes.SCENES)):
        captions = scenes.captions(i)
        assert len(set(captions)) == 6
        assert all(described(caption) == scenes.SCENES[i].tolist() for caption in captions), captions
    assert scenes.captions(0)[:2] == ["a red circle left of a red square", "a red square right of a red circle"]
    orange = scenes.SCENES.tolist().index([1, 0, 1, 4, 1])
    assert scenes.captions(orange)[3] == "a blue box under an orange circle"


def test_a_seed_fixes_the_drawings_and_bad_arguments_are_named(g):
    a, b = (scenes.draw(50, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(a.images, b.images) and set(a.index.tolist()) <= set(scenes.TRAIN.tolist())
    assert torch.equal(scenes.draw(9000, g, 16, "heldout").index.unique(), scenes.HELDOUT)
    with pytest.raises(ValueError, match="size = 24, but"):
        scenes.render(torch.tensor([0]), 24)
    with pytest.raises(ValueError, match=r"^1984 is not among the numbers 0 to 1983"):
        scenes.captions(1984)


@pytest.mark.gpu
def test_scenes_on_a_gpu():
    images, index = scenes.draw(500, torch.Generator("cuda").manual_seed(0), 32, "all")
    assert images.is_cuda and torch.equal(scenes.judge(images).index, index)
