"""Which cells of a notebook must run for some of them to run: those that give them their names, directly or through others."""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Names:
    """What a cell does with names: those it gives a value, those it reads before, those that the bodies of its functions read
    when they are called, and those whose objects it changes."""

    given: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)


def needed(cells: Sequence[Any], last: Iterable[int]) -> list[int]:
    """The numbers of the cells `last`, and of the code cells that they need, in order.

    A cell needs those above it that give a name it reads, or change what stands under it; what is read in the body of a function
    may also be given below, up to the last cell. A cell with `import *` is needed.
    """
    last = set(last)
    end = max(last, default=-1)
    names = {i: _names(cells[i].source) for i in range(end + 1) if cells[i].cell_type == "code"}
    last |= {i for i, each in names.items() if "*" in each.given}
    while True:
        kept = _above(names, last)
        later = set().union(*(names[i].later for i in kept))
        more = {i for i, each in names.items() if i not in kept and later & each.given}
        if not more:
            return kept
        last |= more


def _above(names: dict[int, _Names], last: set[int]) -> list[int]:
    kept: list[int] = []
    wanted: set[str] = set()
    for i in sorted(names, reverse=True):
        if i in last or wanted & (names[i].given | names[i].changed):
            kept.insert(0, i)
            wanted = (wanted - names[i].given) | names[i].read
    return kept


def _names(source: str) -> _Names:
    """Of a cell's source, without its %magics and !commands. A cell that is still not Python cannot run, and needs nothing."""
    found = _Names()
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n")]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return found
    _visit(tree, found)
    return found


def _visit(node: ast.AST, names: _Names) -> None:
    """Walk in the order of execution."""
    match node:
        case ast.Name(ctx=ast.Store()):
            names.given.add(node.id)
        case ast.Name():
            names.read |= {node.id} - names.given
        case ast.alias():
            names.given.add((node.asname or node.name).split(".")[0])
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            arguments = [each for each in ast.walk(node.args) if isinstance(each, ast.arg)]
            before = [
                *node.args.defaults,
                *(each for each in node.args.kw_defaults if each),
                *getattr(node, "decorator_list", []),
            ]
            before += [each.annotation for each in arguments if each.annotation]
            returns: ast.expr | None = getattr(node, "returns", None)
            before += [returns] if returns else []
            for child in before:
                _visit(child, names)
            inside = _Names(given={each.arg for each in arguments})
            for child in node.body if isinstance(node.body, list) else [node.body]:
                _visit(child, inside)
            names.later |= inside.read | inside.later
            names.read |= (inside.read | inside.later) - names.given
            names.given |= {getattr(node, "name", "")}
        case ast.ClassDef():
            for child in [*node.decorator_list, *node.bases, *node.keywords, *node.body]:
                _visit(child, names)
            names.given.add(node.name)
        case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
            inside = _Names(given=set(names.given))
            for child in [*node.generators, *(c for c in ast.iter_child_nodes(node) if c not in node.generators)]:
                _visit(child, inside)
            names.read |= inside.read
            names.later |= inside.later
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.For() | ast.comprehension():
            first = getattr(node, "value", None) or getattr(node, "iter", None)  # it is read before a name is given
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                names.read |= {node.target.id} - names.given
            for target in getattr(node, "targets", [getattr(node, "target", None)]):
                names.changed |= _changed(target)
            for child in [*([first] if first else []), *(c for c in ast.iter_child_nodes(node) if c is not first)]:
                _visit(child, names)
        case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
            names.changed |= _changed(method)
            _visit(node.value, names)
        case _:
            for child in ast.iter_child_nodes(node):
                _visit(child, names)


def _changed(node: ast.AST | None) -> set[str]:
    """Whose object changes in x.y = 1, x[0] = 1 and x.append(1): x."""
    if not isinstance(node, ast.Attribute | ast.Subscript):
        return set()
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
