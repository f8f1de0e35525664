"""The slider views and the figures: each view has a Python half and a browser half, side by side.

What shows the lecture, in a notebook or on a page, belongs here; what is shown is computed by the rooms below. The room
imports `maths`, `networks`, `training`, `sampling`, `data`, `models` and `browser`. Slides L3, L6 to L8, L10 to L27, each
with the equations of what it shows.
"""

from . import plots
from .ask_clip import AskCLIP
from .asked import Asked
from .base import View
from .bayes import Bayes
from .density import Density
from .draw import Draw
from .field import Field
from .fill_in import FillIn
from .imagine import Imagine
from .live import LiveTraining
from .matrix import Matrix
from .noise import Noise
from .probability_flow import ProbabilityFlow
from .sampling import Sampling
from .schedule import ScheduleView
from .sheet import Sheet
from .train_here import TrainHere
from .training import Training
from .vary import Vary
from .write import Write

__all__ = [
    "AskCLIP",
    "Asked",
    "Bayes",
    "Density",
    "Draw",
    "Field",
    "FillIn",
    "Imagine",
    "LiveTraining",
    "Matrix",
    "Noise",
    "ProbabilityFlow",
    "Sampling",
    "ScheduleView",
    "Sheet",
    "TrainHere",
    "Training",
    "Vary",
    "View",
    "Write",
    "plots",
]
