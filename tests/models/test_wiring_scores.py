"""The wiring of the scores: each key of a card is what its meaning says, of the right part, by the right judge, drawn as stated.
Here the digits, the CLIPs and what draws from captions; test_wiring_cards.py has the others."""

from statistics import fmean, stdev

import pytest
import torch
from made import SAID, MadeClip, a_few, made, share
from torch import nn

from ddpm_lite import sample
from ddpm_lite.data import compositions, digits, scenes, shapes
from ddpm_lite.maths import metrics
from ddpm_lite.models import evaluation, presets, trained
from ddpm_lite.models.evaluation import clips, texts
from ddpm_lite.models.evaluation import digits as judges
from ddpm_lite.sampling.noise import normal

pytestmark = pytest.mark.usefixtures("unchecked")  # made-up models are no networks


# Digits.


WRONG = {(50, 2.0): 10, (10, 2.0): 20, (50, 1.0): 30}  # of a thousand


def training_digits(asked, seed, steps, scale, method):
    """Real digits of the classes asked, others for each seed, some of a wrong class."""
    train = digits.load()[0]
    of_class = [(train.labels == c).nonzero()[:, 0] for c in range(10)]
    shown = asked.clone()
    shown[: WRONG.get((steps, scale), 0)] = (asked[: WRONG.get((steps, scale), 0)] + 1) % 10
    rows = [int(of_class[c][(7 * i + 31 * seed + int(10 * scale)) % len(of_class[c])]) for i, c in enumerate(shown.tolist())]
    return train.images[rows]


def test_each_number_of_the_digits_is_what_its_meaning_says():
    model = made("digits", training_digits)
    found, asked = evaluation.score(model, seed=5), torch.arange(10).repeat(100)
    assert model.log == [(1000, 5, 50, 2.0, "ddim"), (1000, 5, 10, 2.0, "ddim"), (1000, 5, 50, 1.0, "ddim"),
                         (800, 6, 50, 1.0, "ddim"), (800, 6, 50, 0.0, "ddim")]  # fmt: skip
    unguided, null = (training_digits(asked[:800], 6, 50, scale, "ddim") for scale in (1.0, 0.0))
    train, held_out = digits.load()
    features = trained.shipped("digits-classifier").net.features
    halves, drawn = evaluation.real_halves(), features(unguided)
    pairs = [metrics.precision_recall(a, drawn) for a, _ in halves], [metrics.precision_recall(a, b) for a, b in halves]
    expected = {
        "recognised": 0.99,
        "recognised_10_steps": 0.98,
        "recognised_unguided": 0.97,
        "frechet": fmean(metrics.frechet(drawn, a) for a, _ in halves),
        "frechet_real": fmean(metrics.frechet(b, a) for a, b in halves),
        "frechet_null": fmean(metrics.frechet(features(null), a) for a, _ in halves),
        "precision": fmean(p.precision for p in pairs[0]),
        "recall": fmean(p.recall for p in pairs[0]),
        "precision_real": fmean(p.precision for p in pairs[1]),
        "recall_real": fmean(p.recall for p in pairs[1]),
        "nearest": 0.0,  # they are training digits
        "nearest_real": float(torch.cdist(held_out.images.flatten(1), train.images.flatten(1)).min(1).values.median()),
    }
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_classifier_is_judged_by_the_held_out_digits():
    _, held_out = digits.load()
    known = {x.numpy().tobytes(): int(y) for x, y in zip(*held_out, strict=True)}
    right = {x: y for i, (x, y) in enumerate(known.items()) if i % 4}  # three of four, and none of the training digits

    class Net(nn.Linear):
        def forward(self, images):
            return nn.functional.one_hot(torch.tensor([right.get(x.numpy().tobytes(), 0) for x in images]), 10).float()

    model = made("digits-classifier")
    model.net = Net(1, 1)
    zeros = sum(y == 0 for x, y in known.items() if x not in right)
    assert evaluation.score(model) == {"accuracy": pytest.approx((270 + zeros) / 360)}


