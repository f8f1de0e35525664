"""One slip in a solution, made by machine: a wrong sign, a term left out, a root, an index by one. Which gives these numbers?"""

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

SWAP: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
FLIP: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
SIGNS: dict[type, str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
# What an operation does to its left side, and what its opposite does.
WORDS: dict[type, tuple[str, str]] = {
    ast.Mult: ("multiplied by", "divided by"),
    ast.MatMult: ("multiplied, as matrices, by", ""),
    ast.Div: ("divided by", "multiplied by"),
    ast.FloorDiv: ("divided by", ""),
    ast.Mod: ("reduced to the remainder by", ""),
}
# Functions that may be left out: what is in them stays.
FUNCTIONS = {
    "sqrt": "root",
    "square": "square",
    "exp": "exponential",
    "log": "logarithm",
    "softmax": "softmax",
    "cumprod": "running product",
    "cumsum": "running sum",
    "flip": "reversal",
}
# Functions that are easily taken for each other.
OTHERS = {"mean": "sum", "sum": "mean", "argmax": "argmin", "argmin": "argmax", "cumprod": "cumsum"}
SHAPED = {"reshape", "view", "expand", "expand_as", "unsqueeze", "double", "float"}  # functions that change no number
# Functions whose whole number is an axis.
ALONG = {"sum", "mean", "var", "std", "norm", "softmax", "log_softmax", "argmax", "argmin", "cumprod", "cumsum", "flip"}


class Slip(NamedTuple):
    """A source with one slip in it, and what it looks like from outside."""

    says: str
    source: str


def slips(source: str) -> list[Slip]:
    """All that the source of a function can be with one slip in it, the outermost first."""
    tree = ast.parse(source)
    held, found = _Held(tree), []
    for node in list(ast.walk(tree)):
        for says, new in list(_changes(node, held)):
            found.append(Slip(f"It comes out as if {says}.", exchanged(tree, node, new)))
    return list({slip.source: slip for slip in reversed(found)}.values())[::-1]


def exchanged(tree: ast.AST, node: ast.AST, new: ast.AST) -> str:
    """The source of a tree with another node in the place of one of its own; the tree is as before."""
    new = copy.deepcopy(new)  # a part of the node would stand in the tree twice
    _Put(node, new).visit(tree)
    source = ast.unparse(tree)
    _Put(new, node).visit(tree)
    return source


def _changes(node: ast.AST, held: "_Held") -> Iterator[tuple[str, ast.AST]]:
    """What could stand in the place of a node by a slip, each with what is said of it after "It comes out as if"."""
    if isinstance(node, ast.BinOp):
        yield from _in_place_of(node, held)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield f"a minus sign were missing, before {held.part(node.operand)}", node.operand
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        of_module = isinstance(node.func.value, ast.Name) and node.func.value.id in ("torch", "math")
        name, inside = node.func.attr, node.args[0] if of_module and node.args else node.func.value
        if name in FUNCTIONS:
            yield f"the {FUNCTIONS[name]} of {held.part(inside)} were missing", inside
        if name in OTHERS:
            other = ast.Call(ast.Attribute(node.func.value, OTHERS[name], node.func.ctx), node.args, node.keywords)
            yield f"`{OTHERS[name]}` stood where `{name}` belongs, over {held.part(inside)}", other
        different = len({ast.dump(each) for each in node.args})
        if different == len(node.args) == 2 and not any(isinstance(each, ast.Starred) for each in node.args):
            yield f"two arguments of `{name}` were exchanged", ast.Call(node.func, node.args[::-1], node.keywords)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        axis = "axis " if node in held.axes else ""
        for new in (node.value + 1, node.value - 1):
            yield f"{axis}{new} stood where {axis}{node.value} belongs", ast.Constant(new)
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name):
        for op, sign in ((ast.Add(), "+"), (ast.Sub(), "-")):
            index = ast.BinOp(node.slice, op, ast.Constant(1))
            says = f"the index `{node.slice.id} {sign} 1` stood where `{node.slice.id}` belongs, at {held.part(node.value)}"
            yield says, ast.Subscript(node.value, index, node.ctx)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in FLIP:
        old, flipped = type(node.ops[0]), FLIP[type(node.ops[0])]
        says = f"`{SIGNS[flipped]}` stood where `{SIGNS[old]}` belongs, at {held.part(node)}"
        yield says, ast.Compare(node.left, [flipped()], node.comparators)


