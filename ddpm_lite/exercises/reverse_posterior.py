"""The exercises of notebook 03: one step back, by Bayes' rule, and the chain of such steps."""

import math

import torch

from ..data import points
from ..maths import gaussian
from ..maths.schedule import Schedule
from .kit.asking import Prediction
from .kit.drawing import normal, told
from .kit.drawing import schedule as drawn
from .kit.exercise import write

SCHEDULE = Schedule.linear(1000)


# after section 3.1


def _grid(g):
    """Places from about -4 to about 4, as far apart in one draw as in none other."""
    left, right = (4 + torch.rand(2, generator=g, dtype=torch.float64)).tolist()
    return torch.linspace(-left, right, int(torch.randint(60, 100, (), generator=g)), dtype=torch.float64)


def _places(g):
    """A grid of places, where we stand, t, the mixture and the schedule."""
    kinds = (
        ("three humps", points.three_humps(), 20, (3, 6, 13, 20)),
        ("two humps", points.two_humps(), 14, (5, 10)),
        ("the first step", points.three_humps(), 9, (1,)),
        ("small steps", points.two_humps(), 1000, (400,)),
    )
    return [(label, _grid(g), normal(g), t, data, drawn(g, T)) for label, data, T, ts in kinds for t in ts]


def back_density(x, x_t, t, data, schedule):
    log_likelihood = -((x_t - schedule.alpha[t].sqrt() * x) ** 2) / (2 * schedule.beta[t])
    log_prior = data.log_prob(x[:, None])
    return (log_likelihood + log_prior).softmax(0)


@write(
    _places,
    number="3.1",
    title="Find the fault: Bayes' rule with the wrong prior",
    line="L7",
    given=back_density,
    question="`my_back_density` should give $q(x_{t-1}\\mid x_t)$ on the grid `x` of shape `(N,)`, as `N` weights that add up "
    "to 1. `data` is the mixture of the clean data, `x_t` a number. At $t = 1$ the weights are right, at all later steps "
    "they are not. Fix it. (`data.diffused(t, schedule)` is the mixture of all walks after `t` steps.)",
    hints=[
        "The likelihood is that of one step, and it is right. Which density is the prior in Bayes' rule?",
        "The prior says how many walks pass at x one step before. After how many steps of noise is that?",
    ],
)
def back_density(x, x_t, t, data, schedule):
    """The prior of Bayes' rule is the density of all walks after t - 1 steps, not that of the clean data: the walks have
    met noise by then. Scored with the undiffused mixture, places between its humps seem almost impossible, although many
    walks pass there. At t = 1 the two are the same, so a test at t = 1 alone does not find this fault."""
    log_likelihood = -((x_t - schedule.alpha[t].sqrt() * x) ** 2) / (2 * schedule.beta[t])
    log_prior = data.diffused(t - 1, schedule).log_prob(x[:, None])
    return (log_likelihood + log_prior).softmax(0)


@back_density.wrong(
    "The mixture is now diffused, but by one step too many: the prior is about x_{t-1}, so with alpha_bar_{t-1}, not alpha_bar_t."
)
def prior_diffused_too_far(x, x_t, t, data, schedule):
    log_likelihood = -((x_t - schedule.alpha[t].sqrt() * x) ** 2) / (2 * schedule.beta[t])
    return (log_likelihood + data.diffused(t, schedule).log_prob(x[:, None])).softmax(0)


@back_density.wrong(
    "The humps now stand in the right places, but are as narrow as in the clean data: the walks have also met noise, of "
    "variance 1 - alpha_bar_{t-1}."
)
def prior_moved_not_widened(x, x_t, t, data, schedule):
    log_likelihood = -((x_t - schedule.alpha[t].sqrt() * x) ** 2) / (2 * schedule.beta[t])
    clean = x / schedule.alpha_bar[t - 1].sqrt()
    return (log_likelihood + data.log_prob(clean[:, None])).softmax(0)


@back_density.wrong(
    "That is q(x_0 | x_t): you changed the likelihood to the closed form. The exercise asks for x_{t-1}; the likelihood of one "
    "step was right."
)
def likelihood_of_closed_form(x, x_t, t, data, schedule):
    a = schedule.alpha_bar[t]
    return (-((x_t - a.sqrt() * x) ** 2) / (2 * (1 - a)) + data.log_prob(x[:, None])).softmax(0)


