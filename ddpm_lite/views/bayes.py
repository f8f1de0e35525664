"""Bayes: one step back on a line as likelihood times prior, with x_0 known or unknown."""

from typing import Any, ClassVar

import matplotlib.pyplot as plt
import numpy as np
import torch
import traitlets
from jaxtyping import Float64
from matplotlib.figure import Figure
from torch import Tensor

from ..maths.oracle import GaussianMixture
from ..maths.schedule import Schedule
from .base import View, esm
from .plots import BLUE, GREEN, ORANGE, RED

Curve = Float64[Tensor, " n"]
PLACES = torch.linspace(-3, 3, 1201, dtype=torch.float64)  # of x_{t-1}, where the curves are drawn
BETAS = [0.001, *(k / 50 for k in range(1, 48))]  # where the divergence is drawn
POINTS = 401  # of its integral


class Bayes(View):
    """q(x_{t-1} | x_t) = q(x_t | x_{t-1}) q(x_{t-1}) / q(x_t) as curves over x_{t-1}, conditioned on x_0 if it is known.
    Slides L7, L16, L17; Ho et al. 2020, eqs. 6 and 7.

    schedule  its alpha_bar_{t-1} makes the prior, N(sqrt(alpha_bar_{t-1}) x_0, 1 - alpha_bar_{t-1})
    data      None: x_0 is known. A GaussianMixture on a line: x_0 is from it and not known. Then the Gaussian with the mean
              and the variance of the posterior is drawn too, and the divergence KL(posterior || that Gaussian)
    x_t, x_0  within [-2.5, 2.5]
    t         2..T where x_0 is known (at t = 1 the prior is a point), 1..T where it is not
    beta      of the step from t - 1 to t, within [0.001, 0.95], whatever the schedule has there; at first the schedule's
    """

    RANGES: ClassVar[dict[str, tuple[float, float]]] = {"x_t": (-2.5, 2.5), "x_0": (-2.5, 2.5), "beta": (0.001, 0.95)}
    STATE = ("x_t", "x_0", "t", "beta")
    _esm = esm("bayes")
    x_t = traitlets.Float(0.6).tag(sync=True)
    x_0 = traitlets.Float(-0.4).tag(sync=True)
    t = traitlets.Int().tag(sync=True)
    beta = traitlets.Float().tag(sync=True)
    first = traitlets.Int(help="the first t").tag(sync=True)
    ranges = traitlets.Dict().tag(sync=True)
    alpha_bar = traitlets.List(traitlets.Float()).tag(sync=True)
    betas = traitlets.List(traitlets.Float(), help="those of the schedule").tag(sync=True)
    mixture: traitlets.List[Any] = traitlets.List(help="weights, means and variances of the data; empty where x_0 is known").tag(
        sync=True
    )

    def __init__(self, schedule: Schedule, data: GaussianMixture | None = None, t: int = 3, **state: float):
        first = 2 if data is None else 1
        if schedule.T < first:
            raise ValueError("With x_0 known the first step back that Bayes' rule has to find is from t = 2, but here T = 1.")
        if data is not None and (data.means.shape[1] != 1 or len(data.means) > 20 or not (data.covs > 0).all()):
            raise ValueError("The data must be a mixture of at most 20 Gaussians on a line, all of positive variance.")
        mixture = [] if data is None else [data.weights.tolist(), data.means[:, 0].tolist(), data.covs[:, 0, 0].tolist()]
        if "beta" not in state and 1 <= t <= schedule.T:
            low, high = self.RANGES["beta"]
            state["beta"] = min(high, max(low, round(float(schedule.beta[t]), 3)))
        self._schedule, self._data = schedule, data
        super().__init__(
            first=first,
            ranges=self.RANGES,
            alpha_bar=schedule.alpha_bar.tolist(),
            betas=schedule.beta.tolist(),
            mixture=mixture,
            t=t,
            **state,
        )

    @traitlets.validate("x_t", "x_0", "beta")
    def _in_range(self, proposal: dict[str, Any]) -> Any:
        low, high = self.RANGES[proposal["trait"].name]
        if not low <= proposal["value"] <= high:
            raise traitlets.TraitError(f"{proposal['trait'].name} = {proposal['value']:g}, but it must lie in [{low}, {high}].")
        return proposal["value"]

    @traitlets.validate("t")
    def _a_step(self, proposal: dict[str, Any]) -> Any:
        if not self.first <= proposal["value"] <= self._schedule.T:
            raise traitlets.TraitError(f"t = {proposal['value']}, but here it must lie in {self.first}..{self._schedule.T}.")
        return proposal["value"]

    def frame(self) -> dict[str, np.ndarray]:
        """The curves over PLACES, the mean and the variance of the posterior and the evidence q(x_t) (given x_0, if known);
        with x_0 unknown the Gaussian fit too, the divergence in nats, and the divergences at BETAS."""
        drawn = self._drawn(self.t, self.beta)
        if self._data is not None:
            drawn["divergences"] = torch.stack([rule.divergence for rule in self._rules(self.t, BETAS)])
        return {name: values.numpy() for name, values in drawn.items()}

    def _drawn(self, t: int, beta: float) -> dict[str, Tensor]:
        """What `frame` says at t and beta, but for the divergences at other beta."""
        (rule,) = self._rules(t, [beta])
        drawn = {
            "likelihood": _normal(rule.x_t, rule.keep * PLACES, rule.beta),
            "prior": rule.before.log_prob(PLACES[:, None]).exp(),
            "posterior": rule.posterior(PLACES),
            "evidence": rule.evidence,
            "mean": rule.mean,
            "variance": rule.var,
        }
        if self._data is not None:
            drawn |= {"fit": _normal(PLACES, rule.mean, rule.var), "divergence": rule.divergence}
        return drawn

    def _rules(self, t: int, betas: list[float]) -> list["_Rule"]:
        data = self._data
        if data is None:  # one start: a mixture of one point
            data = GaussianMixture(torch.ones(1), torch.full((1, 1), self.x_0, dtype=torch.float64), torch.zeros(1))
        before = data.diffused(t - 1, self._schedule)
        return [_Rule(before, self.x_t, beta) for beta in betas]

    def describe(self) -> str:
        """Where likelihood and prior point to, and the posterior they give."""
        frame = self._drawn(self.t, self.beta)
        says = f"x_t = {self.x_t:.2f} at t = {self.t} of {self._schedule.T}, β = {self.beta:.3f}. "
        says += f"The step alone points to {self.x_t / (1 - self.beta) ** 0.5:.2f}"
        if self._data is None:
            says += f", the start x_0 = {self.x_0:.2f} to {self._schedule.alpha_bar[self.t - 1] ** 0.5 * self.x_0:.2f}"
        says += f"; the posterior has mean {frame['mean']:.2f} and variance {frame['variance']:.4f}"
        if self._data is None:
            return says + "."
        humps = _humps(frame["posterior"].numpy())
        return says + f", {humps} hump{'' if humps == 1 else 's'}; KL to its Gaussian fit {frame['divergence']:.4f} nats."

    def filmstrip(self) -> Figure:
        """Five steps of the schedule, where x_0 is known; five beta at the present t, where it is not."""
        T, known = self._schedule.T, self._data is None
        steps = sorted({min(T, max(2, round(T * share))) for share in (0.1, 0.25, 0.5, 0.75, 1)})
        states = (
            [(t, float(self._schedule.beta[t])) for t in steps] if known else [(self.t, b) for b in (0.8, 0.5, 0.3, 0.1, 0.02)]
        )
        fig, axes = plt.subplots(1, len(states), figsize=(3 * len(states), 3.6), squeeze=False)
        looks = {"likelihood": (ORANGE, "--"), "prior": (GREEN, ":"), "posterior": (BLUE, "-"), "fit": (RED, "-.")}
        for ax, (t, beta) in zip(axes[0], states, strict=True):
            drawn = self._drawn(t, beta)
            for name, (color, style) in looks.items():
                if name in drawn:
                    ax.plot(PLACES, drawn[name], color=color, linestyle=style)
            ax.set(xlim=(-2.5, 2.5), ylim=(0, None), yticks=[], title=f"t = {t}, β = {beta:.2f}" if known else f"β = {beta}")
            result = (
                f"mean {drawn['mean']:.2f}\nvariance {drawn['variance']:.3f}" if known else f"KL {drawn['divergence']:.3f} nats"
            )
            ax.set_xlabel(f"$x_{{t-1}}$\n{result}")
        fig.suptitle(
            f"likelihood dashed, prior dotted, posterior solid{'' if known else ', Gaussian fit dash-dotted'}", fontsize=15
        )
        return fig


