"""Field: its arrows and paths against Bayes' rule on a grid, the sampler and scipy."""

import numpy as np
import pytest
import torch
import traitlets
from scipy.interpolate import RegularGridInterpolator
from scipy.stats import multivariate_normal

from ddpm_lite import GaussianMixture, PointMLP, Schedule, sample
from ddpm_lite.data import points
from ddpm_lite.views import Field
from ddpm_lite.views.field import likely, places
from ddpm_lite.views.plots import png

SCHEDULE = Schedule.linear(1000)
RING = points.ring()
COVS = torch.tensor([[[0.3, 0.2], [0.2, 0.4]], [[0.1, 0.0], [0.0, 0.5]]])
SLANTED = GaussianMixture(torch.tensor([1.0, 3.0]), torch.tensor([[-1.0, 0.5], [1.2, -0.3]]), COVS)


def network() -> PointMLP:
    """A small one, whose answers are not all 0."""
    torch.manual_seed(0)
    net = PointMLP(2, 16, 1).eval()
    torch.nn.init.normal_(net.last.weight, std=0.3)
    return net


def field(exact: GaussianMixture = RING, t: int = 200, **state) -> Field:
    return Field(exact, network(), SCHEDULE, t=t, **state)


def test_an_exact_arrow_ends_at_the_average_of_all_points_that_can_have_led_there():
    line = torch.linspace(-4, 4, 401, dtype=torch.float64)
    x0 = torch.cartesian_prod(line, line)
    parts = zip(SLANTED.weights, SLANTED.means, SLANTED.covs, strict=True)
    prior = sum(float(w) * multivariate_normal(mean.numpy(), cov.numpy()).pdf(x0.numpy()) for w, mean, cov in parts)
    view = field(SLANTED)
    for t in (60, 200, 700):
        view.t, a = t, float(SCHEDULE.alpha_bar[t])
        for k in (100, 119, 136):
            far = ((places()[k] - a**0.5 * x0) ** 2).sum(1) / (2 * (1 - a))
            weight = torch.from_numpy(prior) * torch.exp(far.min() - far)
            average = (weight[:, None] * x0).sum(0) / weight.sum()
            end = places()[k] + torch.from_numpy(view.frame()["ways"][k])
            assert (end - a**0.5 * average).abs().max() < 1e-4


def test_the_learnt_arrows_are_the_network_s_and_the_difference_is_theirs():
    view, net = field(), network()
    for t in (5, 200, 1000):
        view.t, view.field = t, "learnt"
        with torch.no_grad():
            eps_hat = net(places().float(), torch.full((256,), t)).double().numpy()
        learnt = view.frame()["ways"]
        assert np.abs(learnt + float(1 - SCHEDULE.alpha_bar[t]) ** 0.5 * eps_hat).max() <= view.unit
        view.field = "exact"
        exact = view.frame()["ways"]
        view.field = "difference"
        assert np.allclose(view.frame()["ways"], learnt - exact)


def test_between_its_nodes_the_learnt_field_is_linear_in_each_coordinate(g):
    view = field()
    line = np.linspace(-3, 3, 31)
    table = np.frombuffer(view.grid, "<i2").reshape(-1, 31, 31, 2)[view.steps.index(300)] * view.unit  # [2nd, 1st]
    x = torch.rand(200, 2, generator=g, dtype=torch.float64) * 6 - 3
    want = RegularGridInterpolator((line, line), table)(x.flip(1).numpy())
    assert np.abs(view.learnt_eps(x, 300).numpy() - want).max() < 1e-12
    corner = torch.tensor([[3.0, -3.0], [9.0, -9.0]], dtype=torch.float64)
    assert torch.equal(*view.learnt_eps(corner, 300))


