"""Vary: DALL·E 2 in the page. A picture's variations, the way from it to another one, and its change by words."""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..browser.export import described, rounded
from ..models.kinds import ClipModel, DecoderModel
from ..models.unclip import Chain
from ..networks.prior import embed, slerp, text_difference
from ..sampling.editing import invert
from .base import packed, pictures, unpacked
from .drawing import SEEDS, SEVERAL, STEPS, Caption, DrawingView, Scale, drawing_esm
from .plots import figure_strip

VARIATIONS, WAY, WORDS = MODES = ("variations", "the way to another picture", "turned by words")
NEW, OWN = NOISES = ("new noise", "its own noise")


class Vary(DrawingView):
    """What a CLIP embedding holds of a picture, drawn in the page by DALL·E 2's decoder: the picture's variations, from four
    seeds; what lies on the way from it to another one; or the picture, turned by the difference of two captions.
    Slide L27; Ramesh et al. 2022, sections 3.1 to 3.3.

    chain      with the CLIP, the decoder, and perhaps an upsampler, which enlarges what was drawn: "unclip-emoji"
    examples   two to eight pictures (c, h, w) in [-1, 1], by their names, between which the reader chooses; the variations of
               each are drawn beforehand, and are what is seen where nothing can be drawn

    The state is the mode, the names of the picture and of the other one, the captions before and after, the share of the way or
    of the turn, the guidance scale, the number of steps, and the noise to begin with: that of a seed, which goes down by
    dpm-solver++, or the picture's own, found by DDIM inversion in as many steps, which goes down by DDIM. ValueError for examples
    that are too few or too many, or that the chain cannot take.
    """

    STATE = ("mode", "picture", "other", "before", "after", "share", "begin", "scale", "steps", "seed")
    _esm = drawing_esm("asking", "tiles", "vary")
    mode = traitlets.Enum(MODES, VARIATIONS).tag(sync=True)
    picture = traitlets.Unicode().tag(sync=True)
    other = traitlets.Unicode().tag(sync=True)
    before = Caption("an orange fox").tag(sync=True)
    after = Caption("a blue fox").tag(sync=True)
    share = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    begin = traitlets.Enum(NOISES, NEW).tag(sync=True)
    scale = Scale(2.0).tag(sync=True)
    steps = traitlets.Int(15, min=1, max=STEPS).tag(sync=True)
    seed = traitlets.Int(0, min=0, max=SEEDS - 1).tag(sync=True)
    clip = traitlets.Dict(help="what the page must know of the CLIP").tag(sync=True)
    decoder = traitlets.Dict(help="what the page must know of the decoder").tag(sync=True)
    upsampler = traitlets.Unicode("").tag(sync=True)
    known = traitlets.List(traitlets.Unicode()).tag(sync=True)
    known_pictures = traitlets.Bytes(help="each picture, then its variations").tag(sync=True)

    def __init__(self, chain: Chain, examples: Mapping[str, Float[Tensor, "c h w"]], **state: Any):
        if not 2 <= len(examples) <= 8:
            raise ValueError(f"Give two to eight pictures to choose from, not {len(examples)}.")
        names = list(examples)
        given = pictures(torch.stack(list(examples.values())), "examples")
        given = torch.from_numpy(unpacked(b"".join(packed(given)), *given.shape[1:])).float()  # as the page has them
        embeddings = chain.encode(given)
        self._drawn: dict[tuple, dict[str, np.ndarray]] = {}
        models = [chain.clip, chain.decoder, *([chain.upsampler] if chain.upsampler else [])]
        super().__init__(
            models,
            clip=described(chain.clip),
            decoder=described(chain.decoder) | {"words": ""},  # it is given no captions
            upsampler=chain.upsampler.name if chain.upsampler else "",
            known=names,
            **{"picture": names[0], "other": names[1]} | state,
        )
        options: dict[str, Any] = {"steps": self.steps, "scale": self.scale, "noise": self.noises(0, SEVERAL, self._shape)}
        varied = [chain.decode(embedding.expand(SEVERAL, -1), **options) for embedding in embeddings]
        stills = [torch.cat([picture[None], several]) for picture, several in zip(given, varied, strict=True)]
        self.known_pictures = b"".join(packed(torch.cat(stills)))

    @traitlets.validate("picture", "other")
    def _known(self, proposal: dict[str, Any]) -> Any:
        if proposal["value"] not in self.known:
            raise traitlets.TraitError(f"There is no picture {proposal['value']!r}: the names are {', '.join(self.known)}.")
        return proposal["value"]

    def frame(self) -> dict[str, np.ndarray]:
        """embedding (d,), and pictures (count, c, h, w), as the page draws them with its weights of 8 bits, before they are
        enlarged. ValueError for two captions with the same embedding."""
        state = tuple(getattr(self, name) for name in self.STATE)
        if state not in self._drawn:
            self._drawn = {state: self._draw(8)}
        return self._drawn[state]

    def _draw(self, bits: int) -> dict[str, np.ndarray]:
        """What the page draws in this state from weights of so many bits."""
        clip, decoder = (rounded(self._models[each["name"]], bits) for each in (self.clip, self.decoder))
        assert isinstance(clip, ClipModel) and isinstance(decoder, DecoderModel), "a chain has them"
        names = [self.picture, *([self.other] if self.mode == WAY else [])]
        given = torch.stack([self._stills()[self.known.index(name), 0] for name in names])
        images = embed(clip.encode(given))
        embedding = self._between(images)
        if self.mode == WORDS:
            was, wished = (embed(clip.encode_text([caption])) for caption in (self.before, self.after))
            embedding = text_difference(images, was, wished, self.share)
        count, noise, method = (SEVERAL if self.mode == VARIATIONS else 1), None, "dpm-solver++"
        if self._keeps_noise:
            cond, method = decoder.conditions([""] * len(given), images), "ddim"
            own = invert(decoder.eps(), given, decoder.schedule, cond=cond, steps=self.steps)
            noise = self._between(own.flatten(1)).reshape(1, *own.shape[1:])
        drawn = decoder.draw(
            [""] * count,
            embedding=embedding.expand(count, -1),
            noise=self.noises(self.seed, count, self._shape) if noise is None else noise,
            steps=self.steps,
            scale=self.scale,
            method=method,
        )
        return {"embedding": embedding[0].numpy(), "pictures": drawn.numpy()}

    @property
    def _keeps_noise(self) -> bool:
        return self.mode != VARIATIONS and self.begin == OWN

    def _between(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "1 d"]:
        """The only row, or what lies between two."""
        return rows[:1] if len(rows) == 1 else slerp(rows[:1], rows[1:], self.share)

    @property
    def _shape(self) -> tuple[int, int, int]:
        network = self.decoder["network"]
        return network["channels"], network["size"], network["size"]

    def _stills(self) -> Float[Tensor, "known several c h w"]:
        stills = unpacked(self.known_pictures, *self._shape)
        return torch.from_numpy(stills).float().reshape(len(self.known), 1 + SEVERAL, *stills.shape[1:])

    def describe(self) -> str:
        """What is drawn, and how."""
        count = f"{self.steps} step{'s' if self.steps != 1 else ''} at guidance {self.scale:g}"
        if self.mode == VARIATIONS:
            what, noise = f"Four variations of {self.picture}", f"the noise of seeds {self.seed} to {self.seed + SEVERAL - 1}"
        else:
            way = f"{self.share:g} of the way from {self.picture} to {self.other}"
            turn = f"{self.picture}, turned by {self.share:g} from “{self.before}” to “{self.after}”"
            what = way if self.mode == WAY else turn
            noise = f"the noise of seed {self.seed}"
        if self._keeps_noise:
            noise = "the noise of both, between them in the same way" if self.mode == WAY else "its own noise"
        text = f"{what}: {count}, from {noise}."
        return text[0].upper() + text[1:]

    def filmstrip(self) -> Figure:
        """The pictures, up to six of them, each over its variations, as they were drawn beforehand."""
        stills = self._stills()[:6]
        rows = {"the picture": stills[:, 0], **{f"variation {i}": stills[:, i] for i in range(1, 1 + SEVERAL)}}
        return figure_strip(rows, [textwrap.fill(name, 12) for name in self.known[:6]])