@back_density.wrong(
    "These weights do not depend on x_t: the likelihood is missing. Bayes' rule multiplies both, so their logarithms are added."
)
def likelihood_missing(x, x_t, t, data, schedule):
    return data.diffused(t - 1, schedule).log_prob(x[:, None]).softmax(0)


@back_density.wrong(
    "The prior is right, but these are values of a density. The exercise asks for weights that add up to 1, as in the code given."
)
def densities_instead_of_weights(x, x_t, t, data, schedule):
    log_likelihood = -((x_t - schedule.alpha[t].sqrt() * x) ** 2) / (2 * schedule.beta[t])
    log_prior = data.diffused(t - 1, schedule).log_prob(x[:, None])
    return (log_likelihood + log_prior).softmax(0) / (x[1] - x[0])


@back_density.wrong(
    "The prior is missing: these are the likelihoods of x_t alone. Bayes' rule multiplies them with how often a walk is there "
    "after t - 1 steps."
)
def prior_missing(x, x_t, t, data, schedule):
    return (-((x_t - schedule.alpha[t].sqrt() * x) ** 2) / (2 * schedule.beta[t])).softmax(0)


# in section 3.2, before the square is completed

posterior_weight = Prediction(
    float(SCHEDULE.alpha_bar[499].sqrt() * SCHEDULE.beta[500] / (1 - SCHEDULE.alpha_bar[500])),
    "One step of a thousand moves only a little, so where we stand decides almost completely where we were before. At t = 1 "
    "the weight is 1.",
    number="3.2",
    title="How much of the start?",
    line="L16",
    name="my_weight",
    question="The mean of $q(x_{t-1}\\mid x_t, x_0)$ is (a number) $\\cdot\\,x_0$ + (a number) $\\cdot\\,x_t$. Guess the "
    "number before $x_0$ at $t = 500$ of the linear schedule's 1,000 steps, between 0 and 1, and keep it as `my_weight`.",
    hints=[
        "At t = 1 the step ends at x_0: there the number is 1. How many steps share the way from t = 500 to x_0?",
        "One step adds noise of variance 0.01 at t = 500. How far can it take a walk?",
    ],
)


# in section 3.2, before A and B are given


def _pairs(g):
    """x0, x_t, t for each item (2 <= t <= T) and the schedule: pictures, points, a batch of one."""
    cases = []
    for label, shape, T in (
        ("pictures", (4, 1, 8, 8), 20),
        ("pictures", (6, 1, 6, 6), 12),
        ("colour pictures", (3, 3, 4, 5), 1000),
        ("points", (5, 2), 30),
        ("points", (2, 2), 8),
        ("a batch of one", (1, 1, 8, 8), 15),
    ):
        t = torch.randint(2, T + 1, (shape[0],), generator=g)
        cases.append((label, normal(g, *shape), normal(g, *shape), t, drawn(g, T)))
    return cases


@write(
    _pairs,
    number="3.3",
    title="Complete the square",
    line="L16",
    question="Read $A$ and $B$ off the bracket: `my_posterior_mean(x0, x_t, t, schedule)` returns the mean $B/A$ of "
    "$q(x_{t-1}\\mid x_t,x_0)$ for a batch. `x0` and `x_t` have the same shape, `(B, C, H, W)` or `(B, D)`; `t` has "
    "the shape `(B,)`, each $2\\le t\\le T$. (`schedule.alpha_bar[t]` is $\\bar\\alpha_t$.)",
    hints=[
        "Multiply out both squares. A collects what stands before the square of x_{t-1}: one number from each of the two.",
        "B collects what stands before -2 x_{t-1}: something times x_t from the first square, times x0 from the second.",
        "Each number has the shape (B,). To multiply (B, C, H, W) it needs the shape (B, 1, 1, 1).",
    ],
    package=(gaussian.posterior,),
)
def posterior_mean(x0, x_t, t, schedule):
    """Each factor of the product pulls towards its own place, the more strongly the smaller its variance: the step pulls
    to x_t / sqrt(alpha_t), the closed form to sqrt(alpha_bar_{t-1}) x_0. The strengths of the pulls add up to A, and B /
    A is the average of the two places weighted with them."""
    shape = (-1, *[1] * (x0.ndim - 1))
    alpha, beta = schedule.alpha[t].reshape(shape), schedule.beta[t].reshape(shape)
    before = schedule.alpha_bar[t - 1].reshape(shape)
    A = alpha / beta + 1 / (1 - before)
    B = alpha.sqrt() / beta * x_t + before.sqrt() / (1 - before) * x0
    return B / A