def test_a_curve_of_the_digits_holds_mean_and_deviation_over_seeds(monkeypatch):
    methods, asked = ["ddpm", "ddim", "dpm-solver++"], torch.arange(10).repeat(80)

    def picture(labels, seed, steps, scale, method):
        drawn = labels[:, None, None, None].float().expand(-1, 1, 8, 8).clone()
        drawn[: seed + methods.index(method)] = -1  # of these, it is not seen what they are
        drawn[0, 0, 0, 1] = 100 * steps + seed + scale
        return drawn

    monkeypatch.setattr(judges, "recognise", lambda images: images[:, 0, 0, 0].long())
    monkeypatch.setattr(judges, "frechet_to_real", lambda images: float(images[0, 0, 0, 1]))
    rows = judges.curves(made("digits", picture), seeds=3)
    assert [(row["method"], row["steps"]) for row in rows] == [(m, s) for m in methods for s in (5, 10, 20, 50, 100)]
    for row in rows:
        right = [1 - (seed + methods.index(row["method"])) / len(asked) for seed in (10, 11, 12)]
        assert row["recognised"] == pytest.approx(fmean(right)) and row["recognised_std"] == pytest.approx(stdev(right))
        assert row["frechet"] == pytest.approx(100 * row["steps"] + 12) and row["frechet_std"] == pytest.approx(1)


# CLIPs.


def test_the_names_of_all_emoji_compete_and_each_part_is_counted_by_itself(monkeypatch):
    few = a_few(monkeypatch)
    off = torch.arange(110) % 10  # ranks 0 to 9
    off[90:] = torch.tensor([0, 4, 4, 5] * 5)
    model = MadeClip("clip-emoji-noisy", few.images, few.names, off)
    expected = {"recall_at_1": 0.1, "recall_at_5": 0.5, "recall_at_1_heldout": 0.25, "recall_at_5_heldout": 0.75}
    assert evaluation.score(model) == pytest.approx(expected)
    assert all((t == 1).all() for _, t in model.net.seen)
    model.recipe = presets.PRESETS["clip-emoji"]
    model.net.seen.clear()
    assert evaluation.score(model) == pytest.approx(expected) and all(t is None for _, t in model.net.seen)
    assert clips.curves(model) == []


def test_a_clip_of_noisy_pictures_is_asked_at_each_t_with_that_much_noise(monkeypatch):
    few = a_few(monkeypatch)
    model = MadeClip("clip-emoji-noisy", few.images, few.names, torch.zeros(110, dtype=torch.long))
    rows = clips.curves(model)
    assert [row["t"] for row in rows] == [int(t[0]) for _, t in model.net.seen] == [1, 100, 200, 300, 400, 500, 600, 800]
    for x_t, t in model.net.seen:
        a = 1 - float(t[0]) / 1000
        eps = (x_t - a**0.5 * few.train.images) / (1 - a) ** 0.5
        assert eps.std() == pytest.approx(1, abs=0.02) and len(x_t) == 90
    assert len({x_t.sum().item() for x_t, _ in model.net.seen}) == 8


def test_a_clip_of_shapes_is_judged_by_fresh_drawings_of_each_part(monkeypatch):
    asked, real = [], shapes.draw

    def draw(n, generator, size=16, part="train"):
        asked.append((n, generator.initial_seed(), size, part))
        return real(8, generator, size, part)

    monkeypatch.setattr(shapes, "draw", draw)
    captions = [shapes.captions(i)[0] for i in range(256)]
    model = MadeClip("clip-shapes", [], captions, torch.zeros(256, dtype=torch.long))
    model.net.encode_image = lambda pictures, t=None: torch.eye(256)[
        shapes.judge(pictures).index * (torch.arange(len(pictures)) % 4 > 0)
    ]
    found = evaluation.score(model, seed=2)
    assert asked == [(2000, 12347, 16, "train"), (2000, 12347, 16, "heldout")]
    assert found == {"accuracy_seen": 0.75, "accuracy_heldout": 0.75}


# Models of captions.


def test_right_is_the_best_five_of_the_judge_that_nothing_else_uses(monkeypatch):
    few = a_few(monkeypatch)
    off = torch.arange(110) % 10
    judge = MadeClip("judge-emoji", few.images, few.names, off)
    monkeypatch.setattr(trained, "shipped", {"judge-emoji": judge}.__getitem__)
    own = torch.tensor([0, 4, 5, 99])
    assert texts.right("emoji", few.images[own], own).tolist() == [True, True, False, False]


def pale(image: torch.Tensor, i: int) -> torch.Tensor:
    """An emoji as a model might draw it: a little pale, and every other one mirrored."""
    return 0.9 * (image.flip(2) if i % 2 else image)


