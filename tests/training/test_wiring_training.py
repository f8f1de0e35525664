"""The wiring of the loop: every argument of `train` reaches what it is for, and all that a run keeps is there when it goes on."""

from functools import cache
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ddpm_lite import Loss, Schedule, eps_loss, train
from ddpm_lite.machine import distributed, weights
from ddpm_lite.training import pace
from ddpm_lite.training.checkpoint import BINS, WINDOW
from ddpm_lite.training.loop import learning_rate
from ddpm_lite.training.losses import class_loss
from ddpm_lite.training.pace import TIMED

STEPS = TIMED + 10


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


DATA = torch.randn(300, 3, generator=seeded(1)), torch.randn(300, 2, generator=seeded(2))


def net(*more: nn.Module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 2), *more)


def squares(model, batch, generator):
    """Now and then large, so that some gradients are clipped and others not."""
    x, y = batch
    per_item = 10 ** (2 * torch.rand((), generator=generator) - 1) * (model(x) - y).square().mean(1)
    return Loss(per_item.mean(), per_item.detach())


def run_to_end(model=None, loss=squares, data=DATA, generator=None, steps=STEPS, **options):
    options = {"batch_size": 16, "lr": 1e-2, **options}
    *_, step = train(model or net(), data, loss, generator=generator or seeded(), steps=steps, **options)
    return step.run


@cache
def by_hand(batch_size=16, lr=1e-2, warmup=100, weight_decay=0.0, clip_norm=1.0) -> nn.Module:
    """The loop as one would write it."""
    model, generator = net(), seeded()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = learning_rate(step, STEPS, lr, warmup)
        rows = torch.randint(len(DATA[0]), (batch_size,), generator=generator)
        optimizer.zero_grad()
        squares(model, tuple(d[rows] for d in DATA), generator).value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
    return model


def close(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.allclose(x, y, rtol=1e-4, atol=1e-6) for x, y in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lr": 3e-2},
        {"warmup": 10},
        {"warmup": TIMED + 5},
        {"batch_size": 5},
        {"weight_decay": 0.01},
        {"weight_decay": 0.5},
        {"clip_norm": 0.1},
        {"clip_norm": 10.0},
        {"clip_norm": 1e9},
    ],
    ids=str,
)
def test_the_loop_is_the_one_written_by_hand(options):
    assert close(run_to_end(**options).model, by_hand(**options))
    if options:
        assert not close(by_hand(**options), by_hand()), "this option cannot be seen here"


def test_with_a_given_number_of_steps_or_minutes_the_learning_rate_falls_to_0(monkeypatch):
    clock = ticking(monkeypatch)
    for length in ({"steps": STEPS + 50}, {"minutes": 2.0}):
        steps = list(train(net(), DATA, timed(clock), generator=seeded(), batch_size=4, warmup=TIMED, lr=1e-2, **length))
        rates = [step.run.optimizer.param_groups[0]["lr"] for step in steps[-1:]]
        assert 0 < rates[0] < 1e-4 and len(steps) == (STEPS + 50 if "steps" in length else 120)


def ticking(monkeypatch) -> SimpleNamespace:
    """A clock in the place of the loop's, which stands still unless it is moved."""
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(pace, "time", clock)
    return clock


def timed(clock):
    """A loss that takes a second."""

    def loss(*given):
        clock.now += 1
        return squares(*given)

    return loss


def test_a_run_is_saved_as_often_as_asked_and_at_its_end(tmp_path, monkeypatch):
    saved, options = [], {"batch_size": 4, "checkpoint": tmp_path / "run", "save_every": 3.0}
    for _ in train(net(), DATA, timed(ticking(monkeypatch)), generator=seeded(), steps=10, **options):
        saved.append(weights.load(tmp_path / "run")[1]["step"])
    assert saved == [1, 1, 1, 1, 5, 5, 5, 5, 9, 10]


def test_a_number_of_steps_is_saved_as_soon_as_it_is_known(tmp_path, monkeypatch):
    loss = timed(ticking(monkeypatch))
    for step in train(
        net(), DATA, loss, generator=seeded(), minutes=2.0, batch_size=4, checkpoint=tmp_path / "run", save_every=1e9
    ):
        kept = weights.load(tmp_path / "run")[1]["steps"]
        assert (kept is None) == (step.step < TIMED) and kept == step.steps
        if step.step > TIMED:
            break


