"""The wiring of a chain's scores: the table, the curves of diversity and the modality gap are what their meaning says."""

from math import comb, log2
from statistics import fmean, stdev

import pytest
import torch
from made import Judge, MadeChain, show, true_of

from ddpm_lite.data import emoji, grammar
from ddpm_lite.maths import metrics
from ddpm_lite.models import evaluation
from ddpm_lite.models.evaluation import chains, claims, clips, exact

pytestmark = pytest.mark.usefixtures("unchecked")  # made-up models are no networks


def features(pictures):
    """In the place of the second CLIP's."""
    return pictures.flatten(1)[:, 100:700:200].contiguous()


@pytest.mark.parametrize("part", chains.PARTS)
def test_what_a_chain_is_asked_belongs_together(part):
    scenes, pictures = chains.examples(part, 12)
    assert len(scenes) == 12 and show(pictures, scenes)
    changes = [scene.changes for scene in scenes]
    if part == "two_changes":
        assert all(len(each) == 2 for each in changes)
    else:
        assert changes == [(kind,) for kind in exact.KINDS for _ in range(3)]
        assert all(grammar.is_held_out(scene) == (part == "heldout") for scene in scenes)


def test_each_cell_of_the_table_is_drawn_as_it_says(monkeypatch):
    monkeypatch.setattr(chains, "COUNT", 4)
    monkeypatch.setattr(chains, "gap", lambda chain: {"gap_pairs": 0.25})
    monkeypatch.setattr(claims, "variations", lambda chain, seed: {"variations_thing": seed})
    monkeypatch.setattr(clips, "judge_features", features)
    judge = Judge(monkeypatch, lambda times, n: torch.arange(n) < times % 5)
    chain, embeddings = MadeChain("unclip-emoji"), {"text": 3, "prior": 2, "true": 4, "none": 0}
    found = evaluation.score(chain, seed=20)
    fast = (15, 4.0, "dpm-solver++")
    cells = [(embeddings[source], not alone, 20 + i, *fast) for source, alone in chains.WAYS for i in range(3)]
    assert chain.log == cells * 3 and len(cells) == 21
    assert chain.imagined == [{"seed": 20 + i} for i in range(3)] * 2 * 3
    drawn = [torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(20 + i)) for i in range(3)]
    judged = iter(enumerate(judge.asked))
    for part in chains.PARTS:
        scenes, _ = chains.examples(part, 4)
        g = torch.Generator().manual_seed(20)
        real, other = (features(torch.cat([exact.true_pictures(scenes, g) for _ in range(3)])) for _ in range(2))
        assert found[f"frechet_real_{part}"] == pytest.approx(metrics.frechet(other, real))
        for source, alone in chains.WAYS:
            right = []
            for i in range(3):
                times, (pictures, asked) = next(judged)
                assert torch.equal(pictures, drawn[i]) and asked == scenes
                right.append(min(times % 5, 4) / 4)
            key = f"{source}{'_alone' * alone}_{part}"
            assert found[key] == pytest.approx(fmean(right)) and found[f"{key}_std"] == pytest.approx(stdev(right))
            assert found[f"{key}_frechet"] == pytest.approx(metrics.frechet(features(torch.cat(drawn)), real))
            assert found[f"{key}_spread"] == pytest.approx(float(torch.stack(drawn).std(0).mean()))
    assert found["gap_pairs"] == 0.25 and found["variations_thing"] == 20 and next(judged, None) is None
    assert found.keys() | {"gap_others", "gap_images", "gap_texts"} | claims.MEANING.keys() == chains.MEANING.keys()
    # How often one of six is drawn in twelve draws is binomial, and the entropy a sum over how often each is.
    often = [comb(12, k) * 5 ** (12 - k) / 6**12 for k in range(13)]
    assert found["entropy_even"] == pytest.approx(-6 * sum(p * k / 12 * log2(k / 12) for k, p in enumerate(often) if k), abs=0.02)


def test_the_entropy_of_one_artist_is_0_and_of_six_evenly_that_of_a_die():
    assert chains.entropy([4] * 12) == 0 and chains.entropy([*range(6)] * 2) == pytest.approx(log2(6))
    assert chains.entropy([0, 0, 0, 1]) == pytest.approx(0.75 * log2(4 / 3) + 0.25 * 2)


