"""The front page draws what is typed: from a disk, by keyboard, on a phone, with reduced motion; else it says why it cannot."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from engine import exact
from lab import SCREENSHOTS, marks
from nbformat.v4 import new_markdown_cell
from on_a_page import listen
from playwright.sync_api import expect
from test_site import small

import ddpm_lite
from ddpm_lite import site
from ddpm_lite.browser.export import rounded
from ddpm_lite.browser.noise import portable_noise
from ddpm_lite.site.networks import CAPTIONS

pytestmark = [*marks, pytest.mark.usefixtures("unchecked")]
AXE = (Path(__file__).parents[1] / "vendor" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
DRAWN = "document.getElementById('drawn')"
# The picture on the canvas, from the middle of each of its squares.
PIXELS = f"""(side) => {{
  const at = {DRAWN}.getContext("2d").getImageData(0, 0, 384, 384).data;
  const middle = (i) => Math.floor((i + 0.5) * 384 / side);
  const all = [];
  const place = (i) => 4 * (384 * middle(Math.floor(i / side)) + middle(i % side));
  for (let k = 0; k < 3; k++) for (let i = 0; i < side * side; i++) all.push(at[place(i) + k]);
  return all;
}}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("demo")
    site.build(small(home / "notebooks", new_markdown_cell("# A")), home / "out")
    return home / "out"


@pytest.fixture
def visit(chromium, folder):
    faults, pages = [], []

    def open_(init: str = "", path: Path = folder / "index.html", **options):
        page = chromium.new_page(**{"viewport": {"width": 1280, "height": 900}, "offline": True, **options})
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request", lambda asked: None if asked.url.startswith(("file://", "blob:", "data:")) else faults.append(asked.url)
        )
        page.add_init_script(init)
        pages.append(page)
        page.goto(path.as_uri())
        return page

    yield open_
    for page in pages:
        page.close()
    assert not faults


def finished(page, caption: str, side: int = 64) -> None:
    page.wait_for_function(f"{DRAWN}.dataset.caption === {caption!r} && {DRAWN}.dataset.side === '{side}' && "
                           f"document.getElementById('told').textContent.includes('{side} ×')", timeout=60_000)  # fmt: skip


def test_a_caption_becomes_a_picture_and_then_a_larger_one(visit):
    page = visit()
    expect(page.locator("#still")).to_be_visible()
    expect(page.locator("#drawn")).to_be_hidden()
    assert not page.evaluate("performance.getEntriesByType('resource').length"), "nothing is loaded before it is asked"
    page.locator("#wish").fill("a green fish")
    page.keyboard.press("Enter")
    page.wait_for_function(f"{DRAWN}.dataset.side === '16'", timeout=60_000)
    finished(page, "a green fish")
    assert page.locator("#told").inner_text().startswith("Drawn: “a green fish”, from noise in 20 steps, 64 × 64 pixels.")
    assert page.locator("#drawn").get_attribute("aria-label") == "“a green fish”, drawn in this page, 64 × 64 pixels"
    expect(page.locator("#still")).to_be_hidden()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "demo.png")
    seed = int(page.evaluate(f"{DRAWN}.dataset.seed"))
    small = rounded(exact("glide-emoji")).draw(["a green fish"], noise=portable_noise(seed, (1, 3, 16, 16)), steps=20, scale=2.0)
    # Four pixels of the large picture a side are one of the small: their means are alike.
    large = np.array(page.evaluate(PIXELS, 64)).reshape(3, 64, 64).reshape(3, 16, 4, 16, 4).mean((2, 4))
    assert np.abs(large - (small[0].numpy() + 1) * 127.5).mean() < 12


