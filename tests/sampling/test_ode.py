"""Euler's and Heun's steps along the probability-flow ODE: DDIM, diffusers, EDM's own algorithm, and their orders."""

import math
from itertools import pairwise

import pytest
import torch
from diffusers import EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler, HeunDiscreteScheduler
from scipy import stats
from test_sample import humps, last, linear, network, normal, seeded

from ddpm_lite import (
    GaussianMixture,
    Schedule,
    as_eps,
    ddim_step,
    euler_step,
    guided,
    heun_step,
    sample,
    sigma_of,
    timesteps,
)

close = torch.testing.assert_close


SCHEDULES = pytest.mark.parametrize(
    "schedule", [linear, Schedule.cosine(1000), Schedule.straight(1000)], ids=["linear", "cosine", "straight"]
)


@SCHEDULES
def test_ddim_is_euler_s_step_of_the_ode_in_sigma(schedule):
    x, eps = normal(6, 3), normal(6, 3, seed=1)
    for t, t_next in ((998, 500), (500, 499), (20, 1), (1, 0), (700, 0)):
        euler, ddim = euler_step(x, eps, t, t_next, schedule), ddim_step(x, eps, t, t_next, schedule)
        close(euler, ddim, rtol=1e-10, atol=1e-10)
    one, two = (last(sample(humps.eps_model(schedule), normal(50, 1), schedule, steps=20, method=m)) for m in ("euler", "ddim"))
    close(one, two, rtol=1e-8, atol=1e-8)


# The orders.


