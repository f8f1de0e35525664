"""The samplers against exact recursions, against diffusers, and against each other. No network is trained here."""

import math
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ddpm_lite import (
    FiniteData,
    GaussianMixture,
    PointMLP,
    Schedule,
    ddim_step,
    ddpm_step,
    eps_from_x0,
    guided,
    posterior,
    posterior_mean_from_eps,
    sample,
    timesteps,
    x0_from_eps,
)

linear = Schedule.linear()
standard_normal = GaussianMixture(torch.ones(1), torch.zeros(1, 1), torch.ones(1))
humps = GaussianMixture(torch.tensor([0.3, 0.7]), torch.tensor([[-1.0], [0.8]]), torch.tensor([0.02, 0.1]))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def last(frames):
    *_, frame = frames
    return frame.x_t


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


# One step.


@pytest.mark.parametrize("t", [1, 2, 500, 1000])
def test_a_ddpm_step_has_the_posterior_s_mean_and_variance(t):
    x_t, eps, z = normal(5, 3), normal(5, 3, seed=1), normal(5, 3, seed=2)
    mean, var = posterior(x0_from_eps(x_t, eps, t, linear), x_t, t, linear)
    torch.testing.assert_close(ddpm_step(x_t, eps, t, t - 1, linear, z), mean + var.sqrt() * z, rtol=1e-9, atol=1e-9)
    wide = posterior_mean_from_eps(x_t, eps, t, linear) + (linear.beta[t].sqrt() if t > 1 else 0.0) * z
    torch.testing.assert_close(ddpm_step(x_t, eps, t, t - 1, linear, z, "beta"), wide, rtol=1e-9, atol=1e-9)
    table = torch.linspace(0, 1, 1001, dtype=torch.float64)
    given_var = posterior_mean_from_eps(x_t, eps, t, linear) + table[t].sqrt() * z
    torch.testing.assert_close(ddpm_step(x_t, eps, t, t - 1, linear, z, table), given_var, rtol=1e-9, atol=1e-9)


