"""The source of a function, as it stands in a notebook."""

import ast
import inspect
import textwrap
from collections.abc import Callable


def source(function: Callable) -> str:
    """The source of a function, called my_..., without decorators and docstring."""
    text = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef), "what is decorated is a function"
    lines = text.split("\n")
    if ast.get_docstring(node):
        doc = node.body[0]
        del lines[doc.lineno - 1 : doc.end_lineno]
    return "\n".join(lines[node.lineno - 1 :]).rstrip().replace(f"def {node.name}(", f"def my_{node.name}(", 1)
