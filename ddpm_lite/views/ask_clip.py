"""AskCLIP: the reader draws a picture or brings one, writes captions, and the browser says how well CLIP finds that they fit."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..browser.export import described, rounded
from ..data.grammar import COLOURS
from ..models.kinds import ClipModel
from ..networks.clip import MAX_LOGIT_SCALE
from .base import packed, unpacked
from .drawing import LONGEST, DrawingView, drawing_esm
from .plots import figure_strip
from .reader_pictures import OWN, as_hex, at_size, from_hex, named

MOST = 6  # captions
PAINTS = {"black": (0, 0, 0), "white": (255, 255, 255), **COLOURS}


class AskCLIP(DrawingView):
    """A picture, drawn by the reader or brought as a file, beside up to six captions: the cosine between CLIP's features of the
    picture and of each caption, and the softmax over the captions at CLIP's temperature. The page computes both.
    Slide L23; Radford et al. 2021, fig. 3, section 2.5.

    model      "clip-emoji"
    pictures   1 to 12 by name, to begin with; each (c, h, h) in [-1, 1], of the network's size or k times as large
    captions   one to six, to begin with

    The state is the picture, as the network sees it, and the captions; empty ones are not asked. ValueError for a CLIP of noisy
    pictures, another kind of model, and for pictures and captions that do not fit.
    """

    STATE = ("picture", "captions")
    _esm = drawing_esm("reader_pictures", "caption_bars", "ask_clip")
    picture = traitlets.Unicode(help="its bytes as hexadecimal digits").tag(sync=True)
    captions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    recipe = traitlets.Dict(help="what the page must know of the model").tag(sync=True)
    known = traitlets.List(traitlets.List(traitlets.Unicode()), help="[name, picture] of those to begin with").tag(sync=True)
    known_pictures = traitlets.Bytes().tag(sync=True)
    side = traitlets.Int(help="pixels of their side").tag(sync=True)
    known_similarity = traitlets.List(traitlets.List(traitlets.Float()), help="of each of them to each first caption").tag(
        sync=True
    )
    logit_scale = traitlets.Float().tag(sync=True)
    paints = traitlets.List(traitlets.List(traitlets.Unicode()), help="[name, #rrggbb] of the brush's colours").tag(sync=True)

    def __init__(self, model: ClipModel, pictures: Mapping[str, Float[Tensor, "c h h"]], captions: Sequence[str]):
        if not isinstance(model, ClipModel) or model.recipe.schedule is not None:
            raise ValueError(f"{model.name} is {model.recipe.kind}; the page asks a CLIP of pictures without noise.")
        if not 1 <= len(captions) <= MOST or not all(caption.strip() for caption in captions):
            raise ValueError(f"Give one to {MOST} captions to begin with, and none of them empty.")
        given = named(pictures)
        description = described(model)
        self._shape = (description["network"].get("channels", 3), *[description["network"]["size"]] * 2)
        small = [as_hex(picture) for picture in at_size(given, self._shape)]
        self._rounded = rounded(model)
        super().__init__(
            [model],
            picture=small[0],
            captions=[*captions, *[""] * (MOST - len(captions))],
            recipe=description,
            known=[list(each) for each in zip(pictures, small, strict=True)],
            known_pictures=b"".join(packed(given)),
            side=given.shape[-1],
            logit_scale=math.exp(min(float(self._rounded.net.logit_scale), MAX_LOGIT_SCALE)),
            paints=[[name, f"#{bytes(rgb).hex()}"] for name, rgb in PAINTS.items()],
        )
        self.known_similarity = self._similarity(small, list(captions)).tolist()

    @traitlets.validate("captions")
    def _fit(self, proposal: dict[str, Any]) -> Any:
        captions = proposal["value"]
        if len(captions) > MOST:
            raise traitlets.TraitError(f"There are at most {MOST} captions, not {len(captions)}.")
        if (longest := max(map(len, captions), default=0)) > LONGEST:
            raise traitlets.TraitError(f"A caption must have at most {LONGEST} letters, not {longest}.")
        return captions

    @traitlets.validate("picture")
    def _is_picture(self, proposal: dict[str, Any]) -> Any:
        from_hex(proposal["value"], self._shape)
        return proposal["value"]

    @property
    def asked(self) -> list[str]:
        """The captions that are asked about: those that are not empty."""
        return [caption for caption in self.captions if caption.strip()]

    def frame(self) -> dict[str, np.ndarray]:
        """similarity (captions,), the cosines of the picture and each caption, and probability (captions,), their softmax at
        CLIP's temperature, by the weights of 8 bits that the page has."""
        similarity = self._similarity([self.picture], self.asked)[0]
        return {"similarity": similarity.numpy(), "probability": (self.logit_scale * similarity).softmax(0).numpy()}

    def describe(self) -> str:
        """Which picture stands beside which captions."""
        name = {digits: f"“{name}”" for name, digits in self.known}.get(self.picture, OWN)
        captions = ", ".join(f"“{caption}”" for caption in self.asked)
        return f"How well {name} fits {len(self.asked)} caption{'s' if len(self.asked) != 1 else ''}: {captions or 'none'}."

    def filmstrip(self) -> Figure:
        """Up to six of the pictures to begin with, each with the caption that fits best, and its share of the softmax."""
        stills = torch.from_numpy(unpacked(self.known_pictures, self._shape[0], self.side, self.side))[:MOST]
        below = []
        for row in self.known_similarity[:MOST]:
            shares = (self.logit_scale * torch.tensor(row)).softmax(0)
            best = int(shares.argmax())
            below.append(f"{textwrap.fill(self.start['captions'][best], 14)}\n{row[best]:.2f}, {shares[best]:.0%}")
        return figure_strip({"": stills}, below)

    def _similarity(self, digits: Sequence[str], captions: Sequence[str]) -> Float[Tensor, "n m"]:
        images = self._rounded.encode(torch.cat([from_hex(each, self._shape) for each in digits]))
        return images @ self._rounded.encode_text(captions).mT
