"""FillIn: what the reader erases is filled in, in the page, from a disk, as the package fills it in."""

import numpy as np
import pytest
import torch
from engine import entry, exact, needs_node, pack, run, unpack
from lab import CHROMIUM, SCREENSHOTS
from on_a_page import FINISHED, ROOT, alert, opened, part_of, published, with_weights
from PIL import Image
from playwright.sync_api import expect
from traitlets import TraitError

from ddpm_lite import views
from ddpm_lite.browser.noise import portable_noise
from ddpm_lite.data import changes, folder, grammar
from ddpm_lite.sampling.editing import inpaint
from ddpm_lite.sampling.guidance import guided
from ddpm_lite.sampling.loop import sample
from ddpm_lite.views.reader_pictures import as_hex, from_hex

NAMES = ("fox", "teapot")
CAPTIONS = ["a fox with sunglasses", "a teapot with a crown"]
browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: nothing is tested in a browser")


def masks() -> torch.Tensor:
    mask = torch.ones(2, 1, 16, 16)
    mask[0, :, 3:10] = mask[1, :, :8] = 0
    return mask


def pictures() -> dict[str, torch.Tensor]:
    return dict(zip(NAMES, changes.draw([grammar.scene(name) for name in NAMES], [0, 0], 16), strict=True))


@pytest.fixture(scope="module")
def view():
    return views.FillIn(exact("inpaint-emoji"), pictures(), masks(), CAPTIONS, exact("upsampler-emoji"))


@pytest.fixture(scope="module")
def home(view, tmp_path_factory):
    return published(view, tmp_path_factory.mktemp("fill"))


def put(view, state: dict) -> None:
    for name, value in state.items():
        setattr(view, name, value)


def truth(state: dict) -> np.ndarray:
    """The package's picture from the shipped weights, by the sampler itself."""
    model = exact("inpaint-emoji")
    mask = torch.tensor([float(each) for each in state["mask"]]).reshape(1, 1, 16, 16)
    network = inpaint(model.net, from_hex(state["picture"], (3, 16, 16)), mask, model.schedule, model.target)
    eps = guided(network, float(state["scale"]), torch.tensor([1, 2] + [0] * 14))
    noise, cond = portable_noise(state["seed"], (1, 3, 16, 16)), model.tokens([state["caption"]])
    steps, method = state["steps"], state["method"]
    *_, last = sample(eps, noise, model.schedule, cond=cond, steps=steps, method=method, clip=True)
    return last.x_t.clamp(-1, 1).numpy()


def test_the_frame_is_the_package_s_picture(view, unchecked):
    put(view, {"steps": 4, "seed": 3})
    frame = view.frame()["pictures"]
    wanted = truth({name: getattr(view, name) for name in view.STATE})
    kept = masks()[0, 0].numpy() == 1
    assert 0 < np.abs(frame - wanted).mean() < 0.05, "the weights have 8 bits"
    assert np.abs((frame - from_hex(view.picture, (3, 16, 16)).numpy())[0, :, kept]).max() < 1e-4
    what = "112 of 256 pixels of “fox” are erased, to become “a fox with sunglasses”"
    assert view.describe() == f"{what}: 4 steps of dpm-solver++ at guidance 4, from the noise of seed 3."
    put(view, {"picture": as_hex(torch.zeros(3, 16, 16)), "mask": "0" * 255 + "1", "caption": "xyzzy", "steps": 1})
    with pytest.warns(UserWarning, match="xyzzy"):
        assert np.isfinite(view.frame()["pictures"]).all()
    assert view.describe().startswith("255 of 256 pixels of your picture are erased, to become “xyzzy”: 1 step of")
    put(view, view.start)


def test_what_was_filled_in_beforehand_is_the_first_state_s_picture(view):
    still = views.base.unpacked(view.known_pictures, 3, 16, 16)
    state = {name: getattr(view, name) for name in view.STATE}
    for i, (_, picture, mask, caption) in enumerate(view.known):
        now = state | {"picture": picture, "mask": mask, "caption": caption}
        assert np.abs(still[i] - truth(now)[0]).max() < 2 / 127.5  # its bytes, and those of the picture, are rounded
    assert len(views.base.unpacked(view.known_large, 3, 64, 64)) == 2
    assert len(view.filmstrip().axes) == 1


