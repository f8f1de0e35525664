"""The Density view's Python half: densities, and the chains forward and back, against independent computation."""

import math

import numpy as np
import pytest
import torch
import traitlets
from scipy import stats

from ddpm_lite import Schedule
from ddpm_lite.sampling.loop import timesteps
from ddpm_lite.sampling.samplers import ddpm_step
from ddpm_lite.views import Density
from ddpm_lite.views.density import CHAINS, GRID, PENS, step_back
from ddpm_lite.views.plots import png

SCHEDULE = Schedule.linear(1000)
CHANCE = 1.63 / math.sqrt(CHAINS)  # 99 of 100 samples of the right distribution are nearer
NAMES = [*Density.DENSITIES, "drawn"]


def view(**state):
    return Density(SCHEDULE, **state)


def parts(density):
    return (a.numpy() for a in (density.weights, density.means[:, 0], density.covs[:, 0, 0]))


def pdf(density, x):
    """Of a mixture on a line, by scipy."""
    return sum(w * stats.norm.pdf(x, m, math.sqrt(v)) for w, m, v in zip(*parts(density), strict=True))


def cdf(density, x):
    return sum(w * stats.norm.cdf(x, m, math.sqrt(v)) for w, m, v in zip(*parts(density), strict=True))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("t", [20, 200, 1000])
def test_the_density_at_t_is_the_start_density_shrunk_and_blurred(name, t):
    there = view(density=name, t=t)
    a, y = float(SCHEDULE.alpha_bar[t]), np.linspace(-6, 6, 12_001)
    blur = stats.norm.pdf(GRID[:, None], math.sqrt(a) * y, math.sqrt(1 - a))
    assert np.abs(there.frame()["density"] - (blur * pdf(there.mixture(), y)).sum(1) * (y[1] - y[0])).max() < 1e-8


def test_the_heat_is_the_density_at_its_columns():
    there = view(density="a box")
    heat = there.frame()["heat"]
    t = math.floor(30.5 * 1000 / len(heat) + 0.5)
    x = 3.2 * ((np.arange(heat.shape[1]) + 0.5) * 2 / heat.shape[1] - 1)
    assert np.abs(heat[30] - pdf(there.mixture().diffused(t, SCHEDULE), x)).max() < 1e-10


def test_a_step_back_is_a_draw_from_bayes_rule_on_a_grid():
    mixture, g, n = Density.DENSITIES["two humps"], torch.Generator().manual_seed(0), 40_000
    for t, t_next, here in ((500, 250, 0.2), (250, 0, 0.1), (40, 39, -0.6), (1, 0, 0.9)):
        x_t = torch.full((n, 1), here, dtype=torch.float64)
        u, z = torch.rand(n, 1, generator=g, dtype=torch.float64), torch.randn(n, 1, generator=g, dtype=torch.float64)
        drawn = step_back(x_t, t, t_next, mixture, SCHEDULE, u, z)[:, 0].numpy()
        y = np.linspace(-6, 6, 60_001)
        alpha = float(SCHEDULE.alpha_bar[t] / SCHEDULE.alpha_bar[t_next])
        likelihood = stats.norm.pdf(here, math.sqrt(alpha) * y, math.sqrt(1 - alpha))
        exact = (likelihood * pdf(mixture.diffused(t_next, SCHEDULE), y)).cumsum()
        assert stats.kstest(drawn, lambda x, y=y, exact=exact: np.interp(x, y, exact / exact[-1])).pvalue > 1e-3, (t, t_next)


@pytest.mark.parametrize("name", NAMES)
def test_exact_steps_end_in_the_start_density_however_few_and_those_of_algorithm_2_do_not(name):
    mixture, g, n = view(density=name).mixture(), torch.Generator().manual_seed(1), 20_000
    exact = gaussian = torch.randn(n, 1, generator=g, dtype=torch.float64)
    for t, t_next in ((1000, 750), (750, 500), (500, 250), (250, 0)):
        u, z = torch.rand(n, 1, generator=g, dtype=torch.float64), torch.randn(n, 1, generator=g, dtype=torch.float64)
        exact = step_back(exact, t, t_next, mixture, SCHEDULE, u, z)
        gaussian = ddpm_step(gaussian, mixture.eps(gaussian, t, SCHEDULE), t, t_next, SCHEDULE, z)
    ends = [stats.kstest(x[:, 0].numpy(), lambda x: cdf(mixture, x)).statistic for x in (exact, gaussian)]
    assert ends[0] < 1.95 / math.sqrt(n) and ends[1] > 0.1  # 1.95: exceeded by chance once in a thousand


