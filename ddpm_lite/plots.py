"""Figures: arrays in, matplotlib axes out. The look of the course stands here once."""

import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from .schedule import require_floating

# Okabe & Ito's eight colours, told apart with any colour vision; styles keep lines apart without colour.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
STYLE = {
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
HEAVY = 100_000  # bytes: pictures of noise do not compress, and with 256 colours they look the same at a third of the size


def use_style() -> None:
    """Give all figures that follow the style of the course."""
    plt.rcParams.update(STYLE)


def png(fig: Figure) -> bytes:
    """The figure as a PNG file; the figure is closed."""
    file = io.BytesIO()
    fig.savefig(file, format="png")
    plt.close(fig)
    if file.tell() > HEAVY:
        few = Image.open(file).convert("RGB").quantize(256, dither=Image.Dither.NONE)
        file = io.BytesIO()
        few.save(file, format="png", optimize=True)
    return file.getvalue()


def bundles(fig: Figure, caption: str) -> list[tuple[dict, dict]]:
    """A figure and its caption as (data, metadata) of two outputs of a notebook; the caption is the picture's text
    alternative too."""
    return [({"image/png": png(fig)}, {"image/png": {"alt": caption}}), ({"text/markdown": f"*{caption}*"}, {})]


def show(fig: Figure, caption: str) -> None:
    """Display a figure in a notebook with its caption underneath."""
    for data, metadata in bundles(fig, caption):
        display(data, raw=True, metadata=metadata)


def tiles(images: Float[Tensor, "n c h w"], columns: int, zoom: int = 1, gap: int = 1) -> np.ndarray:
    """Pictures in [-1, 1] side by side on white, as one uint8 array (H, W, 3); grey ones as dark ink on white paper."""
    require_floating(images=images)
    n, c, h, w = images.shape
    pixels = -images if c == 1 else images
    pixels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().expand(n, 3, h, w).permute(0, 2, 3, 1).cpu().numpy()
    rows = -(-n // columns)
    sheet = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, 3), 255, dtype=np.uint8)
    for i, picture in enumerate(pixels):
        top, left = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        sheet[top : top + h, left : left + w] = picture
    return sheet.repeat(zoom, axis=0).repeat(zoom, axis=1)


def show_strip(ax: Axes, rows: dict[str, Float[Tensor, "n c h w"]], below: Sequence[str]) -> Axes:
    """A filmstrip: each row of pictures has its name at the left, each column its caption underneath."""
    pictures = list(rows.values())
    n, _, h, w = pictures[0].shape
    ax.imshow(tiles(torch.cat(pictures), columns=n), interpolation="nearest")
    ax.set_xticks([1 + w / 2 - 0.5 + i * (w + 1) for i in range(n)], below)
    ax.set_yticks([1 + h / 2 - 0.5 + i * (h + 1) for i in range(len(rows))], list(rows))
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def figure_strip(rows: dict[str, Float[Tensor, "n c h w"]], below: Sequence[str]) -> Figure:
    """A figure that is nothing but a filmstrip."""
    fig, ax = plt.subplots(figsize=(10, 0.9 + 1.6 * len(rows)))
    show_strip(ax, rows, below)
    return fig


def show_quality(axes: Sequence[Axes], rows: Sequence[dict], frechet_real: float) -> None:
    """Two axes of quality against the number of steps, from the `curves` of a card: recognised, and Frechet distance."""
    look = {"ddpm": (ORANGE, "--", "o"), "ddim": (BLUE, "-", "s"), "dpm-solver++": (GREEN, ":", "^")}
    for ax, key in zip(axes, ("recognised", "frechet"), strict=True):
        for method, (color, style, marker) in look.items():
            mine = [row for row in rows if row["method"] == method]
            x, y, error = ([row[k] for row in mine] for k in ("steps", key, f"{key}_std"))
            ax.errorbar(x, y, error, color=color, linestyle=style, marker=marker, capsize=4, label=method)
        ax.set(xlabel="steps (network calls)", xscale="log")
        ax.set_xticks(x, [str(n) for n in x])
        ax.minorticks_off()
    axes[1].axhline(frechet_real, color=BLACK, linewidth=1.5, label="real against real")
    axes[1].legend(frameon=False)


def show_chain(ax: Axes, stops: dict[str, str | Tensor], steps: Sequence[str]) -> Axes:
    """What becomes of something, from left to right: words, an embedding (1, n*n) as a grey square, a picture (1, c, h, w), each
    with its name below, and over the arrow to each next one what makes it."""
    ax.axis("off")
    width = 1 / len(stops)
    for i, (name, what) in enumerate(stops.items()):
        inset = ax.inset_axes([width * (i + 0.2), 0.25, 0.55 * width, 0.55])
        inset.spines[:].set_visible(False)
        inset.set(xticks=[], yticks=[])
        inset.set_xlabel(name)
        if isinstance(what, str):
            inset.text(0.5, 0.5, what, ha="center", va="center", fontsize=16)
        elif what.ndim == 2:
            side = round(what.shape[1] ** 0.5)
            inset.imshow(what.reshape(side, side).cpu(), cmap="gray")
        else:
            inset.imshow(tiles(what, 1, gap=0))
    for i, step in enumerate(steps, start=1):
        ax.annotate("", (width * (i + 0.16), 0.52), (width * (i - 0.21), 0.52), arrowprops={"arrowstyle": "->", "lw": 2})
        ax.text(width * (i - 0.025), 0.58, step, ha="center", fontsize=13)
    return ax


def show_boxes(
    ax: Axes,
    boxes: dict[str, tuple[float, float, float, str]],
    arrows: Sequence[tuple[tuple[float, float], tuple[float, float], str]],
) -> Axes:
    """Squares (x and y of the middle, side, colour) with their names in them, and arrows (from, to, words): above a level one,
    at the right of one that falls."""
    ax.set_aspect("equal")
    ax.axis("off")
    for name, (x, y, side, color) in boxes.items():
        ax.add_patch(plt.Rectangle((x - side / 2, y - side / 2), side, side, facecolor=color, edgecolor=BLACK))
        ax.text(x, y, name, ha="center", va="center", fontsize=13)
    for start, end, words in arrows:
        ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "lw": 2})
        x, y, level = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2, start[1] == end[1]
        where = {"ha": "center", "va": "bottom"} if level else {"ha": "left", "va": "center"}
        ax.text(x + 0.15 * (not level), y + 0.08 * level, words, fontsize=13, **where)
    ax.autoscale_view()
    return ax


def show_table(ax: Axes, rows: Sequence[Sequence[str]], widths: Sequence[float]) -> Axes:
    """A table of words; the first row and the first column are its heads, and the widths are shares of the figure's."""
    ax.axis("off")
    table = ax.table(rows[1:], colLabels=rows[0], colWidths=widths, loc="center", cellLoc="left", colLoc="left")
    table.auto_set_font_size(False)
    table.set_fontsize(13)
    table.scale(1, 3.4)
    for (row, column), cell in table.get_celld().items():
        cell.set(linewidth=0, facecolor="#f2f2f2" if row % 2 else "white")
        if row == 0 or column == 0:
            cell.set_text_props(weight="bold")
    return ax
