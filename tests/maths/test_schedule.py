"""The tables of a schedule against diffusers, exact fractions and Bayes' rule; and what a schedule refuses."""

import math
from dataclasses import FrozenInstanceError
from fractions import Fraction

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

import ddpm_lite as d
from ddpm_lite import Schedule
from ddpm_lite.maths.schedule import gather

quick = settings(deadline=None, max_examples=30, derandomize=True)
any_betas = st.lists(st.floats(1e-6, 0.999), min_size=1, max_size=30)
dtypes = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])


# Every function of the package of two tensors and t as f(a, b, t, schedule), with the first t that it takes.
CALLS = {
    "q_step": (lambda a, b, t, s: d.q_step(a, t, b, s), 1),
    "q_sample": (lambda a, b, t, s: d.q_sample(a, t, b, s), 0),
    "x0_from_eps": (d.x0_from_eps, 0),
    "eps_from_x0": (d.eps_from_x0, 1),
    "v_from_eps": (d.v_from_eps, 0),
    "x0_from_v": (d.x0_from_v, 0),
    "eps_from_v": (d.eps_from_v, 0),
    "eps_from_flow": (d.eps_from_flow, 0),
    "posterior": (lambda a, b, t, s: d.posterior(a, b, t, s)[0], 1),
    "posterior_mean_from_eps": (d.posterior_mean_from_eps, 1),
    "bound_step": (lambda a, b, t, s: d.bound_step(a, b, a, t, s), 2),
}


def exact_alpha_bar(beta) -> list[float]:
    """alpha_bar_0..alpha_bar_T in exact fractions, rounded once."""
    products = [Fraction(1)]
    for b in beta:
        products.append(products[-1] * (1 - Fraction(float(b))))
    return [float(p) for p in products]


@pytest.mark.parametrize("T", [1, 10, 1000])
@pytest.mark.parametrize("name, peer_name", [("linear", "linear"), ("cosine", "squaredcos_cap_v2")])
def test_linear_and_cosine_have_the_betas_of_diffusers(name, peer_name, T):
    peer = DDPMScheduler(num_train_timesteps=T, beta_start=1e-4, beta_end=0.02, beta_schedule=peer_name)
    # diffusers keeps float32: half a unit in the last place of the largest beta is 3e-8 (cosine) or 1e-9 (linear).
    atol = 2e-9 if name == "linear" else 6e-8
    torch.testing.assert_close(getattr(Schedule, name)(T).beta[1:], peer.betas.double(), rtol=0, atol=atol)


@quick
@given(T=st.integers(2, 300), s=st.floats(1e-3, 0.1), beta_max=st.floats(0.9, 0.9999))
def test_cosine_alpha_bar_is_the_squared_cosine_until_the_last_step_is_cut_off(T, s, beta_max):
    schedule = Schedule.cosine(T, s, beta_max)
    f = [math.cos(math.pi / 2 * (t / T + s) / (1 + s)) ** 2 for t in range(T)]
    assert schedule.alpha_bar[:T].tolist() == pytest.approx([a / f[0] for a in f], rel=1e-10)
    assert schedule.beta[T].item() == beta_max


@quick
@given(T=st.integers(2, 300), ends=st.tuples(st.floats(1e-6, 0.5), st.floats(1e-6, 0.5)))
def test_linear_goes_in_equal_steps_from_beta_1_to_beta_T(T, ends):
    first, last = ends
    beta = Schedule.linear(T, beta_1=first, beta_T=last).beta
    assert beta[1:].tolist() == pytest.approx([first + (last - first) * i / (T - 1) for i in range(T)], rel=1e-12)


@quick
@given(beta=any_betas)
def test_any_beta_between_0_and_1_gives_exact_tables(beta):
    schedule = Schedule.from_beta(beta)
    ab = exact_alpha_bar(beta)
    assert schedule.T == len(beta) and len(schedule.beta) == len(beta) + 1
    assert schedule.beta[1:].tolist() == beta
    assert schedule.alpha[1:].tolist() == [1 - b for b in beta]
    assert schedule.alpha_bar.tolist() == pytest.approx(ab, rel=1e-12)
    # 1 - alpha_bar loses digits where it is small: float64 keeps 1e-16 of 1.
    assert schedule.snr[1:].tolist() == pytest.approx([a / (1 - a) for a in ab[1:]], rel=1e-12 + 1e-14 / (1 - ab[1]))