def test_seconds_and_config_are_those_of_all_parts_of_a_run(tmp_path, monkeypatch):
    options = {"loss": timed(ticking(monkeypatch)), "checkpoint": tmp_path / "run"}
    for step in train(
        net(), DATA, options["loss"], generator=seeded(), steps=9, checkpoint=tmp_path / "run", config={"name": "a"}
    ):
        if step.step == 4:
            break
    del step
    assert weights.load(tmp_path / "run")[1]["name"] == "a"
    run = run_to_end(**options, steps=9, batch_size=128, lr=1e-3)
    assert run.seconds == weights.load(tmp_path / "run")[1]["seconds"] == 9
    assert run.config["name"] == weights.load(tmp_path / "run")[1]["name"] == "a"


OTHER = {"batch_size": 8, "lr": 0.5, "warmup": 7, "weight_decay": 0.5, "ema_decay": 0.5, "clip_norm": 0.5}


@pytest.mark.parametrize("name", OTHER)
def test_a_run_goes_on_with_the_numbers_it_was_started_with_or_not_at_all(tmp_path, name):
    run_to_end(checkpoint=tmp_path / "run", steps=2)
    with pytest.raises(ValueError, match=f"a run with {name} = .*, so it cannot go on with {OTHER[name]}"):
        run_to_end(checkpoint=tmp_path / "run", steps=2, **{name: OTHER[name]})


def test_a_row_of_the_history_is_the_mean_of_its_own_steps():
    seen, loss = [], eps_loss(Schedule.linear(100))

    def kept(*given):
        seen.append(loss(*given))
        return seen[-1]

    history = run_to_end(Points(), kept, (DATA[0],), steps=3 * WINDOW).history
    for row, own in zip(history, (seen[i : i + WINDOW] for i in range(0, 3 * WINDOW, WINDOW)), strict=True):
        per_item, bins = torch.cat([s.per_item for s in own]), torch.cat([s.bin for s in own])
        assert row[1] == pytest.approx(float(per_item.mean()), rel=1e-5)
        means = [per_item[bins == k].mean() for k in range(BINS)]
        torch.testing.assert_close(row[2:], torch.stack(means), rtol=1e-5, atol=1e-6, equal_nan=True)


class Points(nn.Linear):
    """A network of noisy points that sees neither t nor a condition."""

    def __init__(self):
        super().__init__(3, 3)

    def forward(self, x_t, t, cond=None):
        return super().forward(x_t)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_the_average_forgets_at_the_rate_asked(decay):
    average = None
    for step in train(net(), DATA, squares, generator=seeded(), steps=9, batch_size=16, lr=1e-2, ema_decay=decay):
        now = step.run.model[0].weight.detach().clone()
        d = min(decay, step.step / (step.step + 9))
        average = d * (net()[0].weight.detach() if average is None else average) + (1 - d) * now
        torch.testing.assert_close(step.run.ema[0].weight, average)


def test_statistics_of_the_network_are_copied_and_not_averaged():
    run = run_to_end(net(nn.BatchNorm1d(2)), steps=3)
    for mine, theirs in zip(run.ema.buffers(), run.model.buffers(), strict=True):
        assert torch.equal(mine, theirs)
    assert run.model[1].num_batches_tracked == 3 and not torch.equal(run.ema[0].weight, run.model[0].weight)


def drawn(n, generator):
    """Rows as `train` takes them from tensors, drawn by a function."""
    rows = torch.randint(len(DATA[0]), (n,), generator=generator)
    return tuple(d[rows] for d in DATA)


