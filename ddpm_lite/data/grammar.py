"""What may be asked of the six artists: a scene and its caption, those that a training draws, and those that are held out.

A scene is a thing with changes. In training it has at most one change, and of each kind of pair (a thing and an artist, a colour,
something worn, a number, another thing) a tenth is held out for good, by a hash. Scenes with two changes are only ever tested.
"""

import difflib
import hashlib
from functools import cache
from typing import Any, NamedTuple

import torch

from . import artists
from .artists import ARTISTS, TONES, Thing

COLOURS = {
    "red": (220, 30, 35), "orange": (245, 130, 20), "yellow": (245, 215, 40), "green": (50, 165, 60), "turquoise": (40, 190, 190),
    "blue": (40, 90, 220), "purple": (140, 55, 190), "pink": (245, 110, 175), "brown": (140, 90, 60), "grey": (128, 128, 128),
}  # fmt: skip
NUMBERS = {"two": 2, "three": 3, "four": 4}
WEARS = {"crown": "a crown", "party hat": "a party hat", "sunglasses": "sunglasses", "scarf": "a scarf", "halo": "a halo"}
WORN = tuple(WEARS)
PLACES = ("left of", "above")
OTHER_COLOURS = {"black", "white", "golden", "silver", "gold", "rainbow", "coloured", "blond", *COLOURS}
SIGNS, NOT_SIGNS = 8, ("number", "worn", "place")  # Unicode's group of signs, and the changes that are not made to them
HELD_OUT = 10  # one pair in this many
WORDS = 14  # of a caption at most: the networks here read 16 tokens, of which two are its start and its end
CHANGES = ("colour", "number", "place", "worn", "size", "ground", "turned")


class Scene(NamedTuple):
    """A thing and its changes; artist None: any of them. A number above 1, `place` with `other`, and `tiny` exclude each other,
    except that the first of two things may be tiny."""

    thing: int
    artist: int | None = None
    tone: int = 0
    colour: str = ""
    number: int = 1
    worn: str = ""
    tiny: bool = False
    place: str = ""
    other: int | None = None
    ground: str = ""
    turned: bool = False

    @property
    def changes(self) -> tuple[str, ...]:
        """The kinds of its changes."""
        there = (self.colour, self.number > 1, self.place, self.worn, self.tiny and not self.place, self.ground, self.turned)
        return tuple(kind for kind, is_there in zip(CHANGES, there, strict=True) if is_there)


VALUES: dict[str, tuple] = {  # what each change may be, the first meaning that there is none
    "colour": ("", *COLOURS),
    "number": (1, *NUMBERS.values()),
    "worn": ("", *WORN),
    "place": ("", *PLACES),
    "ground": ("", *COLOURS),
}


def scene(name: str, **changes: Any) -> Scene:
    """The scene of a thing, and of an `other` one, by their names: scene("cat", place="left of", other="pizza").

    ValueError for a name that nothing has, and for changes that cannot be drawn.
    """
    things = artists.load().things
    number = {thing.name: i for i, thing in enumerate(things)}
    for each in (name, changes.get("other")):
        if each is not None and each not in number:
            near = difflib.get_close_matches(str(each), number, n=1)
            raise ValueError(f"No thing is called {each!r}" + (f": did you mean {near[0]!r}?" if near else "."))
    made = Scene(number[name], **changes | ({"other": number[changes["other"]]} if "other" in changes else {}))
    for kind, values in VALUES.items():
        if (value := getattr(made, kind)) not in values:
            raise ValueError(f"{kind} = {value!r}, but it is one of {', '.join(map(repr, values))}.")
    if bool(made.place) != (made.other is not None):
        raise ValueError("A place needs another thing, and another thing a place: give both, or neither.")
    if made.number > 1 and (made.place or made.tiny or not things[made.thing].plural):
        raise ValueError("Several things are neither tiny nor beside another one, and their name must have a plural.")
    return made


def _noun(thing: Thing, name: str) -> str:
    own = name == thing.name or not thing.article
    article = thing.article if own else "an" if name[0] in "aeiou" else "a"  # a synonym may begin with another sound
    return f"{article} {name}".strip()


def _phrase(scene: Scene, thing: Thing, name: str) -> str:
    words = [w for w in ("tiny" if scene.tiny else "", scene.colour) if w]
    if scene.number > 1:
        several = next(word for word, n in NUMBERS.items() if n == scene.number)
        text = " ".join([several, *words, thing.plural])
    elif words and thing.article:
        text = " ".join(["an" if words[0][0] in "aeiou" else "a", *words, name])
    else:
        text = " ".join([*words, _noun(thing, name) if not words else name])
    if scene.tone:
        text += f" with {TONES[scene.tone]} skin"
    return text + (f" {'and' if scene.tone else 'with'} {WEARS[scene.worn]}" if scene.worn else "")


def caption(scene: Scene, name: str | None = None) -> str:
    """The caption of a scene: "three pink elephants", "a tiny cat left of a pizza on blue by twitter". `name` stands in place of
    the thing's own: one of its synonyms."""
    things = artists.load().things
    text = _phrase(scene, things[scene.thing], name or things[scene.thing].name)
    if scene.place:
        assert scene.other is not None, "a place is that of one thing beside another"
        text += f" {scene.place} {_noun(things[scene.other], things[scene.other].name)}"
    text += f" on {scene.ground}" if scene.ground else ""
    text += " upside down" if scene.turned else ""
    return text + (f" by {ARTISTS[scene.artist]}" if scene.artist is not None else "")


