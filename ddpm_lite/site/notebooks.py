"""Reads notebook files strictly: a file that is not a notebook is named in the error."""

import json
import warnings
from pathlib import Path

import nbformat


def read(path: Path) -> nbformat.NotebookNode:
    """The notebook in a file, in format 4. ValueError for a file that is not a notebook or cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        if not isinstance(json.loads(text)["nbformat"], int):
            raise TypeError("its nbformat is not a number")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of older formats, which are converted
            nb = nbformat.convert(nbformat.reader.reads(text), 4)  # `nbformat.read` only logs what is invalid
            nbformat.validate(nb)
    except MemoryError:
        raise
    except OSError as error:
        raise ValueError(f"{path} is not a notebook: {error.strerror}.") from error
    except Exception as error:  # other files raise errors of many kinds
        raise ValueError(f"{path} is not a notebook.") from error
    return nb
