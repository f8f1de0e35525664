"""The narrow form of a figure: the same panels, laid out for a phone, with letters large enough to read.

A figure of 800 px is shown 340 px wide on a phone, and its letters shrink with it. So `restack` lays a figure out again
as wide as the phone: panels that stood side by side stand below each other. Anything more than a panel with axes (a
filmstrip, a table) uses `narrowed` to say which parts its narrow form has.
"""

import math
import re
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise, zip_longest

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.table import Table
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator
from torch import Tensor

WIDTH = 4.5  # inches: 360 px at 80 dpi, which a phone of 390 px shows on 340
SHRINK, LEAST = 10 / 14, 9.0  # the letters of the course, 14 pt, become 10 pt; none less than 9 pt, 9.4 px on the phone
LETTER, LINE = 0.084, 0.19  # inches: the width of a letter of 10 pt, on average, and the height of a line of them

Draw = Callable[[Axes], object]
Part = tuple[float, Draw]  # a part of a narrow form: its height in inches, and what draws it into axes WIDTH wide
Line = tuple[float, int, Sequence[Axes | Draw]]  # panels side by side: their height, the number of columns, the panels


def narrowed(ax: Axes, parts: Callable[[Axes], list[Part]]) -> None:
    """Say what the narrow form of some axes is: `parts(ax)`, one below the other."""
    ax.narrow_parts = parts  # type: ignore[attr-defined]  # our own attribute, which travels with the axes


def wrap(text: str, letters: int) -> str:
    """The text in lines of at most so many letters; formulas and words stay whole."""
    whole = re.sub(r"\$[^$]*\$", lambda formula: formula[0].replace(" ", "\0"), text)
    lines = [textwrap.fill(line, max(letters, 1), break_long_words=False, break_on_hyphens=False) for line in whole.split("\n")]
    return "\n".join(lines).replace("\0", " ")


def restack(fig: Figure) -> None:
    """Lay out a finished figure again, WIDTH inches wide."""
    fig.set_layout_engine(layout := ConstrainedLayoutEngine())
    shares = {text: _length(text) / _size(ax)[0] for ax in fig.axes for text in ax.texts}  # of the width of its panel
    lines = [line for table in _tables(fig.axes) for line in _lines(table)]
    grid, placed = fig.add_gridspec(len(lines), 1), []
    for i, (_, columns, panels) in enumerate(lines):
        cells = grid[i].subgridspec(1, columns)
        for cell, panel in zip([cells[k] for k in range(columns)], panels, strict=False):
            if isinstance(panel, Axes):
                panel.set_subplotspec(cell)
                placed.append((i, panel))
            else:
                placed.append((i, fig.add_subplot(cell)))
                panel(placed[-1][1])
    words = [cell.get_text() for table in fig.findobj(Table) for cell in table.get_celld().values()]
    for text in (*fig.findobj(Text), *words):
        text.set_fontsize(max(LEAST, SHRINK * float(text.get_fontsize())))
    for line in fig.findobj(Line2D):
        line.set(linewidth=SHRINK * line.get_linewidth(), markersize=SHRINK * line.get_markersize())
    for _, ax in placed:
        ax.tick_params(which="both", labelsize=SHRINK * 14)
        _wrap_ticks(ax)
    heights, above = [height for height, _, _ in lines], LINE * len(fig.texts)
    for _ in range(3):  # fitting the contents changes the panels, so the layout is repeated
        grid.set_height_ratios(heights)
        fig.set_size_inches(WIDTH, sum(heights) + above)
        layout.execute(fig)
        above += LINE * sum(_fit(text, WIDTH - 0.2) for text in fig.texts)
        lacks: list[list[float]] = [[] for _ in lines]  # inches of height, for each panel of a line
        for i, ax in placed:
            width, height = ax.get_position(original=True).size * fig.get_size_inches()
            _fit(ax.xaxis.label, width)
            _fit(ax.yaxis.label, height)
            for text in shares.keys() & set(ax.texts):
                _fit(text, max(1.55, 1.3 * shares[text] * WIDTH / lines[i][1]))
            more = LINE * _fit(ax.title, width)
            if ax.get_aspect() == "auto":
                lacks[i].append(max(more, _height_of_names(ax) - height))
            else:
                lacks[i].append(width * ax.get_data_ratio() - height + 0.05)
        heights = [height + max(lack) for height, lack in zip(heights, lacks, strict=True)]
    grid.set_height_ratios(heights)
    fig.set_size_inches(WIDTH, sum(heights) + above)


