"""The views as a reader meets them: in JupyterLab, in Chromium, moved by mouse and keyboard (see lab.py).

What is drawn is compared with what the view's Python half says in the same state.
"""

from pathlib import Path

import nbformat
import numpy as np
import pytest
from lab import SCREENSHOTS, marks
from moving import assert_drawn, assert_drawn_everywhere, cells_of, put, python_half, shown
from playwright.sync_api import expect

from ddpm_lite.views import LiveTraining
from ddpm_lite.views.field import places as arrows_at

# The shape checks would run at each of a thousand moves; frame() has tests of its own, with them.
pytestmark = [*marks, pytest.mark.usefixtures("unchecked")]


# Tests of the same notebook stand behind each other, whatever their order here: pytest sorts by the value of the fixture.
def of(*notebooks: str):
    return pytest.mark.parametrize("notebook", notebooks, indirect=True)


@pytest.fixture(scope="module")
def notebook(request, lab):
    """see(name, which) -> a view's Python half and a locator of its browser half, both in the first state. The notebook is
    opened once, cut to its views and the cells that they need."""
    every = shown(request.param)
    first = nbformat.v4.new_code_cell("from ddpm_lite.views import LiveTraining\nLiveTraining.SHARE = 1")
    page = lab([first, *cells_of(*every)])
    there = "n => document.querySelectorAll('.ddpm-view[data-state], .ddpm-view > [role=alert]:only-child').length === n"
    page.wait_for_function(there, arg=len(every), timeout=180_000)

    def see(name, which=0):
        root = page.locator(".ddpm-view").nth(every.index((request.param, name, which)))
        root.get_by_role("button", name="Reset").click()
        page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")  # and it is drawn
        return python_half(request.param, name, which), root

    return see


@of(*dict.fromkeys(stem for stem, _, _ in shown()))
def test_the_views_draw_what_their_python_halves_say(notebook, request, monkeypatch):
    # How many moments a live training keeps is a matter of time: here, as in the kernel, it keeps all that it wants.
    monkeypatch.setattr(LiveTraining, "SHARE", 1)
    for stem, name, which in shown(request.node.callspec.params["notebook"]):
        view, root = notebook(name, which)
        if name == "LiveTraining":
            view.wait()
            root.locator("input[data-trait=moment]:enabled").wait_for(timeout=120_000)
        assert_drawn_everywhere(root, view)
        root.screenshot(path=SCREENSHOTS / f"{stem}-{name}{which or ''}.png")
        assert root.page.errors == []


def pixels(root, canvas: int, places: list) -> np.ndarray:
    """The colours (n, 3) of a view's canvas at some places, each the arguments of its `place`."""
    look = """(root, [k, places]) => {
      const canvas = root.querySelectorAll('canvas')[k];
      const context = canvas.getContext('2d');
      return places.map((p) => Array.from(context.getImageData(...canvas.place(...p), 1, 1).data).slice(0, 3));
    }"""
    return np.array(root.evaluate(look, [canvas, places]))


def reaches(root, condition: str, arg: object) -> None:
    """Wait until a view's state fulfils a condition, written in JavaScript, of it (`s`) and another thing (`arg`)."""
    holds = f"([root, arg]) => ((s) => {condition})(JSON.parse(root.dataset.state))"
    root.page.wait_for_function(holds, arg=[root.element_handle(), arg])


@of("02_closed_form")
def test_the_pixels_of_noise_are_those_of_its_frame(notebook):
    view, root = notebook("Noise")
    put(root, "t", 137)
    view.t = 137
    places = [(2, *at) for at in np.ndindex(8, 16, 16)]
    want = (1 - view.frame()["x_t"].clip(-1, 1).ravel()) * 127.5  # dark ink on white paper
    assert np.abs(pixels(root, 0, places) - want[:, None]).max() <= 2
    share = view._schedules["linear"].alpha_bar
    inked = pixels(root, 1, [(t, float(share[t])) for t in range(20, 1000, 49)])
    assert (inked.min(1) < 128).all()


