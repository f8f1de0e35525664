"""Pictures drawn on the fly with captions: one shape on white, colour x shape x size x place = 256 combinations.

A fifth of the combinations is held out of all training, so that composition can be measured: a model that draws "a small
red circle at the top left" without having seen one has put it together. `judge` decides whether it did: it compares a
picture with everything that `render` can draw.
"""

from collections.abc import Iterable
from functools import cache
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from .drawing import COLOURS, SHAPES, Atlas, Objects, check_numbers, check_size, choose, decide, ink, judge_all

SIZES = {"small": 0.15, "large": 0.25}  # the radius, where the side of the picture is 1
PLACES = {  # the centre, x to the right and y downward
    "top left": (0.31, 0.31),
    "top right": (0.69, 0.31),
    "bottom left": (0.31, 0.69),
    "bottom right": (0.69, 0.69),
}
PLACE_JITTER = 0.04  # how far the centre may lie from there, in x and in y

# Row i: the numbers of colour, shape, size and place of combination i.
COMBINATIONS = torch.cartesian_prod(*(torch.arange(len(a)) for a in (COLOURS, SHAPES, SIZES, PLACES)))
# Held out are the combinations whose four numbers add up to a multiple of 5. One attribute changed to its neighbour
# changes the sum, so all pairs and triples of attributes still occur in training: only all four together are new.
_HELD_OUT = COMBINATIONS.sum(1) % 5 == 0
PARTS = {"train": (~_HELD_OUT).nonzero()[:, 0], "heldout": _HELD_OUT.nonzero()[:, 0], "all": torch.arange(len(COMBINATIONS))}
Part = Literal["train", "heldout", "all"]
TRAIN, HELDOUT = PARTS["train"], PARTS["heldout"]

OTHER_WORDS = {"circle": "disc", "square": "box", "cross": "plus", "small": "little", "large": "big"} | {
    place: place.replace("top", "upper").replace("bottom", "lower") for place in PLACES
}
PHRASES = (  # other_...: another word for the same, where there is one
    "a {size} {colour} {shape} at the {place}",
    "{place}: a {other_size} {colour} {other_shape}",
    "a {other_size} {colour} {other_shape} in the {other_place} corner",
    "the {colour} {shape} at the {place} is {size}",
    "at the {place} a {size} {colour} {other_shape}",
    "in the {other_place} corner there is a {other_size} {colour} {shape}",
    "{size} {colour} {shape}, {place}",
    "the {shape} at the {other_place} is {other_size} and {colour}",
)


class Pictures(NamedTuple):
    """Pictures (n, 3, size, size) in [-1, 1], and the combination of each: its row in COMBINATIONS."""

    images: Float32[Tensor, "n 3 size size"]
    index: Int64[Tensor, " n"]  # type: ignore[assignment]  # it hides tuple.index


class Verdict(NamedTuple):
    """What each picture shows: the combination and its four attributes; -1 in all of them, confidence 0, where refused."""

    index: Int64[Tensor, " n"]  # type: ignore[assignment]  # it hides tuple.index
    colour: Int64[Tensor, " n"]
    shape: Int64[Tensor, " n"]
    size: Int64[Tensor, " n"]
    place: Int64[Tensor, " n"]
    confidence: Float32[Tensor, " n"]


def _objects(index: Tensor) -> Objects:
    _, shape, size, place = COMBINATIONS.to(index.device)[index].unbind(1)
    centre, radius = (torch.tensor(list(a.values()), device=index.device) for a in (PLACES, SIZES))
    return Objects(shape, centre[place], radius[size], torch.full_like(centre, PLACE_JITTER)[place])


def render(
    index: Int64[Tensor, " n"], size: int = 16, generator: torch.Generator | None = None
) -> Float32[Tensor, "n 3 size size"]:
    """Drawings of combinations in [-1, 1], on the device of `index`.

    The generator varies place, size and colour a little; without one, each is in the middle of its range.
    ValueError for a size other than 16 and 32, or for a number without a combination.
    """
    check_size(size)
    check_numbers(index, len(COMBINATIONS))
    jitter = torch.zeros(len(index), 6, device=index.device)
    if generator is not None:
        jitter = 2 * torch.rand(len(index), 6, generator=generator, device=index.device) - 1
    colour = COMBINATIONS.to(index.device)[index, 0]
    return 1 - _objects(index).masks(jitter[:, :3], size)[:, None] * ink(colour, jitter[:, 3:])[:, :, None, None]


def draw(n: int, generator: torch.Generator, size: int = 16, part: Part = "train") -> Pictures:
    """n drawings of combinations drawn uniformly from a part, on the generator's device."""
    index = choose(n, PARTS, part, generator)
    return Pictures(render(index, size, generator), index)


def captions(index: int) -> list[str]:
    """The captions of a combination, one for each of PHRASES; the first is the usual one. ValueError if there is no such row."""
    check_numbers(torch.tensor([index]), len(COMBINATIONS))
    kinds: tuple[Iterable[str], ...] = (COLOURS, SHAPES, SIZES, PLACES)
    attributes = zip(kinds, COMBINATIONS[index].tolist(), strict=True)
    words = dict(zip(("colour", "shape", "size", "place"), (list(values)[i] for values, i in attributes), strict=True))
    words |= {f"other_{name}": OTHER_WORDS.get(word, word) for name, word in words.items()}
    return [phrase.format(**words) for phrase in PHRASES]


@cache
def _atlas(size: int, device: torch.device) -> Atlas:
    kinds = torch.arange(len(COMBINATIONS) // len(COLOURS), device=device)  # the combinations of the first colour
    return Atlas(_objects(kinds), (5, 5, 3), size)


def judge(images: Float[Tensor, "n 3 size size"]) -> Verdict:
    """What pictures in [-1, 1] show: the combination of the nearest drawing, over all attributes and all jitter.

    confidence is the probability of that combination among all, if the picture were a drawing with Gaussian noise of
    standard deviation 0.1. A picture is refused if that is below 0.9 (between two combinations) or if some patch is far from the
    nearest drawing (noise, a blank sheet, two objects). ValueError for a size other than 16 and 32.
    """

    def judge_some(images: Tensor) -> tuple[Tensor, Tensor]:
        atlas = _atlas(images.shape[-1], images.device)
        distance, place = atlas.distances(images)

        def residual(index: Tensor) -> Tensor:
            colour, kind = index // place.shape[1], index % place.shape[1]
            return atlas.residual(images, colour, kind, place.gather(1, kind[:, None])[:, 0])

        return decide(distance.flatten(1), residual)

    index, confidence = judge_all(images, judge_some)
    attributes = COMBINATIONS.to(index.device)[index].where(index[:, None] >= 0, -1)
    colour, shape, size, place = attributes.unbind(1)
    return Verdict(index, colour, shape, size, place, confidence)