def test_what_does_not_fit_is_refused(view, unchecked):
    model = exact("inpaint-emoji")
    with pytest.raises(ValueError, match="glide-emoji is text-conditional"):
        views.FillIn(exact("glide-emoji"), pictures(), masks(), CAPTIONS)
    with pytest.raises(ValueError, match="one to 8 pictures"):
        views.FillIn(model, {}, masks(), CAPTIONS)
    with pytest.raises(ValueError, match="2 pictures need as many masks and captions, not 1 and 2"):
        views.FillIn(model, pictures(), masks()[:1], CAPTIONS)
    with pytest.raises(ValueError, match="A mask must be 1"):
        views.FillIn(model, pictures(), masks() / 2, CAPTIONS)
    wrong = {"mask": "01", "picture": "0g", "caption": "a" * 201, "scale": 9.0, "steps": 0, "method": "ddpm", "seed": 100}
    for name, value in {**wrong, "mask": "2" * 256}.items():
        with pytest.raises(TraitError):
            setattr(view, name, value)
    with pytest.raises(TraitError, match="256 digits"):
        view.mask = "01"


@needs_node
@pytest.mark.parametrize("scale", [0, 1, 3])
def test_the_engine_fills_in_several_pictures_as_the_package_does(scale):
    """Each with a mask and a caption of its own; without guidance, with it, and with the caption not asked."""
    model, noise = exact("inpaint-emoji"), portable_noise(2, (2, 3, 16, 16))
    before, mask = torch.stack(list(pictures().values())), masks()
    picture = model.edit(before, mask, CAPTIONS, noise=noise, steps=5, scale=float(scale))
    code = """
    const n = net(given.name);
    const eps = E.inpainter(n, given.rows, given.scale, numbers(given.before), numbers(given.mask));
    return [...E.frames(eps, n.recipe.schedule, numbers(given.x), given)].at(-1).x_t;
    """
    rows = [{"tokens": [token for token in row if token]} for row in model.tokens(CAPTIONS).tolist()]
    task = {"run": code, "name": model.name, "x": pack(noise), "before": pack(before), "mask": pack(mask), "rows": rows}
    (answer,) = run([task | {"scale": scale, "steps": 5}], {model.name: entry(model)})
    assert np.abs(unpack(answer).clip(-1, 1) - picture.numpy().ravel()).max() * 127.5 < 1


def state(page) -> dict:
    return page.evaluate(f"JSON.parse({ROOT}.dataset.state)")


def filled(page) -> np.ndarray:
    page.wait_for_function(FINISHED, timeout=60_000)
    return np.array(page.evaluate(f"[...{ROOT}.drawn.pictures]")).reshape(1, 3, 16, 16)


def ask(page, caption: str) -> None:
    page.get_by_label("what is to be there").fill(caption)
    page.get_by_label("what is to be there").press("Enter")


def at(board, row: int, column: int) -> tuple[float, float]:
    """The middle of a pixel of the picture on the screen."""
    box = board.bounding_box()
    return box["x"] + box["width"] * (column + 0.5) / 16, box["y"] + box["height"] * (row + 0.5) / 16


def is_erased(page) -> np.ndarray:
    return np.array([each == "0" for each in state(page)["mask"]]).reshape(16, 16)


@pytest.fixture
def page(chromium, home):
    with opened(chromium, home) as page:
        yield page


