"""Training: the loss of DDPM, and one loop for every network here.

`train` is a generator that works with any loss(model, batch, generator), so the caller can draw a progress bar, plot or stop.
A loss may have an attribute check(data, batch_size), which raises ValueError for data from which it cannot learn. One
checkpoint holds everything that a run needs to continue after an interruption; see `checkpoint.Run`.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..machine import distributed
from ..machine.device import own_generator
from ..maths.checks import require_data, require_labels, require_share, require_training
from ..maths.gaussian import q_sample
from ..maths.schedule import Schedule, require_floating
from ..sampling.guidance import drop_condition
from .checkpoint import BINS, Run

TIMED = 50  # steps that are timed to turn minutes into a number of steps; the warm-up must last at least as long


class Loss(NamedTuple):
    """What a loss function returns: the number to minimise, and for diffusion each item's loss and its bin of t."""

    value: Float[Tensor, ""]
    per_item: Float[Tensor, " b"] | None = None
    bin: Int[Tensor, " b"] | None = None


class TrainStep(NamedTuple):
    """A finished step: its number (from 1), the total (None while `minutes` is still being timed), its loss, and the run."""

    step: int
    steps: int | None
    loss: float
    run: Run


def low_discrepancy_t(
    n: int, T: int, generator: torch.Generator | None = None, device: torch.device | str = "cpu"
) -> Int[Tensor, " n"]:
    """n steps, each uniform on 1..T but together evenly spread (one random shift of a regular grid): less noise in the
    loss than independent draws (Kingma et al. 2021, appendix I.1)."""
    shift = torch.rand((), generator=generator, device=device, dtype=torch.float32)
    u = (shift + torch.arange(n, device=device) / n) % 1
    return (u * T).long().clamp(max=T - 1) + 1


def eps_loss(schedule: Schedule, drop: float | None = None, null: int | Tensor | None = None) -> Callable[..., Loss]:
    """The loss of Ho et al. 2020 (eq. 14, Algorithm 1): E |eps - eps_theta(x_t, t, c)|^2 with x_t from `q_sample`.

    A batch is (x0,) or (x0, cond); a cond is replaced by `null` with probability `drop` (default 0.1), or kept where null is
    None. The mean is taken over the coordinates too. All random numbers are drawn for the whole batch before it is split
    among the processes. ValueError for a drop without null or outside [0, 1], for a null with a batch that has no cond, and for
    pictures outside [-1, 1].
    """
    return _denoising(lambda x0, eps: eps, schedule, drop, null)


def x0_loss(schedule: Schedule, drop: float | None = None, null: int | Tensor | None = None) -> Callable[..., Loss]:
    """The same for a network that predicts the clean item instead of the noise: E |x0 - x0_theta(x_t, t, c)|^2 (Ramesh et al.
    2022, section 2.2, for their prior). `samplers.as_eps` turns such a network into one that samplers take."""
    return _denoising(lambda x0, eps: x0, schedule, drop, null)


