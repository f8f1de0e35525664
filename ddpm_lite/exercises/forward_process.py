"""The exercises of notebook 01: one step forward, schedules, and a walk of T steps."""

import math

import torch

from ..maths import gaussian
from .kit.asking import Answer
from .kit.drawing import normal
from .kit.drawing import schedule as drawn
from .kit.exercise import write

# in section 1.3, before the package's step is tested


def _steps(g):
    """x_{t-1}, t, eps and the schedule."""
    cases = []
    for label, shape, t, T in (
        ("pictures", (4, 1, 8, 8), 500, 1000),
        ("pictures", (6, 1, 6, 6), 7, 18),
        ("colour pictures", (3, 3, 5, 4), 13, 25),
        ("points", (5, 2), 140, 150),
        ("points", (2, 2), 10, 12),
        ("a batch of one", (1, 1, 8, 8), 3, 40),
        ("the first step", (4, 1, 8, 8), 1, 15),
        ("the last step", (4, 2), 20, 20),
    ):
        cases.append((label, normal(g, *shape), t, normal(g, *shape), drawn(g, T)))
    return cases


@write(
    _steps,
    number="1.1",
    title="One step forward",
    line="L8",
    question="""`my_q_step(x_prev, t, eps, schedule)` draws $x_t$ from $q(x_t\\mid x_{t-1})$ with the standard noise `eps`.
    `x_prev` is $x_{t-1}$, of the shape of `eps`; `t` is one number for the batch, $1\\le t\\le T$;
    `schedule.beta[t]` is $\\beta_t$.""",
    hints=[
        "A Gaussian is drawn as its mean plus something times standard noise. Both can be read off the formula.",
        "The second place in the formula is a variance. By what must noise of variance 1 be multiplied to have that variance?",
    ],
    package=(gaussian.q_step,),
)
def q_step(x_prev, t, eps, schedule):
    """The mean is the shrunk picture, sqrt(1 - beta_t) x_{t-1}. The noise must have the variance beta_t, so standard
    noise is multiplied by its root, the standard deviation. The squares of the two factors add up to 1: that keeps the
    variance of the whole at 1."""
    beta = schedule.beta[t]
    return (1 - beta).sqrt() * x_prev + beta.sqrt() * eps


@q_step.wrong(
    "The noise is multiplied by the variance beta_t, as in the line of section 1.4. The formula of q gives a variance: take its "
    "root."
)
def noise_times_variance(x_prev, t, eps, schedule):
    beta = schedule.beta[t]
    return (1 - beta).sqrt() * x_prev + beta * eps


@q_step.wrong("The picture is not shrunk, so the variance grows with each step. The mean is sqrt(1 - beta_t) times x_{t-1}.")
def picture_not_shrunk(x_prev, t, eps, schedule):
    return x_prev + schedule.beta[t].sqrt() * eps


@q_step.wrong("The noise is right, but the picture is shrunk by 1 - beta_t without its root. Then the variance falls below 1.")
def shrunk_without_root(x_prev, t, eps, schedule):
    beta = schedule.beta[t]
    return (1 - beta) * x_prev + beta.sqrt() * eps


@q_step.wrong("Both roots are missing. The squares of the two factors must add up to 1, not the factors themselves.")
def both_roots_missing(x_prev, t, eps, schedule):
    beta = schedule.beta[t]
    return (1 - beta) * x_prev + beta * eps


@q_step.wrong("The factors are swapped: a step with a small beta_t leaves nearly all of the picture.")
def factors_swapped(x_prev, t, eps, schedule):
    beta = schedule.beta[t]
    return beta.sqrt() * x_prev + (1 - beta).sqrt() * eps


@q_step.wrong("That is the jump from x_0 to x_t, with alpha_bar_t. Here the start is x_{t-1}, one step before: beta_t.")
def jump_from_the_start(x_prev, t, eps, schedule):
    a = schedule.alpha_bar[t]
    return a.sqrt() * x_prev + (1 - a).sqrt() * eps


@q_step.wrong("This uses the step before. The index of the tables is t: step t has beta[t], and beta[0] belongs to none.")
def beta_of_step_before(x_prev, t, eps, schedule):
    beta = schedule.beta[t - 1]
    return (1 - beta).sqrt() * x_prev + beta.sqrt() * eps


