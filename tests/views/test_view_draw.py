"""Draw: at each move a page from a disk draws a digit as the package draws it. For JupyterLab see test_drawing_lab."""

import json
import time
from contextlib import suppress

import numpy as np
import psutil
import pytest
import torch
from engine import entry as packed_entry
from engine import exact, needs_node, run, unpack
from lab import CHROMIUM
from on_a_page import ROOT, alert, opened, part_of, photograph, published
from traitlets import TraitError

from ddpm_lite import views
from ddpm_lite.browser.export import rounded
from ddpm_lite.browser.noise import portable_noise

FINISHED = f"JSON.stringify(JSON.parse({ROOT}.dataset.finished ?? '0')) === {ROOT}.dataset.state"
in_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: nothing is tested in a browser")


@pytest.fixture(scope="module")
def view():
    return views.Draw(exact("digits"), steps=8)


@pytest.fixture(autouse=True)
def put_back(view):
    yield
    put(view, view.start)


def put(view, state: dict) -> None:
    with view.hold_trait_notifications():
        for name, value in state.items():
            setattr(view, name, value)


@pytest.mark.parametrize("method", ["ddim", "dpm-solver++", "euler", "heun"])
def test_the_frame_is_what_the_package_draws(view, method):
    put(view, {"method": method, "seed": 5, "label": 8, "scale": 3.5})
    noise = portable_noise(5, (1, 1, 16, 16))
    picture = rounded(exact("digits")).draw(torch.tensor([8]), noise=noise, steps=8, scale=3.5, method=method)
    frame = view.frame()
    assert np.array_equal(frame["x_t"][0], noise[0]) and frame["x_t"].shape == frame["x0_hat"].shape == (9, 1, 16, 16)
    assert np.abs(frame["x_t"][-1].clip(-1, 1) - picture[0].numpy()).max() < 1e-5


def test_any_is_the_model_without_a_condition(view):
    put(view, {"label": 10})
    noise = portable_noise(0, (1, 1, 16, 16))
    picture = rounded(exact("digits")).draw(torch.tensor([10]), noise=noise, steps=8)
    assert np.abs(view.frame()["x_t"][-1].clip(-1, 1) - picture[0].numpy()).max() < 1e-5
    assert view.describe() == "Any digit: 8 steps of ddim, eta 0, from the noise of seed 0."


@pytest.mark.parametrize(("method", "eta"), [("ddpm", 0.0), ("ddim", 1.0), ("ddim", 0.4)])
def test_the_noise_of_each_step_is_the_page_s(view, method, eta):
    """By the posterior's mean, which DDIM has too where eta is 1; for eta between, by DDIM's own line."""
    put(view, {"method": method, "eta": eta, "seed": 2})
    frame, bar = view.frame(), exact("digits").schedule.alpha_bar.numpy()
    for k in range(8):
        now, before = bar[1000 - 125 * k], bar[1000 - 125 * (k + 1)]
        beta, x_t, x0 = 1 - now / before, frame["x_t"][k], frame["x0_hat"][k]
        std = np.sqrt((1 - before) / (1 - now) * beta)
        if eta in (0, 1):
            mean = np.sqrt(before) * beta / (1 - now) * x0 + np.sqrt(now / before) * (1 - before) / (1 - now) * x_t
        else:
            std *= eta
            mean = np.sqrt(before) * x0 + np.sqrt(1 - before - std**2) * (x_t - np.sqrt(now) * x0) / np.sqrt(1 - now)
        z = portable_noise(2, (1, 16, 16), k + 1).numpy()
        assert np.abs(frame["x_t"][k + 1] - mean - std * z).max() < 1e-4


ASKED = """
const posts = [];
const hear = E.serve((answer) => posts.push(answer), null);
const { data, ...entry } = given.entry;
hear({ task: "load", id: 1, name: "digits", entry, bytes: bytes(data) });
const asked = { name: "digits", rows: [{ label: 3 }], seeds: [4], scale: 2, steps: 8, ...given.how };
await hear({ task: "draw", asker: "a", id: 2, ...asked });
return posts.filter((each) => each.pictures).map((each) => each.pictures)[0];
"""


