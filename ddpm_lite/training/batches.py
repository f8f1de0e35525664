"""What a training step does to a batch of captioned pictures before the loss: pick one caption of each, drop some words,
mirror some pictures, add a small picture or the part that is not erased. All random numbers come from the generator."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..machine import distributed
from ..maths.checks import require_pictures, require_share
from ..maths.schedule import require_floating
from ..networks.autoencoder import Autoencoder
from ..networks.channels import enlarge, erased, with_channels
from ..networks.clip import CLIP
from ..networks.prior import conditions, embed
from ..networks.tokenizer import END, PAD
from .losses import Loss, draw_caption, look_at


def to_bytes(pictures: Float[Tensor, "*n c h w"]) -> Tensor:
    """Pictures in [-1, 1] as uint8, a quarter of the memory: `captioned` converts them back."""
    require_floating(pictures=pictures)
    require_pictures(pictures=pictures)
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte()


def drop_words(tokens: Int[Tensor, "b length"], p: float, generator: torch.Generator | None = None) -> Int[Tensor, "b length"]:
    """Captions with each word left out with probability p, as if it had not been written: start and end stay, later words
    move up. A caption that would lose all its words keeps them, since the empty caption means "no condition"."""
    require_share(p=p)
    words = tokens > END
    dropped = words & (torch.rand(tokens.shape, generator=generator, device=tokens.device) < p)
    dropped &= (words & ~dropped).any(1, keepdim=True)
    tokens = tokens.masked_fill(dropped, PAD)
    order = (tokens == PAD).byte().argsort(dim=1, stable=True)  # padding comes last
    return tokens.gather(1, order)


def shifted(pictures: Float[Tensor, "b c h w"], most: int, generator: torch.Generator | None = None) -> Float[Tensor, "b c h w"]:
    """Each picture moved by up to `most` pixels in each direction, on white."""
    require_floating(pictures=pictures)
    b, _, h, w = pictures.shape
    by = torch.randint(2 * most + 1, (2, b, 1), generator=generator, device=pictures.device)
    rows, columns = by[0] + torch.arange(h, device=by.device), by[1] + torch.arange(w, device=by.device)
    wide = F.pad(pictures, (most,) * 4, value=1.0).permute(0, 2, 3, 1)
    return wide[torch.arange(b, device=by.device)[:, None, None], rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def captioned(loss: Callable[..., Loss], word_drop: float | None = None, shift: int = 0) -> Callable[..., Loss]:
    """Turns a loss of (x0, tokens (b, length)) into one of captioned pictures: (pictures, mirror, tokens (b, captions, length)).

    The pictures are uint8. One caption of each is drawn, and its words are dropped with probability word_drop (default 0.1),
    so that the network also learns what each word means by itself. A picture whose `mirror` is True is mirrored half of the
    time: nothing in its captions says left or right. All pictures are moved by up to `shift` pixels. Without tokens, `loss` takes
    (x0,), and a word_drop is refused.
    """
    rate = 0.1 if word_drop is None else word_drop
    require_share(word_drop=rate)
    if shift < 0:
        raise ValueError(f"shift = {shift}, but pictures are moved by 0 or more pixels.")

    def with_caption(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        pictures, mirror, *tokens = batch
        if pictures.dtype != torch.uint8:
            raise TypeError(f"captioned takes pictures as `to_bytes` makes them, uint8 from 0 to 255, not {pictures.dtype}.")
        n, device = len(pictures), pictures.device
        x0 = pictures.float() / 127.5 - 1
        mirrored = mirror & (torch.rand(n, generator=generator, device=device) < 0.5)
        x0 = torch.where(mirrored[:, None, None, None], x0.flip(3), x0)
        if shift:
            x0 = shifted(x0, shift, generator)
        if not tokens:
            if word_drop is not None:
                raise ValueError(f"word_drop = {word_drop} has no effect on pictures without captions: leave it out.")
            return loss(model, (x0,), generator)
        caption = draw_caption(tokens[0], generator).long()
        return loss(model, (x0, drop_words(caption, rate, generator)), generator)

    with_caption.check = getattr(loss, "check", None)  # type: ignore[attr-defined]  # functions have attributes
    return with_caption


def upsampling(loss: Callable[..., Loss], noise: float = 0.2, factor: int = 2) -> Callable[..., Loss]:
    """A loss for an upsampler: besides x_t, the network sees the picture at 1 / factor of its size.
    Slide L24; Nichol et al. 2022, section 3.1; Ho et al. 2022, section 4.

    The small picture gets Gaussian noise, with a standard deviation drawn from 0 to `noise` for each picture. So the
    upsampler learns not to trust every pixel: the small pictures that it will be given are drawn by a network and have
    faults (conditioning augmentation; here the network is not told how much noise there is).
    """
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise = {noise}, but a standard deviation is finite and not below 0.")
    if factor < 2:
        raise ValueError(f"factor = {factor}, but an upsampler enlarges pictures twofold or more.")

    def with_small(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        x0 = batch[0]
        require_floating(x0=x0)
        small = F.avg_pool2d(x0, factor)
        std = noise * torch.rand(len(x0), 1, 1, 1, generator=generator, device=x0.device)
        small = small + std * torch.randn(small.shape, generator=generator, device=x0.device)
        return loss(with_channels(model, distributed.shard(enlarge(small, factor))), batch, generator)

    return with_small


def erasures(
    n: int,
    height: int,
    width: int,
    everything: float = 0.1,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Float[Tensor, "n 1 height width"]:
    """Masks, 1 where a picture is known and 0 in a rectangle of random size and place, which is erased; with probability
    `everything` the rectangle is the whole picture. Slide L24; Nichol et al. 2022, section 3.3."""
    require_share(everything=everything)

    def run(side: int) -> Bool[Tensor, "n side"]:
        """A run of random length from 1 to side, at a random place."""
        length = torch.randint(1, side + 1, (n, 1), generator=generator, device=device)
        start = (torch.rand(n, 1, generator=generator, device=device) * (side - length + 1)).long()
        place = torch.arange(side, device=device)
        return (start <= place) & (place < start + length)

    inside = run(height)[:, :, None] & run(width)[:, None, :]
    inside |= (torch.rand(n, generator=generator, device=device) < everything)[:, None, None]
    return (~inside).float()[:, None]


def inpainting(loss: Callable[..., Loss], everything: float = 0.1) -> Callable[..., Loss]:
    """A loss for a network that fills in the erased part of a picture: besides x_t it sees the rest of the picture
    and the mask (see `erasures`). It predicts the noise everywhere.
    Slide L24; Nichol et al. 2022, section 3.3."""
    require_share(everything=everything)

    def with_rest(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        x0 = batch[0]
        n, _, height, width = x0.shape
        mask = erasures(n, height, width, everything, generator, x0.device)
        return loss(with_channels(model, distributed.shard(erased(x0, mask))), batch, generator)

    return with_rest


def in_latents(loss: Callable[..., Loss], autoencoder: Autoencoder) -> Callable[..., Loss]:
    """A loss for a network that works in the latents of an autoencoder: in place of the pictures it sees the means of their
    latents, with variance 1 (see `Autoencoder.scaled`). Rombach et al. 2022, section 3.2."""

    def of_latents(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        x0, *cond = batch
        look_at(x0=x0)
        with torch.no_grad():
            latents = autoencoder.scaled(autoencoder.encode(x0).mean)
        return loss(model, (latents, *cond), generator)

    return of_latents


def imagining(loss: Callable[..., Loss], clip: CLIP) -> Callable[..., Loss]:
    """A loss for a prior, which denoises the CLIP embedding of the picture, given the caption
    and the CLIP embedding of the caption. The tokens are those of the CLIP. Slide L26; Ramesh et al. 2022, section 2.2."""

    def of_embeddings(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        x0, tokens = batch
        look_at(x0=x0)
        with torch.no_grad():
            image, text = embed(clip.encode_image(x0)), embed(clip.encode_text(tokens))
        return loss(model, (image, conditions(tokens, text)), generator)

    return of_embeddings


def decoding(
    loss: Callable[..., Loss], clip: CLIP, empty: Tensor, both: float, caption: float, image: float
) -> Callable[..., Loss]:
    """A loss for a decoder, which denoises the picture given its caption and its CLIP embedding
    (with probability `both`), only one of them (`caption`, `image`), or neither. So one network is both the decoder and,
    without an embedding, GLIDE, each with guidance. Slide L27; Ramesh et al. 2022, section 2.1."""
    require_share(both=both, caption=caption, image=image, **{"both + caption + image": round(both + caption + image, 6)})

    def given(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        x0, tokens = batch
        with torch.no_grad():
            embedding = embed(clip.encode_image(x0))
        u = torch.rand(len(x0), 1, generator=generator, device=x0.device)
        embedding = embedding * ((u < both) | (u > both + caption) & (u < both + caption + image))
        tokens = torch.where(u < both + caption, tokens, empty.to(tokens.device))
        return loss(model, (x0, conditions(tokens, embedding)), generator)

    return given
