"""Flow matching against differences, a regression, the probability-flow ODE and straight lines."""

import pytest
import torch
from test_score import LINE, PATHS, PLANE, close, every_path, normal

from ddpm_lite import (
    Schedule,
    conditional_field,
    eps_from_flow,
    exact_score,
    field_of,
    marginal_field,
    ode_drift,
    rectified_pairs,
    sample,
    solve,
    straightness,
)
from ddpm_lite.training import targets


@every_path
def test_the_conditional_field_is_the_velocity_of_the_point(path):
    x0, eps = normal(6, 2), normal(6, 2, seed=1)
    t = torch.tensor([0.1, 0.3, 0.5, 0.6, 0.8, 0.95], dtype=torch.float64)

    def at(t):
        return path.signal(t)[:, None] * x0 + path.noise(t)[:, None] * eps

    h = 1e-6
    close(conditional_field(at(t), x0, t, path), (at(t + h) - at(t - h)) / (2 * h), rtol=1e-6, atol=1e-6)


def test_on_the_straight_path_it_is_the_target_of_flow_matching():
    x0, eps = normal(6, 2), normal(6, 2, seed=1)
    x_t = 0.7 * x0 + 0.3 * eps
    flow = targets.flow(x0, torch.full((6,), 300), eps, Schedule.straight(1000))
    close(conditional_field(x_t, x0, 0.3, PATHS["straight"]), flow)


@every_path
@pytest.mark.parametrize("t", [0.1, 0.5, 0.95])
def test_the_marginal_field_is_the_drift_of_the_ode(path, t):
    x = 2 * normal(40, 2)
    close(marginal_field(PLANE, path)(x, t), ode_drift(x, t, exact_score(PLANE, path)(x, t), path), rtol=1e-8, atol=1e-8)


def test_the_marginal_field_is_the_mean_of_the_conditional_ones():
    """Least squares of the conditional velocity on bins of x: each bin's mean against the exact field in its middle."""
    path, t, n = PATHS["straight"], 0.4, 400_000
    x0 = LINE.draw(n, torch.Generator().manual_seed(0))[0]
    eps = normal(n, 1, seed=1)
    x = 0.6 * x0 + 0.4 * eps
    velocity = conditional_field(x, x0, t, path)[:, 0]
    for low in torch.linspace(-1, 1, 9).tolist():
        inside = (x[:, 0] > low) & (x[:, 0] < low + 0.02)
        error = float(velocity[inside].std() / inside.sum().sqrt())
        exact = marginal_field(LINE, path)(torch.full((1, 1), low + 0.01, dtype=torch.float64), t)
        assert abs(float(velocity[inside].mean() - exact)) < 4.5 * error + 0.01, low


def test_the_straight_flow_starts_where_no_signal_is_left():
    """At t = 1 the drift of the SDE is infinite, and the field is not: x - E[x_0]."""
    x = normal(5, 2)
    close(marginal_field(PLANE, PATHS["straight"])(x, 1.0), x - PLANE.weights @ PLANE.means)


def test_the_straight_flow_carries_noise_to_the_data():
    from scipy import stats

    times = torch.linspace(1, 1e-3, 200, dtype=torch.float64)
    x0, eps = rectified_pairs(marginal_field(LINE, PATHS["straight"]), normal(4000, 1), times)
    assert torch.equal(eps, normal(4000, 1))
    truth = LINE.draw(4000, torch.Generator().manual_seed(3))[0]
    assert stats.ks_2samp(x0[:, 0].numpy(), truth[:, 0].numpy()).pvalue > 0.01
    assert (x0[eps[:, 0].argsort(), 0].diff() > 0).all(), "on a line, paths do not cross"


def test_straightness_is_0_on_lines_and_known_on_a_curve():
    times = torch.linspace(0, 1, 2001, dtype=torch.float64)
    start, velocity = normal(4, 2), normal(4, 2, seed=1)
    lines = start + times[:, None, None] * velocity
    assert float(straightness(lines, times)) < 1e-20 and float(straightness(lines.flip(0), times.flip(0))) < 1e-20
    parabola = start + times[:, None, None] ** 2 * velocity  # speed 2 t v: the integral of (1 - 2 t)^2 is 1/3
    assert float(straightness(parabola, times)) == pytest.approx(1 / 3, abs=1e-5)
    uneven = torch.linspace(0, 1, 2001, dtype=torch.float64) ** 2
    close(straightness(start + uneven[:, None, None] ** 2 * velocity, uneven), torch.tensor(1 / 3).double(), rtol=1e-4, atol=0)


def test_the_field_of_a_network_is_what_the_samplers_follow():
    """Euler on the straight path, with the field of the network, against `sample`, at the same steps."""
    schedule, eps = Schedule.straight(1000), normal(6, 2)

    def model(x, t, cond=None):
        return torch.tanh(x) * (0.5 + t[:, None] / 1000) + (0 if cond is None else cond[:, None])

    def as_noise(x, t, cond=None):
        return eps_from_flow(x, model(x, t, cond), t, schedule)

    cond = torch.arange(6.0).double() / 6
    field = field_of(model, schedule, cond)
    steps = [900, 600, 300]
    a = schedule.alpha_bar[900]
    x = eps / (a.sqrt() + (1 - a).sqrt())  # the same point on the straight path
    for t, t_next in ((0.9, 0.6), (0.6, 0.3), (0.3, 0.0)):
        x = x + (t_next - t) * field(x, t)
    *_, last = sample(as_noise, eps, schedule, cond=cond, steps=steps, method="euler")
    close(last.x_t, x, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(field_of(model, schedule)(x, 0.5), field(x, 0.5))
    assert torch.equal(field(x, 0.0), field(x, 1e-3)), "there is no step 0"


def test_times_that_rise_are_refused():
    with pytest.raises(ValueError, match="times must fall"):
        rectified_pairs(lambda x, t: x, normal(3, 2), torch.tensor([0.0, 1.0]).double())


def test_solve_keeps_the_way():
    states = solve(lambda x, t: torch.ones_like(x), normal(3, 2), torch.tensor([0.0, 0.25, 1.0]).double())
    close(states - normal(3, 2), torch.tensor([0.0, 0.25, 1.0]).double()[:, None, None].expand(3, 3, 2))
