"""The noise schedule: beta_t and the tables that follow from it.

The index of every table is the lecture's t. Entry 0 is the clean picture (beta_0 = 0, alpha_bar_0 = 1),
so the last step of a sampler, from t = 1 to t = 0, is like every other step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Schedule:
    """The tables of a diffusion over t = 0..T, float64, on the CPU; made by `linear`, `cosine` or `from_beta`.
    Slides L10, L13, L16; Ho et al. 2020, section 2.

    beta[t]           variance of the noise that step t adds, in (0, 1); beta[0] = 0
    alpha[t]          1 - beta[t]
    alpha_bar[t]      product of alpha[1..t]: the share of the picture's variance that is left at step t
    posterior_var[t]  variance of q(x_{t-1} | x_t, x_0), (1 - alpha_bar[t-1]) / (1 - alpha_bar[t]) * beta[t];
                      0 at t = 0 and at t = 1
    """

    beta: Float64[Tensor, " T_plus_1"]
    alpha: Float64[Tensor, " T_plus_1"]
    alpha_bar: Float64[Tensor, " T_plus_1"]
    posterior_var: Float64[Tensor, " T_plus_1"]

    @classmethod
    def from_beta(cls, beta: Sequence[float] | Tensor) -> "Schedule":
        """The schedule of any sequence beta_1..beta_T, each strictly between 0 and 1 (else ValueError)."""
        beta = torch.as_tensor(beta, dtype=torch.float64, device="cpu")
        if beta.ndim != 1 or len(beta) == 0:
            raise ValueError(f"beta must be a sequence beta_1..beta_T, but its shape is {tuple(beta.shape)}.")
        wrong = ~((1 - beta < 1) & (beta > 0) & (beta < 1))
        if wrong.any():
            t = int(wrong.nonzero()[0, 0])
            raise ValueError(
                f"beta_{t + 1} = {beta[t]:g} must lie strictly between 0 and 1 (and so must 1 - beta_{t + 1}, as rounded)."
            )
        beta = torch.cat([beta.new_zeros(1), beta])
        alpha = 1 - beta
        alpha_bar = alpha.cumprod(0)
        if not alpha_bar[-1] > 0:
            raise ValueError("alpha_bar falls to exactly 0 before t = T: use smaller beta or fewer steps.")
        posterior_var = torch.zeros_like(beta)
        posterior_var[1:] = (1 - alpha_bar[:-1]) / (1 - alpha_bar[1:]) * beta[1:]
        return cls(beta, alpha, alpha_bar, posterior_var)

    @classmethod
    def linear(cls, T: int = 1000, beta_1: float = 1e-4, beta_T: float = 0.02) -> "Schedule":
        """beta_t rises linearly from beta_1 to beta_T. Slide L10; Ho et al. 2020, section 4."""
        return cls.from_beta(torch.linspace(beta_1, beta_T, _positive(T), dtype=torch.float64))

    @classmethod
    def cosine(cls, T: int = 1000, s: float = 0.008, beta_max: float = 0.999) -> "Schedule":
        """alpha_bar_t = f(t) / f(0), f(t) = cos^2(pi/2 * (t/T + s) / (1 + s)), with beta_t cut off at beta_max.
        Slide L10; Nichol & Dhariwal 2021, eq. 17."""
        f = torch.cos(math.pi / 2 * (torch.arange(_positive(T) + 1, dtype=torch.float64) / T + s) / (1 + s)) ** 2
        return cls.from_beta((1 - f[1:] / f[:-1]).clamp(max=beta_max))

    @classmethod
    def straight(cls, T: int = 1000, beta_max: float = 0.999) -> "Schedule":
        """The straight path (1 - u) x_0 + u eps of flow matching, u = t/T, scaled so that signal and noise together have variance
        1: alpha_bar_t = (1 - u)^2 / ((1 - u)^2 + u^2), with beta_t cut off at beta_max.
        Slide L10; Lipman et al. 2023, section 4.1."""
        u = torch.arange(_positive(T) + 1, dtype=torch.float64) / T
        f = (1 - u) ** 2 / ((1 - u) ** 2 + u**2)
        return cls.from_beta((1 - f[1:] / f[:-1]).clamp(max=beta_max))

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.beta) - 1

    @property
    def snr(self) -> Float64[Tensor, " T_plus_1"]:
        """Signal-to-noise ratio alpha_bar_t / (1 - alpha_bar_t) for pictures of unit variance; infinite at t = 0.
        Slide L6; Kingma et al. 2021, section 3.1."""
        return self.alpha_bar / (1 - self.alpha_bar)

    def __repr__(self) -> str:
        return (
            f"Schedule(T={self.T}, beta_1={self.beta[1]:.3g}, beta_T={self.beta[-1]:.3g}, alpha_bar_T={self.alpha_bar[-1]:.3g})"
        )


def require_floating(**tensors: Tensor | None) -> None:
    """TypeError unless each tensor that is not None holds floating-point numbers: in an integer type, every coefficient of
    a schedule would be rounded to 0 or 1."""
    for name, x in tensors.items():
        if x is not None and not x.is_floating_point():
            raise TypeError(
                f"{name} must hold floating-point numbers, not {x.dtype}: convert a picture of 0..255 by x.float() / 127.5 - 1."
            )


def gather(
    table: Float64[Tensor, " T_plus_1"], t: int | Int[Tensor, " batch"], x: Float[Tensor, "..."], first: int = 0
) -> Tensor:
    """table[t], in the dtype and on the device of x, shaped to multiply x of shape (B, ...).

    t is one step for the whole batch (int) or one for each picture ((B,) integers). Whatever is computed
    from a table is computed in float64 before this call: in float32, 1 - alpha_bar_1 = 0.0001 would lose four digits.
    ValueError where t lies outside first..T (checked for an int and for a t on the CPU; a check on a GPU would make
    every step wait) or has the wrong length; TypeError where it is not an integer, or where x is not floating-point.
    """
    require_floating(x=x)
    last = len(table) - 1
    if isinstance(t, Tensor):
        if t.is_floating_point() or t.is_complex() or t.dtype == torch.bool:
            raise TypeError(f"t must hold integers, the lecture's step numbers, not {t.dtype}.")
        if t.ndim != 1 or x.ndim < 1 or len(t) != len(x):
            raise ValueError(
                f"t of shape {tuple(t.shape)} must be one number for each of the {len(x) if x.ndim else 0} items of x."
            )
        if t.device.type == "cpu" and len(t) and not (first <= int(t.min()) and int(t.max()) <= last):
            raise ValueError(f"t runs from {int(t.min())} to {int(t.max())}, but this needs {first} <= t <= {last}.")
        return table.to(x.dtype).to(x.device)[t.long()].reshape(-1, *[1] * (x.ndim - 1))
    if isinstance(t, bool) or not hasattr(t, "__index__"):
        raise TypeError(f"t must be an integer, the lecture's step number, not {type(t).__name__}.")
    if not first <= t <= last:
        raise ValueError(f"t = {t}, but this needs {first} <= t <= {last}.")
    # A tensor without dimensions multiplies a tensor on any device and does not change its dtype.
    return table[t] if x.ndim else table[t].to(x)


def _positive(T: int) -> int:
    if not isinstance(T, int):
        raise TypeError(f"T must be an integer, the number of steps, not {type(T).__name__}.")
    if T < 1:
        raise ValueError(f"T = {T}, but a diffusion needs at least one step.")
    return T
