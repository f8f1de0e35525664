"""Figures on a phone: their narrow form is legible and complete, and no texts overlap."""

import base64
import io
from itertools import combinations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.table import Table
from matplotlib.text import Text
from PIL import Image

from ddpm_lite.views import plots
from ddpm_lite.views.narrow import WIDTH, restack, wrap

matplotlib.use("Agg")
SHOWN = 340 / (80 * WIDTH)  # css px on a phone of 390 px for each px of 80 dpi: the page has margins
LONG = "A title that says what is to be seen, in more words than a phone has room for"


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context(plots.STYLE):
        yield
    plt.close("all")


def texts(fig: Figure) -> list[Text]:
    """The texts that are drawn: without the labels of ticks that lie outside."""
    hidden = set()
    for ax in fig.findobj(Axes):
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not (ax.axison and low <= tick.get_loc() <= high):
                    hidden |= {tick.label1, tick.label2}
    cells = [cell.get_text() for table in fig.findobj(Table) for cell in table.get_celld().values()]
    return [
        text for text in (*fig.findobj(Text), *cells) if text.get_visible() and text.get_text().strip() and text not in hidden
    ]


def faults(fig: Figure) -> list[str]:
    """What a reader with a phone could not read."""
    fig.draw_without_rendering()
    found, box = [], fig.bbox.padded(1)
    boxes = {text: text.get_window_extent() for text in texts(fig)}
    for text, extent in boxes.items():
        if text.get_fontsize() * 80 / 72 * SHOWN < 9:
            found.append(f"{text.get_text()!r} has {text.get_fontsize()} pt")
        if not (box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0 and extent.y1 <= box.y1):
            found.append(f"{text.get_text()!r} is cut off")
    for (a, one), (b, other) in combinations(boxes.items(), 2):
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 1 and min(one.y1, other.y1) - max(one.y0, other.y0) > 1:
            found.append(f"{a.get_text()!r} lies on {b.get_text()!r}")
    return found


def narrow(fig: Figure) -> Figure:
    plots.png(fig)
    restack(fig)
    assert fig.get_figwidth() == WIDTH and not faults(fig), faults(fig)
    return fig


def panels(rows: int, columns: int, **kwargs) -> Figure:
    fig, axes = plt.subplots(rows, columns, figsize=(12, 3.5 * rows), squeeze=False, **kwargs)
    for i, ax in enumerate(axes.flat):
        ax.plot([0, 1000], [0, i + 1])
        ax.set(xlabel="step t", ylabel="share of the digits that are read" if i % columns == 0 else "")
    return fig


def test_the_wide_form_of_a_figure_would_not_do():
    fig = panels(1, 2)
    fig.set_size_inches(WIDTH, 3.5 * WIDTH / 12)
    for text in fig.findobj(Text):
        text.set_fontsize(text.get_fontsize() * WIDTH / 12)
    assert any("has 5.25 pt" in fault for fault in faults(fig))


def test_one_panel_keeps_its_words_beside_its_curve():
    fig = panels(1, 1)
    fig.axes[0].set_title(LONG)
    inside = fig.axes[0].text(600, 0.3, "what the curve means, in a few words")
    narrow(fig)
    assert "\n" in fig.axes[0].get_title() and "\n" in inside.get_text() and inside.get_position() == (600, 0.3)


def test_panels_side_by_side_come_one_below_the_other_each_with_its_labels():
    fig = panels(1, 2, sharey=True)
    left, right = narrow(fig).axes
    assert left.get_position().y0 > right.get_position().y1 and left.get_position().x0 == right.get_position().x0
    assert right.get_ylabel() == left.get_ylabel() and right.get_yticklabels()[0].get_visible()


@pytest.mark.parametrize("titled", [True, False])
def test_small_panels_stay_side_by_side_in_their_order(titled):
    """With titles the rows are read one after the other; without, the panels of a column belong together."""
    fig, axes = plt.subplots(2, 3, figsize=(10, 6.6), sharex=True, sharey=True)
    for i, ax in enumerate(axes.flat):
        ax.set_title(f"t = {i}" if titled or i < 3 else "")
    narrow(fig)
    places = {i: (round(-ax.get_position().y0, 2), round(ax.get_position().x0, 2)) for i, ax in enumerate(fig.axes)}
    assert sorted(places, key=places.get) == ([0, 1, 2, 3, 4, 5] if titled else [0, 1, 3, 4, 2, 5])


