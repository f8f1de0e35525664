"""The Python halves of the views: what `frame()` says is what the package's maths says."""

import json

import numpy as np
import pytest
import torch
import traitlets

from ddpm_lite import Schedule, q_sample
from ddpm_lite.views import Noise, ScheduleView, base, plots
from ddpm_lite.views.base import normal

SCHEDULES = {"linear": Schedule.linear(1000), "cosine": Schedule.cosine(1000)}


def view(shape=(3, 1, 8, 8), **options):
    g = torch.Generator().manual_seed(0)
    x0 = torch.rand(shape, generator=g) * 2 - 1
    return Noise(x0, torch.randn(shape, generator=g), SCHEDULES, **options), x0


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (3, 1, 8, 8), (32, 1, 8, 8), (2, 3, 4, 6)])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_frame_is_the_closed_form(shape, schedule):
    noise, x0 = view(shape)
    eps = torch.from_numpy(np.frombuffer(noise.eps, "<i2").reshape(shape) * (8 / 32767))
    noise.schedule = schedule
    for t in (0, 1, 300, 999, 1000):
        noise.t = t
        exact = q_sample(x0.double(), t, eps, SCHEDULES[schedule]).numpy()
        assert np.abs(noise.frame()["x_t"] - exact).max() < 0.5 / 127.5 + 1e-3  # bytes round a pixel by half a level
        assert abs(noise.frame()["alpha_bar"] - float(SCHEDULES[schedule].alpha_bar[t])) < 1e-7


def test_the_noise_that_is_sent_is_the_noise_given():
    noise, _ = view((3, 1, 8, 8))
    g = torch.Generator().manual_seed(0)
    torch.rand((3, 1, 8, 8), generator=g)
    given = torch.randn((3, 1, 8, 8), generator=g).numpy()
    assert np.abs(np.frombuffer(noise.eps, "<i2").reshape(given.shape) * (8 / 32767) - given).max() < 2e-4


def test_the_words_tell_the_state():
    noise, _ = view(t=300)
    assert noise.describe() == "3 pictures at step t = 300 of 1000, 40 % signal, linear schedule, by the closed form."
    noise.schedule, noise.t, noise.way = "cosine", 0, "chain"
    assert noise.describe() == "3 pictures at step t = 0 of 1000, 100 % signal, cosine schedule, by the chain, no noise yet."


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_chain_is_walked_step_by_step(schedule):
    noise, _ = view((2, 1, 8, 8), way="chain")
    noise.schedule = schedule
    start = np.frombuffer(noise.x0, "u1") / 127.5 - 1
    beta = SCHEDULES[schedule].beta.numpy()
    x, path = start, [start]
    for t in range(1, 1001):
        x = np.sqrt(1 - beta[t]) * x + np.sqrt(beta[t]) * normal((t - 1) * 128 + np.arange(128))
        path.append(x)
    for t in (137, 1000, 9, 10, 11, 136, 1, 0):  # in any order: some of the walk is kept
        noise.t = t
        frame = noise.frame()
        share = np.prod(1 - beta[1 : t + 1])
        assert np.abs(frame["x_t"].ravel() - path[t]).max() < 1e-12
        assert np.abs(np.sqrt(share) * start + np.sqrt(1 - share) * frame["eps"].ravel() - path[t]).max() < 1e-9
    assert not frame["eps"].any()


def test_the_noise_of_the_chain_is_normal_and_changes_with_t_while_that_of_the_closed_form_stays():
    noise, _ = view((32, 3, 16, 16))
    eps = {}
    for noise.way in ("closed form", "chain"):
        for noise.t in (100, 300):
            eps[noise.way, noise.t] = noise.frame()["eps"].ravel()
    assert np.array_equal(eps["closed form", 100], eps["closed form", 300])
    a_100, a_300 = SCHEDULES["linear"].alpha_bar[[100, 300]].numpy()
    for t in (100, 300):  # 24,576 numbers: five standard errors
        assert abs(eps["chain", t].mean()) < 0.032 and abs(eps["chain", t].std() - 1) < 0.023
    # eps_300 holds eps_100, shrunk by the 200 steps between
    shared = np.sqrt(a_300 / a_100 * (1 - a_100) / (1 - a_300))
    assert abs(np.corrcoef(eps["chain", 100], eps["chain", 300])[0, 1] - shared) < 0.03


def test_a_chain_of_too_many_pictures_is_refused():
    with pytest.raises(traitlets.TraitError, match="no way 'chain' for these pictures: use closed form"):
        view((32, 3, 32, 32), way="chain")
    with pytest.raises(traitlets.TraitError, match="use closed form or chain"):
        view(way="fast")


