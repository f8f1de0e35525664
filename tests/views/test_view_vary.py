"""Vary: DALL·E 2's variations in the page, from a disk, are those that the package draws."""

import numpy as np
import pytest
import torch
from engine import exact
from lab import CHROMIUM, SCREENSHOTS
from on_a_page import FINISHED, ROOT, alert, opened, part_of, published
from playwright.sync_api import expect
from traitlets import TraitError

from ddpm_lite import views
from ddpm_lite.browser.export import exported
from ddpm_lite.data import changes, grammar
from ddpm_lite.models.unclip import Chain
from ddpm_lite.networks.prior import slerp
from ddpm_lite.views.vary import NEW, OWN, VARIATIONS, WAY, WORDS

THINGS = {"a fox": "fox", "a panda": "panda", "a robot": "robot"}


@pytest.fixture(scope="module")
def chain():
    return Chain("unclip-emoji", *(exact(f"{name}-emoji") for name in ("clip", "prior", "decoder", "upsampler")))


@pytest.fixture(scope="module")
def examples():
    pictures = changes.draw([grammar.scene(thing) for thing in THINGS.values()], [2] * 3, 16)
    return dict(zip(THINGS, pictures, strict=True))


@pytest.fixture(scope="module")
def first(chain, examples):
    return views.Vary(chain, examples, steps=5)


@pytest.fixture
def view(first):
    for name, value in first.start.items():
        setattr(first, name, value)
    return first


def put(view, **state) -> None:
    with view.hold_trait_notifications():
        for name, value in state.items():
            setattr(view, name, value)


def test_the_frame_is_what_the_package_draws(view, chain, examples):
    """From weights of 8 bits it differs a little from that of 16, which is the chain's own."""
    given = torch.stack([examples["a fox"], examples["a robot"]])
    noise = torch.cat([view.noise(seed, 1, (3, 16, 16)) for seed in (7, 8, 9, 10)])
    put(view, seed=7)
    truth = chain.decode(chain.encode(given[:1]).expand(4, -1), noise=noise, steps=5, scale=2.0).numpy()
    assert np.abs(view._draw(16)["pictures"] - truth).max() * 127.5 < 1
    assert 0 < np.abs(view.frame()["pictures"] - truth).mean() < 0.05
    assert view.describe() == "Four variations of a fox: 5 steps at guidance 2, from the noise of seeds 7 to 10."
    put(view, mode=WAY, other="a robot", share=0.3, begin=OWN, scale=1.0)
    ends, up = chain.encode(given), chain.invert(given, 5).flatten(1)
    z, own = (slerp(each[:1], each[1:], 0.3) for each in (ends, up))
    truth = chain.decode(z, noise=own.reshape(1, 3, 16, 16), steps=5, scale=1.0, method="ddim").numpy()
    # what the view keeps of a picture has 256 levels
    assert np.abs(view._draw(16)["pictures"] - truth).max() * 127.5 < 2
    way = "0.3 of the way from a fox to a robot: 5 steps at guidance 1, from the noise of both, between them in the same way."
    assert view.describe() == way
    put(view, mode=WORDS, begin=NEW, steps=1)
    assert (
        view.describe()
        == "A fox, turned by 0.3 from “an orange fox” to “a blue fox”: 1 step at guidance 1, from the noise of seed 7."
    )
    view.after = view.before
    with pytest.raises(ValueError, match="same embedding"):
        view.frame()


def test_a_share_of_nothing_with_its_own_noise_gives_the_picture_back(view, examples):
    put(view, mode=WAY, share=0.0, begin=OWN, scale=1.0, steps=40)
    error = np.abs(view._draw(16)["pictures"][0] - examples["a fox"].numpy()).mean()
    put(view, begin=NEW)
    assert error < 0.05 < np.abs(view._draw(16)["pictures"][0] - examples["a fox"].numpy()).mean()


def test_what_was_drawn_beforehand_is_the_first_state_of_each_picture(view, chain):
    stills = view._stills()
    assert stills.shape == (3, 5, 3, 16, 16)
    for name, still in zip(view.known, stills, strict=True):
        put(view, picture=name)
        assert np.abs(view._draw(16)["pictures"] - still[1:].numpy()).max() * 127.5 < 2
    strip = view.filmstrip()
    assert {text.get_text() for axes in strip.axes for text in axes.get_yticklabels()} >= {"the picture", "variation 4"}