def _tables(axes: list[Axes]) -> list[list[list[Axes]]]:
    """The axes as tables of rows, each to be laid out by itself. Panels that all have titles follow one another, in one row; else
    those of one column belong together."""
    if any(hasattr(ax, "narrow_parts") for ax in axes):
        return [[[ax]] for ax in axes]
    rows: dict[int, list[Axes]] = {}
    for ax in axes:
        rows.setdefault(_place(ax).rowspan.start, []).append(ax)
    return [[axes]] if all(ax.get_title() for ax in axes) else [list(rows.values())]


def _lines(table: list[list[Axes]]) -> list[Line]:
    """A table in lines: as many columns side by side as fit while a panel shrinks by at most a fifth more than its letters."""
    first = table[0][0]
    if hasattr(first, "narrow_parts"):
        (height, draw), *parts = first.narrow_parts(first)
        title = first.get_title()
        first.remove()
        return [(height, 1, [lambda ax: (draw(ax), ax.set_title(title))]), *((height, 1, [draw]) for height, draw in parts)]
    width, height = _size(first)
    columns = min(len(table[0]), max(1, int(1.25 * WIDTH / (SHRINK * width))))
    rows = [row[k : k + columns] for k in range(0, len(table[0]), columns) for row in table]
    for row, below in zip(rows, [*rows[1:], []], strict=True):
        for k, ax in enumerate(row):
            if len(ax.get_shared_x_axes().get_siblings(ax)) > 1:
                ax.tick_params(labelbottom=k >= len(below) or not ax.get_shared_x_axes().joined(ax, below[k]))
            if len(ax.get_shared_y_axes().get_siblings(ax)) > 1:
                ax.tick_params(labelleft=k == 0)
                ax.set_ylabel("" if k else next(full[0].get_ylabel() for full in table if ax in full))
    return [(SHRINK * height, columns, row) for row in rows]


def _place(ax: Axes) -> SubplotSpec:
    """Where axes stand in their grid."""
    place = ax.get_subplotspec()
    assert place is not None, "all axes of a figure of the course stand in a grid"
    return place


def _figure(artist: Artist) -> Figure:
    """The figure that something belongs to."""
    figure = artist.get_figure(root=True)
    assert figure is not None, "it has been drawn into one"
    return figure


def _size(ax: Axes) -> tuple[float, float]:
    """The width and the height of a panel's place in its figure, in inches."""
    place, (width, height) = _place(ax), _figure(ax).get_size_inches()
    grid = place.get_gridspec()
    wide, high = (np.asarray(ratios, dtype=float) for ratios in (grid.get_width_ratios(), grid.get_height_ratios()))
    return (
        width * sum(wide[i] for i in place.colspan) / sum(wide),
        height * sum(high[i] for i in place.rowspan) / sum(high),
    )


def _length(text: Text) -> float:
    """How long a text is along its lines, in inches."""
    box = text.get_window_extent()
    return (box.height if text.get_rotation() == 90 else box.width) / _figure(text).dpi


def _fit(text: Text, inches: float) -> int:
    """Break a text into lines until it is no longer than so many inches; returns how many lines that adds."""
    words, before = text.get_text().replace("\n", " "), text.get_text().count("\n")
    for lines in range(before + 1, 7):
        if _length(text) <= inches:
            break
        text.set_text(wrap(words, math.ceil(1.15 * len(words) / lines)))
    return text.get_text().count("\n") - before


def _wrap_ticks(ax: Axes) -> None:
    """Names at the ticks take several lines, and slanted ones are turned upright."""
    if any(label.get_rotation() for label in ax.get_xticklabels()):
        ax.tick_params(axis="x", labelrotation=90)
    for axis, letters in ((ax.xaxis, 20), (ax.yaxis, 13)):
        if isinstance(axis.get_major_locator(), FixedLocator):
            names = [label.get_text() for label in axis.get_ticklabels()]
            axis.set_ticks(axis.get_ticklocs(), [wrap(name, letters) for name in names])


def _height_of_names(ax: Axes) -> float:
    """What the names at the left need to stand below each other, in inches; 0 if these are numbers."""
    names = [label.get_text() for label in ax.get_yticklabels()]
    return LINE * len(names) * max(name.count("\n") + 1 for name in names) if any("\n" in name for name in names) else 0.0