@of("01_forward_process")
def test_the_keyboard_moves_the_slider_and_jupyterlab_does_not_take_its_keys(notebook):
    _, root = notebook("Noise")
    slider = root.locator("input[type=range]").first
    slider.focus()
    for key, t in (("Home", 0), ("ArrowRight", 1), ("PageUp", 11), ("ArrowLeft", 10), ("End", 1000), ("PageDown", 990)):
        slider.press(key)
        reaches(root, "s.t === arg", t)
    assert slider.get_attribute("aria-valuetext").startswith("t = 990 of 1000")
    expect(root.page.locator(".jp-Notebook.jp-mod-editMode")).to_have_count(0)


@of("03_reverse_posterior")
def test_the_curves_of_bayes_are_inked_where_its_frame_says(notebook):
    view, root = notebook("Bayes", 1)
    put(root, "beta", "0.3")
    view.beta = 0.3
    frame = view.frame()
    posterior = [(-3 + i / 200, float(frame["posterior"][i])) for i in range(250, 1000, 35)]
    assert (pixels(root, 0, posterior).min(1) < 128).all()
    assert (pixels(root, 0, [(x, y + 0.12) for x, y in posterior if abs(x) < 0.2]).min(1) > 200).all()  # paper above it
    growth = [(k / 50, float(frame["divergences"][k])) for k in range(2, 47, 3)]
    assert (pixels(root, 1, growth).min(1) < 128).all()


@of("02_closed_form")
def test_the_noise_of_the_chain_changes_with_t_on_the_screen_and_that_of_the_closed_form_does_not(notebook):
    _, root = notebook("Noise")
    places = [(1, k, i, j) for k in range(8) for i in range(8) for j in range(8)]
    seen = {}
    for way in ("closed form", "chain"):
        for t in ("100", "300"):
            for name, value in (("way", way), ("t", t)):
                put(root, name, value)
            seen[way, t] = pixels(root, 0, places)
    assert (seen["closed form", "100"] == seen["closed form", "300"]).all()
    assert (seen["chain", "100"] != seen["chain", "300"]).mean() > 0.5


@of("03_reverse_posterior")
def test_the_density_and_its_chains_are_inked_where_its_frame_says(notebook):
    view, root = notebook("Density")
    x = np.linspace(-2.4, 2.4, 25)
    curve = list(zip(x.tolist(), view.at(0, x).tolist(), strict=True))
    assert (pixels(root, 1, curve).max(1) < 128).all()
    stops, chains = view.chains()
    t = np.arange(30, 1000, 47)  # the first chain's path is the solid one
    red, _, blue = pixels(root, 0, list(zip(t.tolist(), np.interp(t, stops, chains[:, 0]).tolist(), strict=True))).T.astype(int)
    assert (red - blue > 150).all()
    assert (pixels(root, 0, [(0, float(x)) for x in chains[0, :3]]).max(1) < 60).all()  # black dots where they stand


# Where a canvas draws a point of its plane, as shares of its width and height.
WITHIN = "(c, [x, y]) => { const p = c.place(x, y); return [p[0] / c.width, p[1] / c.height]; }"


@of("01_forward_process")
def test_a_density_is_drawn_with_the_mouse_and_with_keys(notebook):
    view, root = notebook("Density")
    page, sheet = root.page, root.locator("canvas").nth(1)
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()

    def go(x, y):
        across, down = sheet.evaluate(WITHIN, [x, y])
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])

    drawing = [(-3, 0), (-2, 0), (-1.4, 0.5), (-0.8, 0), (0.8, 0), (1.4, 0.5), (2, 0), (3, 0)]  # two equal tents
    go(*drawing[0])
    page.mouse.down()
    for place in drawing[1:]:
        go(*place)
    page.mouse.up()
    reaches(root, "s.density === arg", "drawn")
    page.wait_for_timeout(200)
    assert_drawn(root, view)
    x = np.linspace(-3, 3, 121)
    tents = np.interp(x, *zip(*drawing, strict=True)) / 0.6  # their area
    assert np.abs(view.at(0, x) - tents).max() < 0.15 and np.abs(view.at(0, x) - tents).mean() < 0.04

    sheet.focus()
    before = view.at(0, np.array([0.3]))[0]
    for key in ("ArrowRight", "PageUp", "ArrowUp"):
        sheet.press(key)
    page.wait_for_timeout(200)
    assert_drawn(root, view)
    assert view.at(0, np.array([0.3]))[0] > before + 0.15
    assert "now at 0.3" in sheet.get_attribute("aria-label")
    assert page.errors == []


