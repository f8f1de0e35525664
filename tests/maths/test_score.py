"""Scores, SDEs and the ODE in continuous time against autograd, the chain, exact densities and each other."""

import math

import pytest
import torch
from scipy import stats

from ddpm_lite import (
    GaussianMixture,
    GaussianPath,
    Schedule,
    exact_score,
    log_likelihood,
    ode_drift,
    precondition,
    reverse_drift,
    score_from_eps,
    sigma_of,
    solve,
    v_from_eps,
    x0_from_eps,
)

close = torch.testing.assert_close
roots = torch.tensor([[[0.4, 0.0], [0.3, 0.2]], [[0.2, 0.0], [-0.1, 0.5]], [[0.3, 0.0], [0.0, 0.3]]], dtype=torch.float64)
PLANE = GaussianMixture(torch.tensor([0.2, 0.5, 0.3]), torch.tensor([[-1.0, 0.5], [1.0, 0.3], [0.2, -1.2]]), roots @ roots.mT)
LINE = GaussianMixture(torch.tensor([0.3, 0.7]), torch.tensor([[-1.0], [0.8]]), torch.tensor([0.02, 0.1]))
PATHS = {"vp": GaussianPath.vp(), "ve": GaussianPath.ve(0.01, 8.0), "straight": GaussianPath.straight()}
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# The score.


