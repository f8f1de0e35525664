"""Imagine: DALL·E 2 from words in the page, from a disk, draws what the package's chain draws."""

import numpy as np
import pytest
import torch
from engine import exact
from lab import CHROMIUM
from on_a_page import FINISHED, ROOT, alert, opened, part_of, photograph, published
from traitlets import TraitError

from ddpm_lite import views
from ddpm_lite.browser.noise import IMAGINING
from ddpm_lite.models.unclip import Chain, imagined
from ddpm_lite.views.imagine import BOTH, CAPTION, GIVEN, IMAGINED, TEXT

KNOWN = ["a fox", "a blue fox with a crown"]


@pytest.fixture(scope="module")
def chain():
    return Chain("unclip-emoji", *(exact(f"{name}-emoji") for name in ("clip", "prior", "decoder", "upsampler")))


@pytest.fixture(scope="module")
def first(chain):
    return views.Imagine(chain, KNOWN, steps=5)


@pytest.fixture
def view(first):
    put(first, **first.start)
    return first


def put(view, **state) -> None:
    with view.hold_trait_notifications():
        for name, value in state.items():
            setattr(view, name, value)


def noises(view, *shape: int, stream: int = 0) -> torch.Tensor:
    return view.noises(view.seed, 4, shape, stream)


@pytest.mark.parametrize("given", GIVEN)
def test_the_frame_is_what_the_package_draws(view, chain, given):
    """From weights of 8 bits it differs a little from that of 16, which is the chain's own."""
    put(view, caption="a green cat", given=given, seed=7, scale=1.5)
    text = chain.encode_text(["a green cat"] * 4)
    tokens = chain.clip.tokenizer.encode(["a green cat"] * 4)
    noise = torch.stack([noises(view, 96, stream=IMAGINING + k) for k in range(2)])
    z = {TEXT: text, CAPTION: None}.get(given, imagined(chain.prior, tokens, text, noise))
    captions = ["a green cat" if given in (BOTH, CAPTION) else ""] * 4
    how = {"steps": 5, "scale": 1.5, "method": "dpm-solver++", "noise": noises(view, 3, 16, 16)}
    truth = chain.decoder.draw(captions, embedding=z, **how).numpy()
    assert np.abs(view._draw(16, view.caption)["pictures"] - truth).max() * 127.5 < 1
    assert 0 < np.abs(view.frame()["pictures"] - truth).mean() < 0.05
    what = {
        BOTH: "embeddings that the prior imagines, and from the caption",
        IMAGINED: "embeddings that the prior imagines, without the caption",
        TEXT: "the caption's own embedding, without the caption",
        CAPTION: "the caption, without an embedding",
    }[given]
    assert (
        view.describe()
        == f"Four pictures for “a green cat”, drawn from {what}: 5 steps at guidance 1.5, from the noise of seeds 7 to 10."
    )


def test_what_is_imagined_is_the_chain_s_own(chain):
    """The same noise gives the same embeddings as `imagine`, which keeps the closer of two."""
    text, tokens = chain.encode_text(KNOWN), chain.clip.tokenizer.encode(KNOWN)
    noise = torch.stack([torch.randn(2, 96, generator=torch.Generator().manual_seed(seed)) for seed in (5, 6)])
    both = torch.stack([imagined(chain.prior, tokens, text, each[None]) for each in noise])
    best = (both * text).sum(2).argmax(0)
    assert set(best.tolist()) <= {0, 1}
    assert torch.allclose(imagined(chain.prior, tokens, text, noise), both[best, torch.arange(2)], atol=1e-4)
    assert torch.equal(chain.imagine(KNOWN, seed=5, candidates=1), imagined(chain.prior, tokens, text, noise[:1]))


def test_what_was_drawn_beforehand_is_the_first_state_of_each_caption(view):
    stills = views.base.unpacked(view.known_pictures, 3, 16, 16).reshape(2, 4, 3, 16, 16)
    for caption, still in zip(KNOWN, stills, strict=True):
        assert np.abs(view._draw(16, caption)["pictures"] - still).max() * 127.5 < 2
    strip = view.filmstrip()
    assert {text.get_text() for axes in strip.axes for text in axes.get_yticklabels()} >= {"picture 1", "picture 4"}


