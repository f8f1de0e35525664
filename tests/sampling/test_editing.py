"""Editing: what is erased in training, what stays of a picture that is edited, and a network that learns to fill in."""

import math
from dataclasses import replace

import pytest
import torch
from test_caption import READER, SMALL, TOKENS, WORDS, seeded
from test_networks import randomise
from torch import nn

from ddpm_lite import (
    GaussianMixture,
    PointMLP,
    Schedule,
    UNet,
    eps_loss,
    guided,
    inpaint,
    inpainting,
    q_sample,
    sample,
    sdedit,
    train,
)
from ddpm_lite import __main__ as cli
from ddpm_lite.machine import weights
from ddpm_lite.models import kinds, material, presets, trained
from ddpm_lite.models import model as model_file
from ddpm_lite.models.header import read_recipe
from ddpm_lite.models.kinds import InpaintingModel, UpsamplingModel
from ddpm_lite.models.objective import make_loss
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.models.recipe import Training
from ddpm_lite.networks.channels import erased, widen, with_channels
from ddpm_lite.training.batches import erasures

schedule = Schedule.cosine(100)
RECIPE = replace(
    PRESETS["inpaint-emoji"],
    network={**SMALL, "caption": {k: v for k, v in READER.items() if k != "vocabulary"}, "extra": 4},
    schedule={"kind": "cosine", "T": 100},
    words=tuple(WORDS),
)


def scene(n: int, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """n random pictures, and masks of which the first knows nothing and the last everything."""
    mask = erasures(n, 8, 8, 0.0, g)
    mask[0], mask[-1] = 0, 1
    return torch.rand(n, 3, 8, 8, generator=g) * 2 - 1, mask


# Training.


def test_a_rectangle_of_any_size_and_place_is_erased_or_everything():
    n, h, w = 24_000, 4, 6
    gone = erasures(n, h, w, 0.1, seeded())[:, 0] == 0
    assert torch.equal(gone, gone.any(2, keepdim=True) & gone.any(1, keepdim=True))  # all of its rows in all of its columns

    def close(found, p):
        assert float(found.double().mean()) == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / n))

    close(gone.all(2).all(1), 0.1 + 0.9 / (h * w))
    for side, at in ((h, gone.any(2)), (w, gone.any(1))):
        length = at.sum(1)
        assert (at.int().diff(dim=1) == 1).sum(1).max() <= 1 and length.min() == 1  # in one piece
        for size in range(1, side):
            close(length == size, 0.9 / side)
        for place in range(side):
            close((length == 1) & at[:, place], 0.9 / side**2)
    assert erasures(50, h, w, 1.0, seeded()).max() == 0


def test_the_loss_shows_the_rest_of_the_picture_and_the_mask():
    seen = []

    def model(x_t, t, cond=None):
        seen.append((x_t, cond))
        return 0 * x_t[:, :3]

    x0, cond = torch.full((2000, 3, 4, 4), 0.5), torch.ones(2000, 6, dtype=torch.long)
    inpainting(eps_loss(schedule), 0.25)(model, (x0, cond), seeded())
    ((x, tokens),) = seen
    x_t, rest, mask = x[:, :3], x[:, 3:6], x[:, 6:]
    assert set(mask.unique().tolist()) == {0, 1} and torch.equal(rest, 0.5 * mask.expand_as(rest)) and torch.equal(tokens, cond)
    assert float((mask.amax((1, 2, 3)) == 0).double().mean()) == pytest.approx(0.25 + 0.75 / 16, abs=0.05)
    assert x_t.std() > 0.5 and x_t[mask.expand_as(x_t) == 1].std() > 0.5  # noise everywhere, not in the erased part alone


def test_the_preset_goes_on_from_its_parent():
    child, parent = (material.bind(PRESETS[name]) for name in ("inpaint-emoji", PRESETS["inpaint-emoji"].begin))
    assert child.network == {**parent.network, "extra": 4} and parent.network["channels"] == 3
    assert (child.data, child.schedule, child.words) == (parent.data, parent.schedule, parent.words)
    assert child.target == parent.target
    assert (child.kind, parent.kind) == ("inpainting", "text-conditional")
    assert child.loss == {**parent.loss, "everything": 0.1}
    if (file := trained.ASSETS / f"{parent.name}.safetensors").is_file():
        assert read_recipe(weights.load(file)[1], file).words == child.words
    weights.fill(child.build(), widen(parent.build().state_dict(), 4))