def test_the_score_of_a_mixture_is_the_gradient_of_its_log_density():
    x = 2 * normal(50, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(PLANE.log_prob(x).sum(), x)
    close(PLANE.score(x.detach()), gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("t", [1, 300, 1000])
def test_the_score_is_the_expected_noise_scaled(t):
    schedule, x = Schedule.linear(), 2 * normal(50, 2)
    close(score_from_eps(PLANE.eps(x, t, schedule), t, schedule), PLANE.diffused(t, schedule).score(x), rtol=1e-8, atol=1e-8)
    steps = torch.tensor([t, 1 + t // 2])
    close(score_from_eps(x[:2], steps, schedule)[1], -x[1] / (1 - schedule.alpha_bar[1 + t // 2]).sqrt())


@every_path
def test_tweedie_s_formula_gives_the_clean_picture_back(path):
    """E[x_0 | x_t] = (x_t + noise^2 score) / signal: the denoiser and the score are computed in different ways."""
    x, t = 2 * normal(50, 2), 0.3
    signal, noise = path.signal(t), path.noise(t)
    close(PLANE.denoised(x, signal, noise), (x + noise**2 * exact_score(PLANE, path)(x, t)) / signal, rtol=1e-9, atol=1e-9)


# The SDE as the limit of the chain.


def test_the_chain_of_many_steps_has_the_coefficients_of_the_sde():
    """beta(t) integrated: the largest difference of alpha_bar falls as 1 / T, and DDPM's own schedule is within 0.0006."""
    path, off = GaussianPath.vp(), []
    for T in (1000, 2000, 4000):
        schedule = Schedule.linear(T, 0.1 / T, 20.0 / T)
        u = torch.arange(T + 1, dtype=torch.float64) / T
        off.append(float((schedule.alpha_bar - path.signal(u) ** 2).abs().max()))
    assert off[0] < 3e-3 and off[0] / off[1] == pytest.approx(2, abs=0.05) and off[1] / off[2] == pytest.approx(2, abs=0.05), off


def test_the_straight_schedule_is_the_straight_path_scaled():
    schedule, path = Schedule.straight(1000), PATHS["straight"]
    t = torch.arange(999, dtype=torch.float64) / 1000
    close(schedule.alpha_bar[:999], path.signal(t) ** 2 / (path.signal(t) ** 2 + path.noise(t) ** 2), rtol=1e-9, atol=1e-12)


@every_path
def test_rates_and_coefficients_are_derivatives(path):
    t = torch.tensor([0.1, 0.37, 0.8], dtype=torch.float64, requires_grad=True)
    for value, rate in ((path.signal, path.signal_rate), (path.noise, path.noise_rate)):
        (found,) = torch.autograd.grad(value(t).sum(), t) if value(t).grad_fn else (torch.zeros(3, dtype=torch.float64),)
        close(rate(t.detach()), found, rtol=1e-9, atol=1e-12)
    t = t.detach()
    close(path.drift(t), path.signal_rate(t) / path.signal(t))
    # the variance of the SDE, d var / dt = 2 f var + g^2, is that of the path
    close(2 * path.drift(t) * path.noise(t) ** 2 + path.diffusion(t), 2 * path.noise(t) * path.noise_rate(t))


def test_the_coefficients_are_those_of_the_paper():
    t = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    beta = 0.1 + t * 19.9
    close(PATHS["vp"].drift(t), -beta / 2)
    close(PATHS["vp"].diffusion(t), beta)
    sigma = 0.01 * 800**t
    close(PATHS["ve"].diffusion(t), sigma**2 * 2 * math.log(800))
    close(PATHS["ve"].noise(t), (sigma**2 - 0.01**2).sqrt())
    assert torch.equal(PATHS["ve"].drift(t), torch.zeros(3, dtype=torch.float64))


# The way back.


def walk(x, path, score, times, generator=None):
    """Euler-Maruyama down the times: the reverse SDE with a generator, else the ODE."""
    for t, t_next in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        drift = (ode_drift if generator is None else reverse_drift)(x, t, score(x, t), path)
        x = x + (t_next - t) * drift
        if generator is not None:
            fresh = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + (path.diffusion(t) * (t - t_next)).sqrt() * fresh
    return x


@pytest.mark.parametrize("stochastic", [True, False])
@pytest.mark.parametrize("t", [0.6, 0.2, 0.05])
def test_the_sde_and_the_ode_backwards_have_the_density_of_the_way_there(stochastic, t):
    path, n = PATHS["vp"], 4000
    times = torch.linspace(1, t, 400, dtype=torch.float64)
    x = walk(normal(n, 1), path, exact_score(LINE, path), times, torch.Generator().manual_seed(1) if stochastic else None)
    exact = LINE.noised(float(path.signal(t)), float(path.noise(t)))

    def cdf(v):
        std = exact.covs[:, 0, 0].sqrt().numpy()
        return (exact.weights.numpy() * stats.norm.cdf((v[:, None] - exact.means[:, 0].numpy()) / std)).sum(1)

    assert stats.kstest(x[:, 0].numpy(), cdf).pvalue > 0.01
    assert stats.kstest(x[:, 0].numpy() + 0.1, cdf).pvalue < 0.01, "the test sees a shift of 0.1"


@every_path
def test_the_flow_of_a_gaussian_is_known(path):
    """x_0 ~ N(m, d^2): each point stays at the same number of standard deviations."""
    m, d = 0.7, 0.5
    exact = GaussianMixture(torch.ones(1), torch.tensor([[m]]), torch.tensor([d**2]))
    score, x = exact_score(exact, path), normal(20, 1)
    times = torch.linspace(0.02, 0.9, 200, dtype=torch.float64)
    states = solve(lambda x, t: ode_drift(x, t, score(x, t), path), x, times)
    signal, std = path.signal(times), (path.signal(times) ** 2 * d**2 + path.noise(times) ** 2).sqrt()
    expected = signal[:, None, None] * m + (std / std[0])[:, None, None] * (x - signal[0] * m)
    close(states, expected, rtol=1e-6, atol=1e-6)


def test_the_solver_is_of_order_4():
    errors = []
    for n in (11, 21, 41):
        end = solve(lambda x, t: math.cos(t) * x, torch.ones(1, 1, dtype=torch.float64), torch.linspace(0, 1, n).double())[-1]
        errors.append(abs(float(end) - math.exp(math.sin(1.0))))
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.1) and errors[1] / errors[2] == pytest.approx(16, rel=0.1)


# The likelihood.


@pytest.mark.parametrize("path", [PATHS["vp"], PATHS["ve"]], ids=["vp", "ve"])
def test_the_likelihood_by_the_ode_is_the_exact_one(path):
    x, times = PLANE.draw(20, torch.Generator().manual_seed(0))[0], torch.linspace(0, 1, 201, dtype=torch.float64)
    times = times**2 if path.name == "vp" else times
    end = PLANE.noised(float(path.signal(1.0)), float(path.noise(1.0)))
    found = log_likelihood(x, exact_score(PLANE, path), path, times, log_prior=end.log_prob)
    close(found, PLANE.log_prob(x), rtol=0, atol=1e-4)
    if path.name == "vp":  # what N(0, I) in the place of the true end costs
        close(log_likelihood(x, exact_score(PLANE, path), path, times), PLANE.log_prob(x), rtol=0, atol=0.05)


def test_hutchinson_s_estimate_is_the_trace_on_average():
    x, path = PLANE.draw(5, torch.Generator().manual_seed(0))[0], PATHS["vp"]
    times, n = torch.linspace(0, 1, 61, dtype=torch.float64) ** 2, 64
    signs = torch.randint(2, (n, 5, 2), generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    score = exact_score(PLANE, path)
    exact = log_likelihood(x, score, path, times)
    each = torch.stack([log_likelihood(x, score, path, times, probes=one[None]) for one in signs])
    error = each.std(0) / math.sqrt(n)
    assert (each.std(0) > 0.01).any() and ((each.mean(0) - exact).abs() < 4 * error + 1e-9).all()
    close(log_likelihood(x, score, path, times, probes=signs), each.mean(0))
    unit = math.sqrt(2) * torch.eye(2, dtype=torch.float64)[:, None].expand(2, 5, 2)  # their z z^T have the mean I
    close(log_likelihood(x, score, path, times, probes=unit), exact)


# EDM.


@pytest.mark.parametrize("t", [1, 300, 1000])
def test_edm_with_data_of_variance_1_is_v_prediction(t):
    schedule, x_t, eps = Schedule.cosine(1000), normal(6, 3), normal(6, 3, seed=1)
    sigma, signal = sigma_of(schedule)[t], schedule.alpha_bar[t].sqrt()
    c, y = precondition(sigma, sigma_data=1.0), x_t / signal
    close(c.scale * y, x_t)
    close(c.skip * y - c.out * v_from_eps(x_t, eps, t, schedule), x0_from_eps(x_t, eps, t, schedule), rtol=1e-9, atol=1e-9)


def test_edm_s_four_numbers_are_those_of_diffusers():
    from diffusers import EDMEulerScheduler

    theirs, sigma = EDMEulerScheduler(sigma_data=0.5), torch.tensor([0.002, 0.3, 1.0, 80.0], dtype=torch.float64)
    c, y, answer = precondition(sigma), normal(4), normal(4, seed=1)
    close(c.scale * y, theirs.precondition_inputs(y, sigma))
    close(c.skip * y + c.out * answer, theirs.precondition_outputs(y, answer, sigma))
    close(c.noise[1:2], theirs.precondition_noise(float(sigma[1])).double(), rtol=1e-6, atol=1e-6)


def test_edm_s_network_sees_and_predicts_numbers_of_variance_1():
    """What the four numbers are for: the input and the target have variance 1 at each sigma, data of variance sigma_data^2."""
    n, d = 40_000, 0.5
    for sigma in torch.tensor([0.02, 0.5, 20.0], dtype=torch.float64):
        x0, c = d * normal(n), precondition(sigma, d)
        y = x0 + sigma * normal(n, seed=1)
        for each in (c.scale * y, (x0 - c.skip * y) / c.out):
            assert float(each.var()) == pytest.approx(1, rel=5 * math.sqrt(2 / n))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: GaussianPath.vp(0.0), "beta_min = 0"),
        (lambda: GaussianPath.vp(5.0, 1.0), "in this order"),
        (lambda: GaussianPath.ve(0.0), "sigma_min = 0"),
        (lambda: GaussianPath.vp().signal(1.5), "Continuous time runs from 0 to 1, but t runs from 1.5"),
        (lambda: ode_drift(normal(3, 2), torch.tensor([0.1, 0.2]), normal(3, 2), PATHS["vp"]), "one for each of the items"),
        (lambda: solve(lambda x, t: x, normal(3, 2), torch.zeros(1).double()), "two or more"),
        (lambda: solve(lambda x, t: x, normal(3, 2), torch.tensor([0.0, 1.0, 0.5]).double()), "all rising or all falling"),
        (lambda: log_likelihood(normal(3, 2), None, PATHS["vp"], torch.tensor([1.0, 0.0]).double()), "times must rise"),
        (
            lambda: log_likelihood(normal(3, 2), None, PATHS["vp"], torch.tensor([0.0, 1.0]).double(), normal(3, 2)),
            r"probes must be \(m, 3, 2\)",
        ),
        (lambda: precondition(torch.zeros(1)), "above 0"),
    ],
)
def test_what_does_not_fit_is_named(call, words, unchecked):
    with pytest.raises(ValueError, match=words):
        call()