def test_what_does_not_fit_is_refused(view, chain):
    for captions in ([], ["a"] * 9):
        with pytest.raises(ValueError, match="one to eight captions"):
            views.Imagine(chain, captions)
    for name, value in {"caption": "a" * 201, "given": "all", "scale": 9.0, "steps": 0, "seed": 100}.items():
        with pytest.raises(TraitError):
            setattr(view, name, value)


def test_a_caption_of_unknown_words_is_drawn_all_the_same(view):
    for given in GIVEN:
        put(view, caption="xyzzy", given=given, steps=1)
        assert np.isfinite(view.frame()["pictures"]).all()


@pytest.fixture(scope="module")
def folder(first, tmp_path_factory):
    put(first, **first.start)
    return published(first, tmp_path_factory.mktemp("imagine"))


@pytest.fixture
def page(chromium, folder):
    with opened(chromium, folder) as page:
        yield page


def ask(page, caption: str) -> None:
    page.get_by_label("A caption", exact=True).fill(caption)
    page.get_by_label("A caption", exact=True).press("Enter")


def drawn(page) -> dict[str, np.ndarray]:
    """What the page says it drew, once it is enlarged."""
    page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    page.wait_for_function(f"{FINISHED} && {ROOT}.drawn.large", timeout=60_000)
    names = ("pictures", "large", "embeddings", "closeness")
    return {
        name: np.array(page.evaluate(f"[...{ROOT}.drawn.{name}].map((each) => each?.length ? [...each] : each)"))
        for name in names
    }


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium: nothing is tested in a browser")
class TestOnAPage:
    def test_a_caption_becomes_pictures_by_way_of_embeddings(self, page, view, unchecked):
        assert "drawn beforehand" in page.locator(".caption").inner_text()
        assert not page.evaluate("performance.getEntriesByType('resource').length"), "nothing is loaded before it is asked"
        photograph(page, "imagine-before")
        ask(page, "a green cat")
        found = drawn(page)
        put(view, caption="a green cat")
        frame = view.frame()
        assert np.abs(found["embeddings"] - frame["embeddings"]).max() < 0.01
        assert np.abs(found["pictures"] - frame["pictures"].ravel()).max() * 127.5 < 4
        assert len(found["large"]) == 4 * 3 * 64 * 64
        text = view._models["clip-emoji"].encode_text(["a green cat"]).numpy()[0]
        z = frame["embeddings"]
        cosines = (z @ text) / np.linalg.norm(z, axis=1)
        assert np.abs(found["closeness"] - cosines).max() < 0.01
        said = page.locator(".caption").inner_text()
        assert said.startswith(f"{view.describe()} Drawn. The cosines of the embeddings with the caption's: 0.")
        photograph(page, "imagine")

    @pytest.mark.parametrize("given", [IMAGINED, TEXT, CAPTION])
    def test_each_thing_that_the_decoder_may_be_given(self, page, view, given, unchecked):
        page.get_by_label("the decoder is given").select_option(given)
        ask(page, "two cats")
        found = drawn(page)
        put(view, caption="two cats", given=given)
        frame = view.frame()
        assert np.abs(found["pictures"] - frame["pictures"].ravel()).max() * 127.5 < 4
        assert page.locator(".caption").inner_text().startswith(f"{view.describe()} Drawn.")

    def test_the_last_of_several_captions_is_drawn(self, page, view):
        for caption in ("a dog", "a pizza", "a robot", "a fox"):
            ask(page, caption)
        drawn(page)
        assert page.locator(".caption").inner_text().startswith("Four pictures for “a fox”")

    def test_without_the_prior_it_is_said_and_the_stills_are_seen(self, chromium, folder, tmp_path, view):
        part_of(folder, tmp_path, "engine", "clip-emoji", "decoder-emoji")
        with opened(chromium, tmp_path) as page:
            page.get_by_role("button", name="Draw", exact=True).click()
            assert alert(page).startswith("The weights of prior-emoji are missing: there is no networks/prior-emoji.js.")
            assert "What was drawn beforehand is seen in its place." in alert(page)

    def test_on_a_phone(self, chromium, folder):
        with opened(chromium, folder, width=390) as page:
            ask(page, "an owl with a crown")
            drawn(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            photograph(page, "imagine-phone")

    def test_nothing_asked_for_is_nothing_drawn(self, page):
        ask(page, "")
        assert alert(page) == "Write what the pictures are to show."
