"""The views against `interact` with a matplotlib figure of the same content, in JupyterLab in Chromium, in one run.

Of each view: milliseconds from a key press to the new picture (median, 95 %), pictures a second while the slider is
dragged for three seconds (median and least of five drags), and milliseconds from running its cell to its first picture.
Of `interact`: the first two, of one drag.
A new picture of ours is one that is drawn; of `interact`, one whose data has come, before it is decoded, which favours it.
Needs Chromium, playwright and jupyterlab. --big measures the views at the projector's size.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from lab import jupyterlab
from moving import cells_of

# The views that must keep up: a notebook that shows it, the trait that is moved, and where `interact` moves it to.
VIEWS = {
    "Noise": ("01_forward_process", "t", "range(view.T + 1)"),
    "Density": ("01_forward_process", "t", "range(view.T + 1)"),
    "ScheduleView": ("01_forward_process", "T", "range(10, 1001)"),
    "Bayes": ("03_reverse_posterior", "x_t", "[i / 20 for i in range(-50, 51)]"),
    "Training": ("04_epsilon_training", "step", "view.steps"),
    "ProbabilityFlow": ("08_score_and_flow", "u", "view.times"),
    "Sampling": ("05_sampling", "t", "dict(view.axes)['t']"),
}
THEIRS = """
import ipywidgets, matplotlib.pyplot as plt, torch
from ddpm_lite.views import plots

def draw(value):
    view.{trait} = values[value]
    parts = {{k: torch.as_tensor(v).double() for k, v in view.frame().items() if torch.as_tensor(v).numel() > 1}}
    fig, axes = plt.subplots(1, len(parts), figsize=(5 * len(parts), 4), squeeze=False)
    for ax, (name, x) in zip(axes[0], parts.items()):
        if x.ndim >= 4:
            ax.imshow(plots.tiles(x.reshape(-1, *x.shape[-3:]), columns=x.shape[-4]))
        else:
            ax.plot(x.reshape(-1, x.shape[-1]).T)
        ax.set_title(name)
    plt.show()

values = {values}
ipywidgets.interact(draw, value=ipywidgets.IntSlider(0, 0, len(values) - 1));
"""
OURS = "document.querySelector('.ddpm-view').dataset.state"
IMAGE = "[...document.querySelectorAll('.jp-OutputArea .jupyter-widgets img')].at(-1)?.src"
WATCH = """shown => { window.answer = new Promise((done, fail) => {
  setTimeout(() => fail(new Error('no new picture within 20 s')), 20000);
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
FIRST = """() => new Promise((done) => {
  const start = performance.now();
  const seen = () => document.querySelector('.ddpm-view canvas');
  const look = () => (seen() ? done(performance.now() - start) : requestAnimationFrame(look));
  jupyterapp.commands.execute('notebook:run-cell');
  look();
})"""
GLIDE = """async (slider) => {
  const places = Math.round((slider.max - slider.min) / slider.step);
  let [at, by] = [0, Math.max(1, Math.round(places / 12))];
  for (const start = performance.now(); performance.now() - start < 3000; ) {
    if (at + by < 0 || at + by > places) by = -by;
    at += by;
    slider.value = Number(slider.min) + at * slider.step;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise(requestAnimationFrame);
  }
  return window.drawn;
}"""
COUNT = """shown => {
  window.drawn = 0;
  window.counter?.disconnect();
  let before = eval(shown);
  window.counter = new MutationObserver(() => {
    const now = eval(shown);
    if (now && now !== before) window.drawn += 1;
    before = now;
  });
  window.counter.observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


def press(page, slider, shown: str, presses: int) -> list[float]:
    """Sorted milliseconds from a key press to the new picture."""
    slider.focus()
    slider.press("Home")
    page.wait_for_timeout(1000)
    times = []
    for k in range(presses):
        page.evaluate(WATCH, shown)
        page.keyboard.press("ArrowLeft" if k % 8 > 3 else "ArrowRight")  # to and fro: a slider may have few places
        times.append(page.evaluate("window.answer"))
        page.wait_for_timeout(200)
    return sorted(times)


def glide(page, slider, shown: str) -> float:
    """Pictures a second while a slider of ours moves for three seconds, once in each frame of the screen: so the browser
    passes on the moves of a mouse, of which Playwright sends too few (24 a second)."""
    page.evaluate(COUNT, shown)
    return slider.evaluate(GLIDE) / 3


def drag(page, handle, track, shown: str) -> float:
    """Pictures a second while the mouse drags a handle to and fro for three seconds."""
    box = track.bounding_box()
    handle.hover()
    page.mouse.down()
    page.evaluate(COUNT, shown)
    start, k = page.evaluate("performance.now()"), 0
    while page.evaluate("performance.now()") - start < 3000:
        k += 1
        across = abs((k * 0.083) % 2 - 1)
        page.mouse.move(box["x"] + (0.02 + 0.96 * across) * box["width"], box["y"] + box["height"] / 2)
    drawn = page.evaluate("window.drawn")
    page.mouse.up()
    return drawn / 3


def measure(open_, name: str, presses: int, big: bool) -> None:
    notebook, trait, values = VIEWS[name]
    cells = cells_of((notebook, name, 0))
    page = open_(cells, above=True)
    page.wait_for_timeout(1000)
    first = page.evaluate(FIRST)
    if big:
        page.get_by_role("button", name="Big").click()
    page.wait_for_timeout(3000)
    slider = page.locator(f".ddpm-view input[data-trait={trait}]")
    ours = press(page, slider, OURS, presses)
    rates = sorted(glide(page, slider, OURS) for _ in range(5))
    page.close()
    cells[-1].source += "\n" + THEIRS.format(trait=trait, values=values)
    page = open_(cells, ".jp-OutputArea .jupyter-widgets img")
    page.wait_for_timeout(3000)
    handle = page.locator(".noUi-handle").first
    theirs = press(page, handle, IMAGE, presses // 3)
    their_rate = drag(page, handle, page.locator(".noUi-target").first, IMAGE)
    page.close()
    (median, most), (their_median, their_most) = ((t[len(t) // 2], t[int(0.95 * len(t))]) for t in (ours, theirs))
    print(f"{name:12}  key {median:5.1f} ms, 95 % {most:5.1f}", end="; ")
    print(f"drag {rates[2]:4.0f}/s, least {rates[0]:.0f}; first {first:4.0f} ms", end="  |  ")
    print(f"interact: key {their_median:5.0f} ms, 95 % {their_most:5.0f}; drag {their_rate:4.1f}/s", end="  |  ")
    print(f"ratio {their_median / median:.0f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("views", nargs="*", default=VIEWS)
    parser.add_argument("--presses", type=int, default=60)
    parser.add_argument("--big", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, jupyterlab(Path(home)) as open_:
        for view in arguments.views:
            measure(open_, view, arguments.presses, arguments.big)
