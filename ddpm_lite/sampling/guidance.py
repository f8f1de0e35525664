"""Guidance steers eps_hat towards the condition, by the network itself (classifier-free: Ho & Salimans 2022) or by a CLIP."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from ..maths.schedule import Schedule, gather, require_floating
from ..networks.clip import CLIP

FLOAT32_MAX = torch.finfo(torch.float32).max


def refuse_training_mode(model: Callable[..., Tensor]) -> None:
    """ValueError for a network in training mode: dropout would be active while it draws."""
    if getattr(model, "training", False):
        raise ValueError("The network is in training mode, where dropout is active: call model.eval() before sampling.")


def _check(model: Callable[..., Tensor], scale: float) -> None:
    if not abs(scale) <= FLOAT32_MAX:
        raise ValueError(f"scale = {scale}, but guidance needs a number from -{FLOAT32_MAX:.1e} to {FLOAT32_MAX:.1e}.")
    refuse_training_mode(model)


def guided(model: Callable[..., Tensor], scale: float, null: int | Tensor) -> Callable[..., Tensor]:
    """The network model(x_t, t, cond) under guidance: eps_null + scale * (eps_cond - eps_null).
    Slide L24; Ho & Salimans 2022, eq. 6; Nichol et al. 2022, section 2.3.

    scale 1 is the plain conditional network, 0 the unconditional one, more than 1 exaggerates what the condition
    changes (GLIDE's s). Both predictions come from one call with a batch twice as large.
    ValueError for a network without a null condition (null is None), and at a call without a cond.
    """

    _check(model, scale)
    if null is None:
        raise ValueError("null = None, but guidance leads away from a null condition: a network without conditions has none.")

    def eps(
        x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"], cond: Shaped[Tensor, "b *c"] | None = None
    ) -> Float[Tensor, "b *d"]:
        require_floating(x_t=x_t)
        if cond is None:
            raise ValueError("Guidance leads towards a condition: give cond, as in sample(guided(...), ..., cond=labels).")
        no_cond = torch.as_tensor(null, dtype=cond.dtype, device=cond.device).expand_as(cond)
        if scale == 1:
            return model(x_t, t, cond)
        if scale == 0:
            return model(x_t, t, no_cond)
        eps_null, eps_cond = model(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([no_cond, cond])).chunk(2)
        return eps_null + scale * (eps_cond - eps_null)

    return eps


def clip_guided(
    model: Callable[..., Tensor], clip: CLIP, tokens: Int[Tensor, "b length"], schedule: Schedule, scale: float
) -> Callable[..., Tensor]:
    """The network model(x_t, t, cond) under CLIP guidance: eps_hat - scale * sqrt(1 - alpha_bar_t) * grad log p(c | x_t).
    Slides L23, L24; Nichol et al. 2022, section 2.4; Dhariwal & Nichol 2021, Algorithm 2.

    By Bayes' rule, the gradient of log p(x_t | c) is that of log p(x_t) plus that of log p(c | x_t). The first is
    -eps / sqrt(1 - alpha_bar_t), and solving the sum for eps gives the line above. The
    logit exp(logit_scale) * <image(x_t, t), text(c)> of a noise-aware CLIP stands in for log p(c | x_t): at
    the minimum of CLIP's loss, the two differ by a number that does not depend on x_t.

    clip     a network with encode_image(x_t, t), encode_text(tokens) and logit_scale: a `CLIP` built with noisy=True
    tokens   the captions to follow, one for each picture, as tokens of the CLIP
    scale    0 is the model itself, 1 is Bayes' rule, more exaggerates
    ValueError for a CLIP that takes no t, captions that are not one for each picture, a scale beyond float32, and a
    network in training mode.
    """
    _check(model, scale)
    text = clip.encode_text(tokens)

    def eps(x_t: Float[Tensor, "n *d"], t: Int[Tensor, " n"], cond: Tensor | None = None) -> Float[Tensor, "n *d"]:
        require_floating(x_t=x_t)
        if len(x_t) != len(text):
            raise ValueError(f"CLIP guidance needs one caption for each picture, not {len(text)} for {len(x_t)}.")
        with torch.enable_grad():  # samplers switch it off
            x = x_t.detach().requires_grad_()
            logit = clip.logit_scale.exp() * (clip.encode_image(x, t) * text).sum(1)
            (gradient,) = torch.autograd.grad(logit.sum(), x)  # one for each picture: no logit depends on another's pixels
        return model(x_t, t, cond) - scale * gather((1 - schedule.alpha_bar).sqrt(), t, x_t, 1) * gradient

    return eps
