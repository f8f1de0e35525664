"""FillIn: the reader erases a part of a picture and says what is to be there; the browser fills it in, step by step."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from jaxtyping import Float, Shaped
from matplotlib.figure import Figure
from torch import Tensor

from ..browser.export import described, rounded
from ..browser.noise import ENLARGING, portable_noise
from ..models.kinds import InpaintingModel
from ..models.upsampling import UpsamplingModel
from ..networks.channels import enlarge
from .base import packed, unpacked
from .drawing import METHODS, SEEDS, STEPS, Caption, DrawingView, Scale, drawing_esm, guidance
from .plots import figure_strip
from .reader_pictures import OWN, as_hex, at_size, from_hex, named

ERASED = 0.5  # the grey of what is erased, in the still pictures


class FillIn(DrawingView):
    """A picture of which the reader erases a part with a brush, and a caption for what is to be there: the inpainting network
    fills it in, in the page, each step as it is done, and keeps the rest exactly.
    Slide L24; Nichol et al. 2022, section 3.3.

    model       "inpaint-emoji"
    pictures    1 to 8 by name, to begin with, each (c, h, h) in [-1, 1], of the network's size or k times as large
    mask        for each: 1 where it stays, 0 where it is drawn anew
    captions    for each
    upsampler   enlarges what was filled in

    The state is the picture, the mask as a row of "0" and "1", the caption, the guidance scale, the number of steps, the method
    and the seed. ValueError for another kind of model, and for pictures, masks and captions that do not fit.
    """

    STATE = ("picture", "mask", "caption", "scale", "steps", "method", "seed")
    _esm = drawing_esm("asking", "reader_pictures", "fill_in")
    picture = traitlets.Unicode(help="its bytes as hexadecimal digits").tag(sync=True)
    mask = traitlets.Unicode(help="1 where the picture stays, row by row").tag(sync=True)
    caption = Caption().tag(sync=True)
    scale = Scale(4.0).tag(sync=True)
    steps = traitlets.Int(15, min=1, max=STEPS).tag(sync=True)
    method = traitlets.Enum(METHODS, "dpm-solver++").tag(sync=True)
    seed = traitlets.Int(0, min=0, max=SEEDS - 1).tag(sync=True)
    recipe = traitlets.Dict(help="what the page must know of the model").tag(sync=True)
    upsampler = traitlets.Unicode("").tag(sync=True)
    known = traitlets.List(traitlets.List(traitlets.Unicode()), help="[name, picture, mask, caption] of those to begin with").tag(
        sync=True
    )
    known_pictures = traitlets.Bytes(help="filled in").tag(sync=True)
    known_large = traitlets.Bytes(help="and enlarged").tag(sync=True)

    def __init__(
        self,
        model: InpaintingModel,
        pictures: Mapping[str, Float[Tensor, "c h h"]],
        mask: Shaped[Tensor, "n 1 size size"],
        captions: Sequence[str],
        upsampler: UpsamplingModel | None = None,
    ):
        if not isinstance(model, InpaintingModel):
            raise ValueError(f"{model.name} is {model.recipe.kind}, but the page fills in with a model that is inpainting.")
        self._shape = model.net.shape
        small = at_size(named(pictures, 8), self._shape)
        if len(mask) != len(small) or len(captions) != len(small):
            raise ValueError(f"{len(small)} pictures need as many masks and captions, not {len(mask)} and {len(captions)}.")
        self._drawn: dict[tuple, np.ndarray] = {}
        digits = [as_hex(picture) for picture in small]
        masks = ["".join("1" if kept else "0" for kept in each.flatten()) for each in mask]
        super().__init__(
            [each for each in (model, upsampler) if each is not None],
            picture=digits[0],
            mask=masks[0],
            caption=captions[0],
            recipe=described(model),
            upsampler="" if upsampler is None else upsampler.name,
            known=[list(each) for each in zip(pictures, digits, masks, captions, strict=True)],
        )
        noise = self.noise(self.seed, len(small), self._shape)
        how: dict[str, Any] = {"noise": noise, "steps": self.steps, "scale": self.scale, "method": self.method}
        filled = model.edit(small, mask, captions, **how)
        self.known_pictures = b"".join(packed(filled))
        if upsampler is not None:
            noise = portable_noise(self.seed, (1, *upsampler.net.shape), ENLARGING)
            self.known_large = b"".join(packed(upsampler.draw(filled, captions, noise=noise.expand(len(small), -1, -1, -1))))

    @traitlets.validate("picture")
    def _is_picture(self, proposal: dict[str, Any]) -> Any:
        from_hex(proposal["value"], self._shape)
        return proposal["value"]

    @traitlets.validate("mask")
    def _is_mask(self, proposal: dict[str, Any]) -> Any:
        if len(proposal["value"]) != self._shape[1] ** 2 or not set(proposal["value"]) <= {"0", "1"}:
            raise traitlets.TraitError(f"A mask must be {self._shape[1] ** 2} digits, each 0 or 1.")
        return proposal["value"]

    def frame(self) -> dict[str, np.ndarray]:
        """pictures (1, c, h, w), filled in as the page does it with its weights of 8 bits, before they are enlarged."""
        state = tuple(getattr(self, name) for name in self.STATE)
        if state not in self._drawn:
            model = self._models[self.recipe["name"]]
            assert isinstance(model, InpaintingModel), "it is the first of them"
            kept = torch.tensor([float(each) for each in self.mask]).reshape(1, 1, *self._shape[1:])
            how: dict[str, Any] = {
                "steps": self.steps,
                "scale": guidance(self.scale, model, [self.caption]),
                "method": self.method,
            }
            noise, picture = self.noise(self.seed, 1, self._shape), from_hex(self.picture, self._shape)
            self._drawn = {state: rounded(model).edit(picture, kept, [self.caption], noise=noise, **how).numpy()}
        return {"pictures": self._drawn[state]}

    def describe(self) -> str:
        """What is erased of which picture, the caption, and how it is filled in."""
        name = {digits: f"“{name}”" for name, digits, *_ in self.known}.get(self.picture, OWN)
        erased, all_of_them = self.mask.count("0"), len(self.mask)
        how = f"{self.steps} step{'s' if self.steps != 1 else ''} of {self.method} at guidance {self.scale:g}"
        what = f"{erased} of {all_of_them} pixels of {name} are erased, to become “{self.caption}”"
        return f"{what}: {how}, from the noise of seed {self.seed}."

    def filmstrip(self) -> Figure:
        """Up to six pictures, what is erased of them, and how that was filled in from the caption."""
        before = torch.cat([from_hex(digits, self._shape) for _, digits, *_ in self.known[:6]])
        kept = torch.tensor([[float(each) for each in mask] for _, _, mask, _ in self.known[:6]])
        kept = kept.reshape(-1, 1, *self._shape[1:])
        data, times = (self.known_large, 4) if self.known_large else (self.known_pictures, 1)
        channels, size, _ = self._shape
        after = torch.from_numpy(unpacked(data, channels, times * size, times * size))[:6].float()
        rows = {"before": before, "erased": before * kept + ERASED * (1 - kept)}
        rows = {name: enlarge(row, times) for name, row in rows.items()} | {"filled in": after}
        return figure_strip(rows, [textwrap.fill(caption, 14) for *_, caption in self.known[:6]])