@of("05_sampling")
def test_the_pixels_of_sampling_are_those_of_its_frame_for_one_seed_and_for_all(notebook):
    view, root = notebook("Sampling")
    for trait, position, value in (("steps", "0", 5), ("t", "3", 700), ("compare", "x̂₀ of every seed", "x̂₀ of every seed")):
        put(root, trait, position)
        setattr(view, trait, value)
        every = trait == "compare"  # then it is drawn on the second canvas, and the first is hidden
        want = (1 - view.frame()["pictures"].ravel()) * 127.5  # dark ink on white paper
        places = [*np.ndindex(2, 5, 16, 16)]  # two rows, or two seeds
        assert np.abs(pixels(root, int(every), places) - want[:, None]).max() <= 2
        expect(root.locator("canvas").nth(int(every))).to_be_visible()
        expect(root.locator("canvas").nth(int(not every))).to_be_hidden()
    output = root.locator("label", has=root.page.locator("[data-trait=t]")).locator("output")
    assert output.inner_text() == "700 (unchanged since 800)"


@of("04_epsilon_training")
def test_the_arrows_and_paths_of_field_are_inked_where_its_frame_says_and_start_where_it_is_pressed(notebook):
    view, root = notebook("Field")
    page, plane = root.page, root.locator("canvas")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    for x, y in ((-2.0, 0.35), (9.0, 2.0)):  # the second beyond the plane: it ends at its rim
        across, down = plane.evaluate(WITHIN, [min(x, 3.15), y])
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        page.mouse.down()
        page.mouse.up()
        reaches(root, "Math.abs(s.start_x - arg[0]) < 0.02 && Math.abs(s.start_y - arg[1]) < 0.02", [min(x, 3), y])
        assert_drawn(root, view)

    put(root, "t", str(view.steps.index(200)))
    for field, mark in (("exact", (230, 159, 0)), ("learnt", (0, 114, 178))):
        put(root, "field", field)
        assert_drawn(root, view)
        frame, at = view.frame(), arrows_at().numpy()
        half = at + frame["ways"] / 2
        own = [i for i in range(256) if frame["likely"][i] and 1.4 < np.hypot(*half[i]) and abs(half[i]).max() < 2.5][::4]
        assert len(own) >= 12
        assert (np.abs(pixels(root, 0, half[own].tolist()) - mark).max(1) < 110).mean() > 0.9  # lines of 1.5 pixels
        bare = [i for i in range(256) if not frame["likely"][i]]
        assert (np.abs(pixels(root, 0, (at + frame["ways"] / 3)[bare].tolist()) - mark).max(1) > 110).mean() > 0.9
        ends = [frame[f"{name}_path"][-1].tolist() for name in ("exact", "learnt")]
        assert np.abs(pixels(root, 0, ends[1:]) - (0, 114, 178)).max() <= 2  # the dot at the end of the learnt path, on top
    assert page.errors == []


@of("04_epsilon_training")
def test_the_samples_and_losses_of_training_are_inked_where_its_frame_says(notebook):
    view, root = notebook("Training")
    for step in (view.steps[-1], 1):
        put(root, "step", view.steps.index(step))
        assert_drawn(root, view)
        frame = view.frame()
        samples = frame["samples"].clip(-3, 3)[::8].tolist()  # at the rim where they lie beyond
        mark = (213, 94, 0) if step == 1 else (0, 114, 178)
        assert (np.abs(pixels(root, 0, samples) - mark).max(1) < 100).mean() > 0.9  # some lie under a circle's line
        points = zip(view.loss_t, frame["loss"], strict=True)
        dots = [(float(np.log10(t)), float(y)) for t, y in points if t not in (view.t, view.T)]  # the last is cut at the rim
        assert np.abs(pixels(root, 2, dots) - (0, 114, 178)).max() <= 2
    assert root.page.errors == []


