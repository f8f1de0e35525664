"""ProbabilityFlow: a density flows from noise to data, and points go with it, along the ODE or the SDE."""

from typing import Any, ClassVar

import matplotlib.pyplot as plt
import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..maths.flow import marginal_field
from ..maths.oracle import GaussianMixture
from ..maths.path import GaussianPath
from ..maths.score import solve
from .base import View, esm
from .field import REACH, between, often, tables_of
from .field import places as nodes_of
from .flow_steps import VelocityField, noise, noisy_step, ode_step, parts
from .flow_strip import in_the_plane, over_time
from .plots import BLUE, ORANGE

END = 0.01  # the last time: at 0 a learnt score would be divided by no noise
TIMES = [(100 - k) / 100 for k in range(100)]  # which the reader can choose, from 1 to END
NODES = 25  # of the learnt grid in each coordinate; an arrow stands at every other one
KNOTS = [END + (1 - END) * (k / 15) ** 2 for k in range(16)]  # the grid's times, closer where the field changes fast
WALKS, POINTS, TRAILS = 5, 160, 12  # paths of the SDE on the line, points in the plane, and how many of them leave a trail
COLUMNS, CELLS = 100, 48  # of the pictures of a density: over time, and in each coordinate
ACROSS, DOWN = 12, 13  # arrows over time and line
LASTS = 0.04  # the time that a velocity goes on for in an arrow over time and line, and, in the plane, for each path:
AHEAD = {"diffusion": 0.06, "flow matching": 0.2}
SHORT = 0.15  # an arrow of b^2 score, drawn in full, would end where all noise is gone
SIZES: dict[str, Any] = {
    "end": END, "nodes": NODES, "walks": WALKS, "points": POINTS, "trails": TRAILS, "columns": COLUMNS, "cells": CELLS,
    "across": ACROSS, "down": DOWN, "lasts": LASTS, "ahead": AHEAD, "short": SHORT,
}  # fmt: skip


