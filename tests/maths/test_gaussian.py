"""The Gaussians of DDPM against simulated chains, Bayes' rule, sympy, scipy, mpmath and diffusers."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import sympy
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

import ddpm_lite as d
from ddpm_lite import Schedule

quick = settings(deadline=None, max_examples=30, derandomize=True)
close = torch.testing.assert_close
both = pytest.mark.parametrize("schedule", [Schedule.linear(), Schedule.cosine()], ids=["linear", "cosine"])


def numbers(seed, *shape):
    """Two tensors of normal numbers."""
    return torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def number(x):
    return torch.tensor([[x]], dtype=torch.float64)


def at(table, t, x):
    """table[t], shaped to multiply x."""
    return table[t].reshape(-1, *[1] * (x.ndim - 1))


def bits(nats):
    return nats.reshape(len(nats), -1).mean(1) / math.log(2)


@np.vectorize
def normal_kl(mean_1, var_1, mean_2, var_2):
    """KL(N_1 || N_2) in nats by numerical integration over 12 standard deviations."""
    std, p, q = var_1**0.5, stats.norm(mean_1, var_1**0.5), stats.norm(mean_2, var_2**0.5)
    return integrate.quad(lambda x: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)), mean_1 - 12 * std, mean_1 + 12 * std, epsabs=1e-13)[0]


def any_schedule(data):
    betas, T = st.lists(st.floats(1e-4, 0.9), min_size=2, max_size=20), st.integers(2, 200)
    make, of = data.draw(st.sampled_from([(Schedule.from_beta, betas), (Schedule.linear, T), (Schedule.cosine, T)]))
    return make(data.draw(of))


def any_case(data, first=1, dims=1):
    """A schedule, t (one for all, or one for each item), x0 and eps of any shape with at least `dims` axes, and x_t."""
    schedule = any_schedule(data)
    shape = data.draw(st.lists(st.integers(1, 3), min_size=dims, max_size=4))
    step = st.integers(first, schedule.T)
    t = data.draw(st.one_of(step, st.lists(step, min_size=shape[0], max_size=shape[0]).map(torch.tensor)))
    x0, eps = numbers(data.draw(st.integers(0, 99)), *shape)
    ab = at(schedule.alpha_bar, t, x0)
    return schedule, t, x0, eps, ab.sqrt() * x0 + (1 - ab).sqrt() * eps


def peer(cls, schedule, **options):
    """A scheduler of diffusers, its float32 tables replaced by float64 ones. Its t is ours - 1."""
    scheduler = cls(num_train_timesteps=schedule.T, trained_betas=schedule.beta[1:].tolist(), clip_sample=False, **options)
    scheduler.betas, scheduler.alphas = schedule.beta[1:], 1 - schedule.beta[1:]
    scheduler.alphas_cumprod = torch.cumprod(scheduler.alphas, 0)
    return scheduler


def test_noise_of_variance_beta_enters_by_its_root():
    schedule, one = Schedule.from_beta([0.36, 0.5]), number(1.0)
    close(d.q_step(one, 1, 0 * one, schedule), 0.8 * one)
    close(d.q_step(0 * one, 1, one, schedule), 0.6 * one)
    close(d.q_sample(one, 1, one, schedule), 1.4 * one)


@quick
@given(data=st.data())
def test_the_closed_form_is_the_chain_of_single_steps(data):
    schedule = any_schedule(data)
    signal, zero = number(1.0), number(0.0)
    # The signal gets no noise. Noise i enters in step i alone: independent noises add in variance.
    noise, units = zero.expand(schedule.T, 1), torch.eye(schedule.T, dtype=torch.float64)
    for t in range(1, schedule.T + 1):
        signal, noise = d.q_step(signal, t, zero, schedule), d.q_step(noise, t, units[:, t - 1 : t], schedule)
        close(d.q_sample(zero + 1, t, zero, schedule), signal, rtol=1e-10, atol=0)
        close(d.q_sample(zero, t, zero + 1, schedule), (noise**2).sum(0, keepdim=True).sqrt(), rtol=1e-10, atol=0)


def test_a_simulated_chain_ends_in_the_normal_distribution_of_the_closed_form(g):
    schedule = Schedule.linear(50, 1e-3, 0.1)
    x = torch.full((20_000, 1), 1.5, dtype=torch.float64)
    for t in range(1, 51):
        x = d.q_step(x, t, torch.randn(x.shape, dtype=x.dtype, generator=g), schedule)
    ab = math.prod(1 - b for b in schedule.beta.tolist())
    assert stats.kstest(x.flatten(), stats.norm(math.sqrt(ab) * 1.5, math.sqrt(1 - ab)).cdf).pvalue > 1e-3


@quick
@given(data=st.data())
def test_x0_eps_and_v_go_round(data):
    schedule, t, x0, eps, x_t = any_case(data)
    # Dividing by sqrt(alpha_bar_t) or sqrt(1 - alpha_bar_t) multiplies the rounding error of x_t.
    ab = at(schedule.alpha_bar, t, x0)
    v = ab.sqrt() * eps - (1 - ab).sqrt() * x0
    assert ((d.x0_from_eps(x_t, eps, t, schedule) - x0).abs() < 1e-14 / ab.sqrt()).all()
    assert ((d.eps_from_x0(x_t, x0, t, schedule) - eps).abs() < 1e-14 / (1 - ab).sqrt()).all()
    assert ((d.v_from_eps(x_t, eps, t, schedule) - v).abs() < 1e-14 / ab.sqrt()).all()
    close(d.x0_from_v(x_t, v, t, schedule), x0, rtol=0, atol=1e-13)
    close(d.eps_from_v(x_t, v, t, schedule), eps, rtol=0, atol=1e-13)
    close(d.eps_from_flow(x_t, eps - x0, t, schedule), eps, rtol=0, atol=1e-13)


def test_at_t_0_the_picture_is_clean_and_v_is_the_noise():
    (x0, eps), s = numbers(2, 4, 3), Schedule.linear(10)
    assert d.q_sample(x0, 0, eps, s).equal(x0) and d.x0_from_eps(x0, eps, 0, s).equal(x0) and d.x0_from_v(x0, eps, 0, s).equal(x0)
    assert d.v_from_eps(x0, eps, 0, s).equal(eps) and d.eps_from_v(x0, eps, 0, s).equal(eps)


@both
@pytest.mark.parametrize("t", [2, 10, 300, 1000])
@pytest.mark.parametrize("x0, x_t", [(0.3, 0.31), (-0.9, 1.2), (2.0, 1.0)])
def test_posterior_is_bayes_rule_on_a_grid(schedule, t, x0, x_t):
    ab, beta = math.prod(1 - b for b in schedule.beta[:t].tolist()), schedule.beta[t].item()  # ab: of t - 1
    x = np.linspace(-12, 12, 120_001)
    log_p = stats.norm.logpdf(x, ab**0.5 * x0, (1 - ab) ** 0.5) + stats.norm.logpdf(x_t, (1 - beta) ** 0.5 * x, beta**0.5)
    p = special.softmax(log_p)
    mean, var = d.posterior(number(x0), number(x_t), t, schedule)
    assert mean.item() == pytest.approx(p @ x, rel=1e-9, abs=1e-10)
    assert var.item() == pytest.approx(p @ (x - p @ x) ** 2, rel=1e-8)


@pytest.fixture(scope="module")
def solved():
    """Mean and variance of the product of q(x_{t-1} | x_0) and q(x_t | x_{t-1}) over x_{t-1}, by sympy."""
    ab, beta, x, x0, x_t = sympy.symbols("ab beta x x0 x_t", positive=True)  # ab is alpha_bar_{t-1}
    log_p = -((x - sympy.sqrt(ab) * x0) ** 2) / (2 * (1 - ab)) - (x_t - sympy.sqrt(1 - beta) * x) ** 2 / (2 * beta)
    mean, var = sympy.solve(sympy.diff(log_p, x), x)[0], -1 / sympy.diff(log_p, x, 2)
    return sympy.lambdify((ab, beta, x0, x_t), (mean, var), {"sqrt": torch.sqrt})


@quick
@given(data=st.data())
def test_both_forms_of_the_posterior_mean_and_its_variance_are_what_sympy_solves(solved, data):
    schedule, t, x0, eps, x_t = any_case(data, first=2)
    want_mean, want_var = solved(at(schedule.alpha_bar, t - 1, x0), at(schedule.beta, t, x0), x0, x_t)
    mean, var = d.posterior(x0, x_t, t, schedule)
    # 1 - alpha_bar_{t-1} may be as small as 1e-5: it keeps 11 digits.
    close(mean, want_mean, rtol=0, atol=1e-10)
    close(var.expand_as(x0), want_var.expand_as(x0), rtol=1e-10, atol=0)
    close(d.posterior_mean_from_eps(x_t, eps, t, schedule), mean, rtol=0, atol=1e-10)


def test_before_the_first_step_the_posterior_is_the_picture_itself():
    (x0, eps), schedule = numbers(4, 3, 2), Schedule.linear()
    mean, var = d.posterior(x0, d.q_sample(x0, 1, eps, schedule), 1, schedule)
    close(mean, x0, rtol=0, atol=1e-10)
    assert (var == 0).all()


@both
@pytest.mark.parametrize("t", [1, 2, 500, 1000])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_forward_process_and_steps_of_ddpm_and_ddim_are_those_of_diffusers(schedule, t, kind):
    x_t, output = numbers(5, 4, 3)
    to_eps = {"epsilon": lambda x_t, eps, t, schedule: eps, "v_prediction": d.eps_from_v, "sample": d.eps_from_x0}[kind]
    eps_hat = to_eps(x_t, output, t, schedule)
    mean, g = d.posterior_mean_from_eps(x_t, eps_hat, t, schedule), torch.Generator()
    z = torch.randn(x_t.shape, dtype=x_t.dtype, generator=g.manual_seed(6))
    for variance_type, table in (("fixed_small", schedule.posterior_var), ("fixed_large", schedule.beta)):
        scheduler = peer(DDPMScheduler, schedule, variance_type=variance_type, prediction_type=kind)
        theirs = scheduler.step(output, t - 1, x_t, generator=g.manual_seed(6)).prev_sample
        close(mean + (table[t].sqrt() * z if t > 1 else 0), theirs, rtol=1e-9, atol=1e-10)
    scheduler = peer(DDIMScheduler, schedule, prediction_type=kind)
    scheduler.set_timesteps(schedule.T)
    theirs = scheduler.step(output, t - 1, x_t, eta=0.0)
    x0_hat = d.x0_from_eps(x_t, eps_hat, t, schedule)
    close(d.q_sample(output, t, x_t, schedule), scheduler.add_noise(output, x_t, torch.tensor([t - 1])), rtol=0, atol=1e-12)
    # Both divide by the root of alpha_bar_1000, 2e-9 in the cosine schedule.
    close(x0_hat, theirs.pred_original_sample, rtol=1e-9, atol=1e-14 / schedule.alpha_bar[t].sqrt().item())
    close(d.q_sample(x0_hat, t - 1, eps_hat, schedule), theirs.prev_sample, rtol=1e-9, atol=1e-10)


@quick
@given(means=st.tuples(st.floats(-3, 3), st.floats(-3, 3)), var=st.tuples(st.floats(0.01, 9), st.floats(0.01, 9)))
def test_kl_is_the_integral(means, var):
    got = d.kl(number(means[0]), number(var[0]), number(means[1]), number(var[1])).item()
    assert got == pytest.approx(normal_kl(means[0], var[0], means[1], var[1]), rel=1e-7, abs=1e-10)


def test_the_prior_term_is_the_kl_to_the_standard_normal_and_small_for_1000_steps():
    x0 = torch.tensor([[-1.0, 0.5], [1.0, 1.0]], dtype=torch.float64)
    for schedule in (Schedule.linear(), Schedule.linear(10)):
        ab = math.prod(1 - b for b in schedule.beta.tolist())
        want = bits(torch.tensor(normal_kl(ab**0.5 * x0, 1 - ab, 0, 1)))
        close(d.bound_prior(x0, schedule), want, rtol=1e-5, atol=0)
    # Ho et al. 2020, section 4, say 1e-5; for x0 = 1 it is alpha_bar_T / (2 log 2) = 2.9e-5. Ten steps are too few.
    assert (d.bound_prior(x0.float(), Schedule.linear()) < 3e-5).all() and (want > 0.1).all()


@quick
@given(data=st.data())
def test_a_step_of_the_bound_is_the_weighted_error_of_eps(data):
    schedule, t, x0, eps, x_t = any_case(data, first=2, dims=2)
    eps_hat = numbers(8, *x0.shape)[0]
    beta, var, ab = (at(table, t, x0) for table in (schedule.beta, schedule.posterior_var, schedule.alpha_bar))
    nats = beta**2 / (2 * var * (1 - beta) * (1 - ab)) * (eps - eps_hat) ** 2
    close(d.bound_step(x0, x_t, eps_hat, t, schedule), bits(nats), rtol=1e-6, atol=1e-10)


@both
@pytest.mark.parametrize("t", [2, 30, 1000])
@pytest.mark.parametrize("name", ["beta", "posterior_var"])
def test_a_step_of_the_bound_is_the_integral_for_both_variances(schedule, t, name):
    (x_t, eps_hat), table = numbers(9, 2, 1, 2, 2), getattr(schedule, name)
    mean, var = d.posterior(0.3 * x_t, x_t, t, schedule)
    nats = normal_kl(mean, var, d.posterior_mean_from_eps(x_t, eps_hat, t, schedule), table[t])
    close(d.bound_step(0.3 * x_t, x_t, eps_hat, t, schedule, var=table), bits(torch.tensor(nats)), rtol=1e-6, atol=0)


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("mean, var", [(0.0, 1.0), (0.3, 0.04), (-1.4, 0.5), (0.1, 1e-4)])
def test_the_decoder_shares_out_all_of_the_normal_distribution(levels, mean, var):
    x0 = torch.linspace(-1, 1, levels, dtype=torch.float64)[:, None]
    edges = np.concatenate([[-np.inf], np.linspace(-1, 1, 2 * levels - 1)[1::2], [np.inf]])
    p = 2 ** -d.bound_decoder(x0, torch.full_like(x0, mean), var, levels)
    assert p.sum().item() == pytest.approx(1, abs=1e-12)
    close(p, torch.tensor(np.diff(stats.norm.cdf(edges, mean, var**0.5))), rtol=0, atol=1e-13)


@pytest.mark.parametrize("mean", [-50.0, -0.99, 0.01, 0.99, 50.0])
def test_the_decoder_is_exact_and_finite_in_the_far_tails(mean):
    x0 = torch.linspace(-1, 1, 17, dtype=torch.float64)[:, None]
    z = [-mpmath.inf, *((x + 1 / 16 - mpmath.mpf(mean)) / mpmath.mpf(0.01) for x in x0[:-1, 0].tolist()), mpmath.inf]
    with mpmath.workdps(40):
        p = [mpmath.ncdf(-a) - mpmath.ncdf(-b) if a > 0 else mpmath.ncdf(b) - mpmath.ncdf(a) for a, b in itertools.pairwise(z)]
        want = torch.tensor([float(-mpmath.log(q, 2)) for q in p], dtype=torch.float64)
    close(d.bound_decoder(x0, torch.full_like(x0, mean), 0.01**2, 17), want, rtol=1e-9, atol=1e-13)
    close(d.bound_decoder(x0.float(), torch.full_like(x0, mean).float(), 0.01**2, 17), want.float(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rows, var, message", [(3, 0.0, "must be positive"), (1, 0.1, r"x0 is \(3, 2\), mean is \(1, 2\)")])
def test_the_decoder_wants_a_positive_variance_and_equal_shapes(unchecked, rows, var, message):
    with pytest.raises(ValueError, match=message):
        d.bound_decoder(torch.zeros(3, 2), torch.zeros(rows, 2), var, 17)
