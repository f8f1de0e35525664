"""The command `score`: the numbers of a model, and how it is shipped."""

import argparse
import json
from pathlib import Path
from typing import Any

from ..machine import distributed
from ..machine.device import choose_device
from ..models import evaluation, presets, trained
from .arguments import SEED
from .common import add_device, add_parser, find


def add(commands: Any) -> None:
    """The command line of `score`."""
    meanings = "keys of the result:\n" + "\n".join(f"  {key:20s} {meaning}" for key, meaning in evaluation.MEANING.items())
    raw = argparse.RawDescriptionHelpFormatter
    parser = add_parser(commands, "score", "Measure how good a model is.", epilog=meanings, formatter_class=raw)
    parser.add_argument("name", metavar="NAME", help="a shipped model or chain, or the folder of a run")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--seed", type=SEED, metavar="S", help="fixes what is drawn to be judged (default 0)")
    parser.add_argument("--release", action="store_true", help="also write weights (bf16) and card into the package's assets")
    parser.add_argument(
        "--earlier",
        metavar="DIR",
        nargs="+",
        type=Path,
        help="with --release, for a model that draws emoji: earlier checkpoints of the run, for a curve of what it composes",
    )
    add_device(parser)


def score(args: argparse.Namespace) -> None:
    """Print the numbers of a model."""
    if args.earlier and not args.release:
        raise ValueError("--earlier makes a curve of the card, so it needs --release: give both, or leave it out.")
    device = distributed.start(choose_device(args.device))
    model = find(args.name, device, [*presets.CHAINS, *presets.PRESETS])
    earlier = [trained.load(each.resolve(), device) for each in args.earlier or ()]
    found = evaluation.release(model, args.seed, earlier)["scores"] if args.release else evaluation.score(model, args.seed)
    if distributed.rank() == 0:
        if args.json:
            print(json.dumps(found))
        else:
            for key, value in found.items():
                print(f"{key:20s} {value:8.4f}  {evaluation.MEANING[key]}")
