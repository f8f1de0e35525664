"""What surrounds the steps of a training: how long they take, and when they are saved."""

import time
from pathlib import Path

from ..machine import distributed
from .checkpoint import Run

TIMED = 50  # steps that are timed to turn minutes into a number of steps; the warm-up must last at least as long


class Pace:
    """Counts the seconds of a run, and turns minutes into a number of steps once the first ones are timed."""

    def __init__(self, run: Run, minutes: float | None):
        self.run, self.minutes, self.first = run, minutes, run.step
        self.begun = self.last = self.middle = time.monotonic()

    def after_step(self) -> bool:
        """Count a step; whether the number of steps has become known by it."""
        run, now = self.run, time.monotonic()
        run.seconds, self.last = run.seconds + now - self.last, now
        if run.step - self.first == TIMED // 2:
            self.middle = now
        if self.minutes is None or run.steps is not None or run.step - self.first < TIMED:
            return False
        # The first steps are slow (memory is being laid out), so only the second half of the timed ones counts.
        seconds_a_step = (now - self.middle) / (TIMED - TIMED // 2)
        run.steps = distributed.from_first(run.step + max(1, int((60 * self.minutes - (now - self.begun)) / seconds_a_step)))
        return True


class Saves:
    """Saves a run after its first step, every so many seconds, at its end, and when its caller stops early."""

    def __init__(self, run: Run, path: str | Path | None, seconds: float):
        self.run, self.path, self.seconds, self.last = run, path, seconds, time.monotonic()
        self.step = run.step or None  # at which it was saved last
        self._say()

    def after_step(self, must: bool) -> None:
        """Save if it is time, or if it must be."""
        now = time.monotonic()
        if must or self.step is None or now - self.last > self.seconds or self.run.step == self.run.steps:
            self.last = now
            self._save()

    def at_exit(self) -> None:
        """Save what has not been saved."""
        if self.step != self.run.step:
            self._save()

    def _save(self) -> None:
        if self.path is not None:
            if distributed.rank() == 0:
                self.run.save(self.path)
            self.step = self.run.step
            self._say()

    def _say(self) -> None:
        if self.step is not None:
            self.run.kept = f"the last good checkpoint is {self.path}, step {self.step}"
