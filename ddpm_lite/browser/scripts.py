"""The engine's JavaScript, put together: each part may use those before it."""

import json
from functools import cache
from pathlib import Path

from . import wasm
from .noise import ENLARGING, IMAGINING

HERE = Path(__file__).parent
SHELF = "ddpmLiteNetworks"  # the global name under which scripts put the engine and the networks: {name: what is there}
ENGINE = "engine"
LONGEST = 200  # letters of a caption that is read
PARTS = ("heap", "operators", "net", "networks", "encoders", "noise", "sampling", "unclip", "pictures")
TRAINING = ("pointnet", "training")
START = """
const hear = serve((answer) => globalThis.postMessage(answer));
globalThis.onmessage = ({ data }) => hear(data);
"""


def part(name: str) -> str:
    """One file of the browser half."""
    return (HERE / f"{name}.js").read_text(encoding="utf-8")


@cache
def engine_script() -> str:
    """The engine alone, as functions that run anywhere: in a worker, in a page, in node."""
    streams = f"const [ENLARGING, IMAGINING] = [{ENLARGING}, {IMAGINING}]; // of noise: see noise.py\n"
    return wasm.script() + streams + "".join(map(part, PARTS))


def worker_script() -> str:
    """What runs in the worker."""
    return engine_script() + "".join(map(part, TRAINING)) + part("worker") + START


@cache
def page_script() -> str:
    """What a page or a view needs to ask a worker: `Writer` and what it uses, and `watched`, to see it draw."""
    return f"const LONGEST = {LONGEST};\n" + "".join(
        map(part, ("tokenizer", "caption", "engine", "studio", "watched", "enlarger", "writer"))
    )


@cache
def engine_on_shelf() -> str:
    """The classic script that puts the worker's script on the page's shelf, under the name ENGINE."""
    return f"(globalThis.{SHELF} ??= {{}})[{json.dumps(ENGINE)}] = {json.dumps({'source': worker_script()})};\n"
