"""The command `sample`: pictures into one PNG."""

import argparse
from typing import Any

import torch

from ..machine import distributed
from ..machine.device import choose_device
from ..models import presets, trained
from ..models.kinds import MODELS, ClassModel, TextModel, UpsamplingModel
from ..models.model import Trained
from ..models.unclip import Chain
from .arguments import whole
from .common import add_drawing, add_parser, find, show_progress
from .png import MOST, Film, check_output, drawing_options, write_png


def drawing() -> list[str]:
    """The names that `sample` accepts: short ones, chains, and models that do not start from a picture."""
    able = (ClassModel, TextModel)
    models = (name for name, each in presets.PRESETS.items() if issubclass(MODELS[each.kind], able) and each.data != "folder")
    return [*presets.ALIASES, *presets.CHAINS, *models]


def add(commands: Any) -> None:
    """The command line of `sample`."""
    parser = add_parser(commands, "sample", "Draw pictures into one PNG.")
    parser.add_argument("name", metavar="NAME", help="digits, shapes, emoji, unclip-emoji, or the folder of a run")
    parser.add_argument(
        "conditions",
        metavar="WHAT",
        nargs="*",
        help="what to draw, one picture each: labels (default: all in turn) or captions (default: the empty one)",
    )
    parser.add_argument(
        "-n",
        type=whole(1, MOST),
        metavar="N",
        help="how many pictures, going through WHAT in turn (default: one for each, or 16)",
    )
    parser.add_argument("--animate", action="store_true", help="let the PNG show how the pictures come out of the noise")
    add_drawing(parser, "samples.png")


def sample(args: argparse.Namespace) -> None:
    """Draw pictures into a PNG file."""
    n = args.n if args.n is not None else len(args.conditions) or 16
    if n < len(args.conditions):
        raise ValueError(
            f"-n {n} leaves out some of the {len(args.conditions)} things asked for: give a larger -n, or leave it out."
        )
    check_output(args.out)
    device = distributed.start(choose_device(args.device))
    name, *then = presets.ALIASES.get(args.name, [args.name])
    model: Any = find(name, device, drawing())  # `_conditions` refuses one that does not draw
    options = drawing_options(args)
    conditions = _conditions(model, args.conditions, n)
    show_progress(model)
    film = Film(model.decoder if isinstance(model, Chain) else model, n) if args.animate else None
    images = model.draw(conditions, **options)
    for upsampler in (trained.load(name, device) for name in then):
        show_progress(upsampler)
        assert isinstance(upsampler, UpsamplingModel), "presets.ALIASES names one"
        images = upsampler.draw(images, conditions if upsampler.recipe.reads else None, seed=args.seed)
    columns = 10 if images.shape[3] <= 16 else 5
    write_png(images, args.out, columns, before=film.frames if film else [])


def _conditions(model: Trained | Chain, words: list[str], n: int) -> torch.Tensor | list[str]:
    """The n captions or labels that these words of the command line stand for, in turn. ValueError for what does not fit."""
    if isinstance(model, UpsamplingModel):
        short = [f"'sample {name}'" for name, parts in presets.ALIASES.items() if model.name in parts[1:]]
        raise ValueError(f"{model.name} enlarges the pictures of another model: {' or '.join(short)} draws and enlarges.")
    if isinstance(model, Chain | TextModel):
        return _in_turn(words or [""], n)
    if not isinstance(model, ClassModel):
        raise ValueError(f"{model.name} does not draw pictures; these models do: {', '.join(drawing())}.")
    classes = model.classes
    fit = {str(label): label for label in range(classes + 1)}
    wrong = [word for word in words if word not in fit]
    if wrong:
        takes = f"a number from 0 to {classes - 1}, or {classes} for no condition"
        raise ValueError(f"{model.name} draws by label, {takes}: {wrong[0][:40]!r} does not fit.")
    return torch.tensor(_in_turn([fit[word] for word in words] or list(range(classes)), n))


def _in_turn(choice: list, n: int) -> list:
    return [choice[i % len(choice)] for i in range(n)]
