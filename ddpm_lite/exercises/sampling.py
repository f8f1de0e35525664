"""The exercises of notebook 05: the steps of a sampler, and what goes wrong in its loop."""

from itertools import pairwise

import torch
from torch import nn

from ..sampling.loop import timesteps
from ..sampling.samplers import ddim_step as package_ddim_step
from ..sampling.samplers import ddpm_step as package_ddpm_step
from .judging import recall  # noqa: F401  # exercise 5.7
from .kit.drawing import normal, told
from .kit.drawing import schedule as drawn
from .kit.exercise import write

# in section 5.1, before Algorithm 2 stands there as code


def _at_t(g):
    """x_t, eps_hat, t, z and the schedule."""
    cases = []
    for label, shape, T, steps in (
        ("pictures", (4, 1, 8, 8), 20, (17, 6)),
        ("colour pictures", (3, 3, 4, 5), 150, (40,)),
        ("points", (5, 2), 15, (2, 13)),
        ("a batch of one", (1, 1, 8, 8), 12, (11,)),
        ("the last step", (4, 1, 8, 8), 18, (1,)),
    ):
        cases += [(label, normal(g, *shape), normal(g, *shape), t, normal(g, *shape), drawn(g, T)) for t in steps]
    return cases


@write(
    _at_t,
    number="5.1",
    title="One step of Algorithm 2",
    line="L21",
    question="`my_ddpm_step(x_t, eps_hat, t, z, schedule)` returns $x_{t-1}$ with $\\sigma_t^2=\\tilde\\beta_t$. `x_t`, "
    "`eps_hat` and the noise `z` have the same shape; `t` is one number for the batch, $1\\le t\\le T$. "
    "`schedule.alpha[t]`, `.beta[t]`, `.alpha_bar[t]` are numbers; `.alpha_bar[0]` is 1.",
    hints=[
        "Three parts, as the braces under the formula say: take a little noise away, undo the shrinking, add fresh noise.",
        "z is scaled by a standard deviation, and beta-tilde is sigma squared. Which index has the step before?",
    ],
    package=(package_ddpm_step,),
)
def ddpm_step(x_t, eps_hat, t, z, schedule):
    """The mean takes away the part of the noise that step t has added, as far as eps_hat knows it, and undoes the
    shrinking. Then comes fresh noise of the posterior's variance, so z is multiplied by its root. At t = 1 the variance
    is 0, since alpha_bar_0 = 1: the last step adds no noise by itself."""
    alpha, a, before = schedule.alpha[t], schedule.alpha_bar[t], schedule.alpha_bar[t - 1]
    mean = (x_t - (1 - alpha) / (1 - a).sqrt() * eps_hat) / alpha.sqrt()
    var = (1 - before) / (1 - a) * (1 - alpha)
    return mean + var.sqrt() * z


def _mean(x_t, eps_hat, t, schedule):
    return (x_t - schedule.beta[t] / (1 - schedule.alpha_bar[t]).sqrt() * eps_hat) / schedule.alpha[t].sqrt()


@ddpm_step.wrong(
    "z is multiplied by the variance. Noise is scaled by the root of its variance; section 5.3 shows what the slip does."
)
def noise_times_variance(x_t, eps_hat, t, z, schedule):
    return _mean(x_t, eps_hat, t, schedule) + schedule.posterior_var[t] * z


@ddpm_step.wrong(
    "That is the other choice of Ho et al., with the variance beta_t, and it adds noise at t = 1 too. The exercise asks for "
    "beta-tilde_t."
)
def beta_even_in_last_step(x_t, eps_hat, t, z, schedule):
    return _mean(x_t, eps_hat, t, schedule) + schedule.beta[t].sqrt() * z


@ddpm_step.wrong("The noise eps_hat is added here. The step back takes it away.")
def noise_added_not_removed(x_t, eps_hat, t, z, schedule):
    mean = (x_t + schedule.beta[t] / (1 - schedule.alpha_bar[t]).sqrt() * eps_hat) / schedule.alpha[t].sqrt()
    return mean + schedule.posterior_var[t].sqrt() * z


@ddpm_step.wrong("The shrinking is not undone: the bracket must be divided by sqrt(alpha_t).")
def shrinking_not_undone(x_t, eps_hat, t, z, schedule):
    mean = x_t - schedule.beta[t] / (1 - schedule.alpha_bar[t]).sqrt() * eps_hat
    return mean + schedule.posterior_var[t].sqrt() * z


@ddpm_step.wrong("In the bracket 1 - alpha_bar_t lacks its root: the noise in x_t is sqrt(1 - alpha_bar_t) eps.")
def bracket_without_root(x_t, eps_hat, t, z, schedule):
    mean = (x_t - schedule.beta[t] / (1 - schedule.alpha_bar[t]) * eps_hat) / schedule.alpha[t].sqrt()
    return mean + schedule.posterior_var[t].sqrt() * z


@ddpm_step.wrong(
    "In the bracket 1 - alpha_t has become 1 - alpha_bar_t, so all of the noise is taken away. One step takes away a little "
    "of it."
)
def all_noise_taken_away(x_t, eps_hat, t, z, schedule):
    mean = (x_t - (1 - schedule.alpha_bar[t]).sqrt() * eps_hat) / schedule.alpha[t].sqrt()
    return mean + schedule.posterior_var[t].sqrt() * z


