"""Losses: what a step of training compares. Each is a function (network, batch, generator) -> Loss, so that one loop trains
every network here.

A loss may have an attribute check(data, batch_size), which raises ValueError for data from which it cannot learn.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from ..machine import distributed
from ..maths.checks import require_data, require_labels, require_share
from ..maths.gaussian import q_sample
from ..maths.schedule import Schedule, require_floating
from .targets import TARGETS

BINS = 20  # of equal width in t, for the loss per t


class Loss(NamedTuple):
    """What a loss function returns: the number to minimise, and for diffusion each item's loss and its bin of t.
    Slides L20, L23; Ho et al. 2020, eq. 14; Radford et al. 2021, fig. 3."""

    value: Float[Tensor, ""]
    per_item: Float[Tensor, " b"] | None = None
    bin: Int[Tensor, " b"] | None = None


LossFunction = Callable[..., Loss]


def low_discrepancy_t(
    n: int, T: int, generator: torch.Generator | None = None, device: torch.device | str = "cpu"
) -> Int[Tensor, " n"]:
    """n steps, each uniform on 1..T but together evenly spread (one random shift of a regular grid): less noise in the
    loss than independent draws. Slide L20; Kingma et al. 2021, appendix I.1."""
    shift = torch.rand((), generator=generator, device=device, dtype=torch.float32)
    u = (shift + torch.arange(n, device=device) / n) % 1
    return (u * T).long().clamp(max=T - 1) + 1


def drop_condition(
    cond: Shaped[Tensor, "b *c"], p: float, null: int | Tensor, generator: torch.Generator | None = None
) -> Shaped[Tensor, "b *c"]:
    """cond with each item replaced by the null condition with probability p, so that the network learns both.
    Slides L24, L25; Ho & Salimans 2022, Algorithm 1."""
    require_share(p=p)
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p
    return torch.where(
        dropped.reshape(-1, *[1] * (cond.ndim - 1)), torch.as_tensor(null, dtype=cond.dtype, device=cond.device), cond
    )


def eps_loss(schedule: Schedule, drop: float | None = None, null: int | Tensor | None = None) -> LossFunction:
    """The loss of DDPM: E |eps - eps_theta(x_t, t, c)|^2, with x_t from `q_sample`. Slides L5, L19, L20; Ho et al. 2020, eq. 14.

    A batch is (x0,) or (x0, cond); a cond is replaced by `null` with probability `drop` (default 0.1), or kept where null is
    None. The mean is taken over the coordinates too. All random numbers are drawn for the whole batch before it is split
    among the processes. ValueError for a drop without null or outside [0, 1], for a null with a batch that has no cond, and for
    pictures outside [-1, 1].
    """
    return denoising_loss("eps", schedule, drop, null)


def x0_loss(schedule: Schedule, drop: float | None = None, null: int | Tensor | None = None) -> LossFunction:
    """The same for a network that predicts the clean item: E |x0 - x0_theta(x_t, t, c)|^2.
    `samplers.as_eps` turns such a network into one that samplers take. Slides L18, L26; Ramesh et al. 2022, section 2.2."""
    return denoising_loss("x0", schedule, drop, null)


def v_loss(schedule: Schedule, drop: float | None = None, null: int | Tensor | None = None) -> LossFunction:
    """The same for a network that predicts the velocity v: see `targets.v`. Slide L18; Salimans & Ho 2022, section 4."""
    return denoising_loss("v", schedule, drop, null)


def flow_loss(schedule: Schedule, drop: float | None = None, null: int | Tensor | None = None) -> LossFunction:
    """The same for a network that predicts the velocity of the straight path: see `targets.flow`. With `Schedule.straight` this
    is flow matching. Slide L18; Lipman et al. 2023, eq. 23."""
    return denoising_loss("flow", schedule, drop, null)


def denoising_loss(
    target: str,
    schedule: Schedule,
    drop: float | None = None,
    null: int | Tensor | None = None,
    min_snr: float | None = None,
) -> LossFunction:
    """The squared error of a network that sees x_t, t and c and predicts the target: "eps", "x0", "v" or "flow" (see `targets`).
    Slide L20; Ho et al. 2020, Algorithm 1; Hang et al. 2023, eq. 8.

    min_snr   None: each t counts the same. A number such as 5: each t counts as much as min(SNR, min_snr) would give to the
              error of x_0, so the many t of little noise, which are easy, count less
    For the other arguments see `eps_loss`. ValueError for a min_snr that is not above 0.
    """
    if target not in TARGETS:
        raise ValueError(f"There is no target {target!r}: use {', '.join(TARGETS)}.")
    if drop is not None and null is None:
        raise ValueError(f"drop = {drop} has no effect without null, the value that means 'no condition': give both.")
    drop = 0.1 if drop is None else drop
    require_share(drop=drop)
    if min_snr is not None and not 0 < min_snr < math.inf:
        raise ValueError(f"min_snr = {min_snr}, but it must be above 0 and finite; None lets each t count the same.")

    def loss(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        x0, cond = batch if len(batch) == 2 else (batch[0], None)
        look_at(x0=x0)
        if cond is None and null is not None:
            raise ValueError("A null condition was given, but the batch has no condition that it could replace.")
        t = low_discrepancy_t(len(x0), schedule.T, generator, x0.device)
        eps = torch.randn(x0.shape, generator=generator, device=x0.device, dtype=x0.dtype)
        if cond is not None and null is not None:
            cond = drop_condition(cond, drop, null, generator)
        x0, t, eps = (distributed.shard(a) for a in (x0, t, eps))
        cond = distributed.shard(cond)
        x_t = q_sample(x0, t, eps, schedule)
        predicted = model(x_t, t, cond)
        error = (TARGETS[target](x0, t, eps, schedule) - predicted) ** 2
        per_item = error.reshape(len(eps), -1).mean(1)
        weighted = per_item if min_snr is None else _min_snr(target, t, schedule, min_snr).to(per_item) * per_item
        return Loss(weighted.mean(), per_item.detach(), (t - 1) * BINS // schedule.T)

    return loss


def _min_snr(target: str, t: Tensor, schedule: Schedule, most: float) -> Tensor:
    """min(SNR, most), divided by what the squared error of the target is in squared errors of x_0."""
    signal = schedule.alpha_bar.to(t.device)[t]
    ratio = signal / (1 - signal)
    errors = {"eps": ratio, "x0": torch.ones_like(ratio), "v": ratio + 1, "flow": (ratio.sqrt() + 1) ** 2}
    return ratio.clamp(max=most) / errors[target]


def look_at(**pictures: Tensor) -> None:
    """Refuse integers and, on a CPU, numbers out of range. On a GPU that check would make every step wait; `train` has already
    checked all data, on any device."""
    require_floating(**pictures)
    require_data(**{name: x for name, x in pictures.items() if x.device.type == "cpu"})


def autoencoder_loss(kl: float, shape: tuple[int, ...]) -> LossFunction:
    """The loss of an autoencoder: |x - D(z)|^2 + kl KL(q(z | x) || N(0, I)), z from q(z | x), divided by the number of pixels and
    channels of x. With kl = 2 s^2 it is the negative evidence lower bound of a decoder N(D(z), s^2 I), up to a factor and a
    constant. Kingma & Welling 2014, eq. 7; Rombach et al. 2022, appendix G.

    A batch is (pictures,), in [-1, 1], and shape that of the latents of one. ValueError for a kl that is not finite, or below 0.
    """
    if not 0 <= kl < math.inf:
        raise ValueError(f"kl = {kl}, but a weight is finite and not below 0.")

    def loss(model: Callable[..., Any], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        (x,) = batch
        look_at(x=x)
        z = torch.randn(len(x), *shape, generator=generator, device=x.device)
        x, z = distributed.shard(x), distributed.shard(z)
        decoded, encoding = model(x, z)
        cost = (x - decoded).square().flatten(1).mean(1) + kl * encoding.kl() / x[0].numel()
        return Loss(cost.mean(), cost.detach())

    return loss


def class_loss(model: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
    """Cross-entropy of a classifier on a batch (pictures, labels). It needs no random numbers; `generator` is there because
    `train` passes one to every loss. ValueError for labels that are not among its classes."""
    pictures, labels = (distributed.shard(a) for a in batch)
    look_at(pictures=pictures)
    logits = model(pictures)
    require_labels(logits.shape[1], labels=labels)
    per_item = nn.functional.cross_entropy(logits, labels.long(), reduction="none")
    return Loss(per_item.mean(), per_item.detach())


def _different_classes(data: tuple[Tensor, ...], batch_size: int) -> None:
    if _alike(data[1]):
        raise ValueError("All labels are the same: a classifier learns from two or more classes.")


class_loss.check = _different_classes  # type: ignore[attr-defined]  # functions have attributes


def _alike(rows: Tensor) -> bool:
    return bool((rows == rows[:1]).all())


def draw_caption(tokens: Int[Tensor, "b captions length"], generator: torch.Generator | None = None) -> Int[Tensor, "b length"]:
    """One caption for each picture, drawn from its captions with equal probability."""
    which = torch.randint(tokens.shape[1], (len(tokens),), generator=generator, device=tokens.device)
    return tokens[torch.arange(len(tokens), device=tokens.device), which]


def clip_loss(schedule: Schedule | None = None) -> LossFunction:
    """The loss of CLIP: each picture has to find its caption among all captions of the batch,
    and each caption its picture: the mean of the two cross-entropies. Guessing costs ln(batch size).
    Slide L23; Radford et al. 2021, fig. 3.

    A batch is (pictures, tokens): tokens (b, length), or (b, captions, length), from which one caption is drawn for each
    picture. With a schedule the pictures are noised to a random t first, for a CLIP built with noisy=True.
    Pictures with the same caption need no special treatment: their two columns of logits are equal, so the loss is what it
    would be if both pictures counted as partners, each with half the weight. Where two phrasings say the same thing, the one
    that counts as the partner was drawn at random; on average, the result is the same.
    ValueError for a batch of one, or data without two different pictures and captions: their loss would be 0, or stay at
    that of guessing.
    """

    def loss(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        pictures, tokens = batch
        look_at(pictures=pictures)
        n, device = len(pictures), pictures.device
        t: Tensor | None = None
        several(n)
        if tokens.ndim == 3:
            tokens = draw_caption(tokens, generator)
        if schedule is not None:
            t = low_discrepancy_t(n, schedule.T, generator, device)
            eps = torch.randn(pictures.shape, generator=generator, device=device, dtype=pictures.dtype)
            pictures = q_sample(pictures, t, eps, schedule)
        pictures, tokens, t = distributed.shard(pictures), distributed.shard(tokens), distributed.shard(t)
        logits = model(pictures, tokens, t, distributed.gather)  # every process sees the captions of all processes
        partner = torch.arange(n, device=device)
        cross_entropy = nn.functional.cross_entropy
        per_item = (cross_entropy(logits, partner, reduction="none") + cross_entropy(logits.mT, partner, reduction="none")) / 2
        bins = None if schedule is None or t is None else (t - 1) * BINS // schedule.T
        return Loss(per_item.mean(), distributed.shard(per_item.detach()), bins)

    def several(n: int) -> None:
        if n < 2:
            raise ValueError(f"CLIP learns which caption of a batch fits: a batch of {n} leaves no choice, so use 2 or more.")

    def check(data: tuple[Tensor, ...], batch_size: int) -> None:
        several(batch_size)
        for what, rows in (("pictures", data[0]), ("captions", data[-1])):
            if _alike(rows):
                raise ValueError(f"CLIP learns from two or more different {what}, but all of these are the same.")

    loss.check = check  # type: ignore[attr-defined]  # functions have attributes
    return loss
