"""Training: the loss, the loop, and that an interrupted run becomes the run it would have been."""

import math
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from ddpm_lite import (
    GaussianMixture,
    Loss,
    PointMLP,
    Schedule,
    UNet,
    captioned,
    class_loss,
    clip_loss,
    eps_loss,
    loss_floor,
    low_discrepancy_t,
    place,
    train,
)
from ddpm_lite.machine import weights
from ddpm_lite.training import pace
from ddpm_lite.training.checkpoint import BINS
from ddpm_lite.training.loop import learning_rate
from ddpm_lite.training.losses import denoising_loss, x0_loss
from ddpm_lite.training.pace import TIMED

schedule = Schedule.linear(100)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_net(**options) -> PointMLP:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PointMLP(dim=2, width=16, depth=1, **options)


POINTS = (torch.randn(200, 2, generator=seeded(1)),)


def run_to_end(net, steps=30, generator=None, data=POINTS, loss=None, **options):
    *_, step = train(
        net, data, loss or eps_loss(schedule), generator=generator or seeded(), steps=steps, batch_size=16, **options
    )
    return step


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# The loss.


def test_eps_loss_is_the_mean_squared_error_on_the_closed_form():
    seen = {}

    def model(x_t, t, cond):
        seen.update(x_t=x_t, t=t, cond=cond)
        return torch.zeros_like(x_t)

    x0 = torch.rand(64, 1, 4, 4, generator=seeded(2), dtype=torch.float64) * 2 - 1
    result = eps_loss(schedule)(model, (x0,), seeded(3))
    a = schedule.alpha_bar[seen["t"]].reshape(-1, 1, 1, 1)
    eps = (seen["x_t"] - a.sqrt() * x0) / (1 - a).sqrt()
    torch.testing.assert_close(result.value, (eps**2).mean())
    torch.testing.assert_close(result.per_item, (eps**2).flatten(1).mean(1))
    assert seen["cond"] is None and eps.std() == pytest.approx(1, abs=0.1)
    assert torch.equal(result.bin, ((seen["t"] - 1) / 100 * BINS).long())


def test_the_best_possible_network_has_the_floor_as_its_loss():
    exact = GaussianMixture(torch.ones(2), torch.tensor([[-1.0], [1.0]]), torch.full((2,), 0.1))
    x0 = exact.draw(20_000, seeded())[0]
    result = eps_loss(schedule)(exact.eps_model(schedule), (x0,), seeded(1))
    floors = [loss_floor(exact, t, schedule, 2000, seeded(2)) for t in range(1, 101)]
    error = math.sqrt(float(result.per_item.var()) / 20_000 + sum(f.std_error**2 for f in floors) / 100**2)
    assert float(result.value) == pytest.approx(sum(f.value for f in floors) / 100, abs=4 * error)


@pytest.mark.parametrize("most", [5.0, 1e9])
def test_min_snr_counts_each_t_alike_whatever_the_target(most):
    """A perfect network but for an error e in x_0: its loss is the mean of min(SNR, most) e^2 for all four targets."""
    x0 = torch.rand(400, 3, generator=seeded(2), dtype=torch.float64) * 2 - 1
    e = torch.randn(400, 3, generator=seeded(4), dtype=torch.float64)
    seen = {}

    def model_of(target):
        def model(x_t, t, cond):
            seen["snr"] = schedule.alpha_bar[t] / (1 - schedule.alpha_bar[t])
            a = schedule.alpha_bar[t][:, None]
            x0_hat = x0 + e
            eps_hat = (x_t - a.sqrt() * x0_hat) / (1 - a).sqrt()
            v_hat = a.sqrt() * eps_hat - (1 - a).sqrt() * x0_hat
            return {"eps": eps_hat, "x0": x0_hat, "v": v_hat, "flow": eps_hat - x0_hat}[target]

        return model

    for target in ("eps", "x0", "v", "flow"):
        found = denoising_loss(target, schedule, min_snr=most)(model_of(target), (x0,), seeded(3)).value
        torch.testing.assert_close(found, (seen["snr"].clamp(max=most) * e.square().mean(1)).mean())
    plain = denoising_loss("v", schedule)(model_of("v"), (x0,), seeded(3)).value
    torch.testing.assert_close(plain, ((seen["snr"] + 1) * e.square().mean(1)).mean())


