"""The engine's JavaScript, put together: each part may use those before it."""

import json
from functools import cache
from pathlib import Path

from . import wasm

HERE = Path(__file__).parent
PARTS = ("heap", "operators", "net", "networks", "encoders", "noise", "sampling")
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
    return wasm.script() + "".join(map(part, PARTS))


def worker_script() -> str:
    """What runs in the worker."""
    return engine_script() + part("worker") + START


@cache
def page_script() -> str:
    """What a page or a view needs: `Writer` and what it uses, and the worker's script as the constant WORKER."""
    return part("tokenizer") + part("engine") + part("writer") + f"const WORKER = {json.dumps(worker_script())};\n"
