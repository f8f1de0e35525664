"""AskCLIP: a picture that is drawn or brought, and captions, compared in the page, from a disk, as the package compares them."""

import base64
import io
import warnings

import numpy as np
import pytest
import torch
from engine import exact
from lab import CHROMIUM, SCREENSHOTS
from on_a_page import FINISHED, ROOT, alert, listen, opened, part_of, published, with_weights
from PIL import Image
from playwright.sync_api import expect
from traitlets import TraitError

from ddpm_lite import views
from ddpm_lite.data import changes, folder, grammar
from ddpm_lite.views.reader_pictures import as_hex, from_hex

NAMES = ("fox", "pizza", "rocket")
CAPTIONS = ["a fox", "a red fox", "a pizza", "a rocket"]
browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: nothing is tested in a browser")


@pytest.fixture(scope="module")
def view():
    pictures = changes.draw([grammar.scene(name) for name in NAMES], [0, 1, 2])
    return views.AskCLIP(exact("clip-emoji"), dict(zip(NAMES, pictures, strict=True)), CAPTIONS)


@pytest.fixture(scope="module")
def home(view, tmp_path_factory):
    return published(view, tmp_path_factory.mktemp("ask"))


def back(view) -> None:
    for name, value in view.start.items():
        setattr(view, name, value)


