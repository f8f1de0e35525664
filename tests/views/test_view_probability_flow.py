"""ProbabilityFlow: its arrows against distribution functions and quadrature, its paths against quantiles and the samplers."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import traitlets
from lab import marks
from on_a_page import ROOT, opened, published, swipe
from playwright.sync_api import expect
from scipy import stats
from scipy.interpolate import RegularGridInterpolator
from scipy.stats import multivariate_normal
from test_view_field import SLANTED, many

from ddpm_lite import GaussianMixture, Schedule, ddim_step, marginal_field
from ddpm_lite.data import points
from ddpm_lite.views import ProbabilityFlow
from ddpm_lite.views.flow_steps import noisy_step, ode_step
from ddpm_lite.views.plots import png
from ddpm_lite.views.probability_flow import END, KNOTS

# Only the first tests run with the shape checks: with them a path of a thousand calls takes minutes.
slow = pytest.mark.usefixtures("unchecked")
KINDS = list(ProbabilityFlow.PATHS)
LINE = GaussianMixture(torch.tensor([2.0, 1.0]), torch.tensor([[-1.2], [0.9]]), torch.tensor([0.1, 0.03]))
AHEAD = {"diffusion": 0.06, "flow matching": 0.2}  # the time that an arrow in the plane lasts
each_path = pytest.mark.parametrize("kind", KINDS)


def off(kind: str):
    """A field that is not the exact one, but goes much the same way."""
    exact = marginal_field(SLANTED, ProbabilityFlow.PATHS[kind])
    return lambda x, u: 0.9 * exact(x, u) + 0.1 * torch.sin(3 * x.flip(1) + u)


def flow(kinds: tuple[str, ...] = ("flow matching", "diffusion"), **state) -> ProbabilityFlow:
    return ProbabilityFlow(LINE, SLANTED, {kind: off(kind) for kind in kinds}, **state)


def spread(kind: str, u: float) -> tuple[float, float]:
    """What is left of x_0 at u, and the standard deviation of the noise: written down again."""
    share = math.exp(-(0.1 * u + 9.95 * u**2))
    return (math.sqrt(share), math.sqrt(1 - share)) if kind == "diffusion" else (1 - u, u)


def on_the_line(kind: str, u: float, of) -> np.ndarray:
    """A density or a distribution function (`of` scipy's normal) of LINE at u."""
    a, b = spread(kind, u)
    parts = zip((2 / 3, 1 / 3), (-1.2, 0.9), (0.1, 0.03), strict=True)
    return sum(w * of(a * m, math.sqrt(a * a * v + b * b)) for w, m, v in parts)


def cdf(kind: str, u: float, x: np.ndarray) -> np.ndarray:
    return on_the_line(kind, u, lambda mean, std: stats.norm.cdf(x, mean, std))


def pdf(kind: str, u: float, x: np.ndarray) -> np.ndarray:
    return on_the_line(kind, u, lambda mean, std: stats.norm.pdf(x, mean, std))


@each_path
def test_the_heat_is_the_density_over_time(kind):
    heat = flow(path=kind).frame()["heat"]
    x = 3 * ((np.arange(48) + 0.5) / 24 - 1)
    for column, u in ((0, 1 - 0.005 * 0.99), (70, 1 - 0.705 * 0.99), (99, END + 0.005 * 0.99)):
        assert np.abs(heat[column] - pdf(kind, u, x)).max() < 1e-6  # LINE's variances are of float32


@each_path
def test_the_velocity_carries_the_distribution_function(kind):
    """On a line only one velocity makes a given density of a given one: -dF/du / p, whatever its derivation."""
    u, x, du, dx, drawn = flow(path=kind).frame()["slopes"].T
    want = [-(cdf(kind, v + 1e-6, y) - cdf(kind, v - 1e-6, y)) / 2e-6 / pdf(kind, v, y) for v, y in zip(u, x, strict=True)]
    seen = drawn > 0
    assert (du == -0.04).all() and np.abs(dx + 0.04 * np.array(want))[seen].max() < 1e-5
    top = {v: pdf(kind, v, np.array([-1.2, 0.9]) * spread(kind, v)[0]).max() for v in set(u)}
    assert (seen == [pdf(kind, v, y) > top[v] / 1000 for v, y in zip(u, x, strict=True)]).all() and 60 < seen.sum() < 156


@each_path
def test_the_score_is_the_slope_of_the_log_density(kind):
    u, x, du, dx, _ = flow(path=kind, arrows="score").frame()["slopes"].T
    for v, y, step in zip(u, x, dx, strict=True):
        slope = (np.log(pdf(kind, v, y + 1e-5)) - np.log(pdf(kind, v, y - 1e-5))) / 2e-5
        assert abs(step - 0.15 * spread(kind, v)[1] ** 2 * slope) < 1e-5
    assert (du == 0).all()


@slow
@each_path
def test_the_exact_path_keeps_the_share_of_points_below_it(kind):
    for start in (-1.4, 0.1, 0.9):
        path = flow(path=kind, x_start=start).exact_path().numpy()
        times = np.linspace(1, END, 101)
        assert (
            len(path) == 101 and max(abs(cdf(kind, u, x) - cdf(kind, 1, start)) for u, x in zip(times, path, strict=True)) < 1e-4
        )


@slow
@each_path
def test_the_solvers_have_their_orders(kind):
    for solver, order in (("Euler", 1), ("DDIM", 1), ("Heun", 2)):
        view, errors = flow(path=kind, solver=solver, x_start=0.3), []
        for view.steps in (32, 64):
            errors.append(abs(view.walk("line", 0.0)[-1].item() - view.exact_path()[-1].item()))
        assert abs(math.log2(errors[0] / errors[1]) - order) < 0.5, (solver, errors)


def test_a_step_with_noise_is_ddim_s(g):
    times = np.linspace(1, END, 9)
    kept = [spread("diffusion", u)[0] ** 2 for u in [0, *times[::-1]]]
    schedule = Schedule.from_beta(torch.tensor([1 - b / a for a, b in pairwise(kept)], dtype=torch.float64))
    path, exact = ProbabilityFlow.PATHS["diffusion"], marginal_field(SLANTED, ProbabilityFlow.PATHS["diffusion"])
    x, z = (torch.randn(50, 2, generator=g, dtype=torch.float64) for _ in range(2))
    for t, (u, v) in zip(range(9, 1, -1), pairwise(times), strict=True):
        eps = SLANTED.eps(x, t, schedule)
        for eta in (0.0, 0.4, 1.0):
            want = ddim_step(x, eps, t, t - 1, schedule, z if eta else None, eta)
            assert torch.allclose(noisy_step(exact, x, u, v, path, eta, z), want, atol=1e-8)
        assert torch.allclose(ode_step(exact, x, u, v, path, "DDIM"), ddim_step(x, eps, t, t - 1, schedule), atol=1e-8)


@slow
@each_path
def test_whatever_the_noise_the_points_have_the_density_of_their_time(kind, g):
    path, n = ProbabilityFlow.PATHS[kind], 10_000
    field, times = marginal_field(LINE, path), np.linspace(1, END, 201)
    for eta in (0.0, 0.5, 1.0):
        x = LINE.noised(*spread(kind, 1)).draw(n, g)[0]
        for u, v in pairwise(times):
            x = noisy_step(field, x, u, v, path, eta, torch.randn(n, 1, generator=g, dtype=torch.float64))
            if v in (times[100], END):
                gap = stats.kstest(x[:, 0].numpy(), lambda y, v=v: cdf(kind, v, y)).statistic
                assert gap < 1.95 / math.sqrt(n) + 0.005, (eta, v, gap)  # 0.005: the steps are not infinitely short


@slow
@each_path
def test_the_arrows_in_the_plane_come_from_the_average_of_all_points_that_can_have_led_there(kind):
    line = torch.linspace(-4, 4, 401, dtype=torch.float64)
    x0 = torch.cartesian_prod(line, line)
    parts = zip(SLANTED.weights, SLANTED.means, SLANTED.covs, strict=True)
    prior = torch.from_numpy(sum(float(w) * multivariate_normal(m.numpy(), c.numpy()).pdf(x0.numpy()) for w, m, c in parts))
    view = flow(path=kind)
    ticks = np.linspace(-3, 3, 13)
    for view.u in (0.1, 0.5, 0.9):
        (a, b), frame = spread(kind, view.u), view.frame()
        view.arrows = "score"
        scores = view.frame()["ways"]
        view.arrows = "velocity"
        (a_more, b_more), (a_less, b_less) = (spread(kind, view.u + h) for h in (1e-6, -1e-6))
        for k in (6 * 13 + 4, 7 * 13 + 8):
            x = torch.tensor([ticks[k % 13], ticks[k // 13]])
            far = ((x - a * x0) ** 2).sum(1) / (2 * b**2)
            weight = prior * torch.exp(far.min() - far)
            mean = (weight[:, None] * x0).sum(0) / weight.sum()
            velocity = (a_more - a_less) / 2e-6 * mean + (b_more - b_less) / 2e-6 * (x - a * mean) / b
            assert np.abs(frame["ways"][k] + AHEAD[kind] * velocity.numpy()).max() < 1e-4
            assert np.abs(scores[k] - 0.15 * (a * mean - x).numpy()).max() < 1e-4


@slow
@each_path
def test_the_learnt_field_is_the_network_s_at_the_nodes_and_linear_between_them(kind, g):
    view, line = flow(path=kind, field="learnt"), np.linspace(-3, 3, 25)
    nodes = torch.tensor([[x, y] for y in line for x in line])
    table = np.stack([off(kind)(nodes, u).numpy().reshape(25, 25, 2) for u in KNOTS])
    unit = view.units[view.paths.index(kind)]
    assert max(np.abs(view.learnt_velocity(nodes, u).numpy() - off(kind)(nodes, u).numpy()).max() for u in KNOTS) <= unit
    x = torch.rand(50, 2, generator=g, dtype=torch.float64) * 6 - 3
    for u in (END, 0.013, 0.4, 0.97, 1):
        want = RegularGridInterpolator((KNOTS, line, line), table)(np.column_stack([np.full(50, u), x.flip(1).numpy()]))
        assert np.abs(view.learnt_velocity(x, u).numpy() - want).max() <= unit
    ways = view.frame()["ways"]
    assert (
        np.abs(ways + AHEAD[kind] * view.learnt_velocity(nodes.reshape(25, 25, 2)[::2, ::2].reshape(-1, 2), view.u).numpy()).max()
        < 1e-12
    )
    assert np.abs(ways - view.frame()["exact_ways"]).max() > 0.005
    beyond = torch.tensor([[3.0, -3.0], [9.0, -9.0]], dtype=torch.float64)
    assert torch.equal(*view.learnt_velocity(beyond, 0.5))


def test_the_points_go_straight_from_stop_to_stop_and_leave_trails():
    view = flow(steps=4, eta=0.0)
    states = view.walk("plane", 0.0).numpy()
    assert states.shape == (5, 160, 2) and np.array_equal(view.frame()["trails"], states[:, :12])
    assert stats.kstest(states[0].ravel(), "norm").pvalue > 1e-3  # they start from the noise
    for view.u in (1.0, 0.6, 0.01):
        want = [np.interp(-view.u, -np.linspace(1, END, 5), x) for x in states.reshape(5, -1).T]
        assert np.abs(view.frame()["points"].ravel() - want).max() < 1e-12


def test_the_share_is_that_of_points_within_three_standard_deviations_at_the_end():
    view = flow(("diffusion",), steps=6)
    a, b = spread("diffusion", END)
    ends = view.walk("plane", 1.0)[-1].numpy()
    near = np.zeros(160, dtype=bool)
    for mean, cov in zip(SLANTED.means.numpy(), SLANTED.covs.numpy(), strict=True):
        away = ends - a * mean
        near |= np.einsum("ni,ij,nj->n", away, np.linalg.inv(a * a * cov + b * b * np.eye(2)), away) <= 9
    assert view.frame()["share"] == near.mean() < 1
    assert f"In the plane {100 * near.mean():.0f} % of 160 points end on a spot, by the SDE's 6 steps" in view.describe()


@slow
def test_what_the_notebook_says_of_the_ring():
    """With four steps of Euler, four of five points find a spot along the straight path, and half along the diffusion; the exact
    flows of both end at the same places."""
    ring, humps = points.ring(), points.three_humps()
    fields = {kind: marginal_field(ring, path) for kind, path in ProbabilityFlow.PATHS.items()}
    view, share, ends = ProbabilityFlow(humps, ring, fields, steps=4, eta=0.0), {}, {}
    for view.path in fields:
        share[view.path] = view.on_a_spot()
        ends[view.path] = []
        for view.x_start in (-2.0, -0.6, 0.8, 0.9, 1.5):
            ends[view.path].append(view.exact_path()[-1].item())
    assert share["flow matching"] > 0.8 and 0.45 < share["diffusion"] < 0.55
    assert np.abs(np.subtract(*ends.values())).max() < 0.035


def test_the_words_tell_the_state():
    view = flow(path="diffusion", x_start=-0.0, steps=1, solver="Heun", eta=0.0, u=0.05)
    end, exact = view.frame()["ode"][-1], view.frame()["exact"][-1]
    assert view.describe().startswith(
        f"Diffusion, u = 0.05. From x = 0.00 at u = 1 the ODE ends at {exact:.2f}, by Heun in 1 step at {end:.2f}. In the plane "
    )
    assert view.describe().endswith("points end on a spot, by 1 step of Heun along the exact field.")
    assert view.frame()["sde"].size == 0
    view.eta, view.field, view.steps = 0.3, "learnt", 5
    ends = ", ".join(f"{x:.2f}" for x in view.frame()["sde"][-1])
    assert f"; the SDE with η = 0.3 at {ends}. In the plane" in view.describe()
    assert view.describe().endswith("by the SDE's 5 steps along the learnt field.")


def test_what_is_sent_is_small():
    assert len(flow().grid) < 90_000


@slow
@pytest.mark.parametrize("state", [{}, {"eta": 0.0, "field": "learnt", "arrows": "score"}])
def test_without_widgets_there_is_a_picture_and_the_state_stays(state):
    view = flow(u=0.5, **state)
    before = view.describe()
    assert len(png(view.filmstrip())) < 80_000 and view.describe() == before


@pytest.mark.parametrize(
    ("line", "plane", "learnt", "says"),
    [
        (SLANTED, SLANTED, {"diffusion": off("diffusion")}, "line must be a GaussianMixture, of 1 dimension"),
        (LINE, "ring", {"diffusion": off("diffusion")}, "plane must be a GaussianMixture, of 2 dimensions"),
        (LINE, many(1000), {"diffusion": off("diffusion")}, "1000 components"),
        (GaussianMixture(torch.ones(1), torch.tensor([[4.0]]), torch.ones(1)), SLANTED, {"diffusion": None}, "from -3 to 3"),
        (LINE, SLANTED, {}, "'diffusion' or 'flow matching'"),
        (LINE, SLANTED, {"ve": off("diffusion")}, r"it has \['ve'\]"),
        (LINE, SLANTED, {"diffusion": lambda x, u: x[:, :1]}, "625, 2.* as many finite velocities"),
        (LINE, SLANTED, {"diffusion": lambda x, u: x * torch.nan}, "as many finite velocities"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(unchecked, line, plane, learnt, says):
    with pytest.raises(ValueError, match=says):
        ProbabilityFlow(line, plane, learnt)


def test_a_state_that_there_is_not_is_refused():
    view = flow(("diffusion",))
    for trait, value, says in (
        ("u", 0.123, "u = 0.123 is none of 1.0, 0.99"),
        ("path", "flow matching", "none of diffusion"),
        ("x_start", 3.5, "between -3 and 3"),
        ("x_start", math.nan, "between -3 and 3"),
        ("eta", 1.1, "between 0 and 1"),
        ("steps", 65, "between 1 and 64"),
        ("solver", "Runge", "solver"),
        ("field", "mine", "field"),
        ("arrows", "flux", "arrows"),
    ):
        with pytest.raises(traitlets.TraitError, match=says):
            setattr(view, trait, value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return published(flow(), tmp_path_factory.mktemp("flow"))


def in_browser(test):
    """A test that is skipped without Chromium."""
    for mark in (*marks, slow):
        test = mark(test)
    return test


@in_browser
@pytest.mark.parametrize("how", ["Home", "Reset", "a list"])
def test_play_is_stopped_by_the_keyboard(chromium, folder, how):
    with opened(chromium, folder) as page:
        time = page.get_by_role("slider", name="time u")
        start = time.input_value()
        page.get_by_role("button", name="Play").press("Enter")
        expect(time).not_to_have_value(start)
        page.get_by_role("button", name="Pause").press("Tab")  # to move the focus stops nothing
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        if how == "a list":
            page.get_by_label("arrows", exact=True).select_option("score")
        elif how == "Home":
            time.press("Home")
        else:
            page.get_by_role("button", name="Reset").press("Enter")
        expect(page.get_by_role("button", name="Play")).to_be_visible()
        if how != "a list":
            expect(time).to_have_value({"Home": "0", "Reset": start}[how])


@in_browser
def test_a_finger_that_scrolls_changes_nothing(chromium, folder):
    with opened(chromium, folder, 390, height=500, has_touch=True) as page:
        plane = page.locator(".live canvas").first
        state = page.evaluate(f"{ROOT}.dataset.state")
        swipe(page, plane, down=-200)
        page.wait_for_function("scrollY > 100")
        assert page.evaluate(f"{ROOT}.dataset.state") == state
        plane.tap(position={"x": 100, "y": 60})
        page.wait_for_function(f"JSON.parse({ROOT}.dataset.state).x_start > 1")
        plane.scroll_into_view_if_needed()
        tapped = page.evaluate(f"JSON.parse({ROOT}.dataset.state).x_start")
        swipe(page, plane, across=80, down=-20)
        page.wait_for_function(f"JSON.parse({ROOT}.dataset.state).x_start !== {tapped}")
