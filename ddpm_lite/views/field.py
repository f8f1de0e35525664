"""Field: arrows of the exact eps*, of a network's eps_hat, or of their difference in the plane, and paths back along them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..maths.gaussian import Steps
from ..maths.oracle import GaussianMixture
from ..maths.schedule import Schedule
from ..sampling.guidance import refuse_training_mode
from ..sampling.loop import sample
from .base import View, esm
from .plots import BLUE, ORANGE

REACH = 3.0  # the plane is shown from -REACH to REACH in both coordinates, where nearly all of N(0, I) lies
NODES = 31  # of the network's grid in each coordinate; an arrow stands at every other one
THOUSANDTHS = (5, 10, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600, 700, 800, 900, 1000)


class Field(View):
    """The way back from x_t: arrows -sqrt(1 - alpha_bar_t) eps, which take all of its noise away.
    Slides L18, L19; Ho et al. 2020, eq. 4.

    They stand on a grid, where q(x_t) is at least a thousandth of its height: where noisy points really come.

    exact    the distribution of x_0, in the plane; its eps* is computed in the browser
    learnt   a network eps_hat(x_t, t), in eval mode; sent as a grid for each t of `steps`
    t        the step, one of `steps` (set or read it as `view.t`)
    field    whose arrows: "exact", "learnt", or "difference" (learnt - exact, drawn three times as long)
    start_x, start_y   where two paths of DDIM start at the present t, one along each field, over the steps below; in [-3, 3]
    ValueError for a distribution or a network that does not fit.
    """

    STATE = ("t", "field", "start_x", "start_y")
    _esm = esm("field")
    t = traitlets.Int().tag(sync=True)
    field = traitlets.Enum(["exact", "learnt", "difference"], "exact").tag(sync=True)
    start_x = traitlets.Float(2.0).tag(sync=True)
    start_y = traitlets.Float(1.0).tag(sync=True)
    T = traitlets.Int().tag(sync=True)
    steps = traitlets.List(traitlets.Int()).tag(sync=True)
    alpha_bar = traitlets.List(traitlets.Float()).tag(sync=True)
    mixture = traitlets.Dict().tag(sync=True)
    unit = traitlets.Float(help="eps_hat is `grid` times this").tag(sync=True)
    grid = traitlets.Bytes().tag(sync=True)

    def __init__(self, exact: GaussianMixture, learnt: Callable[..., Tensor], schedule: Schedule, t: int, **state: float | str):
        mixture = in_the_plane(exact)
        refuse_training_mode(learnt)
        steps = some_steps(schedule.T, THOUSANDTHS)
        eps_hat = torch.stack([answers(learnt, places(NODES), t) for t in steps])
        unit = max(float(eps_hat.abs().max()) / 32767, 1e-12)
        super().__init__(
            T=schedule.T,
            steps=steps,
            t=t,
            alpha_bar=schedule.alpha_bar[steps].tolist(),
            mixture=mixture,
            unit=unit,
            grid=(eps_hat / unit).round().short().numpy().astype("<i2").tobytes(),
            **state,
        )
        self._exact, self._schedule = exact, schedule

    @traitlets.observe("mixture", "grid")
    def _begin(self, _: dict[str, Any]) -> None:
        self._paths: dict[tuple, Tensor] = {}  # the paths drawn so far

    @traitlets.validate("t")
    def _listed(self, proposal: dict[str, Any]) -> Any:
        if proposal["value"] not in self.steps:
            raise traitlets.TraitError(f"t = {proposal['value']} is none of the steps {', '.join(map(str, self.steps))}.")
        return proposal["value"]

    @traitlets.validate("start_x", "start_y")
    def _in_the_plane(self, proposal: dict[str, Any]) -> Any:
        if not abs(proposal["value"]) <= REACH:
            raise traitlets.TraitError(f"{proposal['trait'].name} = {proposal['value']}, but the plane ends at 3 and -3.")
        return proposal["value"]

    def learnt_eps(self, x: Float[Tensor, "n 2"], t: Steps, cond: None = None) -> Float[Tensor, "n 2"]:
        """eps_hat between the nodes of the grid: linear in each coordinate; beyond its rim, as at the rim. t is one step."""
        k = self.steps.index(int(t if isinstance(t, int) else t[0]))
        size = 2 * NODES * NODES
        numbers = np.frombuffer(self.grid, "<i2")[k * size : (k + 1) * size].reshape(NODES, NODES, 2) * self.unit
        return between(torch.from_numpy(numbers), x)

    def ways(self, field: str, t: int) -> Float[Tensor, "256 2"]:
        """-sqrt(1 - alpha_bar_t) eps at each arrow's place."""
        if field == "difference":
            return self.ways("learnt", t) - self.ways("exact", t)
        eps = self._exact.eps(places(), t, self._schedule) if field == "exact" else self.learnt_eps(places(), t)
        return way_back(eps, t, self._schedule)

    def path(self, field: str) -> Float[Tensor, "steps 2"]:
        """x_t from the start on, at the present t and at each step below it, down to 0: DDIM along the exact or learnt field."""
        key = (field, self.t, self.start_x, self.start_y)
        if key not in self._paths:
            model = self._exact.eps_model(self._schedule) if field == "exact" else self.learnt_eps
            x = torch.tensor([[self.start_x, self.start_y]], dtype=torch.float64)
            visit = [t for t in reversed(self.steps) if t <= self.t]
            frames = sample(model, x, self._schedule, steps=visit, method="ddim")
            self._paths[key] = torch.cat([frame.x_t for frame in frames])
        return self._paths[key]

    def frame(self) -> dict[str, np.ndarray]:
        """ways (256, 2); likely (256,): 1 where they are drawn; exact_path and learnt_path (steps, 2)."""
        return {
            "ways": self.ways(self.field, self.t).numpy(),
            "likely": likely(self._exact, self.t, self._schedule).numpy(),
            "exact_path": self.path("exact").numpy(),
            "learnt_path": self.path("learnt").numpy(),
        }

    def describe(self) -> str:
        """Which arrows, and where the two paths end."""
        what = {
            "exact": "The exact way back to the points without noise",
            "learnt": "The learnt way back to the points without noise",
            "difference": "The learnt way back minus the exact one, three times its length",
        }[self.field]
        start, exact, learnt = (
            f"({', '.join(f'{round(v, 2) + 0.0:.2f}' for v in place)})"  # + 0.0 turns -0 into 0
            for place in ([self.start_x, self.start_y], self.path("exact")[-1].tolist(), self.path("learnt")[-1].tolist())
        )
        return (
            f"{what}, at t = {self.t} of {self.T}. From {start} the path along the exact field ends at {exact}, "
            f"along the learnt one at {learnt}."
        )

    def filmstrip(self) -> Figure:
        """The exact and the learnt arrows at three steps: little noise, some, much."""
        shown = some_steps(self.T, (60, 200, 500))
        fig, axes = plt.subplots(2, len(shown), figsize=(3 * len(shown) + 0.8, 6.3), sharex=True, sharey=True, squeeze=False)
        for t, column in zip(shown, axes.T, strict=True):
            column[0].set_title(f"t = {t}")
            for ax, field, color in zip(column, ("exact", "learnt"), (ORANGE, BLUE), strict=True):
                draw_plane(ax, self._exact, t, self._schedule)
                often = likely(self._exact, t, self._schedule).bool()
                draw_arrows(ax, places()[often], self.ways(field, t)[often], color)
        fig.supxlabel("1st coordinate", fontsize=14)
        axes[0, 0].set_ylabel("exact $\\epsilon^*$")
        axes[1, 0].set_ylabel("learnt $\\hat\\epsilon$")
        return fig


