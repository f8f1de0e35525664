"""Sheet: pictures that a network has drawn beforehand, over a few axes; the sliders pick which are seen."""

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..plots import figure_strip
from .base import View, esm, uint8


class Sheet(View):
    """Pictures over axes, such as guidance x seed: each axis becomes a trait, `view.seed = 3`, and a slider.

    frames  (*axes, rows, n, c, h, w) in [-1, 1]: for each place on the axes some rows of n grey or colour pictures
    axes    {name: its values}: numbers get a slider, words a list to choose from; ValueError unless they fit the frames
    rows    what stands at the left of each row
    title   what is seen, in words: "Ten digits on their way from noise"
    play    the axis that Play runs through, if any
    state   the place shown first, the first value of each axis unless given
    """

    _esm = esm("sheet")
    title = traitlets.Unicode().tag(sync=True)
    rows = traitlets.List(traitlets.Unicode()).tag(sync=True)
    axes = traitlets.Dict().tag(sync=True)
    play = traitlets.Unicode("").tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    frames = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        frames: Float[Tensor, "*axes rows n c h w"],
        axes: dict[str, list],
        rows: list[str],
        title: str,
        play: str = "",
        **state,
    ):
        lengths = [len(values) for values in axes.values()]
        if frames.ndim != len(axes) + 5 or list(frames.shape[:-4]) != [*lengths, len(rows)] or frames.shape[-3] not in (1, 3):
            raise ValueError(
                f"frames must be ({', '.join(axes)}, rows, n, 1 or 3, height, width) with {[*lengths, len(rows)]} in front, "
                f"not {tuple(frames.shape)}."
            )
        if 0 in frames.shape or not frames.isfinite().all() or frames.abs().max() > 1:
            raise ValueError("frames must hold at least one picture, and all must be finite and lie within [-1, 1].")
        if frames.numel() > 800_000:
            raise ValueError(f"frames hold {frames.numel():,} numbers; more than 800,000 would make the notebook too large.")
        if play and play not in axes:
            raise ValueError(f"play = {play!r} is none of the axes {', '.join(axes)}.")
        super().__init__(title=title, rows=rows, axes=axes, play=play, frames=uint8(frames), shape=list(frames.shape[-5:]))
        self.add_traits(**{name: traitlets.Enum(values, values[0]).tag(sync=True) for name, values in axes.items()})
        for name, value in state.items():
            if name not in axes:
                raise ValueError(f"There is no axis {name!r}: there are {', '.join(axes)}.")
            setattr(self, name, value)
        self.start = {name: getattr(self, name) for name in axes}

    def at(self, **state) -> Float[Tensor, "rows n c h w"]:
        """The pictures at a place on the axes, the present one where `state` does not say."""
        index = 0
        for name, values in self.axes.items():
            index = index * len(values) + values.index(state.get(name, getattr(self, name)))
        pixels = np.frombuffer(self.frames, "u1").reshape(-1, *self.shape)[index]
        return torch.from_numpy(pixels / 127.5 - 1)

    def frame(self) -> dict[str, np.ndarray]:
        """pictures (rows, n, c, h, w) at the present place on the axes."""
        return {"pictures": self.at().numpy()}

    def describe(self) -> str:
        """The title and the place on the axes."""
        state = {name: getattr(self, name) for name in self.axes}
        words = (f"{name} {value if isinstance(value, str) else format(value, '.6g')}" for name, value in state.items())
        return f"{self.title}: {', '.join(words)}."

    def filmstrip(self) -> Figure:
        """The first picture of each row at up to six values of the axis that plays (or the first)."""
        axis = self.play or next(iter(self.axes))
        values = self.axes[axis]
        shown = [values[round(i)] for i in np.linspace(0, len(values) - 1, min(6, len(values)))]
        pictures = torch.stack([self.at(**{axis: value})[:, 0] for value in shown], 1)
        return figure_strip(dict(zip(self.rows, pictures, strict=True)), [f"{axis} {value}" for value in shown])
