"""The command `nbgrader`: the notebooks with exercises as a course that is graded."""

import argparse
from typing import Any

from .common import add_parser, add_writing, extra_course, notebooks


def add(commands: Any) -> None:
    """The command line of `nbgrader`."""
    what = "Write the notebooks with exercises as a course for nbgrader, which grades the answers."
    add_writing(add_parser(commands, "nbgrader", what))


def nbgrader(args: argparse.Namespace) -> None:
    """Write the course for nbgrader."""
    with extra_course():
        from ..site.assignments import build
    files = build(notebooks(args.notebooks), args.out)
    names = [path.stem for path in files]
    print(f"Written to {args.out}: {', '.join(names)}. Go on in that folder:  nbgrader generate_assignment {names[0]}")
