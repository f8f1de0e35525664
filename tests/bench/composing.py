"""When does composing fail? Worlds of emoji that differ in the share of held-out pairs, the number of things and the target.

Each run trains the network of glide-emoji from random weights on one artist's pictures and measures, by the exact judge, how many
captions of pairs that it saw and that it never saw come out right. Rows are appended to a JSON file; a row that is there is not
measured again.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from ddpm_lite.data import chance, changes, emoji, grammar
from ddpm_lite.data.grammar import PLACES, VALUES, Scene
from ddpm_lite.machine import weights
from ddpm_lite.machine.device import place
from ddpm_lite.models import objective, presets
from ddpm_lite.models.evaluation import exact
from ddpm_lite.models.evaluation.exact import KINDS
from ddpm_lite.models.kinds import TextModel
from ddpm_lite.training.batches import to_bytes
from ddpm_lite.training.loop import train

ARTIST, BATCH, PICTURES = 2, 64, 100_000
RUNS = [
    *({"things": 100, "held_out": share, "target": "v"} for share in (0.05, 0.2, 0.5, 0.8)),
    *({"things": n, "held_out": 0.2, "target": "v"} for n in (20, 400)),
    {"things": 100, "held_out": 0.2, "target": "eps"},
]


class World:
    """Some things by one artist, and which pairs are held out."""

    def __init__(self, n: int, share: float):
        able = [i for i in range(len(emoji.load().things)) if all(grammar.can_be(i, kind) for kind in KINDS)]
        able = [i for i in able if ARTIST in grammar.artists_of(i)]
        order = torch.randperm(len(able), generator=torch.Generator().manual_seed(0))[:n].tolist()
        self.things, self.share = [able[i] for i in order], share

    def is_held_out(self, scene: Scene) -> bool:
        """By a hash of the thing and its change."""
        key = "|".join(map(str, (scene.thing, scene.colour, scene.number, scene.worn, scene.place and scene.other)))
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) < self.share * 2**32

    def draw(self, dice: chance.Dice, kind: str) -> Scene:
        """A scene with a change of this kind."""
        thing = self.things[dice.among(len(self.things))]
        if kind != "place":
            return chance.change(Scene(thing), kind, dice)
        other = self.things[dice.among(len(self.things))]
        return Scene(thing, place=PLACES[dice.among(2)], other=other) if other != thing else Scene(thing)

    def lesson(self, dice: chance.Dice) -> Scene:
        """A scene to train on: one in six without a change."""
        while True:
            kind = ("", "", *KINDS, *KINDS)[dice.among(2 + 2 * len(KINDS))]
            scene = self.draw(dice, kind) if kind else Scene(self.things[dice.among(len(self.things))])
            if not kind or (scene.changes and not self.is_held_out(scene)):
                return scene

    def asked(self, kind: str, held_out: bool, n: int) -> list[Scene]:
        """Up to n different scenes of a kind."""
        dice, found = chance.Dice(torch.Generator().manual_seed(1)), dict[Scene, None]()
        for _ in range(200 * n):
            scene = self.draw(dice, kind)
            if scene.changes and self.is_held_out(scene) == held_out and len(found) < n:
                found[scene] = None
        return list(found)

    def others(self, scene: Scene) -> list[Scene]:
        """All other scenes that could be meant: another value, none, and another thing."""
        (kind,) = scene.changes
        found = [grammar.without(scene, kind), *(scene._replace(**{kind: value}) for value in VALUES[kind][1:])]
        for thing in self.things[:200]:
            found += [scene._replace(thing=thing), *([scene._replace(other=thing)] if kind == "place" else [])]
        return [each for each in dict.fromkeys(found) if each != scene and each.thing != each.other]

    def right(self, pictures: torch.Tensor, scenes: list[Scene]) -> float:
        """The share of pictures that are nearer to the scene asked for than to all others."""
        count = 0
        for picture, scene in zip(pictures, scenes, strict=True):
            every = [scene, *self.others(scene)]
            true = changes.draw(every, [ARTIST] * len(every), 16)
            count += int((true - picture).square().sum((1, 2, 3)).argmin()) == 0
        return count / len(scenes)


def rows_of(world: World, recipe) -> Callable:
    """What draws a batch of the world."""

    def draw(n: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        dice = chance.Dice(generator, 20 * n)
        scenes = [world.lesson(dice) for _ in range(n)]
        tokens = recipe.tokenizer.encode(exact.captions(scenes))[:, None].short()
        return to_bytes(changes.draw(scenes, [ARTIST] * n, 16)), torch.zeros(n, dtype=torch.bool), tokens

    return draw


def measure(run: dict, pictures: int, n: int) -> dict:
    """Train in one world and measure."""
    world, begun = World(run["things"], run["held_out"]), time.time()
    preset = presets.preset("glide-emoji")
    recipe = replace(preset, target=run["target"], begin=None, words=grammar.words())
    steps, net = pictures // BATCH, place(recipe.build(0), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    data, loss = rows_of(world, recipe), objective.make_loss(recipe)
    for step in train(net, data, loss, generator=generator, steps=steps, batch_size=BATCH, lr=1e-3):
        if step.step % 200 == 0:
            print(f"{run} {step.step}/{steps} loss {step.loss:.3f} {step.step * BATCH / (time.time() - begun):.0f}/s", flush=True)
    model, found = TextModel(recipe, step.run.ema.eval().requires_grad_(False), {}, None), {}
    for kind in KINDS:
        for held_out, part in ((True, "heldout"), (False, "seen")):
            if scenes := world.asked(kind, held_out, n):
                drawn = model.draw(exact.captions(scenes), steps=15, scale=3.0, method="dpm-solver++")
                found[f"{kind}_{part}"], found[f"{kind}_{part}_of"] = world.right(drawn, scenes), len(scenes)
    return {**run, "pictures": steps * BATCH, "minutes": (time.time() - begun) / 60, **found}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the JSON file of the rows")
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--captions", type=int, default=100, help="of each kind and part")
    args = parser.parse_args()
    rows = json.loads(args.out.read_text()) if args.out.exists() else []
    for run in RUNS:
        if not any(run.items() <= row.items() for row in rows):
            rows.append(measure(run, args.pictures, args.captions))
            weights.write_atomically(args.out, (json.dumps(rows, indent=2) + "\n").encode())
            print(rows[-1], flush=True)
