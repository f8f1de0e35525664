"""Figures: arrays in, matplotlib axes out. This file defines the look of the course."""

import base64
import io
import textwrap
from collections.abc import Sequence
from functools import partial
from math import isqrt
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython.display import display
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from ..data.tiles import tiles
from .narrow import boxes_parts, chain_parts, narrowed, restack, strip_parts, table_parts

# Okabe & Ito's eight colours, told apart with any colour vision; styles keep lines apart without colour.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
STYLE: dict[Any, Any] = {  # matplotlib's types list the names of all settings
    "font.size": 14,
    "axes.titlesize": 15,
    "axes.labelsize": 14,
    "legend.fontsize": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 2.5,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 80,
}
NARROW = "application/vnd.ddpm_lite.narrow"  # where a notebook keeps the narrow form of a figure: a PNG in base64
# (bytes, colours): a PNG with more bytes is reduced to that many colours. Noise compresses badly, and looks the same then.
FEW_COLORS = ((40_000, 256),)
FEW_COLORS_NARROW = ((0, 256), (25_000, 64), (90_000, 32))


def use_style() -> None:
    """Give all figures that follow the style of the course."""
    plt.rcParams.update(STYLE)


def png(fig: Figure, dpi: int = 80, few_colors: Sequence[tuple[int, int]] = FEW_COLORS) -> bytes:
    """The figure as a PNG file."""
    file = io.BytesIO()
    fig.savefig(file, format="png", dpi=dpi)
    data = file.getvalue()
    for size, colors in few_colors:
        if len(data) > size:
            # An octree keeps flat what is nearly flat, so that pictures take a third less; few lines keep their exact colours.
            method = Image.Quantize.FASTOCTREE if size else Image.Quantize.MEDIANCUT
            few, picture = io.BytesIO(), Image.open(file).convert("RGB")
            picture.quantize(colors, method, dither=Image.Dither.NONE).save(few, format="png", optimize=True)
            data = few.getvalue()
    return data


def bundles(fig: Figure, caption: str) -> list[tuple[dict, dict]]:
    """A figure and its caption as (data, metadata) of two outputs of a notebook; the caption is also the alternative text of
    the picture. The first also holds the figure's narrow form, for the pages of the course on a phone. The figure is closed."""
    data: dict[str, str | bytes] = {"image/png": png(fig)}
    restack(fig)
    data[NARROW] = base64.b64encode(png(fig, 160, FEW_COLORS_NARROW)).decode()
    plt.close(fig)
    return [(data, {"image/png": {"alt": caption}}), ({"text/markdown": f"*{caption}*"}, {})]


def show(fig: Figure, caption: str) -> None:
    """Display a figure in a notebook with its caption underneath."""
    for data, metadata in bundles(fig, caption):
        display(data, raw=True, metadata=metadata)


def show_strip(ax: Axes, rows: dict[str, Float[Tensor, "n c h w"]], below: Sequence[str], columns: int = 0) -> Axes:
    """A filmstrip: each row of pictures has its name at the left, each column its caption underneath; if there are fewer columns
    than `columns`, the rest of the width stays empty."""
    pictures = list(rows.values())
    n, _, h, w = pictures[0].shape
    ax.imshow(tiles(torch.cat(pictures), columns=n), interpolation="nearest")
    ax.set_xticks([1 + w / 2 - 0.5 + i * (w + 1) for i in range(n)], below)
    ax.set_yticks([1 + h / 2 - 0.5 + i * (h + 1) for i in range(len(rows))], list(rows))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlim(-0.5, max(n, columns) * (w + 1) + 0.5)
    narrowed(ax, partial(strip_parts, show_strip, rows, below))
    return ax


def figure_strip(rows: dict[str, Float[Tensor, "n c h w"]], below: Sequence[str]) -> Figure:
    """A figure that consists of one filmstrip; long names of rows take several lines."""
    fig, ax = plt.subplots(figsize=(10, 0.9 + 1.6 * len(rows)))
    show_strip(ax, {textwrap.fill(name, 20): pictures for name, pictures in rows.items()}, below)
    fig.draw_without_rendering()  # the layout of pictures, which keep their form, takes a second pass
    return fig


def show_quality(axes: Sequence[Axes], rows: Sequence[dict], frechet_real: float) -> None:
    """Two axes of quality against the number of steps, from the `curves` of a card: how many of 1,000 pictures are not
    recognised, and the Frechet distance."""
    look = {"ddpm": (ORANGE, "--", "o"), "ddim": (BLUE, "-", "s"), "dpm-solver++": (GREEN, ":", "^")}
    for ax, key in zip(axes, ("recognised", "frechet"), strict=True):
        for method, (color, style, marker) in look.items():
            mine = [row for row in rows if row["method"] == method]
            x, y, error = ([row[k] for row in mine] for k in ("steps", key, f"{key}_std"))
            if key == "recognised":
                y, error = [1000 * (1 - share) for share in y], [1000 * share for share in error]
            ax.errorbar(x, y, error, color=color, linestyle=style, marker=marker, capsize=4, label=method)
        ax.set(xlabel="steps (network calls)", xscale="log")
        ax.set_xticks(x, [str(n) for n in x])
        ax.minorticks_off()
    axes[1].axhline(frechet_real, color=BLACK, linewidth=1.5, label="real against real")
    axes[1].legend(frameon=False)


