"""From key press to new picture: the Noise view against `interact` with a matplotlib figure of the same content.

Both in JupyterLab in Chromium, in one run, a key pressed every quarter of a second. The time runs from the key's event
in the browser until the new picture is in the page (for `interact` without its decoding, which favours it).
Needs Chromium, playwright and jupyterlab.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parent.parent))
from test_browser import jupyterlab

SETUP = """
import torch, ipywidgets, matplotlib.pyplot as plt
from ddpm_lite import Schedule, plots, q_sample
from ddpm_lite.data import photos
from ddpm_lite.views import Noise
schedule, x0 = Schedule.linear(1000), photos.flower(64)[None]
eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
"""
OURS = "Noise(x0, eps, {'linear': schedule})"
THEIRS = """
def draw(t):
    fig, axes = plt.subplots(1, 2, figsize=(12, 4))
    plots.show_strip(axes[0], {"": torch.cat([x0, eps, q_sample(x0, t, eps, schedule)])}, ["x_0", "eps", f"t = {t}"])
    axes[1].plot(schedule.alpha_bar)
    axes[1].plot(t, schedule.alpha_bar[t], "o")
    plt.show()
ipywidgets.interact(draw, t=ipywidgets.IntSlider(0, 0, 1000));
"""
# name: the cell, what to wait for, the slider, and what changes when the picture does
WAYS = {
    "our view": (OURS, ".ddpm-view canvas", ".ddpm-view input", "document.querySelector('.ddpm-view canvas').dataset.state"),
    "interact": (
        THEIRS,
        ".jp-OutputArea img",
        ".noUi-handle",
        "[...document.querySelectorAll('.jp-OutputArea img')].at(-1)?.src",
    ),
}
WATCH = """shown => { window.answer = new Promise(done => {
  const before = eval(shown);
  document.addEventListener('keydown', () => {
    const start = performance.now();
    const observer = new MutationObserver(() => {
      const now = eval(shown);
      if (!now || now === before) return;
      observer.disconnect();
      done(performance.now() - start);
    });
    observer.observe(document.body, { subtree: true, childList: true, attributes: true });
  }, { once: true, capture: true });
}); }"""


def measure(open_, cell, wait, slider, shown, presses):
    """Sorted milliseconds of `presses` key presses."""
    page = open_([nbformat.v4.new_code_cell(SETUP + cell)], wait)
    page.wait_for_timeout(3000)
    page.locator(slider).first.focus()
    times = []
    for _ in range(presses):
        page.evaluate(WATCH, shown)
        page.keyboard.press("ArrowRight")
        times.append(page.evaluate("window.answer"))
        page.wait_for_timeout(250)
    page.close()
    return sorted(times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presses", type=int, default=60)
    presses = parser.parse_args().presses
    medians = {}
    with tempfile.TemporaryDirectory() as home, jupyterlab(Path(home)) as open_:
        for name, way in WAYS.items():
            times = measure(open_, *way, presses)
            medians[name] = times[presses // 2]
            print(f"{name}: median {medians[name]:.0f} ms, 95 % {times[int(0.95 * presses)]:.0f} ms")
    print(f"ratio of the medians: {medians['interact'] / medians['our view']:.0f}")
