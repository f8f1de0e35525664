"""A guided step of the text network in Chromium, on one thread: the engine in each of its ways, and onnxruntime-web, by turns.

Milliseconds of two evaluations (one batch of two pictures, 16 x 16) of `glide-emoji`, the caption read beforehand: the median and
the least of --rounds. --ort is the folder `dist` of the npm package onnxruntime-web; its graph is written by torch.onnx, which
needs the packages onnx and onnxscript. Without it, only ours is measured. Needs Chromium and playwright.
"""

import argparse
import functools
import http.server
import json
import sys
import tempfile
import threading
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from lab import chromium

from ddpm_lite.browser.export import exported
from ddpm_lite.browser.scripts import engine_script
from ddpm_lite.models.trained import load
from ddpm_lite.networks.caption import Context

PAGE = """
<!doctype html><meta charset="utf-8"><script src="engine.js"></script><script src="network.js"></script>
<script>const ORT = %(ort)s;</script>%(script)s
<script>
const { data, ...entry } = globalThis.ddpmLiteNetworks["glide-emoji"];
const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
const x = Float32Array.from({ length: 2 * 3 * 16 * 16 }, Math.random);
const rows = [{ tokens: [1, 2] }, { tokens: %(tokens)s }];
async function measure(rounds) {
  const ways = {};
  for (const way of ["fused", "simd", "plain"]) {
    const heap = new Heap(way);
    const net = new Net(heap, entry, bytes);
    const given = readings(net, rows);
    ways[way] = async () => heap.scope(() => unet(net, x, [500, 500], given));
  }
  if (ORT) {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = location.origin + "/ort/";
    const start = performance.now();
    const session = await ort.InferenceSession.create("net.onnx", { executionProviders: ["wasm"] });
    console.log(`onnxruntime-web starts in ${Math.round(performance.now() - start)} ms`);
    const steps = new ort.Tensor("int64", new BigInt64Array([500n, 500n]), [2]);
    const feeds = { x: new ort.Tensor("float32", x, [2, 3, 16, 16]), t: steps };
    ways["onnxruntime-web"] = () => session.run(feeds);
  }
  const times = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  for (let i = -3; i < rounds; i++) {
    for (const [way, run] of Object.entries(ways)) {
      const start = performance.now();
      await run();
      if (i >= 0) times[way].push(performance.now() - start);
    }
  }
  return times;
}
</script>
"""


class Drawing(nn.Module):
    """The U-Net for a caption that is read already, as the engine's `readings` are: what a step costs."""

    def __init__(self, net: nn.Module, tokens: Tensor):
        super().__init__()
        self.net = net
        self.vector, self.context = net.caption(tokens, len(tokens))
        net.caption.forward = lambda cond, batch: (self.vector, Context(*self.context))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.net(x, t, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--ort", type=Path)
    asked = parser.parse_args()
    model = load("glide-emoji", "cpu")
    model.net.precision = None
    tokens = model.tokenizer.encode(["", "a large red apple with a hat"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "engine.js").write_text(engine_script())
        (folder / "network.js").write_text(exported(model).script())
        if asked.ort:
            (folder / "ort").symlink_to(asked.ort.resolve())
            example = (torch.zeros(2, 3, 16, 16), torch.tensor([500, 500]))
            with torch.no_grad():
                torch.onnx.export(
                    Drawing(model.net, tokens), example, folder / "net.onnx", input_names=["x", "t"], external_data=False
                )
        script = '<script src="ort/ort.wasm.min.js"></script>' if asked.ort else ""
        row = [token for token in tokens[1].tolist() if token]
        (folder / "index.html").write_text(PAGE % {"ort": json.dumps(bool(asked.ort)), "script": script, "tokens": row})
        for way, times in measured(folder, asked.rounds).items():
            times.sort()
            print(f"{way:16} {times[len(times) // 2]:7.1f} ms median {times[0]:7.1f} ms least")


def measured(folder: Path, rounds: int) -> dict[str, list[float]]:
    """What the page says."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with chromium() as browser:
        page = browser.new_page()
        page.on("console", lambda said: print(said.text))
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        times = page.evaluate("measure", rounds)
    server.shutdown()
    return times


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, *what: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    main()