def test_a_long_ddpm_step_is_the_posterior_over_many_steps():
    """q(x_s | x_t, x_0) for s < t from the joint Gaussian of (x_s, x_t) given x_0, worked out by conditioning."""
    t, s, x0 = 700, 300, normal(6)
    ab_t, ab_s = linear.alpha_bar[t], linear.alpha_bar[s]
    x_t = normal(6, seed=1)
    cov = (ab_t / ab_s).sqrt() * (1 - ab_s)
    mean = ab_s.sqrt() * x0 + cov / (1 - ab_t) * (x_t - ab_t.sqrt() * x0)
    var = (1 - ab_s) - cov**2 / (1 - ab_t)
    z = normal(6, seed=2)
    step = ddpm_step(x_t, eps_from_x0(x_t, x0, t, linear), t, s, linear, z)
    torch.testing.assert_close(step, mean + var.sqrt() * z, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(T=st.integers(1, 400), t=st.integers(1, 400), cosine=st.booleans(), seed=st.integers(0, 9))
def test_ddim_with_eta_1_on_adjacent_steps_is_ddpm(T, t, cosine, seed):
    schedule, t = (Schedule.cosine if cosine else Schedule.linear)(T), min(t, T)
    x_t, eps, z = (normal(2, 1, 4, 4, seed=seed + i) for i in range(3))
    a, b = ddim_step(x_t, eps, t, t - 1, schedule, z, eta=1.0), ddpm_step(x_t, eps, t, t - 1, schedule, z)
    assert (a - b).abs().max() <= 1e-10 * max(1.0, b.abs().max())


# The whole chain, exact: Gaussian data, whose variance follows a linear recursion.


def gaussian_chain_variance(sigma_squared) -> float:
    """Var x_0 of the chain with eps*(x, t) = sqrt(1 - alpha_bar_t) x, exact for x_0 ~ N(0, 1), started at N(0, 1)."""
    variance = 1.0
    for t in range(1000, 0, -1):
        shrink = (1 - linear.beta[t]) ** -0.5 * (1 - linear.beta[t])  # 1/sqrt(alpha) (x - beta/sqrt(1-ab) sqrt(1-ab) x)
        variance = float(shrink**2 * variance + sigma_squared(t))
    return variance


POSTERIOR = lambda t: linear.beta[t] * (1 - linear.alpha_bar[t - 1]) / (1 - linear.alpha_bar[t])  # noqa: E731
SLIDE = torch.zeros(1001, dtype=torch.float64)
SLIDE[1:] = linear.posterior_var[1:] ** 2  # lecture lines L16 and L21: the variance used as a standard deviation


@pytest.mark.parametrize(
    ("var", "sigma_squared", "expected"),
    [
        ("posterior", POSTERIOR, 0.991),
        ("beta", lambda t: linear.beta[t] if t > 1 else 0.0, 1.000),
        (SLIDE, lambda t: POSTERIOR(t) ** 2, 0.0056),
    ],
    ids=["posterior", "beta", "slide"],
)
def test_the_variance_of_a_gaussian_chain_is_its_own_recursion(var, sigma_squared, expected):
    n = 10_000
    x = last(sample(standard_normal.eps_model(linear), normal(n, 1), linear, var=var, generator=seeded(1)))
    recursion = gaussian_chain_variance(sigma_squared)
    assert recursion == pytest.approx(expected, abs=6e-4)  # the figures of the lecture
    assert x.var().item() == pytest.approx(recursion, rel=5 * math.sqrt(2 / n))  # five standard errors


def test_a_chain_of_1000_exact_steps_samples_the_mixture():
    n = 3000  # at this size the chain's own bias is below one standard error
    drawn = last(sample(humps.eps_model(linear), normal(n, 1), linear, generator=seeded(1)))
    truth, _ = humps.draw(n, seeded(2))
    assert stats.ks_2samp(drawn[:, 0].numpy(), truth[:, 0].numpy()).pvalue > 0.01


@pytest.mark.parametrize(("method", "var"), [("ddpm", "posterior"), ("ddpm", "beta"), ("ddim", None), ("dpm-solver++", None)])
def test_more_steps_come_closer_to_the_mixture(method, var):
    n, exact = 4000, humps.draw(40_000, seeded(9))[0][:, 0].numpy()
    errors = []
    for steps in (4, 16, 100):
        fresh = seeded(1) if method == "ddpm" else None
        frames = sample(humps.eps_model(linear), normal(n, 1), linear, steps=steps, method=method, var=var, generator=fresh)
        errors.append(stats.wasserstein_distance(last(frames)[:, 0].numpy(), exact))
    # two samples of this size from the same mixture are 0.02 apart; DDPM's bias at 100 steps is of the same order
    assert errors[0] > 2 * errors[1] > 2 * errors[2] and errors[2] < 0.06, errors


def test_the_class_of_an_exact_model_is_obeyed_and_guidance_mixes_the_two_predictions():
    exact = GaussianMixture(torch.ones(2), torch.tensor([[-1.0], [1.0]]), torch.full((2,), 0.01), labels=torch.tensor([0, 1]))
    cond = torch.tensor([0, 1] * 50)
    model = exact.eps_model(linear)
    drawn = last(sample(guided(model, 1.0, exact.null), normal(100, 1), linear, cond=cond, steps=50, generator=seeded(0)))
    assert torch.equal(drawn[:, 0] > 0, cond == 1)
    x, t = normal(100, 1), torch.full((100,), 400)
    with_c, without = model(x, t, cond), model(x, t, None)
    for scale in (0.0, 0.5, 1.0, 3.0):
        torch.testing.assert_close(guided(model, scale, exact.null)(x, t, cond), (1 - scale) * without + scale * with_c)


# Against diffusers, on the same network and the same noise.


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = PointMLP(dim=3, width=32, depth=2)
        torch.nn.init.normal_(net.last.weight, std=0.2)
        return net.eval().requires_grad_(False)


def run_diffusers(scheduler, net, x, **step):
    for t in scheduler.timesteps:
        x = scheduler.step(net(x, torch.full((len(x),), int(t) + 1)), t, x, **step).prev_sample
    return x


def test_ddim_and_dpm_solver_match_diffusers():
    net, x_T, T = network(), normal(8, 3, dtype=torch.float32), 1000
    options = {"num_train_timesteps": T, "beta_start": 1e-4, "beta_end": 0.02}
    theirs = DDIMScheduler(**options, clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing")
    theirs.set_timesteps(20)
    ours = last(sample(net, x_T, linear, steps=20, method="ddim"))
    torch.testing.assert_close(ours, run_diffusers(theirs, net, x_T), rtol=1e-4, atol=1e-4)
    theirs.set_timesteps(20)
    z = iter([normal(8, 3, seed=i, dtype=torch.float32) for i in range(20)])
    x = x_T
    for t in theirs.timesteps:
        x = theirs.step(net(x, torch.full((8,), int(t) + 1)), t, x, eta=0.7, variance_noise=next(z)).prev_sample
    ours = x_T
    visit = [*timesteps(T, 20), 0]
    for i, (t, t_next) in enumerate(pairwise(visit)):
        eps_hat = net(ours, torch.full((8,), t))
        ours = ddim_step(ours, eps_hat, t, t_next, linear, normal(8, 3, seed=i, dtype=torch.float32), eta=0.7)
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4)
    theirs = DPMSolverMultistepScheduler(**options, timestep_spacing="trailing", final_sigmas_type="zero")
    theirs.set_timesteps(20)
    ours = last(sample(net, x_T, linear, steps=20, method="dpm-solver++"))
    torch.testing.assert_close(ours, run_diffusers(theirs, net, x_T), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("var", "name"), [("posterior", "fixed_small"), ("beta", "fixed_large")])
def test_ddpm_matches_diffusers_with_the_same_noise(var, name):
    net, x_T = network(), normal(4, 3, dtype=torch.float32)
    theirs = DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02, clip_sample=False, variance_type=name)
    x = run_diffusers(theirs, net, x_T, generator=seeded(5))
    ours = last(sample(net, x_T, linear, var=var, generator=seeded(5)))
    # their tables are float32, and 1000 steps add the differences up
    torch.testing.assert_close(ours, x, rtol=2e-3, atol=2e-3)


