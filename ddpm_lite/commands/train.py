"""The command `train`: it trains a preset in a folder, with a progress bar; a stopped run can continue where it was."""

import argparse
import platform
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..machine import distributed, files, weights
from ..machine.device import choose_device, place
from ..models import header, presets, recipe, trained
from ..networks.channels import widen
from ..training.loop import TrainStep, check_length
from ..training.loop import train as training
from .errors import Stopped


def train(args: argparse.Namespace) -> None:
    """Train a preset into a folder, with a progress bar. A resumed run keeps the settings it was started with.

    BlockingIOError if another process is training in this folder.
    """
    with files.alone_in(args.out) if distributed.first() else nullcontext():
        _train(args)


def _train(args: argparse.Namespace) -> None:
    preset, checkpoint, parent = presets.preset(args.name), args.out / trained.CHECKPOINT, None
    clip = trained.load(preset["clip"], "cpu").net if "clip" in preset else None
    asked = {"steps": args.steps, "minutes": args.minutes, "batch_size": args.batch_size, "seed": args.seed}
    asked = {name: value for name, value in asked.items() if value is not None}
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    if (device := choose_device(args.device)).type == "cuda":
        machine = f"{torch.cuda.get_device_name(device)}, {machine}"
    if not checkpoint.exists():
        pictures = _pictures(args, preset)
        made = {"seed": 0, **preset["train"]}
        if args.minutes is not None:
            del made["steps"]
        made |= asked
        check_length(made.get("steps"), made.get("minutes"))
        words = [
            f"--{name.replace('_', '-')} {made[name]}" for name in ("steps", "minutes", "batch_size", "seed") if name in made
        ]
        if pictures is not None:
            words += ["--data PICTURES", *["--captions CSV"] * (pictures["captions"] is not None), f"--size {pictures['size']}"]
        made["machine"] = machine
        made["command"] = f"python -m ddpm_lite train {args.name} --out DIR {' '.join(words)}"
        if "begin" in preset:
            parent = trained.load(preset["begin"], "cpu")
        config = {**recipe.configure(args.name, pictures), "made": made}
        if clip is not None:
            config["clip"] = trained.fingerprint(clip)
    elif args.resume:
        config = trained.load(args.out.resolve(), "cpu").config  # its weights are checked before the data
        header.check(config, checkpoint, of_run=True)
        made = config["made"]
        if config["name"] != args.name:
            raise ValueError(f"{args.out} holds a run of {config['name']}, not of {args.name}.")
        if clip is not None and config.get("clip") != trained.fingerprint(clip):
            raise ValueError(f"{args.out} learns the embeddings of another {preset['clip']} than the one here: begin a new run.")
        for name, value in asked.items():
            if made.get(name) != value:
                raise ValueError(
                    f"{args.out} is a run with {name} = {made.get(name)}, so it cannot go on with {value}: leave it out."
                )
        pictures = _pictures(args, preset, config.get("pictures"))
        if pictures is not None:
            config["pictures"] = pictures
        if machine not in made["machine"].split("; then "):
            made["machine"] += f"; then {machine}"
    else:
        raise ValueError(f"{args.out} already holds a run: continue it with --resume, or choose another folder.")

    device = distributed.start(device)
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


def _pictures(args: argparse.Namespace, preset: dict[str, Any], begun: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """The user's own pictures, as `recipe.configure` takes them: those that are given, else those that the run began with.

    ValueError for a preset that has pictures of its own, a new run without a folder, and a run that goes on at another size.
    """
    given = {name: value for name in ("data", "captions", "size") if (value := getattr(args, name)) is not None}
    if preset["data"] != "folder":
        if given:
            raise ValueError(f"{args.name} has pictures of its own: leave {' and '.join(f'--{name}' for name in given)} out.")
        return None
    if begun is None and "data" not in given:
        raise ValueError(f"{args.name} needs a folder of pictures: give --data DIR.")
    pictures = dict(begun or {"captions": None, "size": preset["net"]["size"]})
    if begun is not None and given.get("size", pictures["size"]) != pictures["size"]:
        raise ValueError(
            f"{args.out} is a run with size = {pictures['size']}, so it cannot go on with {args.size}: leave it out."
        )
    pictures |= {key: str(given[name].resolve()) for key, name in (("path", "data"), ("captions", "captions")) if name in given}
    pictures |= {"size": given.get("size", pictures["size"])}
    for option, key, there in (("--data", "path", Path.is_dir), ("--captions", "captions", Path.is_file)):
        if pictures.get(key) is not None and not there(Path(pictures[key])):
            again = "" if begun is None else f", where this run found its own: say with {option} where they are now"
            raise FileNotFoundError(f"There is no {'folder' if key == 'path' else 'file of captions'} {pictures[key]!r}{again}.")
    return pictures


def _with_progress(steps: Iterator[TrainStep], batch_size: int, checkpoint: Path) -> TrainStep | None:
    """Run a training to its end under a progress bar, and return its last step (None if it had none left to do).

    Raises Stopped if a signal ends it early.
    """
    step, stopped_by, signals = None, [], (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(s, lambda number, frame: stopped_by.append(signal.Signals(number).name)) for s in signals]
    try:
        with tqdm(unit=" pictures", unit_scale=True, disable=distributed.rank() > 0, dynamic_ncols=True) as bar:
            for step in steps:
                if not bar.n:
                    bar.initial = bar.n = (step.step - 1) * batch_size  # done by an earlier part of the run
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