@browser
@pytest.mark.browser
class TestOnAPage:
    def test_what_was_filled_in_beforehand_is_seen_first(self, page, view):
        page.wait_for_function(f"{ROOT}.drawn")
        assert "It was filled in beforehand" in page.locator(".caption").inner_text()
        assert not page.evaluate("performance.getEntriesByType('resource').length")
        page.get_by_label("begin with").select_option("teapot")
        page.wait_for_function(f"{ROOT}.dataset.state.includes('teapot with a crown')")
        assert page.get_by_label("what is to be there").input_value() == "a teapot with a crown"
        got = np.array(page.evaluate(f"[...{ROOT}.drawn.pictures]"))
        assert np.abs(got - views.base.unpacked(view.known_pictures, 3, 16, 16)[1].ravel()).max() < 1e-6
        page.get_by_role("button", name="Undo").click()
        page.wait_for_function(f"{ROOT}.dataset.state.includes('fox with sunglasses')")

    @pytest.mark.parametrize("bits", [16, 8])
    def test_a_painted_mask_is_filled_in_as_the_package_does(self, chromium, home, view, bits):
        with opened(chromium, with_weights(view, home, bits)) as page:
            board = page.get_by_role("application")
            page.get_by_role("button", name="Restore all").click()
            page.mouse.move(*at(board, 2, 4))
            page.mouse.down()
            page.mouse.move(*at(board, 2, 11), steps=4)
            page.mouse.up()
            page.get_by_role("slider", name="steps").focus()
            page.keyboard.press("ArrowLeft")
            ask(page, "a fox with a crown")
            got, now = filled(page), state(page)
            wanted = np.zeros((16, 16), bool)
            wanted[1:4, 3:13] = True
            assert np.array_equal(is_erased(page), wanted) and now["steps"] == 14
            kept = np.abs(got - from_hex(now["picture"], (3, 16, 16)).numpy())[0][:, ~wanted]
            assert kept.max() < 1e-4, "what is known is kept"
            if bits == 16:
                assert np.abs(got - truth(now)).max() * 127.5 < 1
            else:
                put(view, now)
                assert np.abs(got - view.frame()["pictures"]).max() * 127.5 < 2
                SCREENSHOTS.mkdir(parents=True, exist_ok=True)
                page.wait_for_function(f"{ROOT}.drawn.large?.length === 3 * 64 * 64", timeout=60_000)
                assert page.locator(".caption").inner_text() == f"{view.describe()} Filled in."
                put(view, view.start)
                page.screenshot(path=SCREENSHOTS / "fill_in.png", full_page=True)

    def test_the_mask_is_painted_with_the_keys_alone(self, page):
        page.get_by_role("button", name="Restore all").press("Enter")
        page.get_by_label("its size").focus()
        page.keyboard.press("Home")
        page.get_by_role("application").focus()
        page.keyboard.press("ArrowUp")
        said = page.locator(".said", has_text="Row")
        assert said.inner_text() == "Row 8, column 9 of 16: kept. Space erases, and so do arrows with Shift."
        page.keyboard.press("Space")
        assert "Row 8, column 9 of 16: erased." in said.inner_text()
        for key in ("Shift+ArrowRight", "Shift+ArrowRight", "ArrowDown", "Space"):
            page.keyboard.press(key)
        page.wait_for_function(f"{ROOT}.dataset.state.split('\"mask\":\"')[1].slice(0, 256).split('0').length === 5")
        assert np.argwhere(is_erased(page)).tolist() == [[7, 8], [7, 9], [7, 10], [8, 10]]
        page.get_by_label("the brush").select_option("restore")
        page.get_by_role("application").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        page.wait_for_function(f"{ROOT}.dataset.state.split('\"mask\":\"')[1].slice(0, 256).split('0').length === 4")

    def test_a_picture_of_the_reader_s_own(self, page, tmp_path):
        Image.new("RGB", (90, 60), (200, 30, 40)).save(tmp_path / "red.png")
        (tmp_path / "empty.png").touch()
        page.locator("input[type=file]").set_input_files(str(tmp_path / "red.png"))
        page.wait_for_function(f"!{ROOT}.dataset.state.split('\"mask\":\"')[1].slice(0, 256).includes('0')")
        got = np.frombuffer(bytes.fromhex(state(page)["picture"]), "u1").reshape(3, 16, 16).transpose(1, 2, 0)
        assert np.abs(got.astype(int) - folder.read(tmp_path / "red.png", 16)).max() <= 1
        ask(page, "a fox")
        assert alert(page) == "Erase a part of the picture first: paint on it with the brush."
        page.get_by_role("slider", name="steps").press("Home")
        page.get_by_role("button", name="Erase all").click()
        expect(page.locator(".live [role=alert]:not([hidden])")).to_have_count(0)
        ask(page, "")
        assert alert(page) == "Write what is to be there."
        ask(page, "a fox")
        filled(page)
        assert page.locator(".caption").inner_text().startswith("256 of 256 pixels of your picture are erased")
        page.locator("input[type=file]").set_input_files(str(tmp_path / "empty.png"))
        assert alert(page) == "“empty.png” is empty: it has no bytes."
        Image.effect_noise((2400, 1800), 50).save(tmp_path / "large.png")
        page.evaluate("turns = []; setInterval(() => turns.push(performance.now()), 10)")
        page.locator("input[type=file]").set_input_files(str(tmp_path / "large.png"))
        page.wait_for_function(f"!{ROOT}.dataset.state.split('\"mask\":\"')[1].slice(0, 256).includes('0')")
        assert page.evaluate("turns.length") > 8, "the page goes on while a large picture is read"

    def test_captions_of_any_kind_are_only_words(self, page):
        page.get_by_role("slider", name="steps").press("Home")
        ask(page, "a <img src=x onerror=alert(1)> fox")
        assert page.locator(".words mark").all_inner_texts() == ["img", "src", "onerror"]
        filled(page)
        expect(page.locator(".live img")).to_have_count(0)
        box = page.get_by_label("what is to be there")
        box.evaluate("node => { node.value = 'fox '.repeat(2500); node.dispatchEvent(new Event('input')); }")
        box.press("Enter")
        filled(page)
        assert state(page)["caption"] == ("fox " * 50).strip()
        expect(page.locator(".said", has_text="Only its first 200 letters are read.")).to_be_visible()

    def test_the_last_of_many_moves_is_filled_in(self, page):
        ask(page, "a fox with a scarf")
        for _ in range(10):
            page.get_by_role("slider", name="steps").press("ArrowLeft")
        page.wait_for_function(FINISHED, timeout=60_000)
        assert state(page)["steps"] == 5

    def test_on_a_phone_with_a_finger_and_without_motion(self, chromium, home):
        with opened(chromium, home, 390, has_touch=True, reduced_motion="reduce") as page:
            page.get_by_role("application").scroll_into_view_if_needed()
            page.get_by_role("button", name="Draw with a finger").click()
            page.get_by_role("application").tap(position={"x": 5, "y": 5})
            page.wait_for_function(f'{ROOT}.dataset.state.includes(\'"mask":"00\')')
            page.get_by_role("button", name="Fill in").click()
            page.wait_for_function(FINISHED, timeout=60_000)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            page.screenshot(path=SCREENSHOTS / "fill_in_phone.png", full_page=True)

    def test_missing_and_damaged_weights_are_told_and_the_still_pictures_stay(self, chromium, home, tmp_path):
        with opened(chromium, part_of(home, tmp_path)) as page:
            ask(page, "a fox")
            assert alert(page) == "The engine is missing: there is no networks/engine.js."
        with opened(chromium, part_of(home, tmp_path, "engine", cut=("inpaint-emoji",))) as page:
            page.get_by_role("button", name="Fill in").click()
            assert alert(page).startswith("The weights of inpaint-emoji are damaged")
            assert alert(page).endswith("What was filled in beforehand is seen in its place."), alert(page)

    def test_without_the_upsampler_the_small_picture_is_kept_and_it_is_told(self, chromium, home, tmp_path):
        with opened(chromium, part_of(home, tmp_path, "engine", "inpaint-emoji")) as page:
            ask(page, "a fox")
            filled(page)
            assert alert(page).startswith("It is not enlarged. The weights of upsampler-emoji are missing")
            assert page.locator(".caption").inner_text().endswith("Filled in.")