def some_steps(T: int, thousandths: Sequence[int]) -> list[int]:
    """Steps in 1..T at some thousandths of T, rising, none twice."""
    return sorted({max(1, round(T * k / 1000)) for k in thousandths})


def in_the_plane(exact: GaussianMixture) -> dict[str, list]:
    """The numbers of a mixture, as the browser gets them; ValueError unless it can be shown."""
    if not isinstance(exact, GaussianMixture) or exact.means.shape[1] != 2:
        of = f"of {exact.means.shape[1]} dimensions" if isinstance(exact, GaussianMixture) else type(exact).__name__
        raise ValueError(f"exact must be a GaussianMixture in the plane, not {of}.")
    return tables_of(exact, "exact")


def tables_of(mixture: GaussianMixture, name: str) -> dict[str, list]:
    """The numbers of a mixture, as the browser gets them; ValueError if they are too many, or beyond what is shown."""
    if len(mixture.means) > 64:
        raise ValueError(f"{name} has {len(mixture.means)} components, more than the 64 that can be computed at each move.")
    if not mixture.means.abs().max() <= REACH:  # so that NaN is refused too
        raise ValueError(f"The means of {name} must lie in what is shown, from -{REACH:g} to {REACH:g}.")
    tables = {"weights": mixture.weights, "means": mixture.means, "vars": mixture.axis_var, "axes": mixture.axes}
    return {key: table.tolist() for key, table in tables.items()}


