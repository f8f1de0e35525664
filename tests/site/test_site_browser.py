"""The web pages as a reader meets them: from a disk, without a network, in Chromium, on a desk and on a phone.

Skipped without Chromium, as all tests of lab.py are.
"""

import re
from base64 import b64encode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import test_site
from lab import SCREENSHOTS, marks
from moving import assert_drawn_everywhere, assert_says, draws, shown, stored_half
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from PIL import Image
from playwright.sync_api import expect

from ddpm_lite import site

# The shape checks would run at each of a thousand moves; frame() has tests of its own, with them.
pytestmark = [*marks, pytest.mark.usefixtures("unchecked")]
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
AXE = (Path(__file__).parents[1] / "vendor" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
SET = "document.documentElement.dataset.maths === 'set'"
AT = "JSON.stringify(Reveal.getIndices())"
KEY = "at => at.dispatchEvent(new KeyboardEvent('keydown', {key: ' ', keyCode: 32, bubbles: true, composed: true}))"
# The formulas that end beyond the text of their slide, when that is shown.
TOO_WIDE = """async () => {
  const beyond = [];
  for (const slide of Reveal.getSlides()) {
    const { h, v } = Reveal.getIndices(slide);
    Reveal.slide(h, v);
    await document.fonts.ready;
    const wide = [...slide.querySelectorAll('.math')].filter((node) => {
      const right = slide.getBoundingClientRect().right - 40 * Reveal.getScale();
      return [...node.querySelectorAll('.katex-html > *')].some((part) => part.getBoundingClientRect().right > right + 1);
    });
    beyond.push(...wide.map((node) => `${h}/${v}: ${node.querySelector('annotation').textContent.slice(0, 60)}`));
  }
  return beyond;
}"""
BOXES = "[...document.querySelectorAll('.scroll, .highlight pre, .math.display')]"
# Everything that a view says of its state.
STATE = "host => [...host.querySelector('.live').shadowRoot.querySelectorAll('[data-state]')].map(n => n.dataset.state).join()"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    site.build(NOTEBOOKS, out)
    return out


@pytest.fixture
def visit(chromium):
    """visit(file, hash) -> page; at the end, nothing may have gone wrong in it or been asked for outside of it, but for
    the engine and the weights beside it."""
    faults, contexts = [], []

    def open_(path: Path, anchor: str = "", init: str = "", **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, "offline": True, **options})
        contexts.append(context)
        context.add_init_script(init)
        page, address, beside = context.new_page(), path.as_uri(), (path.parent / "networks").as_uri()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
        page.on("request", lambda r: None if r.url.startswith((address, beside, "data:", "blob:")) else faults.append(r.url))
        page.goto(address + anchor)
        return page

    open_.faults = faults
    yield open_
    for context in contexts:
        context.close()
    assert faults == []


def violations(page, **options) -> list[str]:
    """What axe-core finds. Of what there is much of, formulas, code, paragraphs, it looks at the first five."""
    page.evaluate(
        "for (const many of ['.math', '.highlight pre', '.jp-Cell p', 'main > .jp-Cell > .jp-OutputArea-output pre'])"
        "  [...document.querySelectorAll(many)].slice(5).forEach(node => node.remove())"
    )
    page.evaluate(AXE)
    found = page.evaluate("options => axe.run(document, {resultTypes: ['violations'], ...options})", options)["violations"]
    return [f"{v['id']}: {v['help']} ({v['nodes'][0]['html'][:200]})" for v in found]


# The first enabled slider of a trait that is part of a view's state, or else the first such list.
MOVED = """host => {
  const root = host.querySelector('.live').shadowRoot.querySelector('[data-state]');
  const state = JSON.parse(root.dataset.state);
  const mine = (node) => node.dataset.trait in state && node.checkVisibility();
  const all = [...root.querySelectorAll('[data-trait]:enabled')].filter(mine);
  return all.find((node) => node.type === 'range') ?? all[0];
}"""


