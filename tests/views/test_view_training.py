"""Training: snapshots against the network asked directly, the floor against `loss_floor`, and what they say in words."""

import numpy as np
import pytest
import torch
import traitlets

from ddpm_lite import GaussianMixture, PointMLP, Schedule, eps_loss, loss_floor, sample, train
from ddpm_lite.data import points
from ddpm_lite.views import Training
from ddpm_lite.views.field import THOUSANDTHS, places
from ddpm_lite.views.plots import png
from ddpm_lite.views.training import on_a_spot

SCHEDULE = Schedule.linear(1000)
RING = points.ring()


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def saved():
    """A short training, looked at four times, and the network at its end."""
    torch.manual_seed(0)
    data, kept = RING.draw(2000, seeded())[0].float(), {}
    for step in train(PointMLP(2, 32, 2), (data,), eps_loss(SCHEDULE), generator=seeded(), steps=60, batch_size=256, lr=5e-3):
        if step.step in (1, 20, 40, 60):
            kept[step.step] = Training.snapshot(step.run.ema, RING, SCHEDULE, seeded())
    return kept, step.run.ema


def test_the_frame_is_what_the_network_answered(saved):
    kept, net = saved
    view = Training(kept, RING, SCHEDULE, t=200)
    frame = view.frame()
    with torch.no_grad():
        eps_hat = net(places().float(), torch.full((256,), 200))
    assert np.abs(frame["ways"] + float(1 - SCHEDULE.alpha_bar[200]) ** 0.5 * eps_hat.numpy()).max() < 1e-5
    *_, last = sample(net, torch.randn(150, 2, generator=seeded()), SCHEDULE, steps=THOUSANDTHS[::-1], method="ddim")
    assert np.abs(frame["samples"] - last.x_t.numpy()).max() < 1e-4
    view.step = 20
    assert np.array_equal(view.frame()["loss"], kept[20].loss.numpy().astype("f4"))


def test_the_loss_is_that_of_the_answers_and_lies_above_its_floor(saved):
    kept, net = saved
    draws = seeded()
    torch.randn(150, 2, generator=draws)
    x0, eps = RING.draw(512, draws)[0], torch.randn(512, 2, generator=draws, dtype=torch.float64)
    view = Training(kept, RING, SCHEDULE)
    for t, loss, floor in zip(view.loss_t, kept[60].loss, kept[60].floor, strict=True):
        a = SCHEDULE.alpha_bar[t]
        x_t = a.sqrt() * x0 + (1 - a).sqrt() * eps
        with torch.no_grad():
            eps_hat = net(x_t.float(), torch.full((512,), t))
        assert abs(loss - (eps - eps_hat).square().mean()) < 1e-6
        best = loss_floor(RING, t, SCHEDULE, 8000, seeded(4))
        assert abs(floor - best.value) < 5 * best.std_error * (8000 / 512) ** 0.5
        assert all(shot.loss[view.loss_t.index(t)] > floor - 0.02 for shot in kept.values())


def test_the_exact_answers_would_lie_on_the_floor_and_on_the_spots():
    shot = Training.snapshot(RING.eps_model(SCHEDULE), RING, SCHEDULE, seeded())
    assert torch.allclose(shot.loss, shot.floor, atol=1e-6)
    view = Training({1: shot}, RING, SCHEDULE)
    assert view.on_a_spot[0] > 0.95
    ways = np.frombuffer(view.exact_ways, "<f4").reshape(shot.ways.shape)
    assert np.abs(ways - shot.ways.numpy()).max() < 1e-5


def test_on_a_spot_is_within_three_standard_deviations_of_one():
    slanted = GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.tensor([[[0.5, 0.4], [0.4, 0.5]]]))  # axes 0.95 and 0.32
    x = torch.tensor([[2.0, 2.0], [2.1, 2.1], [0.6, -0.6], [0.7, -0.7]])
    assert on_a_spot(x, slanted).tolist() == [1, 0, 1, 0]
    expected = 1 - np.exp(-4.5)  # chi-squared with two degrees of freedom
    assert (
        abs(float(on_a_spot(RING.draw(20_000, seeded())[0], RING).mean()) - expected)
        < 5 * (expected * (1 - expected) / 20_000) ** 0.5
    )


def test_the_words_tell_the_state(saved):
    view = Training(saved[0], RING, SCHEDULE, step=1, t=60)
    loss, floor = saved[0][1].loss[view.loss_t.index(60)], saved[0][1].floor[view.loss_t.index(60)]
    assert view.describe() == (
        "After 1 of 60 training steps: 0 % of 150 points drawn lie on a spot, 150 beyond the plane; "
        f"at t = 60 the loss is {loss:.2f}, its floor {floor:.2f}."
    )


def test_without_widgets_there_is_a_picture_and_what_is_sent_is_small(saved):
    view = Training(saved[0], RING, SCHEDULE)
    assert len(png(view.filmstrip())) < 100_000
    assert sum(len(v) for v in view.get_state().values() if isinstance(v, bytes)) < 60_000  # four steps


def test_one_step_and_one_snapshot_are_enough():
    schedule = Schedule.linear(1, 0.5, 0.5)
    shot = Training.snapshot(lambda x, t, cond=None: x, RING, schedule, seeded())
    view = Training({5: shot}, RING, schedule)
    assert view.steps == [5] and view.loss_t == view.shown_t == [1] and len(view.frame()["loss"]) == 1


def test_snapshots_that_do_not_belong_together_are_refused(saved):
    with pytest.raises(ValueError, match="saved is empty"):
        Training({}, RING, SCHEDULE)
    other = Training.snapshot(saved[1], RING, SCHEDULE, seeded(9))
    with pytest.raises(ValueError, match="step 80 answers other questions than that of step 1"):
        Training({**saved[0], 80: other}, RING, SCHEDULE)
    with pytest.raises(ValueError, match="in the plane"):
        Training(saved[0], points.two_humps(), SCHEDULE)
    with pytest.raises(ValueError, match="training mode"):
        Training.snapshot(PointMLP(2, 16, 1), RING, SCHEDULE, seeded())


def test_a_state_that_there_is_not_is_refused(saved):
    view = Training(saved[0], RING, SCHEDULE)
    with pytest.raises(traitlets.TraitError, match="step = 2 is none of 1, 20, 40, 60"):
        view.step = 2
    with pytest.raises(traitlets.TraitError, match="t = 61 is none of 20, 60, 200, 500"):
        view.t = 61