def test_the_curves_of_a_chain_are_those_of_diversity_and_of_the_claims(monkeypatch):
    monkeypatch.setattr(chains, "diversity", lambda chain: [{"embedding": chain}])
    monkeypatch.setattr(claims, "turned", lambda chain, kind: [{"change": kind, "of": chain}])
    monkeypatch.setattr(claims, "between", lambda chain: [{"way": chain}])
    monkeypatch.setattr(claims, "probes", lambda chain: [{"probe": chain}])
    chain = MadeChain("unclip-emoji")
    turned = [{"change": kind, "of": chain} for kind in ("colour", "number", "worn", "ground", "artist")]
    assert chains.curves(chain) == [{"embedding": chain}, *turned, {"way": chain}, {"probe": chain}]


def test_the_curves_of_diversity_count_things_and_the_artists_who_drew_them(monkeypatch):
    """With the prior, all six artists in turn, each thing right; with none, one artist for each thing, of every fourth thing
    another; with the scale, paler pictures, which are still nearest to the same ones."""
    monkeypatch.setattr(chains, "THINGS", 8)
    monkeypatch.setattr(clips, "judge_features", lambda pictures: pictures.flatten(1))
    noun = {grammar.caption(grammar.Scene(i)): grammar.Scene(i) for i in range(len(emoji.load().things))}
    chain, drawn = MadeChain("unclip-emoji"), {}

    def decode(embedding, captions=None, *, seed=0, scale=2.0):
        scenes, prior = [noun[caption] for caption in captions], bool(embedding[0, 0])
        shown = scenes if prior else [scenes[i - 1] if i % 4 == 0 else scene for i, scene in enumerate(scenes)]
        pictures = torch.stack([true_of(scene)[seed % 6 if prior else i % 6] for i, scene in enumerate(shown)])
        assert all(exact.drawn_by(scene) == list(range(6)) for scene in scenes) and len(set(scenes)) == 8
        pictures = pictures * (1 - scale / 100)
        drawn.setdefault((prior, scale), []).append(pictures)
        return pictures

    chain.decode = decode
    rows = chains.diversity(chain)
    assert chain.imagined == [{"seed": seed} for seed in range(12)] * 4
    assert [(row["embedding"], row["scale"]) for row in rows] == [(e, s) for e in ("prior", "none") for s in (1.0, 2.0, 4.0, 8.0)]
    for row in rows:
        own = drawn[row["embedding"] == "prior", row["scale"]]
        assert len(own) == 12 and row["spread"] == pytest.approx(float(torch.stack(own).std(0).mean()))
        expected = (1, log2(6)) if row["embedding"] == "prior" else (0.75, 0)
        assert (row["accuracy"], row["entropy"]) == pytest.approx(expected)
        if row["embedding"] == "none":  # the same picture twelve times lies near nothing else
            assert row["recall"] == 0
        elif row["scale"] == 1.0:
            assert row["recall"] > 0.9


def test_the_modality_gap_is_that_of_pairs_and_of_strangers(monkeypatch):
    images, words = (torch.randn(90, 4, generator=torch.Generator().manual_seed(i)) for i in (1, 2))
    scenes, pictures = chains.examples("seen", 80)
    scenes += scenes[:10]
    asked = []
    monkeypatch.setattr(chains, "examples", lambda *given: asked.append(given) or (scenes, pictures))
    chain = MadeChain("unclip-emoji")
    chain.encode = lambda given: 2 * images if given is pictures else None
    chain.encode_text = lambda captions: 3 * words if captions == exact.captions(scenes) else None
    cosines = [[torch.cosine_similarity(a[:, None], b, dim=2) for b in (images, words)] for a in (images, words)]
    strangers = ~torch.eye(90, dtype=torch.bool)
    assert chains.gap(chain) == pytest.approx(
        {
            "gap_pairs": float(cosines[0][1].diagonal().mean()),
            "gap_others": float(cosines[0][1][strangers].mean()),
            "gap_images": float(cosines[0][0][strangers].mean()),
            "gap_texts": float(cosines[1][1][strangers].mean()),
        },
        abs=1e-6,
    )
    assert asked == [("seen", 500)]
