"""The slider views: each has a Python half and a browser half, side by side."""

from .asked import Asked
from .base import View
from .bayes import Bayes
from .density import Density
from .field import Field
from .live import LiveTraining
from .matrix import Matrix
from .noise import Noise
from .sampling import Sampling
from .schedule import ScheduleView
from .sheet import Sheet
from .training import Training

__all__ = [
    "Asked",
    "Bayes",
    "Density",
    "Field",
    "LiveTraining",
    "Matrix",
    "Noise",
    "Sampling",
    "ScheduleView",
    "Sheet",
    "Training",
    "View",
]