def test_data_that_are_drawn_train_as_the_same_rows_of_tensors(tmp_path):
    whole, tensors = run_to_end(data=drawn), run_to_end()
    assert torch.equal(whole.model[0].weight, tensors.model[0].weight)
    begun = train(net(), drawn, squares, generator=seeded(), steps=STEPS, batch_size=16, lr=1e-2, checkpoint=tmp_path / "a")
    for step in begun:
        if step.step == 7:
            begun.close()
    resumed = run_to_end(data=drawn, checkpoint=tmp_path / "a")
    assert torch.equal(resumed.model[0].weight, whole.model[0].weight)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (lambda n, generator: (torch.full((n, 3), torch.nan), torch.zeros(n, 2)), "must be finite"),
        (lambda n, generator: (torch.zeros(n, 3), torch.zeros(n + 1, 2)), "same number of rows"),
        (lambda n, generator: (), "at least one"),
    ],
)
def test_drawn_data_are_looked_at_before_the_first_step(rows, said):
    with pytest.raises(ValueError, match=said):
        train(net(), rows, squares, generator=seeded(), steps=3)
    with pytest.raises(ValueError, match="All labels are the same"):
        train(net(), lambda n, generator: (torch.zeros(n, 3), torch.zeros(n)), class_loss, generator=seeded(), steps=3)


def test_compile_is_asked_for_where_it_is_wanted(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda model: compiled.append(model) or model)
    run_to_end(steps=1)
    assert compiled == []
    run = run_to_end(steps=1, compile=True)
    assert compiled == [run.model]


def test_dropout_leaves_the_global_generator_alone_and_differs_between_processes(monkeypatch):
    before, runs = torch.get_rng_state(), {}
    for rank in (0, 0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        runs.setdefault(rank, []).append(run_to_end(net(nn.Dropout(0.5)), steps=3).model)
    assert torch.equal(before, torch.get_rng_state())
    assert close(*runs[0]) and not close(runs[0][0], runs[1][0])


def test_the_loss_that_is_reported_is_the_mean_of_all_processes(monkeypatch):
    monkeypatch.setattr(distributed, "mean", lambda x: x * 0 + 7)
    assert next(train(net(), DATA, squares, generator=seeded(), steps=1)).loss == 7


def test_a_classifier_s_loss_is_the_mean_cross_entropy():
    x, labels = DATA[0], torch.arange(300) % 2
    loss, model = class_loss(net(), (x, labels)), net()
    by_item = -model(x).log_softmax(1)[torch.arange(300), labels]
    torch.testing.assert_close(loss.per_item, by_item.detach())
    torch.testing.assert_close(loss.value, by_item.mean())


class Half(nn.Sequential):
    """A network that works in fp16, as on an older GPU: its gradients are scaled so that none becomes 0."""

    precision = torch.float16


def test_scaled_gradients_train_as_plain_ones():
    half, plain = run_to_end(Half(*net())), run_to_end()
    assert half.scaler.is_enabled() and not plain.scaler.is_enabled() and half.scaler.get_scale() == 2.0**16
    assert close(half.model, plain.model)


def test_an_infinite_scaled_gradient_skips_a_step_and_the_lower_scale_is_kept(tmp_path):
    calls = []

    def loss(*given):
        calls.append(1)
        good = squares(*given)
        return good._replace(value=good.value * (1 if len(calls) != 3 else 1e34))  # infinite once scaled

    for step in train(Half(*net()), DATA, loss, generator=seeded(), steps=9, batch_size=16, lr=1e-2, checkpoint=tmp_path / "run"):
        assert step.run.scaler.get_scale() == (2.0**16 if step.step < 3 else 2.0**15)
        if step.step == 5:
            break
    del step
    assert run_to_end(Half(*net()), squares, steps=9, checkpoint=tmp_path / "run").scaler.get_scale() == 2.0**15


def test_the_optimizer_s_state_has_the_memory_format_of_the_weights_when_a_run_goes_on(tmp_path):
    def pictures():
        return nn.Conv2d(4, 4, 3, padding=1).to(memory_format=torch.channels_last)

    def loss(model, batch, generator):
        return Loss((model(batch[0]) - 1).square().mean())

    options = {"loss": loss, "data": (torch.randn(8, 4, 5, 5),), "checkpoint": tmp_path / "run"}
    for step in train(pictures(), options["data"], loss, generator=seeded(), steps=4, checkpoint=tmp_path / "run"):
        if step.step == 2:
            break
    del step
    run = run_to_end(pictures(), **options, steps=4, batch_size=128, lr=1e-3)
    weight = run.model.weight
    assert all(run.optimizer.state[weight][part].stride() == weight.stride() for part in ("exp_avg", "exp_avg_sq"))
