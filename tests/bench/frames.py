"""How smoothly each view moves on a web page without a kernel, in Chromium, with the data that the notebooks hold.

Of each view: milliseconds from mounting it to its first picture on the screen, milliseconds from a key press to the next
picture (medians), pictures a second while a slider moves once in each frame for two seconds, and the milliseconds of
JavaScript that one picture takes in that drag (median, 95 %), which depend less on what else the machine does.
--before FOLDER measures the JavaScript of another folder `views` too, in turn with this one. Needs Chromium and playwright.
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

import nbformat

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from cut import NOTEBOOKS
from lab import chromium

from ddpm_lite.site.text import HERE as SITE
from ddpm_lite.site.text import in_html
from ddpm_lite.views.base import HERE, halves

# The view, the notebook that shows it (its first there), the trait that is moved.
VIEWS = {
    "Noise": ("noise", "01_forward_process", "t"),
    "Noise, eight": ("noise", "02_closed_form", "t"),
    "Schedule": ("schedule", "01_forward_process", "T"),
    "Density": ("density", "01_forward_process", "t"),
    "Bayes": ("bayes", "03_reverse_posterior", "x_t"),
    "Field": ("field", "04_epsilon_training", "t"),
    "Training": ("training", "04_epsilon_training", "step"),
    "Sampling": ("sheet", "05_sampling", "t"),
    "Sheet": ("sheet", "09_latents_and_transformers", "t"),
    "Matrix": ("matrix", "06_clip_conditioning", "row"),
    "ProbabilityFlow": ("probability_flow", "08_score_and_flow", "u"),
    "ProbabilityFlow, eta": ("probability_flow", "08_score_and_flow", "eta"),
}
PAGE = """<!doctype html><meta charset="utf-8"><title>frames</title><body>
<script type="application/json" id="views">{views}</script><script>{mount}
const ask = window.requestAnimationFrame.bind(window);
window.spent = [];
window.requestAnimationFrame = (act) => ask((now) => {{ // the view's own, timed
  const start = performance.now();
  act(now);
  window.spent.push(performance.now() - start);
}});
const afterwards = (done) => {{
  const {{ port1, port2 }} = new MessageChannel(); // what it is sent in a frame comes when that is painted
  port1.onmessage = () => done(performance.now());
  port2.postMessage(null);
}};
const painted = () => new Promise((done) => ask(() => afterwards(done)));
const root = () => document.querySelector(".live").shadowRoot.querySelector(".ddpm-view");
const drawn = () => new Promise((done) => {{
  const seen = new MutationObserver(() => (seen.disconnect(), afterwards(done)));
  seen.observe(root(), {{ attributeFilter: ["data-state"] }});
}});
async function first() {{
  const host = document.createElement("div");
  host.dataset.model = "view";
  document.body.append(host);
  const start = performance.now();
  await mountView(host);
  return (await painted()) - start;
}}
function pressed() {{
  window.answer = new Promise((done) => {{
    const wait = async ({{ timeStamp }}) => done((await drawn()) - timeStamp);
    document.addEventListener("keydown", wait, {{ once: true, capture: true }});
  }});
}}
async function dragged(trait, seconds) {{
  const slider = root().querySelector(`input[data-trait="${{trait}}"]`);
  const places = Math.round((slider.max - slider.min) / slider.step);
  let [at, by, seen, pictures] = [0, Math.max(1, Math.round(places / 40)), "", 0];
  window.spent = [];
  const start = performance.now();
  let now = start;
  for (; now - start < 1000 * seconds; now = performance.now()) {{
    if (at + by < 0 || at + by > places) by = -by;
    at += by;
    slider.value = Number(slider.min) + at * slider.step;
    slider.dispatchEvent(new Event("input", {{ bubbles: true }}));
    await new Promise(ask);
    if (root().dataset.state !== seen) pictures++;
    seen = root().dataset.state;
  }}
  return [(1000 * pictures) / (now - start), pictures, window.spent.sort((a, b) => a - b)];
}}
</script>"""


def saved(notebook: str, name: str) -> dict:
    """The first view of this name that a notebook holds: its state and its data."""
    states = nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", as_version=4).metadata["widgets"]
    for widget in states["application/vnd.jupyter.widget-state+json"]["state"].values():
        if widget["state"].get("_esm", "").endswith(halves(name)):
            return widget
    raise ValueError(f"{notebook} holds no view of {name}.js.")


def page_of(widget: dict, name: str, folder: Path) -> str:
    """A page with this one view, whose JavaScript is that of a folder."""
    state = {key: value for key, value in widget["state"].items() if not key.startswith("_")}
    model = {"state": state, "buffers": widget.get("buffers", []), "module": 0, "style": 0}
    modules = ["".join((folder / f"{each}.js").read_text() for each in ("base", name))]
    views = {"models": {"view": model}, "modules": modules, "styles": [(HERE / "base.css").read_text()]}
    return PAGE.format(views=json.dumps(views).replace("<", "\\u003c"), mount=in_html((SITE / "views.js").read_text()))


def cost(tools) -> tuple[float, float]:
    """Seconds of a core that the page's thread has spent in JavaScript, and in all."""
    found = {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}
    return found["ScriptDuration"], found["TaskDuration"]


def measure(browser, file: Path, trait: str, presses: int) -> dict[str, float]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(file.as_uri())
    page.wait_for_timeout(300)
    found = {"first": page.evaluate("first()")}
    page.wait_for_timeout(300)
    slider = page.locator(f".live input[data-trait={trait}]")
    slider.focus()
    slider.press("Home")
    keys = []
    for k in range(presses):
        page.wait_for_timeout(60)
        page.evaluate("pressed()")
        page.keyboard.press("ArrowLeft" if k % 2 else "ArrowRight")  # to and fro: a slider may have few places
        keys.append(page.evaluate("window.answer"))
    found["key"] = median(keys)
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = cost(tools)
    found["rate"], pictures, spent = page.evaluate("trait => dragged(trait, 2)", trait)
    script, task = (1000 * (now - then) / pictures for now, then in zip(cost(tools), before, strict=True))
    found |= {"p50": median(spent), "p95": spent[int(0.95 * len(spent))], "script": script, "task": task}
    page.close()
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("views", nargs="*", default=VIEWS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--presses", type=int, default=16)
    parser.add_argument("--before", type=Path)
    given = parser.parse_args()
    folders = ({"before": given.before} if given.before else {}) | {"now": HERE}
    with tempfile.TemporaryDirectory() as home, chromium() as browser:
        for view in given.views:
            name, notebook, trait = VIEWS[view]
            widget, rows = saved(notebook, name), defaultdict(list)
            for _ in range(given.rounds):
                for when, folder in folders.items():
                    file = Path(home) / f"{when}.html"
                    file.write_text(page_of(widget, name, folder), encoding="utf-8")
                    rows[when].append(measure(browser, file, trait, given.presses))
            for when, found in rows.items():
                mid = {key: median(each[key] for each in found) for key in found[0]}
                line = "first {first:4.0f} ms; key {key:4.1f} ms; drag {rate:3.0f}/s; JavaScript {p50:4.1f}, 95 % {p95:4.1f} ms; "
                line += "of a core {script:4.1f}, in all {task:4.1f} ms"
                print(f"{view:18}  {when:6}  {line.format(**mid)}", flush=True)
