"""From noise to picture: the steps of DDPM, DDIM and DPM-Solver++, and the loop that takes them.

A step goes from t to any earlier t_next; adjacent steps are the special case t_next = t - 1. The loop is a generator,
so the caller can show, save or stop.
"""

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from ..maths.checks import require_finite
from ..maths.gaussian import eps_from_x0, x0_from_eps
from ..maths.schedule import Schedule, require_floating
from .guidance import refuse_training_mode


class Frame(NamedTuple):
    """A moment of sampling: the picture x_t at step t, and the clean picture the network sees in it."""

    t: int
    x_t: Tensor
    x0_hat: Tensor


def ddpm_step(
    x_t: Float[Tensor, "*x"],
    eps_hat: Float[Tensor, "*x"],
    t: int,
    t_next: int,
    schedule: Schedule,
    z: Float[Tensor, "*x"],
    var: str | Float[Tensor, " T_plus_1"] = "posterior",
) -> Float[Tensor, "*x"]:
    """Algorithm 2 of Ho et al. 2020: x_{t-1} = 1/sqrt(alpha_t) (x_t - (1 - alpha_t)/sqrt(1 - alpha_bar_t) eps_hat) + sigma_t z.

    From t to an earlier t_next, alpha_t is alpha_bar_t / alpha_bar_t_next. sigma_t^2 is the posterior variance
    (var = "posterior"), beta_t ("beta"), or var[t] of a table of variances, for adjacent steps only (else ValueError).
    With the first two, the step to t_next = 0 adds no noise; a table says so itself, with var[1] = 0.
    """
    require_floating(x_t=x_t, eps_hat=eps_hat, z=z)
    now, before = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[t_next])
    alpha = now / before
    beta = 1 - alpha
    sigma = _ddpm_sigma(t, t_next, schedule, var)
    return (x_t - beta / math.sqrt(1 - now) * eps_hat) / math.sqrt(alpha) + sigma * z


def _ddpm_sigma(t: int, t_next: int, schedule: Schedule, var: str | Tensor) -> float:
    """sigma_t of `ddpm_step`. ValueError for a var that does not fit."""
    now, before = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[t_next])
    beta = 1 - now / before
    if isinstance(var, Tensor):
        if t_next != t - 1:
            raise ValueError(f"A table of variances is for steps from t to t - 1, not from {t} to {t_next}.")
        if var.shape != schedule.beta.shape or not 0 <= float(var[t]) < math.inf:
            raise ValueError(f"A table of variances has {schedule.T + 1} finite numbers, for t = 0..T, none below 0.")
        return math.sqrt(float(var[t]))
    if var == "posterior":
        return math.sqrt((1 - before) / (1 - now) * beta)
    if var == "beta":
        return math.sqrt(beta) if t_next > 0 else 0.0
    raise ValueError(f"var = {var!r}, but it must be 'posterior', 'beta' or a table of variances over t = 0..T.")


def ddim_step(
    x_t: Float[Tensor, "*x"],
    eps_hat: Float[Tensor, "*x"],
    t: int,
    t_next: int,
    schedule: Schedule,
    z: Float[Tensor, "*x"] | None = None,
    eta: float = 0.0,
) -> Float[Tensor, "*x"]:
    """DDIM (Song et al. 2021, eqs. 12 and 16): back to x0_hat, then forward to t_next along the same noise.

    x_next = sqrt(alpha_bar_next) x0_hat + sqrt(1 - alpha_bar_next - sigma^2) eps_hat + sigma z,
    sigma = eta * (standard deviation of DDPM's posterior). eta = 0 is deterministic and needs no z; eta = 1 is DDPM.
    ValueError for an eta outside [0, 1], for eta > 0 without z, and for a z where eta is 0.
    """
    require_floating(x_t=x_t, eps_hat=eps_hat, z=z)
    _check_eta(eta)
    if eta > 0 and z is None:
        raise ValueError(f"eta = {eta} adds noise: give z, of the shape of x_t.")
    if eta == 0 and z is not None:
        raise ValueError("eta = 0 adds no noise, so z has no effect: leave it out, or give an eta above 0.")
    now, before = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[t_next])
    x0_hat = x0_from_eps(x_t, eps_hat, t, schedule)
    sigma = eta * math.sqrt((1 - before) / (1 - now) * (1 - now / before))
    x_next = math.sqrt(before) * x0_hat + math.sqrt(max(1 - before - sigma**2, 0.0)) * eps_hat  # 0 may round below 0
    return x_next + sigma * z if sigma else x_next


