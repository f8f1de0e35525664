"""The claims of DALL·E 2 are decided as they say: by chains that keep everything, keep nothing, or turn as they are told."""

from types import SimpleNamespace

import pytest
import torch

from ddpm_lite.data import changes, grammar
from ddpm_lite.data.grammar import Scene
from ddpm_lite.models import evaluation
from ddpm_lite.models.evaluation import claims
from ddpm_lite.models.unclip import Chain


def new(seed=0):
    return torch.Generator().manual_seed(seed)


class Keeps(Chain):
    """A chain whose embedding is the picture, and whose decoder gives back what `drawn` makes of it."""

    def __init__(self, drawn=lambda embedding: embedding):
        self.drawn, self.log = drawn, []
        self.prior = SimpleNamespace(net=SimpleNamespace(dim=768))

    def encode(self, pictures):
        return pictures.flatten(1).float()

    def invert(self, pictures, steps=50):
        return torch.zeros_like(pictures)

    def decode(self, embedding, captions=None, **options):
        self.log.append((captions, options))
        return self.drawn(embedding).reshape(-1, 3, 16, 16)


def test_variations_by_a_chain_that_keeps_everything_and_by_others(monkeypatch):
    monkeypatch.setattr(claims, "THINGS", 4)
    chain = Keeps()
    assert claims.variations(chain, 7) == {"variations_thing": 1, "variations_artist": 1, "variations_chance": 1 / 6}
    assert chain.log == [(None, {"seed": 7, "scale": 2.0})]
    another = claims.variations(Keeps(lambda x: x.roll(1, 0)))  # the next artist
    assert another["variations_artist"] == 0 and another["variations_thing"] == pytest.approx(5 / 6)
    same_artist = claims.variations(Keeps(lambda x: x.roll(6, 0)))  # the next thing
    assert same_artist["variations_artist"] == 1 and same_artist["variations_thing"] == 0
    assert claims.MEANING.keys() <= evaluation.MEANING.keys()


def test_things_that_all_have_drawn_are_different_and_always_the_same():
    things = claims.drawn_by_all(30)
    assert len(set(things)) == 30 and all(len(grammar.artists_of(thing)) == 6 for thing in things)
    assert things == claims.drawn_by_all(30)
    true = claims.by_all([Scene(things[0]), Scene(things[1])])
    assert true.shape == (2, 6, 3, 16, 16) and torch.equal(true[1, 4], changes.draw([Scene(things[1])], [4], 16)[0])


@pytest.mark.parametrize("kind", [*claims.KINDS, "artist"])
def test_a_turn_is_right_where_the_picture_shows_the_change_and_unchanged_where_it_does_not(monkeypatch, kind):
    monkeypatch.setattr(claims, "THINGS", 2)
    monkeypatch.setattr(claims, "TURNS", (0.0, 1.0))
    monkeypatch.setattr(claims, "text_difference", lambda z, before, after, share: z if share < 0.5 else after)
    chain = Keeps()
    wanted = {}

    def encode_text(captions):
        rows = []
        for i, caption in enumerate(captions):
            scene = next(s for s in wanted if grammar.caption(s) == caption) if caption in map(grammar.caption, wanted) else None
            artist = i % 6 if scene and scene.artist is None else scene and scene.artist
            rows.append(changes.draw([scene], [artist], 16).flatten() if scene else torch.zeros(768))
        return torch.stack(rows)

    chain.encode_text = encode_text
    for thing in claims.drawn_by_all(60):  # all scenes that can be asked for
        values = range(6) if kind == "artist" else grammar.VALUES[kind][1:]
        wanted |= {Scene(thing)._replace(**{kind: value}): None for value in values}
    first, last = claims.turned(chain, kind)
    assert (first["right"], first["unchanged"]) == (0, 1) and first["rank"] >= 2
    assert (
        last["right"] >= 0.75 and last["unchanged"] == 0 and last["rank"] <= 1.5
    )  # a thing may look like itself in its own colour
    assert (first["turn"], last["turn"], last["change"]) == (0, 1, kind)
    assert all(options == {"noise": options["noise"], "steps": 20, "scale": 1.0, "method": "ddim"} for _, options in chain.log)


def test_a_rank_counts_what_is_nearer():
    among = torch.arange(5.0)[:, None, None, None].expand(5, 3, 16, 16)
    assert [claims.rank(among[3], among, i) for i in (3, 2, 4, 1, 0)] == [1, 2, 2, 4, 5]


def test_on_an_even_way_the_ranks_of_the_ends_change_places(monkeypatch):
    """A chain whose embedding is the picture; on a great circle it leaves one end and comes to the other."""
    monkeypatch.setattr(claims, "THINGS", 4)
    monkeypatch.setattr(claims, "slerp", lambda a, b, share: a + share * (b - a))
    rows = claims.between(Keeps())
    assert [row["way"] for row in rows] == [i / 8 for i in range(9)]
    assert rows[0]["rank_start"] == rows[-1]["rank_end"] == 1 < min(rows[0]["rank_end"], rows[-1]["rank_start"])
    assert "step" not in rows[-1] and [row["step"] for row in rows[:-1]] == pytest.approx([rows[0]["step"]] * 8, rel=1e-4)
    pairs = claims.by_all([Scene(thing) for thing in claims.drawn_by_all(4)])
    apart = torch.stack([pairs[(i + 1) % 4, (i + 1) % 4] - pairs[i, i] for i in range(4)])
    assert rows[0]["step"] == pytest.approx(float(apart.square().mean().sqrt()) / 8, rel=1e-4)


def test_a_probe_reads_what_is_linear_and_nothing_where_there_is_nothing():
    labels = torch.arange(300) % 3
    x = torch.nn.functional.one_hot(labels).float() + 0.1 * torch.randn(300, 3, generator=new())
    assert claims.probe(x, labels) > 0.97
    assert claims.probe(torch.randn(300, 3, generator=new(1)), labels) < 0.5


def test_more_components_let_a_probe_read_more(monkeypatch):
    monkeypatch.setattr(claims, "PROBED", 600)
    monkeypatch.setattr(claims, "KEPT", (1, 20))
    rows = claims.probes(Keeps())
    assert [(row["probe"], row["components"]) for row in rows] == [
        (kind, k) for kind in (*claims.KINDS, "artist") for k in (1, 20)
    ]
    by_kind = {row["probe"]: row["right"] for row in rows if row["components"] == 20}
    assert by_kind["ground"] > 0.6 and by_kind["number"] > 0.5  # guessing: 0.1 and 0.33
    assert by_kind["ground"] > next(row["right"] for row in rows if row["probe"] == "ground") + 0.2
