"""The steps of ProbabilityFlow, for any Gaussian path: Euler's and Heun's along the ODE, DDIM's with and without noise."""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..maths.path import GaussianPath
from .base import normal

VelocityField = Callable[[Tensor, float], Tensor]


def parts(
    x: Float[Tensor, "n d"], velocity: Float[Tensor, "n d"], u: float, path: GaussianPath
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """x0_hat and eps_hat, of which x = a x0_hat + b eps_hat and the velocity a' x0_hat + b' eps_hat is made, 0 < u <= 1.
    Lipman et al. 2023, eq. 15."""
    a, b, a_rate, b_rate = (float(each(u)) for each in (path.signal, path.noise, path.signal_rate, path.noise_rate))
    turn = a_rate * b - a * b_rate
    return (b * velocity - b_rate * x) / turn, (a_rate * x - a * velocity) / turn


def ode_step(
    field: VelocityField, x: Float[Tensor, "n d"], u: float, u_next: float, path: GaussianPath, solver: str
) -> Float[Tensor, "n d"]:
    """A step along dx/du = field(x, u): "Euler", "Heun" (both in x and u) or "DDIM".
    Karras et al. 2022, Algorithm 1; Song et al. 2021, eq. 13."""
    if solver == "DDIM":
        return noisy_step(field, x, u, u_next, path, 0.0, torch.zeros_like(x))
    velocity = field(x, u)
    guess = x + (u_next - u) * velocity
    if solver == "Euler":
        return guess
    return x + (u_next - u) / 2 * (velocity + field(guess, u_next))


def noisy_step(
    field: VelocityField,
    x: Float[Tensor, "n d"],
    u: float,
    u_next: float,
    path: GaussianPath,
    eta: float,
    z: Float[Tensor, "n d"],
) -> Float[Tensor, "n d"]:
    """A step of DDIM in continuous time: x_next = a_next x0_hat + sqrt(b_next^2 - sigma^2) eps_hat + sigma z.
    Song et al. 2021, eqs. 12 and 16.

    sigma is eta times the standard deviation of q(x_next | x, x_0). In the limit of short steps this is the ODE with eta = 0, the
    reverse SDE with eta = 1, and in between dx = (velocity - eta^2 g^2 score / 2) du + eta g dw, all with the same densities.
    """
    a, b, a_next, b_next = (float(each(time)) for time in (u, u_next) for each in (path.signal, path.noise))
    x0_hat, eps_hat = parts(x, field(x, u), u, path)
    sigma = eta * b_next / b * math.sqrt(b**2 - (a / a_next * b_next) ** 2)
    return a_next * x0_hat + math.sqrt(max(b_next**2 - sigma**2, 0.0)) * eps_hat + sigma * z


def noise(step: int, n: int, d: int) -> Float[Tensor, "n d"]:
    """The standard normal noise of a step for n points, the same in each browser: see `normal`."""
    return torch.from_numpy(normal(1000 * step + np.arange(n * d)).reshape(n, d))