def test_each_number_of_a_model_of_emoji_is_what_its_meaning_says(monkeypatch):
    few = a_few(monkeypatch)
    off, faces = torch.arange(110) % 10, dict(zip(few.names, few.images, strict=True))
    judge = MadeClip("judge-emoji", [pale(x, 0) for x in few.images], few.names, off)
    judge.net.numbers |= {pale(x, 1).numpy().tobytes(): i for i, x in enumerate(few.images)}
    monkeypatch.setattr(trained, "shipped", {"judge-emoji": judge}.__getitem__)
    monkeypatch.setattr(compositions, "exchanged", lambda: [compositions.Exchange(few.names[7], "", "")])
    monkeypatch.setattr(texts, "composed", lambda drawn: float(torch.equal(drawn[0], pale(few.images[7], 0))))
    model = made("glide-emoji", lambda asked, *_: torch.stack([pale(faces[c], i) for i, c in enumerate(asked)]))
    found = evaluation.score(model, seed=4)
    assert model.log == [(40, 4, 25, 3.0, "ddim"), (20, 4, 25, 3.0, "ddim"), (1, 4, 25, 3.0, "ddim")]
    rows = torch.randperm(90, generator=torch.Generator().manual_seed(4))[:40]
    drawn = [torch.stack([pale(x, i) for i, x in enumerate(each)]) for each in (few.images[rows], few.held_out.images)]
    known = torch.cat([few.train.images, few.train.images[few.train.mirrorable].flip(3)]).flatten(1)
    which = torch.cat([torch.arange(90), few.train.mirrorable.nonzero()[:, 0]])
    seen, new, real = (torch.cdist(x.flatten(1), known).min(1) for x in (*drawn, few.held_out.images))
    assert found == pytest.approx(
        {
            "recall_at_1": share(off[rows] < 1),
            "recall_at_5": share(off[rows] < 5),
            "recall_at_1_heldout": share(off[90:] < 1),
            "recall_at_5_heldout": share(off[90:] < 5),
            "nearest_seen": float(seen.values.median()),
            "nearest_asked": share(which[seen.indices] == rows),
            "nearest_heldout": float(new.values.median()),
            "nearest_real": float(real.values.median()),
            "composed": 1.0,
        },
        rel=1e-4,
    )


def test_a_composition_counts_where_its_own_caption_fits_better_than_both_it_is_made_of(monkeypatch):
    made_up = [compositions.Exchange(*(f"{kind} {i}" for kind in ("asked", "made from", "holds"))) for i in range(4)]
    judge = MadeClip("judge-emoji", [], [c for each in made_up for c in each], torch.zeros(12, dtype=torch.long))
    judge.net.encode_image = lambda pictures, t=None: torch.eye(12)[[0, 4, 8, 9]] + 0.5 * torch.eye(12)[[1, 3, 6, 11]]
    monkeypatch.setattr(trained, "shipped", {"judge-emoji": judge}.__getitem__)
    monkeypatch.setattr(compositions, "exchanged", lambda: made_up)
    assert texts.composed(torch.zeros(4, 3, 16, 16)) == 0.5  # the first and the last


def test_each_number_of_a_model_of_shapes_is_what_its_meaning_says(monkeypatch):
    """Of the drawings of one object every fourth is blank, of those of two every fifth."""
    monkeypatch.setattr(texts, "COUNT", 40)
    scene_of, seen = {caption: i for i in range(len(scenes.SCENES)) for caption in scenes.captions(i)}, []

    def picture(asked, *_):
        of, said, every = (shapes, SAID, 4) if asked[0] in SAID else (scenes, scene_of, 5)
        index = torch.tensor([said[caption] for caption in asked])
        seen.append((set(index.tolist()), set(of.PARTS[("train", "heldout")[len(seen) % 2]].tolist())))
        assert len(set(asked)) > len(asked) / 2
        return torch.where((torch.arange(len(index)) % every > 0)[:, None, None, None], of.render(index), 1.0)

    model = made("decoder-shapes", picture)
    expected = {"accuracy_seen": 0.75, "accuracy_heldout": 0.75, "scenes_seen": 0.8, "scenes_heldout": 0.8}
    assert evaluation.score(model, seed=4) == expected and all(index <= part for index, part in seen)
    assert model.log == [(40, 4, 25, 3.0, "ddim")] * 2 + [(20, 4, 25, 3.0, "ddim")] * 2