def test_a_fault_in_the_browser_half_is_seen(lab):
    cells = cells_of(("01_forward_process", "Noise", 0))
    cells[-1].source = "Noise._esm = Noise._esm.replace('model.get(\"shape\")', 'model.get(\"nothing\")')\n" + cells[-1].source
    page = lab(cells)
    expect(page.locator(".ddpm-view [role=alert]")).to_contain_text("This view failed:")
    still = page.locator(".jp-OutputArea-child:has(.ddpm-view) + .jp-OutputArea-child:has(.jp-RenderedImage)")
    still.wait_for()
    expect(still.locator("+ .jp-OutputArea-child em")).to_be_visible()  # the filmstrip, and its caption


ASKED = """
import time, torch
from ddpm_lite.views import Asked

def draw(question):
    for step in range(10):
        yield step / 10
        time.sleep(1 if question == "a fish" else 0.1)
    if "nonsense" in question:
        raise RuntimeError("there is no such word.")
    yield torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8) * len(question) / 100

view = Asked(draw, {"a dog": torch.zeros(1, 1, 8, 8), "a cat": torch.full((1, 1, 8, 8), 0.5)}, "caption")
view"""


def test_a_question_is_answered_cancelled_refused_and_lost_without_a_kernel(lab):
    page, space = lab([nbformat.v4.new_code_cell(ASKED)]), {}
    exec(ASKED, space)
    root, view = page.locator(".ddpm-view"), space["view"]
    box, bar, canvas = root.locator("input[type=text]"), root.locator("[role=progressbar]"), root.locator("canvas")

    def called(words):
        label = f"caption: the picture {words}."
        page.wait_for_function("label => document.querySelector('.ddpm-view canvas').ariaLabel === label", arg=label)

    put(root, "question", "a cat")
    called("for “a cat”")
    assert_drawn(root, view)
    box.fill("")
    box.press_sequentially("a bird")  # b is a command of JupyterLab: a new cell below
    expect(bar).to_be_hidden()
    expect(page.locator(".jp-Cell")).to_have_count(1)
    box.press("Enter")
    called("for “a cat”; “a bird” is being answered")
    called("for “a bird”")
    view.question = "a bird"
    view.wait()
    assert_drawn(root, view)

    box.fill("a fish")
    root.get_by_role("button", name="Ask").click()
    page.wait_for_function("document.querySelector('.ddpm-view [role=progressbar]').getAttribute('aria-valuenow') > 0")
    root.get_by_role("button", name="Cancel").click()
    called("for “a bird”")
    expect(bar).to_be_hidden()

    box.fill("nonsense")
    box.press("Enter")
    root.locator("[role=alert]", has_text="“nonsense” could not be answered: there is no such word.").wait_for()
    box.fill("a whale")  # the view lives on
    box.press("Enter")
    called("for “a whale”")
    expect(root.locator("[role=alert]")).to_be_hidden()
    expect(canvas).to_be_visible()

    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    box.fill("a horse")
    box.press("Enter")
    expect(root.locator(".caption")).to_contain_text("A new question needs Python, which has not answered")
    put(root, "question", "a dog")
    called("for “a dog”")
    assert root.locator(".caption").inner_text() == "caption: the picture for “a dog”." and page.errors == []


MATRIX = """
import torch
from ddpm_lite.views import Matrix
captions = ["a red circle", "a small blue square on the left of a green triangle", "nothing"]
view = Matrix(torch.tensor([[0.9, -0.4], [0.25, 1.0], [0.0, 0.125]]), captions, ["picture 1", "picture 2"], "Similarity")
view.show("The whole matrix.")"""


