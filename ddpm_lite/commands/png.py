"""What the commands that draw share: how they are asked, and the one PNG that they write."""

import argparse
import io
from pathlib import Path

import torch
from PIL import Image

from ..data.tiles import tiles
from ..machine import distributed, files, weights

MOST = 10_000  # pictures in one PNG


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