def test_what_does_not_fit_is_refused(view, chain, examples):
    one = examples["a fox"]
    for few in ({}, {"one": one}, {str(i): one for i in range(9)}):
        with pytest.raises(ValueError, match="two to eight pictures"):
            views.Vary(chain, few)
    with pytest.raises(ValueError, match="16, 16"):
        views.Vary(chain, {"a": one[:, :8], "b": one[:, :8]})
    with pytest.raises(ValueError, match=r"within \[-1, 1\]"):
        views.Vary(chain, {"a": one, "b": 2 * one})
    wrong = {"picture": "a cow", "other": "", "before": "a" * 201, "mode": "all", "begin": "no", "scale": 9.0, "steps": 0}
    for name, value in (wrong | {"seed": 100, "share": 1.1}).items():
        with pytest.raises(TraitError):
            setattr(view, name, value)


def test_the_notebook_holds_no_weights_and_a_page_loads_at_most_12_megabytes(view):
    assert view.networks == ["clip-emoji", "decoder-emoji", "upsampler-emoji"]
    assert len(str(view.get_state())) < 200_000
    assert sum(len(exported(model).script()) for model in view._models.values()) < 12e6


@pytest.fixture(scope="module")
def folder(first, tmp_path_factory):
    return published(first, tmp_path_factory.mktemp("vary"))


@pytest.fixture
def page(chromium, folder):
    with opened(chromium, folder) as page:
        yield page


def finished(page, large: bool = False) -> None:
    """Wait until what was last asked for is drawn; a change comes into the state with the next picture of the screen."""
    page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    page.wait_for_function(f"{FINISHED} && ({ROOT}.drawn.large || !{str(large).lower()})", timeout=60_000)


def drawn(page, name: str = "pictures") -> np.ndarray:
    return np.array(page.evaluate(f"[...{ROOT}.drawn.{name}]"))


def put_slider(page, label: str, value: str) -> None:
    """Put a slider at a place, as a drag ends there."""
    slider = page.get_by_role("slider", name=label, exact=True)
    slider.evaluate("(node, v) => { node.value = v; node.dispatchEvent(new Event('input', { bubbles: true })); }", value)


