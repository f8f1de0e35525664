"""Training: what a network of points in the plane answers at some steps of its training: samples, arrows, loss per t."""

from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..maths.gaussian import q_sample
from ..maths.oracle import GaussianMixture
from ..maths.schedule import Schedule
from ..sampling.loop import sample
from .base import View, esm, float32
from .field import REACH, THOUSANDTHS, answers, draw_plane, in_the_plane, likely, places, some_steps, way_back
from .plots import BLACK, BLUE

POINTS, DRAWS = 150, 512  # points drawn with the network, and draws of (x_0, eps) on which its loss is measured
LOSS_AT = (2, 5, 10, 20, 35, 60, 100, 150, 200, 300, 400, 500, 700, 1000)  # thousandths of T
ARROWS_AT = (20, 60, 200, 500)  # some of them


class Snapshot(NamedTuple):
    """What a network answers: points drawn with it, its ways back at a few t, its loss at more of them and its floor.
    Slide L20; Ho et al. 2020, Algorithm 1."""

    samples: Float[Tensor, "150 2"]
    ways: Float[Tensor, "few 256 2"]
    loss: Float[Tensor, " many"]
    floor: Float[Tensor, " many"]


class Training(View):
    """A training of eps_hat, looked at from its first step to its last: slider over the steps that were kept.
    Slide L20; Ho et al. 2020, Algorithm 1.

    saved    {training step: Training.snapshot(...)}, each with the same generator's seed: so the noise is the same
    exact    the distribution of x_0, in the plane
    step     the training step shown, one of those in `saved`; the last one at first
    t        of the arrows, one of `shown_t`: -sqrt(1 - alpha_bar_t) eps_hat, as in `Field`
    ValueError unless there is a snapshot and all were taken with the same questions.
    """

    STATE = ("step", "t")
    _esm = esm("training")
    step = traitlets.Int().tag(sync=True)
    t = traitlets.Int().tag(sync=True)
    T = traitlets.Int().tag(sync=True)
    steps = traitlets.List(traitlets.Int()).tag(sync=True)
    shown_t = traitlets.List(traitlets.Int()).tag(sync=True)
    loss_t = traitlets.List(traitlets.Int()).tag(sync=True)
    signal = traitlets.List(traitlets.Float(), help="sqrt(alpha_bar) at each of shown_t").tag(sync=True)
    on_a_spot = traitlets.List(traitlets.Float(), help="the share of the samples, for each of steps").tag(sync=True)
    mixture = traitlets.Dict().tag(sync=True)
    samples = traitlets.Bytes(help="float32 (steps, 150, 2)").tag(sync=True)
    ways = traitlets.Bytes(help="float32 (steps, shown_t, 256, 2)").tag(sync=True)
    exact_ways = traitlets.Bytes(help="float32 (shown_t, 256, 2)").tag(sync=True)
    likely = traitlets.Bytes(help="uint8 (shown_t, 256): 1 where arrows are drawn").tag(sync=True)
    loss = traitlets.Bytes(help="float32 (steps, loss_t)").tag(sync=True)
    floor = traitlets.Bytes(help="float32 (loss_t,)").tag(sync=True)

    def __init__(self, saved: dict[int, Snapshot], exact: GaussianMixture, schedule: Schedule, **state: int):
        mixture, self._exact, self._schedule = in_the_plane(exact), exact, schedule
        shown_t, loss_t = some_steps(schedule.T, ARROWS_AT), some_steps(schedule.T, LOSS_AT)
        steps = sorted(saved)
        if not steps:
            raise ValueError("saved is empty: keep at least one Training.snapshot.")
        shots = [saved[step] for step in steps]
        for step, shot in zip(steps, shots, strict=True):
            if shot.ways.shape[0] != len(shown_t) or not torch.equal(shot.floor, shots[0].floor):
                raise ValueError(
                    f"The snapshot of step {step} answers other questions than that of step {steps[0]}: give all of them the "
                    "same distribution, the same schedule and a generator of the same seed."
                )
        samples = torch.stack([shot.samples for shot in shots])
        super().__init__(
            T=schedule.T,
            steps=steps,
            shown_t=shown_t,
            loss_t=loss_t,
            signal=schedule.alpha_bar[shown_t].sqrt().tolist(),
            on_a_spot=[float(on_a_spot(x, exact).mean()) for x in samples],
            mixture=mixture,
            samples=float32(samples),
            ways=float32(torch.stack([shot.ways for shot in shots])),
            exact_ways=float32(torch.stack([way_back(exact.eps(places(), t, schedule), t, schedule) for t in shown_t])),
            likely=torch.stack([likely(exact, t, schedule) for t in shown_t]).byte().numpy().tobytes(),
            loss=float32(torch.stack([shot.loss for shot in shots])),
            floor=float32(shots[0].floor),
            **{"step": steps[-1], "t": shown_t[min(1, len(shown_t) - 1)]} | state,
        )

    @staticmethod
    def snapshot(
        model: Callable[..., Tensor], exact: GaussianMixture, schedule: Schedule, generator: torch.Generator
    ) -> Snapshot:
        """What a network eps_hat(x_t, t), in eval mode, answers by now; the questions depend on the generator's seed alone.

        150 points by DDIM in 21 steps, arrows on a grid at four t, and the loss on 512 draws (x_0, eps), the same at all
        t; the floor is the loss of eps* on the same draws. ValueError if the network answers no finite eps_hat.
        """
        x_T = torch.randn(POINTS, 2, generator=generator)
        x0, eps = exact.draw(DRAWS, generator)[0], torch.randn(DRAWS, 2, generator=generator, dtype=torch.float64)
        shown_t, loss_t = some_steps(schedule.T, ARROWS_AT), some_steps(schedule.T, LOSS_AT)
        arrows = torch.stack([way_back(answers(model, places(), t), t, schedule) for t in shown_t])
        *_, last = sample(model, x_T, schedule, steps=some_steps(schedule.T, THOUSANDTHS)[::-1], method="ddim")
        noisy = [q_sample(x0, t, eps, schedule) for t in loss_t]
        loss = [(eps - answers(model, x_t, t)).square().mean() for t, x_t in zip(loss_t, noisy, strict=True)]
        floor = [(eps - exact.eps(x_t, t, schedule)).square().mean() for t, x_t in zip(loss_t, noisy, strict=True)]
        return Snapshot(last.x_t, arrows, torch.stack(loss), torch.stack(floor))

    @traitlets.validate("step", "t")
    def _listed(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        listed = self.steps if name == "step" else self.shown_t
        if value not in listed:
            raise traitlets.TraitError(f"{name} = {value} is none of {', '.join(map(str, listed))}.")
        return value

    def kept(self, name: str, step: int) -> np.ndarray:
        """What was sent of `samples` (150, 2), `ways` (shown_t, 256, 2) or `loss` (loss_t,), at a training step kept."""
        rows = np.frombuffer(getattr(self, name), "<f4").reshape(len(self.steps), -1)[self.steps.index(step)]
        return rows.reshape({"samples": (-1, 2), "ways": (len(self.shown_t), -1, 2), "loss": (-1,)}[name])

    def frame(self) -> dict[str, np.ndarray]:
        """samples (150, 2), ways (256, 2) at the present t, loss over loss_t."""
        return {
            "samples": self.kept("samples", self.step),
            "ways": self.kept("ways", self.step)[self.shown_t.index(self.t)],
            "loss": self.kept("loss", self.step),
        }

    def describe(self) -> str:
        """How many samples lie on a spot, and the loss at t with its floor."""
        samples, k = self.kept("samples", self.step), self.loss_t.index(self.t)
        beyond = int((np.abs(samples) > REACH).any(1).sum())
        share = 100 * self.on_a_spot[self.steps.index(self.step)]
        loss, floor = self.kept("loss", self.step)[k], np.frombuffer(self.floor, "<f4")[k]
        return (
            f"After {self.step} of {self.steps[-1]} training steps: {share:.0f} % of {len(samples)} points drawn lie on a spot, "
            f"{beyond} beyond the plane; at t = {self.t} the loss is {loss:.2f}, its floor {floor:.2f}."
        )

    def filmstrip(self) -> Figure:
        """Samples and loss per t at up to five steps of the training."""
        steps = [self.steps[round(i)] for i in np.linspace(0, len(self.steps) - 1, min(5, len(self.steps)))]
        size = (2.5 * len(steps) + 0.7, 5.6)
        fig, axes = plt.subplots(2, len(steps), figsize=size, sharex="row", sharey="row", squeeze=False)
        for step, (above, below) in zip(steps, axes.T, strict=True):
            x = self.kept("samples", step).clip(-REACH, REACH)  # what lies beyond is seen at the rim
            draw_plane(above, self._exact, 0, self._schedule)
            above.scatter(*x.T, s=6, color=BLUE, zorder=3, clip_on=False)
            share = 100 * self.on_a_spot[self.steps.index(step)]
            above.set(title=f"step {step}\n{share:.0f} % on a spot", xticks=[], yticks=[])
            floor = np.frombuffer(self.floor, "<f4")
            below.fill_between(self.loss_t, 0, floor, color="0.85")
            below.plot(self.loss_t, floor, color=BLACK, linestyle="--", linewidth=1.5)
            below.plot(self.loss_t, self.kept("loss", step), color=BLUE, marker="o", markersize=4)
            below.set(xscale="log", ylim=(0, 1.15), xlabel="step t")
        axes[0, 0].set_ylabel("points drawn")
        axes[1, 0].set_ylabel("loss (floor dashed)")
        return fig


def on_a_spot(x: Float[Tensor, "n 2"], exact: GaussianMixture) -> Float[Tensor, " n"]:
    """1 for points within three standard deviations of the mean of some component, along each of its axes together."""
    along = torch.einsum("nkd,kdi->nki", x.double()[:, None] - exact.means, exact.axes)
    return ((along**2 / exact.axis_var.clamp(min=1e-12)).sum(2).amin(1) <= 9).double()
