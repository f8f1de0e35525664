"""The Bayes view: its curves, mean, variance and divergence against Bayes' rule on a grid, scipy, and gaussian.posterior."""

import json

import numpy as np
import pytest
import torch
import traitlets
from scipy import integrate, stats

from ddpm_lite import GaussianMixture, Schedule, posterior
from ddpm_lite.data import points
from ddpm_lite.views import Bayes
from ddpm_lite.views.bayes import BETAS, PLACES
from ddpm_lite.views.plots import png

COARSE = Schedule.linear(20, 0.02, 0.5)
HUMPS = points.two_humps(std=0.4)
X = np.linspace(-12, 12, 48_001)
STATES = [(0.6, -0.4, 3, 0.071), (-2.5, 2.5, 20, 0.95), (2.05, 0.0, 2, 0.01), (0.0, 1.3, 11, 0.3)]


def by_hand(x_t: float, beta: float, prior: np.ndarray, x: np.ndarray = X) -> tuple[np.ndarray, float, float, float]:
    """The posterior on a grid, its mean and variance, and the evidence: sums, no formula."""
    product = stats.norm.pdf(x_t, np.sqrt(1 - beta) * x, np.sqrt(beta)) * prior
    evidence = integrate.trapezoid(product, x)
    back = product / evidence
    mean = integrate.trapezoid(back * x, x)
    return back, mean, integrate.trapezoid(back * (x - mean) ** 2, x), evidence


@pytest.mark.parametrize(("x_t", "x_0", "t", "beta"), STATES)
def test_with_x_0_known_it_is_bayes_rule_and_the_package_s_posterior(x_t, x_0, t, beta):
    frame = Bayes(COARSE, t=t, x_t=x_t, x_0=x_0, beta=beta).frame()
    a = float(COARSE.alpha_bar[t - 1])
    back, mean, var, evidence = by_hand(x_t, beta, stats.norm.pdf(X, np.sqrt(a) * x_0, np.sqrt(1 - a)))
    assert np.allclose(frame["posterior"], np.interp(PLACES, X, back), atol=1e-3 * back.max())  # interp is linear
    assert np.allclose([frame["mean"], frame["variance"], frame["evidence"]], [mean, var, evidence], atol=1e-8)
    # the package's, on the schedule whose step t has this beta
    steps = Schedule.from_beta([*COARSE.beta[1:t].tolist(), beta])
    known_mean, known_var = posterior(*torch.tensor([[x_0], [x_t]], dtype=torch.float64), t, steps)
    assert abs(frame["mean"] - float(known_mean)) < 1e-12 and abs(frame["variance"] - float(known_var)) < 1e-12


@pytest.mark.parametrize("data", [HUMPS, points.three_humps()])
@pytest.mark.parametrize(("x_t", "t", "beta"), [(0.3, 1, 0.5), (0.3, 1, 0.02), (-1.2, 6, 0.2), (2.5, 20, 0.95)])
def test_with_x_0_unknown_it_is_bayes_rule(data, x_t, t, beta):
    frame = Bayes(COARSE, data, t=t, x_t=x_t, beta=beta).frame()
    a = float(COARSE.alpha_bar[t - 1])
    parts = zip(data.weights.tolist(), data.means[:, 0].tolist(), data.covs[:, 0, 0].tolist(), strict=True)
    prior = sum(w * stats.norm.pdf(X, np.sqrt(a) * m, np.sqrt(a * v + 1 - a)) for w, m, v in parts)
    back, mean, var, evidence = by_hand(x_t, beta, prior)
    assert np.allclose(frame["prior"], np.interp(PLACES, X, prior), atol=1e-4)
    assert np.allclose(frame["posterior"], np.interp(PLACES, X, back), atol=1e-3 * back.max())
    assert np.allclose([frame["mean"], frame["variance"], frame["evidence"]], [mean, var, evidence], atol=1e-8)
    product = frame["likelihood"] * frame["prior"]
    assert np.allclose(product / frame["evidence"], frame["posterior"], atol=1e-10)
    assert np.allclose(frame["fit"], stats.norm.pdf(PLACES, mean, np.sqrt(var)), atol=1e-6)
    # KL(posterior || fit), by scipy
    inner = np.where(back > 0, back * np.log(np.maximum(back, 1e-300) / stats.norm.pdf(X, mean, np.sqrt(var)).clip(1e-300)), 0)
    assert abs(frame["divergence"] - integrate.trapezoid(inner, X)) < 1e-6


