"""The samplers: DDPM's step (Algorithm 2), DDIM's, that of DPM-Solver++, those of Euler and Heun, and the table of them.

A step goes from t to any earlier t_next; adjacent steps are the special case t_next = t - 1. What surrounds them is in `loop`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from ..maths.gaussian import eps_from_flow, eps_from_v, eps_from_x0, x0_from_eps
from ..maths.schedule import Schedule, require_floating
from ..maths.score import sigma_of


def ddpm_step(
    x_t: Float[Tensor, "*x"],
    eps_hat: Float[Tensor, "*x"],
    t: int,
    t_next: int,
    schedule: Schedule,
    z: Float[Tensor, "*x"],
    var: str | Float[Tensor, " T_plus_1"] = "posterior",
) -> Float[Tensor, "*x"]:
    """A step of Algorithm 2: x_{t-1} = 1/sqrt(alpha_t) (x_t - (1 - alpha_t)/sqrt(1 - alpha_bar_t) eps_hat) + sigma_t z.
    Slides L15, L21; Ho et al. 2020, Algorithm 2.

    From t to an earlier t_next, alpha_t is alpha_bar_t / alpha_bar_t_next. sigma_t^2 is the posterior variance
    (var = "posterior"), beta_t ("beta"), or var[t] of a table of variances, for adjacent steps only (else ValueError).
    With the first two, the step to t_next = 0 adds no noise; a table says so itself, with var[1] = 0.
    """
    require_floating(x_t=x_t, eps_hat=eps_hat, z=z)
    now, before = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[t_next])
    alpha = now / before
    beta = 1 - alpha
    sigma = ddpm_sigma(t, t_next, schedule, var)
    return (x_t - beta / math.sqrt(1 - now) * eps_hat) / math.sqrt(alpha) + sigma * z


def ddpm_sigma(t: int, t_next: int, schedule: Schedule, var: str | Tensor) -> float:
    """sigma_t of `ddpm_step`. ValueError for a var that does not fit. Slides L16, L17, L21; Ho et al. 2020, section 3.2."""
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
    """A step of DDIM: back to x0_hat, then forward to t_next along the same noise. Song et al. 2021, eqs. 12 and 16.

    x_next = sqrt(alpha_bar_next) x0_hat + sqrt(1 - alpha_bar_next - sigma^2) eps_hat + sigma z,
    sigma = eta * (standard deviation of DDPM's posterior). eta = 0 is deterministic and needs no z; eta = 1 is DDPM.
    ValueError for an eta outside [0, 1], for eta > 0 without z, and for a z where eta is 0.
    """
    require_floating(x_t=x_t, eps_hat=eps_hat, z=z)
    check_eta(eta)
    if eta > 0 and z is None:
        raise ValueError(f"eta = {eta} adds noise: give z, of the shape of x_t.")
    if eta == 0 and z is not None:
        raise ValueError("eta = 0 adds no noise, so z has no effect: leave it out, or give an eta above 0.")
    now, before = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[t_next])
    x0_hat = x0_from_eps(x_t, eps_hat, t, schedule)
    sigma = eta * math.sqrt((1 - before) / (1 - now) * (1 - now / before))
    x_next = math.sqrt(before) * x0_hat + math.sqrt(max(1 - before - sigma**2, 0.0)) * eps_hat  # 0 may round below 0
    return x_next + sigma * z if sigma and z is not None else x_next


def dpm_solver_step(
    x_t: Float[Tensor, "*x"],
    x0_hat: Float[Tensor, "*x"],
    t: int,
    t_next: int,
    schedule: Schedule,
    last: tuple[int, Tensor] | None = None,
) -> Float[Tensor, "*x"]:
    """A step of DPM-Solver++(2M), deterministic: x0_hat is extrapolated along half the log-SNR, lambda.
    Lu et al. 2022b, Algorithm 2.

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


# The probability-flow ODE is dy/dsigma = eps_hat for y = x_t / sqrt(alpha_bar_t) and sigma of `sigma_of`: see Karras et al. 2022.


def euler_step(
    x_t: Float[Tensor, "*x"], eps_hat: Float[Tensor, "*x"], t: int, t_next: int, schedule: Schedule
) -> Float[Tensor, "*x"]:
    """A step of Euler's method along the probability-flow ODE in sigma: y_next = y + (sigma_next - sigma) eps_hat.
    Karras et al. 2022, eq. 1; Song et al. 2021, eq. 14. Written in x_t it is `ddim_step` with eta = 0."""
    require_floating(x_t=x_t, eps_hat=eps_hat)
    signal, sigma = schedule.alpha_bar.sqrt(), sigma_of(schedule)
    ratio, step = float(signal[t_next] / signal[t]), float(signal[t_next] * (sigma[t_next] - sigma[t]))
    return ratio * x_t + step * eps_hat


HIGHEST = 200  # sigma; Karras et al. 2022 begin at 80, and the linear schedule of DDPM ends at 157


def heun_step(
    x_t: Float[Tensor, "*x"],
    eps_hat: Float[Tensor, "*x"],
    t: int,
    t_next: int,
    schedule: Schedule,
    eps_at: Callable[[Tensor, int], Tensor],
) -> Float[Tensor, "*x"]:
    """A step of Heun's method along the same ODE: Euler's step, then again with the mean of the slopes at both of its ends.
    Karras et al. 2022, Algorithm 1.

    eps_at(x, t) is the network's eps_hat: it is asked once more, at t_next. The step to t_next = 0 is Euler's, since there is no
    noise to be seen at 0. So is one from a sigma above HIGHEST: a cosine schedule ends at 20,000, and the slope at the far end of
    so long a step says nothing of its mean.
    """
    guess = euler_step(x_t, eps_hat, t, t_next, schedule)
    if t_next == 0 or schedule.alpha_bar[t] < 1 / (1 + HIGHEST**2):
        return guess
    return euler_step(x_t, (eps_hat + eps_at(guess, t_next)) / 2, t, t_next, schedule)


EPS_FROM = {"x0": eps_from_x0, "v": eps_from_v, "flow": eps_from_flow}


def as_eps(model: Callable[..., Tensor], schedule: Schedule, target: str = "x0") -> Callable[..., Tensor]:
    """A network that predicts x_0, v or the flow as one that predicts the noise, which is what guidance and the samplers take.
    ValueError for another target. Slide L18; Ho et al. 2020, eq. 4; Salimans & Ho 2022, section 4."""
    if target not in EPS_FROM:
        raise ValueError(f"target = {target!r}, but only {', '.join(EPS_FROM)} are turned into eps.")

    def eps(x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"], cond: Tensor | None = None) -> Float[Tensor, "b *d"]:
        return EPS_FROM[target](x_t, model(x_t, t, cond), t, schedule)

    # For `sample`, which refuses to draw in training mode.
    eps.training = getattr(model, "training", False)  # type: ignore[attr-defined]  # functions have attributes
    return eps


class Seen(NamedTuple):
    """What a step uses: the noise and the clean picture that the network sees in x_t, the t and x0_hat before, and how to
    ask it for the noise in another picture, at another t."""

    eps_hat: Tensor
    x0_hat: Tensor
    before: tuple[int, Tensor] | None
    eps_at: Callable[[Tensor, int], Tensor]


def _ddpm(x_t: Tensor, seen: Seen, t: int, t_next: int, schedule: Schedule, z: Tensor, var: str | Tensor = "posterior") -> Tensor:
    return ddpm_step(x_t, seen.eps_hat, t, t_next, schedule, z, var)


def _ddim(x_t: Tensor, seen: Seen, t: int, t_next: int, schedule: Schedule, z: Tensor | None, eta: float = 0.0) -> Tensor:
    return ddim_step(x_t, seen.eps_hat, t, t_next, schedule, z, eta)


def _dpm_solver(x_t: Tensor, seen: Seen, t: int, t_next: int, schedule: Schedule, z: None) -> Tensor:
    return dpm_solver_step(x_t, seen.x0_hat, t, t_next, schedule, seen.before)


def _euler(x_t: Tensor, seen: Seen, t: int, t_next: int, schedule: Schedule, z: None) -> Tensor:
    return euler_step(x_t, seen.eps_hat, t, t_next, schedule)


def _heun(x_t: Tensor, seen: Seen, t: int, t_next: int, schedule: Schedule, z: None) -> Tensor:
    return heun_step(x_t, seen.eps_hat, t, t_next, schedule, seen.eps_at)


# The samplers by name. A sampler goes from x_t to x_{t_next} by what the network sees in x_t, and by fresh noise z.
SAMPLERS: dict[str, Callable[..., Tensor]] = {
    "ddpm": _ddpm,
    "ddim": _ddim,
    "dpm-solver++": _dpm_solver,
    "euler": _euler,
    "heun": _heun,
}
OPTIONS = {"ddpm": "var", "ddim": "eta"}  # what `sample` takes for one of them alone


def _half_log_snr(alpha_bar: float) -> float:
    return 0.5 * math.log(alpha_bar / (1 - alpha_bar))


def check_eta(eta: float) -> None:
    """ValueError for an eta outside [0, 1]."""
    if not 0 <= eta <= 1:
        raise ValueError(f"eta = {eta}, but it runs from 0 (DDIM) to 1 (DDPM).")
