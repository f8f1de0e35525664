"""How the browser halves of the views draw, in node (see in_node.py): colours, widths, dashes, and the shades of grounds.

A reader tells curves apart by these, and titles and captions name them ("floor dashed", "exact in grey").
"""

from base64 import b64decode

import in_node
import numpy as np
import pytest
import torch
from in_node import RING, SCHEDULE, first, line

from ddpm_lite.views.plots import BLUE, GREEN, ORANGE, RED

pytestmark = in_node.marks


def looks(canvas: dict, x, y) -> tuple[str, bool, float]:
    """Of the uppermost line through these points: its colour, whether it is dashed, and its width."""
    drawn = line(canvas, x, y)[-1]
    return drawn["color"], drawn["dash"] != [], drawn["width"]


def ground(canvas: dict) -> tuple[np.ndarray, list]:
    """The grey levels of the one picture on a canvas, row by row from above, and its corners (left, top) and (right, bottom)."""
    (image,) = canvas["images"]
    pixels = np.frombuffer(b64decode(image["pixels"]), "u1").reshape(-1, image["width"], 4)
    assert (pixels[..., :3] == pixels[..., :1]).all() and (pixels[..., 3] == 255).all()
    return pixels[..., 0].astype(float), [image["at"], image["to"]]


def corners(canvas: dict, left: float, top: float, right: float, bottom: float) -> list:
    """Two points of the axes in device pixels."""
    origin, unit = np.array(canvas["origin"]), np.array(canvas["unit"])
    return [(origin + (unit - origin) * point).tolist() for point in ((left, top), (right, bottom))]


@pytest.mark.parametrize("name", ["Density", "Density back"])
def test_the_heat_behind_the_paths_is_the_darker_the_likelier(name):
    frame, (paths, _) = first(name)
    grey, at = ground(paths)
    faint = np.sqrt(frame["heat"] / 1.2).clip(max=1).T[::-1]  # the root, so that thin densities are seen too
    assert grey.shape == faint.shape == (48, 100) and np.abs(grey - (255 - 150 * faint)).max() <= 1
    assert np.allclose(at, corners(paths, 0, 3.2, in_node.LONGER.T, -3.2))


@pytest.mark.parametrize(("name", "color"), [("Density", BLUE), ("Density back", RED)])
def test_three_paths_stand_out_of_the_others(name, color):
    frame, (paths, density) = first(name)
    view = in_node.made()[name]
    stops = np.array(view.stops())
    shown = stops[np.floor(np.linspace(0, len(stops) - 1, len(frame["paths"])) + 0.5).astype(int)]
    drawn = [line(paths, shown, path)[-1] for path in frame["paths"].T]
    assert {(each["color"], each["width"], each["alpha"], len(each["dash"])) for each in drawn[3:]} == {(color, 1, 0.3, 0)}
    assert {(each["color"], each["width"], each["alpha"]) for each in drawn[:3]} == {(color, 2.5, 1)}
    assert len({str(each["dash"]) for each in drawn[:3]}) == 3  # told apart without colour
    t = stops[view.seen()]
    assert looks(paths, [t, t], [-3.2, 3.2]) == ("#000", False, 2)
    own = [dot["at"] for dot in paths["dots"]]
    assert np.allclose(own, [corners(paths, t, x, 0, 0)[0] for x in frame["chains"][:3] if abs(x) < 3.2])
    # The histogram of the chains in their colour, and over it the density in black.
    assert looks(density, np.linspace(-3.2, 3.2, 257), frame["density"]) == ("#000", False, 2.5)
    assert {(bar["color"], bar["alpha"]) for bar in density["rects"]} == {(color, 0.4)}
    edges = np.linspace(-3.2, 3.2, 41)[:-1]
    assert np.allclose(
        [bar["at"] for bar in density["rects"]],
        [corners(density, x, height, 0, 0)[0] for x, height in zip(edges, frame["bars"], strict=True)],
    )


