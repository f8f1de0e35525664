"""The command `train`: it trains a preset in a folder, with a progress bar; a stopped run can continue where it was."""

import argparse
import platform
import signal
from collections.abc import Generator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..machine import distributed, files
from ..machine.device import choose_device, place
from ..models import beginning, header, material, presets, trained
from ..models.autoencoding import AutoencoderModel
from ..models.objective import make_loss
from ..models.recipe import Pictures, Recipe
from ..training.loop import TrainStep
from ..training.loop import train as train_steps
from .arguments import MINUTES, SEED, whole
from .common import add_device, add_parser
from .errors import Stopped

_OWN = [name for name, preset in presets.PRESETS.items() if preset.data == "folder"]


def add(commands: Any) -> None:
    """The command line of `train`."""
    parser = add_parser(commands, "train", "Train a model; torchrun --nproc-per-node N -m ddpm_lite train ... uses N GPUs.")
    parser.add_argument("name", metavar="NAME", help=f"which preset: {', '.join(presets.PRESETS)}")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the run's folder: its checkpoint is kept there")
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--steps", type=whole(1, 10**9), metavar="N", help="train for N steps (default: the preset's)")
    how_long.add_argument("--minutes", type=MINUTES, metavar="M", help="train for about M minutes: the first steps are timed")
    parser.add_argument("--data", metavar="DIR", type=Path, help=f"{', '.join(_OWN)}: your pictures, of any size and format")
    parser.add_argument(
        "--captions", metavar="CSV", type=Path, help="with --data: lines of file,caption (default: the files' names)"
    )
    parser.add_argument(
        "--size",
        type=whole(1, 4096),
        metavar="N",
        help="with --data: learn N x N pixels (default 64, autoencoder-folder 128)",
    )
    parser.add_argument(
        "--autoencoder", metavar="RUN", type=Path, help="latent-folder: the folder of a run of autoencoder-folder; a copy is kept"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in DIR, if there is one")
    parser.add_argument("--seed", type=SEED, metavar="S", help="fixes the first weights and all random draws (default 0)")
    parser.add_argument(
        "--batch-size",
        type=whole(1, 10**6),
        metavar="B",
        help="pictures per step, over all processes (default: the preset's)",
    )
    parser.add_argument("--compile", action="store_true", help="use torch.compile: slow to start, then somewhat faster")
    add_device(parser)


def train(args: argparse.Namespace) -> None:
    """Train a preset into a folder, with a progress bar. A resumed run keeps the settings it was started with.

    BlockingIOError if another process is training in this folder.
    """
    with files.alone_in(args.out) if distributed.first() else nullcontext():
        _train(args)


def _train(args: argparse.Namespace) -> None:
    preset, checkpoint = presets.preset(args.name), args.out / trained.CHECKPOINT
    new = not checkpoint.exists()
    within = beginning.space_of(preset, args.out, args.autoencoder, args.size)
    space = None if within is None else within.net
    space_weights = None if space is None else trained.fingerprint(space)
    parent = None
    device = choose_device(args.device)
    if preset.begin is not None and (new or preset.kind == "few-steps"):
        parent = trained.load(preset.begin, "cpu")
    if new:
        recipe, machine = _begin(args, beginning.sized(preset, within)), _machine(device)
        recipe = material.bind(recipe, recipe.pictures).in_space(space_weights)
        command = _command(recipe)
    elif args.resume:
        recipe, made = _go_on(args, preset, space_weights)
        machine, command = made.machine, made.command
        if (here := _machine(device)) not in machine.split("; then "):
            machine += f"; then {here}"
    else:
        raise ValueError(f"{args.out} already holds a run: continue it with --resume, or choose another folder.")

    device, training = distributed.start(device), recipe.training
    model = recipe.build(training.seed)
    beginning.begin(recipe, model, parent, space)
    teacher = beginning.teacher_of(recipe, parent)
    model, data = place(model, device), material.training_data(recipe)
    if new and isinstance(within, AutoencoderModel) and trained.has_own_autoencoder(recipe) and distributed.first():
        trained.keep_autoencoder(within, args.out)  # all that could be refused has been looked at
    steps = train_steps(
        model,
        data if callable(data) else tuple(d.to(device) for d in data),
        make_loss(
            recipe,
            None if space is None else place(space, device),
            None if teacher is None else place(teacher, device),
        ),
        generator=torch.Generator(device).manual_seed(training.seed),
        steps=training.steps,
        minutes=training.minutes,
        batch_size=training.batch_size,
        lr=training.lr,
        weight_decay=training.weight_decay,
        checkpoint=checkpoint,
        config={"recipe": recipe.as_json(), "machine": machine, "command": command},
        compile=args.compile,
    )
    step = _with_progress(steps, training.batch_size, checkpoint)
    if distributed.rank() == 0:
        if step is None:
            print(f"The run in {args.out} was already complete.")
        else:
            history = step.run.history[-20:, 1]
            loss = float(history.mean()) if len(history) else step.loss
            print(f"{step.step} steps, loss {loss:.4f}; saved in {checkpoint}")


def _begin(args: argparse.Namespace, preset: Recipe) -> Recipe:
    """The recipe of a new run: the preset with what the command line says."""
    given = {name: value for name in ("batch_size", "seed") if (value := getattr(args, name)) is not None}
    if args.steps is not None or args.minutes is not None:
        given |= {"steps": args.steps, "minutes": args.minutes}
    return replace(preset, training=replace(preset.training, **given), pictures=_pictures(args, preset))


def _go_on(args: argparse.Namespace, preset: Recipe, space_weights: str | None) -> tuple[Recipe, header.Made]:
    """The recipe of the run in `args.out`, and what it says of itself. ValueError where the command line says otherwise."""
    found = trained.load(args.out.resolve(), "cpu")  # its weights are checked before the data
    recipe = found.recipe
    if recipe.name != args.name:
        raise ValueError(f"{args.out} holds a run of {recipe.name}, not of {args.name}.")
    if found.made is None:
        raise ValueError(f"{args.out} holds a run of an earlier version: it can be drawn from, but begin a new run to train.")
    if recipe.space_weights != space_weights:
        what = "latents" if preset.clip is None else "embeddings"
        raise ValueError(f"{args.out} learns the {what} of another {preset.space} than the one here: begin a new run.")
    for name in ("steps", "minutes", "batch_size", "seed"):
        value, own = getattr(args, name), getattr(recipe.training, name)
        if value is not None and value != own:
            raise ValueError(f"{args.out} is a run with {name} = {own}, so it cannot go on with {value}: leave it out.")
    return replace(recipe, pictures=_pictures(args, preset, recipe.pictures)), found.made


def _machine(device: torch.device) -> str:
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return f"{torch.cuda.get_device_name(device)}, {machine}" if device.type == "cuda" else machine


def _command(recipe: Recipe) -> str:
    """What to type to train this again."""
    names = ("steps", "minutes", "batch_size", "seed")
    numbers = {name: value for name in names if (value := getattr(recipe.training, name)) is not None}
    words = [f"--{name.replace('_', '-')} {value}" for name, value in numbers.items()]
    if (own := recipe.pictures) is not None:
        words += ["--data PICTURES", *["--captions CSV"] * (own.captions is not None)]
        words.append("--autoencoder RUN" if trained.has_own_autoencoder(recipe) else f"--size {own.size}")
    return f"python -m ddpm_lite train {recipe.name} --out DIR {' '.join(words)}"


def _pictures(args: argparse.Namespace, preset: Recipe, begun: Pictures | None = None) -> Pictures | None:
    """The user's own pictures, as a recipe holds them: those that are given, else those that the run began with.

    ValueError for a preset that has pictures of its own, a new run without a folder, and a run that goes on at another size.
    """
    given = {name: value for name in ("data", "captions", "size") if (value := getattr(args, name)) is not None}
    if preset.data != "folder":
        if given:
            raise ValueError(f"{args.name} has pictures of its own: leave {' and '.join(f'--{name}' for name in given)} out.")
        return None
    if args.captions is not None and not preset.reads:
        raise ValueError(f"{args.name} reads no captions: leave --captions out.")
    path, captions = (None if each is None else str(each.resolve()) for each in (args.data, args.captions))
    if begun is None:
        if path is None:
            raise ValueError(f"{args.name} needs a folder of pictures: give --data DIR.")
        pictures = Pictures(path, captions, args.size or preset.size)
    elif args.size not in (None, begun.size):
        raise ValueError(f"{args.out} is a run with size = {begun.size}, so it cannot go on with {args.size}: leave it out.")
    else:
        pictures = replace(begun, path=path or begun.path, captions=captions or begun.captions)
    again = "" if begun is None else ", where this run found its own: say with {} where they are now"
    if not Path(pictures.path).is_dir():
        raise FileNotFoundError(f"There is no folder {pictures.path!r}{again.format('--data')}.")
    if pictures.captions is not None and not Path(pictures.captions).is_file():
        raise FileNotFoundError(f"There is no file of captions {pictures.captions!r}{again.format('--captions')}.")
    return pictures


def _with_progress(steps: Generator[TrainStep, None, None], batch_size: int, checkpoint: Path) -> TrainStep | None:
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
