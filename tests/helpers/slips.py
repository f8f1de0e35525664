"""Answers made by machine: every slip of the kit in a reference, and some that it does not know."""

import ast
from collections.abc import Iterator

from ddpm_lite.exercises.kit.slips import exchanged, slips


def mutant(exercise, old: str, new: str) -> str:
    """The source of a solution, as `mutants` writes it, with one piece of it exchanged."""
    source = ast.unparse(ast.parse(exercise.answer()))
    assert source.count(old) == 1
    return source.replace(old, new)


def mutants(source: str) -> list[str]:
    """The source with one slip in it, in every way there is."""
    tree = ast.parse(source)
    found = [slip.source for slip in slips(source)]
    found += [exchanged(tree, node, new) for node in list(ast.walk(tree)) for new in list(others(node, tree))]
    return list(dict.fromkeys(found))


def others(node: ast.AST, tree: ast.AST) -> Iterator[ast.AST]:
    """Slips that the kit does not look for: a constant for an argument, and halves."""
    names = {each.arg for each in tree.body[0].args.args}
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        yield ast.Constant(0)
        yield ast.Constant(1)
    elif isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow):
        yield ast.BinOp(node, ast.Div(), ast.Constant(2))
