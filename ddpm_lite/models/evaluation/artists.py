"""Do words make pictures that nobody drew? The judge is exact: every scene of the six artists can be drawn, so what a model
draws must be nearer to the scene that was asked for than to every other scene that could be meant.

The scenes that it must be told from: the thing without the change and with every other value of it, and 200 other things with the
same change, by any of the artists. Scenes that training may draw are measured beside those that are held out.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...data import artists, changes, grammar
from ...data.grammar import PLACES, VALUES, Scene
from ..kinds import ClipModel, TextModel
from ..model import Trained

SCALE, STEPS, METHOD = 4.0, 15, "dpm-solver++"
COUNT, OTHERS = 500, 200  # captions of each kind, and other things to tell them from
FEWER = {"number": 360}  # of this kind there are no 500: 369 numbers of things are held out
KINDS = ("colour", "number", "worn", "place")
_RIGHT = (
    "share of 500 captions ({}) of {}, for which the picture is nearer to a true one than to the thing without the change, "
    "all other {} and 200 other things"
)
MEANING = {
    f"composed_{kind}{part}": _RIGHT.format(which, f"a thing and {what}", values)
    for kind, what, values in (
        ("colour", "a colour", "colours"),
        ("number", "a number (360 of them)", "numbers"),
        ("worn", "something worn", "things worn"),
        ("place", "another thing beside it", "orders and places"),
    )
    for part, which in (("", "held out of all training"), ("_seen", "not held out"))
}
MEANING |= {
    "composed_two_changes": "the same for captions with two changes, of which training never has more than one",
    "composed_chance": "mean of colour, number, worn and place for pictures drawn for other captions, a fifth of them",
    "composed_true": "the same for true pictures under noise of 0.1: the most that can be reached",
    "composed_error": f"the standard error of a share of {COUNT} at .9",
    "names": f"share of {COUNT} things, asked for by name, whose picture is nearest to a true one of that thing among all 1,624",
    "pairs_heldout": f"share of {COUNT} true pictures of held-out pairs whose caption fits best among those of 200 other things "
    "and all other values",
    "pairs_seen": "the same for pairs that are not held out",
}


def things(kind: str) -> list[int]:
    """The things to which a change of this kind can be made."""
    return [i for i in range(len(artists.load().things)) if grammar.can_be(i, kind)]


def asked(kind: str, held_out: bool, n: int, generator: torch.Generator) -> list[Scene]:
    """n different scenes with one change of this kind: each has a held-out pair, or none has. No artist is named.

    ValueError where there are not as many.
    """
    found: dict[Scene, None] = {}
    dice, able = grammar.Dice(generator), things(kind)
    for _ in range(1000 * n):
        if len(found) == n:
            return list(found)
        scene = grammar.change(Scene(able[dice.among(len(able))]), kind, dice)._replace(tiny=False)
        if scene.changes and grammar.is_held_out(scene) == held_out and _drawn_by(scene) and _sayable(scene):
            found[scene] = None
    raise ValueError(f"{n} scenes with another {kind} were asked for, but only {len(found)} were found: ask for fewer.")


def asked_of_two(n: int, generator: torch.Generator) -> list[Scene]:
    """n different scenes with two changes of different kinds."""
    found: dict[Scene, None] = {}
    dice, kinds = grammar.Dice(generator), list(VALUES)
    number = len(artists.load().things)
    while len(found) < n:
        first, second = kinds[dice.among(len(kinds))], kinds[dice.among(len(kinds))]
        if grammar.go_together(first, second):
            scene = Scene(dice.among(number))
            for kind in (first, second):
                scene = grammar.change(scene, kind, dice)._replace(tiny=False)
            if len(scene.changes) == 2 and _drawn_by(scene) and _sayable(scene):
                found[scene] = None
    return list(found)


def _sayable(scene: Scene) -> bool:
    return len(grammar.caption(scene).split()) <= grammar.WORDS


def _drawn_by(scene: Scene) -> list[int]:
    """The artists who have drawn what is in the scene."""
    both = set(grammar.artists_of(scene.thing, scene.tone))
    return sorted(both if scene.other is None else both & set(grammar.artists_of(scene.other)))


def others(scene: Scene, generator: torch.Generator) -> list[Scene]:
    """What a scene must be told from: the scene without each of its changes, every other value of each, and up to OTHERS other
    things with the same changes."""
    found: dict[Scene, None] = {}
    for kind in scene.changes:
        nothing, *values = VALUES[kind]
        for value in values:
            found[scene._replace(**{kind: value})] = None
        # A picture that ignores a change is wrong too.
        found[scene._replace(place="", other=None) if kind == "place" else scene._replace(**{kind: nothing})] = None
    if scene.other is not None:
        for place in PLACES:
            found[scene._replace(thing=scene.other, other=scene.thing, place=place)] = None
    pool = [i for i in _pool(generator) if all(grammar.can_be(i, kind, scene.worn) for kind in scene.changes)]
    for i, thing in enumerate(pool[:OTHERS]):
        # Of two things beside each other, each is exchanged half of the time.
        found[scene._replace(other=thing) if scene.other is not None and i % 2 else scene._replace(thing=thing)] = None
    found.pop(scene, None)
    return [each for each in found if each.thing != each.other and _drawn_by(each) and _sayable(each)]


def _pool(generator: torch.Generator) -> list[int]:
    return torch.randperm(len(artists.load().things), generator=generator)[: 3 * OTHERS].tolist()


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
        pairs = [(scene, artist) for scene in missing for artist in _drawn_by(scene)]
        parts = [pairs[i : i + 500] for i in range(0, len(pairs), 500)]
        drawn = [(changes.draw([s for s, _ in part], [a for _, a in part], 16) + 1) * 127.5 for part in parts]
        if drawn:
            by_scene = torch.cat(drawn).round().byte().split([len(_drawn_by(scene)) for scene in missing])
            self.kept |= dict(zip(missing, by_scene, strict=True))

    def _together(self, scene: Scene, parts: Sequence[Scene]) -> Tensor:
        """The pictures of a scene from those of its parts."""
        if len(parts) == 1:
            return self.kept[parts[0]].flatten(1)
        by = _drawn_by(scene)
        whole = torch.full((len(by), 3, 16, 16), 255, dtype=torch.uint8)
        corners = ((4, 0), (4, 8)) if scene.place == "left of" else ((0, 4), (8, 4))
        for part, (row, column) in zip(parts, corners, strict=True):
            rows = [_drawn_by(part).index(artist) for artist in by]
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


def by_clip(model: ClipModel, pictures: Float[Tensor, "n 3 16 16"], scenes: Sequence[Scene]) -> Bool[Tensor, " n"]:
    """Does the caption of each scene fit its picture better than those of all others, for a CLIP?"""
    found = []
    for i, (image, scene) in enumerate(zip(model.encode(pictures), scenes, strict=True)):
        g = torch.Generator().manual_seed(i % 10)
        text = model.encode_text([grammar.caption(each) for each in (scene, *others(scene, g))])
        found.append(int((text @ image).argmax()) == 0)
    return torch.tensor(found)


def true_pictures(scenes: Sequence[Scene], generator: torch.Generator, size: int = 16) -> Float[Tensor, "n 3 {size} {size}"]:
    """A true picture of each scene, by one of its artists."""
    by = [_drawn_by(scene) for scene in scenes]
    chosen = [each[int(torch.randint(len(each), (), generator=generator))] for each in by]
    return changes.draw(scenes, chosen, size)


def score(model: Trained, seed: int = 0) -> dict[str, float]:
    """composed_... and names for a model that draws, pairs_... for a CLIP."""
    if isinstance(model, ClipModel):
        return _score_clip(model, seed)
    draw = _drawing(model, seed)
    return composed(draw, seed) | {"names": named(draw, seed)}


Draw = Callable[[Sequence[Scene]], Tensor]


def _drawing(model: Trained, seed: int) -> Draw:
    """The model as a function that draws scenes from their captions."""
    assert isinstance(model, TextModel), "a model of the artists draws from captions or is a CLIP"

    def draw(scenes: Sequence[Scene]) -> Tensor:
        return model.draw([grammar.caption(s) for s in scenes], seed=seed, steps=STEPS, scale=SCALE, method=METHOD)

    return draw


def composed(draw: Draw, seed: int = 0, n: int = COUNT) -> dict[str, float]:
    """The shares of right pictures among n of each kind, from a function that draws scenes."""
    found, g, chance, true = {}, torch.Generator().manual_seed(seed), [], []
    for kind in KINDS:
        for held_out, part in ((True, ""), (False, "_seen")):
            scenes = asked(kind, held_out, min(n, FEWER.get(kind, n)), g)
            drawn, judge = draw(scenes), Pixels()
            found[f"composed_{kind}{part}"] = float(judge.right(drawn, scenes).double().mean())
            if held_out:
                fewer = max(n // 5, 2)
                real = true_pictures(scenes[:fewer], g)
                noisy = real + 0.1 * torch.randn(real.shape, generator=g)
                chance.append(judge.right(drawn[:fewer].roll(1, 0), scenes[:fewer]).double().mean())
                true.append(judge.right(noisy, scenes[:fewer]).double().mean())
    scenes = asked_of_two(n, g)
    found["composed_two_changes"] = float(Pixels().right(draw(scenes), scenes).double().mean())
    found |= {"composed_chance": float(torch.stack(chance).mean()), "composed_true": float(torch.stack(true).mean())}
    return found | {"composed_error": (0.9 * 0.1 / n) ** 0.5}


def progress(models: Sequence[Trained], n: int = 100) -> list[dict[str, float]]:
    """How what is composed rises with the pictures seen: `composed` with n captions of each kind, for checkpoints of one run."""
    rows = []
    for model in models:
        assert model.made is not None, "a checkpoint says how far it was trained"
        seen = model.made.step * model.recipe.training.batch_size
        rows.append({"pictures": float(seen), **composed(_drawing(model, 0), n=n)})
    return rows


def named(draw: Draw, seed: int = 0, n: int = COUNT) -> float:
    """The share of n things whose picture, asked for by name, is nearest to a true one of the same thing, among all things."""
    every = [Scene(i) for i in range(len(artists.load().things))]
    asked_for = [every[i] for i in torch.randperm(len(every), generator=torch.Generator().manual_seed(seed))[:n].tolist()]
    true = Pixels().true(every)
    of = torch.tensor([i for i, each in enumerate(true) for _ in each])
    distance = torch.cdist((draw(asked_for).flatten(1) + 1) * 127.5, torch.cat(true).float())
    return float((of[distance.argmin(1)] == torch.tensor([scene.thing for scene in asked_for])).double().mean())


def _score_clip(model: ClipModel, seed: int) -> dict[str, float]:
    found, g = {}, torch.Generator().manual_seed(seed)
    for held_out, name in ((True, "pairs_heldout"), (False, "pairs_seen")):
        scenes = [scene for kind in KINDS for scene in asked(kind, held_out, COUNT // len(KINDS), g)]
        found[name] = float(by_clip(model, true_pictures(scenes, g), scenes).double().mean())
    return found