def _of(table, x):
    return table.reshape(-1, *[1] * (x.ndim - 1))


@posterior_mean.wrong(
    "That has alpha_bar_t in the second square. It is about where the walk was at t - 1, so alpha_bar_{t-1} belongs there."
)
def alpha_bar_of_later_step(x0, x_t, t, schedule):
    alpha, beta, a = (_of(table[t], x0) for table in (schedule.alpha, schedule.beta, schedule.alpha_bar))
    A = alpha / beta + 1 / (1 - a)
    return (alpha.sqrt() / beta * x_t + a.sqrt() / (1 - a) * x0) / A


@posterior_mean.wrong("That is B. The bracket is A (x_{t-1} - B/A)^2 and a constant, so the mean is B divided by A.")
def final_division_missing(x0, x_t, t, schedule):
    alpha, beta, before = (_of(v, x0) for v in (schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]))
    return alpha.sqrt() / beta * x_t + before.sqrt() / (1 - before) * x0


@posterior_mean.wrong(
    "B lacks its roots: the cross terms of the squares hold sqrt(alpha_t) and sqrt(alpha_bar_{t-1}); only A has alpha_t itself."
)
def cross_terms_without_roots(x0, x_t, t, schedule):
    alpha, beta, before = (_of(v, x0) for v in (schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]))
    A = alpha / beta + 1 / (1 - before)
    return (alpha / beta * x_t + before / (1 - before) * x0) / A


@posterior_mean.wrong(
    "A lacks alpha_t: the first square is that of sqrt(alpha_t) x_{t-1}, so alpha_t / beta_t stands before x_{t-1}^2."
)
def alpha_missing_before_square(x0, x_t, t, schedule):
    alpha, beta, before = (_of(v, x0) for v in (schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]))
    A = 1 / beta + 1 / (1 - before)
    return (alpha.sqrt() / beta * x_t + before.sqrt() / (1 - before) * x0) / A


@posterior_mean.wrong("x0 and x_t are swapped: x_t stands in the square that is divided by beta_t.")
def x0_and_x_t_swapped(x0, x_t, t, schedule):
    alpha, beta, before = (_of(v, x0) for v in (schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]))
    A = alpha / beta + 1 / (1 - before)
    return (alpha.sqrt() / beta * x0 + before.sqrt() / (1 - before) * x_t) / A


@posterior_mean.wrong("B lacks its denominators: in the bracket each square is divided by its variance.")
def denominators_missing(x0, x_t, t, schedule):
    alpha, beta, before = (_of(v, x0) for v in (schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]))
    A = alpha / beta + 1 / (1 - before)
    return (alpha.sqrt() * x_t + before.sqrt() * x0) / A


@posterior_mean.wrong("That is twice the mean: the bracket holds -2B x_{t-1}, so the 2 is not part of B.")
def twice_the_mean(x0, x_t, t, schedule):
    alpha, beta, before = (_of(v, x0) for v in (schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]))
    A = alpha / beta + 1 / (1 - before)
    return 2 * (alpha.sqrt() / beta * x_t + before.sqrt() / (1 - before) * x0) / A


@posterior_mean.wrong(
    "The two parts of B have the same sign: in each square x_{t-1} and what it is compared with are subtracted."
)
def parts_subtracted(x0, x_t, t, schedule):
    alpha, beta, before = (_of(v, x0) for v in (schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]))
    A = alpha / beta + 1 / (1 - before)
    return (alpha.sqrt() / beta * x_t - before.sqrt() / (1 - before) * x0) / A


@posterior_mean.wrong(
    "That is the form of the textbooks, with 1 - alpha_bar_t below, but with alpha_bar_t in both numerators: where the walk "
    "was at t - 1 is meant, so alpha_bar_{t-1} belongs there."
)
def textbook_form_one_step_late(x0, x_t, t, schedule):
    alpha, beta, a = (_of(table[t], x0) for table in (schedule.alpha, schedule.beta, schedule.alpha_bar))
    return a.sqrt() * beta / (1 - a) * x0 + alpha.sqrt() * x_t


# at the end of section 3.2


