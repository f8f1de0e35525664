"""Gaussian paths in continuous time, 0 <= t <= 1: the noise schedules of diffusion as SDEs, and the straight path.

Every path is x_t = signal(t) x_0 + noise(t) eps. Its derivatives give the SDE dx = drift x dt + sqrt(diffusion) dw with the
same q(x_t | x_0), so a diffusion and a flow are two readings of one path. Coefficients are float64.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from .schedule import require_floating

Time = float | Float[Tensor, " batch"]
Coefficient = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class GaussianPath:
    """x_t = signal(t) x_0 + noise(t) eps with 0 <= t <= 1, from data at 0 to noise at 1; made by `vp`, `ve` or `straight`.
    Song et al. 2021b, section 3.4; Lipman et al. 2023, section 4.

    name          what it is called
    share         signal(t), what is left of x_0
    share_rate    its derivative
    var           noise(t)^2
    var_rate      its derivative
    """

    name: str
    share: Coefficient
    share_rate: Coefficient
    var: Coefficient
    var_rate: Coefficient

    @classmethod
    def vp(cls, beta_min: float = 0.1, beta_max: float = 20.0) -> "GaussianPath":
        """Variance preserving: dx = -beta(t)/2 x dt + sqrt(beta(t)) dw, beta(t) = beta_min + t (beta_max - beta_min), and
        signal(t)^2 = exp(-integral of beta from 0 to t). Song et al. 2021b, eqs. 11 and 33.

        It is the limit of `Schedule.linear(T, beta_min / T, beta_max / T)` for many steps: by default of DDPM's own
        schedule. ValueError unless 0 < beta_min <= beta_max < infinity.
        """
        if not 0 < beta_min <= beta_max < math.inf:
            raise ValueError(f"beta_min = {beta_min} and beta_max = {beta_max} must be above 0, in this order, and finite.")

        def beta(t: Tensor) -> Tensor:
            return beta_min + t * (beta_max - beta_min)

        def integral(t: Tensor) -> Tensor:
            return t * beta_min + t**2 / 2 * (beta_max - beta_min)

        return cls(
            "vp",
            lambda t: torch.exp(-integral(t) / 2),
            lambda t: -beta(t) / 2 * torch.exp(-integral(t) / 2),
            lambda t: -torch.expm1(-integral(t)),  # 1 - exp, without the loss of digits near t = 0
            lambda t: beta(t) * torch.exp(-integral(t)),
        )

    @classmethod
    def ve(cls, sigma_min: float = 0.01, sigma_max: float = 50.0) -> "GaussianPath":
        """Variance exploding: the signal stays, sigma(t) = sigma_min (sigma_max / sigma_min)^t, and the noise has the variance
        sigma(t)^2 - sigma(0)^2. Song et al. 2021b, eqs. 9 and 30. ValueError unless 0 < sigma_min < sigma_max < infinity."""
        if not 0 < sigma_min < sigma_max < math.inf:
            raise ValueError(f"sigma_min = {sigma_min} and sigma_max = {sigma_max} must be above 0, in this order, and finite.")
        growth = 2 * math.log(sigma_max / sigma_min)
        return cls(
            "ve",
            torch.ones_like,
            torch.zeros_like,
            lambda t: sigma_min**2 * torch.expm1(growth * t),
            lambda t: sigma_min**2 * growth * torch.exp(growth * t),
        )

    @classmethod
    def straight(cls) -> "GaussianPath":
        """The straight line from x_0 to eps, x_t = (1 - t) x_0 + t eps; `Schedule.straight` is this path, scaled to variance 1.
        Lipman et al. 2023, eq. 20."""
        return cls("straight", lambda t: 1 - t, lambda t: -torch.ones_like(t), lambda t: t**2, lambda t: 2 * t)

    def signal(self, t: Time) -> Float64[Tensor, "..."]:
        """What is left of x_0 at time t. ValueError for a t outside [0, 1]. Song et al. 2021b, eq. 29."""
        return self.share(_time(t))

    def noise(self, t: Time) -> Float64[Tensor, "..."]:
        """The standard deviation of the noise at time t. Song et al. 2021b, eq. 29."""
        return self.var(_time(t)).sqrt()

    def drift(self, t: Time) -> Float64[Tensor, "..."]:
        """f(t) = signal'(t) / signal(t) of the SDE dx = f x dt + g dw; infinite where no signal is left.
        Song et al. 2021b, eq. 5; Kingma et al. 2021, appendix F."""
        return self.share_rate(_time(t)) / self.share(_time(t))

    def diffusion(self, t: Time) -> Float64[Tensor, "..."]:
        """g(t)^2 = (noise^2)'(t) - 2 f(t) noise(t)^2, the variance that the SDE adds per unit of time.
        Song et al. 2021b, eq. 5; Kingma et al. 2021, appendix F."""
        return self.var_rate(_time(t)) - 2 * self.drift(t) * self.var(_time(t))

    def signal_rate(self, t: Time) -> Float64[Tensor, "..."]:
        """d signal / dt. Lipman et al. 2023, eq. 15."""
        return self.share_rate(_time(t))

    def noise_rate(self, t: Time) -> Float64[Tensor, "..."]:
        """d noise / dt, for t > 0: the noise of a diffusion begins like the root of t. Lipman et al. 2023, eq. 15."""
        return self.var_rate(_time(t)) / (2 * self.noise(t))


def fit(value: Float64[Tensor, "..."], x: Float[Tensor, "..."]) -> Tensor:
    """A coefficient, one number or one for each item, in the dtype and on the device of x, shaped to multiply x (B, ...).
    ValueError where the items differ in number."""
    require_floating(x=x)
    if value.ndim == 0:
        return value.to(x)
    if value.ndim != 1 or x.ndim < 1 or len(value) != len(x):
        raise ValueError(f"t of shape {tuple(value.shape)} must be one number, or one for each of the items of {tuple(x.shape)}.")
    return value.to(x).reshape(-1, *[1] * (x.ndim - 1))


def _time(t: Time) -> Float64[Tensor, "..."]:
    """t in float64. ValueError where it lies outside [0, 1]."""
    t = torch.as_tensor(t, dtype=torch.float64)
    if not t.is_meta and t.numel() and not (t.min() >= 0 and t.max() <= 1):
        raise ValueError(f"Continuous time runs from 0 to 1, but t runs from {float(t.min()):g} to {float(t.max()):g}.")
    return t
