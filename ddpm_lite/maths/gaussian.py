"""The Gaussians of DDPM: the forward step, its closed form, the posterior, and the terms of the variational bound.

Every function is plain arithmetic on tensors of shape (B, ...), with t an int or (B,) integers. None draws a random
number: the noise `eps` is an argument.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .schedule import Schedule, gather, require_floating

Steps = int | Int[Tensor, " batch"]


def q_step(x_prev: Float[Tensor, "*x"], t: Steps, eps: Float[Tensor, "*x"], schedule: Schedule) -> Float[Tensor, "*x"]:
    """One step of the forward chain: x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps, 1 <= t <= T.
    Slides L3, L4, L8, L9; Ho et al. 2020, eq. 2."""
    _check(x_prev=x_prev, eps=eps)
    return gather(schedule.alpha.sqrt(), t, x_prev, 1) * x_prev + gather(schedule.beta.sqrt(), t, x_prev, 1) * eps


def q_sample(x0: Float[Tensor, "*x"], t: Steps, eps: Float[Tensor, "*x"], schedule: Schedule) -> Float[Tensor, "*x"]:
    """A draw from q(x_t | x_0): x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, 0 <= t <= T.
    Slides L11, L12, L19; Ho et al. 2020, eq. 4."""
    _check(x0=x0, eps=eps)
    signal, noise = _signal_and_noise(x0, t, schedule)
    return signal * x0 + noise * eps


# Four ways to say the same thing: given x_t, each of x_0, eps, v and the flow determines the others (slide L18).


def x0_from_eps(x_t: Float[Tensor, "*x"], eps: Float[Tensor, "*x"], t: Steps, schedule: Schedule) -> Float[Tensor, "*x"]:
    """x_0 = (x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t), 0 <= t <= T. Slide L18; Ho et al. 2020, eq. 15."""
    _check(x_t=x_t, eps=eps)
    signal, noise = _signal_and_noise(x_t, t, schedule)
    return (x_t - noise * eps) / signal


def eps_from_x0(x_t: Float[Tensor, "*x"], x0: Float[Tensor, "*x"], t: Steps, schedule: Schedule) -> Float[Tensor, "*x"]:
    """eps = (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t), 1 <= t <= T:
    at t = 0 there is no noise in x_t. Slide L18; Ho et al. 2020, eq. 4."""
    _check(x_t=x_t, x0=x0)
    signal, noise = _signal_and_noise(x_t, t, schedule, first=1)
    return (x_t - signal * x0) / noise


def v_from_eps(x_t: Float[Tensor, "*x"], eps: Float[Tensor, "*x"], t: Steps, schedule: Schedule) -> Float[Tensor, "*x"]:
    """v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0, 0 <= t <= T. Slide L18; Salimans & Ho 2022, section 4."""
    x0 = x0_from_eps(x_t, eps, t, schedule)
    signal, noise = _signal_and_noise(x_t, t, schedule)
    return signal * eps - noise * x0


def x0_from_v(x_t: Float[Tensor, "*x"], v: Float[Tensor, "*x"], t: Steps, schedule: Schedule) -> Float[Tensor, "*x"]:
    """x_0 = sqrt(alpha_bar_t) x_t - sqrt(1 - alpha_bar_t) v, 0 <= t <= T. Slide L18; Salimans & Ho 2022, section 4."""
    _check(x_t=x_t, v=v)
    signal, noise = _signal_and_noise(x_t, t, schedule)
    return signal * x_t - noise * v


def eps_from_v(x_t: Float[Tensor, "*x"], v: Float[Tensor, "*x"], t: Steps, schedule: Schedule) -> Float[Tensor, "*x"]:
    """eps = sqrt(1 - alpha_bar_t) x_t + sqrt(alpha_bar_t) v, the other half of the same rotation, 0 <= t <= T.
    Slide L18; Salimans & Ho 2022, appendix D."""
    _check(x_t=x_t, v=v)
    signal, noise = _signal_and_noise(x_t, t, schedule)
    return noise * x_t + signal * v


def eps_from_flow(x_t: Float[Tensor, "*x"], flow: Float[Tensor, "*x"], t: Steps, schedule: Schedule) -> Float[Tensor, "*x"]:
    """eps = (x_t + sqrt(alpha_bar_t) u) / (sqrt(alpha_bar_t) + sqrt(1 - alpha_bar_t)) from the velocity u = eps - x_0 of the
    straight path from x_0 to eps, 0 <= t <= T. Slide L18; Lipman et al. 2023, section 4.1."""
    _check(x_t=x_t, flow=flow)
    signal, noise = _signal_and_noise(x_t, t, schedule)
    return (x_t + signal * flow) / (signal + noise)


def posterior(
    x0: Float[Tensor, "*x"], x_t: Float[Tensor, "*x"], t: Steps, schedule: Schedule
) -> tuple[Float[Tensor, "*x"], Float[Tensor, "..."]]:
    """Mean and variance of q(x_{t-1} | x_t, x_0), 1 <= t <= T:

    mean = sqrt(alpha_bar_{t-1}) beta_t / (1 - alpha_bar_t) x_0 + sqrt(alpha_t) (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) x_t
    variance = (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) beta_t, shaped to broadcast against x_t.

    Slides L7, L16, L17; Ho et al. 2020, eqs. 6 and 7.
    """
    _check(x0=x0, x_t=x_t)
    before, now = _shifted(schedule.alpha_bar), schedule.alpha_bar
    of_x0 = gather(before.sqrt() * schedule.beta / (1 - now), t, x_t, 1)
    of_x_t = gather(schedule.alpha.sqrt() * (1 - before) / (1 - now), t, x_t, 1)
    return of_x0 * x0 + of_x_t * x_t, gather(schedule.posterior_var, t, x_t, 1)


def posterior_mean_from_eps(
    x_t: Float[Tensor, "*x"], eps: Float[Tensor, "*x"], t: Steps, schedule: Schedule
) -> Float[Tensor, "*x"]:
    """The mean of `posterior` written with the noise, 1 <= t <= T: with a network's eps_hat for eps it is mu_theta.
    Slides L16, L18; Ho et al. 2020, eq. 11.

    mean = 1 / sqrt(alpha_t) * (x_t - (1 - alpha_t) / sqrt(1 - alpha_bar_t) * eps)
    """
    _check(x_t=x_t, eps=eps)
    of_eps = gather(schedule.beta / (1 - schedule.alpha_bar).sqrt(), t, x_t, 1)
    return (x_t - of_eps * eps) / gather(schedule.alpha.sqrt(), t, x_t, 1)


def kl(
    mean_1: Float[Tensor, "..."], var_1: Float[Tensor, "..."], mean_2: Float[Tensor, "..."], var_2: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """KL(N(mean_1, var_1) || N(mean_2, var_2)) in nats, for each coordinate on its own; arguments broadcast.
    Slide L20; Ho et al. 2020, eq. 5."""
    require_floating(mean_1=mean_1, var_1=var_1, mean_2=mean_2, var_2=var_2)
    return 0.5 * (torch.log(var_2 / var_1) + (var_1 + (mean_1 - mean_2) ** 2) / var_2 - 1)


# The variational bound, L_T + sum over t > 1 of L_{t-1} + L_0, each term in bits per dimension, shape (B,).


def bound_prior(x0: Float[Tensor, "b *d"], schedule: Schedule) -> Float[Tensor, " b"]:
    """L_T = KL(q(x_T | x_0) || N(0, I)): what the end of the chain still reveals about the picture. It involves no network.
    Slides L6, L20; Ho et al. 2020, eq. 5."""
    _check(x0=x0)
    signal, noise = _signal_and_noise(x0, schedule.T, schedule)
    one = torch.ones((), dtype=x0.dtype)
    return _bits_per_dim(kl(signal * x0, noise**2, 0 * one, one))


def bound_step(
    x0: Float[Tensor, "b *d"],
    x_t: Float[Tensor, "b *d"],
    eps_hat: Float[Tensor, "b *d"],
    t: Steps,
    schedule: Schedule,
    var: Float[Tensor, " T_plus_1"] | None = None,
) -> Float[Tensor, " b"]:
    """L_{t-1} = KL(q(x_{t-1} | x_t, x_0) || p_theta(x_{t-1} | x_t)), 2 <= t <= T (at t = 1 it is `bound_decoder`).
    Slides L15, L20; Ho et al. 2020, eqs. 5 and 12.

    p_theta is the Gaussian with the mean of `posterior_mean_from_eps` and the variance var[t]; None means
    posterior_var[t], and then the term is beta_t^2 / (2 posterior_var_t alpha_t (1 - alpha_bar_t)) |eps - eps_hat|^2.
    """
    _check(x0=x0, x_t=x_t, eps_hat=eps_hat)
    model_var = gather(schedule.posterior_var if var is None else var, t, x_t, 2)
    mean, true_var = posterior(x0, x_t, t, schedule)
    return _bits_per_dim(kl(mean, true_var, posterior_mean_from_eps(x_t, eps_hat, t, schedule), model_var))


def bound_decoder(
    x0: Float[Tensor, "b *d"], mean: Float[Tensor, "b *d"], var: float | Float[Tensor, ""], levels: int
) -> Float[Tensor, " b"]:
    """L_0 = -log p_theta(x_0 | x_1), x_0 on `levels` equally spaced grey values from -1 to 1. Slide L20; Ho et al. 2020, eq. 13.

    The probability of a grey value is the mass of N(mean, var) within half a step of it; the two end values take
    the tails, so the probabilities of all levels add up to 1. var must be positive: posterior_var[1] = 0 is refused.
    """
    _check(x0=x0, mean=mean)
    var = float(var)
    if var <= 0:
        raise ValueError(
            "The variance of the last step must be positive here: beta[1] or posterior_var[2], not posterior_var[1] = 0."
        )
    if levels < 2:
        raise ValueError(f"levels = {levels}, but a picture has at least two grey values.")
    half = 1 / (levels - 1)
    upper, lower = (x0 - mean + half) / math.sqrt(var), (x0 - mean - half) / math.sqrt(var)
    upper = torch.where(x0 > 1 - half, torch.inf, upper)
    lower = torch.where(x0 < -1 + half, -torch.inf, lower)
    # Phi(b) - Phi(a) = Phi(-a) - Phi(-b): on the far right the mirrored form keeps its digits.
    mirror = lower > 0
    upper, lower = torch.where(mirror, -lower, upper), torch.where(mirror, -upper, lower)
    log_upper, log_lower = torch.special.log_ndtr(upper), torch.special.log_ndtr(lower)
    return _bits_per_dim(-(log_upper + torch.log1p(-torch.exp(log_lower - log_upper))))


def _signal_and_noise(x: Tensor, t: Steps, schedule: Schedule, first: int = 0) -> tuple[Tensor, Tensor]:
    """sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t), shaped to multiply x."""
    return gather(schedule.alpha_bar.sqrt(), t, x, first), gather((1 - schedule.alpha_bar).sqrt(), t, x, first)


def _shifted(table: Tensor) -> Tensor:
    """table[t - 1] at index t (at t = 0, where nothing reads it, table[0])."""
    return torch.cat([table[:1], table[:-1]])


def _bits_per_dim(nats: Float[Tensor, "b *d"]) -> Float[Tensor, " b"]:
    return nats.reshape(len(nats), -1).mean(1) / math.log(2)


def _check(**tensors: Tensor) -> None:
    """Refuse tensors that are not floating-point or differ in shape: broadcasting would give every picture the same noise."""
    require_floating(**tensors)
    shapes = {name: tuple(x.shape) for name, x in tensors.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            "These must have the same shape: " + ", ".join(f"{name} is {shape}" for name, shape in shapes.items()) + "."
        )