def _show_stop(ax: Axes, what: str | Tensor) -> None:
    ax.spines[:].set_visible(False)
    ax.set(xticks=[], yticks=[])
    if isinstance(what, str):
        ax.text(0.5, 0.5, what, ha="center", va="center", fontsize=16)
    elif what.ndim == 2:
        n = what.shape[1]
        rows = max(k for k in range(1, isqrt(n) + 1) if n % k == 0)  # as square as it can be
        ax.imshow(what.reshape(rows, n // rows).cpu().numpy(), cmap="gray")
    else:
        ax.imshow(tiles(what, 1, gap=0))


def show_chain(ax: Axes, stops: dict[str, str | Tensor], steps: Sequence[str]) -> Axes:
    """What becomes of something, from left to right: words, an embedding (1, d) as grey squares, a picture (1, c, h, w), each
    with its name below. The words over an arrow say what makes the next one."""
    ax.axis("off")
    width = 1 / len(stops)
    for i, (name, what) in enumerate(stops.items()):
        inset = ax.inset_axes((width * (i + 0.2), 0.25, 0.55 * width, 0.55))
        _show_stop(inset, what)
        inset.set_xlabel(name)
    for i, step in enumerate(steps, start=1):
        ax.annotate("", (width * (i + 0.16), 0.52), (width * (i - 0.21), 0.52), arrowprops={"arrowstyle": "->", "lw": 2})
        ax.text(width * (i - 0.025), 0.58, step, ha="center", fontsize=13)
    narrowed(ax, partial(chain_parts, _show_chain_upright, stops, steps))
    return ax


def _show_chain_upright(ax: Axes, stops: dict[str, str | Tensor], steps: Sequence[str]) -> None:
    """The same from top to bottom, names and words at the right."""
    ax.axis("off")
    height = 1 / len(stops)
    for i, (name, what) in enumerate(stops.items()):
        top = 1 - height * i
        _show_stop(ax.inset_axes((0, top - 0.65 * height, 0.45, 0.65 * height)), what)
        ax.text(0.5, top - 0.33 * height, name, va="center")
    for i, step in enumerate(steps, start=1):
        top = 1 - height * i
        ax.annotate("", (0.225, top + 0.03 * height), (0.225, top + 0.32 * height), arrowprops={"arrowstyle": "->", "lw": 2})
        ax.text(0.27, top + 0.17 * height, step, va="center")


def show_boxes(
    ax: Axes,
    boxes: dict[str, tuple[float, float, float, str]],
    arrows: Sequence[tuple[tuple[float, float], tuple[float, float], str]],
) -> Axes:
    """Squares (x and y of the middle, side, colour) with their names in them, and arrows (from, to, words): the words
    stand above a level arrow, and to the right of any other."""
    ax.set_aspect("equal")
    ax.axis("off")
    for name, (x, y, side, color) in boxes.items():
        ax.add_patch(plt.Rectangle((x - side / 2, y - side / 2), side, side, facecolor=color, edgecolor=BLACK))
        ax.text(x, y, name, ha="center", va="center", fontsize=13)
    for start, end, words in arrows:
        ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "lw": 2})
        x, y, level = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2, start[1] == end[1]
        where: dict[str, Any] = {"ha": "center", "va": "bottom"} if level else {"ha": "left", "va": "center"}
        ax.text(x + 0.15 * (not level), y + 0.08 * level, words, fontsize=13, **where)
    ax.autoscale_view()
    narrowed(ax, partial(boxes_parts, show_boxes, boxes, arrows))
    return ax


def show_table(ax: Axes, rows: Sequence[Sequence[str]], widths: Sequence[float], heights: Sequence[float] = ()) -> Axes:
    """A table of words, whose first row and first column are headings. The widths are shares of the figure's width, the heights
    shares of their sum (all alike if none are given)."""
    ax.axis("off")
    table = ax.table(rows[1:], colLabels=rows[0], colWidths=widths, loc="center", cellLoc="left", colLoc="left")
    table.auto_set_font_size(False)
    table.set_fontsize(13)
    table.scale(1, 3.4)
    for (row, column), cell in table.get_celld().items():
        cell.set(linewidth=0, facecolor="#f2f2f2" if row % 2 else "white")
        if heights:
            cell.set_height(heights[row] / sum(heights))
            cell.PAD = 0.04  # of its width
        if row == 0 or column == 0:
            cell.set_text_props(weight="bold")
    narrowed(ax, partial(table_parts, show_table, rows))
    return ax
