"""The browser halves of the views in node, as a web page mounts them: in seconds, without a browser.

Each view goes the whole way: its state is saved in a notebook, which is written and read again, and made a page; the page's
own script mounts it in a stand-in for the DOM (node/dom.mjs), moves every slider and every list (node/views.mjs), and what
is computed and drawn there is compared with `frame()` and `describe()` of the Python half, which was never saved.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from base64 import b64decode
from functools import cache
from pathlib import Path

import ipywidgets
import nbformat
import numpy as np
import pytest
import torch
from test_site import VIEW
from test_view_bayes import COARSE, HUMPS
from test_view_field import RING, network
from test_view_live import live
from test_view_probability_flow import flow
from test_view_sampling import model

from ddpm_lite import Schedule, site, views
from ddpm_lite.site.text import HERE as SITE

NODE = shutil.which("node")
if not NODE and os.environ.get("REQUIRE_BROWSER"):
    raise RuntimeError("REQUIRE_BROWSER is set, but there is no node: install Debian's package nodejs.")
marks = [pytest.mark.skipif(not NODE, reason="no node: the JavaScript is not run"), pytest.mark.usefixtures("unchecked")]
HERE = Path(__file__).parent / "node"
SCHEDULE = Schedule.linear(100, 1e-3, 0.1)
LONGER = Schedule.linear(137, 1e-3, 0.08)  # more steps than a path of the Density view has points


def pictures(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def sampling() -> views.Sampling:
    axes = {"method": ["ddpm", "ddim"], "steps": [5, 10, 20], "seed": [4, 7, 1, 9], "t": [1000, 700, 400, 100, 0]}
    walks = views.Sampling.walks(model, Schedule.linear(1000), (1, 4, 4), axes, torch.tensor([3, 1, 4]))
    return views.Sampling(walks, axes, ["3", "1", "4"], steps=10, seed=7)


def still() -> views.Sheet:
    frames = pictures(6, 1, 2, 1, 4, 4)[torch.tensor([0, 0, 0, 3, 3, 5])]
    return views.Sheet(frames, {"step": [1, 2, 4, 8, 9, 10]}, ["only"], "Once moved", play="step")


def training() -> views.Training:
    nets = {1: lambda x, t, cond=None: 0 * x, 20: network().requires_grad_(False), 60: RING.eps_model(SCHEDULE)}
    saved = {step: views.Training.snapshot(net, RING, SCHEDULE, torch.Generator().manual_seed(3)) for step, net in nets.items()}
    return views.Training(saved, RING, SCHEDULE)


def live_training() -> views.LiveTraining:
    view = live(260)
    view.SHARE = 1
    view.show("What came out.")
    view.wait()
    return view


# Every view, and some in two forms. No two axes of one view have the same length, none stand in the order of the alphabet.
MAKE = {
    "Asked": lambda: views.Asked(
        lambda question: iter(()), {"dog": pictures(5, 3, 4, 6), "cat": -pictures(5, 3, 4, 6)}, "A caption"
    ),
    "Asked for 256 colours": lambda: views.Asked(
        lambda question: iter(()), {"dog": pictures(2, 3, 19, 24), "cat": pictures(2, 3, 19, 24) / 2}, "A caption"
    ),
    "Bayes": lambda: views.Bayes(COARSE, t=5),
    "Bayes of a mixture": lambda: views.Bayes(COARSE, HUMPS, t=2, beta=0.3),
    "Density": lambda: views.Density(LONGER, ways=("forward",), density="two humps", t=20),
    "Density back": lambda: views.Density(LONGER, ways=("back, Algorithm 2", "back, exact"), t=30),
    "Field": lambda: views.Field(RING, network(), SCHEDULE, t=20),
    "LiveTraining": live_training,
    "Matrix": lambda: views.Matrix(pictures(7, 9), ["a red dog", *"bcdefg"], list("rstuvwxyz"), "Similarity"),
    "Noise": lambda: views.Noise(
        pictures(1, 3, 6, 4), noise(1, 3, 6, 4), {"linear": SCHEDULE, "cosine": Schedule.cosine(100)}, t=9
    ),
    "Noise of several": lambda: views.Noise(pictures(3, 1, 4, 4), noise(3, 1, 4, 4), {"only": SCHEDULE}, t=30, way="chain"),
    "ProbabilityFlow": flow,
    "ProbabilityFlow of one path": lambda: flow(("flow matching",), field="learnt", eta=0.0, solver="Heun", u=0.07),
    "Sampling": sampling,
    "ScheduleView": lambda: views.ScheduleView(pictures(1, 3, 6, 4), noise(1, 3, 6, 4)),
    "Sheet": lambda: views.Sheet(
        pictures(3, 5, 2, 2, 4, 1, 4, 6),
        {"seed": [3, 0, 7], "guidance": [0.0, 1.0, 2.5, 8.0, 9.5], "by": ["me", "her"]},
        ["plain", "guided"],
        "Digits",
        play="guidance",
        several="seed",
    ),
    "Sheet in colour": lambda: views.Sheet(
        pictures(3, 2, 1, 3, 3, 4, 6), {"z": [1, 2, 4], "a": ["x", "y"]}, ["only"], "Things", ["p", "q", "r"]
    ),
    "Sheet of 256 colours": lambda: views.Sheet(pictures(2, 1, 3, 3, 24, 19), {"z": [1, 2]}, ["only"], "Things"),
    "Sheet that stands still": still,
    "Training": training,
}


@cache
def made() -> dict[str, views.View]:
    """The Python halves of all of them."""
    return {name: make() for name, make in MAKE.items()}


def on_a_page(folder: Path, made: dict[str, views.View]) -> dict:
    """What a web page holds of some views, from a notebook that was written and read again, by their names here."""
    saved = ipywidgets.Widget.get_manager_state(widgets=made.values())["state"]
    outputs = [nbformat.v4.new_output("display_data", {VIEW: {"model_id": view.model_id}}) for view in made.values()]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("views", outputs=outputs)])
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": saved}}
    (folder / "notebooks").mkdir()
    nbformat.write(nb, folder / "notebooks" / "views.ipynb")
    text = site.build(folder / "notebooks", folder / "out")[0].read_text(encoding="utf-8")
    page = json.loads(re.search(r'id="views">(.*?)</script>', text)[1])
    page["models"] = {name: page["models"][view.model_id] for name, view in made.items()}
    return page


def run(page: dict, width: int = 1280, places: int = 6) -> dict:
    """What node finds on the page, see node/views.mjs."""
    job = {"script": (SITE / "views.js").read_text(), "views": page, "width": width, "places": places}
    done = subprocess.run([NODE, HERE / "views.mjs"], input=json.dumps(job), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@cache
def page() -> dict:
    """All of them on a page."""
    with tempfile.TemporaryDirectory() as folder:
        return on_a_page(Path(folder), made())


@cache
def found() -> dict:
    """What node finds there."""
    return run(page())


def put(view: views.View, state: dict) -> None:
    """Put a view in a state."""
    with view.hold_trait_notifications():
        for name, value in state.items():
            setattr(view, name, value)


def numbers(packed: str) -> np.ndarray:
    """What node has written in base64."""
    return np.frombuffer(b64decode(packed), "<f8")


def compare(view: views.View, shown: dict) -> None:
    """What a view shows is what the Python half says in the same state."""
    put(view, shown["state"])
    frame = view.frame()
    assert shown["drawn"].keys() == frame.keys()
    for name, values in frame.items():
        got, want = numbers(shown["drawn"][name]), np.asarray(values, dtype=float).ravel()
        assert got.size == want.size and np.allclose(got, want, rtol=0, atol=1e-5, equal_nan=True), (name, shown["state"])
    assert shown["label"] == shown["caption"] == view.describe()


def first(name: str) -> tuple[dict[str, np.ndarray], list[dict]]:
    """The frame of a view in its first state, and its canvases in node."""
    view = made()[name]
    put(view, view.start)
    return view.frame(), found()[name]["first"]["canvases"]


def line(canvas: dict, x, y) -> list[dict]:
    """The lines through these points, in the units of the axes, on a canvas; points beyond all bounds are left out."""
    (x0, y0), (x1, y1) = canvas["origin"], canvas["unit"]
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    points = np.stack([x0 + (x1 - x0) * x, y0 + (y1 - y0) * y], 1)[np.isfinite(y)]
    lines = [(line, np.array(line["points"])) for line in canvas["lines"]]
    return [line for line, at in lines if at.shape == points.shape and np.allclose(at, points, rtol=0, atol=0.01)]