def _steps_back(g):
    """x0, x_t, t, z and the schedule, also at t = 1."""
    cases = []
    for label, shape, T, steps in (
        ("pictures", (4, 1, 8, 8), 20, (2, 11)),
        ("colour pictures", (3, 3, 4, 5), 20, (20,)),
        ("points", (5, 2), 18, (3, 16)),
        ("a batch of one", (1, 1, 8, 8), 12, (7,)),
        ("the last step", (4, 1, 8, 8), 4, (1,)),
    ):
        cases += [(label, normal(g, *shape), normal(g, *shape), t, normal(g, *shape), drawn(g, T)) for t in steps]
    return cases


def step_back(x0, x_t, t, z, schedule):
    a, alpha, beta = schedule.alpha_bar[t], schedule.alpha[t], schedule.beta[t]
    of_x0 = a.sqrt() * beta / (1 - a)
    of_x_t = alpha.sqrt() * (1 - a / alpha) / (1 - a)
    var = (1 - a / alpha) / (1 - a) * beta
    return of_x0 * x0 + of_x_t * x_t + var.sqrt() * z


@write(
    _steps_back,
    number="3.4",
    title="Find the fault: a walk that misses its picture",
    line="L16",
    given=step_back,
    question="`my_step_back` should draw $x_{t-1}$ from $q(x_{t-1}\\mid x_t, x_0)$ with the noise `z`; `t` is one number for "
    "the batch, $1\\le t\\le T$. The last step, $t = 1$, should end at $x_0$ exactly; this one ends at "
    "$\\sqrt{\\alpha_1}\\,x_0$. One thing is wrong. Fix it.",
    hints=[
        "At t = 1 the weight of x_t and the variance should be 0, and they are. So look at the third number.",
        "alpha_bar_t divided by alpha_t is something you know: the product without its last factor.",
    ],
    package=(gaussian.posterior,),
)
def step_back(x0, x_t, t, z, schedule):
    """The weight of x_0 comes from where the walk was likely to be at t - 1, so it holds sqrt(alpha_bar_{t-1}). The other
    two lines were right, since alpha_bar_t / alpha_t is alpha_bar_{t-1}. With small steps the slip hardly shows: check
    the ends, where the result is known."""
    a, before = schedule.alpha_bar[t], schedule.alpha_bar[t - 1]
    alpha, beta = schedule.alpha[t], schedule.beta[t]
    of_x0 = before.sqrt() * beta / (1 - a)
    of_x_t = alpha.sqrt() * (1 - before) / (1 - a)
    var = (1 - before) / (1 - a) * beta
    return of_x0 * x0 + of_x_t * x_t + var.sqrt() * z


@step_back.wrong(
    "You took a / alpha for the fault, but it is alpha_bar_{t-1}, as it should be. Now the variance is beta_t, and the last "
    "step adds noise. Look at the weight of x_0."
)
def right_quotient_taken_for_fault(x0, x_t, t, z, schedule):
    a, alpha, beta = schedule.alpha_bar[t], schedule.alpha[t], schedule.beta[t]
    return a.sqrt() * beta / (1 - a) * x0 + alpha.sqrt() * x_t + beta.sqrt() * z


@step_back.wrong(
    "The weight of x_0 is fixed. But now the mean uses 1 - alpha_bar_t where 1 - alpha_bar_{t-1} stood: a / alpha was right."
)
def one_weight_fixed_other_broken(x0, x_t, t, z, schedule):
    a, alpha, beta, before = schedule.alpha_bar[t], schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]
    var = (1 - before) / (1 - a) * beta
    return before.sqrt() * beta / (1 - a) * x0 + alpha.sqrt() * x_t + var.sqrt() * z


@step_back.wrong("The weight of x_0 is fixed, but its root is missing: it holds sqrt(alpha_bar_{t-1}).")
def fixed_weight_without_root(x0, x_t, t, z, schedule):
    a, alpha, beta, before = schedule.alpha_bar[t], schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]
    var = (1 - before) / (1 - a) * beta
    return before * beta / (1 - a) * x0 + alpha.sqrt() * (1 - before) / (1 - a) * x_t + var.sqrt() * z


@step_back.wrong(
    "The mean is fixed, but now z is multiplied by the variance. Noise is scaled by the root of its variance, as it was before."
)
def noise_times_its_variance(x0, x_t, t, z, schedule):
    a, alpha, beta, before = schedule.alpha_bar[t], schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]
    var = (1 - before) / (1 - a) * beta
    return before.sqrt() * beta / (1 - a) * x0 + alpha.sqrt() * (1 - before) / (1 - a) * x_t + var * z


