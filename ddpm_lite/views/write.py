"""Write: the reader types a caption, and the browser draws it, step by step, with the course's own network."""

import textwrap
from collections.abc import Sequence

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure

from ..browser.export import described, rounded
from ..models.kinds import TextModel
from ..models.upsampling import UpsamplingModel
from .base import packed, unpacked
from .drawing import METHODS, SEEDS, STEPS, Caption, DrawingView, Scale, drawing_esm, guidance
from .plots import figure_strip

KINDS = ("text-conditional", "decoder")  # of models that draw from a caption alone, in pixels


class Write(DrawingView):
    """Pictures for captions that the reader types, drawn in the page, each step of Algorithm 2 as it is done.
    Slides L21, L22, L24; Nichol et al. 2022, section 3; Ho & Salimans 2022, eq. 6.

    model       draws from captions: "glide-emoji"
    captions    one to eight of them, whose pictures are kept beside the view: they are what is seen where nothing can be drawn
    upsampler   enlarges what was drawn
    scale, steps, method, seed   how it begins; see `TextModel.draw`

    The state is the caption, another one beside it from the same noise (empty: none), the guidance scale, the number of steps,
    the method and the seed. ValueError for another kind of model, and for captions that are missing or too many.
    """

    STATE = ("caption", "other", "scale", "steps", "method", "seed")
    _esm = drawing_esm("asking", "write")
    caption = Caption().tag(sync=True)
    other = Caption("").tag(sync=True)
    scale = Scale(2.0).tag(sync=True)
    steps = traitlets.Int(1, min=1, max=STEPS).tag(sync=True)
    method = traitlets.Enum(METHODS, "ddim").tag(sync=True)
    seed = traitlets.Int(min=0, max=SEEDS - 1).tag(sync=True)
    recipe = traitlets.Dict(help="what the page must know of the model").tag(sync=True)
    upsampler = traitlets.Unicode("").tag(sync=True)
    known = traitlets.List(traitlets.Unicode()).tag(sync=True)
    known_pictures = traitlets.Bytes().tag(sync=True)
    known_large = traitlets.Bytes(help="the same, enlarged, if there is an upsampler").tag(sync=True)

    def __init__(
        self,
        model: TextModel,
        captions: Sequence[str],
        upsampler: UpsamplingModel | None = None,
        *,
        scale: float = 2.0,
        steps: int = 20,
        method: str = "ddim",
        seed: int = 0,
    ):
        if not 1 <= len(captions) <= 8:
            raise ValueError(f"Give one to eight captions to begin with, not {len(captions)}.")
        if model.recipe.kind not in KINDS:
            raise ValueError(
                f"{model.name} is {model.recipe.kind}, but the page draws with a model that is {' or '.join(KINDS)}."
            )
        self._drawn: dict[tuple, np.ndarray] = {}
        super().__init__(
            [each for each in (model, upsampler) if each is not None],
            caption=captions[0],
            recipe=described(model),
            upsampler="" if upsampler is None else upsampler.name,
            known=list(captions),
            scale=scale,
            steps=steps,
            method=method,
            seed=seed,
        )
        noise = self.noise(self.seed, len(captions), model.net.shape)
        stills = model.draw(captions, noise=noise, steps=self.steps, scale=self.scale, method=self.method)
        self.known_pictures = b"".join(packed(stills))
        if upsampler is not None:
            self.known_large = b"".join(packed(upsampler.draw(stills, captions if upsampler.recipe.reads else None, seed=seed)))

    @property
    def captions(self) -> list[str]:
        """The captions that are drawn: one, or two from the same noise."""
        return [self.caption, *([self.other] if self.other else [])]

    def frame(self) -> dict[str, np.ndarray]:
        """pictures (captions, c, h, w), as the page draws them with its weights of 8 bits, before they are enlarged."""
        state = tuple(getattr(self, name) for name in self.STATE)
        if state not in self._drawn:
            model = self._models[self.recipe["name"]]
            assert isinstance(model, TextModel), "it is the first of them"
            noise = self.noise(self.seed, len(self.captions), model.net.shape)
            scale = guidance(self.scale, model, self.captions)
            drawn = rounded(model).draw(self.captions, noise=noise, steps=self.steps, scale=scale, method=self.method)
            self._drawn = {state: drawn.numpy()}
        return {"pictures": self._drawn[state]}

    def describe(self) -> str:
        """The captions, and how they are drawn."""
        beside = f" and, from the same noise, “{self.other}”" if self.other else ""
        how = f"{self.steps} step{'s' if self.steps != 1 else ''} of {self.method} at guidance {self.scale:g}"
        return f"A picture for “{self.caption}”{beside}: {how}, from the noise of seed {self.seed}."

    def filmstrip(self) -> Figure:
        """The pictures of up to six captions, as they were drawn beforehand."""
        channels, size = self.recipe["network"]["channels"], self.recipe["network"]["size"]
        if self.known_large:
            stills = torch.from_numpy(unpacked(self.known_large, channels, 4 * size, 4 * size))
        else:
            stills = torch.from_numpy(unpacked(self.known_pictures, channels, size, size))
        return figure_strip({"": stills[:6]}, [textwrap.fill(caption, 11) for caption in self.known[:6]])