@pytest.mark.parametrize("most", [0.0, -1.0, math.inf, math.nan])
def test_a_min_snr_that_means_nothing_is_refused(most):
    with pytest.raises(ValueError, match=r"min_snr = .*, but it must be above 0 and finite"):
        denoising_loss("v", schedule, min_snr=most)


def test_labels_are_dropped_at_the_stated_rate():
    seen = []
    batch = (torch.zeros(50_000, 2), torch.arange(50_000) % 3)
    eps_loss(schedule, drop=0.2, null=3)(lambda x, t, c: (seen.append(c), x)[1], batch, seeded())
    share = float((seen[0] == 3).double().mean())
    assert share == pytest.approx(0.2, abs=5 * math.sqrt(0.2 * 0.8 / 50_000))
    kept = seen[0] != 3
    assert torch.equal(seen[0][kept], batch[1][kept])


def test_low_discrepancy_t_is_uniform_on_1_to_T_and_evenly_spread():
    draws = torch.stack([low_discrepancy_t(50, 100, seeded(i)) for i in range(2000)])
    assert draws.min() == 1 and draws.max() == 100
    counts = torch.bincount(draws.flatten(), minlength=101)[1:]
    assert (counts - 1000).abs().max() < 5 * math.sqrt(1000)
    for row in draws[:50]:  # 50 draws among 100 steps: one in each pair of neighbouring steps, up to the shift
        assert (row.sort().values.diff() <= 3).all() and len(row.unique()) == 50


# The loop.


def test_training_lowers_the_loss_to_the_floor_of_a_mixture():
    exact = GaussianMixture(torch.ones(2), torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.full((2,), 0.04))
    data = (exact.draw(20_000, seeded())[0].float(),)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = PointMLP(dim=2, width=64, depth=2)
    step = run_to_end(net, steps=600, data=data, lr=3e-3)
    x0 = exact.draw(4000, seeded(5))[0].float()
    best = float(eps_loss(schedule)(exact.eps_model(schedule), (x0,), seeded(6)).value)
    reached = float(eps_loss(schedule)(step.run.ema, (x0,), seeded(6)).value)  # the same t and eps: a paired comparison
    assert 0.98 * best < reached < 1.15 * best, (best, reached)


def test_steps_report_what_they_did():
    steps = list(train(small_net(), POINTS, eps_loss(schedule), generator=seeded(), steps=45, batch_size=16))
    assert [s.step for s in steps] == list(range(1, 46)) and all(s.steps == 45 for s in steps)
    history = steps[-1].run.history
    assert history.shape == (2, 2 + BINS) and history[:, 0].tolist() == [20, 40]
    assert float(history[0, 1]) == pytest.approx(sum(s.loss for s in steps[:20]) / 20, rel=1e-5)
    counted = history[0, 2:]
    assert torch.nanmean(counted) == pytest.approx(float(history[0, 1]), rel=0.3)


def test_the_average_follows_the_weights_and_is_what_one_would_compute():
    decay, average = 0.9, None
    for step in train(small_net(), POINTS, eps_loss(schedule), generator=seeded(), steps=20, batch_size=16, ema_decay=decay):
        now = step.run.model.first.weight.detach().clone()
        if average is None:
            average = step.run.ema.first.weight.clone()
        else:
            d = min(decay, step.step / (step.step + 9))
            average = d * average + (1 - d) * now
        torch.testing.assert_close(step.run.ema.first.weight, average)
    assert not step.run.ema.training and step.run.model.training


def test_the_learning_rate_depends_on_the_step_alone():
    rates = [learning_rate(s, 1000, 1e-3, 100) for s in range(1000)]
    assert rates[0] == pytest.approx(1e-5) and max(rates) == rates[99] == rates[100] == 1e-3
    assert all(a < b for a, b in pairwise(rates[:100])) and all(a > b for a, b in pairwise(rates[100:]))
    assert rates[-1] < 1e-8 and rates[550] == pytest.approx(5e-4)
    assert [learning_rate(s, None, 1e-3, 100) for s in range(TIMED)] == rates[:TIMED]  # before the number of steps is known


