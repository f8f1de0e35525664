"""LiveTraining: a training in a thread, with Stop and Continue, gives the numbers of a plain loop and costs next to nothing."""

import _thread
import subprocess
import sys
import threading
import time
import traceback

import nbformat
import numpy as np
import pytest
import torch
import traitlets
from torch import nn

from ddpm_lite import Schedule, eps_loss, sample, train
from ddpm_lite.training.checkpoint import BINS
from ddpm_lite.training.loop import TrainStep
from ddpm_lite.views import LiveTraining
from ddpm_lite.views import live as live_module
from ddpm_lite.views.plots import png

SCHEDULE, FLOOR = Schedule.linear(1000), torch.linspace(0, 0.1, BINS)
HURRY = threading.Event()  # once it is set, trainings make no more pauses


class Tiny(nn.Module):
    """The smallest network that training, sampling and dropout can be tried on."""

    def __init__(self):
        super().__init__()
        self.inside = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(8, 1, 3, padding=1))

    def forward(self, x, t, cond=None):
        return self.inside(torch.cat([x, (t / 1000).view(-1, 1, 1, 1).expand_as(x)], 1))


def training(steps=200, pause=0.0, **options):
    torch.manual_seed(0)
    net, g = Tiny(), torch.Generator().manual_seed(1)
    data = torch.rand(64, 1, 8, 8, generator=g) * 2 - 1
    for step in train(net, (data,), eps_loss(SCHEDULE), generator=g, steps=steps, batch_size=16, **options):
        HURRY.wait(pause)
        yield step


def noise(n=3):
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(2))


def live(*given, **options):
    return LiveTraining(training(*given, **options), floor=FLOOR, schedule=SCHEDULE, x_T=noise())


