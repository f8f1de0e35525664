"""The views that run networks, in JupyterLab: the kernel sends engine and weights once, and is not needed from then on."""

import re

import nbformat
import numpy as np
import pytest
from lab import marks
from playwright.sync_api import expect

pytestmark = marks
VIEWS = """
import torch
from ddpm_lite import Schedule, load, load_chain, views
from ddpm_lite.data import changes, grammar, points
pictures = changes.draw([grammar.scene("fox"), grammar.scene("pizza")], [0, 0], 16)
named = dict(zip(("a fox", "a pizza"), pictures))
mask = torch.ones(2, 1, 16, 16)
mask[:, :, :8] = 0
""".strip()
SEED = ("seed of the noise", "seed")
# Of each view: how it is made, how it is asked, and the label and the name of what is then changed from 0 to 1.
ASKED = {
    "Write": ("load('glide-shapes', 'cpu'), ['a red circle']", "Draw", SEED),
    "Draw": ("load('digits', 'cpu')", "Draw", SEED),
    "AskCLIP": ("load('clip-emoji', 'cpu'), named, ['a fox', 'a pizza']", "Compare", None),
    "FillIn": ("load('inpaint-emoji', 'cpu'), named, mask, ['a cat', 'a cat']", "Fill in", SEED),
    "Imagine": ("load_chain('unclip-emoji', 'cpu'), ['a fox'], steps=4", "Draw", SEED),
    "Vary": ("load_chain('unclip-emoji', 'cpu'), named, steps=4", "Draw", SEED),
}


@pytest.fixture(scope="module")
def page(lab):
    """All of them, and TrainHere, in one cell: JupyterLab leaves out cells that are far from what is seen."""
    made = [f"views.{name}({how})" for name, (how, *_) in ASKED.items()]
    made.append("views.TrainHere({'moons': points.moons(99)}, Schedule.linear(1000))")
    made.append("views.Draw(load('digits', 'cpu'))")  # which is not asked before the kernel has gone
    page = lab([nbformat.v4.new_code_cell(f"{VIEWS}\ndisplay({', '.join(made)})")])
    page.wait_for_function(f"document.querySelectorAll('.ddpm-view').length === {len(made)}", timeout=120_000)
    return page


def drawn(page, k: int) -> np.ndarray:
    """What the k-th view says it drew, once it has drawn its state."""
    root = f"document.querySelectorAll('.ddpm-view')[{k}]"
    page.wait_for_function(f"{root}.dataset.finished === {root}.dataset.state", timeout=120_000)
    several = "ArrayBuffer.isView(all) || Array.isArray(all)"
    numbers = f"(all) => ({several} ? [...all].flatMap(numbers) : typeof all === 'number' ? [all] : [])"
    return np.array(page.evaluate(f"() => {{ const numbers = {numbers}; return numbers(Object.values({root}.drawn)); }}"))


def test_they_draw_again_without_the_kernel(page):
    views = page.locator(".ddpm-view")
    first = []
    for k, (_, act, _) in enumerate(ASKED.values()):
        views.nth(k).get_by_role("button", name=act, exact=True).click()
        first.append(drawn(page, k))
    training = f"document.querySelectorAll('.ddpm-view')[{len(ASKED)}]"
    page.get_by_role("button", name="Begin").click()
    page.wait_for_function(f"{training}.drawn.step > 5", timeout=120_000)
    page.evaluate("jupyterapp.serviceManager.sessions.shutdownAll()")
    for k, (_, _, other) in enumerate(ASKED.values()):
        if other:
            views.nth(k).get_by_label(other[0], exact=True).press("ArrowRight")
            root = f"document.querySelectorAll('.ddpm-view')[{k}]"
            page.wait_for_function(f"JSON.parse({root}.dataset.state)['{other[1]}'] === 1")
        else:
            views.nth(k).get_by_label("caption 1", exact=True).fill("a cat")
            views.nth(k).get_by_label("caption 1", exact=True).press("Enter")
        assert np.abs(drawn(page, k) - first[k]).max() > 0.01
    at = page.evaluate(f"{training}.drawn.step")
    page.wait_for_function(f"{training}.drawn.step > {at} + 5", timeout=60_000)
    late = views.nth(len(ASKED) + 1)
    late.get_by_role("button", name="Draw", exact=True).click()
    told = "Python, which has the weights, has not answered: it is busy, or it does not run here."
    expect(late.locator("[role=alert]:not([hidden])")).to_have_text(f"{told} What was drawn beforehand is seen in its place.")
    assert not [each for each in page.errors if not re.search("kernel|session|Canceled|dead", each, re.IGNORECASE)]