@ddpm_step.wrong("Only the bracket is divided by sqrt(alpha_t). The fresh noise is added after it, as it is.")
def fresh_noise_divided_too(x_t, eps_hat, t, z, schedule):
    return _mean(x_t, eps_hat, t, schedule) + (schedule.posterior_var[t] / schedule.alpha[t]).sqrt() * z


@ddpm_step.wrong("That is the mean alone. Fresh noise is missing: without it all walks come closer together at each step.")
def mean_without_fresh_noise(x_t, eps_hat, t, z, schedule):
    return _mean(x_t, eps_hat, t, schedule)


@ddpm_step.wrong(
    "That is the other choice of Ho et al., with the variance beta_t. It is not wrong, but the exercise asks for beta-tilde_t."
)
def beta_except_last_step(x_t, eps_hat, t, z, schedule):
    return _mean(x_t, eps_hat, t, schedule) + (schedule.beta[t].sqrt() * z if t > 1 else 0)


@ddpm_step.wrong("Only x_t is divided by sqrt(alpha_t). The whole bracket must be.")
def only_x_t_divided(x_t, eps_hat, t, z, schedule):
    mean = x_t / schedule.alpha[t].sqrt() - schedule.beta[t] / (1 - schedule.alpha_bar[t]).sqrt() * eps_hat
    return mean + schedule.posterior_var[t].sqrt() * z


@ddpm_step.wrong(
    "The shrinking of all t steps is undone here. One step back undoes that of one step: sqrt(alpha_t), not sqrt(alpha_bar_t)."
)
def shrinking_of_all_steps_undone(x_t, eps_hat, t, z, schedule):
    a = schedule.alpha_bar[t]
    return (x_t - schedule.beta[t] / (1 - a).sqrt() * eps_hat) / a.sqrt() + schedule.posterior_var[t].sqrt() * z


@ddpm_step.wrong("The bracket is divided by alpha_t. The step has shrunk the picture by the root of it, sqrt(alpha_t).")
def divided_without_root(x_t, eps_hat, t, z, schedule):
    mean = _mean(x_t, eps_hat, t, schedule) / schedule.alpha[t].sqrt()
    return mean + schedule.posterior_var[t].sqrt() * z


# in section 5.4, after the large steps are introduced


def _strides(g):
    """The number of steps and the schedule; T is a multiple of it."""
    return [
        ("a few steps", 10, drawn(g, 1000)),
        ("a few steps", 8, drawn(g, 200)),
        ("many steps", 50, drawn(g, 600)),
        ("a short schedule", 5, drawn(g, 20)),
        ("a short schedule", 4, drawn(g, 12)),
        ("all steps", 16, drawn(g, 16)),
        ("a single step", 1, drawn(g, 30)),
    ]


