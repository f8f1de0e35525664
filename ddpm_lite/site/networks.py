"""The engine and the weights that the pages can load, as scripts beside them: a reader who draws nothing loads none."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import nbformat

from ..browser.export import described, exported
from ..browser.scripts import ENGINE, engine_on_shelf, page_script
from ..models.presets import PRESETS
from ..models.trained import ASSETS, shipped
from .text import file, in_html

FOLDER = "networks"
# What the front page draws with, and the captions that it proposes.
DEMO, UPSAMPLER = "glide-emoji", "upsampler-emoji"
CAPTIONS = ("a green elephant", "a red castle", "an owl with a crown", "three robots", "a blue hamburger")


def asked(notebooks: Iterable[nbformat.NotebookNode]) -> list[str]:
    """The models that the views of these notebooks draw with."""
    names: dict[str, None] = {}
    for nb in notebooks:
        saved = nb.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
        for widget in saved.values():
            names |= dict.fromkeys(widget.get("state", {}).get("networks", ()))
    return list(names)


def scripts(names: Iterable[str]) -> dict[str, bytes]:
    """{file: script} for the engine and each shipped model of these names; of another one, a page says that its weights are
    missing."""
    there = [name for name in dict.fromkeys(names) if name in PRESETS and (ASSETS / f"{name}.safetensors").is_file()]
    return {f"{FOLDER}/{ENGINE}.js": engine_on_shelf().encode()} | {f"{FOLDER}/{name}.js": _script(name) for name in there}


@cache
def _script(name: str) -> bytes:
    return exported(shipped(name)).script().encode()


def demo() -> dict[str, Any]:
    """What the front page must know of the model that it draws with."""
    return {"recipe": described(shipped(DEMO)), "upsampler": UPSAMPLER, "captions": CAPTIONS}


def demo_script() -> str:
    """The script of the front page, as it stands in it."""
    return in_html(page_script()) + file("demo.js")