def between(table: Float[Tensor, "rows columns 2"], x: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """A field between the nodes of a square grid over the plane, whose rows are the 2nd coordinate: linear in each coordinate;
    beyond its rim, as at the rim."""
    last = len(table) - 1
    at = (x.double().clamp(-REACH, REACH) + REACH) * (last / (2 * REACH))
    low = at.floor().clamp(max=last - 1).long()
    (i, j), (u, v) = low.T, (at - low).T[:, :, None]
    lower = (1 - u) * table[j, i] + u * table[j, i + 1]
    upper = (1 - u) * table[j + 1, i] + u * table[j + 1, i + 1]
    return (1 - v) * lower + v * upper


def places(nodes: int = (NODES + 1) // 2) -> Float[Tensor, "n 2"]:
    """The nodes of a square grid over the plane, the first coordinate running first."""
    line = torch.linspace(-REACH, REACH, nodes, dtype=torch.float64)
    return torch.cartesian_prod(line, line).flip(1)


def answers(model: Callable[..., Tensor], x: Float[Tensor, "n 2"], t: int) -> Float[Tensor, "n 2"]:
    """A network's eps_hat at x in float64; ValueError if its shape is wrong or it is not finite."""
    with torch.no_grad():
        eps_hat = model(x.float(), torch.full((len(x),), t))
    if eps_hat.shape != x.shape or not eps_hat.isfinite().all():
        raise ValueError(
            f"The network must answer {tuple(x.shape)} points with as many finite eps_hat, not {tuple(eps_hat.shape)}."
        )
    return eps_hat.double()


def way_back(eps: Float[Tensor, "n 2"], t: int, schedule: Schedule) -> Float[Tensor, "n 2"]:
    """-sqrt(1 - alpha_bar_t) eps: what takes the noise away."""
    return -(1 - schedule.alpha_bar[t]).sqrt() * eps


def likely(exact: GaussianMixture, t: int, schedule: Schedule) -> Float[Tensor, " 256"]:
    """1 at the places where q(x_t) is at least a thousandth of its value at the best of the components' means, else 0."""
    return often(exact.diffused(t, schedule), places())


def often(there: GaussianMixture, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """1 where a density is at least a thousandth of its value at the best of its components' means, else 0."""
    return (there.log_prob(x) > there.log_prob(there.means).max() - math.log(1000)).double()


def draw_plane(ax: plt.Axes, exact: GaussianMixture, t: int, schedule: Schedule) -> None:
    """The plane in matplotlib: discs of three standard deviations where the points are at t without their noise."""
    signal = float(schedule.alpha_bar[t].sqrt())
    for mean, var, axes in zip(signal * exact.means, exact.axis_var, exact.axes, strict=True):
        angle = torch.linspace(0, 2 * math.pi, 40, dtype=torch.float64)
        rim = mean[:, None] + 3 * signal * axes @ (var.sqrt()[:, None] * torch.stack([angle.cos(), angle.sin()]))
        ax.fill(*rim, color="0.85")
    ax.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")


def draw_arrows(ax: plt.Axes, x: Float[Tensor, "n 2"], ways: Float[Tensor, "n 2"], color: str) -> None:
    """Arrows in matplotlib, from x along `ways`."""
    ax.quiver(*x.T, *ways.T, angles="xy", scale_units="xy", scale=1, color=color, width=0.005)
