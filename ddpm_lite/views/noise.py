"""Noise: pictures at any step of the noise, in one jump with the same noise at all t, or step by step."""

from typing import Any

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..maths.gaussian import eps_from_x0, q_sample, q_step
from ..maths.schedule import Schedule
from .base import View, esm, int16, normal, pictures, sent, six_steps, uint8

STRIDE = 10  # of a walk, the pictures at every tenth step are kept: from there any other is near
LONGEST = 25_000_000  # noises in a walk: about a second of work for the browser, done ahead


class Noise(View):
    """Pictures (n, c, h, w) in [-1, 1] at step t, by the closed form or by the chain:

    closed form  x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, with one eps at all t, so that moving t follows one path
    chain        x_s = sqrt(1 - beta_s) x_{s-1} + sqrt(beta_s) eps_s for s = 1..t, each step with noise of its own;
                 shown as eps is then all the noise so far, (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t),
                 and 0 at t = 0, where there is none

    x0         the pictures; ValueError unless they can be shown
    eps        the noise of the closed form, of the same shape
    schedules  {name: Schedule}, all of the same T; `view.schedule` is the chosen name
    t          the step shown first, 0..T; set or read it as `view.t`
    way        "closed form" or "chain", which is there while T times the numbers of x0 are at most 25 million

    Slides L3, L8, L11, L12; Ho et al. 2020, eqs. 2 and 4.
    """

    STATE = ("t", "schedule", "way")
    _esm = esm("noise")
    t = traitlets.Int(0).tag(sync=True)
    schedule = traitlets.Unicode().tag(sync=True)
    way = traitlets.Unicode().tag(sync=True)
    ways = traitlets.List(traitlets.Unicode()).tag(sync=True)
    T = traitlets.Int().tag(sync=True)
    schedules = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    x0 = traitlets.Bytes().tag(sync=True)
    eps = traitlets.Bytes().tag(sync=True)
    beta = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        x0: Float[Tensor, "n c h w"],
        eps: Float[Tensor, "n c h w"],
        schedules: dict[str, Schedule],
        t: int = 0,
        way: str = "closed form",
    ):
        pictures(x0, "x0")
        if eps.shape != x0.shape or not eps.isfinite().all():
            raise ValueError(f"eps must be finite noise of the shape of x0, {tuple(x0.shape)}, not {tuple(eps.shape)}.")
        lengths = {schedule.T for schedule in schedules.values()}
        if len(lengths) != 1:
            raise ValueError(f"schedules must be at least one, all with the same T, but their T are {sorted(lengths)}.")
        T = lengths.pop()
        super().__init__(
            T=T,
            ways=["closed form", "chain"] if T * x0.numel() <= LONGEST else ["closed form"],
            way=way,
            schedules=list(schedules),
            schedule=next(iter(schedules)),
            t=t,
            shape=list(x0.shape),
            x0=uint8(x0),
            eps=int16(eps),
            beta=np.stack([schedule.beta.numpy() for schedule in schedules.values()]).astype("<f8").tobytes(),
        )
        self._schedules = schedules

    @traitlets.observe("x0", "beta")
    def _begin(self, _: dict[str, Any]) -> None:
        self._walks: dict[
            str, list[Tensor]
        ] = {}  # of each schedule, the pictures at every tenth step, as far as they were asked for

    @traitlets.validate("t")
    def _in_range(self, proposal: dict[str, Any]) -> Any:
        if not 0 <= proposal["value"] <= self.T:
            raise traitlets.TraitError(f"t = {proposal['value']}, but it must lie between 0 and T = {self.T}.")
        return proposal["value"]

    @traitlets.validate("schedule")
    def _known(self, proposal: dict[str, Any]) -> Any:
        if proposal["value"] not in self.schedules:
            raise traitlets.TraitError(
                f"There is no schedule {proposal['value']!r}: the known ones are {', '.join(self.schedules)}."
            )
        return proposal["value"]

    @traitlets.validate("way")
    def _possible(self, proposal: dict[str, Any]) -> Any:
        if proposal["value"] not in self.ways:
            raise traitlets.TraitError(f"There is no way {proposal['value']!r} for these pictures: use {' or '.join(self.ways)}.")
        return proposal["value"]

    def frame(self) -> dict[str, np.ndarray]:
        """x_t and eps (n, c, h, w), and alpha_bar, as drawn at the present t."""
        x_t, eps = self._mixed(self.t)
        return {"x_t": x_t.numpy(), "eps": eps.numpy(), "alpha_bar": self._schedules[self.schedule].alpha_bar[self.t].numpy()}

    def _mixed(self, t: int) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"]]:
        """x_t and the noise in it, in the present way."""
        schedule, x0, eps = self._schedules[self.schedule], *sent(self)
        if self.way == "closed form":
            return q_sample(x0, t, eps, schedule), eps
        stops = self._walks.setdefault(self.schedule, [x0])
        nearest = min(t // STRIDE, len(stops) - 1)
        x = stops[nearest]
        for s in range(nearest * STRIDE + 1, t + 1):
            counter = (s - 1) * x.numel() + np.arange(x.numel())
            x = q_step(x, s, torch.from_numpy(normal(counter)).reshape(x.shape), schedule)
            if s == len(stops) * STRIDE:
                stops.append(x)
        return x, eps_from_x0(x, x0, t, schedule) if t else torch.zeros_like(x)

    def describe(self) -> str:
        """The step, how much signal is left, and the way there."""
        share = 100 * float(self._schedules[self.schedule].alpha_bar[self.t])
        what = "A picture" if self.shape[0] == 1 else f"{self.shape[0]} pictures"
        signal = f"{share:.1f}" if share < 10 else f"{share:.0f}"
        none = ", no noise yet" if self.way == "chain" and self.t == 0 else ""
        return f"{what} at step t = {self.t} of {self.T}, {signal} % signal, {self.schedule} schedule, by the {self.way}{none}."

    def filmstrip(self) -> Figure:
        """The first picture at six steps, with its signal left."""
        return six_steps(lambda t: self._mixed(t)[0][:1], self._schedules[self.schedule])
