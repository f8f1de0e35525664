"""Write in JupyterLab: the kernel sends the weights once, and is not needed from then on."""

import re

import nbformat
import numpy as np
from lab import marks

pytestmark = marks


def test_in_jupyterlab_the_kernel_sends_the_weights_once(lab):
    code = "from ddpm_lite import load, views\nview = views.Write(load('glide-shapes', 'cpu'), ['a red circle'])\nview"
    page = lab([nbformat.v4.new_code_cell(code), nbformat.v4.new_code_cell("print(1)")])
    root = "document.querySelector('.ddpm-view')"
    page.get_by_label("A caption", exact=True).fill("a blue square")
    page.get_by_label("A caption", exact=True).press("Enter")
    finished = f"{root}.dataset.finished === {root}.dataset.state"
    page.wait_for_function(finished, timeout=120_000)
    first = page.evaluate(f"[...{root}.drawn.pictures]")
    page.evaluate("jupyterapp.serviceManager.sessions.shutdownAll()")  # without a kernel it goes on
    page.get_by_label("seed of the noise").press("ArrowRight")
    page.wait_for_function(f"{root}.dataset.state.includes('\"seed\":1') && {finished}", timeout=60_000)
    assert np.abs(np.array(page.evaluate(f"[...{root}.drawn.pictures]")) - np.array(first)).max() > 0.1
    assert not [each for each in page.errors if not re.search("kernel|session|Canceled|dead", each, re.IGNORECASE)]