def test_minutes_become_a_number_of_steps(monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)  # what else the machine does takes no time

    def slow(*given):
        clock.now += 0.01
        return eps_loss(schedule)(*given)

    monkeypatch.setattr(pace, "time", clock)
    steps = list(train(small_net(), POINTS, slow, generator=seeded(), minutes=0.04, batch_size=16))
    assert steps[0].steps is None and steps[TIMED].steps == steps[-1].step
    assert abs(steps[-1].step - 240) <= 1


def test_a_classifier_trains_with_the_same_loop():
    x = torch.randn(300, 2, generator=seeded())
    data = (x, (x[:, 0] > 0).long())
    net = torch.nn.Linear(2, 2)
    torch.nn.init.zeros_(net.weight)
    step = run_to_end(net, steps=200, data=data, loss=class_loss, lr=0.05)
    assert float((step.run.ema(x).argmax(1) == data[1]).double().mean()) > 0.97


# Interruption.


@pytest.mark.parametrize("stop", [1, 7, 29])
@pytest.mark.parametrize("kind", ["mlp", "unet with dropout"])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, stop, kind):
    def net():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return PointMLP(2, 16, 1) if kind == "mlp" else UNet(4, 1, 8, (1, 2), 1, (2,), groups=4, dropout=0.3)

    data = POINTS if kind == "mlp" else (torch.rand(50, 1, 4, 4, generator=seeded(1)) * 2 - 1,)
    whole = run_to_end(net(), data=data)
    for step in train(net(), data, eps_loss(schedule), generator=seeded(), steps=30, batch_size=16, checkpoint=tmp_path / "run"):
        if step.step == stop:
            break
    del step
    other_generator = seeded(99)  # its state comes from the checkpoint
    rest = run_to_end(net(), data=data, generator=other_generator, checkpoint=tmp_path / "run")
    assert rest.step == 30
    assert same(whole.run.model, rest.run.model) and same(whole.run.ema, rest.run.ema)
    assert torch.equal(whole.run.history.nan_to_num(-1), rest.run.history.nan_to_num(-1))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", [None, torch.bfloat16, torch.float16], ids=str)
def test_a_stopped_run_goes_on_on_the_gpu(tmp_path, precision):
    device = torch.device("cuda")
    data = (torch.rand(64, 1, 8, 8, generator=seeded(1)).to(device),)
    for stop in (20, 60):
        net = place(UNet(8, 1, 16, (1, 2), 1, (4,), groups=8, dropout=0.1), device, precision)
        options = {"generator": torch.Generator(device), "steps": 60, "batch_size": 16, "checkpoint": tmp_path / "run"}
        steps = []
        for step in train(net, data, eps_loss(schedule), **options):
            steps.append(step.step)
            if step.step == stop:
                break
        del step
    assert steps == list(range(21, 61)) and all(p.isfinite().all() for p in net.parameters())


KILLED = """
    import sys, torch
    from ddpm_lite import UNet, Schedule, eps_loss, train
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = UNet(8, 1, 16, (1, 2), 1, (4,), groups=8)
    data = (torch.rand(100, 1, 8, 8, generator=torch.Generator().manual_seed(1)),)
    for step in train(net, data, eps_loss(Schedule.linear(100)), generator=torch.Generator().manual_seed(2), steps=120,
                      batch_size=8, checkpoint=sys.argv[1], save_every=0.0):
        print(step.step, flush=True)
"""


