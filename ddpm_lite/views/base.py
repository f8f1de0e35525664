"""What the slider views share: data that is sent once, a state of a few numbers, a filmstrip for where no widget runs.

A view is two halves. The Python half holds the data and the state, and `frame()` says what is drawn, computed with the
package's maths; the browser half (the .js beside it, after base.js) computes the same and draws it, at every move.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import numpy as np
import torch
import traitlets
from IPython.display import display
from jaxtyping import Float
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from ..maths.checks import require_pictures
from ..maths.schedule import Schedule
from . import plots

HERE = Path(__file__).parent


class View(anywidget.AnyWidget):
    """A picture that moves with its sliders, in a notebook.

    A subclass sets `_esm = esm(NAME)` and STATE, and defines its traits, `frame`, `describe` and `filmstrip`.
    """

    STATE: ClassVar[tuple[str, ...]] = ()  # the traits that the reader moves; Reset puts them back
    _css = (HERE / "base.css").read_text(encoding="utf-8")
    start = traitlets.Dict(help="the first state, to which Reset goes back").tag(sync=True)
    big = traitlets.Bool(False, help="large letters and the full width, for the projector").tag(sync=True)
    fault = traitlets.Unicode("", help="what went wrong in the browser half; empty if nothing did").tag(sync=True)

    def __init__(self, **traits: Any):
        super().__init__(**traits)
        self.start = {name: getattr(self, name) for name in self.STATE}

    def frame(self) -> dict[str, np.ndarray]:
        """The numbers that are drawn in the current state."""
        raise NotImplementedError

    def describe(self) -> str:
        """The current state in words: the caption of the live view, and what a screen reader says of it."""
        raise NotImplementedError

    def filmstrip(self) -> Figure:
        """A few well-chosen states as one figure, which a printed page shows instead of the view."""
        raise NotImplementedError

    def show(self, caption: str) -> None:
        """Display the view, and after it the filmstrip with its caption, for where no view runs.

        The caption describes the filmstrip and is its text alternative. A live view has its own caption, `describe()`, which
        follows its state; base.css then hides the filmstrip and this caption.
        """
        display(self)
        plots.show(self.filmstrip(), caption)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**kwargs)
        assert bundle is not None, "only a widget without a view has none"
        data, metadata = bundle
        return {**data, "text/plain": self.describe()}, metadata


def esm(name: str) -> str:
    """The browser half of a view: base.js, which all views share, and its own file."""
    return halves("base", name)


def halves(*names: str) -> str:
    """Files of the browser halves, one after the other. Comments are left out, but not their lines: each view has a copy."""
    files = "".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in names)
    return re.sub(r"^ *//.*$", "", files, flags=re.MULTILINE)


def pictures(x: Float[Tensor, "n c h w"], name: str = "pictures") -> Float[Tensor, "n c h w"]:
    """Return x if it can be shown: 1 to 32 pictures (n, 1 or 3, h, w), finite and within [-1, 1]. ValueError otherwise."""
    if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[1] not in (1, 3) or 0 in x.shape:
        shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"{name} must be a tensor (n, 1 or 3, height, width) of grey or colour pictures, not {shape}.")
    if len(x) > 32 or x.numel() > 400_000:
        raise ValueError(
            f"{name}: {len(x)} pictures of {x.shape[2]} x {x.shape[3]} are too many to see; show at most 32 small ones."
        )
    if not x.isfinite().all() or x.abs().max() > 1:
        raise ValueError(f"{name} must lie within [-1, 1] and be finite; these run from {x.min():.3g} to {x.max():.3g}.")
    return x


def float32(x: Tensor | np.ndarray) -> bytes:
    """The numbers as little-endian float32 in row-major order."""
    return np.asarray(x, dtype="<f4").tobytes()


def uint8(x: Float[Tensor, "..."]) -> bytes:
    """Pictures in [-1, 1] as bytes 0..255. ValueError for another range."""
    require_pictures(x=x)
    return torch.round((x.double() + 1) * 127.5).byte().numpy().tobytes()


def packed(x: Float[Tensor, "... c h w"]) -> list[bytes]:
    """Each picture in [-1, 1] in few bytes: its bytes 0..255, or, where that takes fewer, a palette of 256 colours and the
    number of each pixel's colour. A picture of more than 256 colours keeps those that are nearest. ValueError for another range.
    """
    *_, c, h, w = x.shape
    pixels = np.frombuffer(uint8(x), "u1").reshape(-1, c, h, w)
    if not _has_palette(c, h, w):
        return [picture.tobytes() for picture in pixels]
    stored = []
    for picture in pixels:
        few = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).quantize(256, kmeans=2, dither=Image.Dither.NONE)
        stored.append(bytes(few.getpalette() or []).ljust(768, b"\0") + np.asarray(few).tobytes())
    return stored


def unpacked(data: bytes, c: int, h: int, w: int) -> Float[np.ndarray, "n c h w"]:
    """The pictures that `packed` has stored, one after the other."""
    if not _has_palette(c, h, w):
        return np.frombuffer(data, "u1").reshape(-1, c, h, w) / 127.5 - 1
    stored = np.frombuffer(data, "u1").reshape(-1, 768 + h * w)
    colors = np.stack([picture[:768].reshape(256, 3)[picture[768:]] for picture in stored])
    return colors.reshape(-1, h, w, 3).transpose(0, 3, 1, 2) / 127.5 - 1


def _has_palette(c: int, h: int, w: int) -> bool:
    """Whether a palette and one byte a pixel are fewer bytes than one for each of the pixel's three values."""
    return c == 3 and 768 + h * w < 3 * h * w


def int16(eps: Float[Tensor, "..."]) -> bytes:
    """Noise in steps of 8/32767, clipped at 8 standard deviations."""
    return (eps.double().clamp(-8, 8) * (32767 / 8)).round().short().numpy().astype("<i2").tobytes()


def uniform(i: np.ndarray) -> np.ndarray:
    """Uniform numbers in (0, 1) as a function of integers, the same as `uniform` in base.js: the finalizer of MurmurHash3."""
    i = np.asarray(i, dtype=np.uint32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        i = (i ^ (i >> np.uint32(shift))) * np.uint32(factor)
    return ((i ^ (i >> np.uint32(16))) + 0.5) / 2**32


def normal(counter: np.ndarray) -> np.ndarray:
    """Standard normal noise as a function of integers below 2^31, the same as `normal` in base.js: for noise too long to send.

    The Box-Muller transform of two hashes of the counter.
    """
    i = np.asarray(counter, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return np.sqrt(-2 * np.log(uniform(i))) * np.cos(2 * np.pi * uniform(i + np.uint32(1)))


def sent(view: View) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"]]:
    """The pictures and the noise of a view, float64, as the browser decodes them from `uint8` and `int16`."""
    x0, eps = np.frombuffer(view.x0, "u1") / 127.5 - 1, np.frombuffer(view.eps, "<i2") * (8 / 32767)
    return torch.from_numpy(x0.reshape(view.shape)), torch.from_numpy(eps.reshape(view.shape))


def six_steps(at: Callable[[int], Float[Tensor, "1 c h w"]], schedule: Schedule) -> Figure:
    """A filmstrip of a picture at six steps from 0 to T, `at(t)`, with the signal left under each."""
    steps = [round(schedule.T * k / 10) for k in (0, 1, 2, 3, 5, 10)]
    row = torch.cat([at(t) for t in steps])
    return plots.figure_strip({"$x_t$": row}, [f"t = {t}\n{schedule.alpha_bar[t]:.1%}" for t in steps])
