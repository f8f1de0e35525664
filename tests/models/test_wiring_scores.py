"""The wiring of the scores: each key of a card is what its meaning says, of the right part, by the right judge, drawn as stated.
Here the digits, the CLIPs and what draws from captions; test_wiring_cards.py has the others."""

from statistics import fmean, stdev

import pytest
import torch
from made import SAID, MadeClip, made, share, show
from torch import nn

from ddpm_lite import sample
from ddpm_lite.data import digits, grammar, scenes, shapes
from ddpm_lite.maths import metrics
from ddpm_lite.models import evaluation, trained
from ddpm_lite.models.evaluation import clips, exact, texts
from ddpm_lite.models.evaluation import digits as judges
from ddpm_lite.models.kinds import ClipModel
from ddpm_lite.sampling.noise import normal
from ddpm_lite.sampling.samplers import as_eps

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
    assert evaluation.score(model) == {"accuracy": pytest.approx((1500 + zeros) / 2000)}


def test_a_curve_of_the_digits_holds_mean_and_deviation_over_seeds(monkeypatch):
    methods, asked = ["ddpm", "ddim", "dpm-solver++"], torch.arange(10).repeat(80)

    def picture(labels, seed, steps, scale, method):
        drawn = labels[:, None, None, None].float().expand(-1, 1, 16, 16).clone()
        drawn[: seed + methods.index(method)] = -1  # of these, it is not seen what they are
        drawn[0, 0, 0, 1] = 100 * steps + seed + scale
        return drawn

    monkeypatch.setattr(judges, "recognise", lambda images: images[:, 0, 0, 0].long())
    monkeypatch.setattr(judges, "frechet_to_real", lambda images: float(images[0, 0, 0, 1]))
    rows = judges.curves(made("digits", picture), seeds=3)
    assert [(row["method"], row["steps"]) for row in rows] == [(m, s) for m in methods for s in (5, 10, 20, 50)]
    for row in rows:
        right = [1 - (seed + methods.index(row["method"])) / len(asked) for seed in (10, 11, 12)]
        assert row["recognised"] == pytest.approx(fmean(right)) and row["recognised_std"] == pytest.approx(stdev(right))
        assert row["frechet"] == pytest.approx(100 * row["steps"] + 12) and row["frechet_std"] == pytest.approx(1)


# CLIPs.


class Reads(ClipModel):
    """Stands in for a CLIP: a picture is to it what its caption is, or the opposite where `right` says no. It keeps each t."""

    def __init__(self, pictures, scenes, right):  # without a network
        self.feature, self.seen = {}, []
        each = zip(pictures, exact.captions(scenes), right, strict=True)
        self.of = {picture.numpy().tobytes(): (caption, 2 * float(is_right) - 1) for picture, caption, is_right in each}

    def encode_text(self, captions):
        for caption in captions:
            new = torch.randn(64, generator=torch.Generator().manual_seed(len(self.feature)))
            self.feature.setdefault(caption, nn.functional.normalize(new, dim=0))
        return torch.stack([self.feature[caption] for caption in captions])

    def encode(self, pictures, t=None):
        self.seen.append(t)
        found = [self.of[picture.numpy().tobytes()] for picture in pictures]
        return torch.stack([sign * self.encode_text([caption])[0] for caption, sign in found])


@pytest.mark.parametrize("t", [None, 300])
def test_a_clip_is_right_where_the_caption_fits_better_than_all_others_and_it_is_asked_at_t(monkeypatch, t):
    g = torch.Generator().manual_seed(0)
    scenes = exact.asked("worn", True, 6, g) + exact.asked("place", True, 6, g) + exact.asked_of_two(12, g)
    pictures, right = exact.true_pictures(scenes, g), torch.arange(24) % 3 > 0
    others, told_from = exact.others, []
    monkeypatch.setattr(exact, "others", lambda scene, g: told_from.append((scene, g.initial_seed())) or others(scene, g))
    clip = Reads(pictures, scenes, right)
    assert torch.equal(clips.fits(clip, pictures, scenes, t), right)
    assert told_from == [(scene, i % 10) for i, scene in enumerate(scenes)]
    ((asked,),) = [clip.seen]
    assert asked is None if t is None else asked.tolist() == [t] * 24
    assert not clips.fits(clip, pictures.roll(1, 0), scenes, t).any()  # captions of other pictures


@pytest.mark.parametrize(("name", "t"), [("clip-emoji", None), ("judge-emoji", None), ("clip-emoji-noisy", 1)])
def test_a_clip_of_emoji_is_judged_by_true_pictures_of_each_part(monkeypatch, name, t):
    monkeypatch.setattr(clips, "COUNT", 8)
    asked = []

    def fits(model, pictures, scenes, at):
        asked.append((model, pictures, scenes, at))
        return torch.arange(8) < 2 * len(asked)  # a quarter, a half, three quarters of them

    monkeypatch.setattr(clips, "fits", fits)
    model = MadeClip(name, [])
    assert evaluation.score(model, seed=3) == {"pairs_heldout": 0.25, "pairs_seen": 0.5, "pairs_two_changes": 0.75}
    assert all(asker is model and show(pictures, scenes) and at == t for asker, pictures, scenes, at in asked)
    heldout, seen, two = (scenes for _, _, scenes, _ in asked)
    assert all(map(grammar.is_held_out, heldout)) and not any(map(grammar.is_held_out, seen))
    kinds = [(kind,) for kind in exact.KINDS for _ in range(2)]
    assert [scene.changes for scene in heldout] == [scene.changes for scene in seen] == kinds
    assert all(len(scene.changes) == 2 for scene in two)
    evaluation.score(model, seed=4)
    assert asked[3][2] != heldout, "the seed has no effect"