@write(
    _strides,
    number="5.2",
    title="Fewer, larger steps",
    line="L21",
    question="`my_strided(steps, schedule)` returns two tables. First the steps to visit, whole numbers of shape `(steps + "
    "1,)`, evenly spread from $T=$ `schedule.T` down to 0, both included; then what stands for $\\beta_t$ (see above)"
    " in each large step between them, of shape `(steps,)`. $T$ is a multiple of `steps`.",
    hints=[
        "How far apart are two visited numbers? torch.arange(start, end, step) leaves out its end.",
        "A large step from t back to s keeps a share of the variance. It is a quotient of two entries of alpha_bar.",
    ],
    package=(timesteps,),
)
def strided(steps, schedule):
    """The walk must begin at T, since that is where x_T is noise, and end at 0, the picture. From s to t the forward
    process keeps the share alpha_bar_t / alpha_bar_s of the variance, whatever lies between, and adds noise of variance 1
    minus that. The single beta_t of the fine schedule would be far too small for such a step."""
    visit = torch.arange(schedule.T, -1, -(schedule.T // steps))
    a = schedule.alpha_bar[visit]
    return visit, 1 - a[:-1] / a[1:]


def _visit(steps, schedule):
    return torch.arange(schedule.T, -1, -(schedule.T // steps))


@strided.wrong("The numbers are right. The other table is still beta of the fine schedule, which belongs to single steps.")
def beta_of_single_steps(steps, schedule):
    visit = _visit(steps, schedule)
    return visit, schedule.beta[visit[:-1]]


@strided.wrong(
    "The numbers are right. The betas of all steps between are added up, but each later step also shrinks the noise of "
    "those before it."
)
def betas_added_up(steps, schedule):
    visit = _visit(steps, schedule)
    total = schedule.beta.cumsum(0)[visit]
    return visit, total[:-1] - total[1:]


@strided.wrong("The numbers are right. The other table holds the share that is kept, for alpha_t. For beta_t it is 1 minus that.")
def kept_share_for_beta(steps, schedule):
    visit = _visit(steps, schedule)
    a = schedule.alpha_bar[visit]
    return visit, a[:-1] / a[1:]


@strided.wrong(
    "The numbers are right. The quotient is upside down, so the result is negative: alpha_bar falls with t, and the kept "
    "share is below 1."
)
def quotient_upside_down(steps, schedule):
    visit = _visit(steps, schedule)
    a = schedule.alpha_bar[visit]
    return visit, 1 - a[1:] / a[:-1]


@strided.wrong("The numbers rise. A sampler begins at T, where the noise is, and walks down to 0.")
def steps_in_rising_order(steps, schedule):
    visit = _visit(steps, schedule).flip(0)
    a = schedule.alpha_bar[visit]
    return visit, 1 - a[1:] / a[:-1]


@strided.wrong("These end at 1, not at 0. Index 0 is the clean picture, and the last step leads there.")
def steps_end_at_one(steps, schedule):
    visit = torch.linspace(schedule.T, 1, steps + 1).round().long()
    a = schedule.alpha_bar[visit]
    return visit, 1 - a[:-1] / a[1:]


@strided.wrong("These begin at T - 1. The start is noise of step T, so T is the first step to be visited.")
def steps_begin_one_short(steps, schedule):
    visit = (_visit(steps, schedule) - 1).clamp(min=0)
    a = schedule.alpha_bar[visit]
    return visit, 1 - a[:-1] / a[1:]


@strided.wrong("The last step is missing: the numbers must end at 0, so that the walk ends at a clean picture.")
def last_visit_missing(steps, schedule):
    visit = _visit(steps, schedule)
    a = schedule.alpha_bar[visit]
    return visit[:-1], 1 - a[:-1] / a[1:]


@strided.wrong(
    "The numbers are right. The other table is the posterior's variance of each step. What stands for beta_t is the "
    "variance of the step forward."
)
def variance_of_the_posterior(steps, schedule):
    visit = _visit(steps, schedule)
    a = schedule.alpha_bar[visit]
    return visit, (1 - a[1:]) / (1 - a[:-1]) * (1 - a[:-1] / a[1:])


@strided.wrong("The numbers are right. 1 - alpha_bar_t is the noise of all steps since the clean picture. This step begins at s.")
def noise_since_clean_picture(steps, schedule):
    visit = _visit(steps, schedule)
    return visit, 1 - schedule.alpha_bar[visit[:-1]]


@strided.wrong("The numbers are right. The share that is kept is a quotient of two alpha_bar, not a difference.")
def difference_of_the_shares(steps, schedule):
    visit = _visit(steps, schedule)
    a = schedule.alpha_bar[visit]
    return visit, a[1:] - a[:-1]


@strided.wrong(
    "The numbers are right. The other table is in the opposite order: its first entry belongs to the step that begins at T."
)
def betas_in_opposite_order(steps, schedule):
    visit = _visit(steps, schedule)
    a = schedule.alpha_bar[visit]
    return visit, (1 - a[:-1] / a[1:]).flip(0)


@strided.wrong("The numbers are right. beta is a variance, so there is no root.")
def root_of_beta(steps, schedule):
    visit = _visit(steps, schedule)
    a = schedule.alpha_bar[visit]
    return visit, (1 - a[:-1] / a[1:]).sqrt()


@strided.wrong("The numbers lie `steps` apart. There should be as many steps as that, so they lie T / steps apart.")
def stride_equals_step_count(steps, schedule):
    visit = torch.arange(schedule.T, -1, -steps)
    a = schedule.alpha_bar[visit]
    return visit, 1 - a[:-1] / a[1:]


@strided.wrong("Both tables are right, but they come in the other order: first the numbers of the steps, then their betas.")
def two_tables_exchanged(steps, schedule):
    visit = _visit(steps, schedule)
    a = schedule.alpha_bar[visit]
    return 1 - a[:-1] / a[1:], visit


# at the end of section 5.4


class _EpsModel:
    """Stands in for a network, another one in each case: its answer depends on both of its inputs."""

    def __init__(self, g):
        self.scale = (0.5 + torch.rand((), generator=g, dtype=torch.float64)).item()

    def __call__(self, x_t, t, cond=None):
        return torch.tanh(self.scale * x_t) * (0.4 + 0.02 * told(t, x_t))


def _walks(g):
    """eps_model, x_T, the noise of each step and a short schedule."""
    cases = []
    for label, shape, T in (
        ("pictures", (4, 1, 6, 6), 5),
        ("pictures", (3, 1, 4, 4), 8),
        ("colour pictures", (2, 3, 4, 5), 3),
        ("points", (5, 2), 6),
        ("a batch of one", (1, 1, 6, 6), 4),
        ("points", (4, 2), 1),
    ):
        cases.append((label, _EpsModel(g), normal(g, *shape), normal(g, T + 1, *shape), drawn(g, T)))
    return cases


def walk_back(eps_model, x_T, z, schedule):
    x = x_T
    for t in range(schedule.T - 1, 0, -1):
        beta, a = schedule.beta[t], schedule.alpha_bar[t]
        x = (x - beta / (1 - a).sqrt() * eps_model(x, t)) / (1 - beta).sqrt()
        x = x + beta * z[t]
    return x


@write(
    _walks,
    number="5.3",
    title="Find three faults: a sampler",
    line="L21",
    given=walk_back,
    question="`my_walk_back` should be Algorithm 2 with $\\sigma_t^2=\\beta_t$ and no noise in the last step. `x_T` is noise "
    "of step $T=$ `schedule.T`, `z[t]` the fresh noise for step $t$, in the shape of `x_T`; `eps_model(x, t)` takes one "
    "number `t`. All three faults are found in published courses. Fix them.",
    hints=[
        "Which t does the first round of the loop have, and which step forward came last before x_T?",
        "beta is a variance. Which number turns z into noise of that variance?",
        "The tables of alpha_bar and beta do not switch the noise off in the last step. Which t is the last?",
    ],
)
def walk_back(eps_model, x_T, z, schedule):
    """None of the three raises an error. A loop from T - 1 leaves out the step of the strongest noise, and the network is
    told that there is less noise than there is. A variance in place of its root makes all pictures alike. Noise in the
    last step stays in the picture. A test on Gaussian data, where the variance at the end is known, finds each of them."""
    x = x_T
    for t in range(schedule.T, 0, -1):
        beta, a = schedule.beta[t], schedule.alpha_bar[t]
        x = (x - beta / (1 - a).sqrt() * eps_model(x, t)) / (1 - beta).sqrt()
        if t > 1:
            x = x + beta.sqrt() * z[t]
    return x


def _partly_fixed(name: str, start: bool, root: bool, last: bool):
    """The walk with some of the three faults fixed; its name says which."""

    def walk(eps_model, x_T, z, schedule):
        x = x_T
        for t in range(schedule.T if start else schedule.T - 1, 0, -1):
            beta, a = schedule.beta[t], schedule.alpha_bar[t]
            x = (x - beta / (1 - a).sqrt() * eps_model(x, t)) / (1 - beta).sqrt()
            if t > 1 or not last:
                x = x + (beta.sqrt() if root else beta) * z[t]
        return x

    walk.__name__ = name
    return walk


_START, _ROOT, _LAST = "the first step is left out", "a variance stands where its root belongs", "noise is added in the last step"
for _fixed, _left in (
    (("only_start_fixed", True, False, False), f"One of the three is fixed. Still wrong: {_ROOT}, and {_LAST}."),
    (("only_root_fixed", False, True, False), f"One of the three is fixed. Still wrong: {_START}, and {_LAST}."),
    (("only_last_step_fixed", False, False, True), f"One of the three is fixed. Still wrong: {_START}, and {_ROOT}."),
    (
        ("last_step_still_noisy", True, True, False),
        f"Two of the three are fixed. Still wrong: {_LAST}. At t = 1 the mean is the picture, as it is.",
    ),
    (
        ("root_still_missing", True, False, True),
        f"Two of the three are fixed. Still wrong: {_ROOT}. z has the variance 1, and sigma_t z should have beta_t.",
    ),
    (
        ("start_still_missing", False, True, True),
        f"Two of the three are fixed. Still wrong: {_START}. x_T is noise of step T, so the loop begins at T.",
    ),
):
    walk_back.wrong(_left)(_partly_fixed(*_fixed))


@walk_back.wrong(
    "The loop now begins at T, but it ends before t = 1, so the last step is missing. It is a step like the others, without "
    "noise."
)
def last_step_missing(eps_model, x_T, z, schedule):
    x = x_T
    for t in range(schedule.T, 1, -1):
        beta, a = schedule.beta[t], schedule.alpha_bar[t]
        x = (x - beta / (1 - a).sqrt() * eps_model(x, t)) / (1 - beta).sqrt() + beta.sqrt() * z[t]
    return x


@walk_back.wrong(
    "All three are fixed, but now the noise has the variance beta-tilde_t. That is not wrong, but the exercise asks for beta_t."
)
def beta_tilde_for_beta(eps_model, x_T, z, schedule):
    x = x_T
    for t in range(schedule.T, 0, -1):
        x = _mean(x, eps_model(x, t), t, schedule) + schedule.posterior_var[t].sqrt() * z[t]
    return x


@walk_back.wrong("Now no step adds noise. Only the last one, at t = 1, should add none.")
def no_step_adds_noise(eps_model, x_T, z, schedule):
    x = x_T
    for t in range(schedule.T, 0, -1):
        x = _mean(x, eps_model(x, t), t, schedule)
    return x


@walk_back.wrong("The noise is switched off one step too early: the last step is t = 1, and t = 2 still adds noise.")
def noise_ends_too_early(eps_model, x_T, z, schedule):
    x = x_T
    for t in range(schedule.T, 0, -1):
        x = _mean(x, eps_model(x, t), t, schedule) + (schedule.beta[t].sqrt() * z[t] if t > 2 else 0)
    return x


@walk_back.wrong("The noise is switched off in the first step, at t = T, which is the wrong end: the walk ends at t = 1.")
def noise_off_at_start(eps_model, x_T, z, schedule):
    x = x_T
    for t in range(schedule.T, 0, -1):
        x = _mean(x, eps_model(x, t), t, schedule) + (schedule.beta[t].sqrt() * z[t] if t < schedule.T else 0)
    return x


@walk_back.wrong(
    "The noise is multiplied by the square of beta_t. beta_t is a variance already; its root is the standard deviation."
)
def noise_times_squared_beta(eps_model, x_T, z, schedule):
    x = x_T
    for t in range(schedule.T, 0, -1):
        x = _mean(x, eps_model(x, t), t, schedule) + (schedule.beta[t] ** 2 * z[t] if t > 1 else 0)
    return x


@walk_back.wrong("The network is told t - 1. It looks at x_t, so it must be told t.")
def network_told_step_before(eps_model, x_T, z, schedule):
    x = x_T
    for t in range(schedule.T, 0, -1):
        x = _mean(x, eps_model(x, t - 1), t, schedule) + (schedule.beta[t].sqrt() * z[t] if t > 1 else 0)
    return x


@walk_back.wrong("The loop runs upwards, from t = 1 to T. x_T is noise of step T, so the walk begins there and goes down to 1.")
def loop_runs_upwards(eps_model, x_T, z, schedule):
    x = x_T
    for t in range(1, schedule.T + 1):
        x = _mean(x, eps_model(x, t), t, schedule) + (schedule.beta[t].sqrt() * z[t] if t > 1 else 0)
    return x


@walk_back.wrong("The noise of step t is z[t], as z has T + 1 entries, and that of step 0 is not used; here it is z[t - 1].")
def noise_of_the_step_before(eps_model, x_T, z, schedule):
    x = x_T
    for t in range(schedule.T, 0, -1):
        x = _mean(x, eps_model(x, t), t, schedule) + (schedule.beta[t].sqrt() * z[t - 1] if t > 1 else 0)
    return x


# in section 5.5, after the dial eta is introduced


def _dials(g):
    """x_t, eps_hat, t, s, eta, z and the schedule."""
    cases = []
    for label, shape, t, s, eta, T in (
        ("eta = 0 (DDIM)", (4, 1, 8, 8), 800, 600, 0.0, 1000),
        ("eta = 0 (DDIM)", (5, 2), 12, 7, 0.0, 15),
        ("eta = 1 (DDPM)", (4, 1, 8, 8), 9, 8, 1.0, 20),
        ("eta = 1 (DDPM)", (5, 2), 15, 9, 1.0, 18),
        ("eta in between", (1, 1, 8, 8), 18, 10, 0.5, 24),
        ("eta in between", (3, 3, 4, 5), 300, 200, 0.3, 400),
        ("a step to s = 0", (4, 2), 4, 0, 0.8, 12),
    ):
        cases.append((label, normal(g, *shape), normal(g, *shape), t, s, eta, normal(g, *shape), drawn(g, T)))
    return cases


@write(
    _dials,
    number="5.4",
    title="A step with a dial",
    line="L21",
    question="`my_ddim_step(x_t, eps_hat, t, s, eta, z, schedule)` returns $x_s$ by (12) and (16) above. `x_t`, `eps_hat` and "
    "`z` have the same shape; $t > s\\ge 0$ are step numbers for the whole batch, `eta` is a number from 0 to 1.",
    hints=[
        "In order: the guess x0_hat from x_t, then sigma, then the three terms of x_s.",
        "The two noises share the variance 1 - alpha_bar_s: the fresh one gets sigma squared of it, the old one the rest.",
        "Two checks: with eta = 0 the noise z has no effect, and at s = 0 the result is x0_hat.",
    ],
    package=(package_ddim_step,),
)
def ddim_step(x_t, eps_hat, t, s, eta, z, schedule):
    """Back to the guess of the picture, then forward to step s, along noise whose variance is 1 - alpha_bar_s in all. Of
    it the share sigma squared is fresh and the rest is the old noise eps_hat. So the dial changes how much is random, not
    how noisy x_s is."""
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    x0_hat = (x_t - (1 - a).sqrt() * eps_hat) / a.sqrt()
    sigma = eta * ((1 - a_s) / (1 - a) * (1 - a / a_s)).sqrt()
    return a_s.sqrt() * x0_hat + (1 - a_s - sigma**2).sqrt() * eps_hat + sigma * z


def _parts(x_t, eps_hat, t, s, schedule):
    """alpha_bar at s, the guess of the picture, and the posterior's variance."""
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    return a_s, (x_t - (1 - a).sqrt() * eps_hat) / a.sqrt(), (1 - a_s) / (1 - a) * (1 - a / a_s)


@ddim_step.wrong(
    "The old noise keeps its full weight although fresh noise is added, so x_s is too noisy: sigma squared must be subtracted."
)
def old_noise_at_full_weight(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, var = _parts(x_t, eps_hat, t, s, schedule)
    return a_s.sqrt() * x0_hat + (1 - a_s).sqrt() * eps_hat + eta * var.sqrt() * z


@ddim_step.wrong("sigma lacks its root: what stands in it is the posterior's variance, and sigma is a standard deviation.")
def sigma_without_root(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, var = _parts(x_t, eps_hat, t, s, schedule)
    sigma = eta * var
    return a_s.sqrt() * x0_hat + (1 - a_s - sigma**2).sqrt() * eps_hat + sigma * z


@ddim_step.wrong("eta stands under the root. It multiplies the standard deviation, so it belongs before the root.")
def eta_under_the_root(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, var = _parts(x_t, eps_hat, t, s, schedule)
    sigma = (eta * var).sqrt()
    return a_s.sqrt() * x0_hat + (1 - a_s - sigma**2).sqrt() * eps_hat + sigma * z


@ddim_step.wrong(
    "Under the root of the old noise sigma is subtracted, not its square. It is variances that add up to 1 - alpha_bar_s."
)
def sigma_subtracted_unsquared(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, var = _parts(x_t, eps_hat, t, s, schedule)
    sigma = eta * var.sqrt()
    return a_s.sqrt() * x0_hat + (1 - a_s - sigma).sqrt() * eps_hat + sigma * z


@ddim_step.wrong("The step goes back to x0_hat, and then forward to t again: the weights on the way forward must be those of s.")
def forward_to_same_step(x_t, eps_hat, t, s, eta, z, schedule):
    a = schedule.alpha_bar[t]
    _, x0_hat, var = _parts(x_t, eps_hat, t, s, schedule)
    sigma = eta * var.sqrt()
    return a.sqrt() * x0_hat + (1 - a - sigma**2).sqrt() * eps_hat + sigma * z


@ddim_step.wrong("x0_hat lacks its division: what is left of x_t without the noise is sqrt(alpha_bar_t) times the picture.")
def guess_not_divided(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, var = _parts(x_t, eps_hat, t, s, schedule)
    sigma = eta * var.sqrt()
    return (a_s * schedule.alpha_bar[t]).sqrt() * x0_hat + (1 - a_s - sigma**2).sqrt() * eps_hat + sigma * z


@ddim_step.wrong("eta is not used: that is the step with eta = 0, without fresh noise.")
def eta_taken_as_zero(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, _ = _parts(x_t, eps_hat, t, s, schedule)
    return a_s.sqrt() * x0_hat + (1 - a_s).sqrt() * eps_hat


@ddim_step.wrong("eta is not used: that is the step with eta = 1, which is DDPM's.")
def eta_taken_as_one(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, var = _parts(x_t, eps_hat, t, s, schedule)
    return a_s.sqrt() * x0_hat + (1 - a_s - var).sqrt() * eps_hat + var.sqrt() * z


@ddim_step.wrong(
    "sigma uses 1 - alpha_bar_t, the noise that one step from the clean picture adds. From s to t it is 1 - alpha_bar_t / "
    "alpha_bar_s."
)
def sigma_from_clean_picture(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, _ = _parts(x_t, eps_hat, t, s, schedule)
    sigma = eta * (1 - a_s).sqrt()
    return a_s.sqrt() * x0_hat + (1 - a_s - sigma**2).clamp(min=0).sqrt() * eps_hat + sigma * z


@ddim_step.wrong("sigma lacks its first factor, (1 - alpha_bar_s) / (1 - alpha_bar_t), so there is fresh noise at s = 0, too.")
def sigma_lacks_first_factor(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, _ = _parts(x_t, eps_hat, t, s, schedule)
    sigma = eta * (1 - schedule.alpha_bar[t] / a_s).sqrt()
    return a_s.sqrt() * x0_hat + (1 - a_s - sigma**2).clamp(min=0).sqrt() * eps_hat + sigma * z


@ddim_step.wrong("The weight of eps_hat lacks its root: what is left of the variance must become a standard deviation.")
def old_noise_without_root(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, var = _parts(x_t, eps_hat, t, s, schedule)
    sigma = eta * var.sqrt()
    return a_s.sqrt() * x0_hat + (1 - a_s - sigma**2) * eps_hat + sigma * z


@ddim_step.wrong("The weight of x0_hat lacks its root: the picture shrinks by sqrt(alpha_bar_s).")
def guess_weighted_without_root(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, var = _parts(x_t, eps_hat, t, s, schedule)
    sigma = eta * var.sqrt()
    return a_s * x0_hat + (1 - a_s - sigma**2).sqrt() * eps_hat + sigma * z


@ddim_step.wrong("x0_hat is kept within [-1, 1] here. That can help with pictures, but it is not part of (12).")
def guess_clamped(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, var = _parts(x_t, eps_hat, t, s, schedule)
    sigma = eta * var.sqrt()
    return a_s.sqrt() * x0_hat.clamp(-1, 1) + (1 - a_s - sigma**2).sqrt() * eps_hat + sigma * z


@ddim_step.wrong("That always goes to t - 1. The step leads to s, so alpha_bar_s belongs in all places.")
def always_one_step_down(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, var = _parts(x_t, eps_hat, t, t - 1, schedule)
    sigma = eta * var.sqrt()
    return a_s.sqrt() * x0_hat + (1 - a_s - sigma**2).sqrt() * eps_hat + sigma * z


@ddim_step.wrong("sigma is that of the step from t to t - 1. For a large step to s it is larger, as (16) says.")
def sigma_of_single_step(x_t, eps_hat, t, s, eta, z, schedule):
    a_s, x0_hat, _ = _parts(x_t, eps_hat, t, s, schedule)
    sigma = eta * schedule.posterior_var[t].sqrt()
    return a_s.sqrt() * x0_hat + (1 - a_s - sigma**2).clamp(min=0).sqrt() * eps_hat + sigma * z


# at the end of section 5.5


class _Net(nn.Module):
    """A small network with two batch norms: in training mode each item is seen relative to the batch that it stands in."""

    mean: torch.Tensor
    var: torch.Tensor

    def __init__(self, weight: torch.Tensor, training: bool):
        super().__init__()
        self.norm = nn.BatchNorm1d(len(weight), affine=False, dtype=torch.float64)
        self.weight = nn.Parameter(weight)
        self.register_buffer("mean", 0.3 * weight[0])
        self.register_buffer("var", 1 + weight[0] ** 2)
        self.train(training)

    def forward(self, x_t, t, cond=None):
        hidden = torch.tanh(self.norm(x_t) @ self.weight) * (1 - told(t, x_t) / 2000)
        return nn.functional.batch_norm(hidden, self.mean, self.var, training=self.training)


def _nets(g):
    """A network, x_T, the steps to visit and the schedule."""
    cases = []
    for label, batch, d, visit, training in (
        ("a network that was just trained", 6, 3, [1000, 400, 0], True),
        ("a network that was just trained", 4, 2, [1000, 500, 0], True),
        ("a network that was just trained", 5, 5, [800, 300, 0], True),
        ("a single step", 7, 3, [1000, 0], True),
        ("a network that was loaded", 5, 3, [1000, 300, 0], False),
        ("a network that was loaded", 3, 2, [600, 0], False),
    ):
        cases.append((label, _Net(normal(g, d, d), training), normal(g, batch, d), visit, drawn(g, visit[0])))
    return cases


def draw(net, x_T, visit, schedule):
    x = x_T
    with torch.no_grad():
        for t, s in pairwise(visit):
            a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
            eps_hat = net(x, torch.full((len(x),), t))
            x0_hat = (x - (1 - a).sqrt() * eps_hat) / a.sqrt()
            x = a_s.sqrt() * x0_hat + (1 - a_s).sqrt() * eps_hat
    return x


@write(
    _nets,
    number="5.5",
    title="Find the fault: a network still in training",
    line="L21",
    given=draw,
    question="`my_draw` is the sampler of this section, for points `x_T` of shape `(B, D)` and a `net` with batch norm, a "
    "`torch.nn.Module`. Right after training, what comes out of one $x_T$ changes with the other items of the batch; with "
    "the same network loaded from a file it does not. The formulas are right. Fix it.",
    hints=[
        "Some layers work differently while a network learns: dropout switches units off, batch norm looks at the whole batch.",
        "A torch.nn.Module has two modes, and it does not change them by itself. torch.no_grad() is about gradients only.",
    ],
)
def draw(net, x_T, visit, schedule):
    """After training a network is still in training mode: batch norm then uses the statistics of the batch at hand, and
    dropout switches off units at random. net.eval() ends that, for all layers; torch.no_grad() does not: it only saves
    computing gradients. The pictures are worse, and nothing says why, so the package's `sample` refuses a network in
    training mode."""
    net.eval()
    x = x_T
    with torch.no_grad():
        for t, s in pairwise(visit):
            a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
            eps_hat = net(x, torch.full((len(x),), t))
            x0_hat = (x - (1 - a).sqrt() * eps_hat) / a.sqrt()
            x = a_s.sqrt() * x0_hat + (1 - a_s).sqrt() * eps_hat
    return x


def _ddim(x, eps_hat, t, s, schedule):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    return a_s.sqrt() * (x - (1 - a).sqrt() * eps_hat) / a.sqrt() + (1 - a_s).sqrt() * eps_hat


@draw.wrong("net.eval() comes too late: the network has answered once in training mode before it. It belongs before the loop.")
def eval_mode_too_late(net, x_T, visit, schedule):
    x = x_T
    for t, s in pairwise(visit):
        x = _ddim(x, net(x, torch.full((len(x),), t)), t, s, schedule)
        net.eval()
    return x


@draw.wrong(
    "net.train() inside the loop puts the network back after the first step. It must stay in eval mode until the picture is done."
)
def train_mode_inside_loop(net, x_T, visit, schedule):
    x = x_T
    net.eval()
    for t, s in pairwise(visit):
        x = _ddim(x, net(x, torch.full((len(x),), t)), t, s, schedule)
        net.train()
    return x


@draw.wrong("net.train() switches training mode on, also for the loaded network. It needs the other mode.")
def train_mode_switched_on(net, x_T, visit, schedule):
    x = x_T
    net.train()
    for t, s in pairwise(visit):
        x = _ddim(x, net(x, torch.full((len(x),), t)), t, s, schedule)
    return x


@draw.wrong("net.training = False reaches the network itself, but not the layers in it. net.eval() goes through all of them.")
def only_network_itself_switched(net, x_T, visit, schedule):
    x = x_T
    net.training = False
    for t, s in pairwise(visit):
        x = _ddim(x, net(x, torch.full((len(x),), t)), t, s, schedule)
    return x


@draw.wrong("The layers are in eval mode now, but not the network around them, which normalises too. net.eval() reaches both.")
def only_layers_switched(net, x_T, visit, schedule):
    x = x_T
    for layer in net.children():
        layer.eval()
    for t, s in pairwise(visit):
        x = _ddim(x, net(x, torch.full((len(x),), t)), t, s, schedule)
    return x


# at the end of section 5.6


def _two_sets(g):
    """Two sets of points: drawn ones and real ones."""
    cases = []
    for label, n, m, d, std, shift in (
        ("sets of one kind", 50, 80, 3, 1.0, 0.0),
        ("sets of one kind", 40, 40, 2, 1.0, 0.0),
        ("too little spread", 60, 30, 2, 0.3, 0.0),
        ("the wrong place", 30, 50, 4, 1.0, 0.8),
        ("numbers", 25, 35, 1, 0.8, 0.2),
        ("small sets", 3, 4, 3, 1.2, 0.5),
    ):
        cases.append((label, std * normal(g, n, d) + shift + 1, normal(g, m, d) + 1))
    return cases


@write(
    _two_sets,
    number="5.6",
    title="Do two sets come from one source?",
    line="L21",
    question="`my_two_sample(drawn, real)` compares `(n, D)` points with `(m, D)` others. It returns two results of shape "
    "`(D,)`: the difference of the means, drawn minus real, in its standard errors; and the same for the squared "
    "deviations, each from its own set's mean. (A mean of $n$ numbers has the variance var$/n$, with `.var(0)`; those of "
    "two independent means add.)",
    hints=[
        "Write the comparison of two means as a function of its own. You need it twice.",
        "The squared deviations are n numbers in each column, with a mean and a variance like any others.",
        "The difference of two independent means has the variance var/n of the one plus var/m of the other.",
    ],
)
def two_sample(drawn, real):
    """A difference says nothing without its standard error: beyond about 4 of them, chance does not explain it. The first
    result finds a sampler that draws around the wrong place. The second finds the sigma without a root, whose pictures have the
    right mean and hardly any spread. Passing both does not prove that the sets agree, only that these two questions found
    no difference."""

    def apart(a, b):
        return (a.mean(0) - b.mean(0)) / (a.var(0) / len(a) + b.var(0) / len(b)).sqrt()

    squares = [(x - x.mean(0)) ** 2 for x in (drawn, real)]
    return apart(drawn, real), apart(*squares)


def _compared(drawn, real, error, square=lambda x: (x - x.mean(0)) ** 2):
    return tuple((a.mean(0) - b.mean(0)) / error(a, b) for a, b in ((drawn, real), (square(drawn), square(real))))


def _standard_error(a, b):
    return (a.var(0) / len(a) + b.var(0) / len(b)).sqrt()


@two_sample.wrong(
    "The differences are divided by standard deviations, so larger sets do not tell more. A mean of n numbers scatters less: "
    "var / n."
)
def divided_by_standard_deviations(drawn, real):
    return _compared(drawn, real, lambda a, b: (a.var(0) + b.var(0)).sqrt())


@two_sample.wrong("The two standard errors are added. Independent errors add as variances: add first, then take the root.")
def standard_errors_added(drawn, real):
    return _compared(drawn, real, lambda a, b: (a.var(0) / len(a)).sqrt() + (b.var(0) / len(b)).sqrt())


@two_sample.wrong("Only the drawn set's error is counted. The mean of the real set is uncertain, too: add its var / m.")
def only_drawn_error_counted(drawn, real):
    return _compared(drawn, real, lambda a, b: (a.var(0) / len(a)).sqrt())


@two_sample.wrong("Only the real set's error is counted. The mean of the drawn set is uncertain, too: add its var / n.")
def only_real_error_counted(drawn, real):
    return _compared(drawn, real, lambda a, b: (b.var(0) / len(b)).sqrt())


@two_sample.wrong("The root is missing: the differences are divided by a variance, not by a standard error.")
def error_without_root(drawn, real):
    return _compared(drawn, real, lambda a, b: _standard_error(a, b) ** 2)


@two_sample.wrong(
    "The first is right. The second takes squares of the points, not of their deviations, so a shifted mean would count as "
    "spread."
)
def squares_of_points(drawn, real):
    return _compared(drawn, real, _standard_error, lambda x: x**2)


@two_sample.wrong(
    "The first is right. In the second both sets' deviations are from the mean of the real set, so a shifted mean would "
    "count as spread."
)
def deviations_from_real_mean(drawn, real):
    first, second = _compared(drawn, real, _standard_error, lambda x: (x - real.mean(0)) ** 2)
    return first, second


@two_sample.wrong(
    "Here it is real minus drawn. The exercise asks for drawn minus real, so that too little spread comes out negative."
)
def real_minus_drawn(drawn, real):
    return _compared(real, drawn, _standard_error)


@two_sample.wrong(
    "The signs are lost. Keep them: they say on which side the drawn set lies, and whether it has too little spread or too much."
)
def signs_thrown_away(drawn, real):
    return tuple(x.abs() for x in _compared(drawn, real, _standard_error))


@two_sample.wrong(
    "The differences are not divided by anything. Without their standard errors nobody can say whether they are large."
)
def differences_not_divided(drawn, real):
    return _compared(drawn, real, lambda a, b: 1.0)


@two_sample.wrong(
    "The variances are divided by n. An estimate from n numbers with their own mean is divided by n - 1, as .var(0) does."
)
def variances_divided_by_n(drawn, real):
    return _compared(drawn, real, lambda a, b: (a.var(0, correction=0) / len(a) + b.var(0, correction=0) / len(b)).sqrt())


@two_sample.wrong(
    "The first is right. The second divides a difference of variances by the error of the means; the squared deviations "
    "have their own."
)
def spread_by_error_of_means(drawn, real):
    first, _ = _compared(drawn, real, _standard_error)
    return first, (drawn.var(0) - real.var(0)) / _standard_error(drawn, real)


@two_sample.wrong(
    "The first is right, the second nearly: .var(0) divides by n - 1. The exercise asks for the plain mean of the squared "
    "deviations."
)
def difference_of_unbiased_variances(drawn, real):
    first, _ = _compared(drawn, real, _standard_error)
    return first, (drawn.var(0) - real.var(0)) / _standard_error(*((x - x.mean(0)) ** 2 for x in (drawn, real)))


@two_sample.wrong("The first is right. The second uses the sizes of the deviations. Their squares are asked for.")
def deviations_not_squared(drawn, real):
    return _compared(drawn, real, _standard_error, lambda x: (x - x.mean(0)).abs())