@step_back.wrong("Only the last step is fixed. The weight of x_0 is wrong at every t; at t = 1 it only shows most.")
def only_last_step_fixed(x0, x_t, t, z, schedule):
    a, alpha, beta, before = schedule.alpha_bar[t], schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]
    var = (1 - before) / (1 - a) * beta
    mean = a.sqrt() * beta / (1 - a) * x0 + alpha.sqrt() * (1 - before) / (1 - a) * x_t
    return x0 if t == 1 else mean + var.sqrt() * z


@step_back.wrong("The mean is fixed, but the fresh noise is gone. A draw has the variance var around its mean.")
def fresh_noise_gone(x0, x_t, t, z, schedule):
    a, alpha, beta, before = schedule.alpha_bar[t], schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]
    return before.sqrt() * beta / (1 - a) * x0 + alpha.sqrt() * (1 - before) / (1 - a) * x_t


@step_back.wrong(
    "The weight of x_0 is fixed, but now the noise has the variance beta_t. With x_0 known less is left open: beta_t times "
    "(1 - alpha_bar_{t-1}) / (1 - alpha_bar_t), as it stood."
)
def beta_as_the_variance(x0, x_t, t, z, schedule):
    a, alpha, beta, before = schedule.alpha_bar[t], schedule.alpha[t], schedule.beta[t], schedule.alpha_bar[t - 1]
    return before.sqrt() * beta / (1 - a) * x0 + alpha.sqrt() * (1 - before) / (1 - a) * x_t + beta.sqrt() * z


# at the end of section 3.5


def _betas(g):
    """beta_1..beta_T and the variance of the data."""

    def beta(T):
        return torch.rand(T, generator=g, dtype=torch.float64) * 0.4 + 0.02

    return [
        ("data of variance 1", drawn(g, 150).beta[1:], 1.0),
        ("data of variance 1", beta(8), 1.0),
        ("a single point", beta(6), 0.0),
        ("narrow data", beta(5), 0.25),
        ("wide data", beta(7), 4.0),
        ("wide data", drawn(g, 20).beta[1:], 9.0),
        ("a single step", beta(1), 0.5),
    ]


@write(
    _betas,
    number="3.5",
    title="Two variances of a step back",
    line="L17",
    question="`my_step_back_vars(beta, d2)` returns two tables of shape `(T,)`: the variance of $x_{t-1}$ given $x_t$ and "
    "$x_0$, and given $x_t$ alone, if $x_0\\sim\\mathcal N(0, d^2)$. All you have is `beta` of shape `(T,)`, with "
    "`beta[0]` $=\\beta_1$, and the number `d2` $=d^2$. (For $d^2=1$ the second must be $\\beta_t$.)",
    hints=[
        "Both need alpha_bar_{t-1} for t = 1..T, so first alpha_bar_0. What share of the picture is left before the first step?",
        "For the second, complete the square as in section 3.2: its prior has the variance of x_{t-1}, data and noise together.",
        "Data of variance d2 has at step t - 1 the variance alpha_bar_{t-1} times d2 and what the noise adds.",
    ],
)
def step_back_vars(beta, d2):
    """With x_0 known the walk at t - 1 was N(sqrt(alpha_bar_{t-1}) x_0, 1 - alpha_bar_{t-1}); with x_0 unknown it has the
    variance v of the data after t - 1 steps, which is larger. In both cases the step adds the strength of its own pull,
    alpha_t / beta_t, to that of this prior, and the variance is one over the sum. A single point (d2 = 0) makes both
    equal."""
    alpha_bar = (1 - beta).cumprod(0)
    before = torch.cat([torch.ones(1), alpha_bar[:-1]])
    known = (1 - before) / (1 - alpha_bar) * beta
    v = before * d2 + 1 - before
    unknown = 1 / ((1 - beta) / beta + 1 / v)
    return known, unknown


def _alpha_bars(beta, first=1.0):
    alpha_bar = (1 - beta).cumprod(0)
    return alpha_bar, torch.cat([torch.tensor([first], dtype=torch.float64), alpha_bar[:-1]])


def _unknown(beta, v):
    return 1 / ((1 - beta) / beta + 1 / v)


@step_back_vars.wrong(
    "That has alpha_bar_t for alpha_bar_{t-1}: the first table comes out as beta_t. The prior is about x_{t-1}, one step earlier."
)
def both_variances_one_step_late(beta, d2):
    a, _ = _alpha_bars(beta)
    return (1 - a) / (1 - a) * beta, _unknown(beta, a * d2 + 1 - a)


