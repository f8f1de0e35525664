"""The weights that the pages can load, as scripts beside them: a reader who draws nothing loads none."""

from collections.abc import Iterable

import nbformat

from ..browser.export import exported
from ..models.presets import PRESETS
from ..models.trained import ASSETS, shipped

FOLDER = "networks"


def asked(notebooks: Iterable[nbformat.NotebookNode]) -> list[str]:
    """The models that the views of these notebooks draw with."""
    names: dict[str, None] = {}
    for nb in notebooks:
        saved = nb.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
        for widget in saved.values():
            names |= dict.fromkeys(widget.get("state", {}).get("networks", ()))
    return list(names)


def scripts(names: Iterable[str]) -> dict[str, bytes]:
    """{file: script} for each shipped model of these names; of another one, a page says that its weights are missing."""
    there = [name for name in dict.fromkeys(names) if name in PRESETS and (ASSETS / f"{name}.safetensors").is_file()]
    return {f"{FOLDER}/{name}.js": exported(shipped(name)).script().encode() for name in there}
