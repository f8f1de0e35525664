"""Notebook files, read strictly: what is no notebook is named."""

from pathlib import Path

import nbformat


def read(path: Path) -> nbformat.NotebookNode:
    """The notebook in a file, in format 4. ValueError for a file that is not a notebook."""
    try:
        with path.open(encoding="utf-8") as file:
            nb = nbformat.reader.reads(file.read())  # `nbformat.read` only logs what is invalid
        nb = nbformat.convert(nb, 4)
        nbformat.validate(nb)
    except MemoryError:
        raise
    except Exception as error:  # what is no notebook fails in all ways
        raise ValueError(f"{path} is not a notebook.") from error
    return nb
