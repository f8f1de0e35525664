"""A cell of a notebook cut out of it, with the cells that it needs, to be run alone."""

import ast
from collections.abc import Iterable
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

# Trainings in cells that a tagged one or a view needs, cut short: what is asserted holds there too.
SHORTER = {
    '"VAE": 4000, "GAN": 2000, "DDPM": 380': '"VAE": 500, "GAN": 700, "DDPM": 100',
    "CALLS = 50": "CALLS = 20",
    "STEPS = 900": "STEPS = 120",
    "steps=1500, batch_size=512": "steps=300, batch_size=512",
    "shapes.draw(20_000": "shapes.draw(5_000",
    "steps=400,": "steps=200,",
    # Drawings that only a view shows: less clear pictures serve as well there.
    "columns, seed=seed, steps=15": "columns, seed=seed, steps=2",
    "* n, seed=seed, steps=15": "* n, seed=seed, steps=2",
    "small, seed=seed, steps=12": "small, seed=seed, steps=2",
    "seed=7, scale=2.0)": "seed=7, scale=2.0, steps=2)",
    "noise=noise, scale=2.0)": "noise=noise, scale=2.0, steps=2)",
    'at_scale_1 = {"steps": 20': 'at_scale_1 = {"steps": 2',
    "invert(x, 20)": "invert(x, 2)",
}


def visit(node: ast.AST, given: set[str], wanted: set[str]) -> None:
    """Walk in the order of execution: `given` collects the names that get a value, `wanted` those read before."""
    match node:
        case ast.Name(ctx=ast.Store()):
            given.add(node.id)
        case ast.Name():
            wanted |= {node.id} - given
        case ast.alias():
            given.add((node.asname or node.name).split(".")[0])
        case ast.FunctionDef() | ast.Lambda():
            inside = given | {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
            for child in [node.args, *(node.body if isinstance(node.body, list) else [node.body])]:
                visit(child, inside, wanted)
            given |= {getattr(node, "name", "")}
        case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
            inside = set(given)
            for child in [*node.generators, *(c for c in ast.iter_child_nodes(node) if c not in node.generators)]:
                visit(child, inside, wanted)
        case ast.Assign() | ast.For() | ast.comprehension() | ast.AugAssign():
            before = [getattr(node, "value", None) or node.iter]  # what is read comes before what is given
            before += [ast.Name(node.target.id, ast.Load())] if isinstance(node, ast.AugAssign) else []
            for child in [*before, *(c for c in ast.iter_child_nodes(node) if c not in before)]:
                visit(child, given, wanted)
        case _:
            for child in ast.iter_child_nodes(node):
                visit(child, given, wanted)


def needed(cells: list, last: Iterable[int]) -> list[int]:
    """The numbers of some cells and of those that give them their names, directly or through others."""
    kept, wanted = [], set()
    for i in range(max(last), -1, -1):
        if cells[i].cell_type == "code":
            given, reads = set(), set()
            visit(ast.parse(cells[i].source), given, reads)
            if i in last or wanted & given:
                kept.insert(0, i)
                wanted = (wanted - given) | reads
    return kept


def cut(path: Path, *last: int) -> dict[int, str]:
    """The sources of some cells and of those that they need, by number, their trainings and drawings cut short."""
    cells, sources = nbformat.read(path, as_version=4).cells, {}
    for i in needed(cells, last):
        sources[i] = cells[i].source
        for long, short in SHORTER.items():
            sources[i] = sources[i].replace(long, short)
    return sources