def test_a_clip_of_noisy_pictures_is_asked_at_each_t_with_that_much_noise(monkeypatch):
    asked = []

    def fits(model, pictures, scenes, t):
        asked.append((pictures, scenes, t))
        return torch.arange(len(scenes)) < len(asked)

    monkeypatch.setattr(clips, "fits", fits)
    model = MadeClip("clip-emoji-noisy", [])
    rows, ts = clips.curves(model, n=40), [1, 100, 200, 300, 400, 500, 600, 800]
    assert rows == [{"t": t, "pairs_heldout": (i + 1) / 40} for i, t in enumerate(ts)] and [t for *_, t in asked] == ts
    scenes = asked[0][1]
    assert all(map(grammar.is_held_out, scenes)) and all(each[1] == scenes for each in asked)
    g = torch.Generator().manual_seed(1)
    true = exact.true_pictures(exact.asked_of_each(True, 40, g), g)
    assert show(true, scenes)
    for x_t, _, t in asked:
        a = float(model.schedule.alpha_bar[t])
        eps = (x_t - a**0.5 * true) / (1 - a) ** 0.5
        assert eps.std() == pytest.approx(1, abs=0.02) and abs(float(eps.mean())) < 0.02
    assert len({x_t.sum().item() for x_t, *_ in asked}) == 8
    assert clips.curves(MadeClip("clip-emoji", [])) == []


def test_a_clip_of_shapes_is_judged_by_fresh_drawings_of_each_part(monkeypatch):
    asked, real = [], shapes.draw

    def draw(n, generator, size=16, part="train"):
        asked.append((n, generator.initial_seed(), size, part))
        return real(8, generator, size, part)

    monkeypatch.setattr(shapes, "draw", draw)
    captions = [shapes.captions(i)[0] for i in range(256)]
    model = MadeClip("clip-shapes", captions)
    model.net.encode_image = lambda pictures, t=None: torch.eye(256)[
        shapes.judge(pictures).index * (torch.arange(len(pictures)) % 4 > 0)
    ]
    found = evaluation.score(model, seed=2)
    assert asked == [(2000, 12347, 16, "train"), (2000, 12347, 16, "heldout")]
    assert found == {"accuracy_seen": 0.75, "accuracy_heldout": 0.75}


# Models of captions.


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

    model = made("glide-shapes", picture)
    expected = {"accuracy_seen": 0.75, "accuracy_heldout": 0.75, "scenes_seen": 0.8, "scenes_heldout": 0.8}
    assert evaluation.score(model, seed=4) == expected and all(index <= part for index, part in seen)
    assert model.log == [(40, 4, 25, 3.0, "ddim")] * 2 + [(20, 4, 25, 3.0, "ddim")] * 2


def test_the_curves_of_shapes_compare_with_drawings_in_the_eye_that_comes_with_the_data(monkeypatch):
    captions = [shapes.captions(i)[0] for i in range(256)]
    eye = MadeClip("clip-shapes", captions)
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


def test_clip_guidance_leads_the_network_without_a_caption_by_the_noise_aware_clip(monkeypatch):
    given = []

    class Net(nn.Linear):
        shape = (3, 2, 2)

        def forward(self, x_t, t, cond=None):
            return x_t.sin()

    def clip_guided(model, clip, tokens, schedule, scale):
        given.append((model, clip, tokens.flatten().tolist(), schedule, scale))
        return lambda x_t, t, cond: given.append((t[0], cond)) or x_t - x_t.clamp(-scale, scale)

    monkeypatch.setattr(clips, "clip_guided", clip_guided)
    model = made("glide-emoji", schedule={"kind": "linear", "T": 100})
    guide = MadeClip("clip-emoji-noisy", ["x", "y"])
    model.net = Net(1, 1)
    drawn = clips.led(model, guide, ["y", "x", "y"], 0.25, seed=7)
    (net, clip, *asked), *steps = given
    x, t = torch.linspace(-1, 1, 12).reshape(1, 3, 2, 2), torch.tensor([60])
    assert torch.equal(net(x, t), as_eps(model.net, model.schedule, "v")(x, t))
    assert clip is guide.net and asked[0] == [1, 0, 1] and asked[1].T == 100 and asked[2] == 0.25
    assert [int(t) for t, _ in steps] == list(range(100, 0, -2)) and all(cond is None for _, cond in steps)
    x_T = normal(3, (3, 2, 2), torch.Generator().manual_seed(7))
    eps = lambda x_t, t, cond: x_t - x_t.clamp(-0.25, 0.25)  # noqa: E731
    *_, last = sample(eps, x_T, model.schedule, steps=50, method="ddim", clip=True)
    assert torch.equal(drawn, last.x_t.clamp(-1, 1))
