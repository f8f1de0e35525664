"""How much a page of the course can load: a reader with a slow line waits for it."""

from pathlib import Path

import nbformat
import pytest

from ddpm_lite.site import networks

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def sizes(names: list[str]) -> dict[str, float]:
    return {file: len(script) / 1e6 for file, script in networks.scripts(names).items()}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_all_that_a_page_can_load_has_at_most_12_mb(path):
    names = networks.asked([nbformat.read(path, 4)])
    found = sizes(names)
    assert len(found) == len(names) + 1, "each network that a view asks for is shipped, and the engine"
    assert sum(found.values()) <= 12, found


def test_the_text_network_has_at_most_6_mb():
    assert sizes([networks.DEMO])[f"networks/{networks.DEMO}.js"] <= 6
    assert sum(sizes([networks.DEMO, networks.UPSAMPLER]).values()) <= 12
