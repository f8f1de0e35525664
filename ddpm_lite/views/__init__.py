"""The slider views: each has a Python half and a browser half, side by side."""

from .base import View
from .noise import Noise
from .schedule import ScheduleView
from .sheet import Sheet

__all__ = ["Noise", "ScheduleView", "Sheet", "View"]
