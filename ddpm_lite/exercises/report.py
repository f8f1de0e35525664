"""What the exercises say, in words and shape, not by colour alone: boxes in a notebook, plain text in a terminal."""

import textwrap
from html import escape
from typing import NamedTuple

# What a report can say, in words and shape; the share of the points each is worth.
STATES = {
    "right": ("✓", "Right", 1.0),
    "partly": ("◐", "Right in part", 0.5),
    "misconception": ("✗", "Not yet", 0.0),
    "wrong": ("✗", "Not yet", 0.0),
    "stopped": ("⚠", "Your code did not get through", 0.0),
    "kept": ("✓", "Kept", 1.0),
    "not attempted": ("○", "Not attempted yet", 0.0),
}


class Report(NamedTuple):
    """What a check found: its state (a key of STATES) and what it says to the student."""

    title: str
    state: str
    says: str

    def __repr__(self) -> str:
        mark, words, _ = STATES[self.state]
        return textwrap.fill(f"{mark} {self.title}: {words}. {self.says}", 100)

    def _repr_html_(self) -> str:
        mark, words, _ = STATES[self.state]
        edge = {"right": "solid", "kept": "solid", "not attempted": "dotted"}.get(self.state, "double")
        return box(f"{mark} {self.title}: {words}.", self.says, edge)


class Text(NamedTuple):
    """A hint, a solution or the exercise itself, as a box in a notebook and as plain text in a terminal."""

    title: str
    says: str
    code: str = ""

    def __repr__(self) -> str:
        return f"{self.title}\n{textwrap.fill(self.says, 100)}" + (f"\n\n{self.code}" if self.code else "")

    def _repr_html_(self) -> str:
        return box(self.title, self.says, "solid", self.code)


def box(title: str, says: str, edge: str, code: str = "") -> str:
    """A box whose edge, not only its colour, tells its kind."""
    body = f"<div style='border-left:5px {edge} currentColor;padding:4px 12px;margin:4px 0;max-width:46em'>"
    body += f"<strong>{escape(title)}</strong> {escape(says)}"
    return body + (f"<pre style='margin:8px 0 0'>{escape(code)}</pre>" if code else "") + "</div>"


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