# in section 1.4, after the line with a slip


def _walks(g):
    """x0, a constant beta and the noise of n steps."""
    cases = []
    for label, shape, n, beta in (
        ("pictures", (4, 1, 8, 8), 5, 0.02),
        ("colour pictures", (2, 3, 5, 4), 3, 0.3),
        ("points", (5, 2), 8, 0.1),
        ("as many steps as points", (4, 4), 4, 0.2),
        ("a single step", (3, 1, 6, 6), 1, 0.4),
        ("many steps", (7,), 40, 0.05),
    ):
        cases.append((label, normal(g, *shape), beta, normal(g, n, *shape)))
    return cases


def chain(x0, beta, eps):
    x = x0
    for e in eps:
        x = (1 - beta) ** 0.5 * x + beta * e
    return x


@write(
    _walks,
    number="1.2",
    title="Find the fault: a chain that fades",
    line="L9",
    given=chain,
    question="""`my_chain` takes as many steps as `eps` has entries: shape `(n, ...)`, where `x0` has the shape `(...)`.
    In each step the noise should have the variance `beta`, and the chain should end with variance 1. This one ends far
    below 1. Fix it.""",
    hints=[
        "Follow the variance: if x has the variance V, what is its variance after one step of this code? Where does V settle?",
        "A factor before random numbers counts squared in their variance. The picture's factor takes care of that.",
    ],
)
def chain(x0, beta, eps):
    """Standard noise times b has the variance b^2, so noise of variance beta needs the factor sqrt(beta). Then the
    variance follows V = (1 - beta) V + beta, which settles at 1. Formulas use the variance and code uses the standard
    deviation: it is easy to lose a root on the way from one to the other."""
    x = x0
    for e in eps:
        x = (1 - beta) ** 0.5 * x + beta**0.5 * e
    return x


def _chain(x0, eps, keep, noise):
    for e in eps:
        x0 = keep * x0 + noise * e
    return x0


@chain.wrong(
    "The variance stays at 1 now, but the noise is as before, so a step adds only beta^2. The shrinking was right; the noise "
    "needs a root."
)
def shrinking_fitted_to_wrong_noise(x0, beta, eps):
    return _chain(x0, eps, (1 - beta**2) ** 0.5, beta)


@chain.wrong("The picture is no longer shrunk, so the variance grows without limit. That factor was right; look at the noise.")
def shrinking_dropped_noise_unchanged(x0, beta, eps):
    return _chain(x0, eps, 1.0, beta)


@chain.wrong(
    "The noise has its root, but now the picture lacks the root that it had: the variance ends below 1. Only one thing was wrong."
)
def root_moved_to_the_noise(x0, beta, eps):
    return _chain(x0, eps, 1 - beta, beta**0.5)


@chain.wrong("The noise has its root, but now the picture is not shrunk: the variance grows without limit.")
def noise_mended_shrinking_dropped(x0, beta, eps):
    return _chain(x0, eps, 1.0, beta**0.5)


@chain.wrong(
    "beta is squared now, which makes the noise weaker still. Noise of variance beta has the root of beta as its factor."
)
def beta_squared(x0, beta, eps):
    return _chain(x0, eps, (1 - beta) ** 0.5, beta**2)


@chain.wrong("This brings the variance to 1, but in one step: the noise is not multiplied at all. Its variance should be beta.")
def noise_not_multiplied(x0, beta, eps):
    return _chain(x0, eps, (1 - beta) ** 0.5, 1.0)


@chain.wrong(
    "The factors are right, but each step adds the same noise, the first. A chain needs fresh noise in each step: eps[k]."
)
def chain_repeats_first_noise(x0, beta, eps):
    return _chain(x0, [eps[0]] * len(eps), (1 - beta) ** 0.5, beta**0.5)


# in section 1.5, before the figure of the schedules

