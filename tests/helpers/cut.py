"""A cell of a notebook cut out of it, with the cells that it needs, to be run alone."""

from pathlib import Path

import nbformat

from ddpm_lite.site.needed import needed

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

# Trainings in cells that a tagged one or a view needs, cut short: what is asserted holds there too.
SHORTER = {
    "steps=1500, batch_size=512": "steps=300, batch_size=512",
    "rows=plane, steps=800": "rows=plane, steps=200",
    "loss, steps=500,": "loss, steps=60,",
    "shapes.draw(20_000": "shapes.draw(5_000",
    "steps=400,": "steps=200,",
    # Drawings that only a view shows: less clear pictures serve as well there.
    "columns, seed=seed, steps=15": "columns, seed=seed, steps=2",
    "seed=7, scale=2.0)": "seed=7, scale=2.0, steps=2)",
    "noise=noise, scale=2.0)": "noise=noise, scale=2.0, steps=2)",
    'at_scale_1 = {"steps": 20': 'at_scale_1 = {"steps": 2',
    "invert(x, 20)": "invert(x, 2)",
}


def cut(path: Path, *last: int) -> dict[int, str]:
    """The sources of some cells and of those that they need, by number, their trainings and drawings cut short."""
    cells, sources = nbformat.read(path, as_version=4).cells, {}
    for i in needed(cells, last):
        sources[i] = cells[i].source
        for long, short in SHORTER.items():
            sources[i] = sources[i].replace(long, short)
    return sources
