"""An exercise as a student meets it: in JupyterLab, in Chromium, answered on the keyboard, cell by cell (see lab.py)."""

import nbformat
import pytest
from cut import NOTEBOOKS, needed
from lab import SCREENSHOTS, marks
from playwright.sync_api import expect

from ddpm_lite.exercises import closed_form

pytestmark = marks
EXERCISE = closed_form.q_sample
NAME = "exercises.closed_form.q_sample"
LINES = ["a = schedule.alpha_bar[t].reshape(-1, *[1] * (x0.ndim - 1))", "return a.sqrt() * x0 + (1 - a).sqrt() * eps"]

# One cell each: an exercise, and all kinds of things that are said about it.
SHOWN = """\
exercises.sampling.two_sample
exercises.sampling.two_sample.check(...)
exercises.sampling.two_sample.check(lambda drawn, real: (drawn.mean(0) - real.mean(0)) / (drawn.variance(0) + real.variance(0)))
exercises.sampling.two_sample.check(exercises.sampling.two_sample.misconceptions[0][1])
exercises.sampling.two_sample.hint()
exercises.sampling.two_sample.solution()
exercises.progress()"""


class Student:
    """Somebody with a keyboard before a notebook: set-up and one exercise of notebook 02 (its check last), SHOWN between."""

    def __init__(self, open_):
        cells = nbformat.read(NOTEBOOKS / "02_closed_form.ipynb", as_version=4).cells
        check = next(i for i, c in enumerate(cells) if c.source.startswith(f"{NAME}.check("))
        *setup, stub, check = (nbformat.v4.new_code_cell(cells[i].source) for i in needed(cells, [check]))
        question = next(c for c in cells if c.source.startswith(f"**Exercise {EXERCISE.number} "))
        shown = [nbformat.v4.new_code_cell(source) for source in SHOWN.split("\n")]
        kept = [*setup, *shown, question, stub, check]
        self.page = open_(kept, above=True)
        self.stub, self.check, self.new = len(kept) - 2, len(kept) - 1, len(kept)
        self.wait(self.stub, "")

    def cell(self, k: int):
        return self.page.locator(".jp-Notebook .jp-Cell").nth(k)

    def prompt(self, k: int) -> str:
        return self.cell(k).locator(".jp-InputPrompt").inner_text()

    def wait(self, k: int, before: str) -> None:
        """Until cell k has run: the number in its prompt is not the one of before."""
        ended = "([k, before]) => { const p = document.querySelectorAll('.jp-Notebook .jp-Cell')[k]"
        ended += ".querySelector('.jp-InputPrompt').textContent.trim(); return /\\d/.test(p) && p !== before.trim(); }"
        self.page.wait_for_function(ended, arg=[k, before], timeout=120_000)

    def run(self, k: int) -> None:
        """Shift+Enter in cell k, and wait for its end."""
        before = self.prompt(k)
        self.cell(k).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        self.wait(k, before)

    def read(self, k: int) -> str:
        """Run a cell, and read its output on the screen."""
        self.run(k)
        output = self.cell(k).locator(".jp-OutputArea-output")
        output.scroll_into_view_if_needed()
        expect(output).to_be_visible()
        return output.inner_text()

    def answer(self, *lines: str) -> str:
        """Type a body over that of the stub, run it and the check, and read what the check says."""
        self.cell(self.stub).locator(".cm-line").nth(1).click()
        self.page.keyboard.press("Home")
        self.page.keyboard.press("Control+Shift+End")
        for n, line in enumerate(lines):
            if n:
                self.page.keyboard.press("Enter")  # the editor indents
            self.page.keyboard.type(line)
        self.run(self.stub)
        return self.read(self.check)


@pytest.fixture(scope="module")
def student(lab):
    return Student(lab)


def test_a_student_answers_on_the_keyboard(student):
    says = student.read(student.check)
    assert says.startswith("○ Exercise 2.6: Not attempted yet. The rest of the notebook does not need it.")

    slip, sentence = LINES[1].replace("(1 - a).sqrt()", "(1 - a)"), EXERCISE.misconceptions[0][0]
    assert student.answer(LINES[0], slip) == f"✗ Exercise 2.6: Not yet. {sentence}"

    student.cell(student.new).locator(".cm-content").click()  # JupyterLab has made it below the last one
    student.page.keyboard.type(f"{NAME}.hint()")
    count = len(EXERCISE.hints)
    for i, hint in enumerate(EXERCISE.hints):
        assert student.read(student.new) == f"Exercise 2.6, hint {i + 1} of {count}. {hint}"
    assert student.read(student.new).startswith(f"Exercise 2.6, hint {count} of {count}. There is no further hint;")

    says = student.answer(LINES[0], LINES[1].replace("a.sqrt()", "sqrt(a)"))
    assert says.startswith("⚠ Exercise 2.6: Your code did not run to the end. With x0 of shape (4, 1, 8, 8), t = [")
    assert says.endswith(
        "Your code raised NameError: name 'sqrt' is not defined. "
        "The error is in line 3 of the cell: return sqrt(a) * x0 + (1 - a).sqrt() * eps"
    )

    assert student.answer(*LINES).startswith("✓ Exercise 2.6: Right. Compared with the reference in ")
    student.page.screenshot(path=SCREENSHOTS / "exercise.png")
    assert student.page.errors == []


# What is wider than its place, what has too little contrast with the paper, and code in letters of unequal width.
FAULTS = """() => [...document.querySelectorAll('.jp-OutputArea-output')].flatMap(output => {
  const all = selector => [...output.querySelectorAll(selector)];
  const linear = v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = rgb => {
    const [r, g, b] = rgb.match(/[\\d.]+/g).map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const paper = light(getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor);
  const contrast = n => (v => Math.max(v / paper, paper / v))(light(getComputedStyle(n).color));
  const wide = all('div').filter(n => n.scrollWidth > n.clientWidth + 1);
  const faint = all('div, strong, code, pre').filter(n => contrast(n) < 7);
  const uneven = all('pre').filter(n => !getComputedStyle(n).fontFamily.includes('mono'));
  return Object.entries({wide, faint, uneven}).flatMap(([fault, found]) => found.map(n => `${fault}: ${n.innerText}`));
})"""


def test_all_that_is_said_is_readable_in_both_themes_and_on_a_narrow_screen(student):
    page = student.page
    assert page.locator(".jp-MarkdownOutput mjx-container").count() >= 1  # the question's formulas
    assert page.locator(".jp-OutputArea-output mjx-container").count() >= 1 and page.locator("mjx-merror").count() == 0
    assert page.locator(".jp-OutputArea-output").count() >= len(SHOWN.split("\n"))
    page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
    for theme in ("Dark", "Light"):
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        page.wait_for_function(f"document.body.dataset.jpThemeName === 'JupyterLab {theme}'")
        for width, height in ((1920, 1080), (400, 800)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(300)
            assert page.evaluate(FAULTS) == []
            student.cell(3).scroll_into_view_if_needed()
            page.screenshot(path=SCREENSHOTS / f"exercises-{theme.lower()}-{width}.png")
    assert page.errors == []