def truth(digits: str, captions: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The cosines and the softmax of the package's CLIP, by the logits of its `forward`."""
    model = exact("clip-emoji")
    with torch.no_grad():
        logits = model.net(from_hex(digits, (3, 16, 16)), model.tokenizer.encode(captions))[0]
        return (logits / model.net.logit_scale.exp()).numpy(), logits.softmax(0).numpy()


def test_the_frame_is_what_the_package_s_clip_says(view):
    """From weights of 8 bits a little differs."""
    view.picture = view.known[1][1]
    view.captions = ["", "a pizza", " ", "a key", "", ""]
    similarity, probability = truth(view.picture, ["a pizza", "a key"])
    frame = view.frame()
    assert 0 < np.abs(frame["similarity"] - similarity).max() < 0.01 and np.abs(frame["probability"] - probability).max() < 0.01
    assert view.describe() == "How well “pizza” fits 2 captions: “a pizza”, “a key”."
    view.picture, view.captions = as_hex(torch.zeros(3, 16, 16)), ["a pizza"]
    assert view.describe() == "How well your picture fits 1 caption: “a pizza”." and view.frame()["probability"] == 1
    back(view)


def test_the_pictures_to_begin_with_are_those_that_the_network_was_taught_with(view):
    """Each pixel is the mean of 4 x 4, and what was compared beforehand is what `frame` gives."""
    taught = changes.draw([grammar.scene(name) for name in NAMES], [0, 1, 2], 16)
    for (_, digits), small, row in zip(view.known, taught, view.known_similarity, strict=True):
        assert (from_hex(digits, (3, 16, 16))[0] - small).abs().max() < 1.01 / 127.5
        view.picture = digits
        assert np.allclose(view.frame()["similarity"], row, atol=1e-6)
    back(view)
    assert len(str(view.get_state())) < 200_000
    assert len(view.filmstrip().axes) == 1


def test_what_does_not_fit_is_refused(view, unchecked):
    one = {"fox": torch.zeros(3, 16, 16)}
    clip = exact("clip-emoji")
    for captions in ([], ["a"] * 7, ["a", " "]):
        with pytest.raises(ValueError, match="one to 6 captions"):
            views.AskCLIP(clip, one, captions)
    for wrong in ("glide-emoji", "clip-emoji-noisy"):
        with pytest.raises(ValueError, match=f"{wrong} is"):
            views.AskCLIP(exact(wrong), one, ["a"])
    for pictures, says in (
        ({}, "one to 12 pictures"),
        ({"a": torch.zeros(3, 24, 24)}, "k times as large"),
        ({"a": torch.zeros(1, 16, 16)}, "k times as large"),
        ({"a": torch.zeros(3, 16, 16), "b": torch.zeros(3, 32, 32)}, "one size"),
        ({"a": torch.full((3, 16, 16), 2.0)}, "within"),
    ):
        with pytest.raises(ValueError, match=says):
            views.AskCLIP(clip, pictures, ["a"])
    for name, value in {"captions": ["a" * 201], "picture": "00ff"}.items():
        with pytest.raises(TraitError, match="must"):
            setattr(view, name, value)
    with pytest.raises(TraitError, match="at most 6"):
        view.captions = ["a"] * 7


@pytest.fixture
def page(chromium, home):
    with opened(chromium, home) as page:
        yield page


def choose(page, *files) -> None:
    page.locator("input[type=file]").set_input_files([str(file) for file in files])


def state(page) -> dict:
    return page.evaluate(f"JSON.parse({ROOT}.dataset.state)")


def compared(page) -> tuple[np.ndarray, np.ndarray]:
    page.wait_for_function(FINISHED, timeout=60_000)
    return tuple(np.array(page.evaluate(f"[...{ROOT}.drawn.{name}]")) for name in ("similarity", "probability"))


def scribble(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture with edges, slopes and noise."""
    rng = np.random.default_rng(width)
    y, x = np.mgrid[:height, :width]
    channels = [255 * x / width, 255 * y / height, 255 * ((x // 5 + y // 7) % 2), 255 * (x > y)]
    pixels = np.stack(channels, 2) * 0.8 + rng.uniform(0, 50, (height, width, 4))
    return Image.fromarray(pixels[..., : len(mode)].clip(0, 255).astype("u1"), mode)


def files(path) -> dict[str, int]:
    """Pictures of many kinds, and by how many steps of 255 the page may differ from Pillow: JPEG is read by another decoder."""
    scribble(300, 97).save(path / "wide.png")
    scribble(50, 211, "RGBA").save(path / "clear.png")
    scribble(9, 5).save(path / "tiny.png")
    scribble(16, 16).save(path / "exact.png")
    scribble(120, 90).quantize(40).save(path / "palette.gif")
    scribble(64, 80).convert("L").save(path / "grey.png")
    scribble(80, 80).save(path / "lossless.webp", lossless=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # on its side
    scribble(60, 40).save(path / "turned.jpg", quality=95, subsampling=0, exif=exif)
    return {
        **dict.fromkeys(("wide.png", "tiny.png", "exact.png", "palette.gif", "grey.png", "lossless.webp"), 1),
        **{"clear.png": 2, "turned.jpg": 3},
    }


@browser
@pytest.mark.browser
class TestOnAPage:
    def test_the_first_numbers_are_there_before_anything_is_loaded(self, page, view):
        page.wait_for_function(f"{ROOT}.drawn")
        assert (
            page.locator(".caption").inner_text().endswith("It was compared beforehand: press Compare, and it is compared here.")
        )
        assert not page.evaluate("performance.getEntriesByType('resource').length")
        assert np.allclose(page.evaluate(f"{ROOT}.drawn.similarity"), view.known_similarity[0])
        page.get_by_label("begin with").select_option("rocket")
        page.wait_for_function(f"{ROOT}.drawn.similarity[3] > 0.7")
        expect(page.locator("output").nth(1)).to_be_visible()

    @pytest.mark.parametrize(("bits", "near"), [(16, 1e-3), (8, 0.01)])
    def test_the_numbers_are_the_package_s(self, chromium, home, view, bits, near):
        with opened(chromium, with_weights(view, home, bits)) as page:
            for i, caption in enumerate(["a green fox", "two pizzas"]):
                page.get_by_label(f"caption {5 + i}", exact=True).fill(caption)
            page.get_by_role("button", name="Compare").click()
            similarity, probability = compared(page)
            now = state(page)
            expected = truth(now["picture"], now["captions"])
            assert now["captions"][4:] == ["a green fox", "two pizzas"]
            assert np.abs(similarity - expected[0]).max() < near and np.abs(probability - expected[1]).max() < 10 * near
            if bits == 8:
                view.captions = now["captions"]
                frame = view.frame()
                assert np.abs(similarity - frame["similarity"]).max() < 1e-4
                assert np.abs(probability - frame["probability"]).max() < 1e-3
                said = page.locator(".caption").inner_text()
                assert said.startswith(f"{view.describe()} Compared. Best: “a fox”, cosine 0.") and "of the softmax." in said
                back(view)
                SCREENSHOTS.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=SCREENSHOTS / "ask_clip.png", full_page=True)

    def test_a_file_is_fitted_as_the_package_fits_it(self, page, tmp_path):
        for name, most in files(tmp_path).items():
            before = state(page)["picture"]
            choose(page, tmp_path / name)
            page.wait_for_function(f"JSON.parse({ROOT}.dataset.state).picture !== '{before}'")
            got = np.frombuffer(bytes.fromhex(state(page)["picture"]), "u1").reshape(3, 16, 16)
            wanted = folder.read(tmp_path / name, 16).transpose(2, 0, 1)
            assert np.abs(got.astype(int) - wanted).max() <= most, name
        compared(page)
        assert page.get_by_label("begin with").input_value() == "your own"

    def test_a_picture_is_dropped_or_pasted(self, page):
        for kind in ("drop", "paste"):
            file = io.BytesIO()
            scribble(40 if kind == "drop" else 44, 30).save(file, "png")
            before = state(page)["picture"]
            page.evaluate(
                f"""async ([kind, data]) => {{
                  const bytes = await (await fetch('data:image/png;base64,' + data)).blob();
                  const carried = new DataTransfer();
                  carried.items.add(new File([bytes], 'x.png', {{ type: 'image/png' }}));
                  const more = {{ bubbles: true, cancelable: true, dataTransfer: carried, clipboardData: carried }};
                  const event = kind === 'drop' ? new DragEvent('drop', more) : new ClipboardEvent('paste', more);
                  {ROOT}.querySelector('[role=application]').dispatchEvent(event);
                }}""",
                [kind, base64.b64encode(file.getvalue()).decode()],
            )
            page.wait_for_function(f"JSON.parse({ROOT}.dataset.state).picture !== '{before}'")
        compared(page)

    def test_what_is_no_picture_is_told_in_one_sentence(self, page, tmp_path):
        (tmp_path / "empty.png").touch()
        (tmp_path / "<b>notes.txt").write_text("not a picture")
        (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
        Image.new("1", (12_000, 12_000)).save(tmp_path / "huge.png")
        before = state(page)
        for name, says in {
            "empty.png": "“empty.png” is empty: it has no bytes.",
            "<b>notes.txt": "“<b>notes.txt” is not a picture that this browser can read: choose a PNG, JPEG, GIF or WebP.",
            "cut.png": "“cut.png” is not a picture that this browser can read: choose a PNG, JPEG, GIF or WebP.",
            "huge.png": "“huge.png” has 12,000 × 12,000 pixels, and the page reads pictures of at most 50 million pixels: "
            "make it smaller.",
        }.items():
            choose(page, tmp_path / name)
            page.wait_for_function(f"{ROOT}.querySelector('[role=alert]:not([hidden])')?.textContent.includes('{name}')")
            assert alert(page) == says
        assert state(page) == before

    def test_it_is_asked_at_each_stroke_and_the_last_one_wins(self, page):
        """What is drawn with the mouse is fitted as the package fits it; Undo and Clear go back and forth."""
        board = page.get_by_role("application")
        page.get_by_role("button", name="Clear").click()
        page.get_by_role("button", name="red", exact=True).click()
        box = board.bounding_box()
        page.mouse.move(box["x"] + 60, box["y"] + 60)
        page.mouse.down()
        for k in range(30):
            page.mouse.move(box["x"] + 60 + 5 * k, box["y"] + 60 + 4 * k)
        page.mouse.up()
        similarity, _ = compared(page)
        data = board.evaluate("node => node.toDataURL()").split(",")[1]
        wanted = folder.square(Image.open(io.BytesIO(base64.b64decode(data))), 16).transpose(2, 0, 1)
        drawn = state(page)["picture"]
        got = np.frombuffer(bytes.fromhex(drawn), "u1").reshape(3, 16, 16)
        assert np.abs(got.astype(int) - wanted).max() <= 1 and got[1].min() < 80 < 200 < got[0].min()
        assert np.abs(similarity - truth(drawn, CAPTIONS)[0]).max() < 0.02
        page.get_by_role("button", name="Undo").click()
        compared(page)
        assert set(state(page)["picture"]) == {"f"}
        page.get_by_role("button", name="Undo").click()
        assert page.get_by_role("button", name="Undo").is_disabled()
        page.wait_for_function(f"JSON.parse({ROOT}.dataset.state).picture !== '{drawn}'")
        compared(page)
        assert page.get_by_label("begin with").input_value() == "fox"

    def test_it_is_drawn_with_the_keys_alone(self, page):
        page.get_by_role("button", name="Clear").click()
        page.get_by_label("brush").focus()
        page.keyboard.press("Home")
        page.get_by_role("application").focus()
        page.keyboard.press("ArrowLeft")
        assert "The brush is 48 % from the left" in page.locator(".said", has_text="The brush").inner_text()
        page.keyboard.press("Space")
        for _ in range(6):
            page.keyboard.press("Shift+ArrowDown")
        compared(page)
        drawn = np.frombuffer(bytes.fromhex(state(page)["picture"]), "u1").reshape(3, 16, 16)
        assert (drawn[0, 8:11, 7] < 240).all() and (drawn[0, :, :5] == 255).all()
        page.keyboard.press("Control+z")
        page.wait_for_function(f"JSON.parse({ROOT}.dataset.state).picture !== '{drawn.tobytes().hex()}'")

    def test_captions_of_any_kind_are_only_words(self, page):
        first = page.get_by_label("caption 1", exact=True)
        first.fill("a <img src=x onerror=alert(1)> fox")
        assert page.locator(".words mark").all_inner_texts() == ["img", "src", "onerror"]
        expect(page.locator(".said", has_text="Caption 1: The model does not know “img”")).to_be_visible()
        first.press("Enter")
        compared(page)
        expect(page.locator(".live img")).to_have_count(0)
        first.evaluate("node => { node.value = 'fox '.repeat(2500); node.dispatchEvent(new Event('input')); }")
        page.wait_for_function(f"JSON.parse({ROOT}.dataset.state).captions[0].startsWith('fox fox')")
        assert state(page)["captions"][0] == ("fox " * 50).strip()
        assert "no room" in page.locator(".said", has_text="Caption").inner_text()
        compared(page)
        for i in range(1, 7):
            page.get_by_label(f"caption {i}", exact=True).fill("")
        assert alert(page) == "Write at least one caption."
        page.get_by_role("button", name="Reset").click()
        expect(page.locator(".live [role=alert]:not([hidden])")).to_have_count(0)
        for i in range(1, 7):
            page.get_by_label(f"caption {i}", exact=True).fill("")
        assert alert(page) == "Write at least one caption."
        page.get_by_label("caption 2", exact=True).fill("xyzzy")
        page.get_by_label("caption 2", exact=True).press("Enter")
        (only,), (all_of_it,) = compared(page)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert abs(only - truth(state(page)["picture"], ["xyzzy"])[0][0]) < 0.01 and all_of_it == 1
        page.get_by_role("button", name="Reset").click()
        page.wait_for_function(f"JSON.parse({ROOT}.dataset.state).captions[0] === 'a fox'")
        assert first.input_value() == "a fox"

    def test_a_screen_reader_says_what_came_of_it_and_not_each_number(self, page):
        page.get_by_role("application").focus()
        listen(page)
        page.keyboard.press("Space")
        compared(page)
        page.wait_for_function(f"{ROOT}.querySelector('.caption').textContent.includes('Compared.')")
        heard = [text for text in page.evaluate("heard") if not text.startswith("The brush is")]
        assert heard == [page.locator(".caption").inner_text()]

    def test_on_a_phone_with_a_finger_and_without_motion(self, chromium, home):
        with opened(chromium, home, 390, has_touch=True, reduced_motion="reduce") as page:
            board = page.get_by_role("application")
            board.scroll_into_view_if_needed()
            before = state(page)
            board.tap(position={"x": 100, "y": 100})
            assert board.evaluate("node => getComputedStyle(node).touchAction") == "pan-y pinch-zoom"
            assert state(page) == before, "a finger scrolls until it is to draw"
            page.get_by_role("button", name="Draw with a finger").click()
            board.tap(position={"x": 100, "y": 100})
            compared(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert board.evaluate("node => getComputedStyle(node).touchAction") == "none"
            page.screenshot(path=SCREENSHOTS / "ask_clip_phone.png", full_page=True)

    def test_missing_and_damaged_weights_are_told(self, chromium, home, tmp_path):
        with opened(chromium, part_of(home, tmp_path)) as page:
            page.get_by_role("button", name="Compare").click()
            assert alert(page).startswith("The engine is missing: there is no networks/engine.js. What was compared beforehand")
        text = (home / "networks" / "clip-emoji.js").read_text()
        at = text.index('"data":"') + 8
        (part_of(home, tmp_path, "engine") / "networks" / "clip-emoji.js").write_text(text[:at] + text[at + 400 :])
        with opened(chromium, tmp_path) as page:
            page.get_by_role("button", name="Compare").click()
            assert alert(page).startswith("The weights of clip-emoji are damaged")
