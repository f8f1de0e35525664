"""Slips made by machine: signs and operators changed, terms and factors dropped, roots lost, indices and numbers shifted."""

import ast
import copy
from collections.abc import Iterator

SWAP = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult}
FLIP = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
FUNCTIONS = {"sqrt", "square", "exp", "log", "flip", "cumprod", "cumsum", "softmax"}  # left out: what is in them stays


def mutants(source: str) -> list[str]:
    """The source with one slip in it, in every way there is."""
    tree, found = ast.parse(source), []
    for node in list(ast.walk(tree)):
        for new in list(changes(node)):
            new = copy.deepcopy(new)
            Put(node, new).visit(tree)
            found.append(ast.unparse(tree))
            Put(new, node).visit(tree)
    return list(dict.fromkeys(found))


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What could stand in the place of a node by a slip."""
    if isinstance(node, ast.BinOp):
        yield node.left
        yield node.right
        if type(node.op) in SWAP:
            yield ast.BinOp(node.left, SWAP[type(node.op)](), node.right)
        if isinstance(node.op, ast.Sub | ast.Div):
            yield ast.BinOp(node.right, node.op, node.left)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FUNCTIONS:
        of_module = isinstance(node.func.value, ast.Name) and node.func.value.id in ("torch", "math")
        yield node.args[0] if of_module else node.func.value
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name):
        for op in (ast.Add(), ast.Sub()):
            yield ast.Subscript(node.value, ast.BinOp(node.slice, op, ast.Constant(1)), node.ctx)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in FLIP:
        yield ast.Compare(node.left, [FLIP[type(node.ops[0])]()], node.comparators)


class Put(ast.NodeTransformer):
    """Puts a node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().visit(node)
