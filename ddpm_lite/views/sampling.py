"""Sampling: x_t and x0_hat on the way from noise to picture, by sampler, number of steps, seed and t."""

from collections.abc import Callable
from itertools import product
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float, Shaped
from matplotlib.figure import Figure
from torch import Tensor

from ..maths.schedule import Schedule
from ..sampling.loop import sample
from ..sampling.noise import normal, seeds
from .plots import show_strip
from .sheet import Sheet

AXES = ["method", "steps", "seed", "t"]


class Sampling(Sheet):
    """The walks of `Sampling.walks` over their axes: `view.method`, `view.steps`, `view.seed`, `view.t`.
    Slide L21; Ho et al. 2020, Algorithm 2.

    Play runs along t, from noise to picture. `view.compare = "x̂₀ of every seed"` shows the seeds below each other.
    A sampler that leaps shows at t the last state it has reached, and the words say which.

    columns  what was asked for in each column; state: the place shown first
    """

    def __init__(
        self, walks: Float[Tensor, "method steps seed t 2 n c h w"], axes: dict[str, list], columns: list[str], **state: Any
    ):
        title = f"On the way from noise to {', '.join(columns)}"
        super().__init__(walks, _ordered(axes), ["xₜ", "x̂₀"], title, columns, play="t", several="seed", **state)

    @staticmethod
    def walks(
        model: Callable[..., Tensor],
        schedule: Schedule,
        shape: tuple[int, ...],
        axes: dict[str, list],
        cond: Shaped[Tensor, "n *c"],
    ) -> Float[Tensor, "method steps seed t 2 n c h w"]:
        """Draw one picture of this shape (c, h, w) for each item of cond, by `sample`, at every place on the axes.

        x_t and x0_hat are those of the last step visited that is not below t, clamped to [-1, 1] as they are shown; x0_hat
        is kept there on the way too. A seed draws x_T by a generator of its own, the same for all methods and steps, and
        DDPM's fresh noise for each picture by another: the i-th picture of a seed is the same whatever is drawn beside it.

        axes  {"method": ..., "steps": ..., "seed": ..., "t": falling values within 0..T}; ValueError for others
        """
        _ordered(axes)
        if list(axes["t"]) != sorted(set(axes["t"]), reverse=True) or not 0 <= min(axes["t"]) <= max(axes["t"]) <= schedule.T:
            raise ValueError(f"The values of t must fall and lie between T = {schedule.T} and 0: {axes['t']}.")
        noise = [normal(len(cond), shape, torch.Generator().manual_seed(seed)) for seed in axes["seed"]]
        x_T, asked = torch.cat(noise).to(cond.device), torch.cat([cond] * len(noise))
        drawn = []
        for method, steps in product(axes["method"], axes["steps"]):
            own = [s for seed in axes["seed"] for s in seeds(len(cond), seed)] if method == "ddpm" else []
            fresh = [torch.Generator(cond.device).manual_seed(s) for s in own] or None
            frames = sample(model, x_T, schedule, cond=asked, clip=True, steps=steps, method=method, generator=fresh)
            reached = {frame.t: torch.stack([frame.x_t, frame.x0_hat]).clamp(-1, 1).cpu() for frame in frames}
            drawn += [reached[min(s for s in reached if s >= t)] for t in axes["t"]]
        walks = torch.stack(drawn).reshape(*(len(axes[name]) for name in ("method", "steps", "t")), 2, len(noise), -1, *shape)
        return walks.permute(0, 1, 4, 2, 3, 5, *range(6, walks.ndim))

    def filmstrip(self) -> Figure:
        """The finished pictures of the present seed: one row for each number of steps, the methods side by side."""
        methods, last = self._values["method"], self._values["t"][-1]
        n, *shape = self.shape[1:]
        gap = torch.full((1, *shape), -1.0 if shape[0] == 1 else 1.0)  # white: grey pictures are drawn as ink
        rows = {}
        for steps in self._values["steps"]:
            finished = [self.at(method=method, steps=steps, t=last)[0] for method in methods]
            rows[f"{steps} step{'s' if steps != 1 else ''}"] = torch.cat([x for row in finished for x in (row, gap)][:-1])
        below = [f"{c}\n{method}" if i == n // 2 else c for method in methods for i, c in enumerate([*self.columns, ""])]
        fig, ax = plt.subplots(figsize=(12, 0.9 + 0.65 * len(rows)))
        show_strip(ax, rows, below[:-1])
        return fig


def _ordered(axes: dict[str, list]) -> dict[str, list]:
    if list(axes) != AXES or not all(axes.values()):
        raise ValueError(f"The axes must be {', '.join(AXES)}, in this order and none of them empty, not {axes}.")
    return axes
