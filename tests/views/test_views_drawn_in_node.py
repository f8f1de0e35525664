"""What the browser halves of the views draw on their canvases, in node (see in_node.py): curves, arrows and pictures."""

from base64 import b64decode

import in_node
import numpy as np
import pytest
import torch
from in_node import MAKE, SCHEDULE, first, line, put

from ddpm_lite import views
from ddpm_lite.views.base import sent
from ddpm_lite.views.bayes import BETAS, PLACES
from ddpm_lite.views.density import GRID
from ddpm_lite.views.field import places

pytestmark = in_node.marks


@pytest.fixture
def made():
    return in_node.made()


@pytest.fixture
def found():
    return in_node.found()


def height(canvas: dict, text: str, align: str = "right") -> float:
    """At which value of y a mark stands at the left axis (its text ends there) or at the right one (its text begins there)."""
    (y,) = {each["at"][1] for each in canvas["texts"] if (each["text"], each["align"]) == (text, align)}
    return (y - 6 - canvas["origin"][1]) / (canvas["unit"][1] - canvas["origin"][1])  # it is written 6 pixels lower


def test_signal_and_noise_are_drawn_on_axes_that_say_their_scale():
    _, (_, curves) = first("Noise")
    t, a = range(101), SCHEDULE.alpha_bar.numpy()
    assert line(curves, t, a) and [height(curves, text) for text in "01"] == pytest.approx([0, 1])
    # What stands at the right is the only scale that a reader has for the signal-to-noise ratio: it must be this one.
    marks = {
        10.0**power: height(curves, text, "left")
        for power, text in ((-4, "10⁻⁴"), (-2, "10⁻²"), (0, "1"), (2, "10²"), (4, "10⁴"))
    }
    with np.errstate(divide="ignore"):
        snr = np.log10(a / (1 - a))
    assert line(curves, t, np.where(np.isfinite(snr), np.interp(snr, np.log10(list(marks)), list(marks.values())), np.inf))
    assert {"signal left ᾱ (solid)", "SNR (dashed)"} <= {each["text"] for each in curves["texts"]}


def test_signal_and_bits_are_drawn_on_axes_that_say_their_scale():
    frame, (curves, *_) = first("ScheduleView")
    marks = [height(curves, str(bits), "left") for bits in (0, 8)]
    assert line(curves, range(1001), frame["alpha_bar"]) and line(curves, range(1001), np.interp(frame["bits"], [0, 8], marks))


@pytest.mark.parametrize("name", ["Bayes", "Bayes of a mixture"])
def test_the_curves_of_bayes_are_drawn(name):
    frame, canvases = first(name)
    for curve in {"likelihood", "prior", "posterior", "fit"} & set(frame):
        assert line(canvases[0], PLACES, frame[curve]), curve
    assert len(canvases) == 1 or line(canvases[1], BETAS, frame["divergences"])


@pytest.mark.parametrize("name", ["Density", "Density back"])
def test_densities_and_paths_are_drawn(name, made):
    frame, (paths, density) = first(name)
    assert line(density, GRID, frame["density"])
    stops = np.array(made[name].stops())
    shown = stops[np.floor(np.linspace(0, len(stops) - 1, len(frame["paths"])) + 0.5).astype(int)]
    assert all(line(paths, shown, path) for path in frame["paths"].T)


def test_the_losses_are_drawn(made):
    frame, (*_, curves) = first("Training")
    x = np.log10(made["Training"].loss_t)
    assert line(curves, x, frame["loss"]) and line(curves, x, np.frombuffer(made["Training"].floor, "<f4"))
    frame, (over_steps, over_t, _) = first("LiveTraining")
    known = ~np.isnan(frame["per_t"])
    assert line(over_steps, made["LiveTraining"].run.history[:, 0], frame["loss"])
    assert line(over_t, ((np.arange(20) + 0.5) * 50)[known], frame["per_t"][known])


@pytest.mark.parametrize(("name", "canvas"), [("Field", 0), ("Training", 1)])
def test_the_arrows_are_drawn_where_they_are_likely(name, canvas, made):
    frame, canvases = first(name)
    plane, often = canvases[canvas], frame.get("likely")
    if often is None:  # of Training, whose frame leaves it out
        view = made[name]
        often = np.frombuffer(view.likely, "u1").reshape(len(view.shown_t), -1)[view.shown_t.index(view.t)]
    lines = np.array([line["points"] for line in plane["lines"] if len(line["points"]) == 2])
    lines = (lines - plane["origin"]) / (np.array(plane["unit"]) - plane["origin"])
    for place, way, likely in zip(places().numpy(), frame["ways"], often, strict=True):
        assert np.isclose(lines, np.stack([place, place + way]), rtol=0, atol=1e-3).all((1, 2)).any() == likely


def test_the_paths_and_arrows_of_a_flow_are_drawn():
    frame, (over, plane) = first("ProbabilityFlow")
    stops = np.linspace(1, 0.01, len(frame["ode"]))
    assert line(over, stops, frame["ode"]) and line(over, np.linspace(1, 0.01, 101), frame["exact"])
    assert all(line(over, stops, path) for path in frame["sde"].T) and line(over, [0.4, 0.4], [-3, 3])
    u, x, du, dx, drawn = frame["slopes"].T
    ticks = np.linspace(-3, 3, 13)
    for canvas, start, end, often in (
        (over, np.stack([u, x], 1), np.stack([u + du, x + dx], 1), drawn),
        (plane, at := np.array([[x, y] for y in ticks for x in ticks]), at + frame["ways"], frame["likely"]),
    ):
        lines = np.array([line["points"] for line in canvas["lines"] if len(line["points"]) == 2])
        lines = (lines - canvas["origin"]) / (np.array(canvas["unit"]) - canvas["origin"])
        for arrow, seen in zip(np.stack([start, end], 1), often, strict=True):
            assert np.isclose(lines, arrow, rtol=0, atol=1e-3).all((1, 2)).any() == seen
    dots = (np.array([dot["at"] for dot in plane["dots"]]) - plane["origin"]) / (np.array(plane["unit"]) - plane["origin"])
    assert np.allclose(dots, frame["points"], rtol=0, atol=1e-6)


PICTURES = {name: "pictures" for name in MAKE if name.startswith(("Asked", "Live", "Sampling", "Sheet"))}
PICTURES |= {"Noise": "x_t", "Noise of several": "x_t", "ScheduleView": "x_t"}


@pytest.mark.parametrize("name", PICTURES)
def test_its_pictures_are_drawn_in_their_order(name, made, found):
    view = made[name]
    for state, canvases in (
        (view.start, found[name]["first"]["canvases"]),
        (found[name]["moved"][-1]["state"], found[name]["last"]),
    ):
        put(view, state)
        x = torch.from_numpy(view.frame()[PICTURES[name]])
        if isinstance(view, views.Noise):
            x = torch.cat([sent(view)[0], torch.from_numpy(view.frame()["eps"]), x])
        x = x.reshape(-1, *x.shape[-3:])
        x = (-x if x.shape[1] == 1 else x).clamp(-1, 1).expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
        images = sorted((image["at"][1], image["at"][0], image) for canvas in canvases for image in canvas["images"])
        assert all(
            0 <= at < size
            for c in canvases
            for i in c["images"]
            for at, size in zip(i["at"], (c["width"], c["height"]), strict=True)
        )
        got = np.stack([np.frombuffer(b64decode(image["pixels"]), "u1") for *_, image in images])
        got = got.reshape(len(images), -1, images[0][2]["width"], 4)[..., :3]
        assert got.shape == x.shape and np.abs(got - (x.numpy() + 1) * 127.5).max() <= 1
