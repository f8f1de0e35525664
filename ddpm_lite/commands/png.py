"""What the commands that draw share: how they are asked, and the one PNG that they write."""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image

from ..data.tiles import tiles
from ..machine import distributed, files, weights
from ..models.model import AT_ONCE, DrawingModel
from ..sampling.loop import Frame

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


class Film:
    """Keeps what a model has on its way from noise to pictures. ValueError for more pictures than it draws at once, and for
    several processes, of which each draws a part."""

    def __init__(self, model: DrawingModel, n: int):
        if n > AT_ONCE or distributed.world_size() > 1:
            raise ValueError(f"--animate shows at most {AT_ONCE} pictures, drawn by one process: ask for fewer, or leave it out.")
        self.frames: list[torch.Tensor] = []
        self.model, self.watch = model, model.watch
        model.watch = self.keep

    def keep(self, frames: Iterator[Frame], count: int) -> Iterator[Frame]:
        """The frames, unchanged."""
        for frame in self.watch(frames, count):
            self.frames.append(self.model.picture(frame.x_t).cpu())
            yield frame


def write_png(images: torch.Tensor, out: Path, columns: int, before: Sequence[torch.Tensor] = ()) -> None:
    """Write pictures into one PNG, side by side, and say so. What was `before` is shown before them, all at half the size: an
    animated PNG, which begins again after three seconds, and is the last picture where nothing can move."""
    if distributed.rank() == 0:
        png = io.BytesIO()
        zoom = (8 if images.shape[3] <= 16 else 4) // (2 if before else 1)
        larger = [F.interpolate(each, images.shape[2:]) for each in before]
        *film, last = [Image.fromarray(tiles(each, min(len(each), columns), zoom)) for each in (*larger, images)]
        moving = {"save_all": True, "default_image": True, "append_images": [*film, last], "loop": 0}
        last.save(png, "png", **(moving | {"duration": [120] * len(film) + [3000]} if film else {}))
        weights.write_atomically(out, png.getvalue())
        print(f"{len(images)} picture{'s' if len(images) != 1 else ''} in {out}")