def _is_held(pair: str) -> bool:
    return int.from_bytes(hashlib.sha256(pair.encode()).digest()[:4]) % HELD_OUT == 0


def _pairs(scene: Scene, drawn_by: int | None) -> list[str]:
    """The pairs in a scene, of which some are held out. `drawn_by` is the artist who draws it, named or not."""
    things = artists.load().things
    name, artist = things[scene.thing].name, scene.artist if drawn_by is None else drawn_by
    found = {"colour": scene.colour, "number": str(scene.number) if scene.number > 1 else "", "worn": scene.worn}
    found["artist"] = ARTISTS[artist] if artist is not None else ""
    both = [f"{kind}|{name}|{value}" for kind, value in found.items() if value]
    if scene.other is not None:
        other = things[scene.other].name
        both.append(f"place|{'|'.join(sorted((name, other)))}")
        both += [f"artist|{other}|{ARTISTS[artist]}"] if artist is not None else []
    return both


def is_held_out(scene: Scene, drawn_by: int | None = None) -> bool:
    """Whether a scene must never be trained on: it has a held-out pair, or two changes."""
    return len(scene.changes) > 1 or any(map(_is_held, _pairs(scene, drawn_by)))


def can_be(thing: int, kind: str, value: str = "") -> bool:
    """Whether this kind of change can be made to a thing, and said of it."""
    it = artists.load().things[thing]
    words = set(it.name.split())
    if kind in NOT_SIGNS and it.group == SIGNS:
        return False
    if kind == "colour":
        return not words & OTHER_COLOURS
    if kind == "number":
        return bool(it.plural)
    return not (kind == "worn" and set(value.split()) & words)


def artists_of(thing: int, tone: int = 0) -> list[int]:
    """Who has drawn it."""
    return [a for a in range(len(ARTISTS)) if (thing, a, tone) in artists.load().row]


# How often a training draws a plain thing and each change: places have by far the most pairs.
SHARES = {"": 0.18, "colour": 0.14, "number": 0.1, "place": 0.28, "worn": 0.12, "size": 0.03, "ground": 0.09, "turned": 0.06}
NAMED, SYNONYM, TONE = 0.25, 0.15, 0.3  # shares with the artist's name, a synonym, a tone of skin, where there are any


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
        other = dice.among(len(artists.load().things))
        made = scene._replace(place=PLACES[dice.among(2)], other=other, tiny=dice() < 0.25)
        if other == scene.thing or not can_be(other, "place"):
            return scene
    else:
        _, *values = VALUES[kind]
        made = scene._replace(**{kind: values[dice.among(len(values))]})
    return made if can_be(scene.thing, kind, made.worn) else scene


@cache
def words() -> tuple[str, ...]:
    """Every word that a caption can have, in alphabetical order."""
    texts = [t for thing in artists.load().things for t in (thing.name, thing.article, thing.plural, *thing.synonyms)]
    texts += [*COLOURS, *NUMBERS, *WEARS.values(), *PLACES, *ARTISTS, *TONES, "tiny on with and skin upside down by an"]
    return tuple(sorted({word for text in texts for word in text.split()}))


class Drawn(NamedTuple):
    """A scene, the artist who draws it (a number in ARTISTS), and one of its captions."""

    scene: Scene
    artist: int
    caption: str


def draw(dice: Dice) -> Drawn:
    """A scene to train on, of which nothing is held out."""
    things, row = artists.load().things, artists.load().row
    while True:
        thing, artist = dice.among(len(things)), dice.among(len(ARTISTS))
        if (thing, artist, 0) not in row:
            continue
        kind = _kind(dice())
        scene = change(Scene(thing), kind, dice) if kind else Scene(thing)
        if kind and not scene.changes:
            continue  # it cannot be made to this thing
        tone = 1 + dice.among(len(TONES) - 1) if dice() < TONE and not kind else 0
        if (thing, artist, tone) in row:
            scene = scene._replace(tone=tone)
        partner = scene.other is None or (scene.other, artist, 0) in row
        if not partner or is_held_out(scene, artist):
            continue
        named = dice() < NAMED
        others = things[thing].synonyms if scene.number == 1 else ()
        name = others[dice.among(len(others))] if others and dice() < SYNONYM else None
        text = caption(scene._replace(artist=artist if named else None), name)
        if len(text.split()) <= WORDS:
            return Drawn(scene, artist, text)


def _kind(u: float) -> str:
    """The kind of change that a number in [0, 1) stands for, by SHARES."""
    for kind, share in SHARES.items():
        if (u := u - share) < 0:
            return kind
    return ""


def go_together(first: str, second: str) -> bool:
    """Whether one scene can have both: several things cannot also stand beside another one, nor a tiny one be several; of two
    things a caption could not say which is upside down."""
    return first != second and not {first, second} <= {"number", "place", "size"} and {first, second} != {"place", "turned"}
