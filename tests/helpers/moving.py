"""Moving the views of the notebooks, in JupyterLab or in a web page, and comparing what is drawn with their Python halves."""

import json
import re
from base64 import b64decode
from functools import cache

import nbformat
import numpy as np
import torch
from cut import NOTEBOOKS, cut

from ddpm_lite import views
from ddpm_lite.views.drawing import DrawingView

# Every slider at its ends, its middle and 20 random places, every list at each of its entries.
PLACES = """root => {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const places = [];
  root.querySelectorAll('[data-trait]').forEach((node, k) => {
    if (node.tagName === 'SELECT') return node.querySelectorAll('option').forEach((o) => places.push([k, o.value]));
    const [min, max, step] = [Number(node.min), Number(node.max), Number(node.step)];
    const many = Math.round((max - min) / step);
    const at = [0, many, many / 2, ...Array.from({ length: 20 }, () => many * random())];
    for (const i of at) places.push([k, String(min + Math.round(i) * step)]);
  });
  return places;
}"""
# Put a slider or a list somewhere, and wait (10 s at most) until the view says that it has drawn this.
PUT = """async (root, [k, value]) => {
  const node = root.querySelectorAll('[data-trait]')[k];
  node.value = value;
  node.dispatchEvent(new Event(node.tagName === 'SELECT' ? 'change' : 'input'));
  const there = () => {
    const state = JSON.parse(root.dataset.state)[node.dataset.trait];
    return state === (node.tagName === 'SELECT' ? node.value : node.means(Number(node.value)));
  };
  for (let waited = 0; !there(); waited++) {
    if (waited === 600) throw new Error(`${node.dataset.trait} does not become ${value}`);
    await new Promise(requestAnimationFrame);
  }
}"""
# As text: Playwright takes arrays of numbers apart one by one, which takes minutes for what the views draw.
WORDS = "root => [root.querySelector('canvas').ariaLabel, root.querySelector('.caption').textContent]"
DRAWN = """root => {
  const plain = (v) => (ArrayBuffer.isView(v) ? Array.from(v) : v);
  const drawn = Object.fromEntries(Object.entries(root.drawn).map(([name, v]) => [name, plain(v)]));
  const words = [root.querySelector('canvas').ariaLabel, root.querySelector('.caption').textContent];
  return JSON.stringify([JSON.parse(root.dataset.state), drawn, words]);
}"""


def shown(notebook: str = "*") -> list[tuple[str, str, int]]:
    """Each notebook and view in it, and which of that name it is, from 0 on: in the order in which they stand."""
    return [(path.stem, *view) for path in sorted(NOTEBOOKS.glob(f"{notebook}.ipynb")) for view in _places(path.stem)]


