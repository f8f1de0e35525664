"""Density: a density on a line dissolves, and two chains walk back: by exact steps, and by Algorithm 2."""

from typing import Any, ClassVar

import matplotlib.pyplot as plt
import numpy as np
import torch
import traitlets
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..data import points
from ..maths.oracle import GaussianMixture
from ..maths.schedule import Schedule
from ..sampling.loop import timesteps
from ..sampling.samplers import ddpm_step
from .base import View, esm, normal, uniform
from .plots import BLUE, RED

CHAINS, PATHS = 400, 40  # how many walk, and how many of them are drawn as paths
POINTS = 126  # of a path at most
COLUMNS, ROWS = 100, 48  # of the heat map behind the paths
REACH = 3.2  # the line is shown from -REACH to REACH
GRID = np.linspace(-REACH, REACH, 257)  # where the density is drawn
BINS = 40  # of the histogram
PENS, PEN_STD = np.linspace(-2.4, 2.4, 17), 0.2  # a drawn density is a mixture of these narrow Gaussians
SLOPE = np.where(np.abs(PENS) < 1.7, PENS + 1.8, 0).round(2).tolist()  # it begins as a slope
SIZES: dict[str, int | float] = {
    "chains": CHAINS,
    "paths": PATHS,
    "points": POINTS,
    "columns": COLUMNS,
    "rows": ROWS,
    "bins": BINS,
}
SIZES |= {"reach": REACH, "grid": len(GRID), "penStd": PEN_STD}

Chains = Float64[Tensor, "chains 1"]


def _line(weights: list[float], means: list[float], stds: list[float]) -> GaussianMixture:
    w, m, s = torch.tensor([weights, means, stds], dtype=torch.float64)
    return GaussianMixture(w, m[:, None], s**2)


