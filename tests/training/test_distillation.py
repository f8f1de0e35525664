"""The student of few steps: its target against DDIM's own steps, and its loss against answers that are known."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_lite import Schedule, ddim_step, few_step_loss, in_steps, one_step, timesteps
from ddpm_lite.networks.tokenizer import empty_row
from ddpm_lite.training.distillation import COUNTS, FINEST
from ddpm_lite.training.targets import TARGETS

SCHEDULE = Schedule.cosine(96)
STD = 0.6  # of the data, a Gaussian, for which everything is a line through 0


def pictures(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(1, 96), st.integers(0, 95), st.integers(0, 9))
def test_one_step_of_ddim_leads_where_it_is_told(t, t_next, seed):
    if t_next >= t:
        t, t_next = t_next + 1, min(t, t_next)
    x_t, x_next = pictures(4, seed), pictures(4, seed + 1)
    each, after = torch.full((4,), t), torch.full((4,), t_next)
    x0, eps = one_step(x_t, x_next, each, after, SCHEDULE)
    torch.testing.assert_close(ddim_step(x_t, eps, t, t_next, SCHEDULE), x_next, rtol=1e-6, atol=1e-6)
    a = float(SCHEDULE.alpha_bar[t])
    torch.testing.assert_close(math.sqrt(a) * x0 + math.sqrt(1 - a) * eps, x_t, rtol=1e-6, atol=1e-6)


def test_each_picture_has_its_own_t():
    x_t, x_next = pictures(3, 0), pictures(3, 1)
    t, t_next = torch.tensor([96, 50, 7]), torch.tensor([48, 10, 0])
    found = one_step(x_t, x_next, t, t_next, SCHEDULE)
    for i in range(3):
        alone = one_step(x_t[i : i + 1], x_next[i : i + 1], t[i : i + 1], t_next[i : i + 1], SCHEDULE)
        for all_of_them, one in zip(found, alone, strict=True):
            torch.testing.assert_close(all_of_them[i], one[0])


def test_each_step_is_two_of_the_next_number_of_steps():
    for few, more in pairwise(COUNTS):
        assert more == 2 * few and timesteps(1000, more)[::2] == timesteps(1000, few)
    assert FINEST == 2 * COUNTS[-1] and timesteps(1000, FINEST)[::2] == timesteps(1000, COUNTS[-1])
    assert [*timesteps(1000, 8), 0] == [1000, 875, 750, 625, 500, 375, 250, 125, 0]


def test_the_number_of_steps_is_said_with_the_caption(unchecked):
    tokens = torch.arange(6).reshape(2, 3)
    rows = in_steps(tokens, 4)
    assert rows.tolist() == [[0, 1, 2, 0, 0, 1, 0], [3, 4, 5, 0, 0, 1, 0]]
    with pytest.raises(ValueError, match=r"steps = 3, but this network draws in 1, 2, 4 or 8\."):
        in_steps(tokens, 3)


def factor(t: int, t_next: int) -> float:
    """What a step of DDIM with the exact noise multiplies x by, where the data are N(0, STD^2)."""
    (a, s), (b, r) = ([math.sqrt(float(SCHEDULE.alpha_bar[k])), math.sqrt(1 - float(SCHEDULE.alpha_bar[k]))] for k in (t, t_next))
    var = (a * STD) ** 2 + s**2
    return b * a * STD**2 / var + r * s / var  # the means of x_0 and of the noise, given x_t


class Exact:
    """A teacher of such data, and a student that has learnt it: its one step is as many of the teacher's as lie within it."""

    def __init__(self, target: str):
        self.target, self.told = target, []

    def teacher(self, x_t, t, tokens):
        assert tokens.shape == (len(x_t), 5) and not tokens.is_floating_point()
        a = SCHEDULE.alpha_bar.to(x_t)[t].reshape(-1, 1, 1)
        return (1 - a).sqrt() / (a * STD**2 + 1 - a) * x_t

    def __call__(self, x_t, t, cond):
        assert cond.shape == (len(x_t), 5 + 4)
        rows = []
        for x, now, row in zip(x_t, t.tolist(), cond, strict=True):
            steps = COUNTS[int(row[5:].argmax())]
            self.told.append((steps, now))
            end, stop = now - SCHEDULE.T // steps, SCHEDULE.T // 16
            share = math.prod(factor(each, each - stop) for each in range(now, end, -stop))
            each = torch.tensor([now])
            x0, eps = one_step(x[None], share * x[None], each, torch.tensor([end]), SCHEDULE)
            rows.append(TARGETS[self.target](x0, each, eps, SCHEDULE))
        return torch.cat(rows)


@pytest.mark.parametrize("target", ["eps", "v", "x0"])
def test_a_student_that_leads_where_its_teacher_does_has_no_loss(target):
    model, g = Exact(target), torch.Generator().manual_seed(0)
    loss = few_step_loss(SCHEDULE, target, model.teacher)
    x0, tokens = pictures(3, 3).clamp(-1, 1), empty_row(5).expand(3, -1)
    found = loss(model, (x0, tokens), g)
    assert float(found.value) < 1e-12 and found.per_item.shape == found.bin.shape == (3 * 15,) and found.bin.max() < 20
    assert not found.per_item.requires_grad
    expected = {(steps, t) for steps in COUNTS for t in timesteps(96, steps)}
    assert set(model.told) == expected and len(model.told) == 3 * len(expected), "each step of each number, for each caption"
    spoilt = few_step_loss(SCHEDULE, target, lambda *given: 1.1 * model.teacher(*given))
    assert float(spoilt(model, (x0, tokens), g).value) > 1e-4


def test_a_path_begins_with_noise_and_is_its_caption_s(unchecked):
    """What the batch's pictures show has no effect, and each caption's path is asked for with its own tokens."""
    seen = []

    def teacher(x_t, t, tokens):
        seen.append((x_t, int(t[0]), tokens))
        return torch.zeros_like(x_t)

    tokens = torch.arange(15).reshape(3, 5)
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    rows = []

    def student(x_t, t, cond):
        rows.append(cond)
        return weight * x_t

    loss = few_step_loss(SCHEDULE, "v", teacher)
    shown = pictures(3, 3) / 9, pictures(3, 4) / 9
    values = [loss(student, (x, tokens), torch.Generator().manual_seed(2)).value for x in shown]
    assert values[0] == values[1] and values[0].requires_grad
    assert [t for _, t, _ in seen[:16]] == timesteps(96, 16) and abs(float(seen[0][0].std()) - 1) < 0.5
    assert all(torch.equal(each, tokens) for _, _, each in seen)
    assert torch.equal(rows[0][:, :5].long(), tokens.repeat(15, 1)), "a row of the student's is its caption's"
    with pytest.raises(ValueError, match="There is no target 'noise'"):
        few_step_loss(SCHEDULE, "noise", lambda *given: None)
