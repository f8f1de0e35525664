"""What stands in the filmstrip of ProbabilityFlow: the numbers of a frame, drawn by matplotlib."""

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from torch import Tensor

from .field import REACH
from .plots import BLACK, BLUE, GREEN, ORANGE

GREYS = [str(1 - 0.07 * k) for k in range(8)]  # few, so that the picture takes few bytes


def over_time(ax: plt.Axes, frame: dict[str, np.ndarray], title: str, end: float) -> None:
    """The density on the line over time, and the paths through it: exact dashed, the solver's blue, those of the SDE orange."""

    def times(n: int) -> np.ndarray:
        return np.linspace(1, end, n)

    columns, cells = frame["heat"].shape
    u, x = 1 - (np.arange(columns) + 0.5) * (1 - end) / columns, REACH * ((np.arange(cells) + 0.5) * 2 / cells - 1)
    ax.contourf(u, x, np.sqrt(frame["heat"].T / 1.2).clip(max=1), levels=np.linspace(0, 1, 9), colors=GREYS)
    if frame["sde"].size:
        ax.plot(times(len(frame["sde"])), frame["sde"], color=ORANGE, linewidth=1.3)
    ax.plot(times(len(frame["ode"])), frame["ode"], color=BLUE, marker="o" if len(frame["ode"]) < 34 else "", markersize=4)
    ax.plot(times(len(frame["exact"])), frame["exact"], color=BLACK, linewidth=2, linestyle="--")
    ax.set(xlabel="time u", xlim=(1, end), xticks=[1, 0.5, end], ylim=(-REACH, REACH), yticks=[-2, 0, 2], title=title)


def in_the_plane(ax: plt.Axes, frame: dict[str, np.ndarray], title: str, places: Float[Tensor, "n 2"], color: str) -> None:
    """The density in the plane, the arrows and the points."""
    middles = REACH * ((np.arange(len(frame["ground"])) + 0.5) * 2 / len(frame["ground"]) - 1)
    ax.contourf(middles, middles, np.sqrt(frame["ground"]).clip(max=1), levels=np.linspace(0, 1, 9), colors=GREYS)
    drawn = frame["likely"] > 0
    ax.quiver(*places[drawn].T, *frame["ways"][drawn].T, angles="xy", scale_units="xy", scale=1, color=GREEN, width=0.006)
    ax.plot(*frame["points"].T, ".", color=color, markersize=4)
    ticks = {"xlim": (-REACH, REACH), "xticks": [-2, 0, 2], "ylim": (-REACH, REACH), "yticks": [-2, 0, 2]}
    ax.set(xlabel="1st coordinate", aspect="equal", title=title, **ticks)
