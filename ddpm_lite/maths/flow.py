"""Flow matching: the velocity of one path, of all together, how straight a flow is, and how to make it straighter.

A field here is a function field(x, t) -> like x with t in continuous time, 0 at the data and 1 at the noise, as in `path`.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from .oracle import GaussianMixture
from .path import GaussianPath, Time, fit
from .schedule import Schedule, require_floating
from .score import Field, solve


def conditional_field(
    x_t: Float[Tensor, "b *d"], x0: Float[Tensor, "b *d"], t: Time, path: GaussianPath
) -> Float[Tensor, "b *d"]:
    """The velocity of the point x_t on its way from x_0: signal' x_0 + noise'/noise (x_t - signal x_0), 0 < t <= 1.
    Lipman et al. 2023, eq. 15. On the straight path it is eps - x_0: see `training.targets.flow`."""
    require_floating(x_t=x_t, x0=x0)
    signal, noise, signal_rate, noise_rate = (
        fit(each(t), x_t) for each in (path.signal, path.noise, path.signal_rate, path.noise_rate)
    )
    return signal_rate * x0 + noise_rate / noise * (x_t - signal * x0)


def marginal_field(mixture: GaussianMixture, path: GaussianPath) -> Field:
    """field(x, t) that moves the whole density: the mean of `conditional_field` over the x_0 that may have led to x, 0 < t <= 1.
    Lipman et al. 2023, eq. 8.

    The velocity is linear in x_0, so its mean is that of E[x_0 | x_t]. It is the drift of the probability-flow ODE.
    """

    def field(x: Float[Tensor, "b D"], t: float) -> Float[Tensor, "b D"]:
        x0_mean = mixture.denoised(x, path.signal(t), path.noise(t))
        return conditional_field(x, x0_mean, t, path)

    return field


def field_of(model: Callable[..., Tensor], schedule: Schedule, cond: Tensor | None = None) -> Field:
    """field(x, t) on the straight path of a network that was trained with `flow_loss` under `Schedule.straight`.
    Lipman et al. 2023, eq. 23.

    The network sees x scaled to variance 1, and the step nearest to t T, at least 1.
    """

    def field(x: Float[Tensor, "b *d"], t: float) -> Float[Tensor, "b *d"]:
        require_floating(x=x)
        step = max(1, round(t * schedule.T))
        a = schedule.alpha_bar[step]
        scaled = (a.sqrt() + (1 - a).sqrt()).to(x) * x
        return model(scaled, torch.full((len(x),), step, device=x.device), cond)

    return field


def straightness(states: Float[Tensor, "n b *d"], times: Float64[Tensor, " n"]) -> Float[Tensor, ""]:
    """The integral over t of |(x_end - x_start) / (t_end - t_start) - dx/dt|^2, as a share of the mean square speed between the
    ends: 0 where each point goes straight on at one speed. Liu et al. 2023, section 2.2.

    states are those at the times, as `solve` returns them; a velocity is that between two neighbours.
    """
    require_floating(states=states)
    shape = (-1, *[1] * (states.ndim - 1))
    h = times.diff().to(states)
    along = (states[-1] - states[0]) / float(times[-1] - times[0])
    speeds = states.diff(dim=0) / h.reshape(shape)
    off = ((speeds - along) ** 2 * h.reshape(shape)).sum(0) / float(times[-1] - times[0])
    return off.mean() / (along**2).mean()


def rectified_pairs(
    field: Field, eps: Float[Tensor, "b *d"], times: Float64[Tensor, " n"]
) -> tuple[Float[Tensor, "b *d"], Float[Tensor, "b *d"]]:
    """Pairs (x_0, eps) to train the next flow on: each noise with the picture to which the flow carries it, times falling from 1.
    Liu et al. 2023, Algorithm 1.

    The lines between such pairs cross less often than those between random ones, so the next flow is straighter.
    ValueError for times that rise.
    """
    if not float(times[0]) > float(times[-1]):
        raise ValueError("times must fall: the flow goes from the noise, at 1, to the data.")
    return solve(field, eps, times)[-1], eps