def strip_parts(show: Callable, rows: dict[str, Tensor], below: Sequence[str], ax: Axes) -> list[Part]:
    """A filmstrip in pieces as wide as a phone, each drawn by show(ax, rows, below, columns).

    A picture shrinks to half its width at most; where several rows are compared it may shrink to 44 px, so that they are
    split less often.
    """
    half = ax.get_position().width * _figure(ax).get_figwidth() / len(below) / 2
    rows = {wrap(name, 11): pictures for name, pictures in rows.items()}
    n, _, h, w = next(iter(rows.values())).shape
    room = WIDTH - 0.2 - LETTER * max(_letters(line) for name in rows for line in name.split("\n"))
    pieces = math.ceil(n / max(1, int(room / max(0.55, 0 if len(rows) > 2 else half, _least_column(below)))))
    columns = math.ceil(n / pieces)
    parts: list[Part] = []
    for k in range(0, n, columns):
        piece = {name: pictures[k : k + columns] for name, pictures in rows.items()}
        captions = [wrap(caption, int(room / columns / LETTER)) for caption in below[k : k + columns]]
        height = len(rows) * room / columns * h / w + LINE * (1 + max(caption.count("\n") for caption in captions)) + 0.2
        parts.append((height, partial(show, rows=piece, below=captions, columns=columns)))
    return parts


def _letters(text: str) -> int:
    """About how many letters wide a line is: a command of a formula is one."""
    return len(re.sub(r"[$_^{}]", "", re.sub(r"\\[a-z]+ ?", "x", text)))


def _least_column(captions: Sequence[str]) -> float:
    """How wide the columns over some captions have to be for their longest words; a caption without a neighbour may be wider."""
    least = 0.0
    for line in zip_longest(*(caption.split("\n") for caption in captions), fillvalue=""):
        filled = [i for i, words in enumerate(line) if words]
        apart = min((b - a for a, b in pairwise(filled)), default=len(captions))
        least = max([least, *(LETTER * _letters(word) / apart for words in line for word in words.split())])
    return least


def chain_parts(show: Callable, stops: dict[str, str | Tensor], steps: Sequence[str], _: Axes) -> list[Part]:
    """A chain from top to bottom, drawn by show(ax, stops, steps)."""
    return [(1.1 * len(stops), partial(show, stops=stops, steps=steps))]


def boxes_parts(show: Callable, boxes: dict, arrows: Sequence[tuple], _: Axes) -> list[Part]:
    """Boxes with rows and columns exchanged and closer together, drawn by show(ax, boxes, arrows); an arrow keeps its distance
    from the box that is nearest to its end."""

    def turned(x: float, y: float) -> tuple[float, float]:
        near_x, near_y, *_ = min(boxes.values(), key=lambda box: math.dist(box[:2], (x, y)))
        return -1.15 * near_y - (y - near_y), -0.55 * near_x - (x - near_x)

    moved = {name: (*turned(x, y), side, color) for name, (x, y, side, color) in boxes.items()}
    between = [(turned(*start), turned(*end), wrap(words, 9)) for start, end, words in arrows]
    width, height = (max(abs(box[k]) for box in moved.values()) + 2 for k in (0, 1))
    return [(WIDTH * height / width, partial(show, boxes=moved, arrows=between))]


def table_parts(show: Callable, rows: Sequence[Sequence[str]], _: Axes) -> list[Part]:
    """A table of narrow columns, each at least as wide as its longest word, with as many lines in a cell as that takes, drawn by
    show(ax, rows, widths, heights)."""
    least, more = [], []
    for k, column in enumerate(zip(*rows, strict=True)):
        margin = 2 if k == 0 else 1  # letters; the first column is set bold
        least.append(max(len(word) for cell in column for word in cell.split()) + margin)
        more.append(max(len(line) for cell in column for line in cell.split("\n")) + margin - least[-1])
    room = WIDTH / (0.9 * LETTER) - sum(least)
    letters = [short + room * extra / max(1, sum(more)) for short, extra in zip(least, more, strict=True)]
    cells = [[wrap(cell.replace("\n", " "), int(k) - 1) for cell, k in zip(row, letters, strict=True)] for row in rows]
    heights = [0.12 + LINE * max(cell.count("\n") + 1 for cell in row) for row in cells]
    widths = [k / sum(letters) for k in letters]
    return [(sum(heights), partial(show, rows=cells, widths=widths, heights=heights))]
