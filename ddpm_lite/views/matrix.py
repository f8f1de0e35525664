"""Matrix: numbers in rows and columns by colour and as text, such as how well each caption fits each picture."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from jaxtyping import Float
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from .base import View, esm, float32
from .plots import BLUE, ORANGE


class Matrix(View):
    """A matrix (r, c) with its labels; the cell under the pointer, `view.row` and `view.column`, is read out.
    Slide L23; Radford et al. 2021, fig. 3.

    White is 0, blue is positive, orange negative, each full at the greatest absolute value.

    values   1 to 32 rows and columns of finite numbers; ValueError for others. Their two decimals are shown
    rows     what stands at the left of each row; columns: what stands over each column
    title    what the numbers are, in words: "Similarity"
    """

    STATE = ("row", "column")
    _esm = esm("matrix")
    row = traitlets.Int(0).tag(sync=True)
    column = traitlets.Int(0).tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    rows = traitlets.List(traitlets.Unicode()).tag(sync=True)
    columns = traitlets.List(traitlets.Unicode()).tag(sync=True)
    values = traitlets.Bytes().tag(sync=True)
    texts = traitlets.List(traitlets.Unicode(), help="the values as they are written, row by row").tag(sync=True)

    def __init__(self, values: Float[Tensor, "r c"], rows: list[str], columns: list[str], title: str, **state: int):
        if list(values.shape) != [len(rows), len(columns)] or not all(1 <= count <= 32 for count in values.shape):
            raise ValueError(
                f"values must be 1 to 32 rows and columns as there are labels, {len(rows)} x {len(columns)}, "
                f"not {tuple(values.shape)}."
            )
        if not values.isfinite().all():
            raise ValueError("values must be finite.")
        texts = [f"{value:.2f}".replace("-0.00", "0.00") for value in values.flatten().tolist()]
        super().__init__(title=title, rows=rows, columns=columns, values=float32(values), texts=texts, **state)

    @traitlets.validate("row", "column")
    def _in_range(self, proposal: dict[str, Any]) -> Any:
        name, count = proposal["trait"].name, len(self.rows if proposal["trait"].name == "row" else self.columns)
        if not 0 <= proposal["value"] < count:
            raise traitlets.TraitError(f"{name} = {proposal['value']}, but it must lie between 0 and {count - 1}.")
        return proposal["value"]

    def frame(self) -> dict[str, np.ndarray]:
        """values (r, c), and the value of the cell that is read out."""
        values = np.frombuffer(self.values, "<f4").reshape(len(self.rows), len(self.columns))
        return {"values": values, "value": values[self.row, self.column]}

    def describe(self) -> str:
        """The cell that is read out, and where its row has its greatest value."""
        best = self.columns[int(self.frame()["values"][self.row].argmax())]
        text = self.texts[self.row * len(self.columns) + self.column]
        return f"{self.title}: {text} for {self.rows[self.row]} and {self.columns[self.column]}; greatest in the row: {best}."

    def filmstrip(self) -> Figure:
        """The whole matrix, with the values in its cells where they fit."""
        values = self.frame()["values"]
        full = float(np.abs(values).max()) or 1.0
        fig, ax = plt.subplots(figsize=(10, 2 + 0.45 * len(values)))
        colors = LinearSegmentedColormap.from_list("signed", [ORANGE, "white", BLUE])
        ax.imshow(values, cmap=colors, vmin=-full, vmax=full, aspect="auto")
        for (i, j), value in np.ndenumerate(values if values.shape[1] <= 12 else values[:, :0]):
            ink = "white" if value > 0.6 * full else "black"
            ax.text(j, i, self.texts[i * len(self.columns) + j], ha="center", va="center", color=ink)
        ax.set_xticks(range(len(self.columns)), self.columns, rotation=40, ha="left", rotation_mode="anchor")
        ax.set_yticks(range(len(self.rows)), self.rows)
        ax.tick_params(length=0, top=True, labeltop=True, labelbottom=False)
        return fig
