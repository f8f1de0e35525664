"""Flat shapes on white paper, drawn from their signed distances, and the search for the drawing nearest to a picture.

`shapes` (one object) and `scenes` (two) share what is here: the colours, the outlines, the pixels, the distances.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from ..maths.schedule import require_floating

RESOLUTIONS = (16, 32)  # sides of the pictures, in pixels
COLOURS = {  # red, green and blue in [0, 1], chosen far apart from each other and from the white paper
    "red": (0.88, 0.10, 0.12),
    "orange": (0.96, 0.50, 0.00),
    "yellow": (0.98, 0.88, 0.10),
    "green": (0.10, 0.62, 0.25),
    "blue": (0.10, 0.35, 0.90),
    "purple": (0.50, 0.15, 0.68),
    "pink": (1.00, 0.58, 0.78),
    "black": (0.08, 0.08, 0.08),
}
COLOUR_JITTER = 0.04  # how far each channel of a drawing may lie from these values
SIZE_JITTER = 0.06  # how far its radius may lie from the nominal one, as a share of it

NOISE_STD = 0.1  # the noise, in the units of pictures in [-1, 1], that a judge allows for in its confidence
SURE = 0.9  # a judge refuses below this confidence
TOLERANCE = 0.25  # or where the mean over a patch of 3/16 of the side lies farther than this from the nearest drawing
AT_ONCE = 128  # pictures that are judged at a time


def _box(x: Tensor, y: Tensor, width: float, height: float) -> Tensor:
    return torch.maximum(x.abs() - width, y.abs() - height)


# The signed distance to the outline of a shape of radius 1 around (0, 0), negative inside; y points downward.
# Outside a corner it is the distance to the extended straight edges, which keeps corners sharp.
SHAPES = {
    "circle": lambda x, y: (x.square() + y.square()).sqrt() - 1,
    "square": lambda x, y: _box(x, y, 1.0, 1.0),
    "triangle": lambda x, y: torch.maximum((1.7 * x.abs() - y - 0.9) / (1 + 1.7**2) ** 0.5, y - 0.8),
    "cross": lambda x, y: torch.minimum(_box(x, y, 1.0, 0.34), _box(x, y, 0.34, 1.0)),
}


def check_size(size: int) -> None:
    """ValueError unless pictures are drawn and judged at this size."""
    if size not in RESOLUTIONS:
        raise ValueError(f"size = {size}, but shapes are drawn and judged at 16 x 16 or 32 x 32 pixels.")


def check_numbers(index: Int64[Tensor, " n"], count: int) -> None:
    """ValueError unless all are from 0 to count - 1, naming the first that is not."""
    outside = index[(index < 0) | (index >= count)]
    if len(outside):
        raise ValueError(f"{int(outside[0])} is not among the numbers 0 to {count - 1}.")


def choose(n: int, parts: dict[str, Tensor], part: str, generator: torch.Generator) -> Int64[Tensor, " n"]:
    """n numbers drawn uniformly from a part, on the generator's device. ValueError for an unknown part."""
    if part not in parts:
        raise ValueError(f"There is no part {part!r}: it is one of {', '.join(parts)}.")
    among = parts[part].to(generator.device)
    return among[torch.randint(len(among), (n,), generator=generator, device=generator.device)]


def ink(colour: Int64[Tensor, " n"], jitter: Float[Tensor, "n 3"] | float = 0.0) -> Float32[Tensor, "n 3"]:
    """What colours take away from white paper, 0 to 2: a picture in [-1, 1] is 1 - coverage * ink. jitter is in [-1, 1]."""
    middle = torch.tensor(list(COLOURS.values()), device=colour.device)[colour]
    return 2 * (1 - (middle + COLOUR_JITTER * jitter).clamp(0, 1))


def coverage(
    shape: Int64[Tensor, " n"], centre: Float[Tensor, "n 2"], radius: Float[Tensor, " n"], size: int
) -> Float32[Tensor, "n size size"]:
    """How much of each pixel a shape covers, in [0, 1]: a ramp one pixel wide across the outline.

    Shapes are numbered in their order in SHAPES; centre (x, y) and radius are fractions of the picture's side.
    """
    pixel = (torch.arange(size, device=radius.device) + 0.5) / size
    x, y = ((pixel - c[:, None]) / radius[:, None] for c in centre.unbind(1))
    distance = torch.empty(len(shape), size, size, device=radius.device)
    for number, outline in enumerate(SHAPES.values()):
        rows = shape == number
        distance[rows] = outline(x[rows][:, None, :], y[rows][:, :, None])
    return (0.5 - distance * (radius * size)[:, None, None]).clamp(0, 1)


class Objects(NamedTuple):
    """Objects, one row each: the number of the shape, centre and radius, and how far the centre may move in x and y."""

    shape: Int64[Tensor, " n"]
    centre: Float32[Tensor, "n 2"]
    radius: Float32[Tensor, " n"]
    reach: Float32[Tensor, "n 2"]

    def masks(self, jitter: Float32[Tensor, "n 3"], size: int) -> Float32[Tensor, "n size size"]:
        """The coverage of each, with x, y and radius changed by jitter, which is in [-1, 1]."""
        centre = self.centre + self.reach * jitter[:, :2]
        return coverage(self.shape, centre, self.radius * (1 + SIZE_JITTER * jitter[:, 2]), size)


