"""What a U-Net sees besides x_t, as more channels of its input: a small picture to enlarge, or the part that is not erased."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from ..maths.schedule import require_floating


def with_channels(model: Callable[..., Tensor], extra: Float[Tensor, "b c h w"]) -> Callable[..., Tensor]:
    """A U-Net with extra channels as model(x_t, t, cond), which samplers and losses take: it sees x_t and `extra` as the
    channels of one picture. So GLIDE's upsampler sees the small picture, and its inpainting network the rest of the picture.
    Slide L24; Nichol et al. 2022, sections 3.1 and 3.3.
    """
    require_floating(extra=extra)

    def eps(x_t: Float[Tensor, "n c_t h w"], t: Int[Tensor, " n"], cond: Tensor | None = None) -> Float[Tensor, "n c_t h w"]:
        require_floating(x_t=x_t)
        # Guidance asks for two predictions at once: then each extra picture is used twice.
        return model(torch.cat([x_t, extra.repeat(len(x_t) // len(extra), 1, 1, 1)], dim=1), t, cond)

    # For samplers, which refuse to draw in training mode.
    eps.training = getattr(model, "training", False)  # type: ignore[attr-defined]  # functions have attributes
    return eps


def enlarge(small: Float[Tensor, "b c h w"], factor: int = 2) -> Float[Tensor, "b c {factor}*h {factor}*w"]:
    """`factor` times the size, each pixel repeated: this is how an upsampler sees the small picture.
    Slide L24; Nichol et al. 2022, section 3.1."""
    require_floating(small=small)
    return F.interpolate(small, scale_factor=float(factor), mode="nearest")


def erased(pictures: Float[Tensor, "n c h w"], mask: Shaped[Tensor, "n 1 h w"]) -> Float[Tensor, "n c+1 h w"]:
    """What an inpainting network sees besides x_t: the pictures, 0 where they are not known, and the mask.
    Slide L24; Nichol et al. 2022, section 3.3."""
    require_floating(pictures=pictures)
    return torch.cat([pictures * mask, mask], dim=1)


def widen(state: dict[str, Tensor], extra: int) -> dict[str, Tensor]:
    """The weights of a U-Net for one with `extra` more input channels, whose weights are 0: it starts as the same network
    and learns to use the new channels. Slide L24; Nichol et al. 2022, section 3.3."""
    return state | {"first.weight": F.pad(state["first.weight"], (0, 0, 0, 0, 0, extra))}


def recoloured(state: dict[str, Tensor], to_colours: Float[Tensor, "c k"], to_latents: Float[Tensor, "k c"]) -> dict[str, Tensor]:
    """The weights of a U-Net of pictures with c channels for one of latents with k, which stand for colours: it reads
    to_colours @ z, and what it answers becomes to_latents times its answer. Rombach et al. 2022, section 3.3."""
    first, last, bias = (state[name] for name in ("first.weight", "last.weight", "last.bias"))
    return state | {
        "first.weight": torch.einsum("ochw,ck->okhw", first, to_colours),
        "last.weight": torch.einsum("kc,cihw->kihw", to_latents, last),
        "last.bias": to_latents @ bias,
    }