@pytest.mark.parametrize("strides", [4, 20])
def test_algorithm_2_walks_by_the_score_of_the_density(strides):
    there = view(density="drawn", way="back, Algorithm 2", strides=strides)
    stops, x = there.chains()
    for k in range(1, len(stops)):
        t, t_next, x_t = stops[k], stops[k - 1], x[k].numpy()
        now, before = float(SCHEDULE.alpha_bar[t]), float(SCHEDULE.alpha_bar[t_next])
        at_t = there.mixture().diffused(t, SCHEDULE)
        slope = sum(-w * (x_t - m) / v * stats.norm.pdf(x_t, m, v**0.5) for w, m, v in zip(*parts(at_t), strict=True))
        eps = -math.sqrt(1 - now) * slope / pdf(at_t, x_t)  # eps* = -sqrt(1 - alpha_bar) d/dx log q(x_t)
        alpha = now / before
        mean = (x_t - (1 - alpha) / math.sqrt(1 - now) * eps) / math.sqrt(alpha)
        sigma = math.sqrt((1 - before) / (1 - now) * (1 - alpha))
        step = torch.from_numpy(eps), t, t_next, SCHEDULE
        rest = x[k - 1].numpy() - mean
        if t_next == 0:
            assert np.abs(rest).max() < 1e-10
        else:
            z = torch.from_numpy(rest / sigma)
            assert stats.kstest(z, "norm").pvalue > 1e-3
            assert np.abs(ddpm_step(x[k], *step, z).numpy() - x[k - 1].numpy()).max() < 1e-10


def test_both_ways_back_have_the_same_noise_and_start():
    exact, gaussian = (view(way=way, strides=50).chains()[1] for way in ("back, exact", "back, Algorithm 2"))
    assert torch.equal(exact[-1], gaussian[-1])
    assert np.corrcoef(exact[-2], gaussian[-2])[0, 1] > 0.99 and not torch.equal(exact[-2], gaussian[-2])


def test_the_forward_chain_takes_the_steps_of_the_lecture():
    there = view(density="three humps")
    stops, x = there.chains()
    assert stops == list(range(1001)) and x.shape == (1001, CHAINS)
    z = (x[1:] - SCHEDULE.alpha[1:, None].sqrt() * x[:-1]) / SCHEDULE.beta[1:, None].sqrt()
    assert stats.kstest(z.flatten(), "norm").pvalue > 1e-3
    for one, other in ((z[:-1], z[1:]), (z[:, :-1], z[:, 1:]), (z, x[:-1])):  # fresh in each step and each chain
        assert abs(np.corrcoef(one.flatten(), other.flatten())[0, 1]) < 5 / math.sqrt(z.numel())
    for t in (0, 100, 1000):
        assert stats.kstest(x[t], lambda v, t=t: cdf(there.mixture().diffused(t, SCHEDULE), v)).statistic < CHANCE


@pytest.mark.parametrize("name", NAMES)
def test_few_steps_of_algorithm_2_are_told_to_be_wrong_and_exact_ones_right(name):
    for way, strides, right in (("back, exact", 4, True), ("back, Algorithm 2", 4, False), ("back, Algorithm 2", 100, True)):
        there = view(density=name, way=way, strides=strides)
        found = stats.kstest(there.chains()[1][0], lambda x, there=there: cdf(there.mixture(), x)).statistic
        assert abs(there.distance() - found) < 1e-12
        assert found < CHANCE if right else found > 2 * CHANCE
        assert f"largest gap of {found:.2f} to q(x_0)" in there.describe()


