"""Where the package runs and what it writes: device, precision, processes, files and weights.

What depends on the machine belongs here and nowhere else. The room imports torch and safetensors alone. The lecture says
nothing about it.
"""

from . import interrupt  # the first import of all: Ctrl-C during the others ends in one line

# isort: split
from . import distributed, files, weights
from .device import choose_device, own_generator, place
from .precision import autocast, choose_precision

__all__ = [
    "autocast",
    "choose_device",
    "choose_precision",
    "distributed",
    "files",
    "interrupt",
    "own_generator",
    "place",
    "weights",
]
