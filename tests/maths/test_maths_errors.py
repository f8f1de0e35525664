"""What the maths refuses, each with a sentence of its own; and odd inputs that must work."""

import pytest
import torch

from ddpm_lite import FiniteData, GaussianMixture, Schedule, bound_decoder, bound_prior, loss_floor
from ddpm_lite.maths.schedule import gather

schedule = Schedule.linear(20)
MIXTURE = GaussianMixture(torch.ones(2), torch.zeros(2, 2), torch.ones(2), labels=torch.tensor([0, 2]))
DATA = FiniteData(torch.zeros(2, 2), labels=torch.tensor([0, 2]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_steps_may_be_any_integers(dtype, unchecked):
    t = torch.tensor([0, 1, 3, 2], dtype=dtype)
    assert torch.equal(gather(schedule.alpha_bar, t, torch.ones(4, 2))[:, 0], schedule.alpha_bar[[0, 1, 3, 2]].float())


def test_items_may_be_single_numbers():
    x = torch.tensor([0.5, -1.0, 2.0])
    torch.testing.assert_close(bound_prior(x, schedule), bound_prior(x[:, None], schedule))
    torch.testing.assert_close(
        FiniteData(x).x0_mean(x, 3, schedule), FiniteData(x[:, None]).x0_mean(x[:, None], 3, schedule)[:, 0]
    )


def test_the_floor_is_the_same_in_one_block_or_many():
    draws = loss_floor(
        FiniteData(torch.randn(5, 2, generator=torch.Generator().manual_seed(0))),
        9,
        schedule,
        3000,
        torch.Generator().manual_seed(1),
    )
    few = loss_floor(
        FiniteData(torch.randn(5, 2, generator=torch.Generator().manual_seed(0))),
        9,
        schedule,
        900,
        torch.Generator().manual_seed(2),
    )
    assert draws.value == pytest.approx(few.value, abs=5 * (draws.std_error**2 + few.std_error**2) ** 0.5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Schedule.from_beta([1e-17, 0.1]), ValueError, "beta_1 = 1e-17 must lie strictly between"),
        (lambda: Schedule.cosine(2.5), TypeError, "T must be an integer"),
        (lambda: Schedule.linear(2.5), TypeError, "T must be an integer"),
        (lambda: bound_decoder(torch.zeros(2, 3), torch.zeros(2, 3), 0.1, 1), ValueError, "at least two grey values"),
        (lambda: bound_decoder(torch.zeros(2, 3), torch.zeros(2, 3), 0.0, 17), ValueError, "must be positive"),
        (lambda: loss_floor(DATA, 3, schedule, 10, drop=2.0), ValueError, "drop = 2.0"),
        (
            lambda: GaussianMixture(torch.ones(2), torch.zeros(2, 1), torch.ones(2), torch.tensor([1])),
            ValueError,
            "2 components but 1 labels",
        ),
        (lambda: FiniteData(torch.zeros(2, 1), torch.tensor([1])), ValueError, "2 items but 1 labels"),
        (lambda: MIXTURE.x0_mean(torch.zeros(3, 2), 0, schedule), ValueError, "1 <= t"),
    ],
)
def test_what_makes_no_sense_is_named(call, error, words, unchecked):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("exact", [MIXTURE, DATA], ids=["mixture", "data"])
def test_a_class_that_is_not_there_is_named(exact, unchecked):
    x = torch.randn(2, 2)
    assert exact.eps(x, 3, schedule, torch.tensor([0, 3])).isfinite().all()  # 3 is the null label
    with pytest.raises(ValueError, match=r"the classes are \[0, 2\], and 3 is 'no condition'"):
        exact.eps(x, 3, schedule, torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="2 labels, one for each item"):
        exact.eps(x, 3, schedule, torch.tensor([0]))