class Density(View):
    """A density on a line at step t, the paths of 40 chains over all t, and a histogram of 400 chains at t.
    Slides L6, L8, L14, L15; Ho et al. 2020, eqs. 1 and 2.

    density  the start density q(x_0): "two humps", "three humps", "a box", "a spike on a hill", or "drawn"
    weights  those of a drawn density: of 17 Gaussians of standard deviation 0.2, centred from -2.4 to 2.4
    way      "forward", the chain q(x_t | x_{t-1}); "back, exact", draws from q(x_{t-1} | x_t), a mixture; or
             "back, Algorithm 2" with the exact eps* and the posterior's variance
    strides  of the ways back, each over T / strides steps, evenly spread (see `samplers.timesteps`)
    t        where the density and the chains are looked at; a chain on its way back is seen where it last stood
    ways     which ways can be chosen
    All noise is a function of step and chain (see `normal`), the same for both ways back. ValueError for T > 1000.
    """

    DENSITIES: ClassVar[dict[str, GaussianMixture]] = {
        "two humps": points.two_humps(),
        "three humps": points.three_humps(),
        "a box": _line([1.0] * 9, np.linspace(-1.2, 1.2, 9).tolist(), [0.16] * 9),
        "a spike on a hill": _line([0.25, 0.75], [1.0, -0.3], [0.08, 0.7]),
    }
    WAYS = ("forward", "back, exact", "back, Algorithm 2")
    STRIDES = (4, 10, 20, 50, 100)
    STATE = ("t", "density", "weights", "way", "strides")
    _esm = esm("density")
    t = traitlets.Int(0).tag(sync=True)
    density = traitlets.Enum([*DENSITIES, "drawn"], "three humps").tag(sync=True)
    weights = traitlets.List(traitlets.Float(), SLOPE).tag(sync=True)
    way = traitlets.Unicode().tag(sync=True)
    ways = traitlets.List(traitlets.Unicode()).tag(sync=True)
    strides = traitlets.Int().tag(sync=True)
    counts = traitlets.List(traitlets.Int()).tag(sync=True)
    T = traitlets.Int().tag(sync=True)
    alpha_bar = traitlets.Bytes().tag(sync=True)
    sizes = traitlets.Dict().tag(sync=True)
    mixtures: traitlets.List[Any] = traitlets.List(
        help="[name, [weights, means, variances]] for each of DENSITIES, in this order"
    ).tag(sync=True)
    pens = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(self, schedule: Schedule, ways: tuple[str, ...] = WAYS, **state: int | str | list[float]):
        if schedule.T > 1000:
            raise ValueError(f"This view walks at most 1000 steps, but the schedule has T = {schedule.T}.")
        if not ways or not set(ways) <= set(self.WAYS):
            raise ValueError(f"ways must be some of {', '.join(map(repr, self.WAYS))}, not {ways!r}.")
        counts = [k for k in self.STRIDES if k <= schedule.T] or [schedule.T]
        super().__init__(
            **{
                "T": schedule.T,
                "alpha_bar": schedule.alpha_bar.numpy().astype("<f8").tobytes(),  # as precise as here: choices hang on it
                "ways": list(ways),
                "way": ways[0],
                "counts": counts,
                "strides": counts[min(1, len(counts) - 1)],
                "sizes": SIZES,
                "mixtures": [[name, [a.flatten().tolist() for a in _parts(m)]] for name, m in self.DENSITIES.items()],
                "pens": PENS.tolist(),
                **state,
            }
        )
        self._schedule = schedule
        self._walked: tuple[tuple, Tensor] | None = None  # the state of the last chains, and where they went

    @traitlets.validate("t")
    def _in_range(self, proposal: dict[str, Any]) -> Any:
        if not 0 <= proposal["value"] <= self.T:
            raise traitlets.TraitError(f"t = {proposal['value']}, but it must lie between 0 and T = {self.T}.")
        return proposal["value"]

    @traitlets.validate("way", "strides")
    def _listed(self, proposal: dict[str, Any]) -> Any:
        value, known = proposal["value"], self.ways if proposal["trait"].name == "way" else self.counts
        if value not in known:
            raise traitlets.TraitError(f"{proposal['trait'].name} = {value!r}, but it must be one of {known}.")
        return value

    @traitlets.validate("weights")
    def _drawable(self, proposal: dict[str, Any]) -> Any:
        weights = np.array(proposal["value"])
        if weights.shape != PENS.shape or not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
            raise traitlets.TraitError(f"weights must be {len(PENS)} finite numbers of at least 0, not all of them 0.")
        return proposal["value"]

    def mixture(self) -> GaussianMixture:
        """The start density q(x_0) of the present state."""
        if self.density != "drawn":
            return self.DENSITIES[self.density]
        kept = [k for k, weight in enumerate(self.weights) if weight > 0]
        return _line([self.weights[k] for k in kept], PENS[kept].tolist(), [PEN_STD] * len(kept))

    def stops(self) -> list[int]:
        """The steps t at which the chains stand, from 0 up."""
        return list(range(self.T + 1)) if self.way == "forward" else [0, *timesteps(self.T, self.strides)[::-1]]

    def chains(self) -> tuple[list[int], Float64[Tensor, "stops chains"]]:
        """The stops, and where all chains are at each of them."""
        state = (self.density, tuple(self.weights), self.way, self.strides)
        if self._walked is None or self._walked[0] != state:
            walk = _forward if self.way == "forward" else _back
            self._walked = state, walk(self.mixture(), self.stops(), self._schedule, self.way == "back, exact")
        return self.stops(), self._walked[1]

    def seen(self) -> int:
        """The place among the stops that is shown: t, or where a chain on its way back to t last stood."""
        return int(np.searchsorted(self.stops(), self.t))

    def distance(self) -> float:
        """The largest gap between two cumulative distributions (Kolmogorov's distance).

        Forward: of q(x_t), on the grid, and N(0, 1). Back: of the 400 chains at t = 0 and q(x_0).
        """
        if self.way == "forward":
            x = torch.from_numpy(GRID)
            return float((_cdf(self.mixture().diffused(self.t, self._schedule), x) - torch.special.ndtr(x)).abs().max())
        return _gap(self.mixture(), self.chains()[1][0])

    def frame(self) -> dict[str, np.ndarray]:
        """heat: q(x_t) over t and x; paths of 40 chains at the stops drawn; at t: density, chains and bars; distance."""
        stops, x = self.chains()
        seen = self.seen()
        middles = REACH * ((np.arange(ROWS) + 0.5) * 2 / ROWS - 1)
        columns = [int((c + 0.5) * self.T / COLUMNS + 0.5) for c in range(COLUMNS)]
        points = min(len(stops), POINTS)
        drawn = [int(i * (len(stops) - 1) / (points - 1) + 0.5) for i in range(points)]
        counts, _ = np.histogram(x[seen], np.linspace(-REACH, REACH, BINS + 1))
        return {
            "heat": np.stack([self.at(t, middles) for t in columns]),
            "paths": x[drawn, :PATHS].numpy(),
            "density": self.at(stops[seen], GRID),
            "chains": x[seen].numpy(),
            "bars": counts * BINS / (CHAINS * 2 * REACH),
            "distance": np.array(self.distance()),
        }

    def at(self, t: int, x: np.ndarray) -> np.ndarray:
        """The density of x_t at some places, exact."""
        return self.mixture().diffused(t, self._schedule).log_prob(torch.from_numpy(x)[:, None]).exp().numpy()

    def describe(self) -> str:
        """The density, the way, t, and what the distance says."""
        name = "A drawn density" if self.density == "drawn" else self.density[0].upper() + self.density[1:]
        t, distance = f"t = {self.stops()[self.seen()]} of {self.T}", f"{self.distance():.2f}"
        if self.way == "forward":
            return f"{name}, forward, at {t}. Largest gap of q(x_t) to the normal distribution: {distance}."
        steps = f"{self.strides} {'exact steps' if self.way == 'back, exact' else 'steps of Algorithm 2'}"
        return (
            f"{name}, back in {steps}, at {t}. The {CHAINS} chains end with a largest gap of {distance} to q(x_0)"
            " (by chance alone mostly below 0.07)."
        )

    def filmstrip(self) -> Figure:
        """Forward: the density at six steps, and the chains. Back: where the chains end, for three numbers of strides."""
        return self._strip_forward() if self.way == "forward" else self._strip_back()

    def _strip_forward(self) -> Figure:
        fig, axes = plt.subplots(1, 6, figsize=(12, 3), sharey=True)
        _, x = self.chains()
        for ax, t in zip(axes, [round(self.T * k / 100) for k in (0, 5, 10, 20, 40, 100)], strict=True):
            _panel(ax, self.at(t, GRID), x[t], f"t = {t}", BLUE)
        axes[0].set_ylabel("density")
        return fig

    def _strip_back(self) -> Figure:
        shown = sorted({self.counts[0], self.counts[len(self.counts) // 3], self.counts[-1]})
        ways = [way for way in self.ways if way != "forward"]
        fig, axes = plt.subplots(1, len(ways) * len(shown), figsize=(12, 3.6), sharey=True, squeeze=False)
        panels = iter(axes[0])
        for way in ways:
            for k in shown:
                stops, exact = [0, *timesteps(self.T, k)[::-1]], way == "back, exact"
                x = _back(self.mixture(), stops, self._schedule, exact)[0]
                title = f"{way.removeprefix('back, ')}\n{k} steps\ngap {_gap(self.mixture(), x):.2f}"
                _panel(next(panels), self.at(0, GRID), x, title, BLUE if exact else RED)
        axes[0, 0].set_ylabel("density at t = 0")
        return fig


def step_back(x_t: Chains, t: int, t_next: int, mixture: GaussianMixture, schedule: Schedule, u: Chains, z: Chains) -> Chains:
    """A draw from the exact q(x_t_next | x_t) for x_0 from a mixture on a line; adjacent steps have t_next = t - 1.
    Slides L7, L17; Ho et al. 2020, eqs. 6 and 7.

    Given that x_0 is of component k, x_t_next is N(p_k, v_k) and x_t is N(sqrt(alpha) x_t_next, 1 - alpha), with
    alpha = alpha_bar_t / alpha_bar_t_next: a product of two Gaussians (notebook 03, section 3.2). u, uniform, chooses k
    with probability weight_k N(x_t; ...), z, standard normal, draws from its Gaussian.
    """
    alpha = schedule.alpha_bar[t] / schedule.alpha_bar[t_next]
    now, before = mixture.diffused(t, schedule), mixture.diffused(t_next, schedule)
    p, v, v_now = before.means[:, 0], before.covs[:, 0, 0], now.covs[:, 0, 0]
    share = (now.weights.log() - 0.5 * ((x_t - now.means[:, 0]) ** 2 / v_now + v_now.log())).softmax(1)
    k = (share.cumsum(1) < u).sum(1).clamp(max=len(p) - 1)  # the last share may round to just below 1
    mean = ((1 - alpha) * p[k] + alpha.sqrt() * v[k] * x_t[:, 0]) / v_now[k]
    return (mean + ((1 - alpha) * v[k] / v_now[k]).sqrt() * z[:, 0])[:, None]


def _noise(way: int, step: int) -> tuple[Chains, Chains]:
    """The uniform and the normal numbers of all chains in a step; way 0 is forward, 1 back."""
    counter = (way * 1001 + step) * CHAINS + np.arange(CHAINS)
    return torch.from_numpy(uniform(2 * (counter + 2002 * CHAINS) + 1))[:, None], torch.from_numpy(normal(counter))[:, None]


def _forward(mixture: GaussianMixture, stops: list[int], schedule: Schedule, _: bool) -> Float64[Tensor, "stops chains"]:
    u, z = _noise(0, 0)
    k = (mixture.weights.cumsum(0) < u).sum(1).clamp(max=len(mixture.weights) - 1)
    x = [mixture.means[k] + mixture.covs[k, :, 0].sqrt() * z]
    for t in stops[1:]:
        x.append(schedule.alpha[t].sqrt() * x[-1] + schedule.beta[t].sqrt() * _noise(0, t)[1])
    return torch.cat(x, 1).T


def _back(mixture: GaussianMixture, stops: list[int], schedule: Schedule, exact: bool) -> Float64[Tensor, "stops chains"]:
    x = [_noise(1, 0)[1]]
    for step in range(1, len(stops)):
        (u, z), t, t_next = _noise(1, step), stops[-step], stops[-step - 1]
        if exact:
            x.append(step_back(x[-1], t, t_next, mixture, schedule, u, z))
        else:
            x.append(ddpm_step(x[-1], mixture.eps(x[-1], t, schedule), t, t_next, schedule, z))
    return torch.cat(x[::-1], 1).T


def _parts(mixture: GaussianMixture) -> tuple[Tensor, Tensor, Tensor]:
    """The weights, means and variances of a mixture on a line."""
    return mixture.weights, mixture.means[:, 0], mixture.covs[:, 0, 0]


def _cdf(mixture: GaussianMixture, x: Float64[Tensor, " n"]) -> Float64[Tensor, " n"]:
    weights, means, covs = _parts(mixture)
    return (weights * torch.special.ndtr((x[:, None] - means) / covs.sqrt())).sum(1)


def _gap(mixture: GaussianMixture, x: Float64[Tensor, " n"]) -> float:
    """Kolmogorov's distance of some numbers to a mixture."""
    cdf, share = _cdf(mixture, x.sort().values), torch.arange(len(x) + 1, dtype=x.dtype) / len(x)
    return float(torch.maximum(cdf - share[:-1], share[1:] - cdf).max())


def _panel(ax: Axes, density: np.ndarray, x: Tensor, title: str, color: str) -> None:
    """A density as a line over the histogram of the chains."""
    ax.hist(x.numpy(), BINS, range=(-REACH, REACH), density=True, color=color, alpha=0.45)
    ax.plot(GRID, density, color="black", linewidth=1.8)
    ax.set(xlabel="x", xlim=(-REACH, REACH), xticks=[-2, 0, 2])
    ax.set_title(title)
