"""ScheduleView: the signal and the bits left over t under a schedule that the reader sets, and a picture at eight steps."""

import math
from typing import Any, ClassVar

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..maths.gaussian import q_sample
from ..maths.schedule import Schedule
from .base import View, esm, int16, pictures, sent, six_steps, uint8

SHOWN = 8  # pictures below the curves


class ScheduleView(View):
    """One picture (1, c, h, w) in [-1, 1] under a schedule that the reader sets.
    Slides L10, L13; Ho et al. 2020, section 4; Nichol & Dhariwal 2021, eq. 17.

    kind           "linear" (from beta_1 to beta_T), "falling" (the same backwards) or "cosine" (with s)
    T              its steps, 10..1000
    beta_1, beta_T in [0.0001, 0.02] and [0.001, 0.2]; s in [0.001, 0.2]
    """

    PRESETS: ClassVar[dict[str, dict]] = {
        "Ho et al.": {"kind": "linear", "T": 1000, "beta_1": 1e-4, "beta_T": 0.02},
        "Nichol & Dhariwal": {"kind": "cosine", "T": 1000, "s": 0.008},
        "Ho et al. backwards": {"kind": "falling", "T": 1000, "beta_1": 1e-4, "beta_T": 0.02},
    }
    STATE = ("kind", "T", "beta_1", "beta_T", "s")
    _esm = esm("schedule")
    kind = traitlets.Enum(["linear", "cosine", "falling"], "linear").tag(sync=True)
    T = traitlets.Int(1000, min=10, max=1000).tag(sync=True)
    beta_1 = traitlets.Float(1e-4, min=1e-4, max=0.02).tag(sync=True)
    beta_T = traitlets.Float(0.02, min=1e-3, max=0.2).tag(sync=True)
    s = traitlets.Float(0.008, min=1e-3, max=0.2).tag(sync=True)
    presets: traitlets.List[Any] = traitlets.List(help="[name, state] for each of PRESETS, in this order").tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    x0 = traitlets.Bytes().tag(sync=True)
    eps = traitlets.Bytes().tag(sync=True)

    def __init__(self, x0: Float[Tensor, "1 c h w"], eps: Float[Tensor, "1 c h w"], **state: int | float | str):
        pictures(x0, "x0")
        if len(x0) != 1 or eps.shape != x0.shape or not eps.isfinite().all():
            raise ValueError(
                f"This view shows one picture and finite noise of its shape, not {tuple(x0.shape)} and {tuple(eps.shape)}."
            )
        super().__init__(
            presets=[list(preset) for preset in self.PRESETS.items()], shape=list(x0.shape), x0=uint8(x0), eps=int16(eps), **state
        )

    def made(self) -> Schedule:
        """The schedule of the present state."""
        if self.kind == "cosine":
            return Schedule.cosine(self.T, self.s)
        linear = Schedule.linear(self.T, self.beta_1, self.beta_T)
        return linear if self.kind == "linear" else Schedule.from_beta(linear.beta[1:].flip(0))

    def frame(self) -> dict[str, np.ndarray]:
        """alpha_bar and the bits left in a pixel, at most 8, both (T + 1,), and x_t (8, c, h, w) at as many steps from 0 to T."""
        made, (x0, eps) = self.made(), sent(self)
        alpha_bar = made.alpha_bar.numpy()
        with np.errstate(divide="ignore"):  # at t = 0 all bits are left
            bits = np.minimum(8, -0.5 * np.log2(1 - alpha_bar))
        steps = [math.floor(self.T * k / (SHOWN - 1) + 0.5) for k in range(SHOWN)]
        return {"alpha_bar": alpha_bar, "bits": bits, "x_t": torch.cat([q_sample(x0, t, eps, made) for t in steps]).numpy()}

    def describe(self) -> str:
        """When half of the signal is gone, and what is left at the end."""
        alpha_bar = self.made().alpha_bar
        half = (alpha_bar < 0.5).nonzero()
        when = f"half gone at t = {int(half[0])}" if len(half) else "never half gone"
        percent = 100 * float(alpha_bar[-1])
        left = "less than 0.01" if percent < 0.01 else f"{float(f'{percent:.2g}'):g}"
        return f"A {self.kind} schedule of {self.T} steps: the signal is {when}; {left} % is left at the end."

    def filmstrip(self) -> Figure:
        """The picture at six steps of the present schedule."""
        x0, eps = sent(self)
        made = self.made()
        return six_steps(lambda t: q_sample(x0, t, eps, made), made)
