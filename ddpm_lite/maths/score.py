"""The score, the gradient of log p_t(x), and what follows from it: the way back as an SDE and as an ODE, and the likelihood.

A score here is a function score(x, t) -> like x, with t one number in continuous time: exact (`exact_score`) or learnt.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from .gaussian import Steps
from .oracle import GaussianMixture
from .path import GaussianPath, Time, fit
from .schedule import Schedule, gather, require_floating

Field = Callable[[Tensor, float], Tensor]


def score_from_eps(eps: Float[Tensor, "*x"], t: Steps, schedule: Schedule) -> Float[Tensor, "*x"]:
    """The score of q(x_t) from the noise expected in x_t: -eps / sqrt(1 - alpha_bar_t), 1 <= t <= T.
    Song et al. 2021b, section 3.3; Dhariwal & Nichol 2021, eq. 11."""
    require_floating(eps=eps)
    return -eps / gather((1 - schedule.alpha_bar).sqrt(), t, eps, 1)


def exact_score(mixture: GaussianMixture, path: GaussianPath) -> Field:
    """score(x, t) of a mixture that has gone along the path until t. Song et al. 2021b, eq. 7."""
    return lambda x, t: mixture.noised(float(path.signal(t)), float(path.noise(t))).score(x)


def reverse_drift(x: Float[Tensor, "b *d"], t: Time, score: Float[Tensor, "b *d"], path: GaussianPath) -> Float[Tensor, "b *d"]:
    """The drift of the SDE backwards in time, f x - g^2 score; the noise it adds is still g dw.
    Anderson 1982, section 3; Song et al. 2021b, eq. 6."""
    require_floating(x=x, score=score)
    return fit(path.drift(t), x) * x - fit(path.diffusion(t), x) * score


def ode_drift(x: Float[Tensor, "b *d"], t: Time, score: Float[Tensor, "b *d"], path: GaussianPath) -> Float[Tensor, "b *d"]:
    """The drift of the probability-flow ODE, f x - g^2 score / 2: without noise, and with the same marginals as the SDE.
    Song et al. 2021b, eq. 13."""
    require_floating(x=x, score=score)
    return fit(path.drift(t), x) * x - fit(path.diffusion(t), x) / 2 * score


def solve(field: Field, x: Float[Tensor, "b *d"], times: Float64[Tensor, " n"]) -> Float[Tensor, "n b *d"]:
    """x at each of the times, on its way along dx/dt = field(x, t) from times[0], where it is, by the Runge-Kutta method of
    order 4: four calls of the field a step. ValueError for fewer than two times, or times that change direction.
    Song et al. 2021b, section 4.3."""
    require_floating(x=x)
    h = times.diff()
    if len(times) < 2 or not (bool((h > 0).all()) or bool((h < 0).all())):
        raise ValueError("times must be two or more, all rising or all falling.")
    states = [x]
    for t, t_next in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        x, step, middle = states[-1], t_next - t, (t + t_next) / 2
        first = field(x, t)
        second = field(x + step / 2 * first, middle)
        third = field(x + step / 2 * second, middle)
        last = field(x + step * third, t_next)
        states.append(x + step / 6 * (first + 2 * second + 2 * third + last))
    return torch.stack(states)


def log_likelihood(
    x: Float[Tensor, "b *d"],
    score: Field,
    path: GaussianPath,
    times: Float64[Tensor, " n"],
    probes: Float[Tensor, "m b *d"] | None = None,
    log_prior: Callable[[Tensor], Tensor] | None = None,
) -> Float[Tensor, " b"]:
    """log p(x) in nats by the probability-flow ODE: log p(x at the last time) + integral of the divergence of the drift.
    Song et al. 2021b, eq. 39; Hutchinson 1990, section 2.

    times      from (nearly) 0 up: the steps of the solver
    probes     random vectors z with E[z z^T] = I, such as signs: the divergence is estimated by the mean of z^T J z. None:
               the exact trace of J, for which each coordinate costs a call of autograd
    log_prior  the log density at the last time; None: N(0, noise^2 I)
    The score must be differentiable in x. ValueError for times that fall, and for probes of another shape than x.
    """
    require_floating(x=x, probes=probes)
    if probes is not None and probes.shape[1:] != x.shape:
        raise ValueError(f"probes must be (m, {', '.join(map(str, x.shape))}), but their shape is {tuple(probes.shape)}.")
    if not bool((times.diff() > 0).all()):
        raise ValueError("times must rise: the likelihood follows a picture from the data to the noise.")

    def both(state: Tensor, t: float) -> Tensor:
        """The drift of x, and of the logarithm of the volume that it carries along."""
        with torch.enable_grad():
            here = state[:, :-1].reshape(x.shape).detach().requires_grad_()
            drift = ode_drift(here, t, score(here, t), path)
            divergence = _trace(drift, here) if probes is None else _estimate(drift, here, probes)
        return torch.cat([drift.detach().flatten(1), divergence[:, None]], 1)

    start = torch.cat([x.flatten(1), x.new_zeros(len(x), 1)], 1)
    end = solve(both, start, times)[-1]
    at_end, volume = end[:, :-1].reshape(x.shape), end[:, -1]
    if log_prior is not None:
        return log_prior(at_end) + volume
    std, size = float(path.noise(float(times[-1]))), math.prod(x.shape[1:])
    return volume - (at_end.flatten(1) ** 2).sum(1) / (2 * std**2) - size / 2 * math.log(2 * math.pi * std**2)


def _trace(drift: Tensor, x: Tensor) -> Tensor:
    """The sum of d drift_i / d x_i, for each item: no item's drift depends on another's x."""
    columns = drift.flatten(1).unbind(1)
    rows = [torch.autograd.grad(column.sum(), x, retain_graph=True)[0].flatten(1)[:, i] for i, column in enumerate(columns)]
    return torch.stack(rows).sum(0)


def _estimate(drift: Tensor, x: Tensor, probes: Tensor) -> Tensor:
    """The mean of z^T J z over the probes z."""
    products = [(torch.autograd.grad((drift * z).sum(), x, retain_graph=True)[0] * z).flatten(1).sum(1) for z in probes]
    return torch.stack(products).mean(0)


class Preconditioning(NamedTuple):
    """EDM's four numbers: D(y) = skip y + out F(scale y, noise), y = x_0 + sigma eps.
    Karras et al. 2022, eq. 7."""

    skip: Float64[Tensor, "..."]
    out: Float64[Tensor, "..."]
    scale: Float64[Tensor, "..."]
    noise: Float64[Tensor, "..."]


def sigma_of(schedule: Schedule) -> Float64[Tensor, " T_plus_1"]:
    """sigma_t = sqrt((1 - alpha_bar_t) / alpha_bar_t), the noise beside a picture of full strength, x_t / sqrt(alpha_bar_t);
    0 at t = 0. Karras et al. 2022, section 2; Song et al. 2021, eq. 13."""
    return ((1 - schedule.alpha_bar) / schedule.alpha_bar).sqrt()


def precondition(sigma: Float64[Tensor, "..."], sigma_data: float = 0.5) -> Preconditioning:
    """skip = d^2 / (sigma^2 + d^2), out = sigma d / sqrt(sigma^2 + d^2), scale = 1 / sqrt(sigma^2 + d^2), noise = log(sigma) / 4,
    where d = sigma_data is the standard deviation of the data. Karras et al. 2022, section 5, appendix B.6.

    With d = 1 this is v-prediction: scale y = x_t, and F = -v. ValueError unless sigma and sigma_data are above 0.
    """
    if not (sigma_data > 0 and bool((sigma > 0).all())):
        raise ValueError("sigma and sigma_data must be above 0.")
    total = sigma**2 + sigma_data**2
    return Preconditioning(sigma_data**2 / total, sigma * sigma_data / total.sqrt(), 1 / total.sqrt(), sigma.log() / 4)
