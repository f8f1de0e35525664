"""TrainHere: the network of points learns in the page, from points that the reader draws or chooses, and draws as it learns."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..maths.schedule import Schedule
from ..networks.mlp import PointMLP
from ..sampling.loop import sample
from ..training.loop import train
from ..training.losses import eps_loss
from .base import float32
from .drawing import DrawingView, drawing_esm
from .field import REACH, THOUSANDTHS, answers, draw_arrows, places, some_steps, way_back
from .plots import BLUE, RED

OWN = "your own"  # the shape that the reader draws
MOST = 5000  # points
NETWORK = {"width": 64, "depth": 3}
RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03)
BATCHES = (16, 32, 64, 128, 256, 512)
ARROWS = ("way back", "score")
STILLS = (10, 100, 800)  # steps of training that the filmstrip shows
CALLS = 20  # of the network, for the points that are drawn with it


class TrainHere(DrawingView):
    """A network learns eps from points in the plane, in the page: its loss, its arrows, and points that are drawn with it.
    Slides L19, L20; Ho et al. 2020, Algorithm 1, eq. 14.

    The browser trains `PointMLP(2, 64, 3)` with AdamW, as `train` does, and needs no kernel for it. Points drawn with the moving
    average of its weights always start from the same noise, so that they are seen to move.

    shapes     {name: points (n, 2)} to choose from, 1 to 5000 each, within [-3, 3]; the reader may also draw
    schedule   linear, of the noise
    The state is the shape, the step t of the arrows, which arrows (the way back, which ends where x_t without its noise lies, or
    the score), the learning rate, the batch size, and whether it learns. ValueError for shapes that do not fit.
    """

    STATE = ("shape", "t", "arrows", "lr", "batch", "running")
    _esm = drawing_esm("train_here")
    shape = traitlets.Unicode().tag(sync=True)
    t = traitlets.Int().tag(sync=True)
    arrows = traitlets.Enum(ARROWS, ARROWS[0]).tag(sync=True)
    lr = traitlets.Enum(RATES, 0.003).tag(sync=True)
    batch = traitlets.Enum(BATCHES, 128).tag(sync=True)
    running = traitlets.Enum(["not begun", "learning", "stopped"], "not begun").tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    points = traitlets.List(traitlets.Bytes(), help="of each shape, float32").tag(sync=True)
    own = traitlets.Bytes(help="the points that the reader has drawn, float32").tag(sync=True)
    step = traitlets.Int(0, help="how many steps it has learnt for, when the page last said").tag(sync=True)
    loss = traitlets.Float(0.0, help="the loss then; 0 before it is known").tag(sync=True)
    steps = traitlets.List(traitlets.Int(), help="the t that may be chosen").tag(sync=True)
    alpha_bar = traitlets.List(traitlets.Float(), help="at these").tag(sync=True)
    network = traitlets.Dict().tag(sync=True)
    schedule = traitlets.Dict().tag(sync=True)

    def __init__(self, shapes: Mapping[str, Float[Tensor, "n 2"]], schedule: Schedule, **state: Any):
        if not shapes or OWN in shapes:
            raise ValueError(f"Give one or more shapes by name, none of which is called {OWN!r}.")
        for name, x in shapes.items():
            if x.ndim != 2 or x.shape[1] != 2 or not 1 <= len(x) <= MOST or not x.abs().max() <= REACH:
                raise ValueError(f"{name} must be 1 to {MOST} points (n, 2) within [-3, 3], not {tuple(x.shape)}.")
        self._schedule, steps = schedule, some_steps(schedule.T, THOUSANDTHS)
        first, last = float(schedule.beta[1]), float(schedule.beta[-1])
        if not torch.allclose(schedule.beta[1:], torch.linspace(first, last, schedule.T, dtype=torch.float64)):
            raise ValueError("The page knows the linear schedule: give Schedule.linear(...).")
        super().__init__(
            [],
            names=[*shapes, OWN],
            points=[float32(x) for x in shapes.values()],
            steps=steps,
            alpha_bar=schedule.alpha_bar[steps].tolist(),
            network=NETWORK | {"T": schedule.T},
            schedule={"kind": "linear", "T": schedule.T, "beta_1": first, "beta_T": last},
            **({"shape": next(iter(shapes)), "t": max(1, round(schedule.T / 10))} | state),
        )

    @traitlets.validate("t", "shape")
    def _listed(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        listed = self.steps if name == "t" else self.names
        if listed and value not in listed:
            raise traitlets.TraitError(f"{name} = {value!r} is none of {', '.join(map(str, listed))}.")
        return value

    def learnt_from(self) -> Float[Tensor, "n 2"]:
        """The points of the present shape."""
        data = self.own if self.shape == OWN else self.points[self.names.index(self.shape)]
        return torch.from_numpy(np.frombuffer(data, "<f4").reshape(-1, 2).astype(float))

    def frame(self) -> dict[str, np.ndarray]:
        """points (n, 2); near (256,): 1 at places where noisy points come at t, else 0; of a network that has learnt nothing yet,
        which answers 0, the ways (256, 2) and the loss (0,)."""
        x = self.learnt_from()
        near = near_points(x, self.t, self._schedule)
        return {"points": x.numpy(), "near": near.numpy(), "ways": np.zeros((len(near), 2)), "loss": np.zeros(0)}

    def describe(self) -> str:
        """What it learns from, and how far it is."""
        n = len(self.learnt_from())
        if not n:
            return "There are no points yet: draw some, or choose a shape."
        drawn = f"{n} point{'s' if n != 1 else ''} of {self.shape}" if self.shape != OWN else f"{n} of your own points"
        if not self.step:
            return f"{drawn}. The network has learnt nothing yet: press Begin."
        loss = f", its loss is {self.loss:.3f}" if self.loss else ""
        learnt = "is learning:" if self.running == "learning" else "has learnt for"
        count = f"{self.step} step{'s' if self.step != 1 else ''}{loss}"
        return f"{drawn}. The network {learnt} {count}. The arrows are those at t = {self.t} of {self.network['T']}."

    def filmstrip(self) -> Figure:
        """The points, the way back at t and points drawn with the network, after three numbers of steps of the same training."""
        data, schedule = self.learnt_from().float(), self._schedule
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = PointMLP(2, **NETWORK)
        g, noise = (torch.Generator().manual_seed(seed) for seed in (0, 1))
        x_T = torch.randn(200, 2, generator=noise)
        often = near_points(data.double(), self.t, schedule).bool()
        losses, last = eps_loss(schedule), STILLS[-1]
        run = train(net, (data,), losses, generator=g, steps=last, batch_size=self.batch, lr=self.lr, ema_decay=0.99)
        fig, axes = plt.subplots(1, len(STILLS), figsize=(3 * len(STILLS) + 0.8, 3.6), sharey=True)
        panels = iter(axes)
        for step in run:
            if step.step not in STILLS:
                continue
            ax = next(panels)
            *_, end = sample(step.run.ema, x_T, schedule, steps=CALLS, method="ddim")
            ax.plot(*data[:500].T, ".", color="0.75", markersize=3)
            ways = way_back(answers(step.run.ema, places(), self.t), self.t, schedule)
            draw_arrows(ax, places()[often], ways[often], BLUE)
            ax.plot(*end.x_t.T, ".", color=RED, markersize=4)
            ticks = {"xticks": [-2, 0, 2], "yticks": [-2, 0, 2]}
            ax.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal", title=f"after {step.step} steps", **ticks)
        return fig


def near_points(x: Float[Tensor, "n 2"], t: int, schedule: Schedule) -> Float[Tensor, " 256"]:
    """1 at the places of the arrows that lie within two standard deviations of the noise, and a little more, of a point at t."""
    signal, noise = schedule.alpha_bar[t].sqrt(), (1 - schedule.alpha_bar[t]).sqrt()
    if not len(x):
        return torch.zeros(len(places()), dtype=torch.float64)
    return (torch.cdist(places(), signal * x.double()).amin(1) < 2 * noise + 0.2).double()
