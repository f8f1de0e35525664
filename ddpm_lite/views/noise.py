"""Noise: pictures sink into noise under the hand, by the closed form, with the same noise at all t."""

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..gaussian import q_sample
from ..schedule import Schedule
from .base import View, esm, float32, int16, pictures, sent, six_steps, uint8


class Noise(View):
    """Pictures (n, c, h, w) in [-1, 1] at step t: x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (Ho et al., eq. 4).

    x0         the pictures; ValueError unless they can be shown
    eps        their noise, of the same shape, the same at all t: so one sees one path
    schedules  {name: Schedule}, all of the same T; `view.schedule` is the chosen name
    t          the step shown first, 0..T; set or read it as `view.t`
    """

    STATE = ("t", "schedule")
    _esm = esm("noise")
    t = traitlets.Int(0).tag(sync=True)
    schedule = traitlets.Unicode().tag(sync=True)
    T = traitlets.Int().tag(sync=True)
    schedules = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    x0 = traitlets.Bytes().tag(sync=True)
    eps = traitlets.Bytes().tag(sync=True)
    alpha_bar = traitlets.Bytes().tag(sync=True)

    def __init__(self, x0: Float[Tensor, "n c h w"], eps: Float[Tensor, "n c h w"], schedules: dict[str, Schedule], t: int = 0):
        pictures(x0, "x0")
        if eps.shape != x0.shape or not eps.isfinite().all():
            raise ValueError(f"eps must be finite noise of the shape of x0, {tuple(x0.shape)}, not {tuple(eps.shape)}.")
        lengths = {schedule.T for schedule in schedules.values()}
        if len(lengths) != 1:
            raise ValueError(f"schedules must be at least one, all with the same T, but their T are {sorted(lengths)}.")
        super().__init__(
            T=lengths.pop(),
            schedules=list(schedules),
            schedule=next(iter(schedules)),
            t=t,
            shape=list(x0.shape),
            x0=uint8(x0),
            eps=int16(eps),
            alpha_bar=float32(torch.stack([schedule.alpha_bar for schedule in schedules.values()])),
        )
        self._schedules = schedules

    @traitlets.validate("t")
    def _in_range(self, proposal):
        if not 0 <= proposal["value"] <= self.T:
            raise traitlets.TraitError(f"t = {proposal['value']}, but it must lie between 0 and T = {self.T}.")
        return proposal["value"]

    @traitlets.validate("schedule")
    def _known(self, proposal):
        if proposal["value"] not in self.schedules:
            raise traitlets.TraitError(
                f"There is no schedule {proposal['value']!r}: the known ones are {', '.join(self.schedules)}."
            )
        return proposal["value"]

    def frame(self) -> dict[str, np.ndarray]:
        """x_t (n, c, h, w) and alpha_bar, as drawn at the present t."""
        schedule, x0, eps = self._schedules[self.schedule], *sent(self)
        return {"x_t": q_sample(x0, self.t, eps, schedule).numpy(), "alpha_bar": schedule.alpha_bar[self.t].numpy()}

    def describe(self) -> str:
        """The step and how much signal is left."""
        share = 100 * float(self._schedules[self.schedule].alpha_bar[self.t])
        what = "A picture" if self.shape[0] == 1 else f"{self.shape[0]} pictures"
        signal = f"{share:.1f}" if share < 10 else f"{share:.0f}"
        return f"{what} at step t = {self.t} of {self.T}, {signal} % signal, {self.schedule} schedule."

    def filmstrip(self) -> Figure:
        """The first picture at six steps, with its signal left."""
        return six_steps(*sent(self), self._schedules[self.schedule])
