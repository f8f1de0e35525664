"""Write: a typed caption is drawn in the page, from a disk, as the package draws it. For JupyterLab see test_drawing_lab."""

import numpy as np
import pytest
import torch
from engine import exact
from lab import CHROMIUM
from on_a_page import ROOT, alert, listen, opened, part_of, photograph, published
from playwright.sync_api import expect
from traitlets import TraitError

from ddpm_lite import views
from ddpm_lite.browser.noise import portable_noise

CAPTIONS = ["a red apple", "a blue fish", "two dogs"]
# A hidden page gives no frames of animation until it is shown.
HIDE = """
const { requestAnimationFrame: real } = window;
const held = new Map();
window.requestAnimationFrame = (act) => (held.set(act, act), act);
window.cancelAnimationFrame = (act) => held.delete(act);
window.show = () => { window.requestAnimationFrame = real; [...held.keys()].forEach((act) => real(act)); };
"""
FINISHED = f"JSON.stringify(JSON.parse({ROOT}.dataset.finished ?? '0')) === {ROOT}.dataset.state && {ROOT}.drawn.large"


@pytest.fixture(scope="module")
def view():
    return views.Write(exact("glide-emoji"), CAPTIONS, exact("upsampler-emoji"))


def test_the_frame_is_the_package_s_picture(view, unchecked):
    """From the weights of 8 bits it differs a little from the one of 16, and two captions start from one noise."""
    model, noise = exact("glide-emoji"), portable_noise(5, (1, 3, 16, 16))
    view.set_trait("caption", "a red apple"), view.set_trait("other", "a blue fish"), view.set_trait("seed", 5)
    view.steps = 4
    frame = view.frame()["pictures"]
    truth = model.draw(["a red apple", "a blue fish"], noise=torch.cat([noise, noise]), steps=4, scale=2.0).numpy()
    assert frame.shape == truth.shape and 0 < np.abs(frame - truth).mean() < 0.05
    both = "A picture for “a red apple” and, from the same noise, “a blue fish”"
    assert view.describe() == f"{both}: 4 steps of ddim at guidance 2, from the noise of seed 5."
    view.caption, view.other = "xyzzy", ""
    with pytest.warns(UserWarning, match="xyzzy"):
        assert np.isfinite(view.frame()["pictures"]).all()
    for name, value in view.start.items():
        setattr(view, name, value)


def test_the_weights_are_sent_when_they_are_asked_for(view, monkeypatch):
    sent = []
    monkeypatch.setattr(view, "send", lambda content, buffers: sent.append((content, buffers)))
    view._from_browser(view, {"weights": "upsampler-emoji"}, [])
    view._from_browser(view, {"weights": "../etc/passwd"}, [])
    ((content, (data,)),) = sent
    assert content["weights"] == "upsampler-emoji" and len(data) == content["entry"]["size"]
    assert len(str(view.get_state())) < 300_000, "the notebook does not hold them"


def test_what_does_not_fit_is_refused(view):
    for captions in ([], ["a"] * 9):
        with pytest.raises(ValueError, match="one to eight captions"):
            views.Write(exact("glide-emoji"), captions)
    with pytest.raises(ValueError, match="inpaint-emoji is inpainting"):
        views.Write(exact("inpaint-emoji"), ["a"])
    for name, value in {"caption": "a" * 201, "scale": 9.0, "steps": 0, "method": "ddpm", "seed": 100}.items():
        with pytest.raises(TraitError):
            setattr(view, name, value)


@pytest.fixture(scope="module")
def folder(view, tmp_path_factory):
    return published(view, tmp_path_factory.mktemp("write"))


@pytest.fixture
def page(chromium, folder):
    with opened(chromium, folder) as page:
        yield page


def drawn(page, size: int) -> np.ndarray:
    return np.array(page.evaluate(f"[...{ROOT}.drawn.pictures]")).reshape(-1, 3, size, size)