def move(page, host) -> None:
    """Move the first slider of a view (or, without one, its first choice), and wait until the view has drawn something else."""
    before, control = host.evaluate(STATE), host.evaluate_handle(MOVED).as_element()
    if control is None:
        return host.locator("input:enabled").first.focus()  # what the reader draws and writes is all its state
    control.focus()
    if control.get_attribute("type") == "range":
        control.press("Home" if control.input_value() != control.get_attribute("min") else "End")
    else:
        control.select_option(index=1 if control.evaluate("select => select.selectedIndex") == 0 else 0)
    page.wait_for_function(f"([host, before]) => ({STATE})(host) !== before", arg=[host.element_handle(), before])


@pytest.mark.parametrize("name", NAMES)
def test_a_page(folder, visit, name):
    page = visit(folder / f"{name}.html", reduced_motion="reduce")
    opened = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert opened < 3000  # milliseconds; about 500 where nothing else runs
    page.wait_for_function(SET)
    formulas = page.locator(".math").count()
    assert formulas > 0 and page.locator(".math > .katex, .math > .katex-display").count() == formulas
    expect(page.locator(".katex-error")).to_have_count(0)
    expect(page.locator(".math [mathcolor='#cc0000']")).to_have_count(0)  # in this red KaTeX writes commands it does not know

    models = page.evaluate("JSON.parse(document.getElementById('views')?.textContent ?? '{}').models")
    for host, (*this, which) in zip(page.locator(".view").all(), [s for s in shown() if s[0] == name], strict=True):
        host.scroll_into_view_if_needed()
        root = host.locator(".ddpm-view")
        root.wait_for()
        # The living view has its own caption; that of the filmstrip goes with it.
        expect(host.locator("[role=alert]:visible")).to_have_count(0)
        expect(host.locator(".still")).to_be_hidden()
        expect(host.locator(".caption")).to_be_visible()
        expect(host.locator(".still .jp-RenderedMarkdown")).to_have_count(1)
        if draws(this[1]):
            assert_says(root)
        else:
            assert_drawn_everywhere(root, stored_half(models[host.get_attribute("data-model")], *this, which))
        root.screenshot(path=SCREENSHOTS / "site" / f"{name}-{this[1]}{which or ''}.png")
    page.emulate_media(media="print")
    for host in page.locator(".view").all():
        expect(host.locator(".still img")).to_be_visible()
        expect(host.locator(".live")).to_be_hidden()
        expect(host.locator(".still .jp-RenderedMarkdown")).to_be_visible()
    page.emulate_media(media="screen")

    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.evaluate(f"{BOXES}.some(b => b.scrollWidth > b.clientWidth)")
    assert page.evaluate(f"{BOXES}.every(b => (b.scrollWidth > b.clientWidth) === (b.tabIndex === 0))")
    assert page.evaluate(f"{BOXES}.every(b => (b.scrollWidth > b.clientWidth + 1) === (b.dataset.more === 'end'))")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, runOnly=["color-contrast"]) == []


