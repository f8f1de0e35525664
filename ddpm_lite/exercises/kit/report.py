"""What the exercises say, in words and shape, not by colour alone: boxes in a notebook, plain text in a terminal."""

import re
import textwrap
from html import escape
from typing import NamedTuple

# What a report can say, in words and shape; the share of the points each is worth.
STATES = {
    "right": ("✓", "Right", 1.0),
    "partly": ("◐", "Right in part", 0.5),
    "misconception": ("✗", "Not yet", 0.0),
    "wrong": ("✗", "Not yet", 0.0),
    "stopped": ("⚠", "Your code did not run to the end", 0.0),
    "kept": ("✓", "Kept", 1.0),
    "not attempted": ("○", "Not attempted yet", 0.0),
}


class Report(NamedTuple):
    """What a check found: its state (a key of STATES) and what it says to the student, in one line or more."""

    title: str
    state: str
    says: str

    def __repr__(self) -> str:
        return _text(f"{self._head()} {self.says}")

    def _repr_html_(self) -> str:
        edge = {"right": "solid", "kept": "solid", "not attempted": "dotted"}.get(self.state, "double")
        return _box(self._head(), self.says, edge)

    def _head(self) -> str:
        mark, words, _ = STATES[self.state]
        return f"{mark} {self.title}: {words}."


class Text(NamedTuple):
    """A hint or a solution, as a box in a notebook and as plain text in a terminal."""

    title: str
    says: str
    code: str = ""

    def __repr__(self) -> str:
        return _text(f"{self.title}\n{' '.join(self.says.split())}") + (f"\n\n{self.code}" if self.code else "")

    def _repr_html_(self) -> str:
        return _box(f"{self.title}.", " ".join(self.says.split()), "solid", self.code)


def _text(says: str) -> str:
    return "\n".join(textwrap.fill(line, 100) for line in says.split("\n"))


def _box(title: str, says: str, edge: str, code: str = "") -> str:
    """A box whose edge, not only its colour, tells its kind. Text wraps; code does not, it is scrolled where it is too wide."""
    says = re.sub(r"`(.+?)`", r"<code>\1</code>", escape(says)).replace("\n", "<br>")
    body = f"<div style='border-left:5px {edge} currentColor;padding:4px 12px;margin:4px 0'>"
    body += f"<div style='max-width:46em;overflow-wrap:anywhere'><strong>{escape(title)}</strong> {says}</div>"
    if code:
        body += f"<pre style='margin:8px 0 0;white-space:pre;overflow-x:auto'>{escape(code)}</pre>"
    return body + "</div>"


class Table(NamedTuple):
    """Rows of text under their headings."""

    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def __repr__(self) -> str:
        widths = [max(len(row[i]) for row in [self.heads, *self.rows]) for i in range(len(self.heads))]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in [self.heads, *self.rows]
        )

    def _repr_markdown_(self) -> str:
        lines = [self.heads, ("---",) * len(self.heads), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