cosine = Answer(
    "c",
    {
        "a": "That is the linear schedule of Ho et al.: beta_t rises linearly. Half is gone at t = 260. The cosine is at one "
        "half in the middle.",
        "b": "That is the falling schedule: its large steps come first, so the signal drops at once. The cosine starts flat.",
        "d": "It is at one half in the middle, as it should be, but it falls at the same rate everywhere. The square of a "
        "cosine is flat at both ends.",
    },
    "At t = T/2 the square of the cosine of 45 degrees is 1/2, and at both ends the curve is flat: the first steps destroy "
    "little, and so do the last.",
    number="1.3",
    title="Which is the cosine?",
    line="L10",
    name="my_curve",
    options={
        "a": "half of the signal is gone at t = 260, nearly all at 700",
        "b": "half is gone at t = 35, nearly all at 300",
        "c": "half is gone at t = 497; flat at the start and at the end",
        "d": "a straight line from 1 to 0",
    },
    question="""Which curve in the figure is the cosine schedule, $\\bar\\alpha_t\\approx\\cos^2(\\pi t/2T)$?
    Answer with its letter, as in `my_curve = "a"`.""",
    hints=[
        "Put t = 0, t = T/2 and t = T into the formula.",
        "How steep is the square of a cosine where the cosine is 1, and where it is 0?",
    ],
)


# in section 1.5, before the schedule of one's own


def _ends(g):
    """T, beta_1 and beta_T."""
    return [
        ("many steps", 150, 1e-4, 0.02),
        ("few steps", 10, 0.01, 0.4),
        ("few steps", 5, 0.02, 0.5),
        ("two steps", 2, 0.1, 0.3),
        ("a falling schedule", 50, 0.2, 0.001),
        ("a falling schedule", 4, 0.5, 0.03),
    ]


@write(
    _ends,
    number="1.4",
    title="A schedule with given ends",
    line="L10",
    question="""In a *geometric* schedule each $\\beta_t$ is the one before times the same number. `my_geometric(T, beta_1,
    beta_T)` returns its table, of shape `(T + 1,)`: 0 at index 0, then $\\beta_1$ to $\\beta_T$, both ends exactly as
    given, $T\\ge 2$. (`Schedule.from_beta(table[1:])` makes a schedule of it.)""",
    hints=[
        "How many times do you multiply by the number on the way from beta_1 to beta_T? Not T times.",
        "So a power of it is beta_T / beta_1. Which root gives the number itself?",
        "torch.arange(n, dtype=torch.float64) gives 0, 1, ..., n - 1; a number to the power of a tensor is a tensor.",
    ],
)
def geometric(T, beta_1, beta_T):
    """From beta_1 to beta_T there are T - 1 steps, one fewer than there are numbers, so the factor is the root of order T
    - 1 of their ratio. The table starts with an entry for the clean picture, which has met no noise: then the index is
    t."""
    factor = (beta_T / beta_1) ** (1 / (T - 1))
    beta = beta_1 * factor ** torch.arange(T, dtype=torch.float64)
    return torch.cat([torch.zeros(1), beta])


def _table(beta):
    return torch.cat([torch.zeros(1, dtype=torch.float64), beta])


def _count(first, last):
    return torch.arange(first, last + 1, dtype=torch.float64)


@geometric.wrong("It ends one step short of beta_T: from beta_1 to beta_T there are T - 1 multiplications, not T.")
def ends_one_step_short(T, beta_1, beta_T):
    return _table(beta_1 * (beta_T / beta_1) ** (_count(0, T - 1) / T))


@geometric.wrong("It starts one step too late: the first entry after the 0 is beta_1 itself, the number to the power 0.")
def starts_one_step_late(T, beta_1, beta_T):
    return _table(beta_1 * (beta_T / beta_1) ** (_count(1, T) / (T - 1)))


@geometric.wrong("The end is right, but the start is not: the count runs from 1 to T over T. From beta_1 on it runs from 0.")
def right_end_wrong_start(T, beta_1, beta_T):
    return _table(beta_1 * (beta_T / beta_1) ** (_count(1, T) / T))


@geometric.wrong(
    "That is the linear schedule: each step adds the same number. In a geometric one each step multiplies by the same number."
)
def linear_schedule(T, beta_1, beta_T):
    return _table(torch.linspace(beta_1, beta_T, T, dtype=torch.float64))


@geometric.wrong(
    "That rises linearly in the root of beta, as in Stable Diffusion. The ends fit, but neighbours do not have a fixed ratio."
)
def linear_in_the_root(T, beta_1, beta_T):
    return _table(torch.linspace(beta_1**0.5, beta_T**0.5, T, dtype=torch.float64) ** 2)


