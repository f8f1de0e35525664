"""Draw: the browser draws a digit while its sliders are dragged, step by step, with the course's own network."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..browser.export import described, rounded
from ..browser.noise import portable_noise
from ..maths.gaussian import eps_from_x0
from ..models.kinds import ClassModel
from ..sampling.guidance import guided
from ..sampling.loop import finite_x0_hat, timesteps
from ..sampling.samplers import SAMPLERS, Seen
from .base import uint8
from .drawing import SEEDS, STEPS, DrawingView, drawing_esm
from .plots import figure_strip

SCALE = 8.0  # the most guidance
SHOWN = 6  # moments of the path in the filmstrip


class Draw(DrawingView):
    """A picture of a class, drawn in the page at each move of a slider: x_t and what the network sees in it, at every step.
    Slides L14, L21; Ho et al. 2020, Algorithm 2; Song et al. 2021, eq. 12; Ho & Salimans 2022, eq. 6.

    model    draws by label: "digits"
    The state is the label (the number of classes means "any"), the guidance scale, which has no effect on "any", eta, which DDIM
    alone uses, the number of steps, the method and the seed; the noise of step k is stream k + 1 of `portable_noise`. ValueError
    for another kind of model, and for a scale or an eta that would have no effect.
    """

    STATE = ("label", "scale", "eta", "steps", "method", "seed")
    _esm = drawing_esm("asking", "draw")
    label = traitlets.Int(3).tag(sync=True)
    scale = traitlets.Float(2.0, min=0.0, max=SCALE).tag(sync=True)
    eta = traitlets.Float(0.0, min=0.0, max=1.0).tag(sync=True)
    steps = traitlets.Int(20, min=1, max=STEPS).tag(sync=True)
    method = traitlets.Enum(["ddim", *(name for name in SAMPLERS if name != "ddim")], "ddim").tag(sync=True)
    seed = traitlets.Int(0, min=0, max=SEEDS - 1).tag(sync=True)
    recipe = traitlets.Dict(help="what the page must know of the model").tag(sync=True)
    visited = traitlets.List(traitlets.Int(), help="the steps of the path of the first state").tag(sync=True)
    still = traitlets.Bytes(help="x_t, then x0_hat, of the path of the first state, as bytes").tag(sync=True)

    def __init__(self, model: ClassModel, **state: Any):
        if not isinstance(model, ClassModel):
            raise ValueError(f"{model.name} is {model.recipe.kind}, but the page draws with a model that is class-conditional.")
        if state.get("method", "ddim") != "ddim" and state.get("eta"):
            raise ValueError(f"eta is an option of ddim, and {state['method']} does not use it: leave it out.")
        if state.get("label") == model.classes and "scale" in state:
            raise ValueError("scale strengthens what is asked for, but the label means 'any': leave scale out.")
        self._paths: dict[tuple, dict[str, np.ndarray]] = {}
        super().__init__([model], recipe=described(model), **state)
        self.visited = [*timesteps(model.schedule.T, self.steps), 0]
        self.still = b"".join(uint8(torch.from_numpy(x).clamp(-1, 1)) for x in self.frame().values())

    @traitlets.validate("label")
    def _known(self, proposal: dict[str, Any]) -> Any:
        if proposal["value"] not in range(self.classes + 1):
            raise traitlets.TraitError(f"label = {proposal['value']}, but labels go from 0 to {self.classes}, which means 'any'.")
        return proposal["value"]

    @property
    def classes(self) -> int:
        """How many classes the model knows."""
        return int(self.recipe["network"]["num_classes"])

    def frame(self) -> dict[str, np.ndarray]:
        """x_t and x0_hat (steps + 1, c, h, w) from noise to the picture, by the page's weights of 8 bits."""
        state = tuple(getattr(self, name) for name in self.STATE)
        if state not in self._paths:
            model = self._models[self.recipe["name"]]
            assert isinstance(model, ClassModel), "the constructor has looked"
            x_t, x0_hat = self.path(rounded(model))
            self._paths = {state: {"x_t": x_t.numpy(), "x0_hat": x0_hat.numpy()}}
        return self._paths[state]

    @torch.no_grad()
    def path(self, model: ClassModel) -> tuple[Float[Tensor, "steps c h w"], Float[Tensor, "steps c h w"]]:
        """x_t and x0_hat at each step of Algorithm 2 in the present state, and at t = 0, with a model. `sample` takes its noise
        from a generator; here it is the page's."""
        schedule, label = model.schedule, torch.tensor([self.label])
        eps = guided(model.eps(), self.scale if self.label < self.classes else 0.0, self.classes)

        def look(x: Tensor, t: int) -> tuple[Tensor, Tensor]:
            x0_hat = finite_x0_hat(x, eps(x, torch.tensor([t]), label), t, schedule).clamp(-1, 1)
            return eps_from_x0(x, x0_hat, t, schedule), x0_hat

        x, before, path = portable_noise(self.seed, (1, *model.net.shape)), None, []
        options = {"eta": self.eta} if self.method == "ddim" else {}
        adds_noise = self.method == "ddpm" or options.get("eta")
        for k, (t, t_next) in enumerate(pairwise([*timesteps(schedule.T, self.steps), 0])):
            eps_hat, x0_hat = look(x, t)
            path.append((x, x0_hat))
            seen = Seen(eps_hat, x0_hat, before, lambda x, t: look(x, t)[0])
            z = portable_noise(self.seed, x.shape, k + 1) if adds_noise else None
            x, before = SAMPLERS[self.method](x, seen, t, t_next, schedule, z, **options), (t, x0_hat)
        path.append((x, x))
        x_t, x0_hat = (torch.cat(each) for each in zip(*path, strict=True))
        return x_t, x0_hat

    def describe(self) -> str:
        """What is drawn, and how."""
        asked = f"{'An' if self.label == 8 else 'A'} {self.label}" if self.label < self.classes else "Any digit"
        how = [f"{self.steps} step{'s' if self.steps != 1 else ''} of {self.method}"]
        if self.label < self.classes:
            how.append(f"guidance {self.scale:g}")
        if self.method == "ddim":
            how.append(f"eta {self.eta:g}")
        return f"{asked}: {', '.join(how)}, from the noise of seed {self.seed}."

    def filmstrip(self) -> Figure:
        """The path of the present state, at six moments."""
        frame, visited = self.frame(), [*timesteps(self.recipe["schedule"]["T"], self.steps), 0]
        shown = sorted({round(i) for i in np.linspace(0, self.steps, SHOWN)})
        rows = {"$x_t$": frame["x_t"][shown].clip(-1, 1), "$\\hat x_0$": frame["x0_hat"][shown].clip(-1, 1)}
        return figure_strip({name: torch.from_numpy(x) for name, x in rows.items()}, [f"t = {visited[i]}" for i in shown])
