"""Imagine: the reader types a caption, and the whole of DALL·E 2 draws it in the page: prior, decoder, upsampler."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..browser.export import described, rounded
from ..browser.noise import IMAGINING
from ..models.kinds import ClipModel, DecoderModel, PriorModel
from ..models.unclip import Chain, imagined
from ..networks.prior import embed
from .base import packed, unpacked
from .drawing import SEEDS, SEVERAL, STEPS, Caption, DrawingView, Scale, drawing_esm, guidance
from .plots import figure_strip

# What the decoder is given.
BOTH, IMAGINED, TEXT, CAPTION = GIVEN = (
    "imagined embedding and caption",
    "imagined embedding alone",
    "the caption's own embedding alone",
    "caption alone, as in GLIDE",
)
CANDIDATES = 2  # embeddings, of which the one closer to the caption's is kept


class Imagine(DrawingView):
    """Four pictures for a caption that the reader types, drawn in the page by the whole of DALL·E 2: for each, the prior imagines
    an image embedding from noise of its own, the decoder draws from it, and the upsampler enlarges the picture.
    Slides L26, L27; Ramesh et al. 2022, sections 2.1 and 2.2.

    chain      the CLIP, the prior, the decoder, and perhaps an upsampler: "unclip-emoji"
    captions   one to eight of them, whose pictures are drawn beforehand, and are what is seen where nothing can be drawn

    The state is the caption, what the decoder is given (an imagined embedding and the caption, the embedding alone, the caption's
    own text embedding in its place, or the caption alone), the decoder's guidance scale and its steps of dpm-solver++, and the
    first of the four seeds. The prior takes 25 DDIM steps twice, and the embedding that is closer to the caption's is kept.
    ValueError for captions that are missing or too many.
    """

    STATE = ("caption", "given", "scale", "steps", "seed")
    _esm = drawing_esm("asking", "tiles", "imagine")
    caption = Caption().tag(sync=True)
    given = traitlets.Enum(GIVEN, BOTH).tag(sync=True)
    scale = Scale(2.0).tag(sync=True)
    steps = traitlets.Int(15, min=1, max=STEPS).tag(sync=True)
    seed = traitlets.Int(0, min=0, max=SEEDS - 1).tag(sync=True)
    clip = traitlets.Dict(help="what the page must know of the CLIP").tag(sync=True)
    decoder = traitlets.Dict(help="what the page must know of the decoder").tag(sync=True)
    prior = traitlets.Unicode().tag(sync=True)
    upsampler = traitlets.Unicode("").tag(sync=True)
    known = traitlets.List(traitlets.Unicode()).tag(sync=True)
    known_pictures = traitlets.Bytes().tag(sync=True)

    def __init__(self, chain: Chain, captions: Sequence[str], **state: Any):
        if not 1 <= len(captions) <= 8:
            raise ValueError(f"Give one to eight captions to begin with, not {len(captions)}.")
        self._drawn: dict[tuple, dict[str, np.ndarray]] = {}
        super().__init__(
            [chain.clip, chain.prior, chain.decoder, *([chain.upsampler] if chain.upsampler else [])],
            clip=described(chain.clip),
            decoder=described(chain.decoder) | {"words": ""},  # those of the CLIP
            prior=chain.prior.name,
            upsampler=chain.upsampler.name if chain.upsampler else "",
            known=list(captions),
            **{"caption": captions[0]} | state,
        )
        drawn = [torch.from_numpy(self._draw(16, caption)["pictures"]) for caption in captions]
        self.known_pictures = b"".join(packed(torch.cat(drawn)))

    def frame(self) -> dict[str, np.ndarray]:
        """embeddings (4, d), zeros where there are none, and pictures (4, c, h, w), as the page draws them with its weights of 8
        bits, before they are enlarged."""
        state = tuple(getattr(self, name) for name in self.STATE)
        if state not in self._drawn:
            self._drawn = {state: self._draw(8, self.caption)}
        return self._drawn[state]

    def _draw(self, bits: int, caption: str) -> dict[str, np.ndarray]:
        """What the page draws in this state for a caption from weights of so many bits."""
        names = (self.clip["name"], self.prior, self.decoder["name"])
        clip, prior, decoder = (rounded(self._models[name], bits) for name in names)
        assert isinstance(clip, ClipModel) and isinstance(prior, PriorModel) and isinstance(decoder, DecoderModel)
        embeddings = self._embeddings(clip, prior, caption)
        captions = [caption if self._reads else ""] * SEVERAL
        scale = guidance(self.scale, decoder, captions) if self.given == CAPTION else self.scale
        network = self.decoder["network"]
        noise = self.noises(self.seed, SEVERAL, (network["channels"], network["size"], network["size"]))
        options: dict[str, Any] = {"steps": self.steps, "scale": scale, "method": "dpm-solver++"}
        drawn = decoder.draw(captions, embedding=embeddings, noise=noise, **options)
        return {"embeddings": embeddings.numpy(), "pictures": drawn.numpy()}

    def _embeddings(self, clip: ClipModel, prior: PriorModel, caption: str) -> Float[Tensor, "n d"]:
        text = embed(clip.encode_text([caption])).expand(SEVERAL, -1)
        if self.given in (BOTH, IMAGINED):
            noise = torch.stack([self.noises(self.seed, SEVERAL, prior.net.shape, IMAGINING + k) for k in range(CANDIDATES)])
            return imagined(prior, clip.tokenizer.encode([caption]).expand(SEVERAL, -1), text, noise)
        return text if self.given == TEXT else torch.zeros_like(text)

    @property
    def _reads(self) -> bool:
        return self.given in (BOTH, CAPTION)

    def describe(self) -> str:
        """The caption, and how its pictures are drawn."""
        how = f"{self.steps} step{'s' if self.steps != 1 else ''} at guidance {self.scale:g}"
        what = {
            BOTH: "embeddings that the prior imagines, and from the caption",
            IMAGINED: "embeddings that the prior imagines, without the caption",
            TEXT: "the caption's own embedding, without the caption",
            CAPTION: "the caption, without an embedding",
        }[self.given]
        seeds = f"the noise of seeds {self.seed} to {self.seed + SEVERAL - 1}"
        return f"Four pictures for “{self.caption}”, drawn from {what}: {how}, from {seeds}."

    def filmstrip(self) -> Figure:
        """The pictures of up to six captions, as they were drawn beforehand."""
        network = self.decoder["network"]
        stills = torch.from_numpy(unpacked(self.known_pictures, network["channels"], network["size"], network["size"]))
        stills = stills.reshape(len(self.known), SEVERAL, *stills.shape[1:])[:6]
        rows = {f"picture {i + 1}": stills[:, i] for i in range(SEVERAL)}
        return figure_strip(rows, [textwrap.fill(caption, 12) for caption in self.known[:6]])
