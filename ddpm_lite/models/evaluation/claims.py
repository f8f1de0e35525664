"""What is in an embedding? DALL·E 2's claims of variations, changes by words and components (Ramesh et al. 2022, sections 3
and 4), decided by true pictures: a chain draws, and the nearest of the pictures that could be meant says what it drew.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ...data import chance, changes, emoji, grammar
from ...data.emoji import ARTISTS
from ...data.grammar import VALUES, Scene
from ...maths import metrics
from ...networks.prior import text_difference
from ..unclip import Chain
from . import exact

THINGS, TURNS, KEPT = 24, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), (1, 2, 5, 10, 20, 50, 96)
KINDS = ("colour", "number", "worn", "ground")  # of the changes by words and the probes
PROBED = 1500  # pictures for each probe, of which two thirds teach it
MEANING = {
    "variations_thing": f"share of variations of {THINGS} things by each artist whose nearest true picture is of the same thing",
    "variations_artist": "the same: by the same artist",
    "variations_chance": "the share of the same artist among all true pictures",
}


def drawn_by_all(n: int) -> list[int]:
    """n things that all artists have drawn."""
    fit = [i for i in range(len(emoji.load().things)) if len(grammar.artists_of(i)) == len(ARTISTS)]
    return [fit[i] for i in torch.randperm(len(fit), generator=torch.Generator().manual_seed(4))[:n].tolist()]


def by_all(scenes: Sequence[Scene]) -> Float[Tensor, "n artists 3 16 16"]:
    """The true pictures of each scene by all artists."""
    return torch.stack([changes.draw([scene] * len(ARTISTS), range(len(ARTISTS)), 16) for scene in scenes])


def variations(chain: Chain, seed: int = 0) -> dict[str, float]:
    """The numbers of `MEANING`: one variation of each picture, without a caption."""
    true = by_all([Scene(thing) for thing in drawn_by_all(THINGS)]).flatten(0, 1)
    drawn = chain.decode(chain.encode(true), seed=seed, scale=2.0)
    found, own, artists = metrics.nearest(drawn, true)[1], torch.arange(len(true)), len(ARTISTS)
    return {
        "variations_thing": float((found // artists == own // artists).double().mean()),
        "variations_artist": float((found % artists == own % artists).double().mean()),
        "variations_chance": 1 / artists,
    }


def turned(chain: Chain, kind: str) -> list[dict[str, float | str]]:
    """Pictures turned by a text difference from a thing to the thing with a change, against the share of the turn: how many then
    are nearest to what was asked for (right), and how many to what they were (unchanged), among the thing with all values of the
    change."""
    dice = chance.Dice(torch.Generator().manual_seed(5))
    before: list[Scene] = []
    after: list[Scene] = []
    for thing in drawn_by_all(len(emoji.load().things)):
        scene = chance.change(Scene(thing), kind, dice)
        if scene.changes and len(before) < 2 * THINGS:
            before.append(Scene(thing))
            after.append(scene)
    by = [i % len(ARTISTS) for i in range(len(before))]
    pictures = changes.draw(before, by, 16)
    was, wished = (chain.encode_text(exact.captions(scenes)) for scenes in (before, after))
    z, noise = chain.encode(pictures), chain.invert(pictures, 20)
    # What each picture may have become: the thing with each value of the change, the first of which is none.
    every = [[scene._replace(**{kind: value}) for value in VALUES[kind]] for scene in before]
    true = [changes.draw(scenes, [artist] * len(scenes), 16) for scenes, artist in zip(every, by, strict=True)]
    wanted = [VALUES[kind].index(getattr(scene, kind)) for scene in after]
    rows: list[dict[str, float | str]] = []
    for share in TURNS:
        drawn = chain.decode(text_difference(z, was, wished, share), noise=noise, steps=20, scale=1.0, method="ddim")
        found = [int(metrics.nearest(picture[None], among)[1]) for picture, among in zip(drawn, true, strict=True)]
        right = [a == b for a, b in zip(found, wanted, strict=True)]
        rows.append({"change": kind, "turn": share, "right": sum(right) / len(right), "unchanged": found.count(0) / len(found)})
    return rows


def probes(chain: Chain) -> list[dict[str, float | str]]:
    """What one linear map (ridge regression) reads from the first k principal components of picture embeddings: the share right,
    for each kind of change and for the artist, on pictures that did not teach it."""
    dice = chance.Dice(torch.Generator().manual_seed(6))
    plain = [chance.draw(dice) for _ in range(2 * PROBED)]
    among = chain.encode(changes.draw([each.scene for each in plain], [each.artist for each in plain], 16))
    mean, directions = among.mean(0), torch.linalg.svd(among - among.mean(0), full_matrices=False).Vh
    rows: list[dict[str, float | str]] = []
    for kind in (*KINDS, "artist"):
        scenes, labels, by = _labelled(kind, dice)
        x = (chain.encode(changes.draw(scenes, by, 16)) - mean) @ directions.T
        rows += [{"probe": kind, "components": k, "right": probe(x[:, :k], torch.tensor(labels))} for k in KEPT]
    return rows


def _labelled(kind: str, dice: chance.Dice) -> tuple[list[Scene], list[int], list[int]]:
    """Scenes with a change of this kind, its value in numbers, and the artists."""
    scenes: list[Scene] = []
    labels: list[int] = []
    by: list[int] = []
    while len(scenes) < PROBED:
        thing = dice.among(len(emoji.load().things))
        scene = Scene(thing) if kind == "artist" else chance.change(Scene(thing), kind, dice)
        artists = grammar.artists_of(thing)
        artist = artists[dice.among(len(artists))]
        if kind == "artist" or scene.changes:
            scenes.append(scene)
            by.append(artist)
            labels.append(artist if kind == "artist" else VALUES[kind].index(getattr(scene, kind)))
    return scenes, labels, by


def probe(x: Float[Tensor, "n k"], labels: Int[Tensor, " n"]) -> float:
    """The share of labels that a linear map reads from x, taught with two thirds of the rows and asked about the rest."""
    x = torch.cat([x, torch.ones(len(x), 1)], 1).double()
    n, wanted = 2 * len(x) // 3, F.one_hot(labels).double()
    ridge = torch.eye(x.shape[1], dtype=torch.double)
    weight = torch.linalg.solve(x[:n].T @ x[:n] + ridge, x[:n].T @ wanted[:n])
    return float(((x[n:] @ weight).argmax(1) == labels[n:]).double().mean())