@step_back_vars.wrong(
    "alpha_bar_0 is 1, not 0: before the first step all of the picture is left. With x_0 known the last step has no variance."
)
def alpha_bar_starts_at_zero(beta, d2):
    a, before = _alpha_bars(beta, first=0.0)
    return (1 - before) / (1 - a) * beta, _unknown(beta, before * d2 + 1 - before)


@step_back_vars.wrong("These are standard deviations. Variances are asked for, without the root.")
def standard_deviations_returned(beta, d2):
    a, before = _alpha_bars(beta)
    return ((1 - before) / (1 - a) * beta).sqrt(), _unknown(beta, before * d2 + 1 - before).sqrt()


@step_back_vars.wrong(
    "The first is right. In the second the prior is too narrow: x_{t-1} holds data of variance alpha_bar_{t-1} d2 and noise "
    "of variance 1 - alpha_bar_{t-1}."
)
def prior_without_its_noise(beta, d2):
    a, before = _alpha_bars(beta)
    return (1 - before) / (1 - a) * beta, _unknown(beta, before * d2)


@step_back_vars.wrong(
    "The first is right. The second is beta_t for any data, but that holds only for data of variance 1: d2 must enter."
)
def beta_for_any_data(beta, d2):
    a, before = _alpha_bars(beta)
    return (1 - before) / (1 - a) * beta, beta


@step_back_vars.wrong(
    "The first is right. In the second you added the variance of x_0 itself to it. That counts only as far as x_t leaves it "
    "open, and with the square of its weight in the mean."
)
def variance_of_x0_added(beta, d2):
    a, before = _alpha_bars(beta)
    known = (1 - before) / (1 - a) * beta
    return known, known + before * beta**2 / (1 - a) ** 2 * d2


@step_back_vars.wrong(
    "The first is right. In the second the prior is that of x_t, with alpha_bar_t. It is about x_{t-1}, one step earlier."
)
def second_prior_one_step_late(beta, d2):
    a, before = _alpha_bars(beta)
    return (1 - before) / (1 - a) * beta, _unknown(beta, a * d2 + 1 - a)


@step_back_vars.wrong("roll() brings the last entry, alpha_bar_T, to the front. alpha_bar_0 = 1 belongs there.")
def last_entry_rolled_to_front(beta, d2):
    a, _ = _alpha_bars(beta)
    before = a.roll(1)
    return (1 - before) / (1 - a) * beta, _unknown(beta, before * d2 + 1 - before)


@step_back_vars.wrong("The two are swapped: first the variance with x_0 known.")
def two_variances_swapped(beta, d2):
    a, before = _alpha_bars(beta)
    return _unknown(beta, before * d2 + 1 - before), (1 - before) / (1 - a) * beta


# in section 3.6, before the chain of eight steps


def _chains(g):
    """Walks x_0..x_T, the mean of a step back and its variances."""
    cases = []
    for label, batch, T in (
        ("many walks", 7, 4),
        ("many walks", 5, 3),
        ("as many walks as places", 5, 4),
        ("a single walk", 1, 4),
        ("a single step", 4, 1),
        ("a long chain", 3, 6),
    ):
        var = torch.rand(T + 1, generator=g, dtype=torch.float64) * 0.5 + 0.2
        cases.append((label, normal(g, batch, T + 1), _StepMean(g), var))
    return cases


class _StepMean:
    """The mean of a step back, of another slope and another shift in each case."""

    def __init__(self, g):
        self.slope, self.shift = (0.3 + torch.rand(2, generator=g, dtype=torch.float64)).tolist()

    def __call__(self, x_t, t):
        level = told(t, x_t) if isinstance(x_t, torch.Tensor) else t  # a walk in NumPy is asked about one step
        return self.slope * x_t + self.shift * level / 5