def test_curves_are_told_apart_as_their_titles_say():
    _, (_, curves) = first("Noise")
    a = SCHEDULE.alpha_bar.numpy()
    with np.errstate(divide="ignore"):
        snr = (np.log10(a / (1 - a)) + 4) / 8
    assert looks(curves, range(101), a) == (BLUE, False, 2.5)  # "signal left (solid)", "SNR (dashed)"
    assert looks(curves, range(101), snr) == (ORANGE, True, 2.5)
    frame, (curves, *_) = first("ScheduleView")
    assert looks(curves, range(1001), frame["alpha_bar"]) == (BLUE, False, 2.5)
    assert {(each["color"], len(each["dash"]) > 0) for each in curves["lines"]} == {(BLUE, False), (ORANGE, True)}
    frame, canvases = first("Bayes of a mixture")
    x = np.arange(1201) / 200 - 3
    named = {"likelihood": (ORANGE, [9, 5]), "prior": (GREEN, [2.5, 4]), "posterior": (BLUE, []), "fit": (RED, [10, 4, 2.5, 4])}
    for name, look in named.items():  # dashed, dotted, solid, dash-dot
        (drawn,) = line(canvases[0], x, frame[name])
        assert (drawn["color"], drawn["dash"]) == look, name
    frame, (*_, curves) = first("Training")
    view = in_node.made()["Training"]
    logs = np.log10(view.loss_t)
    assert looks(curves, logs, frame["loss"]) == (BLUE, False, 2.5)  # "loss, floor (dashed)"
    floor = line(curves, logs, np.frombuffer(view.floor, "<f4"))[0]  # the last network has learnt all, so both are there
    assert (floor["color"], len(floor["dash"]), floor["width"]) == ("#000", 2, 2)
    _, (over_steps, over_t, _) = first("LiveTraining")
    for curves in (over_steps, over_t):  # "floor dashed"
        drawn = [(each["color"], len(each["dash"]) > 0, each["width"]) for each in curves["lines"]]
        assert drawn == [("#000", True, 1.5), (BLUE, False, 2.5)]


def test_the_paths_of_a_field_stand_out_of_its_grey_density():
    frame, (plane,) = first("Field")
    for name, look in (("exact", (ORANGE, False, 3.5)), ("learnt", (BLUE, True, 3.5))):  # "exact (solid), learnt (dashed)"
        path = frame[f"{name}_path"].reshape(-1, 2).T
        rim = line(plane, *path)[0]
        assert looks(plane, *path) == look and (rim["color"], rim["width"]) == ("#fff", 7)
    grey, _ = ground(plane)
    middles = 3 * ((np.arange(48) + 0.5) / 24 - 1)
    x, y = np.meshgrid(middles, middles[::-1])
    view = in_node.made()["Field"]
    at_t = RING.diffused(view.t, SCHEDULE)
    height = at_t.log_prob(torch.from_numpy(np.stack([x, y], -1)).reshape(-1, 2)) - at_t.log_prob(at_t.means).max()
    assert np.abs(grey - (255 - 70 * np.exp(height.numpy().reshape(48, 48) / 2))).max() <= 1


def test_the_paths_of_a_flow_are_told_apart_as_its_title_says_over_grey_densities():
    frame, (over, plane) = first("ProbabilityFlow")
    stops = np.linspace(1, 0.01, len(frame["ode"]))
    assert {"exact ODE dashed, Euler blue, SDE orange", "u = 0.40: exact velocity"} <= {
        t["text"] for c in (over, plane) for t in c["texts"]
    }
    assert looks(over, np.linspace(1, 0.01, 101), frame["exact"]) == ("#000", True, 2.5)
    assert looks(over, stops, frame["ode"]) == (BLUE, False, 3)
    assert [looks(over, stops, path) for path in frame["sde"].T] == [(ORANGE, False, 3)] + [(ORANGE, False, 1.2)] * 4
    grey, _ = ground(over)
    assert np.abs(grey - (255 - 150 * np.sqrt(frame["heat"] / 1.2).clip(max=1).T[::-1])).max() <= 1
    grey, _ = ground(plane)
    assert np.abs(grey - (255 - 110 * np.sqrt(frame["ground"])[::-1])).max() <= 1
    assert {dot["color"] for dot in plane["dots"]} == {ORANGE}  # they follow the SDE; without noise, the ODE
    _, (over, plane) = first("ProbabilityFlow of one path")
    assert {dot["color"] for canvas in (over, plane) for dot in canvas["dots"]} == {BLUE}
    drawn = [(each["color"], each["width"]) for each in plane["lines"] if each["color"] not in (BLUE, ORANGE)]
    half = len(drawn) // 2
    assert half and drawn == [(GREEN, 4)] * half + [("#000", 1.5)] * half  # "learnt velocity over the exact"


def test_the_learnt_arrows_lie_over_the_exact_ones_in_grey():
    _, (_, field, _) = first("Training")
    drawn = [(each["color"], each["width"]) for each in field["lines"] if each["color"] != "#000"]
    half = len(drawn) // 2
    assert half and drawn == [("#aaa", 4)] * half + [(BLUE, 1.5)] * half  # "learnt, exact in grey"


def test_the_cells_of_a_matrix_are_the_stronger_the_greater_their_numbers():
    frame, (canvas,) = first("Matrix")
    values = frame["values"].ravel()
    cells = canvas["rects"][1::2]  # each over a white one
    assert {cell["color"] for cell in canvas["rects"][::2]} == {"#fff"} and len(cells) == len(values)
    assert np.allclose([cell["alpha"] for cell in cells], np.abs(values) / np.abs(values).max())
    assert [cell["color"] for cell in cells] == [ORANGE if value < 0 else BLUE for value in values]