def test_two_views_can_be_linked():
    (one, _), (two, _) = view(), view()
    traitlets.link((one, "t"), (two, "t"))
    one.t = 77
    assert two.t == 77


def test_a_page_without_widgets_gets_a_picture_and_its_text(monkeypatch):
    noise, _ = view()
    outputs = []
    monkeypatch.setattr(base, "display", lambda shown: outputs.append(shown._repr_mimebundle_()))
    monkeypatch.setattr(plots, "display", lambda data, raw, metadata: outputs.append((data, metadata)))
    noise.show("A picture in noise.")
    (living, _), (still, metadata), (below, _) = outputs  # the view comes first: it does not wait for its filmstrip
    assert "application/vnd.jupyter.widget-view+json" in living and living["text/plain"] == noise.describe()
    assert len(still["image/png"]) < 150_000 and metadata["image/png"]["alt"] == "A picture in noise."
    assert below["text/markdown"] == "*A picture in noise.*"


def test_what_is_sent_is_small():
    noise, _ = view((1, 3, 64, 64))
    assert sum(len(v) for v in noise.get_state().values() if isinstance(v, bytes)) < 60_000
    assert len(json.dumps({k: v for k, v in noise.get_state().items() if isinstance(v, str)})) < 30_000


x = torch.zeros(2, 1, 8, 8)


@pytest.mark.parametrize(
    ("x0", "eps", "schedules", "says"),
    [
        (torch.zeros(2, 8, 8), x, SCHEDULES, r"not \(2, 8, 8\)"),
        (torch.zeros(2, 2, 8, 8), x, SCHEDULES, "grey or colour"),
        (torch.zeros(0, 1, 8, 8), x, SCHEDULES, "must be a tensor"),
        (torch.zeros(1000, 1, 8, 8), x, SCHEDULES, "1000 pictures"),
        (x + 1.5, x, SCHEDULES, r"within \[-1, 1\]"),
        (x + torch.nan, x, SCHEDULES, "finite"),
        (x, x[:1], SCHEDULES, "shape of x0"),
        (x, x + torch.nan, SCHEDULES, "finite noise"),
        (x, x, {}, "at least one"),
        (x, x, {"a": Schedule.linear(10), "b": Schedule.linear(20)}, "same T"),
    ],
)
def test_bad_data_is_refused_in_one_sentence(unchecked, x0, eps, schedules, says):
    with pytest.raises(ValueError, match=says):
        Noise(x0, eps, schedules)


def test_a_step_or_schedule_that_there_is_not_is_refused():
    noise, _ = view()
    with pytest.raises(traitlets.TraitError, match="between 0 and T = 1000"):
        noise.t = 1001
    with pytest.raises(traitlets.TraitError, match="no schedule 'fast'"):
        noise.schedule = "fast"


def test_one_step_is_enough_for_a_view():
    assert Noise(x, x, {"one": Schedule.linear(1, 0.5, 0.5)}, t=1).frame()["alpha_bar"] == 0.5


def under(**state):
    picture = torch.zeros(1, 1, 8, 8)
    return ScheduleView(picture, picture, **state)


@pytest.mark.parametrize(
    ("state", "schedule"),
    [
        ({}, Schedule.linear(1000)),
        ({"T": 50, "beta_1": 0.001, "beta_T": 0.2}, Schedule.linear(50, 0.001, 0.2)),
        ({"kind": "cosine", "T": 400, "s": 0.02}, Schedule.cosine(400, 0.02)),
        ({"kind": "falling"}, Schedule.from_beta(Schedule.linear(1000).beta[1:].flip(0))),
    ],
)
def test_the_schedule_made_is_the_one_of_the_sliders(state, schedule):
    view = under(**state)
    assert np.array_equal(view.frame()["alpha_bar"], schedule.alpha_bar.numpy())
    half = int((schedule.alpha_bar < 0.5).nonzero()[0])
    assert f"half gone at t = {half}; " in view.describe() and view.describe().startswith(f"A {view.kind} schedule of {view.T}")


def test_a_schedule_that_leaves_most_of_the_signal_is_told_so():
    assert "never half gone; 94 % is left" in under(T=10, beta_1=1e-4, beta_T=0.012).describe()


def test_its_presets_are_states_it_can_take():
    for preset in ScheduleView.PRESETS.values():
        assert under(**preset).frame()["alpha_bar"][-1] < 1e-4


def test_a_schedule_out_of_range_is_refused(unchecked):
    with pytest.raises(traitlets.TraitError):
        under(T=5)
    with pytest.raises(traitlets.TraitError):
        under(kind="fast")
    with pytest.raises(ValueError, match="one picture"):
        ScheduleView(torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8))
