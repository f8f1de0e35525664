"""Two objects and their relation, the hard set: "a red circle left of a blue square".

What makes it hard is the binding: which colour belongs to which shape, and which object is on which side. A picture of a
circle left of a square is also one of a square right of a circle: that is one scene with two wordings. So a scene has
one of two relations, left of or above, and `captions` describes it from both sides.
"""

from functools import cache
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from .drawing import COLOURS, SHAPES, Atlas, Objects, check_numbers, check_size, choose, decide, ink, judge_all
from .shapes import OTHER_WORDS, Pictures

RELATIONS = ("left of", "above")
RADIUS = 0.18
# The centre of the first and of the second object in each relation, and how far it may move: little along the line
# through both, so that neither leaves its half of the picture, and more across it.
CENTRES = (((0.25, 0.5), (0.75, 0.5)), ((0.5, 0.25), (0.5, 0.75)))
REACH = ((0.03, 0.1), (0.1, 0.03))

# Row i: the colour and shape of the first object, the relation, the colour and shape of the second. The two differ.
_ALL = torch.cartesian_prod(*(torch.arange(len(a)) for a in (COLOURS, SHAPES, RELATIONS, COLOURS, SHAPES)))
_DIFFERENT = (_ALL[:, :2] != _ALL[:, 3:]).any(1)
SCENES = _ALL[_DIFFERENT]
# A fifth is held out by the rule of `shapes`.
_HELD_OUT = SCENES.sum(1) % 5 == 0
PARTS = {"train": (~_HELD_OUT).nonzero()[:, 0], "heldout": _HELD_OUT.nonzero()[:, 0], "all": torch.arange(len(SCENES))}
TRAIN, HELDOUT = PARTS["train"], PARTS["heldout"]

PHRASES = {  # first_, second_: the two objects; other_...: the same in other words
    "left of": (
        "{first} left of {second}",
        "{second} right of {first}",
        "{other_first} to the left of {second}",
        "{other_second} to the right of {first}",
        "on the left {first}, on the right {other_second}",
        "right: {second}, left: {other_first}",
    ),
    "above": (
        "{first} above {second}",
        "{second} below {first}",
        "{other_first} over {second}",
        "{other_second} under {first}",
        "at the top {first}, at the bottom {other_second}",
        "bottom: {second}, top: {other_first}",
    ),
}


class Verdict(NamedTuple):
    """The scene that each picture shows, its row in SCENES: -1 with confidence 0 where refused."""

    index: Int64[Tensor, " n"]  # type: ignore[assignment]  # it hides tuple.index
    confidence: Float32[Tensor, " n"]


def _objects(shape: Tensor, relation: Tensor, which: int) -> Objects:
    """The first (0) or second (1) objects of scenes."""
    centre, reach = (torch.tensor(a, device=shape.device)[relation] for a in (CENTRES, REACH))
    return Objects(shape, centre[:, which], torch.full_like(reach[:, 0], RADIUS), reach)


def render(
    index: Int64[Tensor, " n"], size: int = 16, generator: torch.Generator | None = None
) -> Float32[Tensor, "n 3 size size"]:
    """Drawings of scenes in [-1, 1], on the device of `index`; the generator and the errors are those of `shapes.render`."""
    check_size(size)
    check_numbers(index, len(SCENES))
    jitter = torch.zeros(2, len(index), 6, device=index.device)
    if generator is not None:
        jitter = 2 * torch.rand(jitter.shape, generator=generator, device=index.device) - 1
    scene = SCENES.to(index.device)[index]
    images = torch.ones(len(index), 3, size, size, device=index.device)
    for which, (colour, shape) in enumerate((scene[:, :2].T, scene[:, 3:].T)):
        mask = _objects(shape, scene[:, 2], which).masks(jitter[which, :, :3], size)
        images = images - mask[:, None] * ink(colour, jitter[which, :, 3:])[:, :, None, None]
    return images


def draw(n: int, generator: torch.Generator, size: int = 16, part: Literal["train", "heldout", "all"] = "train") -> Pictures:
    """n drawings of scenes drawn uniformly from a part, on the generator's device."""
    index = choose(n, PARTS, part, generator)
    return Pictures(render(index, size, generator), index)


def captions(index: int) -> list[str]:
    """The captions of a scene, from both sides; the first is the usual one. ValueError for a number without a scene."""
    check_numbers(torch.tensor([index]), len(SCENES))
    colour1, shape1, relation, colour2, shape2 = SCENES[index].tolist()
    words = {}
    for name, colour, shape in (("first", colour1, shape1), ("second", colour2, shape2)):
        colour, shape = list(COLOURS)[colour], list(SHAPES)[shape]
        article = "an" if colour[0] in "aeiou" else "a"
        words[name], words[f"other_{name}"] = (f"{article} {colour} {word}" for word in (shape, OTHER_WORDS.get(shape, shape)))
    return [phrase.format(**words) for phrase in PHRASES[RELATIONS[relation]]]


@cache
def _halves(size: int, device: torch.device) -> list[list[tuple[Tensor, Atlas]]]:
    """For each relation, for its first and second object: the half of the picture it is in, and everything it can be there."""
    near = torch.arange(size, device=device) < size // 2
    shape = torch.arange(len(SHAPES), device=device)
    halves = []
    for relation, half in enumerate((near.expand(size, size), near[:, None].expand(size, size))):
        steps = (4, 11, 3) if relation == 0 else (11, 4, 3)
        kinds = (_objects(shape, torch.full_like(shape, relation), which) for which in (0, 1))
        halves.append([(h, Atlas(k, steps, size)) for h, k in zip((half, ~half), kinds, strict=True)])
    return halves


def judge(images: Float[Tensor, "n 3 size size"]) -> Verdict:
    """The scene of the nearest drawing of each picture in [-1, 1], over all scenes and all jitter; refused as in `shapes`.

    The objects of a scene lie in two halves of the picture, so each half is compared with everything that can be in it.
    """

    def judge_some(images: Tensor) -> tuple[Tensor, Tensor]:
        # For each relation and object: its half of the pictures, white elsewhere, and what `Atlas.distances` says.
        found = [
            [(atlas, half := images.where(inside, 1.0), *atlas.distances(half)) for inside, atlas in relation]
            for relation in _halves(images.shape[-1], images.device)
        ]
        # (n, first colour and shape, relation, second colour and shape), as _ALL is ordered
        distance = torch.stack([f[2].flatten(1)[:, :, None] + s[2].flatten(1)[:, None] for f, s in found], 2)

        def residual(index: Tensor) -> Tensor:
            scene = SCENES.to(index.device)[index]
            off = torch.zeros_like(images)
            for number, pair in enumerate(found):
                rows = (scene[:, 2] == number).nonzero()[:, 0]
                for (atlas, half, _, place), (colour, shape) in zip(pair, (scene[rows, :2].T, scene[rows, 3:].T), strict=True):
                    off[rows] += atlas.residual(half[rows], colour, shape, place[rows, shape])
            return off

        return decide(distance.flatten(1)[:, _DIFFERENT.to(images.device)], residual)

    return Verdict(*judge_all(images, judge_some))
