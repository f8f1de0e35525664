"""The command `variations`: a picture and variations of it into one PNG."""

import argparse
from pathlib import Path
from typing import Any

import torch

from ..data import folder
from ..machine import distributed
from ..machine.device import choose_device
from ..models import presets
from ..models.unclip import load_chain
from .arguments import whole
from .common import add_drawing, add_parser, show_progress
from .png import MOST, check_output, drawing_options, write_png


def add(commands: Any) -> None:
    """The command line of `variations`."""
    parser = add_parser(
        commands, "variations", "Draw variations of a picture: from its CLIP embedding, with new noise each time."
    )
    parser.add_argument("picture", metavar="FILE", type=Path, help="a picture of any format; its middle square is used")
    parser.add_argument("--name", default="unclip-emoji", choices=presets.CHAINS, help="which chain (default unclip-emoji)")
    parser.add_argument("-n", type=whole(1, MOST), default=8, metavar="N", help="how many variations (default 8)")
    add_drawing(parser, "variations.png")


def variations(args: argparse.Namespace) -> None:
    """Draw a picture and its variations into a PNG file."""
    check_output(args.out)
    if not args.picture.is_file():
        raise FileNotFoundError(f"There is no picture {str(args.picture)!r}.")
    chain = load_chain(args.name, distributed.start(choose_device(args.device)))
    try:
        pixels = torch.tensor(folder.read(args.picture, chain.decoder.net.shape[1])).permute(2, 0, 1)[None]
    except ValueError as error:
        raise ValueError(f"{args.picture} cannot be read: {error}.") from error
    picture = pixels / 127.5 - 1
    show_progress(chain)
    drawn = chain.variations(picture, args.n, **drawing_options(args))[0]
    seen = torch.nn.functional.interpolate(picture, drawn.shape[2:])
    write_png(torch.cat([seen, drawn]), args.out, columns=9)