@needs_node
@pytest.mark.parametrize("how", [{"method": "ddpm"}, {"method": "ddim", "eta": 0.7}, {"method": "heun"}, {"method": "ddim"}])
def test_the_worker_draws_the_package_s_picture_from_16_bits(view, how):
    """To a step of 255, with all of the weights' digits."""
    put(view, {"seed": 4} | how)
    picture = view.path(exact("digits"))[0][-1].clamp(-1, 1)
    (answer,) = run([{"run": ASKED, "entry": packed_entry(exact("digits")), "how": how}])
    assert np.abs(unpack(answer) - picture.numpy().ravel()).max() * 127.5 < 1


def test_what_does_not_fit_is_refused(view, unchecked):
    with pytest.raises(ValueError, match="glide-shapes is text-conditional"):
        views.Draw(exact("glide-shapes"))
    with pytest.raises(ValueError, match="eta is an option of ddim, and heun does not use it"):
        views.Draw(exact("digits"), method="heun", eta=0.5)
    with pytest.raises(ValueError, match="scale strengthens what is asked for"):
        views.Draw(exact("digits"), label=10, scale=3.0)
    for name, value in {"label": 11, "scale": 9.0, "steps": 0, "method": "euler2", "seed": 100, "eta": 1.1}.items():
        with pytest.raises(TraitError):
            setattr(view, name, value)


def test_the_still_pictures(view):
    assert len(view.still) == 2 * 9 * 256 and view.visited == [1000, 875, 750, 625, 500, 375, 250, 125, 0]
    assert len(view.filmstrip().axes) >= 1 and len(str(view.get_state())) < 100_000


@pytest.fixture(scope="module")
def folder(view, tmp_path_factory):
    put(view, view.start)
    return published(view, tmp_path_factory.mktemp("draw"))


def drawn(page, name: str = "x_t") -> np.ndarray:
    return np.array(page.evaluate(f"[...{ROOT}.drawn.{name}]")).reshape(-1, 1, 16, 16)


def same(page, view) -> bool:
    """The page's whole path is the Python half's, to two steps of 255 and a little for large noise."""
    wanted = json.dumps({name: getattr(view, name) for name in view.STATE})
    there = f"Object.entries({wanted}).every(([name, value]) => JSON.parse({ROOT}.dataset.state)[name] === value)"
    page.wait_for_function(f"{there} && {FINISHED}", timeout=60_000)
    frame = view.frame()
    assert np.abs(drawn(page, "x0_hat") - frame["x0_hat"]).max() * 127.5 < 2
    assert np.abs(drawn(page)[-1] - frame["x_t"][-1].clip(-1, 1)).max() * 127.5 < 1
    return page.locator(".caption").inner_text() == f"{view.describe()} Drawn."


# Draws so many pictures, one after the other.
DRAWINGS = f"""async (n) => {{
  const root = {ROOT};
  const seed = root.querySelector("[data-trait=seed]");
  for (let k = 1; k <= n; k++) {{
    seed.value = k % 100;
    seed.dispatchEvent(new Event("input", {{ bubbles: true }}));
    const drawn = () => JSON.parse(root.dataset.finished ?? "{{}}").seed === k % 100;
    while (!drawn()) await new Promise((go) => setTimeout(go, 2));
  }}
}}"""