# All texts that are on the canvases, each with its size in pixels of the screen, and its corners in pixels of its canvas.
WRITTEN = """
const written = new Map();
const { fillText, fillRect } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.fillRect = function (x, y, w, h) {
  if (x === 0 && y === 0 && w * this.getTransform().a >= this.canvas.width) written.set(this.canvas, []);
  fillRect.call(this, x, y, w, h);
};
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  const size = parseFloat(this.font.match(/([\\d.]+)px/)[1]), width = this.measureText(text).width, now = this.getTransform();
  const left = x - { left: 0, center: width / 2, right: width }[this.textAlign];
  const corners = [[left, y], [left + width, y - 0.7 * size]].map(([a, b]) => now.transformPoint({ x: a, y: b }));
  const straight = Math.abs(now.b * now.a) < 1e-6;
  if (!written.has(this.canvas)) written.set(this.canvas, []);
  written.get(this.canvas).push({ text: String(text), size: size * Math.hypot(now.a, now.b), corners, straight });
  fillText.call(this, text, x, y);
};
window.illegible = (canvas) => {
  const texts = written.get(canvas) ?? [], faults = [], sides = ({ corners: [p, q] }) =>
    [Math.min(p.x, q.x), Math.max(p.x, q.x), Math.min(p.y, q.y), Math.max(p.y, q.y)];
  for (const [i, one] of texts.entries()) {
    const [left, right, top, bottom] = sides(one), size = (one.size * canvas.clientWidth) / canvas.width;
    if (size < 11.5) faults.push(`${one.text}: ${size} px`);
    if (left < -1 || top < -1 || right > canvas.width + 1 || bottom > canvas.height + 1) faults.push(`${one.text}: cut off`);
    for (const other of one.straight ? texts.slice(0, i).filter((each) => each.straight) : []) {
      const [l, r, t, b] = sides(other);
      if (Math.min(right, r) - Math.max(left, l) > 1 && Math.min(bottom, b) - Math.max(top, t) > 1) {
        faults.push(`${one.text} lies on ${other.text}`);
      }
    }
  }
  return faults;
};
"""


@pytest.mark.parametrize("width", [390, 1280])
def test_all_texts_of_the_views_are_legible(folder, visit, width):
    for name in dict.fromkeys(stem for stem, *_ in shown()):
        page = visit(folder / f"{name}.html", viewport={"width": width, "height": 800}, init=WRITTEN)
        for host in page.locator(".view").all():
            page.evaluate("host => mountView(host)", host.element_handle())
            host.locator(".ddpm-view[data-state]").wait_for()
            for canvas in host.locator("canvas:visible").all():
                assert canvas.evaluate("canvas => illegible(canvas)") == [], name


def test_the_index(folder, visit):
    page = visit(folder / "index.html")
    assert violations(page) == []
    page.get_by_role("button", name="Dark colours").click()
    assert violations(page) == []
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"  # remembered
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    expect(page.locator("main h3 a")).to_have_count(len(NAMES))


@pytest.mark.parametrize(
    "name", ["lecture", "api/index", "api/ddpm_lite/maths", "api/ddpm_lite/views", "api/ddpm_lite/data/shapes"]
)
def test_the_lecture_line_by_line_and_the_reference(folder, visit, name):
    page = visit(folder / f"{name}.html")  # it fails if anything is asked for outside of the page
    page.wait_for_function(SET)
    formulas = page.locator(".math").count()
    assert page.locator(".math > .katex").count() == formulas and page.locator(".katex-error").count() == 0
    assert (formulas > 0) == (name in ("lecture", "api/ddpm_lite/maths", "api/ddpm_lite/views"))
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=SCREENSHOTS / "site" / f"{name.replace('/', '-')}.png")
    assert violations(page) == []
    page.get_by_role("button", name="Dark colours").click()
    assert violations(page) == []


def test_a_link_to_a_section_arrives_there(folder, visit):
    anchor = "#3-5-the-variance-of-a-step-back"
    page = visit(folder / "03_reverse_posterior.html", anchor)
    page.wait_for_function(SET)
    assert abs(page.locator(anchor.replace("#3", "#\\33 ")).bounding_box()["y"]) < 40
    page.wait_for_function("a => document.querySelector('.contents [aria-current]')?.hash === a", arg=anchor)


