"""The command `lab`: JupyterLab on the notebooks."""

import argparse
import importlib.util
import subprocess
import sys
from typing import Any

from .common import BESIDE, add_parser
from .errors import Stopped


def add(commands: Any) -> None:
    """The command line of `lab`."""
    add_parser(commands, "lab", "Open JupyterLab on the notebooks.")


def lab(args: argparse.Namespace) -> None:
    """Open JupyterLab on the notebooks and wait until it is closed."""
    if not BESIDE.is_dir():
        raise FileNotFoundError("The notebooks are not beside the package: run this from a clone installed with pip install -e.")
    if importlib.util.find_spec("jupyterlab") is None:
        raise FileNotFoundError('JupyterLab is not installed here: pip install -e ".[course]" installs it.')
    if subprocess.run([sys.executable, "-m", "jupyterlab", str(BESIDE)], check=False).returncode:
        raise Stopped("JupyterLab ended with an error: see above.")