@pytest.mark.parametrize(("n", "rows", "pieces"), [(8, 1, 2), (10, 3, 2), (6, 5, 1), (17, 4, 3)])
def test_a_filmstrip_is_cut_into_pieces_with_the_names_of_its_rows(n, rows, pieces):
    pictures = torch.zeros(n, 1, 8, 8)
    fig = plots.figure_strip({f"the {i}th row": pictures for i in range(rows)}, [f"{i}" for i in range(n)])
    fig.axes[0].set_title(LONG)
    narrow(fig)
    assert len(fig.axes) == pieces
    assert [t.get_text() for ax in fig.axes for t in ax.get_xticklabels()] == [f"{i}" for i in range(n)]
    assert all(ax.get_yticklabels()[0].get_text().replace("\n", " ") == "the 0th row" for ax in fig.axes)
    sizes = [ax.get_window_extent().width for ax in fig.axes]
    assert max(sizes) - min(sizes) < 0.02 * max(sizes), "the pictures of all pieces are equally large"


def test_a_chain_boxes_and_a_table_have_narrow_forms_of_their_own():
    picture = torch.zeros(1, 3, 16, 16)
    fig, ax = plt.subplots(figsize=(13, 3.6))
    plots.show_chain(
        ax, {"a caption": "“crying\ncat face”", "its text\nembedding": torch.zeros(1, 64), "16 x 16": picture}, ("a", "b")
    )
    narrow(fig)
    fig, ax = plt.subplots(figsize=(12, 5))
    boxes = {
        "a picture\n512 x 512 x 3": (0.0, 0.0, 2.2, "w"),
        "its latent": (5.0, 0.0, 1.5, "w"),
        "a new latent": (5.0, -3.0, 1.5, "w"),
    }
    plots.show_boxes(ax, boxes, [((1.2, 0.0), (4.2, 0.0), "encoder"), ((5.0, -0.85), (5.0, -2.15), "noise is removed")])
    narrow(fig)
    fig, ax = plt.subplots(figsize=(13.3, 5.4))
    heads = ["", "reads the caption by", "the caption enters as", "what is diffused", "known from"]
    row = [
        "Stable\nDiffusion 1",
        "a Transformer of its own,\ntrained with it",
        "tokens in attention",
        "64 x 64 x 4 numbers",
        "weights",
    ]
    plots.show_table(ax, [heads, row], [0.13, 0.24, 0.23, 0.23, 0.15])
    (table,) = narrow(fig).findobj(Table)
    for cell in table.get_celld().values():
        words, box = cell.get_text().get_window_extent(), cell.get_window_extent()
        assert box.x0 <= words.x0 and words.x1 <= box.x1 + 1 and box.y0 <= words.y0 and words.y1 <= box.y1


def test_lines_are_broken_at_words_and_never_inside_a_formula():
    assert wrap("the mean of $q(x_2 | x_3)$ here", 12) == "the mean of\n$q(x_2 | x_3)$\nhere"
    assert wrap("first\nsecond", 20) == "first\nsecond"


def test_a_figure_is_shown_with_its_narrow_form_beside_it():
    fig = panels(1, 2)
    (data, metadata), (below, _) = plots.bundles(fig, "a caption")
    wide, small = Image.open(io.BytesIO(data["image/png"])), Image.open(io.BytesIO(base64.b64decode(data[plots.NARROW])))
    assert wide.width == 960 and small.width == 2 * 80 * WIDTH and small.height > small.width
    assert metadata == {"image/png": {"alt": "a caption"}} and below == {"text/markdown": "*a caption*"}
    assert not plt.fignum_exists(fig.number)


@pytest.mark.parametrize("columns", [3, 4, 5, 6])
def test_the_names_of_a_filmstrip_are_whole(columns):
    rows = {name: torch.ones(columns, 3, 64, 64) for name in ("red to blue", "with a crown", "on blue", "one to two")}
    shade = np.asarray(Image.open(io.BytesIO(plots.png(plots.figure_strip(rows, list("abcdef"[:columns]))))).convert("L"))
    assert min(shade[0].min(), shade[-1].min(), shade[:, 0].min(), shade[:, -1].min()) > 200
