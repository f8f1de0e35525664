"""LiveTraining: a training that is shown while it runs, and that the reader can stop and continue."""

import atexit
import contextlib
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any, ClassVar

import matplotlib.pyplot as plt
import numpy as np
import torch
import traitlets
from IPython.display import DisplayHandle, Markdown, display
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from ..maths.schedule import Schedule
from ..sampling.loop import sample
from ..training.checkpoint import BINS, WINDOW, Run
from ..training.loop import TrainStep
from .base import View, esm, float32, uint8
from .plots import BLACK, BLUE, bundles, show_strip

CALLS = 25  # of the network, for the pictures of a moment: fewer leave the specks of an early network in them
MOMENTS = 9  # after the first step: so many, evenly spread over the training, if there is time
APART = 0.2  # seconds from one update to the next, at least
RECENT = 10  # rows of the history, of 20 steps each, that the loss per t is averaged over


class LiveTraining(View):
    """A training in its own thread: its loss over the steps and per t, and what the network draws at this moment.
    Slide L20; Ho et al. 2020, Algorithm 1.

    training  what `train(...)` returns; TypeError for anything else
    floor     (BINS,) the least possible loss in each bin of t
    schedule  that of the training; the pictures are drawn with it
    x_T       (n, c, h, w) noise, n from 1 to 32: every drawing starts from it, so the same pictures are seen to develop
    cond      (n,) what each picture should show, if the network is conditional

    `show(caption)` begins. The next cell begins with `wait()`: it returns when the training is over, or stopped by the
    reader (button, or `view.stopped = True`). Continue goes on where it was: the numbers are those of a training that
    was never stopped, as long as nothing else draws from torch's global generator meanwhile (dropout seeds it for each
    step and puts it back). `run` is the training's `Run`; its `ema` changes while the training goes on.

    Drawing, sending and the pictures in between take at most SHARE of the time, with at most five updates a second; the
    first and the last pictures are always drawn. There is one training at a time: to show another ends the one before.
    """

    SHARE: ClassVar[float] = 0.03
    STATE = ("moment",)
    _esm = esm("live")
    _now: ClassVar["LiveTraining | None"] = None  # the one that trains
    moment = traitlets.Int(0, help="which of the moments is seen; the last one while training").tag(sync=True)
    stopped = traitlets.Bool(False, help="whether the reader wants it to stop").tag(sync=True)
    status = traitlets.Enum(["ready", "training", "stopped", "finished", "failed", "ended"], "ready").tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    steps = traitlets.Int(0, help="how many steps there are; 0 while that is not known").tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    history = traitlets.Bytes(help="that of the run, float32").tag(sync=True)
    moments = traitlets.List(traitlets.Int(), help="the steps at which pictures were drawn").tag(sync=True)
    drawn = traitlets.Bytes(help="the pictures of all moments").tag(sync=True)
    floor = traitlets.Bytes().tag(sync=True)
    T = traitlets.Int().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(
        self,
        training: Iterator[TrainStep],
        *,
        floor: Float[Tensor, " bins"],
        schedule: Schedule,
        x_T: Float[Tensor, "n c h w"],
        cond: Int[Tensor, " n"] | None = None,
    ):
        if not isinstance(training, Generator):
            raise TypeError(f"training must be what train(...) returns, not {type(training).__name__}.")
        if floor.shape != (BINS,) or not floor.isfinite().all():
            raise ValueError(f"floor must be {BINS} finite numbers, one for each bin of t, not {tuple(floor.shape)}.")
        if x_T.ndim != 4 or not 1 <= len(x_T) <= 32 or x_T.shape[1] not in (1, 3) or not x_T.isfinite().all():
            raise ValueError(f"x_T must be finite noise (1 to 32, 1 or 3, height, width), not {tuple(x_T.shape)}.")
        if cond is not None and len(cond) != len(x_T):
            raise ValueError(f"cond must say what each of the {len(x_T)} pictures shall show, not {len(cond)}.")
        self._training, self._schedule, self._x_T, self._cond = training, schedule, x_T, cond
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._handles: list[DisplayHandle] = []
        self._lock = threading.RLock()  # the training and the browser both change traits
        self._go, self._resting, self._leave = threading.Event(), threading.Event(), False
        self._go.set()
        self._pictures: dict[int, bytes] = {}  # by step
        self._cost_of_pictures = self._told = 0.0
        self.run: Run | None = None
        self.training_seconds = self.showing_seconds = 0.0
        super().__init__(floor=float32(floor), T=schedule.T, shape=list(x_T.shape))
        # ipykernel hands what the browser says about a widget to where the widget last spoke from: the main shell, which
        # `wait` keeps busy. Without this attribute it hands it to where the browser wants it, beside the running cell.
        self.comm._reply_subshell_for = None

    @traitlets.validate("moment")
    def _in_range(self, proposal: dict[str, Any]) -> Any:
        if not 0 <= proposal["value"] < max(1, len(self.moments)):
            raise traitlets.TraitError(f"moment = {proposal['value']}, but there are {len(self.moments)} moments, from 0 on.")
        return proposal["value"]

    @traitlets.observe("stopped")
    def _stop_or_go_on(self, change: dict[str, Any]) -> None:
        with self._lock:
            if self.stopped:
                self._go.clear()
            else:
                self._resting.clear()
                self._go.set()

    def set_state(self, sync_data: dict) -> None:
        """What the browser has changed; not while the training changes something."""
        with self._lock:
            super().set_state(sync_data)

    def show(self, caption: str) -> None:
        """Display the view and begin to train. The filmstrip and its caption, which tells the result, follow at the end."""
        if self._thread is not None:
            raise RuntimeError("This training has been shown before: for another one, make another LiveTraining.")
        if LiveTraining._now is not None:
            LiveTraining._now.end()
        LiveTraining._now, self._result = self, caption
        display(self)
        # Updated at the end by the filmstrip and its caption; outside of notebooks there are no handles.
        self._handles = [handle for _ in range(2) if (handle := display(Markdown(""), display_id=True)) is not None]
        self._thread = threading.Thread(target=self._work, name="training", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the training is finished or stopped; raises what ended it, if something went wrong.

        The buttons work meanwhile where widgets are heard beside a running cell: in JupyterLab from 4.4 on with ipykernel
        from 7 on. Elsewhere interrupt the kernel: that ends the cell and stops the training just as the button does.
        """
        if self._thread is None:
            raise RuntimeError("Nothing is being trained yet: call show(caption) first.")
        try:
            while self._thread.is_alive() and not self._resting.wait(0.1):  # Windows: no interrupt gets into an endless wait
                pass
        except KeyboardInterrupt:
            self.stopped = True
            raise
        self._store()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """End the training for good, after the step in hand; its checkpoint is saved, if it has one."""
        self._leave = True
        self._go.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        """The thread."""
        try:
            with contextlib.closing(self._training):
                self._train()
        except Exception as error:
            self._error = error
            self._tell("failed", f"{type(error).__name__}: {error}")
        finally:
            self._resting.set()

    def _train(self) -> None:
        first = 0.0  # seconds that the first pictures took
        since = time.thread_time()  # that of this thread alone: what else the machine does takes no share
        for count, step in enumerate(self._training, 1):
            now = time.thread_time()
            self.training_seconds += now - since
            self.run = step.run
            halt = self._leave or self.stopped
            # So much may have been spent on showing up to here: first and last pictures, and what lies between at an even pace.
            done = 1.0 if step.steps is None else count / (count + step.steps - step.step)
            allowed = self.SHARE * self.training_seconds + first * (1 - done) - 2 * self._cost_of_pictures * done
            due = step.steps is not None and step.step % _apart(step.steps) == 0
            if halt or not self._pictures or (due and self.showing_seconds + self._cost_of_pictures < allowed):
                self._draw()
                first = first or self._cost_of_pictures
            if halt or (self.showing_seconds < allowed and time.monotonic() - self._told >= APART):
                self._tell("stopped" if halt else "training")
            if halt:
                self._rest()
                self._tell("ended" if self._leave else "training")
                if self._leave:
                    return
            since = time.thread_time()
        if self.run is None:
            raise ValueError("This training has no step left to do: it was finished before.")
        if self.run.step not in self._pictures:
            self._draw()
        self._tell("finished")

    def _rest(self) -> None:
        """Wait for the reader to go on."""
        while True:
            with self._lock:
                if self._leave or not self.stopped:
                    return
                self._resting.set()
            self._go.wait()

    def _draw(self) -> None:
        """Let the averaged network draw; the pictures are those of the present step."""
        assert self.run is not None, "it draws after a step"
        start = time.thread_time()
        calls = min(CALLS, self.T)
        always = torch.Generator(self._x_T.device).manual_seed(0)  # so that only the training changes the pictures
        *_, last = sample(self.run.ema, self._x_T, self._schedule, cond=self._cond, steps=calls, generator=always, clip=True)
        self._pictures[self.run.step] = uint8(last.x_t.cpu())
        self._cost_of_pictures = time.thread_time() - start
        self.showing_seconds += self._cost_of_pictures

    def _tell(self, status: str, error: str = "") -> None:
        """Send the browser the state of the training, in one message."""
        start, self._told = time.thread_time(), time.monotonic()
        with self._lock, self.hold_sync():
            self.status, self.error = status, error
            if self.run is not None:
                self.step, self.steps, self.history = self.run.step, self.run.steps or 0, float32(self.run.history)
                self.moments, self.drawn = list(self._pictures), b"".join(self._pictures.values())
                self.moment = max(0, len(self.moments) - 1)
                self.start = {"moment": self.moment}
        self.showing_seconds += time.thread_time() - start

    def _store(self) -> None:
        """Bring the cell that shows the view up to date: what its page will show without widgets, and its stored state."""
        self.send_state([name for name in self.keys if not name.startswith("_")])  # as from a cell: those are stored
        if self.status == "finished":
            found = bundles(self.filmstrip(), self._result)
            for handle, (data, metadata) in zip(self._handles, found, strict=False):
                handle.update(data, raw=True, metadata=metadata)
            self._handles = []

    def _rows(self) -> tuple[int, Float[np.ndarray, "rows columns"]]:
        """The step that is seen, and the rows of the history up to there."""
        last = self.moment >= len(self.moments) - 1
        step = self.step if last else self.moments[self.moment]
        rows = np.frombuffer(self.history, "<f4").reshape(-1, 2 + BINS).astype(float)
        return step, rows[rows[:, 0] <= step]

    def frame(self) -> dict[str, np.ndarray]:
        """loss (rows,) up to the moment, per_t (BINS,) as an average over the last 200 steps, pictures (n, c, h, w)."""
        _, rows = self._rows()
        drawn = np.frombuffer(self.drawn, "u1").reshape(-1, *self.shape) / 127.5 - 1
        per_t = torch.from_numpy(rows[-RECENT:, 2:]).nanmean(0).numpy()
        return {"loss": rows[:, 1], "per_t": per_t, "pictures": drawn[self.moment] if len(drawn) else drawn}

    def describe(self) -> str:
        """The step, and the loss and its floor there."""
        step, rows = self._rows()
        if step == 0:
            return "The training has not begun."
        of = f"Step {step} of {self.steps}" if self.steps else f"Step {step}"
        floor = np.frombuffer(self.floor, "<f4").astype(float).mean()
        if len(rows) == 0:
            return f"{of}: the loss is not known yet, its floor is {floor:.3f} per pixel."
        return f"{of}: the loss is {rows[-1, 1]:.3f} per pixel, its floor {floor:.3f}."

    def filmstrip(self) -> Figure:
        """The loss over the steps and per t, and the pictures of up to four moments."""
        _, rows = self._rows()
        floor, middle = np.frombuffer(self.floor, "<f4"), (np.arange(BINS) + 0.5) * self.T / BINS
        fig = plt.figure(figsize=(10, 7.2))
        grid = fig.add_gridspec(2, 2)
        left, right, below = (fig.add_subplot(place) for place in (grid[0, 0], grid[0, 1], grid[1, :]))
        left.plot(rows[:, 0], rows[:, 1], color=BLUE)
        left.axhline(floor.mean(), color=BLACK, linestyle="--", linewidth=1.5)
        left.set(xlabel="training step", xlim=(0, self.steps or self.step), ylim=(0, 0.5), title="loss per pixel, floor dashed")
        right.plot(middle, self.frame()["per_t"], color=BLUE, marker="o")
        right.plot(middle, floor, color=BLACK, linestyle="--", linewidth=1.5)
        right.set(xlabel="step t of the noise", xlim=(0, self.T), ylim=(0, 1), title="the same for each t")
        drawn = torch.from_numpy(np.frombuffer(self.drawn, "u1").reshape(-1, *self.shape) / 127.5 - 1)
        shown = sorted({round(i) for i in np.linspace(0, len(drawn) - 1, 4)})
        show_strip(below, {f"step {self.moments[i]}": drawn[i] for i in shown}, [""] * len(self._x_T))
        return fig


def _apart(steps: int) -> int:
    """How many steps lie between two moments; pictures cost about as much as a step."""
    return max(3 * WINDOW, -(-steps // MOMENTS))


@atexit.register
def _end_at_exit() -> None:
    """A thread that computes while Python is taken down would end it with a fault."""
    if LiveTraining._now is not None:
        LiveTraining._now.end()
