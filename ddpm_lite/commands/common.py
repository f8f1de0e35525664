"""What several commands share: their parsers, the options of drawing, what a name stands for, and where the notebooks are."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..machine import distributed
from ..models import presets, trained
from ..models.model import DrawingModel, Trained
from ..models.unclip import Chain, load_chain
from ..sampling.loop import Frame
from ..sampling.samplers import SAMPLERS
from .arguments import SEED

BESIDE = Path(__file__).resolve().parents[2] / "notebooks"  # where they are in a clone


def add_parser(commands: Any, name: str, help: str, **more: Any) -> argparse.ArgumentParser:
    """The parser of a sub-command."""
    return commands.add_parser(name, help=help, description=help, **more)


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option --device."""
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu (default auto)")


def add_drawing(parser: argparse.ArgumentParser, file: str) -> None:
    """The options of a command that draws into one PNG."""
    parser.add_argument("-o", "--out", type=Path, default=Path(file), metavar="FILE", help=f"the PNG to write (default {file})")
    parser.add_argument("--seed", type=SEED, default=0, metavar="S", help="fixes the noise (default 0)")
    parser.add_argument(
        "--steps", type=int, metavar="N", help="network calls for each picture (default 50; unclip 15; few-steps 4)"
    )
    parser.add_argument(
        "--scale", type=float, metavar="S", help="guidance: 1 means none; more is clearer and less varied (default 2)"
    )
    parser.add_argument("--method", choices=list(SAMPLERS), help="the sampler (default ddim; unclip: dpm-solver++)")
    add_device(parser)


def add_writing(parser: argparse.ArgumentParser) -> None:
    """The options of a command that writes something made from the notebooks."""
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the folder to write into; created if necessary")
    parser.add_argument(
        "--notebooks", metavar="DIR", type=Path, help="the notebooks (default: notebooks, here or beside the package)"
    )


def find(name: str, device: torch.device, known: Sequence[str]) -> Trained | Chain:
    """What a name of the command line stands for: a shipped chain, a shipped model, or the folder of a run.

    FileNotFoundError for any other name, with the known ones.
    """
    if name in presets.CHAINS:
        return load_chain(name, device)
    if name not in presets.PRESETS and not Path(name).is_dir():
        raise FileNotFoundError(presets.unknown(name, known))
    return trained.load(name, device)


def show_progress(*models: Any) -> None:
    """Let these models, and those in a chain, show a progress bar while they draw, if somebody sits at the terminal."""

    def bar(frames: Iterator[Frame], count: int, name: str) -> Iterator[Frame]:
        return iter(tqdm(frames, total=count, desc=name, unit=" steps", leave=False, disable=None))

    for model in models:
        if isinstance(model, Chain):
            show_progress(model.decoder, model.upsampler)
        elif isinstance(model, DrawingModel) and distributed.rank() == 0:
            model.watch = partial(bar, name=model.name)


def notebooks(given: Path | None) -> Path:
    """The folder of notebooks that is given, else the one here, else the one beside the package."""
    here = Path("notebooks")
    return given or (here if here.is_dir() else BESIDE)


@contextmanager
def extra_course() -> Iterator[None]:
    """Around an import that needs the extra `course`: without it, one sentence says how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("nbconvert", "nbformat", "pdoc"):
            raise
        raise FileNotFoundError(f'{error.name} is not installed here: pip install -e ".[course]" installs it.') from error
