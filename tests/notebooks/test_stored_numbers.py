"""What a test compares holds on every machine: rule 3 of the design, for the notebooks, as far as reading the code can prove it.

A cell tagged `nbval-check-output` prints numbers of the maths in float64, numbers read from a card, or a verdict. So nothing
that it prints may come from a network, or from random numbers or pictures in float32: what they give differs in its last
digits, or in its first, with the processor, the precision and the number of threads. Values are followed through the names
of a notebook, from cell to cell in the order of execution.
"""

import ast
import json
from pathlib import Path

import pytest
from cut import NOTEBOOKS

# Names of the package and of torch through which a network comes in, or what one says of pictures.
NETWORKS = {
    *(
        "nn",
        "zoo",
        "train",
        "scores",
        "UNet",
        "CLIP",
        "PointMLP",
        "Classifier",
        "Prior",
        "load_chain",
        "chains",
        "texts",
        "clips",
        "composing",
        "exact",
    ),
    *("embed", "conditions", "principal", "text_difference"),
}
FLOAT32 = {"randn", "rand", "randn_like", "rand_like"}  # of torch, without a dtype
PICTURES = {"digits", "photos", "shapes", "emoji", "changes"}  # modules of data in float32
# Attributes and functions that say nothing of a network's numbers or of a picture's: counts, names, and what a card says.
PLAIN = {"card", "shape", "ndim", "numel", "len", "schedule", "names", "captions", "labels", "words"}

# Cells that print something of a network all the same, by their first line, with the reason why it is the same everywhere.
ALLOWED: dict[tuple[str, str], str] = {}

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))


def called(node: ast.AST) -> tuple[str, str]:
    """The first and the last name of a chain such as torch.special.ndtr: ("torch", "ndtr"); "" where there is none."""
    last = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    while isinstance(node, ast.Attribute):
        node = node.value
    return getattr(node, "id", ""), last


class Notebook:
    """The names of a notebook, each with where its value comes from: {} (float64 and plain), {"network"}, {"float32"} or both."""

    def __init__(self):
        self.names: dict[str, set[str]] = {}
        self.functions: dict[str, set[str]] = {}  # what a function of the notebook returns: perhaps from its "arguments"
        self.printed: list[tuple[str, set[str]]] = []  # what a cell prints, and where that comes from

    def source(self, node: ast.AST | None) -> set[str]:
        """Where the value of an expression comes from."""
        match node:
            case ast.Name():
                return self.names.get(node.id, set())
            case ast.Attribute() if node.attr in PLAIN:
                return set()
            case ast.Call():
                return self.of_call(node)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
                for generator in node.generators:
                    self.give(generator.target, self.source(generator.iter))
                parts = [part for generator in node.generators for part in generator.ifs]
                parts += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
                return set().union(*map(self.source, parts))
            case ast.Lambda():
                return self.source(node.body)
        return set().union(*(self.source(child) for child in ast.iter_child_nodes(node))) if node else set()

    def of_call(self, node: ast.Call) -> set[str]:
        first, last = called(node.func)
        inside = set().union(*(self.source(child) for child in ast.iter_child_nodes(node)))
        if last in PLAIN:
            return set()
        if isinstance(node.func, ast.Name) and node.func.id in self.functions:
            own = self.functions[node.func.id]
            return own - {"arguments"} | (inside if "arguments" in own else set())
        if last == "double":
            return inside - {"float32"}
        if first in NETWORKS and first not in self.names:
            return inside | {"network"}
        if first in PICTURES and first not in self.names:
            return inside | {"float32"}
        if first == "torch" and last in FLOAT32 and not any(k.arg == "dtype" for k in node.keywords):
            return inside | {"float32"}
        return inside

    def give(self, target: ast.AST, source: set[str]) -> None:
        """A name gets a value; a part of something adds to what it comes from."""
        match target:
            case ast.Name():
                self.names[target.id] = source
                self.functions.pop(target.id, None)
            case ast.Tuple() | ast.List():
                for part in target.elts:
                    self.give(part, source)
            case ast.Starred():
                self.give(target.value, source)
            case ast.Subscript() | ast.Attribute():
                name, _ = called(target.value)
                self.names[name] = self.names.get(name, set()) | source

    def run(self, node: ast.AST) -> None:
        match node:
            case ast.Assign():
                for target in node.targets:
                    left, right = getattr(target, "elts", [target]), getattr(node.value, "elts", [node.value])
                    pairs = list(zip(left, right, strict=True)) if len(left) == len(right) else [(target, node.value)]
                    for part, source in [(part, self.source(value)) for part, value in pairs]:
                        self.give(part, source)
            case ast.AugAssign():
                self.give(node.target, self.source(node.target) | self.source(node.value))
            case ast.FunctionDef() | ast.ClassDef():
                inner = Notebook()
                arguments = {a.arg: {"arguments"} for a in ast.walk(node) if isinstance(a, ast.arg)}
                inner.names = self.names | arguments
                inner.functions = {name: source for name, source in self.functions.items() if name not in arguments}
                for child in node.body:
                    inner.run(child)
                returned = [inner.source(n.value) for n in ast.walk(node) if isinstance(n, ast.Return)]
                if isinstance(node, ast.FunctionDef):
                    self.functions[node.name] = set().union(*returned)
                is_net = isinstance(node, ast.ClassDef) and any("nn" in called(base) for base in node.bases)
                self.names[node.name] = set().union(*returned, {"network"} if is_net else set()) - {"arguments"}
            case ast.For():
                for _ in range(2):  # what a round leaves is there in the next one
                    self.give(node.target, self.source(node.iter))
                    for child in node.body:
                        self.run(child)
            case ast.With():
                for item in node.items:
                    if item.optional_vars:
                        self.give(item.optional_vars, self.source(item.context_expr))
                for child in node.body:
                    self.run(child)
            case ast.If() | ast.Try() | ast.While():
                for child in ast.iter_child_nodes(node):
                    self.run(child)
            case ast.Expr(value=ast.Call() as call):
                if called(call.func)[1] == "print":
                    self.printed.append((ast.unparse(call), self.source(call)))
                elif isinstance(call.func, ast.Attribute):  # values.append(x)
                    self.give(call.func, self.source(call))
            case ast.Expr():
                self.printed.append((ast.unparse(node), self.source(node.value)))


