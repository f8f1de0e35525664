"""Which cells of a notebook must run for some of them to run: those that give them their names, directly or through others."""

import ast
from collections.abc import Iterable, Sequence
from typing import Any


def needed(cells: Sequence[Any], last: Iterable[int]) -> list[int]:
    """The numbers of the cells `last`, and of the code cells above them that they need, in order.

    A cell needs those that give it a name it reads; what changes an object without giving it a name is not seen. A cell that is
    not plain Python, with a %magic or a slip in it, is taken as needed.
    """
    last = set(last)
    kept: list[int] = []
    wanted: set[str] = set()
    for i in range(max(last, default=-1), -1, -1):
        if cells[i].cell_type == "code":
            given: set[str] = set()
            reads: set[str] = set()
            try:
                _visit(ast.parse(cells[i].source), given, reads)
            except SyntaxError:
                kept.insert(0, i)
                continue
            if i in last or wanted & given:
                kept.insert(0, i)
                wanted = (wanted - given) | reads
    return kept


def _visit(node: ast.AST, given: set[str], wanted: set[str]) -> None:
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
                _visit(child, inside, wanted)
            given |= {getattr(node, "name", "")}
        case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
            inside = set(given)
            for child in [*node.generators, *(c for c in ast.iter_child_nodes(node) if c not in node.generators)]:
                _visit(child, inside, wanted)
        case ast.Assign() | ast.For() | ast.comprehension() | ast.AugAssign():
            before: list[Any] = [getattr(node, "value", None) or getattr(node, "iter", None)]  # read before a name is given
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                before.append(ast.Name(node.target.id, ast.Load()))
            for child in [*before, *(c for c in ast.iter_child_nodes(node) if c not in before)]:
                _visit(child, given, wanted)
        case _:
            for child in ast.iter_child_nodes(node):
                _visit(child, given, wanted)