def _denoising(
    target: Callable[..., Tensor], schedule: Schedule, drop: float | None, null: int | Tensor | None
) -> Callable[..., Loss]:
    """The squared error of a network that sees x_t, t and cond and predicts target(x0, eps)."""
    if drop is not None and null is None:
        raise ValueError(f"drop = {drop} has no effect without null, the value that means 'no condition': give both.")
    drop = 0.1 if drop is None else drop
    require_share(drop=drop)

    def loss(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        x0, cond = batch if len(batch) == 2 else (batch[0], None)
        look_at(x0=x0)
        if cond is None and null is not None:
            raise ValueError("A null condition was given, but the batch has no condition that it could replace.")
        t = low_discrepancy_t(len(x0), schedule.T, generator, x0.device)
        eps = torch.randn(x0.shape, generator=generator, device=x0.device, dtype=x0.dtype)
        if cond is not None and null is not None:
            cond = drop_condition(cond, drop, null, generator)
        x0, t, eps, cond = (distributed.shard(a) for a in (x0, t, eps, cond))
        predicted = model(q_sample(x0, t, eps, schedule), t, cond)
        per_item = ((target(x0, eps) - predicted) ** 2).reshape(len(eps), -1).mean(1)
        return Loss(per_item.mean(), per_item.detach(), (t - 1) * BINS // schedule.T)

    return loss


def look_at(**pictures: Tensor) -> None:
    """Refuse integers and, on a CPU, numbers out of range. On a GPU that check would make every step wait; `train` has already
    checked all data, on any device."""
    require_floating(**pictures)
    require_data(**{name: x for name, x in pictures.items() if x.device.type == "cpu"})


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


class_loss.check = _different_classes


def _alike(rows: Tensor) -> bool:
    return bool((rows == rows[:1]).all())


def draw_caption(tokens: Int[Tensor, "b captions length"], generator: torch.Generator | None = None) -> Int[Tensor, "b length"]:
    """One caption for each picture, drawn from its captions with equal probability."""
    which = torch.randint(tokens.shape[1], (len(tokens),), generator=generator, device=tokens.device)
    return tokens[torch.arange(len(tokens), device=tokens.device), which]


def clip_loss(schedule: Schedule | None = None) -> Callable[..., Loss]:
    """The loss of CLIP (Radford et al. 2021, fig. 3): each picture has to find its caption among all captions of the batch,
    and each caption its picture: the mean of the two cross-entropies. Guessing costs ln(batch size).

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
        t, n, device = None, len(pictures), pictures.device
        several(n)
        if tokens.ndim == 3:
            tokens = draw_caption(tokens, generator)
        if schedule is not None:
            t = low_discrepancy_t(n, schedule.T, generator, device)
            eps = torch.randn(pictures.shape, generator=generator, device=device, dtype=pictures.dtype)
            pictures = q_sample(pictures, t, eps, schedule)
        pictures, tokens, t = (distributed.shard(a) for a in (pictures, tokens, t))
        logits = model(pictures, tokens, t, distributed.gather)  # every process sees the captions of all processes
        partner = torch.arange(n, device=device)
        cross_entropy = nn.functional.cross_entropy
        per_item = (cross_entropy(logits, partner, reduction="none") + cross_entropy(logits.mT, partner, reduction="none")) / 2
        bins = None if schedule is None else (t - 1) * BINS // schedule.T
        return Loss(per_item.mean(), distributed.shard(per_item.detach()), bins)

    def several(n: int) -> None:
        if n < 2:
            raise ValueError(f"CLIP learns which caption of a batch fits: a batch of {n} leaves no choice, so use 2 or more.")

    def check(data: tuple[Tensor, ...], batch_size: int) -> None:
        several(batch_size)
        for what, rows in (("pictures", data[0]), ("captions", data[-1])):
            if _alike(rows):
                raise ValueError(f"CLIP learns from two or more different {what}, but all of these are the same.")

    loss.check = check
    return loss


def learning_rate(step: int, steps: int | None, lr: float, warmup: int) -> float:
    """Rises linearly over the first `warmup` steps, then falls to 0 along half a cosine. It does not depend on a clock."""
    if step < warmup or steps is None:
        return lr * min(1.0, (step + 1) / warmup)
    return lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def check_length(steps: int | None, minutes: float | None) -> None:
    """ValueError unless exactly one of the two says how long to train, and is more than 0 and finite."""
    length = minutes if steps is None else steps
    if (steps is None) == (minutes is None) or not 0 < length < math.inf:
        raise ValueError("Say how long to train: give either steps=N or minutes=M, finite and more than 0.")


def train(
    model: nn.Module,
    data: tuple[Tensor, ...],
    loss: Callable[..., Loss],
    *,
    generator: torch.Generator,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 128,
    lr: float = 1e-3,
    warmup: int = 100,
    weight_decay: float = 0.0,
    ema_decay: float = 0.999,
    clip_norm: float = 1.0,
    checkpoint: str | Path | None = None,
    save_every: float | None = None,
    config: dict | None = None,
    compile: bool = False,
) -> Iterator[TrainStep]:
    """Train `model` on `data`, tensors of N rows each, on the model's device; yields a TrainStep after each step.

    steps or minutes   how long to train. Minutes become a number of steps once the first steps have been timed. A run that is
                       continued keeps the length that it was started with.
    warmup             steps over which the learning rate rises; with minutes at least as many as are timed
    checkpoint         a file: saved after the first step, every save_every seconds (default 60), at the end, and when the
                       caller stops early. If the file exists, the run continues from it, and its parameters are bit-identical to
                       those of a run that was never interrupted (on a CPU with the same number of threads).
    config             extra entries for the header of the checkpoint
    AdamW with warm-up and decay, clipped gradients, an exponential moving average of the weights (`step.run.ema`).
    Rows are drawn with replacement, so there is no epoch to remember. The model is put into training mode before every step,
    whatever the caller has done with it in between. ValueError, at the call, for arguments that do not fit or have no effect,
    for data that are not finite, for pictures outside [-1, 1], and for data from which the loss cannot learn;
    FloatingPointError if the loss becomes NaN or infinite.
    """
    check_length(steps, minutes)
    if minutes is not None and warmup < TIMED:
        raise ValueError(f"warmup = {warmup}, but with minutes the first {TIMED} steps are timed: use {TIMED} or more.")
    if checkpoint is None and (save_every is not None or config is not None):
        raise ValueError("save_every and config have no effect without a checkpoint: give one.")
    if batch_size < 1 or batch_size % distributed.world_size():
        raise ValueError(
            f"batch_size = {batch_size} must be a positive multiple of {distributed.world_size()}, the number of processes."
        )
    settings = {"batch_size": batch_size, "lr": lr, "warmup": warmup, "weight_decay": weight_decay}
    settings |= {"ema_decay": ema_decay, "clip_norm": clip_norm}
    require_training(model, data, generator, settings)
    if minutes is not None:  # a run that goes on keeps the number of steps that they have become
        settings["minutes"] = minutes
    if check := getattr(loss, "check", None):
        check(data, batch_size)
    run = Run(model, generator, steps, settings, config)
    if checkpoint is not None and Path(checkpoint).exists():
        run.load(checkpoint)
    return _steps(run, data, loss, minutes, checkpoint, 60.0 if save_every is None else save_every, compile)


def _steps(
    run: Run,
    data: tuple[Tensor, ...],
    loss: Callable[..., Loss],
    minutes: float | None,
    checkpoint: str | Path | None,
    save_every: float,
    compile: bool,
) -> Iterator[TrainStep]:
    """The steps of `train`, whose arguments have been checked."""
    model, generator = run.model, run.generator
    batch_size, lr, warmup, clip_norm, ema_decay = (
        run.settings[name] for name in ("batch_size", "lr", "warmup", "clip_norm", "ema_decay")
    )
    device, good = data[0].device, run.step or None
    inside = torch.compile(model) if compile else model
    if distributed.running():
        inside = DistributedDataParallel(inside, device_ids=[device] if device.type == "cuda" else None)
    has_dropout = any(isinstance(m, nn.Dropout) and m.p > 0 for m in model.modules())

    def save() -> int | None:
        if checkpoint is not None and distributed.rank() == 0:
            run.save(checkpoint)
        return run.step if checkpoint is not None else None

    first, start = run.step, time.monotonic()
    last = saved = middle = start
    while run.steps is None or run.step < run.steps:
        model.train()
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(run.step, run.steps, lr, warmup)
        rows = torch.randint(len(data[0]), (batch_size,), generator=generator, device=device)
        with _dropout_from(generator, device) if has_dropout else nullcontext():
            result = loss(inside, tuple(d[rows] for d in data), generator)
            run.scaler.scale(result.value).backward()
        run.scaler.unscale_(run.optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        value = distributed.mean(result.value.detach().float())
        # With fp16 an infinite gradient only means that the scaler must lower its scale: it skips the step itself.
        finite = value.isfinite() if run.scaler.is_enabled() else value.isfinite() & norm.isfinite()
        if not bool(finite):
            kept = "no checkpoint was saved" if good is None else f"the last good checkpoint is {checkpoint}, step {good}"
            raise FloatingPointError(
                f"At step {run.step + 1} the loss ({float(value):g}) or its gradient was not finite; {kept}. A lower lr may help."
            )
        run.advance(ema_decay, result.per_item, result.bin)
        now = time.monotonic()
        run.seconds, last = run.seconds + now - last, now
        if run.step - first == TIMED // 2:
            middle = now
        if run.steps is None and run.step - first >= TIMED:
            # The first steps are slow (memory is being allocated), so only the second half of the timed ones counts.
            seconds_a_step = (now - middle) / (TIMED - TIMED // 2)
            run.steps = distributed.from_first(run.step + max(1, int((60 * minutes - (now - start)) / seconds_a_step)))
            good = None  # the number of steps must not be lost: save it now
        if good is None or now - saved > save_every or run.step == run.steps:
            good, saved = save(), now
        try:
            yield TrainStep(run.step, run.steps, float(value), run)
        except GeneratorExit:
            if good != run.step:
                save()
            raise


@contextmanager
def _dropout_from(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Dropout draws from the device's own generator: seed that from ours for one step, then restore it.

    Each process drops different units: this is the only way in which several processes differ from one.
    """
    seed = int(torch.randint(2**62, (), generator=generator, device=device)) + distributed.rank()
    dropout = own_generator(device)  # torch.manual_seed would seed those of all devices, torch.cuda's the current one's
    before = dropout.get_state()
    dropout.manual_seed(seed)
    try:
        yield
    finally:
        dropout.set_state(before)
