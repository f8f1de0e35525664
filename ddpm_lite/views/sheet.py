"""Sheet: pictures that a network has drawn in advance, over a few axes; the sliders choose which are shown."""

import math
from typing import Any

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from .base import View, esm, packed, unpacked
from .plots import figure_strip


class Sheet(View):
    """Pictures over axes, such as guidance x seed: each axis becomes a trait, `view.seed = 3`, and a slider.

    frames   (*axes, rows, n, c, h, w) in [-1, 1]: for each place on the axes some rows of n grey or colour pictures
    axes     {name: its values}: numbers get a slider, words a list to choose from; ValueError unless they fit the frames
    rows     what stands at the left of each row
    title    what is seen, in words: "Ten digits on their way from noise"
    columns  what stands over each column, if anything
    play     the axis that Play runs through, if any; the words then say since when a picture has not changed along it
    several  the axis whose values can be seen all at once, if any: `view.compare = "x_t of every seed"`
    state    the place shown first, the first value of each axis unless given

    Places with the same pictures are sent once; colour pictures of more than 384 pixels are sent with 256 colours each.
    ValueError for more than 800,000 bytes then, too many for a notebook.
    """

    _esm = esm("sheet")
    title = traitlets.Unicode().tag(sync=True)
    rows = traitlets.List(traitlets.Unicode()).tag(sync=True)
    columns = traitlets.List(traitlets.Unicode()).tag(sync=True)
    axes: traitlets.List[Any] = traitlets.List(
        help="[name, its values] for each axis; a saved notebook keeps the order of a list only"
    ).tag(sync=True)
    play = traitlets.Unicode("").tag(sync=True)
    several = traitlets.Unicode("").tag(sync=True)
    comparisons = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    places = traitlets.List(traitlets.Int()).tag(sync=True)
    frames = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        frames: Float[Tensor, "*axes rows n c h w"],
        axes: dict[str, list],
        rows: list[str],
        title: str,
        columns: list[str] | None = None,
        play: str = "",
        several: str = "",
        **state: Any,
    ):
        for name, values in axes.items():
            self._check_axis(name, values)
        lengths = [*map(len, axes.values()), len(rows)]
        if not axes or frames.ndim != len(lengths) + 4 or list(frames.shape[:-4]) != lengths or frames.shape[-3] not in (1, 3):
            raise ValueError(
                f"frames must be ({', '.join(axes)}, rows, n, 1 or 3, height, width) with {lengths} in front and at least "
                f"one axis, not {tuple(frames.shape)}."
            )
        if 0 in frames.shape or not frames.isfinite().all() or frames.abs().max() > 1:
            raise ValueError("frames must hold at least one picture, and all must be finite and lie within [-1, 1].")
        if columns is not None and len(columns) != frames.shape[-4]:
            raise ValueError(f"columns names {len(columns)} columns, but there are {frames.shape[-4]}.")
        for role, axis in (("play", play), ("several", several)):
            if axis and axis not in axes:
                raise ValueError(f"{role} = {axis!r} is none of the axes {', '.join(axes)}.")
        if play and play == several:
            raise ValueError(f"{play!r} cannot both play and be seen all at once.")
        stored: dict[bytes, int] = {}  # the pictures of a place: their number in the order of appearance
        places = [stored.setdefault(b"".join(packed(place)), len(stored)) for place in frames.flatten(0, -6)]
        if sum(map(len, stored)) > 800_000:
            raise ValueError(f"frames take {sum(map(len, stored)):,} bytes; more than 800,000 would make the notebook too large.")
        comparisons = [f"one {several}", *(f"{row} of every {several}" for row in rows)] if several else []
        traits = {name: traitlets.Enum(values, values[0]).tag(sync=True) for name, values in axes.items()}
        if several:
            traits["compare"] = traitlets.Enum(comparisons, comparisons[0]).tag(sync=True)
        for name in state.keys() - traits:
            raise ValueError(f"There is no axis {name!r}: there are {', '.join(axes)}.")
        self._values = axes
        super().__init__(
            title=title,
            rows=rows,
            columns=columns or [],
            axes=[[name, list(values)] for name, values in axes.items()],
            play=play,
            several=several,
            comparisons=comparisons,
        )
        self.shape, self.places, self.frames = list(frames.shape[-5:]), places, b"".join(stored)
        self.add_traits(**traits)
        for name, value in state.items():
            setattr(self, name, value)
        self.start = {name: getattr(self, name) for name in traits}

    def _check_axis(self, name: str, values: list) -> None:
        """ValueError unless the name is free and the values are different and all numbers or all words."""
        if not name.isidentifier() or hasattr(View, name) or name in (*Sheet.class_trait_names(), "at", "compare"):
            raise ValueError(f"An axis cannot be called {name!r}: choose another name, which can stand after 'view.'.")
        numbers = all(isinstance(v, int | float) and math.isfinite(v) for v in values)
        if not values or len(set(values)) < len(values) or not (numbers or all(isinstance(v, str) for v in values)):
            raise ValueError(f"The values of axis {name!r} must be different, and all of them numbers or all words: {values}.")

    def at(self, **state: Any) -> Float[Tensor, "rows n c h w"]:
        """The pictures at a place on the axes, the present one where `state` does not say."""
        size = len(self.frames) // (max(self.places) + 1)
        start = size * self._stored(state)
        return torch.from_numpy(unpacked(self.frames[start : start + size], *self.shape[-3:])).unflatten(0, self.shape[:2])

    def frame(self) -> dict[str, np.ndarray]:
        """pictures (rows, n, c, h, w) at the present place on the axes; to compare, one row for each value of `several`."""
        if self._compared() < 0:
            return {"pictures": self.at().numpy()}
        rows = [self.at(**{self.several: value})[self._compared()] for value in self._values[self.several]]
        return {"pictures": torch.stack(rows).numpy()}

    def describe(self) -> str:
        """The title and the place on the axes."""
        state = {name: self._say(getattr(self, name)) for name in self._values if self._compared() < 0 or name != self.several}
        if self.play and (since := self._since()) != getattr(self, self.play):
            state[self.play] += f" (unchanged since {self._say(since)})"
        words = [f"{name} {value}" for name, value in state.items()]
        return f"{self.title}: {', '.join([*words, *([self.compare] if self._compared() >= 0 else [])])}."

    def filmstrip(self) -> Figure:
        """At up to six values of the axis that plays (or the first): the pictures of the only row, where its columns have
        names, or the first picture of each row."""
        axis = self.play or next(iter(self._values))
        values = self._values[axis]
        shown = [values[round(i)] for i in np.linspace(0, len(values) - 1, min(6, len(values)))]
        pictures = torch.stack([self.at(**{axis: value}) for value in shown], 2)
        named = len(self.rows) == 1 and self.columns
        rows = dict(zip(self.columns, pictures[0], strict=True)) if named else dict(zip(self.rows, pictures[:, 0], strict=True))
        return figure_strip(rows, [f"{axis} {self._say(value)}" for value in shown])

    def _stored(self, state: dict) -> int:
        """Which of the stored frames is seen at a place on the axes."""
        index = 0
        for name, values in self._values.items():
            index = index * len(values) + values.index(state.get(name, getattr(self, name)))
        return self.places[index]

    def _compared(self) -> int:
        """The row that is seen for every value of `several`; -1 for all rows of one value."""
        return self.comparisons.index(self.compare) - 1 if self.several else -1

    def _since(self) -> int | float | str:
        """The value on the axis that plays from which on the pictures seen have not changed."""
        values = self._values[self.play]
        others = [{}] if self._compared() < 0 else [{self.several: value} for value in self._values[self.several]]
        seen = [[self._stored({self.play: value} | other) for other in others] for value in values]
        now = values.index(getattr(self, self.play))
        while now > 0 and seen[now - 1] == seen[now]:
            now -= 1
        return values[now]

    @staticmethod
    def _say(value: int | float | str) -> str:
        return value if isinstance(value, str) else format(value, ".6g")
