"""The exact denoisers against integrals, autograd, scipy and naive loops; the floor of the loss against closed cases."""

import copy
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn.datasets import load_digits

import ddpm_lite as d
from ddpm_lite import FiniteData, GaussianMixture, Schedule, loss_floor

quick = settings(deadline=None, max_examples=30, derandomize=True)
close = torch.testing.assert_close
schedule = Schedule.linear()
WEIGHTS, MEANS, STDS = np.array([[0.2, 0.5, 0.3], [-2.0, 0.5, 3.0], [0.05, 1.0, 0.5]])
LINE = GaussianMixture(*(torch.tensor(a) for a in (WEIGHTS, MEANS[:, None], STDS**2)))  # one component is narrow


def seeded(seed) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


def mixture(D, seed=0, K=4, labels=None) -> GaussianMixture:
    """K components with full covariances in D dimensions."""
    roots = normal(seed, K, D, D) / math.sqrt(D)
    return GaussianMixture(1 + torch.arange(K), 2 * normal(seed + 1, K, D), roots @ roots.mT + 0.05 * torch.eye(D), labels)


LABELLED = [mixture(2, K=6, labels=torch.arange(6) % 3), FiniteData(normal(7, 24, 2), torch.arange(24) // 8, chunk=5)]
labelled = pytest.mark.parametrize("exact", LABELLED, ids=["mixture", "data"])


def sub(exact, keep):
    """The same mixture or data set without the components or items that are not kept."""
    parts = (exact.data,) if isinstance(exact, FiniteData) else (exact.weights, exact.means, exact.covs)
    return type(exact)(*(part[keep] for part in parts))


@pytest.mark.parametrize("t", [1, 50, 300, 1000])
def test_eps_on_a_line_is_the_integral_over_the_posterior(t):
    x0, x_t, ab = np.linspace(-8, 8, 32_001), np.linspace(-4, 4, 9)[:, None], schedule.alpha_bar[t].item()
    prior = sum(w * stats.norm.pdf(x0, m, s) for w, m, s in zip(WEIGHTS, MEANS, STDS, strict=True))
    p = special.softmax(np.log(prior) + stats.norm.logpdf(x_t, ab**0.5 * x0, (1 - ab) ** 0.5), axis=1)
    eps = (p * (x_t - ab**0.5 * x0)).sum(1) / (1 - ab) ** 0.5
    close(LINE.eps(torch.tensor(x_t), t, schedule)[:, 0], torch.tensor(eps), rtol=1e-9, atol=1e-9)


@quick
@given(D=st.sampled_from([1, 2, 5]), t=st.integers(1, 1000), seed=st.integers(0, 99))
def test_eps_is_the_score_of_the_diffused_density(D, t, seed):
    exact, x = mixture(D, seed), (2 * normal(seed + 2, 6, D)).requires_grad_()
    (score,) = torch.autograd.grad(exact.diffused(t, schedule).log_prob(x).sum(), x)
    close(exact.eps(x.detach(), t, schedule), -(1 - schedule.alpha_bar[t]).sqrt() * score, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("D", [1, 2, 5])
@pytest.mark.parametrize("t", [0, 1, 300])
def test_log_prob_of_a_diffused_mixture_is_that_of_scipy(D, t):
    exact, x, ab = mixture(D), 2 * normal(2, 7, D), schedule.alpha_bar[t].item()
    each = [
        math.log(w) + stats.multivariate_normal(ab**0.5 * m, ab * c + (1 - ab) * np.eye(D)).logpdf(x)
        for w, m, c in zip(np.arange(1, 5) / 10, exact.means.numpy(), exact.covs.numpy(), strict=True)
    ]
    close(exact.diffused(t, schedule).log_prob(x), torch.tensor(special.logsumexp(each, axis=0)), rtol=1e-9, atol=1e-9)


def test_draws_of_a_mixture_have_its_means_covariances_and_weights():
    exact, n = mixture(3), 40_000
    x, k = exact.draw(n, seeded(1))
    assert x.dtype == torch.float64 and stats.chisquare(k.bincount(), n * np.arange(1, 5) / 10).pvalue > 1e-3
    for j in range(4):
        z = torch.linalg.solve_triangular(torch.linalg.cholesky(exact.covs[j]), (x[k == j] - exact.means[j]).T, upper=False)
        tests = stats.kstest(z.flatten(), "norm"), stats.pearsonr(z[0], z[1]), stats.pearsonr(z[1], z[2])
        assert min(test.pvalue for test in tests) > 1e-3


ONES, ZEROS, SKEW = torch.ones(2), torch.zeros(2, 2), torch.tensor([[[1.0, 2.0], [0.0, 1.0]]] * 2)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: GaussianMixture(torch.tensor([1.0, 0.0]), ZEROS, ONES), "weight of a mixture must be positive"),
        (lambda: GaussianMixture(torch.ones(3), ZEROS, ONES), r"they are \(2, 2\) and \(3,\)"),
        (lambda: GaussianMixture(ONES, ZEROS, torch.ones(3)), "covs must be .* with K = 2 and D = 2"),
        (lambda: GaussianMixture(ONES, ZEROS, SKEW), "symmetric"),
        (lambda: GaussianMixture(ONES, ZEROS, SKEW + SKEW.mT - torch.eye(2)), "negative eigenvalue"),
        (lambda: FiniteData(torch.zeros(5, 2), torch.tensor([0, 1])), "5 items but 2 labels"),
    ],
)
def test_what_is_no_distribution_is_refused(unchecked, make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("shape", [(3,), (1, 8, 8)])
@pytest.mark.parametrize("t", [1, 200, 1000])
@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_finite_data_is_a_softmax_over_its_items_however_it_is_read(shape, t, chunk):
    data, x_t, ab = normal(3, 30, *shape), normal(4, 5, *shape), schedule.alpha_bar[t].item()
    x_t[0] *= 50  # far from all items
    x_t[1] = ab**0.5 * data[7]  # on top of one
    got = FiniteData(data, chunk=chunk).x0_mean(x_t, t, schedule)
    for x, mean in zip(x_t, got, strict=True):
        logits = [-((x - ab**0.5 * item) ** 2).sum().item() / (2 * (1 - ab)) for item in data]
        weights = [math.exp(logit - max(logits)) for logit in logits]
        want = sum(w * item for w, item in zip(weights, data, strict=True)) / sum(weights)
        close(mean, want, rtol=1e-7, atol=1e-8)  # logits of 1e7 lose 9 digits


def test_points_are_a_mixture_without_width():
    points, x, t = normal(5, 9, 4), normal(6, 3, 4), torch.tensor([1, 400, 1000])
    eps = GaussianMixture(torch.ones(9), points, torch.zeros(9)).eps(x, t, schedule)
    close(FiniteData(points).eps(x, t, schedule), eps, rtol=1e-9, atol=1e-9)


def test_draws_of_finite_data_are_uniform_and_keep_their_labels():
    items, labels = torch.arange(20.0)[:, None], torch.arange(20) % 3
    x, y = FiniteData(items, labels).draw(20_000, seeded(2))
    assert y.equal(x[:, 0].long() % 3) and stats.chisquare(x[:, 0].long().bincount(minlength=20)).pvalue > 1e-3


MEMORY = """
import sys, torch
from sklearn.datasets import load_digits
from ddpm_lite import FiniteData, Schedule
peak = lambda: next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1e3
data = torch.tensor(load_digits().data / 8 - 1, dtype=torch.float32).reshape(-1, 1, 8, 8)
exact, schedule, x = FiniteData(data.repeat(int(sys.argv[1]), 1, 1, 1)), Schedule.linear(), torch.randn(512, 1, 8, 8)
exact.eps(x[:2], 500, schedule)
before = peak()
exact.eps(x, 500, schedule)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc: ru_maxrss of a new process starts at the peak of its parent")
@pytest.mark.parametrize("copies", [1, 12])
def test_a_batch_of_512_against_all_digits_takes_less_than_200_MB_and_no_more_for_more_data(copies):
    out = subprocess.run([sys.executable, "-c", MEMORY, str(copies)], capture_output=True, text=True, check=True).stdout
    assert 1 < float(out) < 200


@labelled
def test_a_class_is_the_oracle_of_its_part_and_the_null_label_is_no_condition(exact):
    x, each, t = normal(8, 5, 2), torch.tensor([0, 1, 2, 3, 1]), torch.tensor([1, 50, 300, 300, 1000])
    assert exact.null == 3
    parts = [sub(exact, exact.labels == c) for c in range(3)] + [sub(exact, slice(None))]
    want = torch.cat([parts[each[i]].eps(x[i : i + 1], int(t[i]), schedule) for i in range(5)])
    model = exact.eps_model(schedule)
    close(model(x, t, each), want, rtol=1e-9, atol=1e-9)
    close(model(x, t), parts[3].eps(x, t, schedule), rtol=1e-9, atol=1e-9)
    close(model(x.float(), t, each), want.float(), rtol=1e-4, atol=1e-4)  # t = 1 multiplies the rounding of x by 100


@labelled
def test_t_0_and_a_class_where_there_are_none_are_refused(exact):
    for each, t, cond, message in ((exact, 0, None, "t = 0, but"), (sub(exact, slice(None)), 5, torch.tensor([0]), "no labels")):
        with pytest.raises(ValueError, match=message):
            each.eps(normal(9, 1, 2), t, schedule, cond)


@pytest.mark.parametrize("D, std", [(1, 1.0), (3, 1.0), (1, 0.2)])
@pytest.mark.parametrize("t, steps", [(1, schedule), (500, schedule), *((t, Schedule.linear(5, 0.1, 0.5)) for t in (1, 3, 5))])
def test_the_floor_of_gaussian_data_is_the_variance_that_x_t_leaves_to_eps(D, std, t, steps):
    ab = steps.alpha_bar[t].item()
    exact = GaussianMixture(torch.ones(1), torch.full((1, D), 0.7), torch.tensor([std**2], dtype=torch.float64))
    floor = loss_floor(exact, t, steps, 20_000, seeded(t))
    # Of unit variance: alpha_bar_t. In general 1 - cov(eps, x_t)^2 / var(x_t).
    assert abs(floor.value - (1 - (1 - ab) / (ab * std**2 + 1 - ab))) < 5 * floor.std_error
    assert floor.t == t and "mixture" in floor.of


@pytest.mark.parametrize("t", [1, 100, 500, 900])
def test_the_floors_of_x0_v_and_flow_are_what_the_exact_answers_leave(t):
    exact, ab = mixture(2), schedule.alpha_bar[t]
    x0 = exact.draw(20_000, seeded(t))[0].double()
    eps = torch.randn(x0.shape, generator=seeded(t + 1), dtype=torch.float64)
    x_t = ab.sqrt() * x0 + (1 - ab).sqrt() * eps
    step = torch.full((len(x0),), t)
    v_star = exact.v_model(schedule)(x_t, step)
    left = {"x0": x0 - exact.x0_mean(x_t, step, schedule), "v": ab.sqrt() * eps - (1 - ab).sqrt() * x0 - v_star}
    left["flow"] = eps - x0 - (exact.eps(x_t, step, schedule) - exact.x0_mean(x_t, step, schedule))
    for target, error in left.items():
        floor = loss_floor(exact, t, schedule, 20_000, seeded(t + 2), target=target)
        own = error.square().mean(1)
        assert abs(floor.value - float(own.mean())) < 5 * math.hypot(floor.std_error, float(own.std()) / len(own) ** 0.5)
    with pytest.raises(ValueError, match="There is no target 'u': use eps, x0, v, flow"):
        loss_floor(exact, t, schedule, 10, target="u")


def test_the_standard_error_is_the_spread_over_seeds():
    exact = mixture(2, labels=torch.arange(4) % 2)
    floors = [loss_floor(exact, 200, schedule, 100, seeded(seed), drop=0.3) for seed in range(100)]
    spread, mean_error = np.std([f.value for f in floors]), np.mean([f.std_error for f in floors])
    assert spread == pytest.approx(mean_error, rel=0.3)  # the spread of 100 is known to 7 %


@labelled
def test_label_dropout_mixes_the_two_floors(exact):
    null, mixed, cond = (loss_floor(exact, 300, schedule, 2000, seeded(3), drop=p).value for p in (1.0, 0.2, 0.0))
    assert mixed == pytest.approx(0.2 * null + 0.8 * cond, rel=1e-12)
    assert cond < 0.95 * null  # the class tells something about x_0


@pytest.mark.parametrize("change", [lambda e, x: e + 0.1, lambda e, x: 1.1 * e, lambda e, x: 0.9 * e, lambda e, x: e + 0.1 * x])
@pytest.mark.parametrize("t", [100, 500])
def test_any_other_predictor_scores_higher_on_the_same_draws(change, t):
    other = copy.copy(LINE)
    other.eps = lambda x_t, t, schedule, cond: change(LINE.eps(x_t, t, schedule, cond), x_t)
    assert loss_floor(LINE, t, schedule, 50_000, seeded(4)).value < loss_floor(other, t, schedule, 50_000, seeded(4)).value


def test_on_the_digits_the_floor_is_that_of_the_lecture():
    x, y = (torch.tensor(a) for a in load_digits(return_X_y=True))
    x, mixed = x.reshape(-1, 1, 8, 8) / 8 - 1, torch.randperm(1797, generator=seeded(5))
    train, held = FiniteData(x[mixed[:1437]], y[mixed[:1437]]), FiniteData(x[mixed[1437:]])
    for t, drop, want in ((50, 1, 0), (50, 0, 0), (150, 1, 0.019), (150, 0, 0.018), (300, 1, 0.072), (300, 0, 0.047)):
        got = loss_floor(train, t, schedule, 3000, seeded(6), float(drop))
        assert abs(got.value - want) < 0.002 + 3 * got.std_error  # 0.002: other 1,437 digits have another floor
    held.eps = train.eps  # it is the floor of these very items: on new ones the denoiser that memorised scores far above it
    for t, want in ((50, 2.35), (150, 0.27), (300, 0.091)):
        assert loss_floor(held, t, schedule, 1000, seeded(7)).value == pytest.approx(want, rel=0.15)


def bound_of_unit_normal(x0, var, levels, steps):
    """All terms of the bound on -log2 p(x0), averaged over eps by quadrature; eps_hat is exact for x0 ~ N(0, 1)."""
    exact, nodes = GaussianMixture(torch.ones(1), torch.zeros(1, 1), torch.ones(1)), torch.linspace(-9, 9, 181).double()
    x, eps = x0.repeat_interleave(181)[:, None], nodes.repeat(len(x0))[:, None]
    total = d.bound_prior(x, steps)
    for t in range(1, steps.T + 1):
        x_t = d.q_sample(x, t, eps, steps)
        eps_hat = exact.eps(x_t, t, steps)
        mean = d.posterior_mean_from_eps(x_t, eps_hat, t, steps)
        total += d.bound_step(x, x_t, eps_hat, t, steps, var) if t > 1 else d.bound_decoder(x, mean, var[1], levels)
    return total.reshape(len(x0), -1) @ torch.softmax(-(nodes**2) / 2, 0)


@pytest.mark.parametrize("steps", [Schedule.linear(20, 1e-2, 0.3), Schedule.from_beta([0.01, 0.5, 0.2])], ids=repr)
def test_for_unit_normal_data_the_exact_model_with_var_beta_reaches_the_likelihood(steps):
    x0, half = torch.tensor([-0.5, 0.0, 0.75], dtype=torch.float64), 1 / 4000  # levels too fine to matter
    p = stats.norm.cdf(x0 + half) - stats.norm.cdf(x0 - half)
    close(bound_of_unit_normal(x0, steps.beta, 4001, steps), torch.tensor(-np.log2(p)), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", ["beta", "posterior_var"])
def test_on_17_grey_levels_the_bound_lies_above_the_likelihood_of_the_model(name):
    steps, spread = Schedule.linear(20, 1e-2, 0.3), 1.0
    var = getattr(steps, name).clone()
    var[1] = var[1] or var[2]
    # mu_theta = sqrt(alpha_t) x_t, so every p_theta(x_t) is a centred Gaussian, and spread its variance.
    for t in range(20, 0, -1):
        spread = (steps.alpha[t] * spread + var[t]).item()
    x0, edges = torch.linspace(-1, 1, 17, dtype=torch.float64), np.concatenate([[-np.inf], np.arange(-15, 16, 2) / 16, [np.inf]])
    gap = bound_of_unit_normal(x0, var, 17, steps).numpy() + np.log2(np.diff(stats.norm.cdf(edges, 0, spread**0.5)))
    assert (gap > 0).all()
