"""The commands `sample` and `variations`: pictures into one PNG."""

import argparse
import io
from pathlib import Path

import torch
from PIL import Image, UnidentifiedImageError

from . import distributed, presets, weights, zoo
from .chain import Chain, load_chain
from .data import folder
from .device import choose_device
from .plots import tiles


def find(name: str, device: torch.device) -> zoo.Trained | Chain:
    """What a name of the command line stands for: a shipped chain, a shipped model, or the folder of a run."""
    return load_chain(name, device) if name in presets.CHAINS else zoo.load(name, device)


def sample(args: argparse.Namespace) -> None:
    """Draw pictures into a PNG file."""
    n = args.n if args.n is not None else len(args.asked) or 16
    _check_output(args.out, n)
    device = distributed.start(choose_device(args.device))
    name, *then = presets.ALIASES.get(args.name, [args.name])
    model = find(name, device)
    options = _drawing_options(args)
    images = model.draw(_asked(model, args.asked, n), **options)
    for upsampler in (zoo.load(name, device) for name in then):
        images = upsampler.draw(images, **options)
    _write_png(images, args.out, columns=10)


def variations(args: argparse.Namespace) -> None:
    """Draw a picture and its variations into a PNG file."""
    _check_output(args.out, args.n)
    if not args.picture.is_file():
        raise FileNotFoundError(f"There is no picture {str(args.picture)!r}.")
    chain = load_chain(args.name, distributed.start(choose_device(args.device)))
    size = chain.decoder.net.shape[1]
    try:
        with Image.open(args.picture) as file:
            pixels = torch.tensor(folder.square(file, size)).permute(2, 0, 1)[None]
    except UnidentifiedImageError:
        raise ValueError(f"{args.picture} is no picture that can be read: give a PNG or a JPEG, for example.") from None
    picture = pixels / 127.5 - 1
    drawn = chain.variations(picture, args.n, **_drawing_options(args))[0]
    seen = torch.nn.functional.interpolate(picture, drawn.shape[2:])
    _write_png(torch.cat([seen, drawn]), args.out, columns=9)


def _drawing_options(args: argparse.Namespace) -> dict:
    """The options of drawing; those not given are left to the model, as a chain draws in fewer steps."""
    options = {"seed": args.seed, "steps": args.steps, "scale": args.scale, "method": args.method}
    return {name: value for name, value in options.items() if value is not None}


def _check_output(out: Path, n: int) -> None:
    if not out.resolve().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {out.parent} to write {out.name} into.")
    if out.suffix.lower() != ".png":
        raise ValueError(f"{out} must end in .png: that is the format written.")
    if n < 1:
        raise ValueError(f"-n {n}, but at least one picture must be drawn.")


def _write_png(images: torch.Tensor, out: Path, columns: int) -> None:
    """Write pictures into one PNG, side by side, and say so."""
    if distributed.rank() == 0:
        png = io.BytesIO()
        Image.fromarray(tiles(images, columns=min(len(images), columns), zoom=8 if images.shape[3] <= 16 else 4)).save(png, "png")
        weights.write_atomically(out, png.getvalue())
        print(f"{len(images)} pictures in {out}")


def _asked(model: zoo.Trained | Chain, words: list[str], n: int) -> torch.Tensor | list[str]:
    """The n captions or labels that these words of the command line stand for, in turn."""
    if isinstance(model, Chain) or "words" in model.config:
        choice = words or [""]
        return [choice[i % len(choice)] for i in range(n)]
    try:  # a model that has no classes will say itself what it draws from
        labels = [int(word) for word in words] or list(range(model.config["net"].get("num_classes", 1)))
    except ValueError:
        raise ValueError(f"{model.name} draws by label, and a label is a number: {' '.join(words)!r} does not fit.") from None
    return torch.tensor([labels[i % len(labels)] for i in range(n)])