def dpm_solver_step(
    x_t: Float[Tensor, "*x"],
    x0_hat: Float[Tensor, "*x"],
    t: int,
    t_next: int,
    schedule: Schedule,
    last: tuple[int, Tensor] | None = None,
) -> Float[Tensor, "*x"]:
    """DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2), deterministic: x0_hat is extrapolated along half the log-SNR, lambda.

    last is the previous step and its x0_hat; without it, and in the step to t_next = 0 where lambda is infinite, the
    step is of first order, which is DDIM.
    """
    require_floating(x_t=x_t, x0_hat=x0_hat)
    now, before = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[t_next])
    if last is not None and t_next > 0:
        h_last = _half_log_snr(now) - _half_log_snr(float(schedule.alpha_bar[last[0]]))
        h = _half_log_snr(before) - _half_log_snr(now)
        x0_hat = x0_hat + h / (2 * h_last) * (x0_hat - last[1])
    ratio = math.sqrt((1 - before) / (1 - now))
    return ratio * x_t + (math.sqrt(before) - ratio * math.sqrt(now)) * x0_hat


def as_eps(model: Callable[..., Tensor], schedule: Schedule) -> Callable[..., Tensor]:
    """Turn a network that predicts x0 into one that predicts the noise, as guidance and samplers need:
    eps_hat = (x_t - sqrt(alpha_bar_t) x0_hat) / sqrt(1 - alpha_bar_t) (Ho et al. 2020, eq. 4)."""

    def eps(x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"], cond: Tensor | None = None) -> Float[Tensor, "b *d"]:
        return eps_from_x0(x_t, model(x_t, t, cond), t, schedule)

    eps.training = getattr(model, "training", False)  # for `sample`, which refuses to draw in training mode
    return eps


def timesteps(T: int, steps: int | Sequence[int] | None = None) -> list[int]:
    """The steps to visit, from T down: all of them (None), a number of them, evenly spread, or the given ones.

    With a number, t = T, where the noise was drawn, is always included. ValueError for a number outside 1..T and for steps
    that do not decrease from at most T to at least 1.
    """
    if steps is None:
        return list(range(T, 0, -1))
    if hasattr(steps, "__index__"):
        steps = operator.index(steps)
        if not 1 <= steps <= T:
            raise ValueError(f"steps = {steps}, but it must lie between 1 and T = {T}.")
        return [round(T * (steps - i) / steps) for i in range(steps)]
    steps = [int(t) for t in steps]
    if not steps or steps[0] > T or steps[-1] < 1 or any(a <= b for a, b in pairwise(steps)):
        raise ValueError(f"steps must decrease strictly, from at most T = {T} to at least 1.")
    return steps


def sample(
    model: Callable[..., Tensor],
    x_T: Float[Tensor, "b *d"],
    schedule: Schedule,
    *,
    cond: Shaped[Tensor, "b *c"] | None = None,
    steps: int | Sequence[int] | None = None,
    method: str = "ddpm",
    var: str | Float[Tensor, " T_plus_1"] | None = None,
    eta: float | None = None,
    clip: bool = False,
    generator: torch.Generator | Sequence[torch.Generator] | None = None,
) -> Iterator[Frame]:
    """Draw pictures: yields a Frame for each step visited, from t = T down, and finally Frame(0, x_0, x_0).

    model    eps_hat = model(x_t, t, cond), with t (B,): a network in eval mode, `guided(...)`, or an exact `eps_model`
    x_T      the starting noise, from N(0, I); everything that follows has its device and dtype
    steps    see `timesteps`
    method   "ddpm", "ddim" or "dpm-solver++"
    var      of DDPM alone: see `ddpm_step` (default "posterior")
    eta      of DDIM alone: see `ddim_step` (default 0)
    clip     keep every x0_hat in [-1, 1], the range of pictures
    generator   of the noise that DDPM, and DDIM with eta > 0, add. With a list of one generator per picture, a picture is
             the same whatever else is drawn with it
    ValueError, at the call, for arguments that do not fit or have no effect, numbers that are not finite, and a network in
    training mode; FloatingPointError at the step where the network returns NaN or infinity.
    """
    if method not in ("ddpm", "ddim", "dpm-solver++"):
        raise ValueError(f"There is no method {method!r}: use 'ddpm', 'ddim' or 'dpm-solver++'.")
    for name, value, owner in (("var", var, "ddpm"), ("eta", eta, "ddim")):
        if value is not None and method != owner:
            raise ValueError(f"{name} is an option of {owner}, and {method} does not use it: leave it out.")
    var, eta = "posterior" if var is None else var, eta or 0.0
    refuse_training_mode(model)
    visit = timesteps(schedule.T, steps)
    if method == "ddpm":
        for t, t_next in pairwise([*visit, 0]):
            _ddpm_sigma(t, t_next, schedule, var)
    _check_eta(eta)
    if method != "ddpm" and eta == 0 and generator is not None:
        raise ValueError(f"{method} adds no noise (eta = 0), so it does not use a generator: leave it out.")
    for name, rows in (("cond", cond), ("generator", generator if isinstance(generator, Sequence) else None)):
        if rows is not None and len(rows) != len(x_T):
            raise ValueError(f"{name} must hold one for each of the {len(x_T)} pictures, not {len(rows)}.")
    require_floating(x_T=x_T)
    require_finite(x_T=x_T)
    return _frames(model, x_T, schedule, cond, visit, method, var, eta, clip, generator)


@torch.no_grad()
def _frames(
    model: Callable[..., Tensor],
    x: Tensor,
    schedule: Schedule,
    cond: Tensor | None,
    visit: list[int],
    method: str,
    var: str | Tensor,
    eta: float,
    clip: bool,
    generator: torch.Generator | Sequence[torch.Generator] | None,
) -> Iterator[Frame]:
    """The steps of `sample`, whose arguments have been checked."""
    last = None
    for t, t_next in pairwise([*visit, 0]):
        eps_hat = model(x, torch.full((len(x),), t, device=x.device), cond)
        x0_hat = finite_x0_hat(x, eps_hat, t, schedule)
        if clip:
            x0_hat = x0_hat.clamp(-1, 1)
            eps_hat = eps_from_x0(x, x0_hat, t, schedule)
        yield Frame(t, x, x0_hat)
        if method == "dpm-solver++":
            x, last = dpm_solver_step(x, x0_hat, t, t_next, schedule, last), (t, x0_hat)
        elif method == "ddpm":
            x = ddpm_step(x, eps_hat, t, t_next, schedule, _noise(x, generator), var)
        else:
            x = ddim_step(x, eps_hat, t, t_next, schedule, _noise(x, generator) if eta > 0 else None, eta)
    yield Frame(0, x, x)


def finite_x0_hat(x_t: Tensor, eps_hat: Tensor, t: int, schedule: Schedule) -> Tensor:
    """x0_from_eps of a network's answer. FloatingPointError if it is not finite: after clipping it would look like a picture."""
    x0_hat = x0_from_eps(x_t, eps_hat, t, schedule)
    if not (x0_hat.is_meta or x0_hat.isfinite().all()):
        raise FloatingPointError(
            f"At t = {t} the network's answer is not finite: look for NaN or infinity in its weights and in cond, or for a "
            "guidance scale that is too large."
        )
    return x0_hat


def _noise(x: Tensor, generator: torch.Generator | Sequence[torch.Generator] | None) -> Tensor:
    """N(0, I) like x, from one generator for all rows or one for each."""
    if isinstance(generator, Sequence):
        z = torch.empty_like(x)
        for row, own in zip(z, generator, strict=True):
            row.copy_(torch.randn(row.shape, dtype=x.dtype, device=x.device, generator=own))
        return z
    return torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)


def _half_log_snr(alpha_bar: float) -> float:
    return 0.5 * math.log(alpha_bar / (1 - alpha_bar))


def _check_eta(eta: float) -> None:
    if not 0 <= eta <= 1:
        raise ValueError(f"eta = {eta}, but it runs from 0 (DDIM) to 1 (DDPM).")
