"""The metrics against closed cases and naive loops."""

import pytest
import torch
from scipy import linalg

from ddpm_lite.maths import metrics


def normal(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_frechet_is_that_of_the_fitted_gaussians():
    a, b = normal(200, 5) @ normal(5, 5, 1), normal(300, 5, 2) @ normal(5, 5, 3) + 1
    cov_a, cov_b = a.T.cov().numpy(), b.T.cov().numpy()
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + (cov_a + cov_b - 2 * linalg.sqrtm(cov_a @ cov_b).real).trace()
    assert metrics.frechet(a, b) == pytest.approx(float(expected), rel=1e-9)
    assert metrics.frechet(a, b) == pytest.approx(metrics.frechet(b, a))
    assert metrics.frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet(a, a + 2) == pytest.approx(4 * 5)


def test_frechet_works_where_a_feature_is_constant_and_refuses_too_few_items():
    a = normal(50, 3)
    a[:, 1] = 0
    assert metrics.frechet(a, a) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="more than 3 items"):
        metrics.frechet(a, a[:3])


def test_precision_and_recall_are_the_loops_of_their_definition():
    real, generated, k = normal(40, 2), 0.5 * normal(30, 2, 1) + 0.5, 3

    def among(x, members):
        for i, m in enumerate(members):
            radius = sorted(float((m - o).norm()) for j, o in enumerate(members) if j != i)[k - 1]
            if float((x - m).norm()) <= radius:
                return True
        return False

    found = metrics.precision_recall(real, generated, k)
    assert found.precision == pytest.approx(sum(among(x, real) for x in generated) / 30)
    assert found.recall == pytest.approx(sum(among(x, generated) for x in real) / 40)


def test_copies_of_one_item_have_precision_but_no_recall():
    real = normal(200, 2)
    found = metrics.precision_recall(real, real[:1] + 1e-6 * normal(200, 2, 1))
    assert found.precision == 1 and found.recall < 0.05
    with pytest.raises(ValueError, match="nearest neighbours"):
        metrics.precision_recall(real[:3], real)


def test_nearest_finds_the_copied_picture():
    training = normal(20, 64).reshape(20, 1, 8, 8)
    distance, index = metrics.nearest(training[[3, 7]] + 0.01, training)
    assert index.tolist() == [3, 7]
    torch.testing.assert_close(distance, torch.full((2,), 0.08, dtype=torch.float64))


def test_accuracy_is_the_share_of_matches():
    assert metrics.accuracy(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 0, 3, 0])) == 0.5
