"""python -m ddpm_lite train | sample | variations | score | lab | site | nbgrader"""

import argparse
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import distributed, presets, scores, zoo
from .device import choose_device
from .sampling import find, sample, variations
from .training import Stopped, train

BESIDE = Path(__file__).resolve().parent.parent / "notebooks"  # where they are in a clone


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
    sample.add_argument("name", metavar="NAME", help="digits, shapes, emoji, unclip-shapes, unclip-emoji, or the folder of a run")
    sample.add_argument(
        "asked",
        metavar="WHAT",
        nargs="*",
        help="what to draw, one picture each: labels (default: all in turn) or captions (default: the empty one)",
    )
    sample.add_argument(
        "-n", type=int, metavar="N", help="how many pictures, going through WHAT in turn (default: one for each, or 16)"
    )

    vary = command("variations", "Draw variations of a picture: what its CLIP embedding says of it, from new noise each time.")
    vary.add_argument("picture", metavar="FILE", type=Path, help="a picture of any format; its middle square is looked at")
    vary.add_argument("--name", default="unclip-emoji", choices=presets.CHAINS, help="which chain (default unclip-emoji)")
    vary.add_argument("-n", type=int, default=8, metavar="N", help="how many variations (default 8)")

    for each, file in ((sample, "samples.png"), (vary, "variations.png")):
        each.add_argument("-o", "--out", type=Path, default=Path(file), metavar="FILE", help=f"the PNG to write (default {file})")
        each.add_argument("--seed", type=int, default=0, metavar="S", help="fixes the noise (default 0)")
        each.add_argument("--steps", type=int, metavar="N", help="network calls for each picture (default 50; unclip: 15)")
        each.add_argument(
            "--scale", type=float, default=2.0, metavar="S", help="guidance: 1 none, more is clearer and less varied (default 2)"
        )
        each.add_argument(
            "--method", choices=["ddpm", "ddim", "dpm-solver++"], help="the sampler (default ddim; unclip: dpm-solver++)"
        )

    meanings = "keys of the result:\n" + "\n".join(f"  {key:20s} {meaning}" for key, meaning in scores.MEANING.items())
    score = command(
        "score", "Measure how good a model is.", epilog=meanings, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    score.add_argument("name", metavar="NAME", help="a shipped model or chain, or the folder of a run")
    score.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    score.add_argument("--seed", type=int, default=0, metavar="S", help="fixes the noise (default 0)")
    score.add_argument("--ship", action="store_true", help="also write weights (bf16) and card into the package's assets")

    for each in (train, sample, vary, score):
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


def score(args: argparse.Namespace) -> None:
    """Print the numbers of a model."""
    model = find(args.name, distributed.start(choose_device(args.device)))
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


COMMANDS = {each.__name__: each for each in (train, sample, variations, score, lab, site, nbgrader)}


def main(argv: list[str] | None = None) -> int:
    """Run a command; an error of the user's is one sentence and exit code 2."""
    args = parser().parse_args(argv)
    try:
        with _warnings_in_a_line():
            COMMANDS[args.command](args)
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
