"""The browser's engine in node, for tests: what it computes, beside what torch computes."""

import base64
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ddpm_lite.browser.export import exported
from ddpm_lite.browser.scripts import TRAINING, engine_script, part
from ddpm_lite.models.model import Trained
from ddpm_lite.models.trained import load

NODE = shutil.which("node")
if not NODE and os.environ.get("REQUIRE_BROWSER"):
    raise RuntimeError("REQUIRE_BROWSER is set, but there is no node: install Debian's package nodejs.")
needs_node = pytest.mark.skipif(not NODE, reason="no node: the engine is not run")
SCRIPT = Path(__file__).parent / "node" / "engine.mjs"


@cache
def exact(name: str) -> Trained:
    """A shipped model in float32, whatever the machine prefers."""
    model = load(name, "cpu")
    model.net.precision = None
    return model


def pack(x: Tensor) -> str:
    return base64.b64encode(x.detach().float().numpy().astype("<f4").tobytes()).decode()


def unpack(packed: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed), "<f4")


def entry(model: Trained, bits: int = 16) -> dict:
    """What JavaScript must know of a model, with its weights in base64."""
    written = exported(model, bits)
    return written.entry | {"data": base64.b64encode(written.data).decode()}


def run(tasks: list[dict], networks: dict[str, dict] | None = None, relaxed: bool = False) -> list:
    """What node answers: see node/engine.mjs."""
    script = engine_script() + "".join(map(part, (*TRAINING, "worker", "tokenizer", "engine")))
    job = {"engine": script, "networks": networks or {}, "tasks": tasks}
    command = [NODE, *(["--experimental-wasm-relaxed-simd"] if relaxed else []), SCRIPT]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def layers_of(net: nn.Module, call) -> dict[str, np.ndarray]:
    """What each module of a network gives in a call, as (pictures, places, channels)."""
    found: dict[str, np.ndarray] = {}

    def note(name: str):
        def hook(module: nn.Module, given: tuple, out) -> None:
            x = out[0] if isinstance(out, tuple) else out
            if isinstance(x, Tensor) and not isinstance(module, nn.Identity):
                x = x.flatten(2).mT if x.ndim == 4 else x[:, None] if x.ndim == 2 else x
                found[name] = x.float().numpy().copy()

        return hook

    hooks = [module.register_forward_hook(note(name)) for name, module in net.named_modules() if name]
    with torch.no_grad():
        call()
    for hook in hooks:
        hook.remove()
    return found
