"""Algorithm 1: one loop for every network here. Slide L20; Ho et al. 2020, Algorithm 1.

`train` is a generator, so that its caller can draw a progress bar, plot or stop. One checkpoint holds everything that a run
needs to continue after an interruption; see `checkpoint.Run`.
"""

import math
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..machine import distributed
from ..maths.checks import require_training
from .checkpoint import Run
from .losses import LossFunction
from .pace import TIMED, Pace, Saves

Rows = Callable[[int, torch.Generator], tuple[Tensor, ...]]  # draws n rows of data


class TrainStep(NamedTuple):
    """A finished step: its number (from 1), the total (None while `minutes` is still being timed), its loss, and the run.
    Slide L20; Ho et al. 2020, Algorithm 1."""

    step: int
    steps: int | None
    loss: float
    run: Run


def train_step(run: Run, network: Callable[..., Tensor], loss: LossFunction, batch: tuple[Tensor, ...]) -> float:
    """One turn of the loop of Algorithm 1, for any loss. Slide L20; Ho et al. 2020, Algorithm 1.

    `eps_loss` is lines 2 to 4 and the difference in line 5: draw t and eps, noise x_0 to x_t, predict, compare.
    Returns the loss, averaged over the batch. FloatingPointError if it or its gradient is not finite.
    """
    run.model.train()  # at every step, whatever the caller has done with the network since the last
    with run.dropout():
        result = loss(network, batch, run.generator)
        run.differentiate(result.value)
    value = run.check(result.value, run.clip())
    run.descend(learning_rate(run.step, run.steps, run.settings["lr"], run.settings["warmup"]))
    run.average()
    run.record(result)
    return value


def learning_rate(step: int, steps: int | None, lr: float, warmup: int | float) -> float:
    """Rises linearly over the first `warmup` steps, then falls to 0 along half a cosine. It does not depend on a clock.
    Loshchilov & Hutter 2017, eq. 5."""
    if step < warmup or steps is None:
        return lr * min(1.0, (step + 1) / warmup)
    return lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def check_length(steps: int | None, minutes: float | None) -> None:
    """ValueError unless exactly one of the two says how long to train, and is more than 0 and finite."""
    length = minutes if steps is None else steps
    if length is None or (steps is not None and minutes is not None) or not 0 < length < math.inf:
        raise ValueError("Say how long to train: give either steps=N or minutes=M, finite and more than 0.")


def train(
    model: nn.Module,
    data: tuple[Tensor, ...] | Rows,
    loss: LossFunction,
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
) -> Generator[TrainStep, None, None]:
    """Train `model` on `data`, on the model's device; yields a TrainStep after each step.
    Slide L20; Ho et al. 2020, Algorithm 1.

    data               tensors of N rows each, or a function (n, generator) -> tensors of n rows, which draws them anew
    steps or minutes   how long to train. Minutes become a number of steps once the first steps have been timed. A run that is
                       continued keeps the length that it was started with.
    warmup             steps over which the learning rate rises; with minutes at least as many as are timed
    checkpoint         a file: saved after the first step, every save_every seconds (default 60), at the end, and when the
                       caller stops early. If the file exists, the run continues from it, and its parameters are bit-identical to
                       those of a run that was never interrupted (on a CPU with the same number of threads).
    config             extra entries for the header of the checkpoint
    AdamW with warm-up and decay, clipped gradients, an exponential moving average of the weights (`step.run.ema`).
    Rows of tensors are drawn with replacement, so there is no epoch to remember. The model is put into training mode before
    every step, whatever the caller has done with it in between. ValueError, at the call, for arguments that do not fit or have
    no effect, for data that are not finite, for pictures outside [-1, 1], and for data from which the loss cannot learn (of drawn
    data, a first batch is looked at); FloatingPointError if the loss becomes NaN or infinite.
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
    # Of data that are drawn, a first batch is checked, by a generator of its own.
    some = data(batch_size, torch.Generator(generator.device).manual_seed(0)) if callable(data) else data
    require_training(model, some, generator, settings)
    if minutes is not None:  # a run that goes on keeps the number of steps that they have become
        settings["minutes"] = minutes
    if check := getattr(loss, "check", None):
        check(some, batch_size)
    run = Run(model, generator, steps, settings, config)
    if checkpoint is not None and Path(checkpoint).exists():
        run.load(checkpoint)
    draw = data if callable(data) else _rows(data)
    return _steps(run, draw, loss, minutes, checkpoint, 60.0 if save_every is None else save_every, compile)


def _rows(data: tuple[Tensor, ...]) -> Rows:
    """What draws rows of tensors, with replacement."""

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        rows = torch.randint(len(data[0]), (n,), generator=generator, device=data[0].device)
        return tuple(d[rows] for d in data)

    return draw


def _steps(
    run: Run,
    draw: Rows,
    loss: LossFunction,
    minutes: float | None,
    checkpoint: str | Path | None,
    save_every: float,
    compile: bool,
) -> Generator[TrainStep, None, None]:
    """The steps of `train`, whose arguments have been checked."""
    device, batch_size = run.generator.device, int(run.settings["batch_size"])
    network = torch.compile(run.model) if compile else run.model
    if distributed.running():
        network = DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)
    pace, saves = Pace(run, minutes), Saves(run, checkpoint, save_every)
    while run.steps is None or run.step < run.steps:
        value = train_step(run, network, loss, draw(batch_size, run.generator))
        saves.after_step(must=pace.after_step())  # a number of steps that has just become known must not be lost
        try:
            yield TrainStep(run.step, run.steps, value, run)
        except GeneratorExit:
            saves.at_exit()
            raise