def test_the_paths_are_ddim_s_and_end_on_the_data():
    view = field(t=1000, start_x=0.7, start_y=-1.4)
    exact = view.frame()["exact_path"]
    assert np.array_equal(exact[0], [0.7, -1.4]) and len(exact) == len(view.steps) + 1
    x = torch.tensor([[0.7, -1.4]], dtype=torch.float64)
    *_, fine = sample(RING.eps_model(SCHEDULE), x, SCHEDULE, method="ddim")  # all 1,000 steps
    assert np.abs(exact[-1] - fine.x_t[0].numpy()).max() < 0.1
    assert (RING.means - torch.from_numpy(exact[-1])).norm(dim=1).min() < 0.45  # three standard deviations
    view.t = view.steps[0]
    assert len(view.frame()["exact_path"]) == 2
    for name in ("exact", "learnt"):  # the step to 0 is all that is left of the way back
        eps = RING.eps(x, view.t, SCHEDULE) if name == "exact" else view.learnt_eps(x, view.t)
        a = SCHEDULE.alpha_bar[view.t]
        assert np.allclose(view.frame()[f"{name}_path"][-1], (x - (1 - a).sqrt() * eps) / a.sqrt())


def test_arrows_stand_where_noisy_points_come(g):
    for t, part in ((60, 0.35), (500, 0.95)):
        x0, _ = RING.draw(20_000, g)
        noise = torch.randn(x0.shape, generator=g, dtype=torch.float64)
        x_t = SCHEDULE.alpha_bar[t].sqrt() * x0 + (1 - SCHEDULE.alpha_bar[t]).sqrt() * noise
        x_t = x_t[x_t.abs().amax(1) < 3]
        nearest = torch.cdist(x_t, places()).argmin(1)
        share = likely(RING, t, SCHEDULE)[nearest].mean()
        assert share > 0.99 and likely(RING, t, SCHEDULE).mean() < part
    assert set(likely(RING, 60, SCHEDULE).tolist()) == {0.0, 1.0}


def test_the_words_tell_the_state():
    view = field(t=60)
    assert view.describe().startswith("The exact way back to the points without noise, at t = 60 of 1000. From (2.00, 1.00) ")
    end = view.path("exact")[-1]
    assert f"the exact field ends at ({end[0]:.2f}, {end[1]:.2f})" in view.describe()
    view.field = "difference"
    assert "minus the exact one, three times its length" in view.describe()
    view.start_x = view.start_y = -0.0
    assert "From (0.00, 0.00)" in view.describe()


def test_what_is_sent_is_small():
    assert len(field().grid) < 90_000


def test_without_widgets_there_is_a_picture():
    assert len(png(field().filmstrip())) < 150_000


def test_one_step_and_one_component_are_enough():
    one = GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.zeros(1))  # a point
    view = Field(one, network(), Schedule.linear(1, 0.5, 0.5), t=1)
    assert view.steps == [1] and np.allclose(view.frame()["exact_path"], [[2, 1], [0, 0]])


def many(n: int) -> GaussianMixture:
    return GaussianMixture(torch.ones(n), torch.zeros(n, 2), torch.ones(n))


@pytest.mark.parametrize(
    ("exact", "model", "says"),
    [
        (points.two_humps(), network(), "in the plane, not of 1 dimensions"),
        ("ring", network(), "in the plane, not str"),
        (many(1000), network(), "1000 components"),
        (GaussianMixture(torch.ones(1), torch.tensor([[4.0, 0.0]]), torch.ones(1)), network(), "from -3 to 3"),
        (RING, network().train(), "training mode"),
        (RING, lambda x, t: x[:, :1], "finite eps_hat"),
        (RING, lambda x, t: x * torch.nan, "finite eps_hat"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(unchecked, exact, model, says):
    with pytest.raises(ValueError, match=says):
        Field(exact, model, SCHEDULE, t=200)


def test_a_state_that_there_is_not_is_refused():
    view = field()
    with pytest.raises(traitlets.TraitError, match="t = 7 is none of the steps 5, 10"):
        view.t = 7
    for value in (3.5, float("nan")):
        with pytest.raises(traitlets.TraitError, match="the plane ends at 3"):
            view.start_y = value
    with pytest.raises(traitlets.TraitError):
        view.field = "mine"