def test_forward_the_gap_to_the_normal_distribution_closes():
    there = view(t=0)
    gap = np.abs(cdf(there.mixture(), GRID) - stats.norm.cdf(GRID)).max()
    assert (
        there.describe()
        == f"Three humps, forward, at t = 0 of 1000. Largest gap of q(x_t) to the normal distribution: {gap:.2f}."
    )
    there.t = 1000
    assert there.describe().endswith("distribution: 0.00.")


def test_a_chain_on_its_way_back_is_seen_where_it_last_stood():
    there = view(way="back, exact", strides=4)
    for t, stands in ((1000, 1000), (999, 1000), (751, 1000), (750, 750), (1, 250), (0, 0)):
        there.t = t
        assert there.stops()[there.seen()] == stands and f"at t = {stands} of" in there.describe()
        assert np.array_equal(there.frame()["chains"], there.chains()[1][[0, 250, 500, 750, 1000].index(stands)])
    assert there.stops() == [0, *timesteps(1000, 4)[::-1]]


def test_what_is_drawn_holds_all_chains_and_forty_paths():
    frame = view(t=300).frame()
    assert frame["paths"].shape == (126, 40) and np.array_equal(frame["paths"][-1], view().chains()[1][-1, :40])
    assert abs(frame["bars"].sum() * 6.4 / 40 - (np.abs(frame["chains"]) < 3.2).mean()) < 1e-12


def test_a_drawn_density_is_the_mixture_of_its_weights_whatever_their_sum():
    weights = [0.0] * 17
    weights[3], weights[10] = 3.0, 1.0
    there = view(density="drawn", weights=weights)
    expected = 0.75 * stats.norm.pdf(GRID, PENS[3], 0.2) + 0.25 * stats.norm.pdf(GRID, PENS[10], 0.2)
    assert np.abs(there.frame()["density"] - expected).max() < 1e-12
    assert there.describe().startswith("A drawn density, forward")


@pytest.mark.parametrize("schedule", [Schedule.linear(1, 0.5, 0.5), Schedule.linear(3), Schedule.cosine(200)])
def test_other_schedules_work(schedule):
    for way in Density.WAYS:
        frame = Density(schedule, way=way, t=schedule.T).frame()
        assert all(np.isfinite(values).all() for values in frame.values())


def test_what_cannot_be_is_refused_in_one_sentence():
    there = view()
    for trait, value, says in (
        ("t", 1001, "between 0 and T = 1000"),
        ("way", "sideways", "must be one of"),
        ("strides", 7, "must be one of"),
        ("weights", [1.0] * 5, "17 finite numbers"),
        ("weights", [math.nan] * 17, "17 finite numbers"),
        ("weights", [0.0] * 17, "not all of them 0"),
        ("weights", [-1.0] + [1.0] * 16, "at least 0"),
        ("density", "four humps", "four humps"),
    ):
        with pytest.raises(traitlets.TraitError, match=says):
            setattr(there, trait, value)
    with pytest.raises(ValueError, match="at most 1000 steps"):
        Density(Schedule.linear(1001))
    with pytest.raises(ValueError, match="ways must be some of"):
        Density(SCHEDULE, ways=("up",))
    with pytest.raises(traitlets.TraitError, match="way = 'back, exact'"):
        Density(SCHEDULE, ways=("forward",), way="back, exact")


def test_reset_linking_and_what_is_sent():
    one, two = view(t=40), view()
    traitlets.link((one, "t"), (two, "t"))
    one.t = 77
    assert two.t == 77 and one.start["t"] == 40 and set(one.start) == {"t", "density", "weights", "way", "strides"}
    assert sum(len(v) for v in one.get_state().values() if isinstance(v, bytes)) < 10_000


@pytest.mark.parametrize("state", [{}, {"way": "back, exact", "density": "two humps"}, {"ways": ("back, Algorithm 2",)}])
def test_a_page_without_widgets_gets_a_picture(monkeypatch, state):
    there = view(**state)
    monkeypatch.setattr(Density, "__init__", None)  # another widget would be stored in the notebook too
    assert len(png(there.filmstrip())) < 100_000