def ask(page, caption: str, box: str = "A caption") -> None:
    page.get_by_label(box, exact=True).fill(caption)
    page.get_by_label(box, exact=True).press("Enter")


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium: nothing is tested in a browser")
class TestOnAPage:
    def test_a_typed_caption_is_drawn(self, page, view, unchecked):
        assert "drawn beforehand" in page.locator(".caption").inner_text()
        assert not page.evaluate("performance.getEntriesByType('resource').length"), "nothing is loaded before it is asked"
        ask(page, "a green fish")
        page.wait_for_function(FINISHED, timeout=60_000)
        view.caption = "a green fish"
        assert np.abs(drawn(page, 16) - view.frame()["pictures"]).max() * 127.5 < 2
        assert page.locator(".caption").inner_text() == f"{view.describe()} Drawn."
        assert page.evaluate(f"{ROOT}.drawn.large.length") == 3 * 64 * 64
        photograph(page, "write")
        ask(page, "a red fish", "another, from the same noise")
        page.get_by_label("seed of the noise").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"{ROOT}.drawn.pictures.length === 1536 && {FINISHED}", timeout=60_000)
        view.other, view.seed = "a red fish", 1
        assert np.abs(drawn(page, 16) - view.frame()["pictures"]).max() * 127.5 < 2
        assert page.evaluate(f"{ROOT}.drawn.large.length") == 2 * 3 * 64 * 64
        for name, value in view.start.items():
            setattr(view, name, value)

    def test_unknown_words_are_marked_while_they_are_typed(self, page):
        page.get_by_label("A caption", exact=True).fill("a <qq>blorb</qq> fish")
        assert page.locator(".words mark").all_inner_texts() == ["qq", "blorb", "qq"]
        expect(page.locator(".said").first).to_have_text("The model does not know “qq”, “blorb”, and leaves that out.")
        page.get_by_label("A caption", exact=True).fill("fish " * 30)
        expect(page.locator(".said").first).to_contain_text("no room for the last")
        page.get_by_label("A caption", exact=True).fill("a gree")
        assert not page.locator(".words mark").count(), "it may become a word that is known"
        expect(page.locator(".words mark")).to_have_text(["gree"])  # after a pause

    def test_a_caption_of_ten_thousand_letters_is_read_in_part_and_it_is_said(self, page):
        ask(page, "a fish and another elephant " * 400)
        page.wait_for_function(FINISHED, timeout=60_000)
        read = page.get_by_label("A caption", exact=True).input_value()
        assert 180 < len(read) <= 200 and read.split()[-1] in ("a", "fish", "and", "another", "elephant")
        expect(page.locator(".said").first).to_contain_text("Only its first 200 letters are read.")

    def test_what_is_not_drawn_yet_shows_no_other_picture(self, page):
        page.get_by_label("seed of the noise").press("ArrowRight")
        expect(page.locator(".caption")).to_contain_text("It is not drawn yet: press Draw.")
        grey = """canvas => {
          const [x, y] = canvas.place(0, 0, 8, 8);
          return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3)];
        }"""
        for canvas in page.locator(".live canvas").all()[:2]:
            assert canvas.evaluate(grey) == [230, 230, 230]

    def test_nothing_is_drawn_for_an_empty_caption(self, page):
        ask(page, "a blue fish")
        page.wait_for_function(FINISHED, timeout=60_000)
        page.get_by_label("A caption", exact=True).fill("")
        ask(page, "a red fish", "another, from the same noise")
        assert alert(page) == "Write what the picture is to show."
        expect(page.get_by_role("progressbar")).to_be_hidden()
        ask(page, "a green fish")
        page.wait_for_function(FINISHED, timeout=60_000)
        expect(page.locator(".live [role=alert]")).to_be_hidden()

    def test_an_engine_that_stops_is_replaced(self, chromium, folder):
        made = "constructor(...all) { super(...all); (window.made ??= []).push(this); }"
        caught = f"window.Worker = class extends Worker {{ {made} }};"
        with opened(chromium, folder, init=caught) as page:
            ask(page, "a blue fish")
            page.wait_for_function(FINISHED, timeout=60_000)
            page.evaluate("made[0].onerror({ message: 'it is gone' })")
            ask(page, "a red fish")
            page.wait_for_function(FINISHED, timeout=60_000)
            expect(page.locator(".live [role=alert]")).to_be_hidden()
            assert page.evaluate("made.length") == 2

    def test_the_last_of_many_moves_is_drawn(self, page):
        ask(page, "a blue fish")
        for _ in range(12):
            page.get_by_role("slider", name="steps").press("ArrowLeft")
        page.wait_for_function(FINISHED, timeout=60_000)
        assert '"steps":8' in page.evaluate(f"{ROOT}.dataset.finished")

    def test_a_page_that_is_hidden_draws_on_and_shows_the_end(self, page):
        page.evaluate(HIDE)
        ask(page, "a red fish")
        page.wait_for_function(f"{ROOT}.drawn?.large?.length === 3 * 64 * 64", timeout=60_000, polling=100)
        page.evaluate("show()")
        page.wait_for_function(FINISHED)
        assert page.locator(".caption").inner_text().endswith("Drawn.")
        enlarged = page.locator(".live canvas").nth(1)
        before = enlarged.screenshot()
        page.wait_for_timeout(100)
        assert enlarged.screenshot() == before, "no frame of the drawing comes late"

    def test_missing_weights_are_told_and_the_still_pictures_stay(self, chromium, folder, tmp_path):
        with opened(chromium, part_of(folder, tmp_path)) as page:
            ask(page, "a blue fish")
            assert alert(page).startswith("The engine is missing: there is no networks/engine.js.")
            page.get_by_label("begin with").select_option("two dogs")
            page.wait_for_function(f"{ROOT}.dataset.state.includes('two dogs')")
            assert "drawn beforehand" in page.locator(".caption").inner_text()

    def test_without_the_upsampler_the_small_picture_is_kept_and_it_is_told(self, chromium, folder, tmp_path):
        with opened(chromium, part_of(folder, tmp_path, "engine", "glide-emoji", cut=("upsampler-emoji",))) as page:
            ask(page, "a blue fish")
            assert alert(page).startswith("It is not enlarged. The weights of upsampler-emoji are damaged")
            assert page.locator(".caption").inner_text().endswith("Drawn.")
            assert page.evaluate(f"{ROOT}.drawn.pictures.length") == 3 * 16 * 16
            middle = "canvas => [...canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data]"
            assert page.locator(".live canvas").nth(1).evaluate(middle) == [230, 230, 230, 255], "no other caption's picture"

    def test_what_stands_in_the_box_is_what_is_drawn(self, page):
        box, seed = page.get_by_label("A caption", exact=True), page.get_by_label("seed of the noise")
        box.fill("a green fish")
        seed.press("ArrowRight")  # without Enter
        page.wait_for_function(f"{ROOT}.dataset.state.includes('green')")
        expect(page.locator(".caption")).to_contain_text("“a green fish”")
        ask(page, "a red fish")
        page.wait_for_function(FINISHED, timeout=60_000)
        box.fill("a blue apple")
        seed.press("ArrowRight")
        page.wait_for_function(f"{FINISHED} && {ROOT}.dataset.state.includes('blue apple')", timeout=60_000)
        page.get_by_role("button", name="Reset").click()
        expect(box).to_have_value(CAPTIONS[0])
        box.fill("a cow")
        page.get_by_role("button", name="Reset").click()  # nothing of the state has changed
        expect(box).to_have_value(CAPTIONS[0])

    def test_a_screen_reader_says_what_came_of_it_and_nothing_on_the_way(self, page):
        listen(page)
        page.get_by_label("seed of the noise").press("ArrowRight")
        ask(page, "a red fish")
        page.wait_for_function(FINISHED, timeout=60_000)
        expect(page.locator(".caption")).to_contain_text("Drawn.")
        assert page.evaluate("heard") == [page.locator(".caption").inner_text()]

    @pytest.mark.parametrize("width", [390, 1280])
    def test_a_word_without_end_is_wrapped(self, chromium, folder, width):
        with opened(chromium, folder, width) as page:
            ask(page, "x" * 3000)
            page.wait_for_function(f"{ROOT}.dataset.state.includes('xxx')")
            assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_on_a_slide_it_is_made_smaller_when_it_grows_and_nothing_is_moved(self, chromium, folder):
        slide = "document.querySelector('.view').closest('section')"
        over = f"({slide}.scrollHeight - {slide}.clientHeight)"
        with opened(chromium, folder, height=720, file="view.slides.html") as page:
            page.wait_for_function(f"document.querySelector('.live').style.zoom && {over} <= 0")
            ask(page, "a blorb fish", "another, from the same noise")
            expect(page.locator(".live canvas:visible")).to_have_count(4)
            page.wait_for_function(f"{over} <= 0")
            page.wait_for_function(f"{FINISHED} && {over} <= 0", timeout=60_000)
            photograph(page, "write-slide")
            for _ in range(12):
                page.keyboard.press("Tab")
            moved = "[...document.querySelectorAll('html, body, .reveal, .slides')].filter((node) => node.scrollTop).length"
            assert page.evaluate(moved) == 0

    def test_a_deck_on_a_phone(self, chromium, folder):
        with opened(chromium, folder, 390, height=844, file="view.slides.html") as page:
            page.wait_for_function("document.querySelector('.live').style.zoom !== ''")
            box = page.locator(".view").bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390
            photograph(page, "write-deck-phone")

    def test_a_phone_that_is_turned_has_the_layout_of_its_width(self, chromium, folder):
        sizes = f"Array.from({ROOT}.querySelectorAll('canvas'), (canvas) => canvas.width + ' ' + canvas.height).join()"
        with opened(chromium, folder, 390) as page:
            narrow = page.evaluate(sizes)
        with opened(chromium, folder, 844) as page:
            page.get_by_label("seed of the noise").press("ArrowRight")
            ask(page, "a red fish")
            page.wait_for_function(FINISHED, timeout=60_000)
            wide = page.evaluate(sizes)
            page.set_viewport_size({"width": 390, "height": 844})
            page.wait_for_function(f"{sizes} === '{narrow}' && '{narrow}' !== '{wide}'")
            expect(page.get_by_label("A caption", exact=True)).to_have_value("a red fish")
            page.wait_for_function(f"{FINISHED} && {ROOT}.dataset.state.includes('\"seed\":1')", timeout=60_000)
            page.set_viewport_size({"width": 844, "height": 390})
            page.wait_for_function(f"{sizes} === '{wide}'")

    def test_on_a_phone_a_slider_stands_beside_its_name_and_its_value(self, chromium, folder):
        with opened(chromium, folder, 390) as page:
            for name in ("guidance", "steps", "seed of the noise"):
                label = page.locator("label", has=page.get_by_role("slider", name=name))
                boxes = [node.bounding_box() for node in label.locator("> *").all()]
                middles = [box["y"] + box["height"] / 2 for box in boxes]
                assert max(middles) - min(middles) < 8, name
            photograph(page, "write-phone")