def test_a_preset_s_loss_erases_and_reads_captions():
    seen = []

    def model(x_t, t, cond):
        seen.append((x_t, cond))
        return x_t[:, :3]

    pictures = torch.zeros(500, 3, 8, 8, dtype=torch.uint8)
    tokens = TOKENS.encode(["red circle"]).short().expand(500, 1, -1)
    recipe = replace(RECIPE, loss={"drop": 0.3, "word_drop": 0.0, "everything": 0.5})
    make_loss(recipe)(model, (pictures, torch.zeros(500, dtype=torch.bool), tokens), seeded())
    ((x, cond),) = seen
    assert x.shape[1] == 7 and set(x[:, 3:6].unique().tolist()) == {-1, 0}
    assert float((x[:, 6].amax((1, 2)) == 0).double().mean()) == pytest.approx(0.5, abs=0.15)
    assert float((cond == TOKENS.encode([""])).all(1).double().mean()) == pytest.approx(0.3, abs=0.15)


class Pixels(nn.Module):
    """A network for pictures of 2 x 2 grey pixels with a picture and a mask beside: quicker than a U-Net."""

    def __init__(self):
        super().__init__()
        self.points = PointMLP(dim=12, width=64, depth=2)

    def forward(self, x, t, cond=None):
        return self.points(x.flatten(1), t)[:, :4].reshape(-1, 1, 2, 2)


def test_a_small_network_learns_to_fill_in(g):
    """Pictures of one grey each: what is erased has the grey of what is not."""
    pictures = (torch.rand(4096, 1, 1, 1, generator=g) * 1.6 - 0.8).expand(-1, -1, 2, 2)
    torch.manual_seed(0)
    steep = Schedule.linear(100, 1e-3, 0.2)
    options = {"steps": 300, "batch_size": 128, "lr": 1e-2, "warmup": 50, "ema_decay": 0.95}
    *_, step = train(Pixels(), (pictures,), inpainting(eps_loss(steep)), generator=g, **options)
    pictures, mask = pictures[:256], torch.zeros(256, 1, 2, 2)

    def off():
        model = inpaint(step.run.ema, pictures, mask, steep)
        *_, last = sample(model, torch.randn(256, 1, 2, 2, generator=g), steep, steps=20, method="ddim", clip=True)
        return (last.x_t - pictures)[:, :, :, 1].square().mean()

    chance = pictures.var()  # what always answering with the mean grey is off by; another picture's grey, twice as much
    assert off() > chance
    mask[:, :, 0, 0] = 1
    assert off() < 0.4 * chance


# Sampling.


@pytest.mark.parametrize("method", ["ddpm", "ddim", "dpm-solver++", "heun"])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_known_pixels_come_out_as_they_went_in(method, scale, g):
    net, (pictures, mask) = randomise(UNet(**SMALL, caption=READER, extra=4)), scene(5, g)
    cond, x_T = TOKENS.encode(["red circle"] * 5), torch.randn(5, 3, 8, 8, generator=g)

    def drawn(pictures, mask):
        model = guided(inpaint(net, pictures, mask, schedule), scale, net.caption.empty)
        fresh = seeded() if method == "ddpm" else None
        *_, last = sample(model, x_T, schedule, cond=cond, steps=8, method=method, clip=True, generator=fresh)
        return last.x_t

    stays, found = mask.expand_as(pictures) == 1, drawn(pictures, mask)
    torch.testing.assert_close(found[stays], pictures[stays], rtol=0, atol=1e-5)
    assert (found - pictures)[~stays].abs().median() > 0.1
    assert torch.equal(found, drawn(torch.where(stays, pictures, 0.7), mask == 1))  # what lies under the mask has no effect
    assert not torch.allclose(found[~stays], drawn(-pictures, mask)[~stays], atol=0.01)  # the rest of the picture has