def test_a_run_killed_at_any_moment_ends_with_the_same_parameters(tmp_path):
    """SIGKILL, several times, at random moments; every step is being saved, so some kills fall into a save."""
    command = [sys.executable, "-c", textwrap.dedent(KILLED)]
    subprocess.run([*command, tmp_path / "whole"], check=True, capture_output=True)
    draw, kills = random.Random(0), 0
    for _ in range(50):
        process = subprocess.Popen([*command, tmp_path / "killed"], stdout=subprocess.PIPE, text=True)
        if kills < 4:
            for _ in range(draw.randint(1, 25)):
                process.stdout.readline()
            time.sleep(draw.random() * 0.05)
            os.kill(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
            kills += process.wait() != 0
            process.stdout.close()
        else:
            process.communicate()
            break
    whole, killed = (weights.load(tmp_path / name)[0] for name in ("whole", "killed"))
    assert sorted(os.listdir(tmp_path)) == ["killed", "whole"], "a killed save leaves nothing that the next does not clear"
    assert kills == 4 and weights.load(tmp_path / "killed")[1]["step"] == 120
    assert whole.keys() == killed.keys()
    for name in whole:
        assert torch.equal(whole[name].nan_to_num(-1), killed[name].nan_to_num(-1)), name


def test_minutes_are_counted_once_and_kept_when_the_run_goes_on(tmp_path):
    options = {"minutes": 0.02, "batch_size": 16, "checkpoint": tmp_path / "run"}
    for stop in (TIMED // 2, TIMED + 5):
        for step in train(small_net(), POINTS, eps_loss(schedule), generator=seeded(), **options):
            if step.step == stop:
                break
        known = step.steps
        del step
    *_, end = train(small_net(), POINTS, eps_loss(schedule), generator=seeded(), **options)
    assert known is None or end.step == end.steps == known
    with pytest.raises(ValueError, match=r"a run with minutes = 0\.02, so it cannot go on with 3\.0"):
        train(small_net(), POINTS, eps_loss(schedule), generator=seeded(), **options | {"minutes": 3.0})


def test_a_loss_that_is_not_a_number_stops_with_the_step_and_the_last_good_checkpoint(tmp_path):
    def loss(model, batch, generator):
        good = eps_loss(schedule)(model, batch, generator)
        calls.append(1)
        return Loss(good.value * (math.nan if len(calls) == 13 else 1))

    calls = []
    path = tmp_path / "run"
    with pytest.raises(FloatingPointError, match=rf"At step 13 the loss \(nan\).*the last good checkpoint is {path}, step 1\."):
        run_to_end(small_net(), loss=loss, checkpoint=path)
    tensors, config = weights.load(path)
    assert config["step"] == 1 and all(v.isfinite().all() for k, v in tensors.items() if k.startswith("model."))


def test_a_loss_with_bins_needs_the_losses_of_the_items():
    def loss(model, batch, generator):
        good = eps_loss(schedule)(model, batch, generator)
        return good._replace(per_item=None)

    with pytest.raises(ValueError, match="A Loss with bin needs per_item too"):
        run_to_end(small_net(), loss=loss)


def test_an_infinite_gradient_stops_before_it_reaches_the_weights():
    net = small_net()

    def loss(model, batch, generator):
        return Loss((model.first.weight * 0).sum().sqrt())  # its value is 0, its gradient 0 * inf

    with pytest.raises(FloatingPointError, match="At step 1 "):
        run_to_end(net, loss=loss)
    assert all(p.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "steps=N or minutes=M"),
        ({"steps": 5, "minutes": 1.0}, "steps=N or minutes=M"),
        ({"steps": 0}, "more than 0"),
        ({"steps": 5, "batch_size": 0}, "batch_size = 0"),
        ({"steps": 5, "lr": math.nan}, "lr = nan, but it must be finite and not below 0"),
        ({"steps": 5, "weight_decay": -1.0}, "weight_decay = -1.0, but it must be finite"),
        ({"steps": 5, "warmup": -1}, "warmup = -1"),
        ({"steps": 5, "clip_norm": 0.0}, "clip_norm = 0.0, but it must be above 0"),
        ({"steps": 5, "ema_decay": 1.5}, "ema_decay = 1.5, but"),
        ({"minutes": 1.0, "warmup": TIMED - 1}, f"warmup = {TIMED - 1}, but with minutes the first {TIMED} steps are timed"),
        ({"steps": 5, "save_every": 1.0}, "save_every and config have no effect without a checkpoint: give one"),
        ({"steps": 5, "config": {}}, "save_every and config have no effect without a checkpoint"),
    ],
)
def test_wrong_arguments_are_named_at_the_call(options, words):
    with pytest.raises(ValueError, match=words):
        train(small_net(), POINTS, eps_loss(schedule), generator=seeded(), **options)