@geometric.wrong("beta_1 stands at index 0. Index 0 is the clean picture, with 0; beta_1 belongs at index 1.")
def first_beta_at_index_zero(T, beta_1, beta_T):
    return beta_1 * (beta_T / beta_1) ** (_count(0, T) / T)


@geometric.wrong(
    "The values are right, but the entry for the clean picture is missing: put a 0 first, so that table[t] is beta_t."
)
def entry_of_clean_picture_missing(T, beta_1, beta_T):
    return beta_1 * (beta_T / beta_1) ** (_count(0, T - 1) / (T - 1))


@geometric.wrong("The two ends are swapped: index 1 holds beta_1, the last index beta_T.")
def ends_swapped(T, beta_1, beta_T):
    return _table(beta_T * (beta_1 / beta_T) ** (_count(0, T - 1) / (T - 1)))


# in section 1.6, after the walk of the density


def _short_walks(g):
    """x0, the noise of each step (entry 0 belongs to none) and the schedule."""
    cases = []
    for label, shape, T in (
        ("pictures", (4, 1, 8, 8), 5),
        ("colour pictures", (2, 3, 5, 4), 20),
        ("points", (5, 2), 8),
        ("as many points as steps", (4, 4), 4),
        ("many numbers", (30,), 10),
        ("a single step", (3, 1, 6, 6), 1),
    ):
        cases.append((label, normal(g, *shape), normal(g, T + 1, *shape), drawn(g, T)))
    return cases


def walk(x0, eps, schedule):
    x = x0
    for t in range(schedule.T):
        x = (1 - schedule.beta[t]).sqrt() * x + schedule.beta[t].sqrt() * eps[t]
    return x


@write(
    _short_walks,
    number="1.5",
    title="Find the fault: a walk that stops early",
    line="L6",
    given=walk,
    question="""`my_walk` should take all steps from $x_0$ to $x_T$. `eps` has the shape `(T + 1, ...)`: `eps[t]` is the
    noise of step $t$, and `eps[0]` belongs to no step. With $T = 1000$ nothing looks wrong; with $T = 1$ the picture
    comes back unchanged. Fix it.""",
    hints=[
        "Write down which numbers t takes for T = 3. Which should it take?",
        "What does a step with beta[0] do?",
    ],
)
def walk(x0, eps, schedule):
    """range(T) counts from 0 to T - 1, and t from 1 to T. The step at t = 0 does nothing, since beta_0 = 0, so
    no error is raised; what is missing is the last step, the largest. In a thousand steps one hardly shows: a test with
    T = 1 finds it at once."""
    x = x0
    for t in range(1, schedule.T + 1):
        x = (1 - schedule.beta[t]).sqrt() * x + schedule.beta[t].sqrt() * eps[t]
    return x


def _walk(x, pairs, schedule):
    for t, e in pairs:
        x = (1 - schedule.beta[t]).sqrt() * x + schedule.beta[t].sqrt() * e
    return x


@walk.wrong("All steps are taken now, but with the noise of the step before: step t has eps[t], and eps[0] belongs to no step.")
def noise_of_step_before(x0, eps, schedule):
    return _walk(x0, [(t, eps[t - 1]) for t in range(1, schedule.T + 1)], schedule)


@walk.wrong("The steps are taken from T down to 1. Forward means from 1 up to T: the order changes how much each noise counts.")
def steps_in_reverse_order(x0, eps, schedule):
    return _walk(x0, [(t, eps[t]) for t in range(schedule.T, 0, -1)], schedule)


@walk.wrong(
    "The noise is that of the right step now, but beta is still that of the step before: in step t both have the index t."
)
def only_beta_one_step_behind(x0, eps, schedule):
    x = x0
    for t in range(schedule.T):
        x = (1 - schedule.beta[t]).sqrt() * x + schedule.beta[t].sqrt() * eps[t + 1]
    return x


@walk.wrong("Each step adds the same noise now. A step has noise of its own: eps[t], with the t of the loop.")
def walk_repeats_one_noise(x0, eps, schedule):
    return _walk(x0, [(t, eps[1]) for t in range(1, schedule.T + 1)], schedule)


@walk.wrong(
    "That jumps to T at once. It has the right distribution, but it is not this walk: each eps[t] must have its own step."
)
def jump_to_the_end(x0, eps, schedule):
    a = schedule.alpha_bar[-1]
    return a.sqrt() * x0 + (1 - a).sqrt() * eps[-1]


