"""The course as web pages: the notebooks to read and as slides, the index of the lecture, and the reference of the package.

What turns the notebooks, the docstrings and the exercises into pages belongs here, with the templates, styles and scripts
that the pages need, and nbgrader's assignments. The room imports `machine`, `models`, `browser`, `views` and `exercises`. The
index leads from each slide to what stands for it.
"""

from .pages import build

__all__ = ["build"]