class Atlas:
    """Everything that can be drawn with some kinds of object, to find the drawing nearest to a picture.

    The colour needs no search: given the mask, the best ink is that of least squares, <1 - image, mask> / |mask|^2,
    clamped to the range of a colour. Place and radius are searched on a grid of `steps` values of x, y and radius, then,
    around the nearest drawing, on a finer one.
    """

    def __init__(self, kinds: Objects, steps: tuple[int, int, int], size: int):
        device = kinds.radius.device
        self.kinds, self.size = kinds, size
        self.grid = torch.cartesian_prod(*(torch.linspace(-1, 1, n, device=device) for n in steps))
        third = torch.tensor([2 / (n - 1) / 3 for n in steps], device=device)
        self.fine = third * torch.cartesian_prod(*3 * [torch.arange(-1.0, 2.0, device=device)])
        n = len(kinds.shape)
        many = Objects(*(a.repeat_interleave(len(self.grid), 0) for a in kinds))
        self.masks = many.masks(self.grid.repeat(n, 1), size).unflatten(0, (n, len(self.grid)))
        colours = torch.arange(len(COLOURS), device=device)
        self.least, self.most = ink(colours, 1.0), ink(colours, -1.0)

    def distances(
        self, images: Float32[Tensor, "n 3 h w"]
    ) -> tuple[Float32[Tensor, "n colours kinds"], Int64[Tensor, "n kinds"]]:
        """The squared distance of pictures to the nearest drawing of every colour and kind, and its place on the grid.

        The place is that of the best ink of any colour: where the colour is right, that is the best place too.
        """
        masks = self.masks.flatten(2)
        energy = masks.square().sum(2)
        missing = 1 - images.flatten(2)
        best = (missing @ masks.flatten(0, 1).T).unflatten(2, energy.shape) / energy
        place = (energy * best.square().sum(1)).argmax(2)
        best = best.gather(3, place[:, None, :, None].expand(-1, 3, -1, -1)).squeeze(3)[:, None]
        a = best.clamp(self.least[:, :, None], self.most[:, :, None])
        gain = energy.expand(len(images), -1, -1).gather(2, place[:, :, None]).mT * (a * (2 * best - a)).sum(2)
        return missing.square().sum((1, 2))[:, None, None] - gain, place

    def residual(
        self,
        images: Float32[Tensor, "n 3 h w"],
        colour: Int64[Tensor, " n"],
        kind: Int64[Tensor, " n"],
        place: Int64[Tensor, " n"],
    ) -> Float32[Tensor, "n 3 h w"]:
        """Pictures minus the nearest drawing of this colour and kind around this place on the grid."""
        jitter = (self.grid[place][:, None] + self.fine).clamp(-1, 1)
        several = Objects(*(a[kind].repeat_interleave(len(self.fine), 0) for a in self.kinds))
        masks = several.masks(jitter.flatten(0, 1), self.size).unflatten(0, jitter.shape[:2])
        energy = masks.square().sum((2, 3))
        best = (1 - images.flatten(2)) @ masks.flatten(2).mT / energy[:, None]
        a = best.clamp(self.least[colour][:, :, None], self.most[colour][:, :, None])
        rows, nearest = torch.arange(len(images), device=images.device), (energy * (a * (2 * best - a)).sum(1)).argmax(1)
        return images - 1 + masks[rows, nearest][:, None] * a[rows, :, nearest][:, :, None, None]


def decide(
    distance: Float32[Tensor, "n drawings"], residual: Callable[[Int64[Tensor, " n"]], Float32[Tensor, "n 3 size size"]]
) -> tuple[Int64[Tensor, " n"], Float32[Tensor, " n"]]:
    """The number of the nearest drawing and how sure that is, from the squared distances; -1 and 0 where refused.

    residual: the pictures minus the drawings with the given numbers. Noise and blurred edges cancel in its mean over a
    patch; a second object or a wrong shape does not.
    """
    sure, nearest = (-distance / (2 * NOISE_STD**2)).softmax(1).max(1)
    off = residual(nearest)
    off = F.avg_pool2d(off, 3 * off.shape[-1] // 16, stride=1).abs().amax((1, 2, 3))
    seen = (sure >= SURE) & (off <= TOLERANCE)
    return nearest.where(seen, -1), sure.where(seen, 0.0)


def judge_all(images: Float[Tensor, "n 3 size size"], judge: Callable) -> tuple[Int64[Tensor, " n"], Float32[Tensor, " n"]]:
    """Judge pictures, 128 at a time. ValueError for pictures of a size other than 16 and 32."""
    require_floating(images=images)
    check_size(images.shape[-1])
    index, confidence = zip(*(judge(part) for part in images.float().split(AT_ONCE)), strict=True)
    return torch.cat(index), torch.cat(confidence)