def test_the_divergence_over_beta_is_the_one_at_each_beta_and_grows_between_two_humps():
    view = Bayes(COARSE, HUMPS, t=1, x_t=0.3)
    over = view.frame()["divergences"]
    for k in (0, 1, 10, 25, 47):
        view.beta = BETAS[k]
        assert view.frame()["divergence"] == over[k]
    assert (np.diff(over) > 0).all() and over[0] < 1e-5 and over[-1] > 0.3


def test_of_a_gaussian_the_step_back_is_a_gaussian():
    frame = Bayes(COARSE, GaussianMixture(torch.ones(1), torch.zeros(1, 1), torch.ones(1)), t=5, beta=0.6).frame()
    assert np.abs(frame["fit"] - frame["posterior"]).max() < 1e-12 and frame["divergences"].max() < 1e-10


def test_the_divergences_are_those_that_notebook_03_prints():
    view = Bayes(COARSE, HUMPS, t=1, x_t=0.3)
    for view.beta, nats in ((0.5, 0.2679), (0.3, 0.2175), (0.1, 0.0721), (0.02, 0.0016)):
        assert round(float(view.frame()["divergence"]), 4) == nats


def test_far_from_all_that_the_prior_holds_there_still_is_a_posterior():
    frame = Bayes(Schedule.linear(1000), t=2, x_t=2.5, x_0=-2.5, beta=0.001).frame()
    assert all(np.isfinite(values).all() for values in frame.values()) and -2.5 < frame["mean"] < 2.5


def test_the_words_tell_the_state():
    assert Bayes(COARSE).describe() == (
        "x_t = 0.60 at t = 3 of 20, β = 0.071. The step alone points to 0.62, the start x_0 = -0.40 to -0.39; "
        "the posterior has mean 0.07 and variance 0.0349."
    )
    view = Bayes(COARSE, HUMPS, t=1, x_t=0.3, beta=0.5)
    assert view.describe() == (
        "x_t = 0.30 at t = 1 of 20, β = 0.500. The step alone points to 0.42; "
        "the posterior has mean 0.36 and variance 0.7899, 2 humps; KL to its Gaussian fit 0.2679 nats."
    )
    view.beta = 0.02
    assert ", 1 hump; KL to its Gaussian fit 0.0016 nats." in view.describe()


@pytest.mark.parametrize("data", [None, HUMPS])
def test_its_filmstrip_is_small_and_leaves_the_state_alone(data):
    view = Bayes(COARSE, data)
    before = view.get_state()
    assert len(png(view.filmstrip())) < 100_000
    assert view.get_state() == before
    assert len(json.dumps(before)) < 60_000


def test_two_steps_are_enough_for_it():
    assert Bayes(Schedule.linear(2, 0.1, 0.2), t=2).frame()["variance"] > 0
    assert Bayes(Schedule.linear(1, 0.1, 0.1), HUMPS, t=1).filmstrip()
    assert Bayes(Schedule.linear(2, 0.1, 0.2), t=2).filmstrip()


@pytest.mark.parametrize(
    ("schedule", "data", "says"),
    [
        (Schedule.linear(1, 0.1, 0.1), None, "from t = 2"),
        (COARSE, points.ring(), "on a line"),
        (COARSE, GaussianMixture(torch.ones(1), torch.zeros(1, 1), torch.zeros(1)), "positive variance"),
        (COARSE, GaussianMixture(torch.ones(1000), torch.zeros(1000, 1), torch.ones(1000)), "at most 20"),
    ],
)
def test_bad_data_is_refused_in_one_sentence(schedule, data, says):
    with pytest.raises(ValueError, match=says):
        Bayes(schedule, data)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"x_t": np.nan}, "x_t = nan, but it must lie in"),
        ({"x_0": 3.0}, "x_0 = 3, but"),
        ({"beta": 1.0}, "beta = 1, but"),
        ({"t": 21}, r"t = 21, but here it must lie in 2..20"),
        ({"t": 1}, r"t = 1, but here"),
    ],
)
def test_a_state_that_there_is_not_is_refused(state, says):
    with pytest.raises(traitlets.TraitError, match=says):
        Bayes(COARSE, **state)
    view = Bayes(COARSE)
    with pytest.raises(traitlets.TraitError, match=says):
        (name, value), *_ = state.items()
        setattr(view, name, value)
