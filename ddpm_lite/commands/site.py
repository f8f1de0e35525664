"""The command `site`: the course as web pages and slides."""

import argparse
from typing import Any

from .common import add_parser, add_writing, extra_course, notebooks


def add(commands: Any) -> None:
    """The command line of `site`."""
    parser = add_parser(commands, "site", "Write the course as self-contained web pages and slides, with live views.")
    parser.add_argument(
        "--repository",
        metavar="URL",
        help="https://github.com/OWNER/NAME: the pages link to Colab, Binder and Codespaces (default: [project.urls], if set)",
    )
    add_writing(parser)


def site(args: argparse.Namespace) -> None:
    """Write the course as web pages and slides."""
    with extra_course():
        from ..site import build
    files = build(notebooks(args.notebooks), args.out, args.repository)
    print(f"{len(files)} files in {args.out}; begin with {args.out / 'index.html'}")
