"""What the commands that draw share: how they are asked, and the one PNG that they write."""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from ..machine import distributed, files, weights
from ..models import presets, trained
from ..models.model import Trained
from ..models.unclip import Chain, load_chain
from ..views.plots import tiles

MOST = 10_000  # pictures in one PNG


def find(name: str, device: torch.device, known: Sequence[str]) -> Trained | Chain:
    """What a name of the command line stands for: a shipped chain, a shipped model, or the folder of a run.

    FileNotFoundError for any other name, with the known ones.
    """
    if name in presets.CHAINS:
        return load_chain(name, device)
    if name not in presets.PRESETS and not Path(name).is_dir():
        raise FileNotFoundError(presets.unknown(name, known))
    return trained.load(name, device)


def drawing_options(args: argparse.Namespace) -> dict:
    """The options of drawing; those not given are left to the model, since a chain needs fewer steps."""
    options = {"seed": args.seed, "steps": args.steps, "scale": args.scale, "method": args.method}
    return {name: value for name, value in options.items() if value is not None}


def check_output(out: Path) -> None:
    """Raise an error, before anything is drawn, if the PNG cannot be written."""
    if not out.resolve().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {out.parent} to write {out.name} into.")
    if not out.name.lower().endswith(".png"):
        raise ValueError(f"{out} must end in .png: that is the format written.")
    if distributed.first():
        files.check_file(out)


def write_png(images: torch.Tensor, out: Path, columns: int) -> None:
    """Write pictures into one PNG, side by side, and say so."""
    if distributed.rank() == 0:
        png = io.BytesIO()
        Image.fromarray(tiles(images, columns=min(len(images), columns), zoom=8 if images.shape[3] <= 16 else 4)).save(png, "png")
        weights.write_atomically(out, png.getvalue())
        print(f"{len(images)} pictures in {out}")