@write(
    _chains,
    number="3.6",
    title="The log density of a walk",
    line="L14",
    question="`my_log_path(path, step_mean, step_var)` returns $\\log p_\\theta(x_{0:T})$ of each walk, shape `(B,)`. `path` "
    "is `(B, T + 1)`, its column `t` holds $x_t$. The model: $p(x_T)=\\mathcal N(0,1)$, and $x_{t-1}$ given $x_t$ is "
    "Gaussian with mean `step_mean(x_t, t)` and variance `step_var[t]` (`step_var` is `(T + 1,)`).",
    hints=[
        "A product of densities is a sum of their logarithms: one for the start, and one for each of the T steps.",
        "torch.distributions.Normal(mean, std).log_prob(x) is one term. Mind what its second argument is.",
        "The walk back starts in the last column, and its last step leads from column 1 to column 0.",
    ],
)
def log_path(path, step_mean, step_var):
    """The chain draws x_T first, then each x_{t-1} from x_t alone, so the density of a walk is a product, and its
    logarithm a sum of T + 1 terms. In logarithms nothing becomes too small to be stored: the density of a picture's walk,
    with 64 numbers at each of 1,001 places, would be rounded to 0."""
    total = torch.distributions.Normal(0.0, 1.0).log_prob(path[:, -1])
    for t in range(path.shape[1] - 1, 0, -1):
        step = torch.distributions.Normal(step_mean(path[:, t], t), step_var[t].sqrt())
        total = total + step.log_prob(path[:, t - 1])
    return total


def _log_normal(x, mean, std):
    return -0.5 * ((x - mean) / std) ** 2 - torch.as_tensor(std).log() - 0.5 * math.log(2 * math.pi)


def _terms(path, step_mean, std):
    return torch.stack(
        [_log_normal(path[:, t - 1], step_mean(path[:, t], t), std[t]) for t in range(1, path.shape[1])]
        + [_log_normal(path[:, -1], 0.0, 1.0)]
    )


@log_path.wrong("The start is missing: the walk back begins with a draw of x_T from N(0, 1), which has a log density too.")
def start_of_walk_missing(path, step_mean, step_var):
    return _terms(path, step_mean, step_var.sqrt())[:-1].sum(0)


@log_path.wrong("The last step is missing, from x_1 to x_0: t runs down to 1, and column 0 counts too.")
def last_step_missing(path, step_mean, step_var):
    return _terms(path, step_mean, step_var.sqrt())[1:].sum(0)


@log_path.wrong("The variance stands where the standard deviation belongs: Normal(mean, std) wants the root of step_var[t].")
def variance_as_standard_deviation(path, step_mean, step_var):
    return _terms(path, step_mean, step_var).sum(0)


@log_path.wrong("Each step is taken in the wrong direction: the mean is computed from x_t, and what is scored is x_{t-1}.")
def steps_in_wrong_direction(path, step_mean, step_var):
    std = step_var.sqrt()
    steps = [_log_normal(path[:, t], step_mean(path[:, t - 1], t), std[t]) for t in range(1, path.shape[1])]
    return sum(steps) + _log_normal(path[:, -1], 0.0, 1.0)


@log_path.wrong("That is the density itself. The exercise asks for its logarithm: add the logarithms of the terms.")
def density_without_logarithm(path, step_mean, step_var):
    return _terms(path, step_mean, step_var.sqrt()).sum(0).exp()


@log_path.wrong("That is the average of the terms. The logarithm of a product is the sum of the logarithms.")
def average_of_terms(path, step_mean, step_var):
    return _terms(path, step_mean, step_var.sqrt()).mean(0)


@log_path.wrong(
    "The variance is one column off: the step from x_t to x_{t-1} has the variance step_var[t]. step_var[0] belongs to no step."
)
def variance_one_column_off(path, step_mean, step_var):
    return _terms(path, step_mean, torch.cat([step_var[:1], step_var[:-1]]).sqrt()).sum(0)


@log_path.wrong("The first step back is missing, from x_T to x_{T-1}: t runs down from T. x_T itself is scored besides that.")
def first_step_back_missing(path, step_mean, step_var):
    terms = _terms(path, step_mean, step_var.sqrt())
    return terms.sum(0) - terms[-2]


@log_path.wrong("The constants are missing. They belong to a density: -log(2 pi var) / 2 for each term.")
def constants_missing(path, step_mean, step_var):
    T = path.shape[1] - 1
    steps = [-((path[:, t - 1] - step_mean(path[:, t], t)) ** 2) / (2 * step_var[t]) for t in range(1, T + 1)]
    return sum(steps) - path[:, T] ** 2 / 2


@log_path.wrong("The sign is reversed: a log density is asked for, not its negative, the surprise.")
def sign_reversed(path, step_mean, step_var):
    return -_terms(path, step_mean, step_var.sqrt()).sum(0)
