"""python -m ddpm_lite train | sample | variations | score | lab | site | nbgrader"""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .commands import lab, nbgrader, sample, score, site, train, variations
from .commands.arguments import Parser
from .commands.errors import sentence
from .machine import distributed, interrupt
from .models.trained import CHECKPOINT


def parser() -> argparse.ArgumentParser:
    """The command line; `--help` of each command says what it takes."""
    top = Parser(prog="python -m ddpm_lite", description="Train, sample and score the models of ddpm_lite.")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True)
    for module in (train, sample, variations, score, lab, site, nbgrader):
        module.add(commands)
    return top


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """A context in which each warning is printed once, on one line, without its place in the code."""
    said = set()

    def say(message: Warning | str, *_: object, **__: object) -> None:
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


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "train": train.train,
    "sample": sample.sample,
    "variations": variations.variations,
    "score": score.score,
    "lab": lab.lab,
    "site": site.site,
    "nbgrader": nbgrader.nbgrader,
}


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
        checkpoint = args.out / CHECKPOINT if args.command == "train" else None
        print(f"ddpm_lite: {sentence(error, checkpoint)}", file=sys.stderr)
    finally:
        distributed.stop()
    return 2


if __name__ == "__main__":
    sys.exit(main())
