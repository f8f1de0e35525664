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
