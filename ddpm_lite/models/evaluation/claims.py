"""What is in an embedding? DALL·E 2's claims of variations, changes by words and components (Ramesh et al. 2022, sections 3
and 4), decided by true pictures: a chain draws, and the nearest of the pictures that could be meant says what it drew.
"""

from collections.abc import Sequence
from statistics import fmean

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ...data import chance, changes, emoji, grammar
from ...data.emoji import ARTISTS
from ...data.grammar import VALUES, Scene
from ...maths import metrics
from ...networks.prior import slerp, text_difference
from ..unclip import Chain
from . import exact

THINGS, TURNS, KEPT = 24, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), (1, 2, 5, 10, 20, 50, 96)
KINDS = ("colour", "number", "worn", "ground")  # of the changes by words and the probes
WAY = 8  # steps of a way between two pictures
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
    """Pictures turned by a text difference from a thing to the thing with a change, or from one artist's to another's, against
    the share of the turn: how many then are nearest to what was asked for (right), and how many to what they were (unchanged),
    among all that they could have become; and the mean rank of what was asked for, 1 for the nearest."""
    before, after, by = _asked_to_turn(kind)
    pictures = changes.draw(before, by, 16)
    was, wished = (chain.encode_text(exact.captions(scenes)) for scenes in (before, after))
    z, noise = chain.encode(pictures), chain.invert(pictures, 20)
    if kind == "artist":  # each picture may have become that of any artist
        true = [changes.draw([scene] * len(ARTISTS), range(len(ARTISTS)), 16) for scene in before]
        own, wanted = by, [int(scene.artist or 0) for scene in after]
    else:  # or the thing with each value of the change, the first of which is none
        every = [[scene._replace(**{kind: value}) for value in VALUES[kind]] for scene in before]
        true = [changes.draw(scenes, [artist] * len(scenes), 16) for scenes, artist in zip(every, by, strict=True)]
        own, wanted = [0] * len(before), [VALUES[kind].index(getattr(scene, kind)) for scene in after]
    rows: list[dict[str, float | str]] = []
    for share in TURNS:
        drawn = chain.decode(text_difference(z, was, wished, share), noise=noise, steps=20, scale=1.0, method="ddim")
        to_wanted, to_own = (
            _first_and_mean([rank(picture, among, i) for picture, among, i in zip(drawn, true, index, strict=True)])
            for index in (wanted, own)
        )
        rows.append(
            {"change": kind, "turn": share, "right": to_wanted[0], "unchanged": to_own[0], "rank": to_wanted[1]},
        )
    return rows


def _asked_to_turn(kind: str) -> tuple[list[Scene], list[Scene], list[int]]:
    """Scenes without and with a change of this kind, of things that all artists drew, and who draws them. Of artists: the scene
    by one and by the next."""
    dice = chance.Dice(torch.Generator().manual_seed(5))
    before: list[Scene] = []
    after: list[Scene] = []
    for thing in drawn_by_all(len(emoji.load().things)):
        by = len(before) % len(ARTISTS)
        plain = Scene(thing, by) if kind == "artist" else Scene(thing)
        scene = Scene(thing, (by + 1) % len(ARTISTS)) if kind == "artist" else chance.change(plain, kind, dice)
        if scene != plain and len(before) < 2 * THINGS:
            before.append(plain)
            after.append(scene)
    return before, after, [i % len(ARTISTS) for i in range(len(before))]


def rank(picture: Float[Tensor, "3 16 16"], among: Float[Tensor, "n 3 16 16"], i: int) -> int:
    """The place of the i-th of these pictures when they are sorted by their distance to a picture: 1 for the nearest."""
    distance = (among - picture).square().sum((1, 2, 3))
    return int((distance < distance[i]).sum()) + 1


def _first_and_mean(ranks: Sequence[int]) -> tuple[float, float]:
    """The share of ranks that are 1, and their mean."""
    return ranks.count(1) / len(ranks), fmean(ranks)


def between(chain: Chain) -> list[dict[str, float | str]]:
    """On the way from each of THINGS pictures to that of another thing by another artist, embedding and noise on great circles:
    the mean ranks of the first and of the last picture among the true ones of these things by all artists, and the step, the
    root mean square change to the next point. An even way has equal steps."""
    every = by_all([Scene(thing) for thing in drawn_by_all(THINGS)]).flatten(0, 1)
    start = [i * len(ARTISTS) + i % len(ARTISTS) for i in range(THINGS)]
    end = [*start[1:], start[0]]
    z, z_end = (chain.encode(every[of]) for of in (start, end))
    noise, noise_end = (chain.invert(every[of], 20) for of in (start, end))
    shares, drawn = [i / WAY for i in range(WAY + 1)], []
    for share in shares:
        along = slerp(noise.flatten(1), noise_end.flatten(1), share).reshape_as(noise)
        drawn.append(chain.decode(slerp(z, z_end, share), noise=along, steps=20, scale=1.0, method="ddim"))
    rows: list[dict[str, float | str]] = []
    for i, (share, pictures) in enumerate(zip(shares, drawn, strict=True)):
        ranks = [fmean(rank(picture, every, j) for picture, j in zip(pictures, of, strict=True)) for of in (start, end)]
        rows.append({"way": share, "rank_start": ranks[0], "rank_end": ranks[1]})
        if i < WAY:
            rows[-1]["step"] = float((drawn[i + 1] - pictures).square().mean().sqrt())
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