@quick
@given(beta=any_betas)
def test_posterior_var_adds_the_precisions_of_the_two_steps_that_meet(beta):
    # Bayes: x_{t-1} is known from x_0 with precision 1 / (1 - alpha_bar_{t-1}) and from x_t with alpha_t / beta_t.
    schedule, ab = Schedule.from_beta(beta), exact_alpha_bar(beta)
    for t in range(2, schedule.T + 1):
        precision = 1 / (1 - ab[t - 1]) + (1 - beta[t - 1]) / beta[t - 1]
        assert schedule.posterior_var[t].item() == pytest.approx(1 / precision, rel=1e-14 / (1 - ab[1]) + 1e-12)


def test_a_straight_schedule_is_the_straight_path_scaled_and_its_flow_is_the_velocity_of_that_path(T=50):
    """x = (1 - u) x_0 + u eps, divided by the root of (1 - u)^2 + u^2, and eps - x_0 is dx/du."""
    schedule = Schedule.straight(T)
    x0, eps = torch.randn(2, T - 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    t = torch.arange(1, T)
    u = (t.double() / T)[:, None]
    straight = (1 - u) * x0 + u * eps
    x_t = straight / ((1 - u) ** 2 + u**2).sqrt()
    torch.testing.assert_close(d.q_sample(x0, t, eps, schedule), x_t, rtol=1e-9, atol=1e-12)
    later = ((1 - u - 1e-6) * x0 + (u + 1e-6) * eps - straight) / 1e-6
    torch.testing.assert_close(d.eps_from_flow(x_t, later, t, schedule), eps, rtol=1e-6, atol=1e-6)
    assert schedule.beta[-1] == 0.999


@pytest.mark.parametrize(
    "schedule",
    [Schedule.linear(), Schedule.cosine(), Schedule.straight(), Schedule.linear(1), Schedule.cosine(1), Schedule.straight(1)],
    ids=repr,
)
def test_index_0_is_the_clean_picture_and_the_last_step_adds_no_noise(schedule):
    assert schedule.beta[0] == 0 and schedule.alpha[0] == 1 and schedule.alpha_bar[0] == 1 and schedule.snr[0] == math.inf
    assert schedule.posterior_var[0] == 0 and schedule.posterior_var[1] == 0
    assert (schedule.posterior_var[2:] > 0).all()
    for table in (schedule.beta, schedule.alpha, schedule.alpha_bar, schedule.posterior_var, schedule.snr):
        assert table.dtype == torch.float64 and table.shape == (schedule.T + 1,)


def test_the_linear_schedule_of_1000_steps_keeps_every_digit_of_alpha_bar():
    schedule = Schedule.linear()
    assert schedule.alpha_bar.tolist() == pytest.approx(exact_alpha_bar(schedule.beta[1:]), rel=1e-12)
    assert schedule.alpha_bar[-1].item() == pytest.approx(4.036e-5, rel=1e-3)  # Ho et al. 2020, appendix B: about 4e-5


def test_a_schedule_does_not_change_and_does_not_follow_the_tensor_it_was_made_from():
    beta = torch.full((3,), 0.5)
    schedule = Schedule.from_beta(beta)
    beta.zero_()
    assert schedule.beta.tolist() == [0, 0.5, 0.5, 0.5]
    with pytest.raises(FrozenInstanceError):
        schedule.beta = beta


@pytest.mark.parametrize(
    "beta, message",
    [
        ([0.1, 0.0], "beta_2 = 0 must lie strictly between 0 and 1"),
        ([1.0, 0.1], "beta_1 = 1 must lie strictly"),
        ([0.1, 0.2, -0.5], "beta_3 = -0.5 must lie strictly"),
        ([0.1, math.nan], "beta_2 = nan must lie strictly"),
        ([], r"its shape is \(0,\)"),
        (torch.tensor(0.5), r"its shape is \(\)"),
        (torch.full((2, 3), 0.5), r"its shape is \(2, 3\)"),
        ([0.9] * 400, "alpha_bar falls to exactly 0"),
    ],
)
def test_a_bad_beta_is_refused_by_name(beta, message):
    with pytest.raises(ValueError, match=message):
        Schedule.from_beta(beta)


@pytest.mark.parametrize("make", [Schedule.linear, Schedule.cosine, Schedule.straight])
@pytest.mark.parametrize("T", [0, -3])
def test_a_diffusion_without_steps_is_refused(make, T):
    with pytest.raises(ValueError, match=f"T = {T}, but a diffusion needs at least one step"):
        make(T)


@quick
@given(beta=any_betas, rest=st.lists(st.integers(1, 3), max_size=3), dtype=dtypes, data=st.data())
def test_one_t_for_each_item_gives_what_a_loop_over_ints_gives(beta, rest, dtype, data):
    schedule = Schedule.from_beta(beta)
    t = data.draw(st.lists(st.integers(0, schedule.T), min_size=1, max_size=5))
    x = torch.ones(len(t), *rest, dtype=dtype)
    factor = gather(schedule.alpha_bar, torch.tensor(t), x)
    assert factor.shape == (len(t), *[1] * len(rest))
    for i, step in enumerate(t):
        one_by_one = gather(schedule.alpha_bar, step, x[i : i + 1]) * x[i : i + 1]
        assert one_by_one.dtype == (factor * x).dtype == dtype
        torch.testing.assert_close((factor * x)[i : i + 1], one_by_one, rtol=0, atol=0)
        assert one_by_one.flatten()[0] == schedule.alpha_bar[step].to(dtype)


@pytest.mark.parametrize("t", [1, torch.tensor([1, 1]), torch.tensor([1, 1], dtype=torch.int32)])
def test_the_noise_of_the_first_step_is_exact_in_float32(t):
    # 1 - alpha_bar_1 = 1e-4 taken from float32 tables is wrong by 1e-4 of itself: a thousand times this tolerance.
    x1 = d.q_sample(torch.zeros(2, 3), t, torch.ones(2, 3), Schedule.linear())
    assert x1.dtype == torch.float32
    torch.testing.assert_close(x1, torch.full((2, 3), 0.01), rtol=1.2e-7, atol=0)


@pytest.mark.parametrize(
    "t, error, message",
    [
        (1.0, TypeError, "must be an integer.*not float"),
        (True, TypeError, "must be an integer.*not bool"),
        ("1", TypeError, "must be an integer.*not str"),
        (torch.tensor([1.0, 2.0]), TypeError, "must hold integers.*float32"),
        (torch.tensor([True, False]), TypeError, "must hold integers.*bool"),
        (0, ValueError, "t = 0, but this needs 1 <= t <= 10"),
        (-1, ValueError, "t = -1, but this needs 1 <= t <= 10"),
        (11, ValueError, "t = 11, but this needs 1 <= t <= 10"),
        (torch.tensor([0, 3]), ValueError, "t runs from 0 to 3, but this needs 1 <= t <= 10"),
        (torch.tensor([-1, 3]), ValueError, "t runs from -1 to 3"),
        (torch.tensor([3, 11]), ValueError, "t runs from 3 to 11"),
        (torch.tensor([1, 2, 3]), ValueError, r"t of shape \(3,\) must be one number for each of the 2 items"),
        (torch.tensor([1]), ValueError, r"t of shape \(1,\) must be one number for each of the 2 items"),
        (torch.tensor(1), ValueError, r"t of shape \(\) must be one number"),
        (torch.tensor([[1, 2]]), ValueError, r"t of shape \(1, 2\) must be one number"),
    ],
)
def test_a_bad_t_is_refused(unchecked, t, error, message):
    schedule = Schedule.linear(10)
    with pytest.raises(error, match=message):
        gather(schedule.beta, t, torch.zeros(2, 3), first=1)


def test_the_ends_of_the_range_of_t_and_a_numpy_integer_are_allowed(unchecked):
    schedule, x = Schedule.linear(10), torch.zeros(2, 3)
    assert gather(schedule.alpha_bar, torch.tensor([0, 10]), x).flatten().tolist() == schedule.alpha_bar[[0, 10]].float().tolist()
    assert gather(schedule.alpha_bar, 10, torch.zeros(())) == schedule.alpha_bar[10].float()
    assert gather(schedule.alpha_bar, np.int64(10), x) == schedule.alpha_bar[10]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_one_t_for_each_item_is_a_loop_over_ints_in_every_function_and_the_dtype_stays(name, dtype, tolerance, g):
    (f, first), (a, b), schedule = CALLS[name], torch.randn(2, 3, 2, 2, dtype=dtype, generator=g), Schedule.linear(20)
    steps = [first, 7, 20]
    together = f(a, b, torch.tensor(steps), schedule)
    one_by_one = torch.cat([f(a[i : i + 1], b[i : i + 1], t, schedule) for i, t in enumerate(steps)])
    assert together.dtype == one_by_one.dtype == dtype
    torch.testing.assert_close(together, one_by_one, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CALLS)
def test_one_noise_for_a_whole_batch_and_a_t_out_of_range_are_refused(name, unchecked):
    (f, first), schedule, x = CALLS[name], Schedule.linear(5), torch.zeros(3, 2)
    for a, b in ((x, x[:1]), (x[:1], x)):
        with pytest.raises(ValueError, match=r"must have the same shape: .*\(1, 2\)"):
            f(a, b, 3, schedule)
    for t, message in ((first - 1, f"this needs {first} <= t <= 5"), (6, "<= t <= 5"), (torch.tensor([3, 6, 3]), "<= t <= 5")):
        with pytest.raises(ValueError, match=message):
            f(x, x, t, schedule)
