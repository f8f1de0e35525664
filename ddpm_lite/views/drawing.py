"""Views in which the browser runs networks: it asks the kernel for their weights once, and needs none afterwards."""

import json
from collections.abc import Sequence
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from ..browser.export import exported
from ..browser.noise import portable_noise
from ..browser.scripts import ENGINE, LONGEST, page_script, part, worker_script
from ..models.kinds import TextModel
from ..models.model import Trained
from ..networks.tokenizer import END
from ..sampling.samplers import SAMPLERS
from .base import View, halves

SEEDS = 100  # of which the reader chooses one
STEPS = 50  # of a drawing, at most
SCALES = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # of guidance, which the slider offers
METHODS = [name for name in SAMPLERS if name != "ddpm"]  # that add no noise
SEVERAL = 4  # pictures, from as many seeds, where a view shows what differs among them
SAMPLING = {"scales": SCALES, "methods": METHODS, "samplers": list(SAMPLERS), "steps": STEPS, "seeds": SEEDS, "several": SEVERAL}


def drawing_esm(*names: str) -> str:
    """The browser half of a view that draws: base.js, what asks the engine, what may be asked for, drawing.js, its own files."""
    return (
        halves("base")
        + page_script()
        + part("pictures")
        + f"const SAMPLING = {json.dumps(SAMPLING)};\n"
        + halves("drawing", *names)
    )


class Caption(traitlets.Unicode):
    """A caption that the reader types. TraitError for a longer one than LONGEST."""

    def validate(self, obj: Any, value: Any) -> Any:
        """The caption, if it may be one."""
        if len(super().validate(obj, value)) > LONGEST:
            raise traitlets.TraitError(f"A caption must have at most {LONGEST} letters, not {len(value)}.")
        return value


class Scale(traitlets.Float):
    """A guidance scale that the slider of a page can show: one of SCALES. TraitError for another one."""

    def validate(self, obj: Any, value: Any) -> Any:
        """The scale, if it may be one, as a float."""
        if (scale := super().validate(obj, value)) not in SCALES:
            raise traitlets.TraitError(f"A guidance scale must be one of {', '.join(map('{:g}'.format, SCALES))}, not {scale:g}.")
        return scale


def guidance(scale: float, model: TextModel, captions: Sequence[str]) -> float | None:
    """The scale under which a model draws captions: None where it knows no word of them, since guidance towards nothing has no
    effect, and is refused."""
    return scale if bool((model.tokens(captions) > END).any()) else None


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

    def noises(self, seed: int, count: int, shape: tuple[int, ...], stream: int = 0) -> Float[Tensor, "{count} *d"]:
        """The noise of this seed and of those after it, one for each of `count` pictures, in a stream of theirs."""
        return torch.cat([portable_noise(seed + i, (1, *shape), stream) for i in range(count)])