def test_a_matrix_reads_out_the_cell_under_the_pointer_and_colours_by_value(lab):
    page, space = lab([nbformat.v4.new_code_cell(MATRIX)]), {}
    exec(MATRIX, space)
    view, root = space["view"], page.locator(".ddpm-view")
    canvas = root.locator("canvas")
    assert_drawn_everywhere(root, view)
    x, y = page.evaluate("""() => {
      const canvas = document.querySelector('.ddpm-view canvas');
      return canvas.place(2, 1).map((v) => (v * canvas.clientWidth) / canvas.width);
    }""")
    canvas.hover(position={"x": x, "y": y})
    page.wait_for_function("s => document.querySelector('.ddpm-view').dataset.state === s", arg='{"row":2,"column":1}')
    assert_drawn(root, view)
    assert page.locator(".ddpm-view > p").inner_text() == view.describe()
    page.wait_for_selector("em:has-text('The whole matrix.')", state="attached")
    expect(page.locator("em:has-text('The whole matrix.')")).to_be_hidden()  # that is what the filmstrip shows
    corners = pixels(root, 0, [(row, column, 0.15, 0.25) for row in range(3) for column in range(2)])
    blue, orange = np.array([0, 0x72, 0xB2]), np.array([0xE6, 0x9F, 0])
    for got, value in zip(corners, view.frame()["values"].ravel(), strict=True):
        assert np.abs(got - (255 + (np.where(value < 0, orange, blue) - 255) * abs(value))).max() <= 2
    assert page.errors == []


def test_stop_and_continue_work_cell_by_cell_and_while_the_next_cell_waits(lab):
    here = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "helpers")]
    training = f"import sys; sys.path[:0] = {here!r}; import test_view_live as here\n"
    training += "here.LiveTraining.SHARE = 1\n"  # pictures in between, however little there is to compute
    training += "view = here.live(600, pause=0.1)\nview.show('What came out.')"
    # A minute, so that it is not over before Stop is pressed; the rest in a hurry.
    sources = [training, "view.wait()\nprint(f'{view.status} at {view.step}')\nhere.HURRY.set()"]
    page = lab([nbformat.v4.new_code_cell(source) for source in sources], above=True)
    view = page.locator(".ddpm-view")
    says = lambda text: view.locator("[role=status]", has_text=text).wait_for(timeout=60_000)  # noqa: E731
    press = lambda name: view.get_by_role("button", name=name).click()  # noqa: E731

    says("Training:")  # cell by cell: the kernel is idle
    press("Stop")
    says("Stopped:")
    press("Continue")
    says("Training:")

    # All cells, the first for the second time: a new training begins, and the next cell waits for it.
    page.evaluate("(document.querySelector('.ddpm-view').id = 'first', 0)")
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector("#first", state="detached")
    says("Training:")
    page.wait_for_function("JSON.parse(document.querySelector('.ddpm-view').dataset.state).moment >= 1")
    assert page.locator(".jp-OutputArea-output pre").all_inner_texts() == []
    press("Stop")
    says("Stopped:")
    page.wait_for_selector("pre:has-text('stopped at')")
    press("Continue")
    says("Finished:")
    expect(page.locator(".jp-OutputArea em")).to_have_count(0)

    page.evaluate("(jupyterapp.shell.currentWidget.content.activeCellIndex = 1, 0)")
    page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")
    page.wait_for_selector("pre:has-text('finished at 600')")
    # The caption of the filmstrip has come, but the living view has its own.
    page.wait_for_selector("em:has-text('What came out.')", state="attached")
    expect(page.locator("em:has-text('What came out.')")).to_be_hidden()
    expect(page.locator(".jp-RenderedImage")).to_be_hidden()
    assert view.locator(".caption").inner_text().startswith("Step 600 of 600: the loss is")
    slider = page.locator(".ddpm-view input[type=range]")
    slider.focus()
    slider.press("Home")
    page.wait_for_selector(".ddpm-view canvas[aria-label^='Step 1 of 600']")
    page.locator(".ddpm-view").screenshot(path=SCREENSHOTS / "live.png")
    assert page.errors == []
