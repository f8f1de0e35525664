"""What a step of training makes of rows of captioned pictures before a loss sees them: one caption of each, some words
less, some pictures mirrored, a small picture beside. Each function here wraps a loss; all randomness is the generator's."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from . import distributed
from .tokenizer import END, PAD
from .train import Loss, draw_caption
from .unet import beside


def to_bytes(pictures: Float[Tensor, "*n c h w"]) -> Tensor:
    """Pictures in [-1, 1] as uint8, a quarter of the memory: `captioned` takes them back."""
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte()


def drop_words(tokens: Int[Tensor, "b length"], p: float, generator: torch.Generator | None = None) -> Int[Tensor, "b length"]:
    """Captions from which each word is left out with probability p, as if it had not been written: start and end stay, the
    words behind move up. A caption that would lose all its words keeps them: the empty caption means "no condition"."""
    words = tokens > END
    dropped = words & (torch.rand(tokens.shape, generator=generator, device=tokens.device) < p)
    dropped &= (words & ~dropped).any(1, keepdim=True)
    tokens = tokens.masked_fill(dropped, PAD)
    order = (tokens == PAD).byte().argsort(dim=1, stable=True)  # padding behind all else
    return tokens.gather(1, order)


def shifted(pictures: Float[Tensor, "b c h w"], most: int, generator: torch.Generator | None = None) -> Float[Tensor, "b c h w"]:
    """Each picture moved by up to `most` pixels each way, on white paper."""
    b, _, h, w = pictures.shape
    by = torch.randint(2 * most + 1, (2, b, 1), generator=generator, device=pictures.device)
    rows, columns = by[0] + torch.arange(h, device=by.device), by[1] + torch.arange(w, device=by.device)
    wide = F.pad(pictures, (most,) * 4, value=1.0).permute(0, 2, 3, 1)
    return wide[torch.arange(b, device=by.device)[:, None, None], rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def captioned(loss: Callable[..., Loss], word_drop: float = 0.1, shift: int = 0) -> Callable[..., Loss]:
    """A loss of (x0, tokens (b, length)) as a loss of captioned pictures: (pictures, mirror, tokens (b, captions, length)).

    The pictures are uint8; one of the captions of each is drawn, and its words are dropped with probability word_drop, so
    that the network also learns what each word means by itself. A picture whose `mirror` is True is mirrored half of the
    time: nothing in its captions says left or right. All are moved by up to `shift` pixels. Without tokens, the loss is
    one of (x0,).
    """

    def with_caption(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        pictures, mirror, *tokens = batch
        n, device = len(pictures), pictures.device
        x0 = pictures.float() / 127.5 - 1
        mirrored = mirror & (torch.rand(n, generator=generator, device=device) < 0.5)
        x0 = torch.where(mirrored[:, None, None, None], x0.flip(3), x0)
        if shift:
            x0 = shifted(x0, shift, generator)
        if not tokens:
            return loss(model, (x0,), generator)
        caption = draw_caption(tokens[0], generator).long()
        return loss(model, (x0, drop_words(caption, word_drop, generator)), generator)

    return with_caption


def enlarge(small: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 2*h 2*w"]:
    """Twice the size, each pixel four times: how an upsampler is shown the small picture."""
    return F.interpolate(small, scale_factor=2.0, mode="nearest")


def upsampling(loss: Callable[..., Loss], noise: float = 0.2) -> Callable[..., Loss]:
    """A loss for an upsampler: the network sees, beside x_t, the picture at half its size.

    The small picture gets Gaussian noise of a deviation drawn from 0 to `noise`, for each picture its own: the upsampler
    shall not trust every pixel, as the small pictures that it will be given are drawn by a network and have faults (the
    conditioning augmentation of Ho et al. 2022, section 4; here it is not told how much noise there is).
    """

    def with_small(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        x0 = batch[0]
        small = F.avg_pool2d(x0, 2)
        std = noise * torch.rand(len(x0), 1, 1, 1, generator=generator, device=x0.device)
        small = small + std * torch.randn(small.shape, generator=generator, device=x0.device)
        return loss(beside(model, distributed.shard(enlarge(small))), batch, generator)

    return with_small
