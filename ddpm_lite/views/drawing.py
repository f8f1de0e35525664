"""Views in which the browser runs networks: it asks the kernel for their weights once, and needs none afterwards."""

from collections.abc import Sequence
from typing import Any

import traitlets
from jaxtyping import Float
from torch import Tensor

from ..browser.export import exported
from ..browser.noise import portable_noise
from ..browser.scripts import ENGINE, page_script, worker_script
from ..models.model import Trained
from .base import View, halves

SEEDS = 100  # of which the reader chooses one


def drawing_esm(*names: str) -> str:
    """The browser half of a view that draws: base.js, what asks the engine, drawing.js, and its own files."""
    return halves("base") + page_script() + halves("drawing", *names)


class DrawingView(View):
    """A view in which the browser runs networks.

    Neither the engine nor the weights are in its state, so a notebook stays small: the browser asks the kernel for each once; a
    web page has them in files beside it. `_models` holds the networks by name.
    """

    networks = traitlets.List(traitlets.Unicode(), help="the models whose weights the page asks for").tag(sync=True)

    def __init__(self, models: Sequence[Trained], **traits: Any):
        self._models = {model.name: model for model in models}
        super().__init__(networks=list(self._models), **traits)
        self.on_msg(self._from_browser)

    def _from_browser(self, _: object, content: dict, buffers: list) -> None:
        name = content.get("weights")
        if name == ENGINE:
            self.send({"weights": name, "source": worker_script()})
        elif name in self._models:
            entry, data = exported(self._models[name])
            self.send({"weights": name, "entry": entry}, [data])

    def noise(self, seed: int, count: int, shape: tuple[int, ...]) -> Float[Tensor, "{count} *d"]:
        """The noise that a seed means in the browser too, the same for each of `count` pictures of this shape."""
        return portable_noise(seed, (1, *shape)).expand(count, *shape)
