"""Sampling: the walks are those of `sample`, and what is seen at t is the last state reached there."""

import numpy as np
import pytest
import torch

from ddpm_lite import Schedule, sample
from ddpm_lite.sampling.noise import seeds
from ddpm_lite.views import Sampling

SCHEDULE = Schedule.linear(1000)
AXES = {"method": ["ddpm", "ddim", "dpm-solver++"], "steps": [5, 10, 20], "seed": [4, 7], "t": list(range(1000, -1, -100))}
COND = torch.tensor([3, 1, 4])


def model(x_t, t, cond):
    """A network's stand-in: the exact noise of a data set of flat pictures, one for each cond."""
    a = SCHEDULE.alpha_bar[t].float()[:, None, None, None]
    return (x_t - a.sqrt() * (cond[:, None, None, None] / 5 - 0.5)) / (1 - a).sqrt()


def walks(axes=AXES):
    return Sampling.walks(model, SCHEDULE, (1, 4, 4), axes, COND)


@pytest.mark.parametrize("method", AXES["method"])
def test_the_walks_are_those_of_sample(method):
    drawn = walks()
    x_T = torch.cat([torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in AXES["seed"]])
    own = [s for seed in AXES["seed"] for s in seeds(3, seed)]
    fresh = [torch.Generator().manual_seed(s) for s in own] if method == "ddpm" else None
    frames = list(sample(model, x_T, SCHEDULE, cond=COND.repeat(2), steps=10, method=method, clip=True, generator=fresh))
    assert [frame.t for frame in frames] == AXES["t"]
    mine = drawn[AXES["method"].index(method), 1]
    for k, frame in enumerate(frames):
        assert torch.allclose(mine[:, k, 0].flatten(0, 1), frame.x_t.clamp(-1, 1), atol=1e-6)
        assert torch.allclose(mine[:, k, 1].flatten(0, 1), frame.x0_hat.clamp(-1, 1), atol=1e-6)


@pytest.mark.parametrize("side", [4, 3])  # 16 numbers, as many as torch draws in one block, and fewer
def test_a_picture_of_a_seed_is_the_same_whatever_is_drawn_beside_it(side):
    def drawn(seeds, n):
        return Sampling.walks(lambda *x: 0.9 * model(*x), SCHEDULE, (1, side, side), AXES | {"seed": seeds}, COND[:n])

    whole = drawn([4, 7, 9], 3)
    for alone, there in ((drawn([7], 3), whole[:, :, 1:2]), (drawn([9, 7, 4], 2), whole[:, :, [2, 1, 0], ..., :2, :, :, :])):
        assert torch.allclose(alone, there, atol=1e-5)
    pictures = whole[0, 0, :, -1, 0].flatten(0, 1)
    assert torch.cdist(pictures.flatten(1), pictures.flatten(1)).fill_diagonal_(1).min() > 0.1  # each from noise of its own


def test_a_leap_shows_the_last_state_reached():
    view = Sampling(walks(), AXES, ["3", "1", "4"], method="ddim", seed=7)
    view.steps, view.t = 5, 800
    there = view.frame()["pictures"]
    view.t = 700
    assert np.array_equal(view.frame()["pictures"], there)
    assert view.describe() == "On the way from noise to 3, 1, 4: method ddim, steps 5, seed 7, t 700 (unchanged since 800)."
    view.steps = 10
    assert not np.array_equal(view.frame()["pictures"], there) and "t 700." in view.describe()


def test_all_samplers_start_from_the_noise_of_the_seed_and_end_in_a_clean_picture():
    view = Sampling(walks(), AXES, ["3", "1", "4"])
    x_T = torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(7)).clamp(-1, 1).numpy()
    for method in AXES["method"]:
        assert np.abs(view.at(method=method, seed=7, t=1000)[0].numpy() - x_T).max() < 0.5 / 127.5 + 1e-6
        end = view.at(method=method, t=0)
        assert torch.equal(end[0], end[1])
        assert (end[0].mean((1, 2, 3)) - (COND / 5 - 0.5)).abs().max() < 0.02


def test_several_seeds_stand_below_each_other():
    drawn = walks()
    view = Sampling(drawn, AXES, ["3", "1", "4"], t=300)
    view.compare = "x̂₀ of every seed"
    assert np.abs(view.frame()["pictures"] - drawn[0, 0, :, 7, 1].numpy()).max() < 0.5 / 127.5 + 1e-6
    assert view.describe().endswith("steps 5, t 300 (unchanged since 400), x̂₀ of every seed.")


def test_what_the_samplers_share_is_sent_once():
    drawn = Sampling.walks(lambda *x: 0.9 * model(*x), SCHEDULE, (1, 4, 4), AXES, COND)  # imperfect: no two walks agree
    view = Sampling(drawn, AXES, ["3", "1", "4"])
    # For each seed x_T, and what each method reaches of the shown t below T; DPM-Solver++ takes its first step like DDIM.
    states = 2 * (1 + 3 * (5 + 10 + 10) - 2)
    assert len(view.frames) == states * 2 * 3 * 16
    assert len(view.filmstrip().axes[0].get_xticklabels()) == 3 * 4 - 1


def test_one_step_one_seed_and_one_t_are_enough():
    axes = {"method": ["ddim"], "steps": [1], "seed": [0], "t": [0]}
    assert Sampling(walks(axes), axes, ["3", "1", "4"]).describe().endswith("steps 1, seed 0, t 0.")


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ({"steps": [5], "method": ["ddim"], "seed": [0], "t": [0]}, "in this order"),
        (AXES | {"seed": []}, "none of them empty"),
        (AXES | {"t": [0, 500]}, "must fall"),
        (AXES | {"t": [1001, 0]}, "between T = 1000 and 0"),
        (AXES | {"t": [500, -1]}, "between T = 1000 and 0"),
        (AXES | {"method": ["midpoint"]}, "no method 'midpoint'"),
        (AXES | {"steps": [0]}, "steps = 0"),
    ],
)
def test_bad_axes_are_refused_in_one_sentence(axes, says):
    with pytest.raises(ValueError, match=says):
        walks(axes)