def test_the_curves_of_shapes_compare_with_drawings_in_the_eye_that_comes_with_the_data(monkeypatch):
    captions = [shapes.captions(i)[0] for i in range(256)]
    eye = MadeClip("clip-shapes", [], captions, torch.zeros(256, dtype=torch.long))
    eye.net.encode_image = lambda pictures, t=None: pictures.flatten(1)[:, 300:310] + 0.0
    monkeypatch.setattr(trained, "shipped", {"clip-shapes": eye}.__getitem__)
    drawn = {}

    def picture(asked, seed, steps, scale, method):
        drawn[scale] = shapes.render(torch.tensor([SAID[caption] for caption in asked]), 16, torch.Generator().manual_seed(9))
        drawn[scale] = (drawn[scale] * (1 - scale / 20)).where((torch.arange(len(asked)) % 4 >= scale)[:, None, None, None], 1.0)
        return drawn[scale]

    model = made("glide-shapes", picture)
    rows = texts.curves(model, n=40)
    assert [row["scale"] for row in rows] == list(texts.SCALES) == [scale for *_, scale, _ in model.log]
    assert {log[:3] for log in model.log} == {(40, 2, 25)}
    g = torch.Generator().manual_seed(1)
    own = shapes.TRAIN[torch.randperm(len(shapes.TRAIN), generator=g)[:2]].repeat_interleave(20)
    real = shapes.render(own, 16, g)
    for row in rows:
        pictures = drawn[row["scale"]]
        pair = metrics.precision_recall(real.flatten(1)[:, 300:310], pictures.flatten(1)[:, 300:310])
        assert (row["precision"], row["recall"]) == pytest.approx(pair)
        assert row["accuracy"] == pytest.approx(share(shapes.judge(pictures).index == own))
        spread = [float(x.unflatten(0, (2, 20)).std(1).mean()) for x in (pictures, real)]
        assert row["spread"] == pytest.approx(spread[0] / spread[1])
    assert texts.curves(made("decoder-shapes")) == []


def test_the_curves_of_emoji_ask_the_judge_and_for_clip_guidance_the_guide_too(monkeypatch):
    few = a_few(monkeypatch)
    off, guides = torch.arange(110) % 10, torch.arange(110) % 4 * 3
    numbers = {"judge-emoji": off, "clip-emoji": guides, "clip-emoji-noisy": guides}
    shipped = {name: MadeClip(name, few.images, few.names, each) for name, each in numbers.items()}
    monkeypatch.setattr(trained, "shipped", shipped.__getitem__)
    monkeypatch.setattr(trained, "load", lambda name, device: shipped[name])
    faces, led = dict(zip(few.names, few.images, strict=True)), []

    def by_clip(model, clip, captions, scale, seed):
        led.append((clip.name, len(captions), scale, seed))
        return torch.stack([faces[caption] for caption in captions])

    monkeypatch.setattr(texts, "by_clip", by_clip)
    model = made("glide-emoji", lambda asked, *_: torch.stack([faces[caption] for caption in asked]))
    rows, own = texts.curves(model, n=40), torch.randperm(90, generator=torch.Generator().manual_seed(1))[:40]
    assert [row["scale"] for row in rows] == [*texts.SCALES, *texts.CLIP_SCALES]
    assert led == [("clip-emoji-noisy", 20, scale, 2) for scale in texts.CLIP_SCALES]
    for row in rows:
        some = own if row["guidance"] == "classifier-free" else own[:20]
        assert row["accuracy"] == share(off[some] < 5) and row["precision"] == row["recall"] == 1
        assert row.get("accuracy_by_guide") == (None if row["guidance"] == "classifier-free" else share(guides[some] < 5))


def test_clip_guidance_leads_the_network_without_a_caption_by_the_noise_aware_clip(monkeypatch):
    given = []

    class Net(nn.Linear):
        shape = (3, 2, 2)

    def clip_guided(model, clip, tokens, schedule, scale):
        given.append((model, clip, tokens.flatten().tolist(), schedule, scale))
        return lambda x_t, t, cond: given.append((t[0], cond)) or x_t - x_t.clamp(-scale, scale)

    monkeypatch.setattr(texts, "clip_guided", clip_guided)
    model, guide = (
        made("glide-emoji", schedule={"kind": "linear", "T": 100}),
        MadeClip("clip-emoji-noisy", [], ["x", "y"], torch.zeros(2).long()),
    )
    model.net = Net(1, 1)
    drawn = texts.by_clip(model, guide, ["y", "x", "y"], 0.25, seed=7)
    (net, clip, *asked), *steps = given
    assert net is model.net and clip is guide.net and asked[0] == [1, 0, 1] and asked[1].T == 100 and asked[2] == 0.25
    assert [int(t) for t, _ in steps] == list(range(100, 0, -2)) and all(cond is None for _, cond in steps)
    x_T = normal(3, (3, 2, 2), torch.Generator().manual_seed(7))
    eps = lambda x_t, t, cond: x_t - x_t.clamp(-0.25, 0.25)  # noqa: E731
    *_, last = sample(eps, x_T, model.schedule, steps=50, method="ddim", clip=True)
    assert torch.equal(drawn, last.x_t.clamp(-1, 1))