@walk.wrong("The last step is there now, but the first is missing: t starts at 1.")
def first_step_missing(x0, eps, schedule):
    return _walk(x0, [(t, eps[t]) for t in range(2, schedule.T + 1)], schedule)


# in section 1.7, before the formula of the signal-to-noise ratio


def _spreads(g):
    """beta_1..beta_T and the variance of the data."""

    def beta(T):
        return torch.rand(T, generator=g, dtype=torch.float64) * 0.4 + 0.02

    return [
        ("data of variance 1", drawn(g, 150).beta[1:], 1.0),
        ("data of variance 1", beta(8), 1.0),
        ("narrow data", beta(6), 0.25),
        ("wide data", beta(7), 4.0),
        ("wide data", drawn(g, 20).beta[1:], 9.0),
        ("a single step", beta(1), 0.5),
    ]


@write(
    _spreads,
    number="1.6",
    title="Signal to noise",
    line="L6",
    question="""The signal-to-noise ratio of $x_t$ is the variance that is left of the data, divided by the variance of
    the noise so far. `my_snr(beta, data_var)` returns it for $t = 1..T$, shape `(T,)`. `beta` has the shape
    `(T,)`, with `beta[0]` $=\\beta_1$, and the data has the variance `data_var`, a number.""",
    hints=[
        "First the share of the data's variance that is left at each t, as in section 1.5.",
        "Data of variance 1 keeps the variance 1 at all t: what the signal has lost, the noise has gained.",
        "The noise does not depend on the data. So which of the two parts does data_var change?",
    ],
)
def snr(beta, data_var):
    """The share alpha_bar_t of the data's variance is left, and the noise has the variance 1 - alpha_bar_t. The noise
    does not depend on the data: for data of variance 4 the ratio is four times as high at every t. That is why data is
    scaled to a variance near 1 before a schedule is chosen."""
    alpha_bar = torch.cumprod(1 - beta, dim=0)
    return alpha_bar * data_var / (1 - alpha_bar)


def _left(beta):
    return (1 - beta).cumprod(0)


@snr.wrong("That is a ratio of standard deviations. The signal-to-noise ratio compares variances: leave out the roots.")
def ratio_of_standard_deviations(beta, data_var):
    return (_left(beta) * data_var / (1 - _left(beta))).sqrt()


@snr.wrong("It is upside down: that is noise to signal, which grows with t.")
def noise_to_signal(beta, data_var):
    return (1 - _left(beta)) / (_left(beta) * data_var)


@snr.wrong("data_var is not used. For data of variance 1 that is right; wider data has more signal against the same noise.")
def data_variance_ignored(beta, data_var):
    return _left(beta) / (1 - _left(beta))


@snr.wrong("data_var is squared here, as if it were a standard deviation. It is a variance already.")
def data_variance_squared(beta, data_var):
    return _left(beta) * data_var**2 / (1 - _left(beta))


@snr.wrong(
    "That divides the variance of x_t, signal and noise together, by the noise. Only the signal belongs above: this is "
    "1 too much."
)
def signal_and_noise_over_noise(beta, data_var):
    return (_left(beta) * data_var + 1 - _left(beta)) / (1 - _left(beta))


@snr.wrong("That is the signal's share of the whole variance of x_t. The exercise asks for the signal against the noise alone.")
def signal_share_of_the_whole(beta, data_var):
    return _left(beta) * data_var / (_left(beta) * data_var + 1 - _left(beta))


@snr.wrong("That looks at a single step, with beta_t. By step t all steps so far count: the product of 1 - beta.")
def single_step_only(beta, data_var):
    return (1 - beta) * data_var / beta


@snr.wrong(
    "Here the noise fills up what the data leaves of 1. Its variance is 1 - alpha_bar_t for any data, so the whole is not "
    "always 1."
)
def noise_fills_up_to_one(beta, data_var):
    return _left(beta) * data_var / (1 - _left(beta) * data_var)


@snr.wrong("These are decibels, ten times the logarithm. The ratio itself is asked for.")
def ratio_in_decibels(beta, data_var):
    return 10 / math.log(10) * (_left(beta) * data_var / (1 - _left(beta))).log()
