"""TrainHere: the network learns in a page from a disk, from points that are chosen or drawn. The gradient and the steps are
proved in tests/browser/test_point_training.py."""

import re

import numpy as np
import pytest
import torch
from lab import CHROMIUM
from on_a_page import ROOT, alert, listen, opened, part_of, photograph, published, swipe
from playwright.sync_api import expect
from traitlets import TraitError

from ddpm_lite import Schedule, views
from ddpm_lite.data import points
from ddpm_lite.views.train_here import near_points

SCHEDULE = Schedule.linear(1000)
PLANE = ".live canvas[role=application]"
in_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: nothing is tested in a browser")


def shapes() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return {
        "two moons": points.moons(300, g),
        "swiss roll": points.swiss_roll(200, g),
        "the letter R": points.letters("R", 100, g),
    }


@pytest.fixture(scope="module")
def view():
    return views.TrainHere(shapes(), SCHEDULE)


def test_the_frame_before_the_first_step(view):
    frame = view.frame()
    assert np.allclose(frame["points"], shapes()["two moons"]) and not frame["ways"].any() and frame["loss"].size == 0
    assert view.t == 100 and view.start["running"] == "not begun"
    assert view.describe() == "300 points of two moons. The network has learnt nothing yet: press Begin."
    view.step, view.loss = 1240, 0.2
    assert view.describe().endswith("learnt for 1240 steps, its loss is 0.200. The arrows are those at t = 100 of 1000.")
    view.step, view.loss, view.shape = 0, 0.0, "your own"
    assert view.describe() == "There are no points yet: draw some, or choose a shape." and not view.frame()["near"].any()
    view.own = np.zeros(2, "<f4").tobytes()
    assert view.describe().startswith("1 of your own points.")
    view.own, view.shape = b"", "two moons"


