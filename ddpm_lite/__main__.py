"""python -m ddpm_lite train | sample | score | lab | site | nbgrader"""

import argparse
import io
import json
import platform
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from . import distributed, presets, recipe, scores, weights, zoo
from .device import choose_device, place
from .plots import tiles
from .train import TrainStep, check_length
from .train import train as training
from .unet import widen

BESIDE = Path(__file__).resolve().parent.parent / "notebooks"  # where they are in a clone


class Stopped(Exception):
    """A run that ended before its time: Ctrl-C, a signal, a lost process."""


def parser() -> argparse.ArgumentParser:
    """The command line; `--help` of each command says what it takes."""
    top = argparse.ArgumentParser(prog="python -m ddpm_lite", description="Train, sample and score the models of ddpm_lite.")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, help: str, **more) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, description=help, **more)

    train = command("train", "Train a model; torchrun --nproc-per-node N -m ddpm_lite train ... does it on N GPUs.")
    train.add_argument("name", metavar="NAME", help=f"which preset: {', '.join(presets.PRESETS)}")
    train.add_argument("--out", metavar="DIR", type=Path, required=True, help="the run's folder: its checkpoint is kept there")
    how_long = train.add_mutually_exclusive_group()
    how_long.add_argument("--steps", type=int, metavar="N", help="train for N steps (default: as the preset says)")
    how_long.add_argument("--minutes", type=float, metavar="M", help="train for about M minutes: the first steps are timed")
    train.add_argument("--data", metavar="DIR", type=Path, help="folder, clip-folder: your pictures, of any size and format")
    train.add_argument("--captions", metavar="CSV", type=Path, help="lines of file,caption (default: the files' names)")
    train.add_argument("--size", type=int, metavar="N", help="with --data: learn N x N pixels (default 64)")
    train.add_argument("--resume", action="store_true", help="go on with the run in DIR, if there is one")
    train.add_argument("--seed", type=int, metavar="S", help="fixes the first weights and all random draws (default 0)")
    train.add_argument(
        "--batch-size", type=int, metavar="B", help="pictures a step, over all processes (default: as the preset says)"
    )
    train.add_argument("--compile", action="store_true", help="use torch.compile: slow to start, then somewhat faster")

    sample = command("sample", "Draw pictures into one PNG.")
    sample.add_argument("name", metavar="NAME", help="a shipped model (digits, emoji, shapes) or the folder of a run")
    sample.add_argument(
        "asked",
        metavar="WHAT",
        nargs="*",
        help="what to draw, one picture each: labels (default: all in turn) or captions (default: the empty one)",
    )
    sample.add_argument(
        "-n", type=int, metavar="N", help="how many pictures, going through WHAT in turn (default: one for each, or 16)"
    )
    sample.add_argument(
        "-o", "--out", type=Path, default=Path("samples.png"), metavar="FILE", help="the PNG to write (default samples.png)"
    )
    sample.add_argument("--seed", type=int, default=0, metavar="S", help="fixes the noise (default 0)")
    sample.add_argument("--steps", type=int, default=50, metavar="N", help="network calls for each picture (default 50)")
    sample.add_argument(
        "--scale", type=float, default=2.0, metavar="S", help="guidance: 1 none, more is clearer and less varied (default 2)"
    )
    sample.add_argument("--method", default="ddim", choices=["ddpm", "ddim", "dpm-solver++"], help="the sampler (default ddim)")

    meanings = "keys of the result:\n" + "\n".join(f"  {key:20s} {meaning}" for key, meaning in scores.MEANING.items())
    score = command(
        "score", "Measure how good a model is.", epilog=meanings, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    score.add_argument("name", metavar="NAME", help="a shipped model or the folder of a run")
    score.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    score.add_argument("--seed", type=int, default=0, metavar="S", help="fixes the noise (default 0)")
    score.add_argument("--ship", action="store_true", help="also write weights (bf16) and card into the package's assets")

    for each in (train, sample, score):
        each.add_argument("--device", default="auto", help="auto, cuda, mps or cpu (default auto)")
    command("lab", "Open JupyterLab on the notebooks.")
    site = command("site", "Write the course as web pages and slides, complete in themselves, the views alive.")
    grader = command("nbgrader", "Write the notebooks with exercises as a course for nbgrader, which grades the answers.")
    for each in (site, grader):
        each.add_argument("--out", metavar="DIR", type=Path, required=True, help="the folder to write into; made if need be")
        each.add_argument(
            "--notebooks", metavar="DIR", type=Path, help="the notebooks (default: notebooks, here or beside the package)"
        )
    return top


def train(args: argparse.Namespace) -> None:
    """Train a preset into a folder, with a progress bar; what the run was started with, it goes on with."""
    preset, checkpoint, parent = presets.preset(args.name), args.out / zoo.CHECKPOINT, None
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
        if choose_device(args.device).type == "cuda":
            made["machine"] = f"{torch.cuda.get_device_name()}, {made['machine']}"
        made["command"] = f"python -m ddpm_lite train {args.name} --out DIR {' '.join(words)}"
        if "begin" in preset:
            parent = zoo.load(preset["begin"], "cpu")
        config = {**recipe.configure(args.name, _pictures(args)), "made": made}
        if "clip" in preset:
            config["clip"] = zoo.fingerprint(preset["clip"])
    elif args.resume:
        config = weights.load(checkpoint)[1]
        weights.require(config, checkpoint, "name", "net", "made")
        made = config["made"]
        if config["name"] != args.name:
            raise ValueError(f"{args.out} holds a run of {config['name']}, not of {args.name}.")
        for name, value in asked.items():
            if made.get(name) != value:
                raise ValueError(
                    f"{args.out} is a run with {name} = {made.get(name)}, so it cannot go on with {value}: leave it out."
                )
    else:
        raise ValueError(f"{args.out} already holds a run: go on with it by --resume, or choose another folder.")

    device = distributed.start(choose_device(args.device))
    args.out.mkdir(parents=True, exist_ok=True)
    model = recipe.build(config, made["seed"])
    if parent is not None:
        weights.fill(model, model.state_dict() | widen(parent.net.state_dict(), model.extra), parent.name)
    model = place(model, device)
    data = tuple(d.to(device) for d in recipe.training_data(config))
    generator = torch.Generator(device).manual_seed(made["seed"])
    settings = {name: value for name, value in made.items() if name not in ("seed", "command", "machine")}
    steps = training(
        model,
        data,
        recipe.make_loss(config, zoo.load(preset["clip"], device).net if "clip" in preset else None),
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


def sample(args: argparse.Namespace) -> None:
    """Draw pictures into a PNG file."""
    if not args.out.resolve().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {args.out.parent} to write {args.out.name} into.")
    if args.out.suffix.lower() != ".png":
        raise ValueError(f"{args.out} must end in .png: that is the format written.")
    n = args.n if args.n is not None else len(args.asked) or 16
    if n < 1:
        raise ValueError(f"-n {n}, but at least one picture must be drawn.")
    device = distributed.start(choose_device(args.device))
    name, *then = presets.ALIASES.get(args.name, [args.name])
    model = zoo.load(name, device)
    options = {"seed": args.seed, "steps": args.steps, "scale": args.scale, "method": args.method}
    images = model.draw(_asked(model, args.asked, n), **options)
    for upsampler in (zoo.load(name, device) for name in then):
        images = upsampler.draw(images, **options)
    if distributed.rank() == 0:
        png = io.BytesIO()
        Image.fromarray(tiles(images, columns=min(n, 10), zoom=8 if images.shape[3] <= 16 else 4)).save(png, "png")
        weights.write_atomically(args.out, png.getvalue())
        print(f"{n} pictures in {args.out}")


def _asked(model: zoo.Trained, words: list[str], n: int) -> torch.Tensor | list[str]:
    """The n captions or labels that these words of the command line stand for, in turn."""
    if "words" in model.config:
        choice = words or [""]
        return [choice[i % len(choice)] for i in range(n)]
    try:  # a model that has no classes will say itself what it draws from
        labels = [int(word) for word in words] or list(range(model.config["net"].get("num_classes", 1)))
    except ValueError:
        raise ValueError(f"{model.name} draws by label, and a label is a number: {' '.join(words)!r} does not fit.") from None
    return torch.tensor([labels[i % len(labels)] for i in range(n)])


def score(args: argparse.Namespace) -> None:
    """Print the numbers of a model."""
    model = zoo.load(args.name, distributed.start(choose_device(args.device)))
    found = scores.ship(model, args.seed)["scores"] if args.ship else scores.score(model, args.seed)
    if distributed.rank() == 0:
        if args.json:
            print(json.dumps(found))
        else:
            for key, value in found.items():
                print(f"{key:20s} {value:8.4f}  {scores.MEANING[key]}")


def lab(args: argparse.Namespace) -> None:
    """Open JupyterLab on the notebooks and wait until it is closed."""
    import importlib.util

    if not BESIDE.is_dir():
        raise FileNotFoundError("The notebooks are not beside the package: run this from a clone installed with pip install -e.")
    if importlib.util.find_spec("jupyterlab") is None:
        raise FileNotFoundError('JupyterLab is not installed here: pip install -e ".[course]" brings it.')
    if subprocess.run([sys.executable, "-m", "jupyterlab", str(BESIDE)], check=False).returncode:
        raise Stopped("JupyterLab ended with an error: see above.")


def site(args: argparse.Namespace) -> None:
    """Write the course as web pages and slides."""
    with _extra_course():
        from .site import build
    files = build(args.notebooks or _notebooks(), args.out)
    print(f"{len(files)} files in {args.out}; begin with {args.out / 'index.html'}")


def nbgrader(args: argparse.Namespace) -> None:
    """Write the course for nbgrader."""
    with _extra_course():
        from .exercises.course import build
    files = build(args.notebooks or _notebooks(), args.out)
    names = [path.stem for path in files]
    print(f"Written to {args.out}: {', '.join(names)}. Go on in that folder:  nbgrader generate_assignment {names[0]}")


@contextmanager
def _extra_course() -> Iterator[None]:
    """Around an import that needs the extra `course`: without it, one sentence says how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("nbconvert", "nbformat"):
            raise
        raise FileNotFoundError(f'{error.name} is not installed here: pip install -e ".[course]" brings it.') from error


def _notebooks() -> Path:
    here = Path("notebooks")
    return here if here.is_dir() else BESIDE


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """Within it, a warning is one line for the user, without the place in the code that it comes from."""

    def say(message: Warning | str, *_) -> None:
        if distributed.rank() == 0:
            print(f"ddpm_lite: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = say
        yield


def main(argv: list[str] | None = None) -> int:
    """Run a command; an error of the user's is one sentence and exit code 2."""
    args = parser().parse_args(argv)
    try:
        with _warnings_in_a_line():
            {"train": train, "sample": sample, "score": score, "lab": lab, "site": site, "nbgrader": nbgrader}[args.command](args)
        return 0
    except (ValueError, TypeError, OSError, FloatingPointError, Stopped) as error:
        if args.debug:
            raise
        print(f"ddpm_lite: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if args.debug or not (distributed.lost(error) or "out of memory" in str(error)):
            raise
        saved = f"; --resume goes on from {args.out / zoo.CHECKPOINT}" if args.command == "train" else ""
        what = "Another process was lost, so this one ends too" if distributed.lost(error) else f"Out of memory ({error})"
        print(f"ddpm_lite: {what}{saved}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ddpm_lite: Interrupted.", file=sys.stderr)
        return 2
    finally:
        distributed.stop()


if __name__ == "__main__":
    sys.exit(main())
