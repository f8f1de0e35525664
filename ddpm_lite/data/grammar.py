"""What may be asked of the six artists: a scene and its caption, those that a training draws, and those that are held out.

A scene is a thing with changes. In training it has at most one change, and of each kind of pair (a thing and an artist, a colour,
something worn, a number, another thing) a tenth is held out for good, by a hash. Scenes with two changes are only ever tested.
"""

import difflib
import hashlib
from functools import cache
from typing import Any, NamedTuple

from . import emoji
from .emoji import ARTISTS, TONES, Thing

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
    things = emoji.load().things
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
    things = emoji.load().things
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
    things = emoji.load().things
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


def is_judged(thing: int) -> bool:
    """Whether scores ask for this thing by its artist: half of the things, by a hash. A classifier of the artist learns from the
    others."""
    return hashlib.sha256(emoji.load().things[thing].name.encode()).digest()[0] % 2 == 0


def can_be(thing: int, kind: str, value: str = "") -> bool:
    """Whether this kind of change can be made to a thing, and said of it."""
    it = emoji.load().things[thing]
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
    return [a for a in range(len(ARTISTS)) if (thing, a, tone) in emoji.load().row]


def drawn_by(scene: Scene) -> list[int]:
    """The artists who have drawn what is in the scene."""
    both = set(artists_of(scene.thing, scene.tone))
    return sorted(both if scene.other is None else both & set(artists_of(scene.other)))


def is_sayable(caption: str) -> bool:
    """Whether a caption is short enough for the networks here."""
    return len(caption.split()) <= WORDS


def without(scene: Scene, kind: str) -> Scene:
    """The scene without its change of this kind."""
    return scene._replace(place="", other=None) if kind == "place" else scene._replace(**{kind: VALUES[kind][0]})


@cache
def words() -> tuple[str, ...]:
    """Every word that a caption can have, in alphabetical order."""
    texts = [t for thing in emoji.load().things for t in (thing.name, thing.article, thing.plural, *thing.synonyms)]
    texts += [*COLOURS, *NUMBERS, *WEARS.values(), *PLACES, *ARTISTS, *TONES, "tiny on with and skin upside down by an"]
    return tuple(sorted({word for text in texts for word in text.split()}))


def go_together(first: str, second: str) -> bool:
    """Whether one scene can have both: several things cannot also stand beside another one, nor a tiny one be several; of two
    things a caption could not say which is upside down."""
    return first != second and not {first, second} <= {"number", "place", "size"} and {first, second} != {"place", "turned"}