def test_with_everything_erased_a_widened_network_is_its_parent_and_with_nothing_erased_only_the_picture_counts(g):
    net, pictures = randomise(UNet(**SMALL, caption=READER, extra=4)), torch.rand(2, 3, 8, 8, generator=g) * 2 - 1
    x, t, cond = torch.randn(2, 3, 8, 8, generator=g), torch.tensor([5, 50]), TOKENS.encode(["red", "blue"])
    free = inpaint(net, pictures, torch.zeros(2, 1, 8, 8), schedule)
    assert torch.equal(free(x, t, cond), with_channels(net, torch.zeros(2, 4, 8, 8))(x, t, cond))
    whole = inpaint(net, pictures, torch.ones(2, 1, 8, 8), schedule)
    a = schedule.alpha_bar[t].float()[:, None, None, None]
    torch.testing.assert_close(a.sqrt() * pictures + (1 - a).sqrt() * whole(x, t, cond), x)
    plain = randomise(UNet(**SMALL, caption=READER))
    net.load_state_dict(widen(plain.state_dict(), 4))
    assert torch.equal(erased(pictures, torch.zeros(2, 1, 8, 8)), torch.zeros(2, 4, 8, 8))
    torch.testing.assert_close(free(x, t, cond), plain(x, t, cond))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask": torch.zeros(2, 8, 8)}, r"need masks of shape \(2, 1, 8, 8\), not \(2, 8, 8\)"),
        ({"mask": torch.zeros(1, 1, 8, 8)}, r"need masks of shape \(2, 1, 8, 8\), not \(1, 1, 8, 8\)"),
        ({"mask": torch.full((2, 1, 8, 8), 0.5)}, "A mask must be 1 where the picture stays and 0 elsewhere"),
        ({"model": UNet(**SMALL, extra=4)}, "training mode"),
        ({"pictures": torch.zeros(2, 3, 4, 4), "mask": torch.zeros(2, 1, 4, 4)}, "must have the same shape"),
    ],
)
def test_what_does_not_fit_is_named(options, words, unchecked):
    fine = {"model": UNet(**SMALL, extra=4).eval(), "pictures": torch.zeros(2, 3, 8, 8), "mask": torch.zeros(2, 1, 8, 8)}
    with pytest.raises(ValueError, match=words):
        inpaint(**{**fine, **options}, schedule=schedule)(torch.zeros(2, 3, 8, 8), torch.tensor([1, 2]))


# A trained model.


def test_a_model_edits_in_batches_and_draws_where_nothing_is_known(g, monkeypatch):
    monkeypatch.setattr(model_file, "AT_ONCE", 2)
    model = InpaintingModel(RECIPE, randomise(RECIPE.build()))
    (pictures, mask), asked = scene(5, g), ["red circle", "blue", "", "red", "blue square"]
    found = model.edit(pictures, mask, asked, steps=3)
    stays = mask.expand_as(pictures) == 1
    torch.testing.assert_close(found[stays], pictures[stays], rtol=0, atol=1e-5)
    assert torch.equal(found, model.edit(pictures, mask, asked, steps=3)) and found.abs().max() <= 1
    for change in ({"seed": 1}, {"steps": 4}, {"scale": 1.0}, {"method": "ddpm"}):
        assert not torch.allclose(found, model.edit(pictures, mask, asked, **{"steps": 3, **change}), atol=1e-3)
    drawn = model.draw(asked, steps=3)
    assert torch.equal(drawn, model.edit(pictures, 0 * mask, asked, steps=3))
    assert torch.equal(drawn[0], found[0]) and not torch.allclose(drawn[1], found[1], atol=1e-3)


def test_what_cannot_be_edited_is_named(g, unchecked):
    model, (pictures, mask) = InpaintingModel(RECIPE, randomise(RECIPE.build())), scene(2, g)
    for given, words in (
        ((pictures, mask, ["red"]), r"here \(1, 3, 8, 8\), not \(2, 3, 8, 8\) with 2 masks"),
        ((pictures[:, :, :4], mask, ["red", "blue"]), r"here \(2, 3, 8, 8\), not \(2, 3, 4, 8\)"),
        ((pictures, mask[:1], ["red", "blue"]), "with 1 masks"),
        ((127.5 * pictures + 127.5, mask, ["red", "blue"]), r"pictures must lie in \[-1, 1\], but its numbers go from"),
        ((pictures.where(pictures < 0.5, math.nan), mask, ["red", "blue"]), "some of its numbers are NaN"),
        ((pictures, mask, torch.tensor([1, 2])), "give a list of strings"),
    ):
        with pytest.raises(ValueError, match=words):
            model.edit(*given)