def test_without_an_upsampler_the_small_picture_is_the_package_s(visit, folder, tmp_path):
    (tmp_path / "networks").mkdir()
    for name in ("index.html", "networks/engine.js", "networks/glide-emoji.js"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    page = visit(path=tmp_path / "index.html")
    page.get_by_role("button", name=CAPTIONS[0]).click()
    page.wait_for_function("document.getElementById('told').textContent.startsWith('Drawn')", timeout=60_000)
    assert "The weights of upsampler-emoji are missing" in page.locator("#told").inner_text()
    truth = rounded(exact("glide-emoji")).draw([CAPTIONS[0]], noise=portable_noise(0, (1, 3, 16, 16)), steps=20, scale=2.0)
    assert np.abs(np.array(page.evaluate(PIXELS, 16)) - (truth.numpy().ravel() + 1) * 127.5).max() <= 2


def test_by_keyboard_on_a_phone_with_reduced_motion(visit):
    page = visit(viewport={"width": 375, "height": 700}, reduced_motion="reduce")
    watch = f"new MutationObserver(() => (window.sides ??= []).push({DRAWN}.dataset.side))"
    page.evaluate(f"{watch}.observe({DRAWN}, {{ attributes: true, attributeFilter: ['data-side'] }})")
    page.locator("#wish").focus()
    page.keyboard.press("Tab")  # the button, then the captions
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    finished(page, CAPTIONS[1])
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert len(page.evaluate("window.sides")) <= 4, "no step of the drawing is seen"
    page.screenshot(path=SCREENSHOTS / "demo-phone.png")


def test_one_picture_is_drawn_once_and_then_enlarged(visit):
    """Even when the upsampler comes late."""
    late = "setTimeout(() => real(message), message.name === 'upsampler-emoji' && message.task === 'load' ? 1500 : 0)"
    page = visit(
        "window.Worker = class extends Worker {"
        "constructor(...all) { super(...all); const real = this.postMessage.bind(this);"
        f"this.postMessage = (message) => {late}; }}"
        "};"
    )
    page.evaluate("new MutationObserver(() => (window.heard ??= []).push(told.textContent)).observe(told, { childList: true })")
    page.locator("#wish").press("Enter")
    finished(page, CAPTIONS[0])
    begun = [text[:7] for text in page.evaluate("window.heard")]
    assert begun == ["Loading", "Drawing", "Drawn: "], begun


def test_the_last_caption_wins_and_odd_ones_do_no_harm(visit):
    page = visit()
    for caption in ("a red fish", "<img src=x onerror=alert(1)>", "a green fish " * 800, "a blue fish"):
        page.locator("#wish").evaluate("(box, text) => { box.value = text; box.form.requestSubmit(); }", caption)
    finished(page, "a blue fish")
    page.locator("#wish").fill("<b>blorb</b> fish")
    assert page.locator("#marks mark").all_inner_texts() == ["blorb"]
    expect(page.locator("#said")).to_contain_text("The model does not know “blorb”")
    page.locator("#wish").fill("  ")
    page.keyboard.press("Enter")
    assert page.locator("#told").inner_text() == "Write what the picture is to show."


def test_where_it_is_not_supported_the_still_pictures_are_seen_and_it_is_said(visit, folder, tmp_path):
    for missing in ("Worker", "OffscreenCanvas"):
        page = visit(f"delete window.{missing};")
        assert page.locator("#told").inner_text().startswith("This browser cannot run the networks")
        expect(page.locator("#still")).to_be_visible()
        expect(page.locator("#demo")).to_be_hidden()
    page = visit(java_script_enabled=False)
    assert "JavaScript is off" in page.inner_text("main")
    expect(page.locator("#still")).to_be_visible()
    (tmp_path / "index.html").write_bytes((folder / "index.html").read_bytes())
    page = visit(path=tmp_path / "index.html")
    page.get_by_role("button", name=CAPTIONS[2]).click()
    page.wait_for_function("document.getElementById('told').textContent.includes('engine is missing')")
    expect(page.locator("#still")).to_be_visible()
    expect(page.locator("#drawn")).to_be_hidden()


def test_it_draws_without_webassembly(visit):
    without = "['delete globalThis.WebAssembly;', ...parts]"
    page = visit(f"const Real = Blob; window.Blob = function (parts, options) {{ return new Real({without}, options); }};")
    page.get_by_role("button", name=CAPTIONS[0]).click()
    small = f"{DRAWN}.dataset.side === '16' && {DRAWN}.getAttribute('aria-label').includes('16 × 16')"
    page.wait_for_function(small, timeout=90_000)


def test_nothing_stands_in_the_way_of_a_screen_reader(visit):
    page = visit()
    page.get_by_role("button", name=CAPTIONS[0]).click()
    finished(page, CAPTIONS[0])
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document.querySelector('main'))")
    assert [f"{each['id']}: {each['nodes'][0]['html'][:80]}" for each in found["violations"]] == []


def test_a_screen_reader_hears_what_came_of_each_drawing(visit):
    page = visit()
    listen(page, "document.body")
    page.locator("#wish").press("Enter")
    finished(page, CAPTIONS[0])
    page.get_by_role("button", name=CAPTIONS[1]).click()
    finished(page, CAPTIONS[1])
    first, second = page.evaluate("heard")
    assert first.startswith(f"Drawn: “{CAPTIONS[0]}”") and second == page.locator("#told").inner_text()


def test_a_word_without_end_does_not_widen_a_phone_s_page(visit):
    page = visit(viewport={"width": 390, "height": 800})
    for letters in ("x" * 3000, "https://example.org/a-long-address-of-fifty-letters"):
        page.locator("#wish").fill(letters)
        page.keyboard.press("Enter")
        page.wait_for_function("['marks', 'told'].every((id) => document.getElementById(id).textContent.includes('x'))")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_opening_moves_once_and_for_less_than_five_seconds():
    """As WCAG 2.2.2 asks of what has no button to stop it. An APNG says how often it plays in acTL, and its delays in fcTL."""
    data = (Path(ddpm_lite.__file__).parent / "assets" / "words.png").read_bytes()
    _, plays = struct.unpack_from(">II", data, data.index(b"acTL") + 4)
    delays = [struct.unpack_from(">HH", data, found.end() + 20) for found in re.finditer(b"fcTL", data)]
    assert plays == 1 and 0 < sum(part / (whole or 100) for part, whole in delays) < 5