@cache
def _places(notebook: str) -> dict[tuple[str, int], int]:
    """The views of a notebook, by name and which of that name: the number of the cell that shows each."""
    found = {}
    for i, cell in enumerate(nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", as_version=4).cells):
        for name in views.__all__ if cell.cell_type == "code" else ():
            if re.search(rf"\b{name}\(", cell.source):
                found[name, sum(other == name for other, _ in found)] = i
    return found


def cells_of(*these: tuple[str, str, int]) -> list:
    """The cells of a notebook that show some views of it, and the cells that give them their names."""
    notebook = these[0][0]
    sources = cut(NOTEBOOKS / f"{notebook}.ipynb", *(_places(notebook)[name, which] for _, name, which in these))
    return [nbformat.v4.new_code_cell(source) for source in sources.values()]


def python_half(notebook: str, name: str, which: int = 0) -> views.base.View:
    """The same view, made here, in its first state."""
    view = _made(notebook)[name, which]
    with view.hold_trait_notifications():
        for trait, value in view.start.items():
            setattr(view, trait, value)
    return view


@cache
def _made(notebook: str) -> dict[tuple[str, int], views.base.View]:
    """All views of a notebook, as its cells make them one after the other."""
    places, space, made = _places(notebook), {}, {}
    for i, source in cut(NOTEBOOKS / f"{notebook}.ipynb", *places.values()).items():
        exec(source, space)
        made |= {view: space["view"] for view, place in places.items() if place == i}
    return made


def stored_half(model: dict, notebook: str, name: str, which: int = 0) -> views.base.View:
    """The same view with the data that a page holds: {"state": {trait: value}, "buffers": [{"path", "data"}]}."""
    data = model["state"] | {each["path"][0]: b64decode(each["data"]) for each in model["buffers"]}
    view = _from_data(name, data) or python_half(notebook, name, which)
    with view.hold_trait_notifications():
        for trait in view.trait_names(sync=True):
            if trait in data and not trait.startswith("_") and trait not in ("layout", "comm"):
                setattr(view, trait, data[trait])
    return view


def _from_data(name: str, data: dict) -> views.base.View | None:
    """A view of which all that is drawn is in its data: the notebook's trainings and drawings for it are not repeated."""
    match name:
        case "LiveTraining":
            return views.LiveTraining.__new__(views.LiveTraining)
        case "Matrix":
            values = torch.frombuffer(bytearray(data["values"]), dtype=torch.float32).reshape(len(data["rows"]), -1)
            return views.Matrix(values, data["rows"], data["columns"], data["title"])
        case "Sheet" | "Sampling":
            axes = dict(data["axes"])
            lengths = [len(values) for values in axes.values()]
            frames = _pictures(data["frames"], data["shape"])[data["places"]].reshape(*lengths, *data["shape"])
            options = {key: data[key] or None for key in ("rows", "title", "columns")}
            return views.Sheet(frames, axes, **options, play=data["play"], several=data["several"])
        case "Asked":
            known = zip(data["known"], _pictures(data["known_pictures"], data["shape"]), strict=True)
            return views.Asked(lambda question: iter(()), dict(known), data["title"])
    return None


def _pictures(data: bytes, shape: list[int]) -> torch.Tensor:
    return torch.from_numpy(views.base.unpacked(data, *shape[-3:])).reshape(-1, *shape)


def put(root, trait: str, position: object) -> None:
    """Put the slider or the list of a trait somewhere; root is a locator of the view."""
    traits = root.evaluate("root => Array.from(root.querySelectorAll('[data-trait]'), (node) => node.dataset.trait)")
    root.evaluate(PUT, [traits.index(trait), str(position)])


def assert_drawn(root, view: views.base.View) -> None:
    """What is drawn, and how it is called, is what the Python half says in the same state."""
    state, drawn, words = json.loads(root.evaluate(DRAWN))
    with view.hold_trait_notifications():
        for name, value in state.items():
            setattr(view, name, value)
    frame = view.frame()
    assert drawn.keys() == frame.keys()
    for name, values in frame.items():
        got, want = np.array(drawn[name], dtype=float), np.asarray(values, dtype=float).ravel()  # NaN comes as None
        # A network that draws twice, here and in the kernel, may round one of the 256 levels apart.
        off = 0.008 if name == "pictures" else 1e-4
        assert got.size == want.size and np.allclose(got.ravel(), want, rtol=0, atol=off, equal_nan=True), (name, state)
    assert words == [view.describe()] * 2, (words, view.describe(), state)  # what the canvas is called, and the caption


def draws(name: str) -> bool:
    """Whether a view draws with a network: it waits for the reader, and has tests of its own."""
    return issubclass(getattr(views, name), DrawingView)


def assert_says(root, first: str = "") -> None:
    """A view that draws says, before it does, what it will draw, beginning so; what it is called says the same."""
    label, caption = root.evaluate(WORDS)
    assert label == caption and len(caption) > 40 and caption.startswith(first), (label, caption, first)


def assert_drawn_everywhere(root, view: views.base.View) -> None:
    """The same at every place of its sliders and lists."""
    if isinstance(view, DrawingView):
        return assert_says(root, view.describe())
    places = root.evaluate(PLACES)
    assert places
    for place in places:
        root.evaluate(PUT, place)
        assert_drawn(root, view)