def _in_place_of(node: ast.BinOp, held: "_Held") -> Iterator[tuple[str, ast.AST]]:
    """One side of an operation alone, another operation, and the two sides exchanged."""
    left, right, op = node.left, node.right, type(node.op)
    one, other = held.part(left), held.part(right)
    if op in (ast.Add, ast.Sub):
        yield f"{other} were not {'added' if op is ast.Add else 'subtracted'}", left
        yield f"{one} were missing: only {other} is left{', without its sign' if op is ast.Sub else ''}", right
        yield f"a sign were wrong, before {other}", ast.BinOp(left, SWAP[op](), right)
    elif op is ast.Pow:
        yield f"{one} were not raised to a power", left
        yield f"{one} were multiplied by its exponent, not raised to it", ast.BinOp(left, ast.Mult(), right)
    elif op in WORDS:
        done, not_done = WORDS[op]
        yield f"{one} were not {done} {other}", left
        yield f"{one} were missing: only {other} is left", right
        if op in SWAP:
            yield f"{one} were {not_done} {other}, not {done.split()[0]}", ast.BinOp(left, SWAP[op](), right)
    if op is not ast.Pow:
        whole = held.part(node)
        yield f"{whole} were squared", ast.BinOp(node, ast.Pow(), ast.Constant(2))
        yield f"a root were taken of {whole}", ast.Call(ast.Attribute(node, "sqrt", ast.Load()), [], [])
        yield f"{whole} were doubled", ast.BinOp(ast.Constant(2), ast.Mult(), node)
    if op in (ast.Sub, ast.Div):
        what = "difference" if op is ast.Sub else "quotient"
        yield f"a {what} were the wrong way round, that of {one} and {other}", ast.BinOp(right, node.op, left)


class _Held:
    """From which inputs of a function each part of it comes."""

    def __init__(self, tree: ast.Module):
        (function,) = tree.body
        assert isinstance(function, ast.FunctionDef), "an answer is one function"
        self.inputs = [each.arg for each in function.args.args]
        self.made: dict[str, ast.expr] = {}
        self.axes: set[ast.AST] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ALONG:
                self.axes |= {*node.args, *(each.value for each in node.keywords if each.arg in ("dim", "axis"))}
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    values = node.value.elts if isinstance(node.value, ast.Tuple) else []
                    names = target.elts if isinstance(target, ast.Tuple) else [target]
                    for i, each in enumerate(names):
                        if isinstance(each, ast.Name):  # of one that is given twice, what is said last counts
                            self.made[each.id] = values[i] if len(values) == len(names) else node.value

    def part(self, node: ast.AST) -> str:
        """A part of the solution in words: a number as it is, else the inputs in it."""
        if isinstance(node, ast.Constant):
            return f"{node.value!r}"
        names = [f"`{name}`" for name in list(dict.fromkeys(self._inputs(node, ())))[:3]]
        if not names:
            return "a number"
        if isinstance(node, ast.Name) and node.id in self.inputs:
            return names[0]
        return f"the part with {' and '.join([', '.join(names[:-1]), names[-1]] if names[1:] else names)}"

    def _inputs(self, node: ast.AST, within: tuple[str, ...]) -> Iterator[str]:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "schedule":
            yield node.attr
        elif isinstance(node, ast.Name):
            if node.id in self.made and node.id not in within:
                yield from self._inputs(self.made[node.id], (*within, node.id))
            elif node.id in self.inputs:
                yield node.id
        elif isinstance(node, ast.Subscript):
            yield from self._inputs(node.value, within)  # an index says little
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SHAPED:
            yield from self._inputs(node.func.value, within)
        else:
            for child in ast.iter_child_nodes(node):
                yield from self._inputs(child, within)


class _Put(ast.NodeTransformer):
    """Puts a node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().visit(node)