def test_a_model_edits_because_of_its_kind_and_not_of_its_channels():
    edits = {name for name, preset in PRESETS.items() if hasattr(kinds.MODELS[preset.kind], "edit")}
    assert edits == {"inpaint-emoji"}
    for name, kind in (("inpaint-emoji", InpaintingModel), ("upsampler-emoji", UpsamplingModel)):  # both see more channels
        assert type(trained.shipped(name)) is kind and trained.shipped(name).net.extra > 0
    assert not hasattr(trained.shipped("digits-classifier"), "draw") and not hasattr(trained.shipped("digits"), "edit")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Presets of a small parent, shipped, and of its child, which does not learn anything: its learning rate is 0."""
    net = {**SMALL, "size": 16, "attention": [8], "caption": {"length": 16, "width": 8, "depth": 1, "heads": 2}}
    same = {"schedule": {"kind": "cosine", "T": 100}, "training": Training(4, 0.0, 2)}
    parent = replace(PRESETS["glide-emoji"], name="parent", network=net, **same)
    child = replace(PRESETS["inpaint-emoji"], name="child", network={**net, "extra": 4}, begin="parent", **same)
    for preset in (parent, child):
        monkeypatch.setitem(presets.PRESETS, preset.name, preset)
    monkeypatch.setattr(trained, "ASSETS", tmp_path / "assets")
    trained.ASSETS.mkdir()
    state = randomise(material.bind(parent).build()).state_dict()
    return {k: v.bfloat16().float() for k, v in state.items()}


def test_training_begins_with_the_shipped_parent(tiny, tmp_path, capsys):
    out = tmp_path / "run"
    command = ["train", "child", "--out", str(out), "--device", "cpu"]
    assert cli.main(command) == 2 and not out.exists()
    assert "parent comes without weights: train it" in capsys.readouterr().err
    file = trained.ASSETS / "parent.safetensors"
    weights.save(file, {k: v.bfloat16() for k, v in tiny.items()}, {"recipe": material.bind(PRESETS["parent"]).as_json()})
    file.with_suffix(".json").write_text("{}")
    assert cli.main(command) == 0
    model = trained.load(out, "cpu")
    own, expected = model.net.state_dict(), widen(tiny, 4)
    assert own.keys() == expected.keys() and isinstance(model, InpaintingModel)
    for name, value in expected.items():
        torch.testing.assert_close(own[name], value, rtol=1e-6, atol=1e-7)
    file.unlink()  # a run that goes on needs no parent
    assert cli.main([*command, "--resume"]) == 0


# SDEdit.


def test_sdedit_of_gaussian_data_keeps_alpha_bar_of_what_it_was_given(g):
    """Of data from N(0, 1) the exact way back from x_t ends at sqrt(alpha_bar_t) x_t + sqrt(1 - alpha_bar_t) z, so that what
    comes out is alpha_bar_t x_0 + sqrt(1 - alpha_bar_t^2) z: still from N(0, 1)."""
    one, n = GaussianMixture(torch.ones(1), torch.zeros(1, 1), torch.ones(1)), 20_000
    x0 = torch.randn(n, 1, generator=g, dtype=torch.float64)
    for t in (20, 50, 80):
        eps, a = torch.randn(n, 1, generator=g, dtype=torch.float64), float(schedule.alpha_bar[t])
        *_, last = sdedit(one.eps_model(schedule), x0, t, eps, schedule, var="beta", generator=g)
        slope = float((last.x_t * x0).mean() / (x0**2).mean())
        assert slope == pytest.approx(a, abs=5 * math.sqrt((1 - a**2) / n))
        assert float((last.x_t - a * x0).var()) == pytest.approx(1 - a**2, rel=5 * math.sqrt(2 / n) + 1e-3)


def test_sdedit_goes_on_from_t_as_a_sample_that_has_got_there(g):
    points = GaussianMixture(torch.ones(3), torch.randn(3, 2, generator=g), torch.full((3,), 0.1))
    x0, eps = (torch.randn(5, 2, generator=g, dtype=torch.float64) for _ in range(2))
    frames = list(sdedit(points.eps_model(schedule), x0, 60, eps, schedule, steps=4, method="ddim"))
    assert [frame.t for frame in frames] == [60, 45, 30, 15, 0]
    assert torch.equal(frames[0].x_t, q_sample(x0, 60, eps, schedule))
    again = sample(points.eps_model(schedule), frames[0].x_t, schedule, steps=[60, 45, 30, 15], method="ddim")
    assert all(torch.equal(a.x_t, b.x_t) for a, b in zip(frames, again, strict=True))
    *_, near = sdedit(points.eps_model(schedule), x0, 1, eps, schedule, method="ddim")
    torch.testing.assert_close(near.x_t, x0, atol=0.1, rtol=0.1)


@pytest.mark.parametrize("t", [0, 101, -1])
def test_sdedit_refuses_a_step_that_is_not_there(t):
    with pytest.raises(ValueError, match=r"t = -?\d+, but it must lie between 1 and T = 100\."):
        sdedit(PointMLP(2).eval(), torch.zeros(2, 2), t, torch.zeros(2, 2), schedule)
    with pytest.raises(ValueError, match=r"steps = 30, but from t = 20 at most 20 steps lead down\."):
        sdedit(PointMLP(2).eval(), torch.zeros(2, 2), 20, torch.zeros(2, 2), schedule, steps=30)
