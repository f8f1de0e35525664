"""Scenes by chance: those that a training draws, of which nothing is held out, and those of a judge, who sees everything."""

from typing import NamedTuple

import torch

from . import emoji
from .emoji import ARTISTS, TONES
from .grammar import PLACES, VALUES, Scene, can_be, caption, drawn_by, go_together, is_held_out, is_sayable

# How often a training draws a plain thing and each change: places have by far the most pairs.
SHARES = {"": 0.18, "colour": 0.14, "number": 0.1, "place": 0.28, "worn": 0.12, "size": 0.03, "ground": 0.09, "turned": 0.06}
NAMED, SYNONYM, TONE = 0.25, 0.15, 0.3  # shares with the artist's name, a synonym, a tone of skin, where there are any
SECOND = 0.4  # share with a second change, for a judge


class Dice:
    """Numbers from a generator, drawn many at a time, since each call costs more than what it draws."""

    def __init__(self, generator: torch.Generator, many: int = 4096):
        self.generator, self.many, self.left = generator, many, iter(())

    def __call__(self) -> float:
        """A number in [0, 1)."""
        value = next(self.left, None)
        if value is None:
            device = self.generator.device
            self.left = iter(torch.rand(self.many, generator=self.generator, dtype=torch.float64, device=device).tolist())
            return next(self.left)
        return value

    def among(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return min(int(self() * n), n - 1)


def change(scene: Scene, kind: str, dice: Dice) -> Scene:
    """The scene with one more change of this kind, or unchanged if the one that was drawn cannot be made."""
    if kind == "size":
        made = scene._replace(tiny=True)
    elif kind == "turned":
        made = scene._replace(turned=True)
    elif kind == "place":
        other = dice.among(len(emoji.load().things))
        made = scene._replace(place=PLACES[dice.among(2)], other=other, tiny=dice() < 0.25)
        if other == scene.thing or not can_be(other, "place"):
            return scene
    else:
        _, *values = VALUES[kind]
        made = scene._replace(**{kind: values[dice.among(len(values))]})
    return made if can_be(scene.thing, kind, made.worn) else scene


class Drawn(NamedTuple):
    """A scene, the artist who draws it (a number in ARTISTS), and one of its captions."""

    scene: Scene
    artist: int
    caption: str


def draw(dice: Dice, everything: bool = False) -> Drawn:
    """A scene to train on, of which nothing is held out; `everything`, for a judge: what is held out too, and two changes."""
    things, row = emoji.load().things, emoji.load().row
    while True:
        thing, artist = dice.among(len(things)), dice.among(len(ARTISTS))
        if (thing, artist, 0) not in row:
            continue
        kind = _kind(dice())
        scene = change(Scene(thing), kind, dice) if kind else Scene(thing)
        if kind and not scene.changes:
            continue  # it cannot be made to this thing
        if everything and kind and dice() < SECOND and go_together(kind, second := _kind(dice())) and second:
            scene = change(scene, second, dice)
        tone = 1 + dice.among(len(TONES) - 1) if dice() < TONE and not kind else 0
        if (thing, artist, tone) in row:
            scene = scene._replace(tone=tone)
        partner = scene.other is None or (scene.other, artist, 0) in row
        if not partner or (not everything and is_held_out(scene, artist)):
            continue
        named = dice() < NAMED
        others = things[thing].synonyms if scene.number == 1 else ()
        name = others[dice.among(len(others))] if others and dice() < SYNONYM else None
        text = caption(scene._replace(artist=artist if named else None), name)
        if is_sayable(text):
            return Drawn(scene, artist, text)


def _kind(u: float) -> str:
    """The kind of change that a number in [0, 1) stands for, by SHARES."""
    for kind, share in SHARES.items():
        if (u := u - share) < 0:
            return kind
    return ""


def alike(first: Drawn, dice: Dice, everything: bool = False) -> Drawn:
    """A scene that is easily taken for the first: half of the time the same thing with another change of the same kind, else
    another thing with the same change. A CLIP learns most from telling such pairs apart; in a batch of scenes by chance they are
    rare."""
    # Being tiny or upside down has no other value, so the thing gets a colour in its place.
    kinds = [kind for kind in first.scene.changes if kind in VALUES] or ["colour"]
    for _ in range(20):
        if dice() < 0.5:
            scene = change(Scene(first.scene.thing), kinds[dice.among(len(kinds))], dice)
        else:
            scene = first.scene._replace(thing=dice.among(len(emoji.load().things)), tone=0)
        artists = drawn_by(scene)
        able = all(can_be(scene.thing, kind, scene.worn) for kind in scene.changes) and scene.thing != scene.other
        if not able or not artists:
            continue
        artist = artists[dice.among(len(artists))]
        text = caption(scene._replace(artist=artist if dice() < NAMED else None))
        if is_sayable(text) and (everything or not is_held_out(scene, artist)):
            return Drawn(scene, artist, text)
    return draw(dice, everything)
