"""python -m ddpm_lite train | sample | variations | score | lab | site | nbgrader"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .commands.arguments import MINUTES, SEED, Parser, whole
from .commands.errors import Stopped, sentence
from .commands.sample import MOST, find, sample, variations
from .commands.train import train
from .machine import distributed, interrupt
from .machine.device import choose_device
from .models import evaluation, presets, trained

BESIDE = Path(__file__).resolve().parent.parent / "notebooks"  # where they are in a clone


def parser() -> argparse.ArgumentParser:
    """The command line; `--help` of each command says what it takes."""
    top = Parser(prog="python -m ddpm_lite", description="Train, sample and score the models of ddpm_lite.")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, help: str, **more) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, description=help, **more)

    train = command("train", "Train a model; torchrun --nproc-per-node N -m ddpm_lite train ... uses N GPUs.")
    train.add_argument("name", metavar="NAME", help=f"which preset: {', '.join(presets.PRESETS)}")
    train.add_argument("--out", metavar="DIR", type=Path, required=True, help="the run's folder: its checkpoint is kept there")
    how_long = train.add_mutually_exclusive_group()
    how_long.add_argument("--steps", type=whole(1, 10**9), metavar="N", help="train for N steps (default: the preset's)")
    how_long.add_argument("--minutes", type=MINUTES, metavar="M", help="train for about M minutes: the first steps are timed")
    train.add_argument("--data", metavar="DIR", type=Path, help="folder, clip-folder: your pictures, of any size and format")
    train.add_argument(
        "--captions", metavar="CSV", type=Path, help="with --data: lines of file,caption (default: the files' names)"
    )
    train.add_argument("--size", type=whole(1, 4096), metavar="N", help="with --data: learn N x N pixels (default 64)")
    train.add_argument("--resume", action="store_true", help="go on with the run in DIR, if there is one")
    train.add_argument("--seed", type=SEED, metavar="S", help="fixes the first weights and all random draws (default 0)")
    train.add_argument(
        "--batch-size",
        type=whole(1, 10**6),
        metavar="B",
        help="pictures per step, over all processes (default: the preset's)",
    )
    train.add_argument("--compile", action="store_true", help="use torch.compile: slow to start, then somewhat faster")

    sample = command("sample", "Draw pictures into one PNG.")
    sample.add_argument("name", metavar="NAME", help="digits, shapes, emoji, unclip-shapes, unclip-emoji, or the folder of a run")
    sample.add_argument(
        "asked",
        metavar="WHAT",
        nargs="*",
        help="what to draw, one picture each: labels (default: all in turn) or captions (default: the empty one)",
    )
    sample.add_argument(
        "-n",
        type=whole(1, MOST),
        metavar="N",
        help="how many pictures, going through WHAT in turn (default: one for each, or 16)",
    )

    vary = command("variations", "Draw variations of a picture: from its CLIP embedding, with new noise each time.")
    vary.add_argument("picture", metavar="FILE", type=Path, help="a picture of any format; its middle square is used")
    vary.add_argument("--name", default="unclip-emoji", choices=presets.CHAINS, help="which chain (default unclip-emoji)")
    vary.add_argument("-n", type=whole(1, MOST), default=8, metavar="N", help="how many variations (default 8)")

    for each, file in ((sample, "samples.png"), (vary, "variations.png")):
        each.add_argument("-o", "--out", type=Path, default=Path(file), metavar="FILE", help=f"the PNG to write (default {file})")
        each.add_argument("--seed", type=SEED, default=0, metavar="S", help="fixes the noise (default 0)")
        each.add_argument("--steps", type=int, metavar="N", help="network calls for each picture (default 50; unclip: 15)")
        each.add_argument(
            "--scale", type=float, metavar="S", help="guidance: 1 means none; more is clearer and less varied (default 2)"
        )
        each.add_argument(
            "--method", choices=["ddpm", "ddim", "dpm-solver++"], help="the sampler (default ddim; unclip: dpm-solver++)"
        )

    meanings = "keys of the result:\n" + "\n".join(f"  {key:20s} {meaning}" for key, meaning in evaluation.MEANING.items())
    score = command(
        "score", "Measure how good a model is.", epilog=meanings, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    score.add_argument("name", metavar="NAME", help="a shipped model or chain, or the folder of a run")
    score.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    score.add_argument("--seed", type=SEED, metavar="S", help="fixes what is drawn to be judged (default 0)")
    score.add_argument("--ship", action="store_true", help="also write weights (bf16) and card into the package's assets")

    for each in (train, sample, vary, score):
        each.add_argument("--device", default="auto", help="auto, cuda, mps or cpu (default auto)")
    command("lab", "Open JupyterLab on the notebooks.")
    site = command("site", "Write the course as self-contained web pages and slides, with live views.")
    site.add_argument(
        "--repository",
        metavar="URL",
        help="https://github.com/OWNER/NAME: the pages link to Colab, Binder and Codespaces (default: [project.urls], if set)",
    )
    grader = command("nbgrader", "Write the notebooks with exercises as a course for nbgrader, which grades the answers.")
    for each in (site, grader):
        each.add_argument("--out", metavar="DIR", type=Path, required=True, help="the folder to write into; created if necessary")
        each.add_argument(
            "--notebooks", metavar="DIR", type=Path, help="the notebooks (default: notebooks, here or beside the package)"
        )
    return top


def score(args: argparse.Namespace) -> None:
    """Print the numbers of a model."""
    model = find(args.name, distributed.start(choose_device(args.device)), [*presets.CHAINS, *presets.PRESETS])
    found = evaluation.ship(model, args.seed)["scores"] if args.ship else evaluation.score(model, args.seed)
    if distributed.rank() == 0:
        if args.json:
            print(json.dumps(found))
        else:
            for key, value in found.items():
                print(f"{key:20s} {value:8.4f}  {evaluation.MEANING[key]}")


def lab(args: argparse.Namespace) -> None:
    """Open JupyterLab on the notebooks and wait until it is closed."""
    import importlib.util

    if not BESIDE.is_dir():
        raise FileNotFoundError("The notebooks are not beside the package: run this from a clone installed with pip install -e.")
    if importlib.util.find_spec("jupyterlab") is None:
        raise FileNotFoundError('JupyterLab is not installed here: pip install -e ".[course]" installs it.')
    if subprocess.run([sys.executable, "-m", "jupyterlab", str(BESIDE)], check=False).returncode:
        raise Stopped("JupyterLab ended with an error: see above.")


def site(args: argparse.Namespace) -> None:
    """Write the course as web pages and slides."""
    with _extra_course():
        from .site import build
    files = build(args.notebooks or _notebooks(), args.out, args.repository)
    print(f"{len(files)} files in {args.out}; begin with {args.out / 'index.html'}")


def nbgrader(args: argparse.Namespace) -> None:
    """Write the course for nbgrader."""
    with _extra_course():
        from .commands.nbgrader import build
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
        raise FileNotFoundError(f'{error.name} is not installed here: pip install -e ".[course]" installs it.') from error


def _notebooks() -> Path:
    here = Path("notebooks")
    return here if here.is_dir() else BESIDE


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """A context in which each warning is printed once, on one line, without its place in the code."""
    said = set()

    def say(message: Warning | str, *_) -> None:
        if distributed.rank() == 0 and str(message) not in said:
            said.add(str(message))
            print(f"ddpm_lite: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = say
        yield


def _flush() -> None:
    """Write out what `print` has buffered. If that fails, Python does not try again when it exits."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:  # a closed pipe, a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


COMMANDS = {each.__name__: each for each in (train, sample, variations, score, lab, site, nbgrader)}


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit code: an error is one sentence and exit code 2."""
    args = argparse.Namespace(debug=False, command=None)
    try:
        interrupt.usual()
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # what the terminal cannot show is written as \u2026
                stream.reconfigure(errors="backslashreplace")
        args = parser().parse_args(argv)
        with _warnings_in_a_line():
            COMMANDS[args.command](args)
        _flush()
        return 0
    except KeyboardInterrupt:
        print("ddpm_lite: Interrupted.", file=sys.stderr)
    except Exception as error:
        if args.debug:
            raise
        checkpoint = args.out / trained.CHECKPOINT if args.command == "train" else None
        print(f"ddpm_lite: {sentence(error, checkpoint)}", file=sys.stderr)
    finally:
        distributed.stop()
    return 2


if __name__ == "__main__":
    sys.exit(main())
