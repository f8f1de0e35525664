"""DALL·E 2, or unCLIP (Ramesh et al. 2022), as a whole: a caption, the prior, an image embedding, the decoder, a picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..maths.checks import require_pictures
from ..networks.prior import closest, conditions, embed
from ..sampling.editing import invert
from ..sampling.guidance import guided
from ..sampling.loop import sample
from ..sampling.noise import normal, seeds
from .kinds import ClipModel, DecoderModel, PriorModel, UpsamplingModel
from .model import Trained
from .presets import CHAINS
from .trained import ASSETS, fingerprint, load, read_card


@dataclass
class Chain:
    """The models that draw a picture from a caption by way of its image embedding, all trained with the same CLIP.

    Slide L27; Ramesh et al. 2022, section 2.

    Embeddings are those of `prior.embed`: CLIP's unit vectors times sqrt(d). ValueError for a prior or a decoder that was
    trained with another CLIP.
    """

    name: str
    clip: ClipModel
    prior: PriorModel
    decoder: DecoderModel
    upsampler: UpsamplingModel | None = None
    card: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for model in (self.prior, self.decoder):
            refuse_another_clip(model, self.clip)

    @torch.no_grad()
    def encode(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """The image embeddings of pictures in [-1, 1]. ValueError for another range, or another size than the decoder's."""
        if pictures.ndim != 4 or pictures.shape[1:] != self.decoder.net.shape:
            raise ValueError(f"{self.name} takes pictures of shape (n, *{self.decoder.net.shape}), not {tuple(pictures.shape)}.")
        require_pictures(pictures=pictures)
        return embed(self.clip.encode(pictures))

    @torch.no_grad()
    def encode_text(self, captions: Sequence[str]) -> Float[Tensor, "n d"]:
        """The text embeddings of captions."""
        return embed(self.clip.encode_text(captions))

    def imagine(self, captions: Sequence[str], **options: Any) -> Float[Tensor, "n d"]:
        """An image embedding for each caption: see the function `imagine`, which takes the options."""
        return imagine(self.prior, self.clip, captions, **options)

    def decode(
        self,
        embedding: Float[Tensor, "n d"],
        captions: Sequence[str] | None = None,
        *,
        seed: int | None = None,
        steps: int = 15,
        scale: float | None = None,
        method: str = "dpm-solver++",
        noise: Float[Tensor, "n c h w"] | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """Small pictures, as the decoder draws them from image embeddings, with or without captions: see `DecoderModel.draw`."""
        wanted = [""] * len(embedding) if captions is None else captions
        options: dict[str, Any] = {"seed": seed, "steps": steps, "scale": scale, "method": method}
        return self.decoder.draw(wanted, embedding=embedding, noise=noise, **options)

    def enlarge(
        self, small: Float[Tensor, "n c h w"], captions: Sequence[str] | None = None, *, seed: int = 0
    ) -> Float[Tensor, "n c H W"]:
        """The pictures enlarged by the upsampler, which may read captions: see `UpsamplingModel.draw`. ValueError for a chain
        without one."""
        if self.upsampler is None:
            raise ValueError(f"{self.name} has no upsampler, so it cannot enlarge pictures.")
        return self.upsampler.draw(small, captions, seed=seed)

    def draw(
        self,
        captions: Sequence[str],
        *,
        seed: int = 0,
        steps: int = 15,
        scale: float = 2.0,
        method: str = "dpm-solver++",
        candidates: int = 2,
    ) -> Float[Tensor, "n c H W"]:
        """One picture for each caption, in [-1, 1]: the whole chain. Steps, method and guidance scale are the decoder's; the
        prior always takes 25 DDIM steps, the upsampler 4."""
        imagining, decoding, enlarging = range(3 * seed, 3 * seed + 3)  # three independent draws
        embedding = self.imagine(captions, seed=imagining, candidates=candidates)
        small = self.decode(embedding, captions, seed=decoding, scale=scale, steps=steps, method=method)
        return small if self.upsampler is None else self.enlarge(small, captions, seed=enlarging)

    def variations(
        self,
        pictures: Float[Tensor, "n c h w"],
        count: int,
        *,
        seed: int = 0,
        steps: int = 15,
        scale: float = 2.0,
        method: str = "dpm-solver++",
    ) -> Float[Tensor, "n count c H W"]:
        """`count` new pictures for each picture, drawn from its embedding and new noise, without a caption. The j-th of each
        picture starts from the same noise, whatever count is and whatever else is varied. ValueError for a count below 1."""
        if count < 1:
            raise ValueError(f"count = {count}, but at least one variation must be drawn.")
        decoding, enlarging = range(2 * seed, 2 * seed + 2)
        varied = []
        for embedding in self.encode(pictures):
            small = self.decode(embedding.expand(count, -1), seed=decoding, scale=scale, steps=steps, method=method)
            varied.append(small if self.upsampler is None else self.enlarge(small, seed=enlarging))
        return torch.stack(varied)

    def invert(self, pictures: Float[Tensor, "n c h w"], steps: int = 50) -> Float[Tensor, "n c h w"]:
        """The noise from which the decoder, given only the embeddings, draws these pictures again by DDIM with as many steps at
        scale 1. More steps come closer: see `editing.invert`."""
        model, cond = self.decoder, self.decoder.conditions([""] * len(pictures), self.encode(pictures)).to(self.decoder.device)
        return invert(model.eps(), pictures.to(model.device), model.schedule, cond=cond, steps=steps)


@torch.no_grad()
def imagine(
    prior: PriorModel,
    clip: ClipModel,
    captions: Sequence[str],
    *,
    seed: int = 0,
    steps: int = 25,
    scale: float = 1.0,
    candidates: int = 2,
) -> Float[Tensor, "n d"]:
    """An image embedding for each caption, of length sqrt(d) or nearly so, by the prior: DDIM under guidance of this scale.

    Slide L26; Ramesh et al. 2022, section 2.2.

    `candidates` are drawn for each caption, and the one closest to the text embedding is kept; DALL·E 2 draws two. A single
    one is a plain sample of the prior, the same as the first of several. The i-th embedding of a seed is the same however many
    captions there are. ValueError for a prior that was trained with another CLIP.
    """
    refuse_another_clip(prior, clip)
    if candidates < 1:
        raise ValueError(f"candidates = {candidates}, but at least one must be drawn.")
    device, n = prior.device, len(captions)
    tokens = clip.tokenizer.encode(captions).to(device)
    text = embed(clip.net.encode_text(tokens))
    seed %= 2**63
    own = [torch.Generator(device).manual_seed(s) for s in (seed, *seeds(candidates - 1, seed))]
    noise = torch.stack([normal(n, prior.net.shape, generator) for generator in own])
    return imagined(prior, tokens, text, noise, steps=steps, scale=scale)


@torch.no_grad()
def imagined(
    prior: PriorModel,
    tokens: Int[Tensor, "n length"],
    text: Float[Tensor, "n d"],
    noise: Float[Tensor, "k n d"],
    *,
    steps: int = 25,
    scale: float = 1.0,
) -> Float[Tensor, "n d"]:
    """What `imagine` keeps for captions, by their tokens and text embeddings, of the k embeddings that the prior draws for each
    from this noise. Slide L26; Ramesh et al. 2022, section 2.2."""
    eps = guided(prior.eps(), scale, prior.net.null)
    cond = conditions(tokens, text).repeat(len(noise), 1)
    *_, last = sample(eps, noise.flatten(0, 1), prior.schedule, cond=cond, steps=steps, method="ddim")
    return closest(last.x_t.reshape(noise.shape), text)


def refuse_another_clip(model: Trained, clip: Trained) -> None:
    """ValueError if a prior or a decoder was trained with another CLIP than this one."""
    if model.recipe.clip_weights != fingerprint(clip.net):
        raise ValueError(
            f"{model.name} was not trained with this {clip.name}, and the embeddings of another CLIP mean nothing to it: "
            "use the CLIP it was trained with, or train it again."
        )


def load_chain(name: str, device: str | torch.device = "auto") -> Chain:
    """A shipped chain by its name, such as "unclip-emoji", ready to use. ValueError for another name."""
    if name not in CHAINS:
        raise ValueError(f"There is no chain {name!r}: the known ones are {', '.join(CHAINS)}.")
    card = read_card(name) if (ASSETS / f"{name}.json").is_file() else {}
    parts: dict[str, Any] = {part: load(model, device) for part, model in CHAINS[name].items()}
    return Chain(name, **parts, card=card)