class ProbabilityFlow(View):
    """A density between noise (u = 1) and data, arrows of its velocity or score, and points on their way, exact or learnt.
    Song et al. 2021b, eq. 13; Lipman et al. 2023, eq. 8.

    Over time: the density on a line, and from one start the exact path of the ODE, that of a solver, and five of the SDE. In
    the plane: the density at u, and 160 points on their way from N(0, I). Paths go from u = 1 to 0.01, in equal steps.

    line, plane  the data, in one and in two dimensions
    learnt       for each path to choose from, "diffusion" (GaussianPath.vp) or "flow matching" (GaussianPath.straight), a learnt
                 velocity field(x, u) in the plane; sent as a grid over x and u
    u            the time that is shown, one of 1, 0.99, .. 0.01
    path         which of them is shown
    arrows       "velocity" of the ODE, backwards in time, or "score" times 0.15 and the variance of the noise
    field        along which field the points in the plane go: "exact" or "learnt"
    x_start      where the paths on the line start, in [-3, 3]
    solver       of the ODE: "Euler" or "Heun" in x and u, or "DDIM", which is Euler's method in x / signal and noise / signal
    steps        of the solver and of the SDE, 1 to 64
    eta          the noise of the SDE, 0 (it is the ODE) to 1, in steps of DDIM; above 0 the points in the plane follow the SDE
    All noise is a function of step and point (see `normal`). ValueError for data or a field that does not fit.
    """

    PATHS: ClassVar[dict[str, GaussianPath]] = {"diffusion": GaussianPath.vp(), "flow matching": GaussianPath.straight()}
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {"x_start": (-REACH, REACH), "steps": (1, 64), "eta": (0.0, 1.0)}
    STATE = ("u", "path", "arrows", "field", "x_start", "solver", "steps", "eta")
    _esm = esm("probability_flow")
    u = traitlets.Float(0.4).tag(sync=True)
    path = traitlets.Unicode().tag(sync=True)
    arrows = traitlets.Enum(["velocity", "score"], "velocity").tag(sync=True)
    field = traitlets.Enum(["exact", "learnt"], "exact").tag(sync=True)
    x_start = traitlets.Float(0.9).tag(sync=True)
    solver = traitlets.Enum(["Euler", "Heun", "DDIM"], "Euler").tag(sync=True)
    steps = traitlets.Int(10).tag(sync=True)
    eta = traitlets.Float(1.0).tag(sync=True)
    times = traitlets.List(traitlets.Float(), TIMES).tag(sync=True)
    knots = traitlets.List(traitlets.Float(), KNOTS).tag(sync=True)
    sizes = traitlets.Dict(SIZES).tag(sync=True)
    paths = traitlets.List(traitlets.Unicode()).tag(sync=True)
    line = traitlets.Dict().tag(sync=True)
    plane = traitlets.Dict().tag(sync=True)
    units = traitlets.List(traitlets.Float(), help="the velocity of each path is its grid times this").tag(sync=True)
    grid = traitlets.Bytes(help="int16 (path, knot, 2nd coordinate, 1st coordinate, 2)").tag(sync=True)

    def __init__(
        self, line: GaussianMixture, plane: GaussianMixture, learnt: dict[str, VelocityField], **state: int | float | str
    ):
        for name, mixture, dimensions in (("line", line, 1), ("plane", plane, 2)):
            if not isinstance(mixture, GaussianMixture) or mixture.means.shape[1] != dimensions:
                raise ValueError(f"{name} must be a GaussianMixture, of {dimensions} dimension{'s' * (dimensions > 1)}.")
        if not learnt or not set(learnt) <= set(self.PATHS):
            raise ValueError(f"learnt must give a field for {' or '.join(map(repr, self.PATHS))}, but it has {list(learnt)}.")
        mixtures = {"line": tables_of(line, "line"), "plane": tables_of(plane, "plane")}
        velocity = torch.stack([torch.stack([_asked(each, name, u) for u in KNOTS]) for name, each in learnt.items()])
        units = velocity.abs().flatten(1).amax(1).clamp(min=1e-9) / 32767
        super().__init__(
            **{
                "paths": list(learnt),
                "path": next(iter(learnt)),
                "units": units.tolist(),
                "grid": (velocity / units[:, None, None, None, None]).round().short().numpy().astype("<i2").tobytes(),
                **mixtures,
                **state,
            }
        )
        self._data = {"line": line, "plane": plane}

    @traitlets.observe("line", "plane", "grid", "units")
    def _begin(self, _: dict[str, Any]) -> None:
        self._walked: dict[tuple, Tensor] = {}  # the paths drawn so far

    @traitlets.validate("u", "path")
    def _listed(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if value not in (known := self.times if name == "u" else self.paths):
            raise traitlets.TraitError(f"{name} = {value} is none of {', '.join(map(str, known))}.")
        return value

    @traitlets.validate(*RANGES)
    def _in_range(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        least, most = self.RANGES[name]
        if not least <= value <= most:
            raise traitlets.TraitError(f"{name} = {value}, but it must lie between {least:g} and {most:g}.")
        return value

    def learnt_velocity(self, x: Float[Tensor, "n 2"], u: float) -> Float[Tensor, "n 2"]:
        """The learnt field between the nodes and knots of its grid: linear in each coordinate of the plane and in u."""
        k = self.paths.index(self.path)
        table = np.frombuffer(self.grid, "<i2").reshape(len(self.paths), len(KNOTS), NODES, NODES, 2)[k] * self.units[k]
        low = min(max(int(np.searchsorted(KNOTS, u, "right")) - 1, 0), len(KNOTS) - 2)
        share = (u - KNOTS[low]) / (KNOTS[low + 1] - KNOTS[low])
        return between(torch.from_numpy((1 - share) * table[low] + share * table[low + 1]), x)

    def velocity(self, data: str, field: str = "exact") -> VelocityField:
        """The velocity field(x, u) of the "line" or the "plane" along the present path, exact or learnt."""
        return self.learnt_velocity if field == "learnt" else marginal_field(self._data[data], self.PATHS[self.path])

    def at(self, data: str, u: float) -> GaussianMixture:
        """The distribution on the "line" or in the "plane" at u, exact."""
        path = self.PATHS[self.path]
        return self._data[data].noised(float(path.signal(u)), float(path.noise(u)))

    def walk(self, data: str, eta: float) -> Float[Tensor, "stops n d"]:
        """Where the points of the "line" (from the start) or the "plane" are at each stop of the ODE (eta = 0) or the SDE."""
        field = self.field if data == "plane" else "exact"
        key = (data, field, self.path, self.x_start, self.solver, self.steps, eta)
        if key not in self._walked:
            n, d = (POINTS, 2) if data == "plane" else (WALKS if eta else 1, 1)
            x = noise(0, n, d) if data == "plane" else torch.full((n, d), self.x_start, dtype=torch.float64)
            states, velocity, path = [x], self.velocity(data, field), self.PATHS[self.path]
            for k in range(self.steps):
                u, v = (1 - j * (1 - END) / self.steps for j in (k, k + 1))
                if eta:
                    x = noisy_step(velocity, x, u, v, path, eta, noise(k + 1, n, d))
                else:
                    x = ode_step(velocity, x, u, v, path, self.solver)
                states.append(x)
            self._walked[key] = torch.stack(states)
        return self._walked[key]

    def exact_path(self) -> Float[Tensor, " 101"]:
        """The path of the ODE on the line, by 200 steps of Runge and Kutta, of which every other one is drawn."""
        key = ("exact", self.path, self.x_start)
        if key not in self._walked:
            times = torch.tensor([1 - k * (1 - END) / 200 for k in range(201)], dtype=torch.float64)
            x = torch.full((1, 1), self.x_start, dtype=torch.float64)
            self._walked[key] = solve(self.velocity("line"), x, times)[::2, 0, 0]
        return self._walked[key]

    def now(self, states: Float[Tensor, "stops ..."]) -> Float[Tensor, "..."]:
        """Where the points are at u: they go straight from stop to stop."""
        at = (1 - self.u) / (1 - END) * (len(states) - 1)
        low = min(int(at), len(states) - 2)
        return states[low] + (at - low) * (states[low + 1] - states[low])

    def ways(self, data: str, field: str, x: Float[Tensor, "n d"], u: float, lasts: float) -> Float[Tensor, "n d"]:
        """The arrows at x: 0.15 b^2 score, with b^2 score = -b eps, or what the velocity does to x back over a time `lasts`."""
        path, velocity = self.PATHS[self.path], self.velocity(data, field)(x, u)
        if self.arrows == "velocity":
            return -lasts * velocity
        return -SHORT * float(path.noise(u)) * parts(x, velocity, u, path)[1]

    def slopes(self) -> Float[Tensor, "156 5"]:
        """The arrows over time: where they stand (u and x), how far they go in u and x, and 1 where they are drawn."""
        x = torch.linspace(-REACH, REACH, DOWN, dtype=torch.float64)[:, None]
        rows = []
        for u in (1 - (k + 0.5) * (1 - END) / ACROSS for k in range(ACROSS)):
            along = torch.full_like(x, -LASTS if self.arrows == "velocity" else 0)
            drawn = often(self.at("line", u), x)[:, None]
            rows.append(torch.cat([torch.full_like(x, u), x, along, self.ways("line", "exact", x, u, LASTS), drawn], 1))
        return torch.cat(rows)

    def on_a_spot(self) -> float:
        """The share of the points in the plane that end within three standard deviations of a component's mean."""
        end = self.at("plane", END)
        along = torch.einsum("bkd,kdi->bki", self.walk("plane", self.eta)[-1][:, None] - end.means, end.axes)
        return float(((along**2 / end.axis_var).sum(2).amin(1) <= 9).double().mean())

    def frame(self) -> dict[str, np.ndarray]:
        """Over time: heat (columns, cells), slopes, and the paths exact, ode and sde (empty at eta = 0).

        In the plane at u: ground (cells, cells), the density over its best; ways, where they are likely, and exact_ways; points
        and their trails; share, that of the points which end on a spot.
        """
        middles = torch.tensor([REACH * ((r + 0.5) * 2 / CELLS - 1) for r in range(CELLS)], dtype=torch.float64)
        columns = [1 - (c + 0.5) * (1 - END) / COLUMNS for c in range(COLUMNS)]
        there, places, points = self.at("plane", self.u), nodes_of((NODES + 1) // 2), self.walk("plane", self.eta)
        height = there.log_prob(torch.cartesian_prod(middles, middles).flip(1)) - there.log_prob(there.means).max()
        return {
            "heat": torch.stack([self.at("line", u).log_prob(middles[:, None]).exp() for u in columns]).numpy(),
            "slopes": self.slopes().numpy(),
            "exact": self.exact_path().numpy(),
            "ode": self.walk("line", 0.0)[:, 0, 0].numpy(),
            "sde": self.walk("line", self.eta)[:, :, 0].numpy() if self.eta else np.zeros(0),
            "ground": height.exp().reshape(CELLS, CELLS).numpy(),
            "ways": self.ways("plane", self.field, places, self.u, AHEAD[self.path]).numpy(),
            "exact_ways": self.ways("plane", "exact", places, self.u, AHEAD[self.path]).numpy(),
            "likely": often(there, places).numpy(),
            "points": self.now(points).numpy(),
            "trails": points[:, :TRAILS].numpy(),
            "share": np.array(self.on_a_spot()),
        }

    def describe(self) -> str:
        """Where the paths on the line end, and how many of the points in the plane."""
        start, exact, end, *others = (
            f"{round(v, 2) + 0.0:.2f}"  # + 0.0 turns -0 into 0
            for v in [self.x_start, float(self.exact_path()[-1]), float(self.walk("line", 0.0)[-1]), *self._sde_ends()]
        )
        steps = f"{self.steps} step{'s' * (self.steps > 1)}"
        noisy = f"; the SDE with η = {self.eta:.1f} at {', '.join(others)}" if others else ""
        share = int(100 * self.on_a_spot() + 0.5)  # a half rounds up, as in JavaScript
        way = f"the SDE's {steps}" if self.eta else f"{steps} of {self.solver}"
        return (
            f"{self.path.capitalize()}, u = {self.u:.2f}. From x = {start} at u = 1 the ODE ends at {exact}, by {self.solver} in "
            f"{steps} at {end}{noisy}. In the plane {share} % of {POINTS} points end on a spot, by {way} "
            f"along the {self.field} field."
        )

    def _sde_ends(self) -> list[float]:
        return self.walk("line", self.eta)[-1, :, 0].tolist() if self.eta else []

    def filmstrip(self) -> Figure:
        """The paths on the line in few, some and many steps; the points in the plane at three times."""
        fig, axes = plt.subplots(2, 3, figsize=(11, 7.4))
        kept = self.steps, self.u
        with self.hold_sync():
            for ax, self.steps in zip(axes[0], (4, 16, 64), strict=True):
                frame = self.frame()
                over_time(ax, frame, f"{self.steps} steps: {frame['ode'][-1]:.2f} (exact {frame['exact'][-1]:.2f})", END)
            self.steps = kept[0]
            for ax, self.u in zip(axes[1], (0.4, 0.1, END), strict=True):
                in_the_plane(ax, self.frame(), f"u = {self.u:.2f}", nodes_of((NODES + 1) // 2), ORANGE if self.eta else BLUE)
            self.u = kept[1]
        axes[0, 0].set_ylabel("x")
        axes[1, 0].set_ylabel("2nd coordinate")
        return fig


def _asked(field: VelocityField, name: str, u: float) -> Float[Tensor, "nodes nodes 2"]:
    """A learnt velocity at the nodes of the grid, in float64; ValueError if its shape is wrong or it is not finite."""
    x = nodes_of(NODES)
    with torch.no_grad():
        velocity = field(x.float(), u)
    if not isinstance(velocity, Tensor) or velocity.shape != x.shape or not velocity.isfinite().all():
        raise ValueError(f"The field of {name!r} must answer {tuple(x.shape)} points with as many finite velocities.")
    return velocity.double().reshape(NODES, NODES, 2)
