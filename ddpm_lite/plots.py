"""Figures: arrays in, matplotlib axes out. The look of the course stands here once."""

import io
import time
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown, display
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


def show(fig: Figure, caption: str) -> None:
    """Display a figure in a notebook with its caption underneath; the caption is the picture's text alternative too."""
    display({"image/png": png(fig)}, raw=True, metadata={"image/png": {"alt": caption}})
    display(Markdown(f"*{caption}*"))


class LiveLoss:
    """The loss of a training run while it runs: over the steps at the left, over t at the right, above their floors.

    steps   how many there will be: the axes are laid out once, and only the two lines are drawn anew
    floor   (BINS,) the least possible loss in each bin of t

    `update` wants the run's history after each step and decides itself whether to draw: where a row is new, at most
    5 times a second, and for at most 3 % of the time. `finish` draws the last state under its caption.
    """

    def __init__(self, steps: int, T: int, floor: Float[Tensor, " bins"], titles: Sequence[str] = ("", "")):
        self.fig, self.axes = plt.subplots(1, 2, figsize=(12, 4.4))
        self.middle = (np.arange(len(floor)) + 0.5) * T / len(floor)
        left, right = self.axes
        left.axhline(float(floor.mean()), color=BLACK, linestyle="--", linewidth=1.5)
        right.fill_between(self.middle, 0, floor, color=BLACK, alpha=0.15, linewidth=0)
        right.plot(self.middle, floor, color=BLACK, linestyle="--", linewidth=1.5)
        left.text(steps, float(floor.mean()), "floor", ha="right", va="bottom")
        right.text(self.middle[0], 0.02, "floor", va="bottom")
        self.lines = [ax.plot([], [], color=BLUE, marker=marker)[0] for ax, marker in ((left, ""), (right, "o"))]
        left.set(xlabel="training step", ylabel="loss per pixel", xlim=(0, steps), ylim=(0, 0.5), title=titles[0])
        right.set(xlabel="step t of the noise", ylabel="loss per pixel", xlim=(0, T), ylim=(0, 1), title=titles[1])
        self.rows, self.drawing, self.start, self.last = 0, 0.0, time.monotonic(), 0.0
        self.fig.canvas.draw()
        self.fig.set_layout_engine("none")  # laid out: from now on only the two lines change
        self.empty = self.fig.canvas.copy_from_bbox(self.fig.bbox)
        self.handle = display(self._picture(), raw=True, display_id=True)
        self.below = display(Markdown("*training*"), display_id=True)

    def update(self, history: Float[Tensor, "rows columns"]) -> None:
        """history as in `run.Run`: the last step of a row, its mean loss, its mean loss in each bin of t."""
        now = time.monotonic()
        if len(history) == self.rows or now - self.last < 0.2 or self.drawing > 0.03 * (now - self.start):
            return
        self.rows, self.last = len(history), now
        self._put(history)
        self.handle.update(self._picture(), raw=True)
        self.drawing += time.monotonic() - now

    def finish(self, history: Float[Tensor, "rows columns"], caption: str) -> None:
        """The last state, in the place of the live one, with its caption, which is the text alternative too."""
        self._put(history)
        self.handle.update(self._picture(), raw=True, metadata={"image/png": {"alt": caption}})
        self.below.update(Markdown(f"*{caption}*"))
        plt.close(self.fig)

    def _put(self, history: Tensor) -> None:
        self.lines[0].set_data(history[:, 0], history[:, 1])
        self.lines[1].set_data(self.middle, history[-10:, 2:].nanmean(0))

    def _picture(self) -> dict[str, bytes]:
        """The empty axes and the two lines on them, as a PNG: a twentieth of what a new figure costs."""
        canvas = self.fig.canvas
        canvas.restore_region(self.empty)
        for ax, line in zip(self.axes, self.lines, strict=True):
            ax.draw_artist(line)
        png = io.BytesIO()
        plt.imsave(png, np.asarray(canvas.buffer_rgba()), pil_kwargs={"compress_level": 1})
        return {"image/png": png.getvalue()}


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