class _Rule:
    """Bayes' rule for one step back from x_t, the prior q(x_{t-1}) a mixture on a line.

    The step back of each component is a Gaussian. They are mixed by the `share` that each has in q(x_t), the evidence.
    """

    def __init__(self, before: GaussianMixture, x_t: float, beta: float):
        self.before, self.x_t, self.beta = before, torch.tensor(x_t, dtype=torch.float64), torch.tensor(beta, dtype=torch.float64)
        self.keep = (1 - self.beta).sqrt()
        means, variances = before.means[:, 0], before.covs[:, 0, 0]
        there = self.keep**2 * variances + self.beta  # of x_t, from each component
        # in logarithms: far from all that the prior holds, the evidence is smaller than any float
        log = before.weights.log() - 0.5 * ((self.x_t - self.keep * means) ** 2 / there + torch.log(2 * torch.pi * there))
        self.evidence, self.share = log.logsumexp(0).exp(), log.softmax(0)
        self.means = means + self.keep * variances / there * (self.x_t - self.keep * means)
        self.variances = variances * self.beta / there
        self.mean = (self.share * self.means).sum()
        self.var = (self.share * (self.variances + (self.means - self.mean) ** 2)).sum()

    def posterior(self, x: Curve) -> Curve:
        return (self.share * _normal(x[:, None], self.means, self.variances)).sum(1)

    @property
    def divergence(self) -> Tensor:
        """KL(posterior || Gaussian of its mean and variance) = log sqrt(2 pi e variance) - entropy of the posterior, in nats."""
        reach = 9 * self.variances.sqrt()
        low, high = (self.means - reach).min(), (self.means + reach).max()
        x = low + (high - low) * torch.linspace(0, 1, POINTS, dtype=torch.float64)
        density = self.posterior(x)
        found = 0.5 * torch.log(2 * torch.pi * torch.e * self.var) + torch.xlogy(density, density).sum() * (x[1] - x[0])
        return found.clamp(min=0)  # of a Gaussian, rounding might leave -1e-16


def _normal(x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    """The density of N(mean, var) at x."""
    return torch.exp(-((x - mean) ** 2) / (2 * var)) / (2 * torch.pi * var).sqrt()


def _humps(density: np.ndarray) -> int:
    """How many places are higher than both neighbours, and not next to nothing."""
    inner = density[1:-1]
    return int(((inner > density[:-2]) & (inner >= density[2:]) & (inner > 1e-3 * density.max())).sum())
