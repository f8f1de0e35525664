"""The exact judge. Every scene can be drawn, so a model's picture must be nearer to the scene that was asked for than to every
other scene that could be meant: the thing without the change and with every other value of it, and 200 other things with the
same change, by any of the artists.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...data import chance, changes, emoji, grammar
from ...data.grammar import PLACES, VALUES, Scene, drawn_by

COUNT, OTHERS = 500, 200  # captions of each kind, and other things to tell them from
FEWER = {"number": 360}  # of this kind there are no 500: 369 numbers of things are held out
KINDS = ("colour", "number", "worn", "place")


def things(kind: str) -> list[int]:
    """The things to which a change of this kind can be made."""
    return [i for i in range(len(emoji.load().things)) if grammar.can_be(i, kind)]


def asked(kind: str, held_out: bool, n: int, generator: torch.Generator) -> list[Scene]:
    """n different scenes with one change of this kind: each has a held-out pair, or none has. No artist is named.

    ValueError where there are not as many.
    """
    found: dict[Scene, None] = {}
    dice, able = chance.Dice(generator), things(kind)
    for _ in range(1000 * n):
        if len(found) == n:
            return list(found)
        scene = chance.change(Scene(able[dice.among(len(able))]), kind, dice)._replace(tiny=False)
        if scene.changes and grammar.is_held_out(scene) == held_out and _can_be_asked(scene):
            found[scene] = None
    raise ValueError(f"{n} scenes with another {kind} were asked for, but only {len(found)} were found: ask for fewer.")


def asked_of_each(held_out: bool, n: int, generator: torch.Generator) -> list[Scene]:
    """n different scenes, as many of each kind of change: see `asked`."""
    return [scene for kind in KINDS for scene in asked(kind, held_out, n // len(KINDS), generator)]


def asked_of_two(n: int, generator: torch.Generator) -> list[Scene]:
    """n different scenes with two changes of different kinds."""
    found: dict[Scene, None] = {}
    dice, kinds = chance.Dice(generator), list(VALUES)
    number = len(emoji.load().things)
    while len(found) < n:
        first, second = kinds[dice.among(len(kinds))], kinds[dice.among(len(kinds))]
        if grammar.go_together(first, second):
            scene = Scene(dice.among(number))
            for kind in (first, second):
                scene = chance.change(scene, kind, dice)._replace(tiny=False)
            if len(scene.changes) == 2 and _can_be_asked(scene):
                found[scene] = None
    return list(found)


def _can_be_asked(scene: Scene) -> bool:
    """Whether it can be said, and some artist has drawn all of it."""
    return bool(drawn_by(scene)) and grammar.is_sayable(grammar.caption(scene))


def others(scene: Scene, generator: torch.Generator) -> list[Scene]:
    """What a scene must be told from: the scene without each of its changes, every other value of each, and up to OTHERS other
    things with the same changes."""
    found: dict[Scene, None] = {}
    for kind in scene.changes:
        for value in VALUES[kind][1:]:
            found[scene._replace(**{kind: value})] = None
        found[grammar.without(scene, kind)] = None  # a picture that ignores a change is wrong too
    if scene.other is not None:
        for place in PLACES:
            found[scene._replace(thing=scene.other, other=scene.thing, place=place)] = None
    pool = [i for i in _pool(generator) if all(grammar.can_be(i, kind, scene.worn) for kind in scene.changes)]
    for i, thing in enumerate(pool[:OTHERS]):
        # Of two things beside each other, each is exchanged half of the time.
        found[scene._replace(other=thing) if scene.other is not None and i % 2 else scene._replace(thing=thing)] = None
    found.pop(scene, None)
    return [each for each in found if each.thing != each.other and _can_be_asked(each)]


def _pool(generator: torch.Generator) -> list[int]:
    return torch.randperm(len(emoji.load().things), generator=generator)[: 3 * OTHERS].tolist()


class Pixels:
    """The exact judge: distances to true pictures, which are drawn once and kept as bytes."""

    def __init__(self) -> None:
        self.kept: dict[Scene, Tensor] = {}

    def true(self, scenes: Sequence[Scene]) -> list[Tensor]:
        """All true pictures of each scene, one of each artist, (k, 768) from 0 to 255."""
        apart = [_apart(scene) for scene in scenes]
        self._keep([each for parts in apart for each in parts])
        return [self._together(scene, parts) for scene, parts in zip(scenes, apart, strict=True)]

    def _keep(self, scenes: Sequence[Scene]) -> None:
        """Draw those that have not been drawn yet."""
        missing = [scene for scene in dict.fromkeys(scenes) if scene not in self.kept]
        pairs = [(scene, artist) for scene in missing for artist in drawn_by(scene)]
        parts = [pairs[i : i + 500] for i in range(0, len(pairs), 500)]
        drawn = [(changes.draw([s for s, _ in part], [a for _, a in part], 16) + 1) * 127.5 for part in parts]
        if drawn:
            by_scene = torch.cat(drawn).round().byte().split([len(drawn_by(scene)) for scene in missing])
            self.kept |= dict(zip(missing, by_scene, strict=True))

    def _together(self, scene: Scene, parts: Sequence[Scene]) -> Tensor:
        """The pictures of a scene from those of its parts."""
        if len(parts) == 1:
            return self.kept[parts[0]].flatten(1)
        by = drawn_by(scene)
        whole = torch.full((len(by), 3, 16, 16), 255, dtype=torch.uint8)
        corners = ((4, 0), (4, 8)) if scene.place == "left of" else ((0, 4), (8, 4))
        for part, (row, column) in zip(parts, corners, strict=True):
            rows = [drawn_by(part).index(artist) for artist in by]
            whole[:, :, row : row + 8, column : column + 8] = self.kept[part][rows, :, 4:12, :8]
        return whole.flatten(1)

    def right(self, pictures: Float[Tensor, "n 3 16 16"], scenes: Sequence[Scene]) -> Bool[Tensor, " n"]:
        """Is each picture nearer to the scene asked for than to all others?"""
        found = []
        for i, (picture, scene) in enumerate(zip(pictures, scenes, strict=True)):
            g = torch.Generator().manual_seed(i % 10)  # ten pools of other things, so that most are drawn already
            every = self.true([scene, *others(scene, g)])
            distance = torch.cdist((picture.flatten()[None] + 1) * 127.5, torch.cat(every).float())[0]
            own = len(every[0])
            found.append(bool(distance[:own].min() < distance[own:].min()))
        return torch.tensor(found)


def _apart(scene: Scene) -> list[Scene]:
    """Scenes whose pictures make up that of a scene: of two things on white, each as it stands on the left of two of itself, as
    there are too many pairs of things to draw them all."""
    if not scene.place or scene.ground or scene.tiny or scene.turned:
        return [scene]
    assert scene.other is not None, "a place is that of one thing beside another"
    return [scene._replace(place="", other=None, number=2), Scene(scene.other, number=2)]


def true_pictures(scenes: Sequence[Scene], generator: torch.Generator, size: int = 16) -> Float[Tensor, "n 3 {size} {size}"]:
    """A true picture of each scene, by one of its artists."""
    by = [drawn_by(scene) for scene in scenes]
    chosen = [each[int(torch.randint(len(each), (), generator=generator))] for each in by]
    return changes.draw(scenes, chosen, size)


def captions(scenes: Sequence[Scene]) -> list[str]:
    """What a model is asked for."""
    return [grammar.caption(scene) for scene in scenes]
