"""Classifier-free guidance (Ho & Salimans 2022): one network, with and without its condition."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor


def drop_condition(
    cond: Shaped[Tensor, "b *c"], p: float, null: int | Tensor, generator: torch.Generator | None = None
) -> Shaped[Tensor, "b *c"]:
    """cond with each item replaced by the null condition with probability p, so that the network learns both."""
    if not 0 <= p <= 1:
        raise ValueError(f"p = {p}, but a probability lies between 0 and 1.")
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p
    return torch.where(
        dropped.reshape(-1, *[1] * (cond.ndim - 1)), torch.as_tensor(null, dtype=cond.dtype, device=cond.device), cond
    )


def refuse_training_mode(model: Callable[..., Tensor]) -> None:
    """ValueError for a network in training mode: dropout would be active while it draws."""
    if getattr(model, "training", False):
        raise ValueError("The network is in training mode, where dropout is active: call model.eval() before sampling.")


def guided(model: Callable[..., Tensor], scale: float, null: int | Tensor) -> Callable[..., Tensor]:
    """The network model(x_t, t, cond) under guidance: eps_null + scale * (eps_cond - eps_null).

    scale 1 is the plain conditional network, 0 the unconditional one, more than 1 exaggerates what the condition
    changes (GLIDE's s: Nichol et al. 2022, eq. 7). Both predictions come from one call with a batch twice as large.
    """

    if not math.isfinite(scale):
        raise ValueError(f"scale = {scale}, but guidance needs a finite number.")
    refuse_training_mode(model)

    def eps(x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"], cond: Shaped[Tensor, "b *c"]) -> Float[Tensor, "b *d"]:
        no_cond = torch.as_tensor(null, dtype=cond.dtype, device=cond.device).expand_as(cond)
        if scale == 1:
            return model(x_t, t, cond)
        if scale == 0:
            return model(x_t, t, no_cond)
        eps_null, eps_cond = model(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([no_cond, cond])).chunk(2)
        return eps_null + scale * (eps_cond - eps_null)

    return eps