# The loop.


def test_frames_run_from_T_to_0_and_hold_what_the_network_sees():
    net, x_T = network(), normal(2, 3)
    net = net.double()
    frames = list(sample(net, x_T, linear, steps=10, method="ddim"))
    assert [f.t for f in frames] == [1000, 900, 800, 700, 600, 500, 400, 300, 200, 100, 0]
    assert torch.equal(frames[0].x_t, x_T) and torch.equal(frames[-1].x_t, frames[-1].x0_hat)
    for frame in frames[:-1]:
        eps_hat = net(frame.x_t, torch.full((2,), frame.t))
        torch.testing.assert_close(frame.x0_hat, x0_from_eps(frame.x_t, eps_hat, frame.t, linear))


def test_the_last_step_adds_no_noise():
    for options in ({"method": "ddpm"}, {"method": "ddpm", "var": "beta"}, {"method": "ddim", "eta": 1.0}):
        *_, before, end = sample(network(), normal(4, 3, dtype=torch.float32), linear, steps=5, generator=seeded(0), **options)
        torch.testing.assert_close(end.x_t, before.x0_hat)


def test_the_same_seed_gives_the_same_pictures_and_ddim_needs_no_seed():
    net, x_T = network(), normal(4, 3, dtype=torch.float32)
    a, b, c = (last(sample(net, x_T, linear, steps=20, generator=seeded(s))) for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(
        last(sample(net, x_T, linear, steps=20, method="ddim")), last(sample(net, x_T, linear, steps=20, method="ddim"))
    )


def test_clip_keeps_the_estimate_in_range():
    frames = list(sample(lambda x, t, c: 0 * x, 5 * normal(3, 2), linear, steps=5, method="ddim", clip=True))
    assert max(float(f.x0_hat.abs().max()) for f in frames) == pytest.approx(1)


@pytest.mark.parametrize("method", ["ddpm", "ddim"])
def test_clipping_is_the_posterior_of_the_clipped_guess(method):
    """A step after clipping, against the mean of eq. 7 with the clipped x0_hat (DDPM) and DDIM's own line."""
    x_T = 3 * normal(5, 2)
    fresh = seeded(0) if method == "ddpm" else None
    first, second, *_ = sample(lambda x, t, c: 0 * x, x_T, linear, method=method, clip=True, generator=fresh)
    x0_hat = (x_T / linear.alpha_bar[1000].sqrt()).clamp(-1, 1)
    torch.testing.assert_close(first.x0_hat, x0_hat)
    if method == "ddpm":
        mean, var = posterior(x0_hat, x_T, 1000, linear)
        expected = mean + var.sqrt() * torch.randn(5, 2, generator=seeded(0), dtype=torch.float64)
    else:
        a = linear.alpha_bar[999]
        expected = a.sqrt() * x0_hat + (1 - a).sqrt() * eps_from_x0(x_T, x0_hat, 1000, linear)
    torch.testing.assert_close(second.x_t, expected)


def test_the_ideal_denoiser_of_a_finite_set_gives_back_its_members():
    data = FiniteData(normal(7, 2))
    drawn = last(sample(data.eps_model(linear), normal(50, 2), linear, steps=200, generator=seeded(0)))
    assert torch.cdist(drawn, data.data).min(1).values.max() < 1e-3


@settings(deadline=None, max_examples=50, derandomize=True)
@given(T=st.integers(1, 2000), data=st.data())
def test_timesteps_fall_strictly_from_T_to_at_least_1(T, data):
    n = data.draw(st.integers(1, T))
    visit = timesteps(T, n)
    assert len(visit) == n and visit[0] == T and visit[-1] >= 1
    assert all(a > b for a, b in pairwise(visit))
    assert timesteps(T) == list(range(T, 0, -1)) and timesteps(T, visit) == visit


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "eule"}, "no method 'eule'"),
        ({"steps": 0}, "between 1 and T = 1000"),
        ({"steps": 1001}, "between 1 and T = 1000"),
        ({"steps": [10, 20]}, "decrease strictly"),
        ({"steps": [1001, 5]}, "decrease strictly"),
        ({"steps": 20, "var": torch.zeros(1001, dtype=torch.float64)}, "A table of variances is for steps from t to t - 1"),
        ({"method": "ddim", "eta": 50.0}, "eta = 50"),
        ({"var": "small"}, "'posterior', 'beta' or a table"),
        ({"var": torch.zeros(1000, dtype=torch.float64)}, "has 1001 finite numbers"),
        ({"var": torch.full((1001,), -1.0, dtype=torch.float64)}, "has 1001 finite numbers"),
        ({"eta": 0.0}, "eta is an option of ddim, and ddpm does not use it"),
        ({"method": "dpm-solver++", "eta": 0.5}, r"eta is an option of ddim, and dpm-solver\+\+ does not use it"),
        ({"method": "ddim", "var": "posterior"}, "var is an option of ddpm, and ddim does not use it"),
        ({"method": "ddim", "generator": seeded(0)}, "ddim adds no noise .* not use a generator"),
        ({"method": "dpm-solver++", "generator": seeded(0)}, "adds no noise"),
        ({"generator": [seeded(0)]}, "generator must hold one for each of the 2 pictures, not 1"),
        ({"cond": torch.zeros(3)}, "cond must hold one for each of the 2 pictures, not 3"),
    ],
)
def test_wrong_arguments_are_named_at_the_call(options, words, unchecked):
    with pytest.raises(ValueError, match=words):
        sample(network(), normal(2, 3, dtype=torch.float32), linear, **options)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_is_refused_with_its_reason(wrong):
    x = normal(2, 3, dtype=torch.float32)
    x[1, 2] = wrong
    with pytest.raises(ValueError, match="x_T must be finite, but 1 of its 6 numbers"):
        sample(network(), x, linear)
    damaged = network()
    damaged.last.bias[0] = wrong
    for method in ("ddpm", "ddim", "dpm-solver++", "euler", "heun"):
        with pytest.raises(
            FloatingPointError, match=r"At t = 1000 the network's answer is not finite: look for NaN or inf.*weights"
        ):
            next(sample(damaged, normal(2, 3, dtype=torch.float32), linear, method=method, clip=True))
    with pytest.raises(FloatingPointError, match="a guidance scale that is too large"):
        next(sample(lambda x, t, c: 1e38 * x, normal(2, 3, dtype=torch.float32), linear, clip=True))
    for scale in (wrong, -1e39, 1e39):
        with pytest.raises(ValueError, match=r"guidance needs a number from -3\.4e\+38 to 3\.4e\+38"):
            guided(network(), scale, 0)


def test_with_a_generator_for_each_picture_a_picture_is_the_same_whatever_is_drawn_beside_it():
    net, x_T = network().double(), normal(4, 3)
    for options in ({"method": "ddpm"}, {"method": "ddim", "eta": 0.7}):
        few, many = (
            last(sample(net, x_T[:n], linear, steps=10, generator=[seeded(i) for i in range(n)], **options)) for n in (2, 4)
        )
        torch.testing.assert_close(few, many[:2])
        assert not torch.allclose(few, last(sample(net, x_T[:2], linear, steps=10, generator=seeded(0), **options)))


def test_a_network_in_training_mode_is_refused():
    with pytest.raises(ValueError, match="training mode"):
        sample(network().train(), normal(2, 3), linear)
    with pytest.raises(ValueError, match="training mode"):
        guided(network().train(), 2.0, 0)
