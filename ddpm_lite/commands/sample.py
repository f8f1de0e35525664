"""The commands `sample` and `variations`: pictures into one PNG."""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from ..data import folder
from ..machine import distributed, files, weights
from ..machine.device import choose_device
from ..models import presets, trained
from ..models.unclip import Chain, load_chain
from ..views.plots import tiles

MOST = 10_000  # pictures in one PNG


def find(name: str, device: torch.device, known: Sequence[str]) -> trained.Trained | Chain:
    """What a name of the command line stands for: a shipped chain, a shipped model, or the folder of a run.

    FileNotFoundError for any other name, with the known ones.
    """
    if name in presets.CHAINS:
        return load_chain(name, device)
    if name not in presets.PRESETS and not Path(name).is_dir():
        raise FileNotFoundError(presets.unknown(name, known))
    return trained.load(name, device)


def drawing() -> list[str]:
    """The names that `sample` accepts: short ones, chains, and models that do not start from a picture."""
    models = (name for name, each in presets.PRESETS.items() if each["kind"] == "unet" and each["data"] != "folder")
    alone = (name for name in models if "noise" not in presets.PRESETS[name].get("loss", {}))
    return [*presets.ALIASES, *presets.CHAINS, *alone]


def sample(args: argparse.Namespace) -> None:
    """Draw pictures into a PNG file."""
    n = args.n if args.n is not None else len(args.asked) or 16
    if n < len(args.asked):
        raise ValueError(f"-n {n} leaves out some of the {len(args.asked)} things asked for: give a larger -n, or leave it out.")
    _check_output(args.out)
    device = distributed.start(choose_device(args.device))
    name, *then = presets.ALIASES.get(args.name, [args.name])
    model = find(name, device, drawing())
    options = _drawing_options(args)
    asked = _asked(model, args.asked, n)
    images = model.draw(asked, **options)
    options.pop("scale", None)  # no upsampler has guidance
    for upsampler in (trained.load(name, device) for name in then):
        images = upsampler.draw(images, **options)
    _write_png(images, args.out, columns=10)


def variations(args: argparse.Namespace) -> None:
    """Draw a picture and its variations into a PNG file."""
    _check_output(args.out)
    if not args.picture.is_file():
        raise FileNotFoundError(f"There is no picture {str(args.picture)!r}.")
    chain = load_chain(args.name, distributed.start(choose_device(args.device)))
    try:
        pixels = torch.tensor(folder.read(args.picture, chain.decoder.net.shape[1])).permute(2, 0, 1)[None]
    except ValueError as error:
        raise ValueError(f"{args.picture} cannot be read: {error}.") from error
    picture = pixels / 127.5 - 1
    drawn = chain.variations(picture, args.n, **_drawing_options(args))[0]
    seen = torch.nn.functional.interpolate(picture, drawn.shape[2:])
    _write_png(torch.cat([seen, drawn]), args.out, columns=9)


def _drawing_options(args: argparse.Namespace) -> dict:
    """The options of drawing; those not given are left to the model, since a chain needs fewer steps."""
    options = {"seed": args.seed, "steps": args.steps, "scale": args.scale, "method": args.method}
    return {name: value for name, value in options.items() if value is not None}


def _check_output(out: Path) -> None:
    """Raise an error, before anything is drawn, if the PNG cannot be written."""
    if not out.resolve().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {out.parent} to write {out.name} into.")
    if not out.name.lower().endswith(".png"):
        raise ValueError(f"{out} must end in .png: that is the format written.")
    if distributed.first():
        files.check_file(out)


def _write_png(images: torch.Tensor, out: Path, columns: int) -> None:
    """Write pictures into one PNG, side by side, and say so."""
    if distributed.rank() == 0:
        png = io.BytesIO()
        Image.fromarray(tiles(images, columns=min(len(images), columns), zoom=8 if images.shape[3] <= 16 else 4)).save(png, "png")
        weights.write_atomically(out, png.getvalue())
        print(f"{len(images)} pictures in {out}")


def _asked(model: trained.Trained | Chain, words: list[str], n: int) -> torch.Tensor | list[str]:
    """The n captions or labels that these words of the command line stand for, in turn. ValueError for what does not fit."""
    if isinstance(model, trained.Trained) and not model.draws:
        raise ValueError(f"{model.name} does not draw pictures; these models do: {', '.join(drawing())}.")
    if isinstance(model, trained.Trained) and model.enlarges:
        short = [f"'sample {name}'" for name, parts in presets.ALIASES.items() if model.name in parts[1:]]
        raise ValueError(f"{model.name} enlarges the pictures of another model: {' or '.join(short)} draws and enlarges.")
    if isinstance(model, Chain) or model.reads:
        return _in_turn(words or [""], n)
    classes = model.config["net"]["num_classes"]
    fit = {str(label): label for label in range(classes + 1)}
    wrong = [word for word in words if word not in fit]
    if wrong:
        takes = f"a number from 0 to {classes - 1}, or {classes} for no condition"
        raise ValueError(f"{model.name} draws by label, {takes}: {wrong[0][:40]!r} does not fit.")
    return torch.tensor(_in_turn([fit[word] for word in words] or list(range(classes)), n))


def _in_turn(choice: list, n: int) -> list:
    return [choice[i % len(choice)] for i in range(n)]