def test_data_that_do_not_fit_are_named_at_the_call():
    def call(net, *data):
        train(net, data, eps_loss(schedule), generator=seeded(), steps=5)

    with pytest.raises(ValueError, match=r"not \[200, 3\]"):
        call(small_net(), *POINTS, torch.zeros(3))
    with pytest.raises(ValueError, match=r"on one device, not on cpu, meta"):
        call(small_net(), torch.zeros(3, 2, device="meta"))
    with pytest.raises(ValueError, match="No weight of this network can be trained"):
        call(small_net().requires_grad_(False), *POINTS)


def test_a_warm_up_is_as_long_as_it_is_asked_to_be():
    steps = train(small_net(), POINTS, eps_loss(schedule), generator=seeded(), steps=30, batch_size=16, lr=1e-2, warmup=4)
    rates = [step.run.optimizer.param_groups[0]["lr"] for step in steps]
    assert rates == [learning_rate(i, 30, 1e-2, 4) for i in range(30)] and rates[4] == 1e-2


def test_the_network_trains_with_dropout_at_every_step_whatever_the_caller_does_between_them():
    def losses(disturb):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
        data = (POINTS[0], (POINTS[0][:, 0] > 0).long())
        for step in train(net, data, class_loss, generator=seeded(), steps=6, batch_size=16):
            yield step.loss
            if disturb:
                net.eval() if step.step < 3 else net[1].eval()

    assert list(losses(True)) == list(losses(False))


@pytest.mark.parametrize(
    ("loss", "data", "options", "words"),
    [
        (class_loss, (POINTS[0], torch.ones(200).long()), {}, "All labels are the same: a classifier learns from two or more"),
        (clip_loss(), (torch.rand(9, 1, 4, 4), torch.arange(9)[:, None]), {"batch_size": 1}, "a batch of 1 leaves no choice"),
        (clip_loss(), (torch.rand(9, 1, 4, 4), torch.ones(9, 3).long()), {}, "two or more different captions, but all"),
        (clip_loss(), (torch.zeros(9, 1, 4, 4), torch.arange(9)[:, None]), {}, "two or more different pictures, but all"),
        (clip_loss(), (torch.rand(1, 1, 4, 4), torch.ones(1, 3).long()), {}, "two or more different pictures, but all"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_at_the_call(loss, data, options, words):
    in_bytes = ((255 * data[0]).byte(), torch.zeros(len(data[0])).bool(), data[1])
    for each, given in [(loss, data)] + [(captioned(loss), in_bytes)] * (loss is not class_loss):
        with pytest.raises(ValueError, match=words):
            train(small_net(), given, each, generator=seeded(), **{"steps": 3, **options})
    if "batch_size" in options:
        with pytest.raises(ValueError, match=words):
            loss(small_net(), tuple(d[:1] for d in data), seeded())


def test_options_of_a_loss_without_effect_are_refused():
    points, labels = POINTS[0], torch.zeros(200).long()
    with pytest.raises(ValueError, match=r"drop = 0\.2 has no effect without null"):
        eps_loss(schedule, drop=0.2)
    with pytest.raises(ValueError, match=r"drop = 2\.0, but a probability"):
        x0_loss(schedule, drop=2.0, null=3)
    with pytest.raises(ValueError, match="no condition that it could replace"):
        eps_loss(schedule, null=3)(small_net(), (points,), seeded())
    with pytest.raises(ValueError, match=r"word_drop = 0\.2 has no effect on pictures without captions"):
        captioned(eps_loss(schedule), 0.2)(small_net(), (torch.zeros(2, 1, 4, 4).byte(), labels[:2].bool()), seeded())


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    run_to_end(small_net(), checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match=r"does not fit this network: condition\.time\.0\.bias is"):
        run_to_end(PointMLP(2, 32, 1), checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="a run of 30 steps, so it cannot go on with 40"):
        run_to_end(small_net(), steps=40, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match=r"a run with lr = 0\.001, so it cannot go on with 0\.5"):
        run_to_end(small_net(), lr=0.5, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match=r"a run with minutes = None, so it cannot go on with 2\.0"):
        run_to_end(small_net(), steps=None, minutes=2.0, checkpoint=tmp_path / "run")
    weights.save(tmp_path / "weights", small_net().state_dict(), {})
    with pytest.raises(ValueError, match="no training run"):
        run_to_end(small_net(), checkpoint=tmp_path / "weights")
