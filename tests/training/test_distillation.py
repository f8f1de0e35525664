"""The student of few steps: its target against DDIM's own steps, and its loss against answers that are known."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_lite import Schedule, ddim_step, eps_from_x0, few_step_loss, in_steps, one_step, q_sample, timesteps, x0_from_eps
from ddpm_lite.networks.tokenizer import empty_row
from ddpm_lite.training.distillation import COUNTS, ddim_to
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
    torch.testing.assert_close(ddim_to(x_t, eps, each, after, SCHEDULE, math.inf), x_next, rtol=1e-6, atol=1e-6)
    a = float(SCHEDULE.alpha_bar[t])
    torch.testing.assert_close(math.sqrt(a) * x0 + math.sqrt(1 - a) * eps, x_t, rtol=1e-6, atol=1e-6)


def test_ddim_goes_from_each_t_to_each_t_next():
    x_t, eps = pictures(3, 0), pictures(3, 1)
    t, t_next = torch.tensor([96, 50, 7]), torch.tensor([48, 10, 0])
    for i, row in enumerate(ddim_to(x_t, eps, t, t_next, SCHEDULE, math.inf)):
        torch.testing.assert_close(row, ddim_step(x_t[i], eps[i], int(t[i]), int(t_next[i]), SCHEDULE))


def test_what_is_seen_is_kept_within_its_bound():
    x_t, t, t_next = 3 * pictures(4, 0), torch.tensor([96, 60, 30, 5]), torch.tensor([48, 30, 0, 0])
    eps = pictures(4, 1)
    x0 = x0_from_eps(x_t, eps, t, SCHEDULE).clamp(-0.7, 0.7)
    along = eps_from_x0(x_t, x0, t, SCHEDULE)
    torch.testing.assert_close(ddim_to(x_t, eps, t, t_next, SCHEDULE, 0.7), q_sample(x0, t_next, along, SCHEDULE))
    assert (ddim_to(x_t, eps, t, t_next, SCHEDULE, 0.7)[2:].abs() <= 0.7).all()
    with pytest.raises(ValueError, match=r"bound = 0\.0, but what x0_hat is kept within must be above 0"):
        few_step_loss(SCHEDULE, "v", lambda *given: None, 0.0)


def test_each_step_is_two_of_the_next_number_of_steps():
    for few, more in pairwise(COUNTS):
        assert more == 2 * few and timesteps(1000, more)[::2] == timesteps(1000, few)
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
    """A teacher and a perfect student of such data: with N steps, one of its steps is two exact ones of half the length, of which
    each is two, down to the teacher's."""

    def __init__(self, target: str):
        self.target, self.asked = target, []

    def teacher(self, x_t, t, tokens):
        assert tokens.shape == (len(x_t), 5) and not tokens.is_floating_point()
        a = SCHEDULE.alpha_bar.to(x_t)[t].reshape(-1, 1, 1)
        return (1 - a).sqrt() / (a * STD**2 + 1 - a) * x_t

    def whole(self, t: int, t_next: int, steps: int) -> float:
        middle = (t + t_next) // 2
        if steps == COUNTS[-1]:
            return factor(t, middle) * factor(middle, t_next)
        return self.whole(t, middle, 2 * steps) * self.whole(middle, t_next, 2 * steps)

    def __call__(self, x_t, t, cond):
        assert cond.shape == (len(x_t), 5 + 4)
        steps = COUNTS[int(cond[0, 5:].argmax())]
        self.asked.append(steps)
        length = SCHEDULE.T // steps
        rows = []
        for x, now in zip(x_t, t.tolist(), strict=True):
            x, each = x[None], torch.tensor([now])
            leads_to = self.whole(now, now - length, steps) * x
            x0, eps = one_step(x, leads_to, each, each - length, SCHEDULE)
            rows.append(TARGETS[self.target](x0, each, eps, SCHEDULE))
        return torch.cat(rows)


@pytest.mark.parametrize("target", ["eps", "v", "x0"])
def test_a_student_that_does_in_one_step_what_two_do_has_no_loss(target):
    model, g = Exact(target), torch.Generator().manual_seed(0)
    loss = few_step_loss(SCHEDULE, target, model.teacher, math.inf)
    x0, tokens = (STD * pictures(6, 3)).clamp(-1, 1), empty_row(5).expand(6, -1)
    for _ in range(24):
        model.asked = []
        found = loss(model, (x0, tokens), g)
        steps = model.asked[-1]
        assert model.asked == [steps] if steps == 8 else model.asked == [2 * steps, 2 * steps, steps]
        assert float(found.value) < 1e-12 and found.per_item.shape == (6,) and found.bin.max() < 20
    spoilt = few_step_loss(SCHEDULE, target, lambda *given: 1.1 * model.teacher(*given), math.inf)
    assert max(float(spoilt(model, (x0, tokens), g).value) for _ in range(20)) > 1e-4


def test_every_number_of_steps_and_every_t_is_learnt_and_targets_have_no_gradient():
    seen, g = set(), torch.Generator().manual_seed(1)
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)

    def model(x_t, t, cond):
        seen.update((COUNTS[int(cond[0, 5:].argmax())], each) for each in t.tolist() if torch.is_grad_enabled())
        return weight * x_t

    loss = few_step_loss(SCHEDULE, "v", lambda x_t, t, tokens: 0 * x_t)
    for _ in range(60):
        found = loss(model, ((STD * pictures(8, 3)).clamp(-1, 1), empty_row(5).expand(8, -1)), g)
        assert not found.per_item.requires_grad
    assert seen == {(steps, t) for steps in COUNTS for t in timesteps(96, steps)}
    with pytest.raises(ValueError, match="There is no target 'noise'"):
        few_step_loss(SCHEDULE, "noise", lambda *given: None)