def test_arrows_stand_where_noisy_points_come():
    """Of many points at t, nearly all lie within a step of the grid of a place with an arrow; and little of the plane has one."""
    x, t = shapes()["swiss roll"].double(), 50
    near = near_points(x, t, SCHEDULE).bool()
    eps = torch.randn(200, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    noisy = SCHEDULE.alpha_bar[t].sqrt() * x + (1 - SCHEDULE.alpha_bar[t]).sqrt() * eps
    apart = torch.cdist(noisy, views.field.places()[near]).amin(1)
    assert (apart < 0.4).double().mean() > 0.95 and near.double().mean() < 0.7


def test_what_does_not_fit_is_refused(unchecked):
    x = shapes()["two moons"]
    for wrong in ({}, {"your own": x}):
        with pytest.raises(ValueError, match="Give one or more shapes"):
            views.TrainHere(wrong, SCHEDULE)
    for wrong in (x[:0], 9 * x, x[:, :1], x * float("nan"), x.repeat(20, 1)):
        with pytest.raises(ValueError, match="two moons must be 1 to 5000 points"):
            views.TrainHere({"two moons": wrong}, SCHEDULE)
    with pytest.raises(ValueError, match="linear schedule"):
        views.TrainHere({"two moons": x}, Schedule.cosine(1000))
    for name, value in {"t": 101, "lr": 0.5, "batch": 7, "shape": "circle", "running": "yes"}.items():
        with pytest.raises(TraitError):
            views.TrainHere({"two moons": x}, SCHEDULE, **{name: value})


def test_the_still_picture_is_of_a_training(view, monkeypatch):
    """At the last of its moments, points drawn with the network lie on the moons."""
    monkeypatch.setattr(views.train_here, "STILLS", (1, 300))
    before = torch.get_rng_state()
    fig = view.filmstrip()
    assert torch.equal(before, torch.get_rng_state())
    first, last = (torch.tensor(ax.lines[1].get_xydata()) for ax in fig.axes)
    apart = [float(torch.cdist(each, shapes()["two moons"].double()).amin(1).median()) for each in (first, last)]
    assert apart[0] > 1 and apart[1] < 0.2


@pytest.fixture(scope="module")
def folder(view, tmp_path_factory):
    return published(view, tmp_path_factory.mktemp("train"))


def step(page) -> int:
    return page.evaluate(f"{ROOT}.drawn.step")


def reach(page, steps: int) -> None:
    page.wait_for_function(f"{ROOT}.drawn.step >= {steps}", timeout=60_000)


def rested(page) -> int:
    """The step at which it rests, after what it still does."""
    at = -1
    for _ in range(20):
        page.wait_for_timeout(500)
        if step(page) == at:
            return at
        at = step(page)
    raise AssertionError("It goes on.")


def state(page, name: str):
    return page.evaluate(f"JSON.parse({ROOT}.dataset.state).{name}")


def stroke(page) -> None:
    """Draw a line with the mouse."""
    box = page.locator(PLANE).bounding_box()
    page.mouse.move(box["x"] + 150, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 200, steps=10)
    page.mouse.up()


@pytest.mark.browser
@in_chromium
class TestOnAPage:
    def test_it_learns_while_the_page_goes_on(self, chromium, folder, view):
        with opened(chromium, folder) as page:
            for name, values in view.frame().items():
                shown = page.evaluate(f"[...{ROOT}.drawn.{name}]")
                assert np.allclose(shown, np.asarray(values, dtype=float).ravel(), atol=1e-6), name
            assert page.locator(".caption").inner_text() == view.describe()
            assert not page.evaluate("performance.getEntriesByType('resource').length"), "nothing is loaded before it is asked"
            listen(page)
            page.get_by_role("button", name="Begin").click()
            reach(page, 1)
            page.evaluate("""() => { globalThis.gaps = []; let last = performance.now(); const tick = (now) => {
                gaps.push(now - last); last = now; requestAnimationFrame(tick); }; requestAnimationFrame(tick); }""")
            reach(page, 100)
            assert 1000 / np.median(page.evaluate("gaps")) >= 55
            loss = page.evaluate(f"[...{ROOT}.drawn.loss]")
            assert 0.7 < loss[0] < 1.2 and loss[-1] < 0.6 * loss[0]
            floor = page.evaluate(f"{ROOT}.drawn.floor")
            assert 0.1 < floor < min(loss)
            assert page.locator(f".live canvas[aria-label*='Its floor on these points is {floor:.3f}.']").count() == 1
            page.get_by_role("button", name="Stop").click()
            at = rested(page)
            heard = [text for text in page.evaluate("heard") if "is learning" in text]
            assert heard and all(re.search(r"is learning: \d+ steps?(, its loss is [01]\.\d{3})?\.", text) for text in heard)
            assert f"learnt for {at} steps, its loss is" in page.locator(".caption").inner_text()
            drawn = np.array(page.evaluate(f"[...{ROOT}.drawn.samples]")).reshape(-1, 2)
            apart = torch.cdist(torch.tensor(drawn), shapes()["two moons"].double()).amin(1)
            assert len(drawn) == 200 and float(apart.median()) < 0.4
            photograph(page, "train-here")
            before = page.evaluate(f"[...{ROOT}.drawn.ways]")
            page.get_by_label("step t of the arrows").press("ArrowRight")  # also while it rests
            page.wait_for_function(f"JSON.stringify([...{ROOT}.drawn.ways]) !== '{str(before).replace(' ', '')}'")
            page.get_by_role("button", name="Go on").click()
            reach(page, at + 5)
            page.get_by_role("button", name="Reset").click()
            page.wait_for_function(f"{ROOT}.drawn.step === 0 && {ROOT}.dataset.state.includes('not begun')")
            assert page.locator(".caption").inner_text() == view.describe()
            page.wait_for_timeout(300)
            assert step(page) == 0

    def test_points_are_drawn_with_the_mouse_while_it_learns(self, chromium, folder):
        with opened(chromium, folder) as page:
            page.get_by_role("button", name="Begin").click()
            reach(page, 5)
            stroke(page)
            assert state(page, "shape") == "your own" and page.evaluate(f"{ROOT}.drawn.points.length") / 2 > 320
            assert page.get_by_label("points", exact=True).input_value() == "your own"
            reach(page, step(page) + 5)  # it has not stopped
            page.get_by_role("button", name="Clear").click()
            page.wait_for_function(f"{ROOT}.drawn.points.length === 0 && {ROOT}.drawn.step === 0")
            assert "There are no points yet" in page.locator(".caption").inner_text()
            page.get_by_role("button", name="Begin").click()
            page.wait_for_selector(".live [role=alert]:not([hidden])")
            assert page.locator(".live [role=alert]").inner_text().startswith("There are no points to learn from")
            page.wait_for_function(f"{ROOT}.dataset.state.includes('not begun')")
            page.get_by_label("points", exact=True).select_option("two moons")
            expect(page.locator(".live [role=alert]")).to_be_hidden()
            page.get_by_role("button", name="Begin").click()
            reach(page, 5)
            page.get_by_label("points", exact=True).select_option("your own")  # of which there is none
            page.wait_for_function(f"{ROOT}.dataset.state.includes('stopped')")
            assert page.locator(".live [role=alert]").inner_text().startswith("There are no points left to learn from")
            page.get_by_role("button", name="Reset").click()
            expect(page.locator(".live [role=alert]")).to_be_hidden()

    def test_one_point_and_thousands_by_the_keyboard(self, chromium, folder, view):
        with opened(chromium, folder) as page:
            page.get_by_role("button", name="Clear").click()  # the pen is on the plane now
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Space")
            page.wait_for_function(f"{ROOT}.drawn.points.length === 10")
            put = np.array(page.evaluate(f"[...{ROOT}.drawn.points]")).reshape(-1, 2)
            assert np.abs(put - [0.2, 0]).max() < 0.35
            page.get_by_role("button", name="Begin").click()
            reach(page, 20)
            page.locator(PLANE).focus()
            for _ in range(3):
                page.evaluate(f"""() => {{ for (let i = 0; i < 400; i++) {ROOT}.querySelector('canvas').dispatchEvent(
                    new KeyboardEvent('keydown', {{ key: ' ', bubbles: true }})); }}""")
            page.wait_for_function(f"{ROOT}.drawn.points.length === 10000")
            assert "There is room for 5000 points" in page.locator(".live [role=alert]").inner_text()
            reach(page, step(page) + 5)

    def test_it_rests_while_the_page_is_hidden(self, chromium, folder):
        hide = """(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
            document.dispatchEvent(new Event('visibilitychange')); }"""
        with opened(chromium, folder) as page:
            page.get_by_role("button", name="Begin").click()
            reach(page, 5)
            page.evaluate(hide, True)
            at = rested(page)
            assert state(page, "running") == "learning"
            page.evaluate(hide, False)
            reach(page, at + 5)

    def test_on_a_phone_and_with_reduced_motion(self, chromium, folder):
        with opened(chromium, folder, 390, reduced_motion="reduce", has_touch=True) as page:
            page.set_viewport_size({"width": 390, "height": 500})
            before = state(page, "shape")
            swipe(page, page.locator(PLANE), down=-200)
            page.wait_for_function("scrollY > 100")
            page.locator(PLANE).tap(position={"x": 200, "y": 100})
            assert state(page, "shape") == before, "to scroll is not to draw"
            page.get_by_role("button", name="Draw with a finger").press("Enter")
            expect(page.get_by_role("button", name="Draw with a finger", pressed=True)).to_be_visible()
            page.locator(PLANE).tap(position={"x": 200, "y": 100})
            page.wait_for_function(f"{ROOT}.dataset.state.includes('your own')")
            page.get_by_role("button", name="Begin").click()
            reach(page, 5)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            photograph(page, "train-here-phone")

    def test_a_missing_engine_is_told(self, chromium, folder, tmp_path):
        with opened(chromium, part_of(folder, tmp_path)) as page:
            page.get_by_role("button", name="Begin").click()
            assert alert(page).startswith("The engine is missing")
            expect(page.get_by_role("button", name="Begin")).to_be_visible()