def test_a_figure_is_shown_in_full_at_a_touch(folder, visit):
    page = visit(folder / "00_from_noise_to_images.html", viewport={"width": 400, "height": 800})
    picture = page.locator(".jp-RenderedImage img").first
    assert picture.bounding_box()["width"] <= 400
    picture.click()
    assert picture.bounding_box()["width"] == picture.evaluate("img => img.naturalWidth") > 400
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    picture.click()
    assert picture.bounding_box()["width"] <= 400


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_formula_that_is_too_wide_shows_at_which_edge_there_is_more(tmp_path, visit, theme):
    wide, short = "x = " + "+".join(f"y_{{{i}}}" for i in range(60)), "x"
    folder = test_site.small(tmp_path / "notebooks", *(new_markdown_cell(f"$${formula}$$") for formula in (wide, short)))
    page = visit(site.build(folder, tmp_path / "out")[0], viewport={"width": 390, "height": 800}, color_scheme=theme)
    page.wait_for_function(SET)
    first, second = page.locator(".math.display").all()

    def edges(box) -> list[bool]:
        """Whether the ground is another one at the left and at the right edge of a box than above its formula in the middle."""
        shade = np.asarray(Image.open(BytesIO(box.screenshot())).convert("L")).astype(int)
        middle = shade[3, shade.shape[1] // 2]
        return [bool(abs(shade[3, x] - middle) > 40) for x in (1, -2)]

    assert edges(first) == [False, True] and first.evaluate("box => box.tabIndex") == 0
    for to, seen in (("200", [True, True]), ("box.scrollWidth", [True, False]), ("0", [False, True])):
        first.evaluate(f"box => (box.scrollLeft = {to}, new Promise(requestAnimationFrame))")
        page.wait_for_timeout(100)
        assert edges(first) == seen, to
    assert edges(second) == [False, False] and second.evaluate("box => box.tabIndex") == -1


def test_a_phone_shows_the_narrow_form_of_a_figure(tmp_path, visit):
    pictures = {}
    for name, size in (("wide", (1064, 400)), ("narrow", (700, 900))):
        file = BytesIO()
        Image.new("RGB", size).save(file, "PNG")
        pictures[name] = b64encode(file.getvalue()).decode()
    data = {"image/png": pictures["wide"], test_site.NARROW: pictures["narrow"]}
    figure = new_output("display_data", data, metadata={"image/png": {"alt": "A figure."}})
    path = site.build(test_site.small(tmp_path / "notebooks", new_code_cell("f", outputs=[figure])), tmp_path / "out")[0]
    for width, natural in ((390, 700), (600, 700), (601, 1064), (1280, 1064)):
        picture = visit(path, viewport={"width": width, "height": 800}).get_by_role("img", name="A figure.")
        assert picture.evaluate("img => img.naturalWidth") == natural, width
        box, (w, h) = picture.bounding_box(), {700: (700, 900), 1064: (1064, 400)}[natural]
        assert box["width"] <= width and abs(box["width"] / box["height"] - w / h) < 0.01


def with_a_view(folder: Path) -> str:
    return next(name for name in NAMES if 'class="view"' in (folder / f"{name}.html").read_text(encoding="utf-8"))


def test_a_view_that_fails_says_so_and_keeps_its_picture(folder, tmp_path, visit):
    name = with_a_view(folder)
    text = (folder / f"{name}.html").read_text(encoding="utf-8")
    path = tmp_path / "broken.html"
    path.write_text(re.sub(r'("modules": \[")', r"\1throw new Error('no such thing');", text), encoding="utf-8")
    page = visit(path)
    page.evaluate("mountView(document.querySelector('.view'))")
    host = page.locator(".view").first
    assert host.locator("> [role=alert]").inner_text() == "This view failed: no such thing"
    expect(host.locator(".still")).to_be_visible()
    assert len(visit.faults) == 1 and "no such thing" in visit.faults.pop()  # in the console too


def test_a_question_to_the_kernel_is_answered_with_where_to_ask_it(tmp_path, visit):
    module = "export default { render: ({ model, el }) => { el.textContent = 'asked'; model.send({}); model.send({}); } };"
    cell = new_code_cell("view", outputs=[new_output("display_data", {test_site.VIEW: {"model_id": "a"}})])
    folder = test_site.small(tmp_path / "notebooks", cell, widgets={"a": test_site.widget(module)})
    page = visit(site.build(folder, tmp_path / "out")[0])
    assert "open the notebook in Jupyter" in page.locator(".view > [role=status]").inner_text()


def test_without_scripts_there_are_pictures_and_all_slides(folder, visit):
    name = with_a_view(folder)
    page = visit(folder / f"{name}.html", java_script_enabled=False)
    assert "JavaScript is off" in page.inner_text("main")
    expect(page.locator(".view .still img").first).to_be_visible()
    expect(page.locator("#theme")).to_be_hidden()
    deck = visit(folder / f"{name}.slides.html", java_script_enabled=False)
    slides = deck.locator("section section").all()
    tops = [slide.bounding_box()["y"] for slide in slides]
    for slide in slides:
        expect(slide).to_be_visible()
    assert tops == sorted(set(tops))


@pytest.mark.parametrize("name", NAMES)
def test_no_formula_of_a_deck_is_wider_than_its_slide(folder, visit, name):
    page = visit(folder / f"{name}.slides.html", viewport={"width": 1280, "height": 720})
    page.wait_for_function(SET)
    assert page.evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_deck(folder, visit, name):
    page = visit(folder / f"{name}.slides.html", viewport={"width": 1280, "height": 720})
    page.wait_for_function(SET)
    expect(page.locator(".katex-error")).to_have_count(0)
    for number in ("2 / ", "3 / ", "4 / "):
        page.keyboard.press("Space")
        page.wait_for_function("n => document.querySelector('.slide-number').innerText.startsWith(n)", arg=number)
    for host in page.locator(".view").all():
        page.evaluate(
            "host => {const at = Reveal.getIndices(host.closest('section section')); Reveal.slide(at.h, at.v)}",
            host.element_handle(),
        )
        host.locator(".ddpm-view").wait_for()
        page.wait_for_function("host => host.querySelector('.live').style.zoom !== ''", arg=host.element_handle())
        slide = host.evaluate("host => {const s = host.closest('section section'); return s.scrollHeight - s.clientHeight}")
        assert slide <= 0, "the view is higher than its slide"
        here = page.evaluate(AT)
        move(page, host)
        for key in ("ArrowRight", "ArrowDown", "PageDown", "Space"):
            page.keyboard.press(key)
        host.locator(".ddpm-view").evaluate(KEY)  # and one that the view itself leaves alone
        assert page.evaluate(AT) == here, "a key of the view has moved the slides"
        if not host.locator("input[type=range]:enabled").count():
            page.keyboard.press("Escape")  # closes the list of choices, which Space has opened
        page.keyboard.press("Escape")
        page.keyboard.press("Space")
        page.wait_for_function(f"here => {AT} !== here", arg=here)


def test_the_speaker_s_notes_open_from_a_disk_with_their_formulas(folder, visit):
    name, at = next(
        (name, at)
        for name in NAMES
        for at, notes in enumerate(
            (folder / f"{name}.slides.html").read_text(encoding="utf-8").split('<aside class="notes">')[1:]
        )
        if 'class="math"' in notes.partition("</aside>")[0]
    )
    page = visit(folder / f"{name}.slides.html")
    page.wait_for_function(SET)
    words = page.evaluate(
        "at => {const notes = document.querySelectorAll('.notes')[at], i = Reveal.getIndices(notes.closest('section section'));"
        " Reveal.slide(i.h, i.v); return notes.querySelector('p').textContent.slice(0, 20)}",
        at,
    )
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    shown = popup.value.locator(".speaker-controls-notes .value")
    shown.get_by_text(words).first.wait_for()
    expect(shown.locator(".katex-html").first).to_be_visible()
    hidden = "node => getComputedStyle(node).position"  # KaTeX's styles are there: its MathML is for screen readers only
    assert shown.locator(".katex-mathml").first.evaluate(hidden) == "absolute"