def differs(page, frame: dict) -> float:
    """How far the page's pictures are from a frame's, in steps of 1/255."""
    return float(np.abs(drawn(page) - frame["pictures"].ravel()).max() * 127.5)


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium: nothing is tested in a browser")
class TestOnAPage:
    def test_each_mode_draws_the_frame(self, page, view, unchecked):
        assert "drawn beforehand" in page.locator(".caption").inner_text()
        assert not page.evaluate("performance.getEntriesByType('resource').length"), "nothing is loaded before it is asked"
        page.get_by_role("button", name="Draw", exact=True).press("Enter")
        finished(page, large=True)
        assert differs(page, view.frame()) < 2 and drawn(page, "large").size == 4 * 3 * 64 * 64
        assert page.locator(".caption").inner_text() == f"{view.describe()} Drawn."
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / "vary.png", full_page=True)
        for mode in (WAY, WORDS):
            page.get_by_label("draw", exact=True).select_option(mode)
            page.get_by_label("begin with").select_option(OWN)
            put_slider(page, "share", "6")
            finished(page)
            put(view, mode=mode, begin=OWN, share=0.3)
            assert differs(page, view.frame()) < 2
            assert np.abs(drawn(page, "embedding") - view.frame()["embedding"]).max() < 1e-3
            assert page.locator(".live canvas").first.get_attribute("aria-label") == f"{view.describe()} Drawn."
            page.screenshot(path=SCREENSHOTS / f"vary-{mode.split()[-1]}.png", full_page=True)
        page.get_by_label("to these").fill("a fox with a zz crown")
        expect(page.locator(".said").last).to_have_text("The model does not know “zz”, and leaves that out.")
        page.get_by_label("to these").press("Enter")
        finished(page)
        put(view, after="a fox with a zz crown")
        with pytest.warns(UserWarning, match="zz"):
            assert differs(page, view.frame()) < 2
        page.get_by_label("to these").fill("a fox with a blue crown")
        page.get_by_role("button", name="Draw", exact=True).click()  # does what Turn does
        page.wait_for_function(f"{FINISHED} && {ROOT}.dataset.state.includes('blue crown')", timeout=60_000)
        page.get_by_label("to these").fill("a fox with a zz crown")
        page.get_by_label("from these words").fill("a fox with a crown")
        page.get_by_label("from these words").press("Enter")
        assert alert(page).startswith("To CLIP the two captions say the same")

    def test_weights_of_16_bits_give_the_package_s_picture(self, chromium, folder, view, tmp_path, unchecked):
        part_of(folder, tmp_path, "engine")
        for name in ("clip-emoji", "decoder-emoji"):
            (tmp_path / "networks" / f"{name}.js").write_text(exported(view._models[name], 16).script())
        with opened(chromium, tmp_path) as page:
            page.get_by_role("button", name="Draw", exact=True).click()
            for mode, begin in ((VARIATIONS, NEW), (WAY, NEW), (WAY, OWN), (WORDS, OWN)):
                page.get_by_label("draw", exact=True).select_option(mode)
                if mode != VARIATIONS:
                    page.get_by_label("begin with").select_option(begin)
                finished(page)
                put(view, mode=mode, begin=begin)
                assert differs(page, view._draw(16)) < 1, (mode, begin)
            assert page.locator(".caption").inner_text() == f"{view.describe()} Drawn."
            assert alert(page).startswith("It is not enlarged. The weights of upsampler-emoji are missing")

    def test_the_last_of_many_moves_is_drawn(self, page):
        page.get_by_label("draw", exact=True).select_option(WAY)
        page.get_by_role("button", name="Draw", exact=True).click()
        for _ in range(8):
            page.get_by_role("slider", name="share").press("ArrowRight")
        finished(page)
        assert '"share":0.9' in page.evaluate(f"{ROOT}.dataset.finished")

    def test_only_what_has_an_effect_is_offered(self, page):
        names = ["the other", "from these words", "to these", "share", "begin with", "seed of the noise"]
        seen = {}
        for mode in (VARIATIONS, WAY, WORDS):
            page.get_by_label("draw", exact=True).select_option(mode)
            page.wait_for_function(f"{ROOT}.dataset.state.includes({mode!r})")
            assert mode == VARIATIONS or "press Draw." in page.locator(".caption").inner_text()
            seen[mode] = [name for name in names if page.get_by_label(name, exact=True).first.is_visible()]
        assert seen == {VARIATIONS: names[5:], WAY: ["the other", *names[3:]], WORDS: names[1:]}
        page.get_by_label("begin with").select_option(OWN)
        page.wait_for_function(f"{ROOT}.dataset.state.includes({OWN!r})")
        expect(page.get_by_label("seed of the noise")).to_be_hidden()

    def test_on_a_phone_with_reduced_motion_nothing_is_cut_off(self, chromium, folder, view):
        with opened(chromium, folder, 390, reduced_motion="reduce") as page:
            page.get_by_label("the picture", exact=True).select_option("a robot")
            page.wait_for_function(f"{ROOT}.dataset.state.includes('robot')")
            assert "drawn beforehand" in page.locator(".caption").inner_text()
            first = drawn(page)
            counted = f"{ROOT}.querySelectorAll('canvas')[1].getContext('2d').drawImage = () => window.steps++"
            page.evaluate(f"window.steps = 0; {counted}; 0")  # Playwright would call a function
            page.get_by_role("button", name="Draw", exact=True).click()
            finished(page)
            assert np.abs(drawn(page) - first).mean() < 0.06, "beforehand it was drawn from weights of 16 bits"
            assert page.evaluate("window.steps") <= 8, "no step is seen, only what comes of them"
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            page.screenshot(path=SCREENSHOTS / "vary-phone.png", full_page=True)

    def test_missing_and_damaged_weights_are_told_and_the_still_pictures_stay(self, chromium, folder, tmp_path):
        part_of(folder, tmp_path, "engine", "clip-emoji", cut=("decoder-emoji",))
        with opened(chromium, tmp_path) as page:
            page.get_by_role("button", name="Draw", exact=True).click()
            assert alert(page).startswith(
                "The weights of decoder-emoji are damaged: networks/decoder-emoji.js holds nothing of it."
            )
            page.get_by_label("the picture", exact=True).select_option("a robot")
            page.wait_for_function(f"{ROOT}.dataset.state.includes('robot')")
            assert "drawn beforehand" in page.locator(".caption").inner_text()
