"""Draws the scenes of `grammar`: an artist's picture, changed exactly as the caption says.

A thing is coloured (its luminance is kept), dressed by its own outline, turned, made smaller and put on a ground, in this order.
"""

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from . import emoji
from .emoji import ARTISTS, SIDE, TONES
from .grammar import COLOURS, WORN, Scene

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue: Rec. 601
SOLID = 0.5  # alpha of what counts as inside an outline
# (height of the worn thing's middle within the outline, its width as a share of the outline's there); what sits on the head
# stands on the outline's top and needs a smaller wearer.
ON_HEAD = {"crown": 0.75, "party hat": 0.6, "halo": 0.8}
ON_BODY = {"sunglasses": (0.36, 0.8), "scarf": (0.8, 0.85)}
SMALLER, CELL, TINY = 48, 32, 24  # sides of a wearer of hats, of a thing among several, and of a tiny one


@cache
def _sprites() -> Tensor:
    """All pictures, then what is worn, with colours times alpha, uint8."""
    all_of_them = emoji.load()
    pictures = torch.cat([all_of_them.pictures, all_of_them.worn])
    alpha = pictures[:, 3:].short()
    return torch.cat([((pictures[:, :3].short() * alpha + 127) // 255).byte(), pictures[:, 3:]], 1)


def _resized(sprites: Float[Tensor, "n 4 h w"], height: int, width: int) -> Float[Tensor, "n 4 a b"]:
    return F.interpolate(sprites, (height, width), mode="bilinear", antialias=True)


def over(top: Float[Tensor, "n 4 h w"], below: Tensor) -> Tensor:
    """What is seen of a picture with alpha before another one: Porter & Duff's "over", with colours times alpha."""
    return top[:, : below.shape[1]] + below * (1 - top[:, 3:])


def recoloured(sprites: Float[Tensor, "n 4 h w"], colours: Float[Tensor, "n 3"]) -> Float[Tensor, "n 4 h w"]:
    """The sprites in one colour each: a pixel keeps its luminance and takes a shade of the colour, between black and white."""
    weights = torch.tensor(LUMINANCE).reshape(1, 3, 1, 1)
    alpha, colour = sprites[:, 3:], colours[:, :, None, None]
    bright = (sprites[:, :3] * weights).sum(1, keepdim=True) / alpha.clamp(min=1e-6)
    own = (colour * weights).sum(1, keepdim=True)
    shade = torch.where(bright <= own, colour * bright / own, 1 - (1 - colour) * (1 - bright) / (1 - own))
    return torch.cat([shade.clamp(0, 1) * alpha, alpha], 1)


def _extent(solid: Tensor) -> tuple[int, int]:
    """The first place where something is, and the one after the last."""
    there = solid.nonzero()[:, 0]
    return (int(there[0]), int(there[-1]) + 1) if len(there) else (0, len(solid))


def dressed(sprite: Float[Tensor, "4 h w"], worn: str) -> Float[Tensor, "4 h w"]:
    """The sprite with something worn, which is put where its outline has its top, its eyes or its neck."""
    item = _sprites()[len(emoji.load().pictures) + WORN.index(worn)][None].float() / 255
    if worn in ON_HEAD:
        small = _resized(sprite[None], SMALLER, SMALLER)[0]
        left = (SIDE - SMALLER) // 2
        sprite = F.pad(small, (left, SIDE - SMALLER - left, SIDE - SMALLER, 0))
    solid = sprite[3] > SOLID
    top, bottom = _extent(solid.any(1))
    if worn in ON_HEAD:
        first, last = _extent(solid[top : top + max(4, (bottom - top) // 4)].any(0))
        width = min(max(round((last - first) * ON_HEAD[worn]), 20), 40)
        y = max(top + round(0.15 * width) - width, 0)
    else:
        height, share = ON_BODY[worn]
        middle = top + round(height * (bottom - top))
        first, last = _extent(solid[max(middle - 2, 0) : middle + 3].any(0))
        width = min(max(round((last - first) * share), 20), SIDE)
        y = min(max(middle - width // 2, 0), SIDE - width)
    x = min(max((first + last - width) // 2, 0), SIDE - width)
    item = _resized(item, width, width)
    made = sprite[None].clone()
    made[:, :, y : y + width, x : x + width] = over(item, made[:, :, y : y + width, x : x + width])
    return made[0]


def _layout(scene: Scene) -> list[tuple[int, int, int, bool]]:
    """Where the things stand: (row, column, side, whether it is the other thing)."""
    inset = (CELL - TINY) // 2 if scene.tiny else 0
    if scene.place:
        first, second = ((16, 0), (16, 32)) if scene.place == "left of" else ((0, 16), (32, 16))
        return [(first[0] + inset, first[1] + inset, TINY if scene.tiny else CELL, False), (*second, CELL, True)]
    if scene.number == 1:
        side = TINY if scene.tiny else SIDE
        return [((SIDE - side) // 2, (SIDE - side) // 2, side, False)]
    corners = {2: [(16, 0), (16, 32)], 3: [(0, 16), (32, 0), (32, 32)], 4: [(0, 0), (0, 32), (32, 0), (32, 32)]}
    return [(row, column, CELL, False) for row, column in corners[scene.number]]


@torch.no_grad()
def draw(scenes: Sequence[Scene], by: Sequence[int], size: int = SIDE) -> Float[Tensor, "n 3 {size} {size}"]:
    """The scenes, each drawn by an artist (a number in ARTISTS), in [-1, 1]. At size 64 / k, each pixel is the mean of
    k x k pixels.

    ValueError for a size that does not divide 64, and for what an artist has not drawn.
    """
    if size < 1 or SIDE % size:
        raise ValueError(f"size = {size}, but the pictures come at sizes that divide {SIDE}.")
    rows, row = emoji.load().row, _sprites()
    for scene, artist in zip(scenes, by, strict=True):
        for thing, tone in [(scene.thing, scene.tone), *([] if scene.other is None else [(scene.other, 0)])]:
            if (thing, artist, tone) not in rows:
                name, tones = emoji.load().things[thing].name, f" with {TONES[tone]} skin" if tone else ""
                raise ValueError(f"{ARTISTS[artist]} has not drawn {name!r}{tones}: see `grammar.artists_of`.")
    main = row[[rows[s.thing, a, s.tone] for s, a in zip(scenes, by, strict=True)]].float() / 255
    colours = {name: torch.tensor(rgb) / 255 for name, rgb in COLOURS.items()}
    if tinted := [i for i, s in enumerate(scenes) if s.colour]:
        main[tinted] = recoloured(main[tinted], torch.stack([colours[scenes[i].colour] for i in tinted]))
    for i, scene in enumerate(scenes):
        if scene.worn:
            main[i] = dressed(main[i], scene.worn)
    if turned := [i for i, s in enumerate(scenes) if s.turned]:
        main[turned] = main[turned].flip(2)
    canvas = torch.ones(len(scenes), 3, SIDE, SIDE)
    if grounds := [i for i, s in enumerate(scenes) if s.ground]:
        canvas[grounds] = torch.stack([colours[scenes[i].ground] for i in grounds])[:, :, None, None]
    others = {i: rows[s.other, a, 0] for i, (s, a) in enumerate(zip(scenes, by, strict=True)) if s.other is not None}
    other = dict(zip(others, row[list(others.values())].float() / 255, strict=True)) if others else {}
    stamps: dict[int, list[tuple[int, int, int, Tensor]]] = {}  # side -> (scene, row, column, sprite)
    for i, scene in enumerate(scenes):
        for y, x, side, is_other in _layout(scene):
            stamps.setdefault(side, []).append((i, y, x, other[i] if is_other else main[i]))
    for side, stamped in stamps.items():
        sprites = torch.stack([sprite for *_, sprite in stamped])
        sprites = sprites if side == SIDE else _resized(sprites, side, side)
        for (i, y, x, _), sprite in zip(stamped, sprites, strict=True):
            canvas[i, :, y : y + side, x : x + side] = over(sprite[None], canvas[i : i + 1, :, y : y + side, x : x + side])[0]
    return F.avg_pool2d(canvas, SIDE // size).clamp(0, 1) * 2 - 1