@pytest.mark.browser
@in_chromium
class TestOnAPage:
    def test_every_slider_draws_what_the_package_draws(self, chromium, folder, view):
        with opened(chromium, folder) as page:
            assert "drawn beforehand" in page.locator(".caption").inner_text()
            assert not page.evaluate("performance.getEntriesByType('resource').length"), "nothing is loaded before it is asked"
            assert np.abs(drawn(page, "x0_hat") - view.frame()["x0_hat"]).max() * 127.5 <= 0.5 + 1e-3
            page.get_by_label("label", exact=True).fill("7")  # the first move asks
            put(view, {"label": 7})
            assert same(page, view)
            page.get_by_label("η, fresh noise").fill("0.5")
            put(view, {"eta": 0.5})
            assert same(page, view)
            photograph(page, "draw")
            page.get_by_label("sampler").select_option("ddpm")
            put(view, {"method": "ddpm"})
            assert same(page, view) and page.get_by_label("η, fresh noise").is_disabled()
            assert "only ddim uses it" in page.locator(".controls").inner_text()
            page.get_by_label("label", exact=True).press("End")
            put(view, {"label": 10})
            assert same(page, view) and page.get_by_label("guidance", exact=True).is_disabled()
            page.get_by_role("button", name="Reset").click()
            put(view, view.start)
            assert same(page, view)

    def test_a_step_of_the_path_is_looked_at(self, chromium, folder, view):
        """By the keyboard and by the pointer; the picture that is seen large is the step's."""
        pixels = f"(() => {{ const n = {ROOT}.querySelector('canvas'); const [x, y] = n.place(0, 0, 3, 8);"
        pixels += " return n.getContext('2d').getImageData(x, y, 1, 1).data[0]; })()"
        with opened(chromium, folder) as page:
            place = page.get_by_label("look at a step")
            place.focus()
            place.press("Home")
            assert place.get_attribute("aria-valuetext") == "t = 1000, after 0 of 8 steps"
            grey = 127.5 * (1 - np.clip(view.frame()["x_t"][0, 0, 3, 8], -1, 1))
            assert abs(page.evaluate(pixels) - grey) < 3
            strip = page.locator(".live canvas").nth(1)
            strip.click(position={"x": 130, "y": 50})
            assert place.get_attribute("aria-valuetext") == "t = 875, after 1 of 8 steps"
            place.press("End")
            assert place.get_attribute("aria-valuetext") == "t = 0, the picture"

    def test_dragging_never_blocks_and_the_last_state_wins(self, chromium, folder):
        with opened(chromium, folder) as page:
            page.get_by_role("button", name="Draw", exact=True).click()
            page.wait_for_function(FINISHED, timeout=60_000)
            box = page.get_by_label("guidance", exact=True).bounding_box()
            page.evaluate("""() => { globalThis.gaps = []; let last = performance.now(); const tick = (now) => {
                gaps.push(now - last); last = now; requestAnimationFrame(tick); }; requestAnimationFrame(tick); }""")
            page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
            page.mouse.down()
            for k in range(30):
                page.mouse.move(box["x"] + 5 + k * (box["width"] - 10) / 29, box["y"] + box["height"] / 2)
                time.sleep(0.02)
            page.mouse.up()
            page.wait_for_function(f"{ROOT}.dataset.state.includes('\"scale\":8') && {FINISHED}", timeout=60_000)
            assert np.median(page.evaluate("gaps")) < 20, "60 pictures a second, however slow the network"

    def test_memory_is_flat_over_two_hundred_drawings(self, chromium, folder):
        with opened(chromium, folder) as page:
            page.get_by_role("slider", name="steps").press("Home")
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")

            def after(drawings: int) -> tuple[float, float]:
                """The bytes of the page's JavaScript, and of its process, which has the worker too."""
                page.evaluate(DRAWINGS, drawings)
                session.send("HeapProfiler.collectGarbage")
                found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
                sizes = []
                for process in psutil.Process().children(recursive=True):
                    with suppress(psutil.Error):  # one that has ended meanwhile
                        sizes += [process.memory_info().rss] * ("--type=renderer" in process.cmdline())
                return found["JSHeapUsedSize"], max(sizes)

            before = after(50)
            grown = np.subtract(after(200), before)
            assert grown[0] < 1e6 and grown[1] < 20e6, grown

    def test_on_a_phone_and_with_reduced_motion(self, chromium, folder):
        with opened(chromium, folder, 390, reduced_motion="reduce", has_touch=True) as page:
            page.get_by_label("steps", exact=True).fill("50")
            page.wait_for_function(f"{ROOT}.dataset.state.includes('\"steps\":50') && {FINISHED}", timeout=60_000)
            assert len(drawn(page)) == 51
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            photograph(page, "draw-phone")

    def test_missing_and_damaged_weights_are_told_and_the_still_pictures_stay(self, chromium, folder, tmp_path):
        part_of(folder, tmp_path, "engine")
        for script, told in (
            (None, "are missing: there is no networks/digits.js"),
            ("ddpmLiteNetworks.digits = {};", "are damaged"),
        ):
            if script:
                (tmp_path / "networks" / "digits.js").write_text(script)
            with opened(chromium, tmp_path) as page:
                page.get_by_role("button", name="Draw", exact=True).click()
                assert f"The weights of digits {told}" in alert(page)
                assert len(drawn(page)) == 9