def begun(view):
    view.show("What came out.")
    return view


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def assert_like_the_plain_loop(run, **options):
    *_, last = training(**options)
    assert torch.equal(run.history.nan_to_num(-1), last.run.history.nan_to_num(-1)) and len(run.history) > 0
    for mine, theirs in zip(run.ema.parameters(), last.run.ema.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_numbers_are_those_of_a_plain_loop():
    view = begun(live())
    view.wait()
    assert view.status == "finished" and view.step == view.steps == 200
    assert_like_the_plain_loop(view.run)


def test_stop_and_continue_change_no_bit():
    view, step = begun(live(pause=0.002)), 0
    for _ in range(3):
        until(lambda step=step: view.run is not None and view.run.step > step)
        view.stopped = True
        view.wait()
        step = view.run.step
        assert view.status == "stopped" and view.step == step < 200 and view.moments[-1] == step
        time.sleep(0.05)
        assert view.run.step == step  # it really rests
        view.stopped = False
    view.wait()
    assert view.status == "finished"
    assert_like_the_plain_loop(view.run)


def test_stop_and_continue_in_quick_succession_end_well():
    view = begun(live(pause=0.001))
    for _ in range(200):
        view.stopped = True
        view.stopped = False
    view.wait()
    assert view.status == "finished" and view.step == 200


def test_what_goes_wrong_is_raised_by_wait_and_seen():
    def broken():
        yield from training(5)
        raise FloatingPointError("the loss was not finite")

    view = begun(LiveTraining(broken(), floor=FLOOR, schedule=SCHEDULE, x_T=noise()))
    for _ in range(2):  # each time that one asks
        with pytest.raises(FloatingPointError, match="not finite") as caught:
            view.wait()
    assert "in broken" in "".join(traceback.format_exception(caught.value))  # where it happened, in the thread
    assert view.status == "failed" and view.error == "FloatingPointError: the loss was not finite"


def test_a_second_one_ends_the_first(tmp_path):
    file = tmp_path / "first.safetensors"
    first = begun(live(100_000, pause=0.001, checkpoint=file))
    until(lambda: first.step > 1)
    second = begun(live())
    assert not first._thread.is_alive() and first.status == "ended"
    step = first.run.step
    second.wait()
    assert next(training(100_000, checkpoint=file)).step == step + 1  # its checkpoint was saved
    assert sum(thread.name == "training" for thread in threading.enumerate()) == 0


def test_an_interrupt_stops_it_and_it_can_go_on():
    view = begun(live(pause=0.005))
    threading.Timer(0.3, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        view.wait()
    until(lambda: view.status == "stopped")
    assert view.stopped and view.step < 200
    view.stopped = False
    view.wait()
    assert_like_the_plain_loop(view.run)


def test_python_ends_though_it_trains():
    code = "import sys; sys.path[:0] = ['tests/views', 'tests/helpers']; import test_view_live as here\n"
    code += "view = here.begun(here.live(10**6)); here.until(lambda: view.step > 1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""


class Clock:
    """A clock that only moves when it is told to, in the place of the module `time`: what the machine does takes no share."""

    now = 0.0

    def spend(self, seconds):
        self.now += seconds

    def thread_time(self):
        return self.now

    monotonic = thread_time


@pytest.mark.parametrize("step_takes", [0.005, 0.05])
@pytest.mark.parametrize("drawing_takes", [0.02, 0.2])
def test_showing_takes_at_most_3_percent_and_5_updates_a_second(monkeypatch, step_takes, drawing_takes):
    clock, told, steps = Clock(), [], round(30 / step_takes)  # a training of half a minute

    def slow_steps():
        run = next(training(1)).run
        for run.step in range(1, steps + 1):
            clock.spend(step_takes)
            yield TrainStep(run.step, steps, 0.1, run)

    def slow_sample(*given, **options):
        clock.spend(drawing_takes)
        yield from sample(*given, **{**options, "steps": 1})

    def hear(change):
        clock.spend(0.001)
        told.append(clock.now)

    monkeypatch.setattr(live_module, "time", clock)
    monkeypatch.setattr(live_module, "sample", slow_sample)
    view = LiveTraining(slow_steps(), floor=FLOOR, schedule=SCHEDULE, x_T=noise())
    view.observe(hear, "step")
    begun(view).wait()
    assert view.training_seconds == pytest.approx(30, abs=0.1)
    assert view.showing_seconds <= 0.03 * view.training_seconds + 0.01  # of a round of telling
    assert len(told) > 20 and np.diff(told)[:-1].min() >= 0.2  # the last one comes when it is finished
    assert view.moments[0] == 1 and view.moments[-1] == steps
    assert (len(view.moments) > 8) == (drawing_takes < 0.2)  # moments in between only where there is time for them


def test_the_frame_is_that_of_the_moment():
    view = begun(live(400))
    view.SHARE = 1
    view.wait()
    history = view.run.history.double().numpy()
    assert view.moments == [1, 60, 120, 180, 240, 300, 360, 400] and view.moment == 7
    *_, last = sample(view.run.ema, noise(), SCHEDULE, steps=25, generator=torch.Generator().manual_seed(0), clip=True)
    assert np.abs(view.frame()["pictures"] - last.x_t.numpy()).max() < 0.5 / 127.5 + 1e-6
    for moment, rows in ((0, 0), (1, 3), (4, 12), (7, 20)):
        view.moment = moment
        frame = view.frame()
        assert np.array_equal(frame["loss"], history[:rows, 1])
        recent = history[max(0, rows - 10) : rows, 2:]
        want = [np.mean(column[~np.isnan(column)]) if len(column) else np.nan for column in recent.T]
        assert np.allclose(frame["per_t"], want, rtol=0, atol=1e-12, equal_nan=True)
    assert view.start == {"moment": 7}  # where Reset goes back to
    assert view.describe() == f"Step 400 of 400: the loss is {history[-1, 1]:.3f} per pixel, its floor 0.050."
    view.moment = 0
    assert view.describe() == "Step 1 of 400: the loss is not known yet, its floor is 0.050 per pixel."
    with pytest.raises(traitlets.TraitError, match="there are 8 moments"):
        view.moment = 8


def test_a_training_shorter_than_a_row_has_its_first_and_its_last_pictures():
    view = begun(live(5))
    view.wait()
    assert view.moments == [1, 5] and len(view.frame()["loss"]) == 0 and np.isnan(view.frame()["per_t"]).all()
    assert view.filmstrip().axes


def test_a_page_without_widgets_gets_a_picture_once_there_is_something_to_see():
    view = live()
    assert view.describe() == "The training has not begun."
    begun(view).wait()
    assert len(png(view.filmstrip())) <= 100_000
    assert sum(len(value) for value in view.get_state().values() if isinstance(value, bytes)) < 10_000


def test_a_notebook_stores_the_finished_training():
    nbclient = pytest.importorskip("nbclient")
    cells = [
        "import sys; sys.path[:0] = ['tests/views', 'tests/helpers']; import test_view_live as here\n"
        "view = here.begun(here.live(pause=0.005))",
        "view.wait()",
    ]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(nb, timeout=60, kernel_name="python3", store_widget_state=True).execute()
    shown, picture, below = nb.cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in shown.data and "image/png" not in shown.data
    assert picture.metadata["image/png"]["alt"] == "What came out." and below.data["text/markdown"] == "*What came out.*"
    assert nb.cells[1].outputs == []
    states = nb.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].values()
    (state,) = [s["state"] for s in states if s["state"].get("status")]
    assert state["status"] == "finished" and state["step"] == 200 and state["moments"][-1] == 200
    assert state["start"] == {"moment": state["moment"]}


def test_wait_and_show_say_what_is_missing():
    view = live(5)
    with pytest.raises(RuntimeError, match="call show"):
        view.wait()
    begun(view).wait()
    with pytest.raises(RuntimeError, match="another LiveTraining"):
        view.show("Once more.")


def test_a_run_that_was_finished_before_is_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    begun(live(5, checkpoint=file)).wait()
    with pytest.raises(ValueError, match="no step left"):
        begun(live(5, checkpoint=file)).wait()


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"training": train}, TypeError, "what train"),
        ({"floor": FLOOR[:3]}, ValueError, "20 finite numbers"),
        ({"floor": FLOOR + torch.nan}, ValueError, "20 finite numbers"),
        ({"x_T": torch.zeros(8, 8)}, ValueError, r"not \(8, 8\)"),
        ({"x_T": torch.zeros(33, 1, 8, 8)}, ValueError, "1 to 32"),
        ({"x_T": noise() * torch.inf}, ValueError, "finite noise"),
        ({"cond": torch.zeros(2, dtype=torch.long)}, ValueError, "each of the 3 pictures"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(unchecked, changed, error, says):
    given = {"training": training(), "floor": FLOOR, "schedule": SCHEDULE, "x_T": noise()} | changed
    with pytest.raises(error, match=says):
        LiveTraining(given.pop("training"), **given)
