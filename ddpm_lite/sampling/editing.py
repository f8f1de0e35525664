"""Editing a picture: keep a part of it and draw the rest anew (inpainting: Nichol et al. 2022, section 3.3), draw it anew from
a noisy form of itself (SDEdit: Meng et al. 2022), or find the noise from which it is drawn (DDIM inversion)."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from ..maths.checks import require_data, require_finite, require_pictures
from ..maths.gaussian import eps_from_x0, q_sample
from ..maths.schedule import Schedule, require_floating
from ..networks.channels import erased, with_channels
from .guidance import refuse_training_mode
from .loop import Frame, finite_x0_hat, sample, timesteps
from .samplers import as_eps


def inpaint(
    model: Callable[..., Tensor],
    pictures: Float[Tensor, "b c h w"],
    mask: Shaped[Tensor, "b 1 h w"],
    schedule: Schedule,
    target: str = "eps",
) -> Callable[..., Tensor]:
    """A network trained with `batches.inpainting` as a model(x_t, t, cond) for `guided` and the samplers.
    Slide L24; Nichol et al. 2022, section 3.3.

    It sees x_t, the known part of the pictures and the mask. Where the mask is 1, its eps_hat is replaced by the noise that
    leads back to the picture, (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t) (see `eps_from_x0`):
    with every sampler these pixels come out unchanged, and the pixels around them are drawn to match.

    pictures   in [-1, 1]; the pixels of the erased part have no effect
    mask       1 (or True) where the picture stays, 0 (or False) where it is drawn anew
    target     what the network predicts: "eps", or one that `as_eps` takes
    ValueError for masks that do not fit the pictures, pictures outside of [-1, 1], a network in training mode, and an x_t of
    another shape.
    """
    refuse_training_mode(model)
    require_floating(pictures=pictures)
    wanted = (len(pictures), 1, *pictures.shape[2:])
    if tuple(mask.shape) != wanted:
        raise ValueError(f"Pictures of shape {tuple(pictures.shape)} need masks of shape {wanted}, not {tuple(mask.shape)}.")
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError("A mask must be 1 where the picture stays and 0 elsewhere: other values have no meaning.")
    require_pictures(pictures=pictures)
    network = with_channels(model, erased(pictures, mask))
    network = network if target == "eps" else as_eps(network, schedule, target)

    def eps(x_t: Float[Tensor, "n c h w"], t: Int[Tensor, " n"], cond: Tensor | None = None) -> Float[Tensor, "n c h w"]:
        times = len(x_t) // len(pictures)  # two under guidance, as in `with_channels`
        back = eps_from_x0(x_t, pictures.repeat(times, 1, 1, 1), t, schedule)
        return torch.where(mask.repeat(times, 1, 1, 1) == 1, back, network(x_t, t, cond))

    return eps


def sdedit(
    model: Callable[..., Tensor],
    x0: Float[Tensor, "b *d"],
    t: int,
    eps: Float[Tensor, "b *d"],
    schedule: Schedule,
    *,
    steps: int | None = None,
    **options: Any,
) -> Iterator[Frame]:
    """Draw pictures or latents anew from their own noisy form at step t: q_sample(x0, t, eps), and from there down as in
    `sample`, whose frames it yields. A small t changes little, t = T nearly everything. Meng et al. 2022, section 3.

    t         1 to T
    eps       the noise that is added, from N(0, I)
    steps     how many, evenly spread from t down (default: all t of them)
    options   those of `sample`
    ValueError for another t, for an x0 that is not finite, and as in `sample`.
    """
    if not 1 <= t <= schedule.T:
        raise ValueError(f"t = {t}, but it must lie between 1 and T = {schedule.T}.")
    if steps is not None and steps > t:
        raise ValueError(f"steps = {steps}, but from t = {t} at most {t} steps lead down.")
    require_finite(x0=x0)
    return sample(model, q_sample(x0, t, eps, schedule), schedule, steps=timesteps(t, steps), **options)


@torch.no_grad()
def invert(
    model: Callable[..., Tensor],
    x0: Float[Tensor, "b *d"],
    schedule: Schedule,
    *,
    cond: Shaped[Tensor, "b *c"] | None = None,
    steps: int | Sequence[int] | None = None,
) -> Float[Tensor, "b *d"]:
    """The noise x_T from which DDIM (eta = 0) draws x0 again: its steps taken in reverse.
    Slide L27; Song et al. 2021, section 4.3; Ramesh et al. 2022, section 3.

    x_next = sqrt(alpha_bar_next) x0_hat + sqrt(1 - alpha_bar_next) eps_hat, from t = 0 up: the forward process, with the
    noise that the network predicts instead of random noise. The two directions evaluate eps_hat at different points, so the
    way back ends near x0, and nearer with more steps. Since no network is trained at t = 0, the first step takes its eps_hat
    at the t where it ends.

    model, cond, steps   as in `sample`, without guidance (scale 1): this does not undo what guidance adds
    ValueError for a network in training mode, pictures outside of [-1, 1] and other items that are not finite;
    FloatingPointError where the network's answer is not finite.
    """
    refuse_training_mode(model)
    require_floating(x0=x0)
    require_data(x0=x0)
    x = x0
    for t, t_next in pairwise([0, *reversed(timesteps(schedule.T, steps))]):
        eps_hat = model(x, torch.full((len(x),), t or t_next, device=x.device), cond)
        x = q_sample(finite_x0_hat(x, eps_hat, t, schedule), t_next, eps_hat, schedule)
    return x