def printed(source: str, notebook: Notebook) -> list[str]:
    """What a cell prints that comes from a network or from float32."""
    notebook.printed = []
    for node in ast.parse(source).body:
        notebook.run(node)
    return [f"{text}  <- {', '.join(sorted(origin))}" for text, origin in notebook.printed if origin]


def unsafe(path: Path) -> dict[str, list[str]]:
    """{the first line of a compared cell: what it prints that comes from a network or from float32}."""
    notebook, found = Notebook(), {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            bad = printed(source, notebook)
            if bad and "nbval-check-output" in cell["metadata"].get("tags", []):
                found[source.splitlines()[0]] = bad
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_no_compared_cell_prints_what_depends_on_the_machine(path):
    allowed = {line for number, line in ALLOWED if number == path.stem[:2]}
    found = unsafe(path)
    assert set(found) == allowed, "\n".join(f"{line}\n    {bad}" for line, all in found.items() for bad in all)


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("x = zoo.load('digits').net(y)\nprint(x.mean())", "network"),
        ("for step in train(net, data):\n    kept.append(step.loss)\nprint(f'{kept[-1]:.2f}')", "network"),
        ("model = nn.Linear(1, 1)\ndef ask(x):\n    return model(x)\nprint(ask(1))", "network"),
        ("x = torch.randn(9)\nprint({'mean': x.mean()})", "float32"),
        ("x = torch.randn(9, dtype=torch.float64)\nprint(x.mean())", ""),
        ("x = digits.load()[0].images.double()\nprint(x.mean())", ""),
        ("net = UNet()\nprint(sum(p.numel() for p in net.parameters()))", ""),
        ("def count(*nets):\n    return sum(p.numel() for n in nets for p in n.parameters())\nprint(count(UNet()))", ""),
        ("model = zoo.load('digits')\nread = model.net(x)\nassert read > 0.9\nprint(model.card['scores'], 'as asked')", ""),
    ],
)
def test_a_value_is_followed_through_the_names(source, origin):
    assert [text.split("  <- ")[1] for text in printed(source, Notebook())] == ([origin] if origin else [])