def error(method, steps, schedule):
    """At t = 200, for N(0.3, 0.25): each point stays at the same number of standard deviations."""
    d, m, x = 0.5, 0.3, normal(40, 1)
    exact = GaussianMixture(torch.ones(1), torch.tensor([[m]]), torch.tensor([d**2]))
    visit = list(range(1000, 199, -800 // steps))
    frames = sample(exact.eps_model(schedule), x, schedule, steps=visit, method=method)
    found = next(frame.x_t for frame in frames if frame.t == 200)
    signal, std = schedule.alpha_bar.sqrt() * m, (schedule.alpha_bar * d**2 + 1 - schedule.alpha_bar).sqrt()
    return float((found - (signal[200] + std[200] / std[1000] * (x - signal[1000]))).square().mean().sqrt())


ORDERS = [("euler", 1, 0.1), ("ddim", 1, 0.1), ("heun", 2, 0.25), ("dpm-solver++", 2, 0.25)]


@pytest.mark.parametrize(("method", "order", "near"), ORDERS)
def test_twice_the_steps_divide_the_error_by_two_to_the_order(method, order, near):
    errors = [error(method, n, linear) for n in (20, 40, 80, 160)]
    slopes = [math.log2(a / b) for a, b in pairwise(errors)]
    assert all(abs(slope - order) < near for slope in slopes), slopes


@SCHEDULES
@pytest.mark.parametrize("method", [method for method, *_ in ORDERS])
def test_a_few_steps_come_near_from_the_noisiest_beginning(method, schedule):
    assert error(method, 20, schedule) < 0.05


def test_more_steps_of_heun_come_closer_to_the_mixture():
    n, exact = 4000, humps.draw(40_000, seeded(9))[0][:, 0].numpy()
    errors = [
        stats.wasserstein_distance(
            last(sample(humps.eps_model(linear), normal(n, 1), linear, steps=steps, method="heun"))[:, 0].numpy(), exact
        )
        for steps in (4, 16, 100)
    ]
    assert errors[0] > errors[1] and errors[2] < 0.05, errors


# Against others.


OPTIONS = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "timestep_spacing": "trailing"}


def run_in_sigma(theirs, net, x_T, steps):
    """A scheduler of diffusers in sigma: it starts from x_T at full strength, and its network sees x_t as we do."""
    theirs.set_timesteps(steps)
    y = x_T * (theirs.sigmas[0] ** 2 + 1).sqrt()
    for t in theirs.timesteps:
        seen = theirs.scale_model_input(y, t)
        y = theirs.step(net(seen, torch.full((len(y),), round(float(t)) + 1)), t, y).prev_sample
    return y


@pytest.mark.parametrize(("method", "scheduler"), [("euler", EulerDiscreteScheduler), ("heun", HeunDiscreteScheduler)])
def test_euler_and_heun_match_diffusers(method, scheduler):
    net, x_T = network().double(), normal(8, 3)
    ours = last(sample(net, x_T, linear, steps=20, method=method))
    theirs = run_in_sigma(scheduler(**OPTIONS), net, x_T, 20)
    close(ours, theirs.double(), rtol=1e-5, atol=1e-5)


def test_euler_matches_the_flow_matching_scheduler_of_diffusers():
    schedule, net, x_T = Schedule.straight(1000), network().double(), normal(8, 3)
    steps = [950, 700, 400, 150]
    ours = last(sample(as_eps(net, schedule, "flow"), x_T, schedule, steps=steps, method="euler"))
    a = schedule.alpha_bar
    scale = a.sqrt() + (1 - a).sqrt()  # x_t is scale times the point of the straight path
    theirs = FlowMatchEulerDiscreteScheduler()
    theirs.set_timesteps(sigmas=[t / 1000 for t in steps])
    x = x_T / scale[950]
    for t in theirs.timesteps:
        step = round(float(t))
        flow = net(scale[step] * x, torch.full((8,), step))
        x = theirs.step(flow, t, x).prev_sample
    close(ours, x.double(), rtol=1e-5, atol=1e-5)


def edm_sampler(denoise, y, sigmas):
    """Karras et al. 2022, Algorithm 1, as printed, for s(t) = 1 and sigma(t) = t."""
    for i in range(len(sigmas) - 1):
        t, t_next = sigmas[i], sigmas[i + 1]
        d = (y - denoise(y, t)) / t
        y_next = y + (t_next - t) * d
        if t_next != 0:
            d_next = (y_next - denoise(y_next, t_next)) / t_next
            y_next = y + (t_next - t) * (d / 2 + d_next / 2)
        y = y_next
    return y


def test_heun_is_the_sampler_of_edm():
    visit, x_T = [*timesteps(1000, 12), 0], normal(30, 1)
    sigmas = sigma_of(linear)[visit].tolist()

    def denoise(y, sigma):
        """The exact denoiser of the mixture in EDM's own variable."""
        return humps.denoised(y, torch.ones(()).double(), torch.tensor(sigma).double())

    theirs = edm_sampler(denoise, x_T / linear.alpha_bar[1000].sqrt(), sigmas)
    ours = last(sample(humps.eps_model(linear), x_T, linear, steps=12, method="heun"))
    close(ours, theirs, rtol=1e-7, atol=1e-7)


# The protocol.


def test_heun_asks_twice_a_step_and_once_in_the_last():
    asked = []

    def model(x, t, cond):
        asked.append(int(t[0]))
        return 0.1 * x

    frames = list(sample(model, normal(2, 3), linear, steps=[900, 500, 100], method="heun"))
    assert asked == [900, 500, 500, 100, 100] and [f.t for f in frames] == [900, 500, 100, 0]
    with pytest.raises(FloatingPointError, match="At t = 500"):
        list(sample(lambda x, t, c: x * (math.nan if t[0] == 500 else 0), normal(2, 3), linear, steps=[900, 500], method="heun"))


def test_heun_clips_what_it_sees_at_both_ends():
    """With a network that sees no noise, x0_hat is clipped at each call, and so the slope is that of the clipped picture."""
    x_T = 3 * normal(5, 2)
    first, second, *_ = sample(lambda x, t, c: 0 * x, x_T, linear, steps=[900, 500], method="heun", clip=True)

    def clipped(x, t):
        a = linear.alpha_bar[t]
        return (x - a.sqrt() * (x / a.sqrt()).clamp(-1, 1)) / (1 - a).sqrt()

    close(second.x_t, heun_step(x_T, clipped(x_T, 900), 900, 500, linear, clipped))
    assert float(first.x0_hat.abs().max()) <= 1


@pytest.mark.parametrize("method", ["euler", "heun"])
def test_guidance_and_a_class_lead_both(method):
    exact = GaussianMixture(torch.ones(2), torch.tensor([[-1.0], [1.0]]), torch.full((2,), 0.01), labels=torch.tensor([0, 1]))
    cond = torch.tensor([0, 1] * 50)
    model = guided(exact.eps_model(linear), 2.0, exact.null)
    drawn = last(sample(model, normal(100, 1), linear, cond=cond, steps=20, method=method))
    assert torch.equal(drawn[:, 0] > 0, cond == 1)
    with pytest.raises(ValueError, match="adds no noise"):
        sample(model, normal(100, 1), linear, cond=cond, method=method, generator=seeded(0))
