"""Draw and TrainHere in JupyterLab: the kernel sends the weights and the engine once, and is not needed from then on."""

import re

import nbformat
from lab import marks

pytestmark = marks


def test_in_jupyterlab_they_draw_and_learn_without_the_kernel(lab):
    code = "from ddpm_lite import Schedule, load, views\nfrom ddpm_lite.data import points\n"
    code += (
        "draw = views.Draw(load('digits', 'cpu'))\ntrain = views.TrainHere({'moons': points.moons(99)}, Schedule.linear(1000))\n"
    )
    code += "from IPython.display import display\ndisplay(draw, train)"
    page = lab([nbformat.v4.new_code_cell(code), nbformat.v4.new_code_cell("print(1)")])
    page.wait_for_function("document.querySelectorAll('.ddpm-view').length === 2")
    first, second = (f"document.querySelectorAll('.ddpm-view')[{k}]" for k in (0, 1))
    page.get_by_label("label", exact=True).press("ArrowRight")
    finished = f"{first}.dataset.finished === {first}.dataset.state"
    page.get_by_role("button", name="Draw", exact=True).click()
    page.wait_for_function(finished, timeout=120_000)
    page.get_by_role("button", name="Begin").click()
    page.wait_for_function(f"{second}.drawn.step > 5", timeout=120_000)
    page.evaluate("jupyterapp.serviceManager.sessions.shutdownAll()")  # without a kernel they go on
    page.get_by_label("seed of the noise").press("ArrowRight")
    page.wait_for_function(f"{first}.dataset.state.includes('\"seed\":1') && {finished}", timeout=60_000)
    at = page.evaluate(f"{second}.drawn.step")
    page.wait_for_function(f"{second}.drawn.step > {at} + 5", timeout=60_000)
    assert not [each for each in page.errors if not re.search("kernel|session|Canceled|dead", each, re.IGNORECASE)]
