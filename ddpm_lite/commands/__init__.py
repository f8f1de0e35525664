"""The command line: one file for each sub-command of `python -m ddpm_lite`, and what they share.

A command checks what it is given, calls the rooms below, and says what it did. The room imports `machine`, `sampling`,
`training`, `data`, `models` and `site`. The lecture says nothing about it.
"""

from . import lab, nbgrader, sample, score, site, train, variations

__all__ = ["lab", "nbgrader", "sample", "score", "site", "train", "variations"]
