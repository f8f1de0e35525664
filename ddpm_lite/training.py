"""The command `train`: a preset becomes a run in a folder, with a progress bar; it can be stopped and goes on where it was."""

import argparse
import platform
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from tqdm import tqdm

from . import distributed, files, header, presets, recipe, weights, zoo
from .device import choose_device, place
from .errors import Stopped
from .train import TrainStep, check_length
from .train import train as training
from .unet import widen


def train(args: argparse.Namespace) -> None:
    """Train a preset into a folder, with a progress bar; what the run was started with, it goes on with.

    BlockingIOError if another process is training in this folder.
    """
    with files.alone_in(args.out) if distributed.first() else nullcontext():
        _train(args)


def _train(args: argparse.Namespace) -> None:
    preset, checkpoint, parent = presets.preset(args.name), args.out / zoo.CHECKPOINT, None
    clip = zoo.load(preset["clip"], "cpu").net if "clip" in preset else None
    asked = {"steps": args.steps, "minutes": args.minutes, "batch_size": args.batch_size, "seed": args.seed}
    asked = {name: value for name, value in asked.items() if value is not None}
    if not checkpoint.exists():
        made = {"seed": 0, **preset["train"]}
        if args.minutes is not None:
            del made["steps"]
        made |= asked
        check_length(made.get("steps"), made.get("minutes"))
        words = [
            f"--{name.replace('_', '-')} {made[name]}" for name in ("steps", "minutes", "batch_size", "seed") if name in made
        ]
        made["machine"] = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
        if (device := choose_device(args.device)).type == "cuda":
            made["machine"] = f"{torch.cuda.get_device_name(device)}, {made['machine']}"
        made["command"] = f"python -m ddpm_lite train {args.name} --out DIR {' '.join(words)}"
        if "begin" in preset:
            parent = zoo.load(preset["begin"], "cpu")
        config = {**recipe.configure(args.name, _pictures(args)), "made": made}
        if clip is not None:
            config["clip"] = zoo.fingerprint(clip)
    elif args.resume:
        config = zoo.load(args.out.resolve(), "cpu").config  # its weights are looked at before the data are
        header.check(config, checkpoint, of_run=True)
        made = config["made"]
        if config["name"] != args.name:
            raise ValueError(f"{args.out} holds a run of {config['name']}, not of {args.name}.")
        if clip is not None and config.get("clip") != zoo.fingerprint(clip):
            raise ValueError(f"{args.out} learns the embeddings of another {preset['clip']} than the one here: begin a new run.")
        for name, value in asked.items():
            if made.get(name) != value:
                raise ValueError(
                    f"{args.out} is a run with {name} = {made.get(name)}, so it cannot go on with {value}: leave it out."
                )
    else:
        raise ValueError(f"{args.out} already holds a run: go on with it by --resume, or choose another folder.")

    device = distributed.start(choose_device(args.device))
    model = recipe.build(config, made["seed"])
    if parent is not None:
        weights.fill(model, model.state_dict() | widen(parent.net.state_dict(), model.extra), parent.name)
    model = place(model, device)
    data = tuple(d.to(device) for d in recipe.training_data(config))
    generator = torch.Generator(device).manual_seed(made["seed"])
    settings = {name: made[name] for name in ("steps", "minutes", "batch_size", "lr", "weight_decay") if name in made}
    steps = training(
        model,
        data,
        recipe.make_loss(config, None if clip is None else place(clip, device)),
        generator=generator,
        checkpoint=checkpoint,
        config=config,
        compile=args.compile,
        **settings,
    )
    step = _with_progress(steps, made["batch_size"], checkpoint)
    if distributed.rank() == 0:
        if step is None:
            print(f"The run in {args.out} was already complete.")
        else:
            history = step.run.history[-20:, 1]
            loss = float(history.mean()) if len(history) else step.loss
            print(f"{step.step} steps, loss {loss:.4f}; saved in {checkpoint}")


def _pictures(args: argparse.Namespace) -> dict | None:
    """The user's own pictures to train on, as `recipe.configure` takes them."""
    if args.data is None:
        return None
    captions = None if args.captions is None else str(args.captions.resolve())
    return {"path": str(args.data.resolve()), "captions": captions, "size": args.size or 64}


def _with_progress(steps: Iterator[TrainStep], batch_size: int, checkpoint: Path) -> TrainStep | None:
    """Run a training to its end under a progress bar, and return its last step (None if it had none left to do).

    Stopped if a signal ends it before.
    """
    step, stopped_by, signals = None, [], (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(s, lambda number, frame: stopped_by.append(signal.Signals(number).name)) for s in signals]
    try:
        with tqdm(unit=" pictures", unit_scale=True, disable=distributed.rank() > 0, dynamic_ncols=True) as bar:
            for step in steps:
                if not bar.n:
                    bar.initial = bar.n = (step.step - 1) * batch_size  # of an earlier part of the run
                bar.total = step.steps and step.steps * batch_size
                bar.set_postfix(loss=f"{step.loss:.4f}", step=step.step, refresh=False)
                bar.update(batch_size)
                if stopped_by:
                    steps.close()
                    raise Stopped(f"Stopped by {stopped_by[0]} at step {step.step}; --resume goes on from {checkpoint}.")
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
    return step
