"""The exercises of notebook 02: the closed form q(x_t | x_0)."""

import torch

from ..maths import gaussian
from ..maths.schedule import Schedule
from .kit.asking import Prediction
from .kit.drawing import normal
from .kit.drawing import schedule as drawn
from .kit.exercise import write

SCHEDULE = Schedule.linear(1000)


# in section 2.1, before the product is computed


def _betas(g):
    """beta_1..beta_T."""

    def beta(T):
        return (torch.rand(T, generator=g, dtype=torch.float64) * 0.5 + 0.01,)

    return [
        ("many small steps", 1e-4 * (1 + 2 * torch.rand(300, generator=g, dtype=torch.float64))),
        ("large steps", drawn(g, 20).beta[1:]),
        ("steps of any size", *beta(7)),
        ("steps of any size", *beta(40)),
        ("a falling schedule", drawn(g, 25).beta[1:].sort(descending=True).values),
        ("two steps", *beta(2)),
        ("a single step", *beta(1)),
    ]


@write(
    _betas,
    number="2.1",
    title="From beta to alpha-bar",
    line="L13",
    question="""`my_alpha_bar(beta)` returns the table of all $\\bar\\alpha_t$ for $t = 0..T$, shape `(T + 1,)`, so that its
    index is $t$. `beta` has the shape `(T,)`, with `beta[0]` $=\\beta_1$.""",
    hints=[
        "Each entry is the one before times one more factor. torch has a function for such running products.",
        "The first entry is a product of no factors at all: nothing has happened to the picture yet.",
        "torch.cat puts tensors together, and torch.ones(1) is one of them.",
    ],
)
def alpha_bar(beta):
    """Each step keeps the share 1 - beta_t of the variance that is there, so the shares multiply. Before the first step all
    of the picture is left: a product of no factors is 1. With this entry at index 0 the index is t."""
    return torch.cat([torch.ones(1), (1 - beta).cumprod(0)])


@alpha_bar.wrong("The entry for t = 0 is missing: put a 1 before the others, so that the index is t.")
def entry_for_zero_missing(beta):
    return (1 - beta).cumprod(0)


@alpha_bar.wrong("alpha_bar_0 is 0 here. Before the first step all of the picture is left: a product of no factors is 1.")
def starts_at_zero(beta):
    return torch.cat([torch.zeros(1), (1 - beta).cumprod(0)])


@alpha_bar.wrong(
    "The betas are added up and subtracted from 1. Each step takes its share of what is left, not of the whole: shares multiply."
)
def betas_added_up(beta):
    return torch.cat([torch.ones(1), 1 - beta.cumsum(0)])


@alpha_bar.wrong("That is the product of the betas. Multiply the shares that are kept, 1 - beta.")
def product_of_betas(beta):
    return torch.cat([torch.ones(1), beta.cumprod(0)])


@alpha_bar.wrong("That is alpha_t, the share that one step keeps. alpha_bar_t is the product of all of them up to t.")
def share_of_one_step(beta):
    return torch.cat([torch.ones(1), 1 - beta])


@alpha_bar.wrong("The last entry is missing: the table ends at T - 1. It has T + 1 entries, one for t = 0 and one for each step.")
def last_entry_missing(beta):
    return torch.cat([torch.ones(1), (1 - beta).cumprod(0)])[:-1]


@alpha_bar.wrong("That is the root, which multiplies the picture. alpha_bar_t itself is the share of the variance.")
def root_of_the_product(beta):
    return torch.cat([torch.ones(1), (1 - beta).cumprod(0).sqrt()])


@alpha_bar.wrong("exp(-beta) is close to 1 - beta for small steps only. The shares are 1 - beta exactly.")
def exponential_of_summed_betas(beta):
    return torch.cat([torch.ones(1), (-beta.cumsum(0)).exp()])


@alpha_bar.wrong(
    "The product runs over the steps from t on, to the end. It should run over those up to t: later steps have not happened yet."
)
def product_of_later_steps(beta):
    return torch.cat([torch.ones(1), (1 - beta).flip(0).cumprod(0).flip(0)])


# in section 2.2, before the formula

variance = Prediction(
    round(float(1 - SCHEDULE.alpha_bar[500]), 2),
    "The shares of picture and noise add up to 1, so the noise has 1 - 0.079. The chains all start at the same pixel: all of "
    "their variance is noise.",
    number="2.2",
    title="The variance after 500 steps",
    line="L11",
    name="my_variance",
    tolerance=0.05,
    question="""20,000 chains start from the same pixel, $x_0 = 0.8$, and take the first 500 steps of the linear schedule. Guess
    the variance of their $x_{500}$, to two decimals, and keep it as `my_variance`. ($\\bar\\alpha_{500}$ = 0.079)""",
    hints=[
        "All chains start at the same value. What can make them differ?",
        "For data of variance 1 the variance stays at 1. The data's share of it after 500 steps is known.",
    ],
)


# in section 2.4, after the two formulas with a slip


def _films(g):
    """x0, eps, the steps to show and the schedule."""
    cases = []
    for label, shape, visit, T in (
        ("a picture", (1, 8, 8), [0, 5, 12, 20], 20),
        ("a colour picture", (3, 4, 5), [1, 100, 500, 900, 1000], 1000),
        ("a batch", (4, 1, 6, 6), [2, 6, 15, 17], 18),
        ("a point", (2,), [3, 13], 30),
        ("as many steps as pixels", (1, 4, 4), [1, 4, 9, 16], 25),
        ("a single step", (1, 8, 8), [7], 12),
    ):
        cases.append((label, normal(g, *shape), normal(g, *shape), visit, drawn(g, T)))
    return cases


def film(x0, eps, visit, schedule):
    frames = []
    for t in visit:
        a = schedule.alpha_bar[t]
        frames.append((1 - a).sqrt() * x0 + a.sqrt() * eps)
    return torch.stack(frames)


@write(
    _films,
    number="2.3",
    title="Find the fault: a film that runs backwards",
    line="L11",
    given=film,
    question="""`my_film` should show how `x0` disappears in the noise `eps`: frame `k` is $x_t$ at the step `t =
    visit[k]`. But it begins with noise and ends with the picture. `visit` is a list of rising steps, `x0` and `eps`
    have one shape, and the result has the shape `(len(visit), *x0.shape)`. Fix it.""",
    hints=[
        "Are the frames in the wrong order, or does each hold the wrong picture? Look at one frame, at t = 0.",
        "At t = 0 alpha_bar is 1. What must then be left of x0, and what of eps?",
    ],
)
def film(x0, eps, visit, schedule):
    """The weights are swapped, as in the first formula of section 2.4. alpha_bar_t is the share of the picture's variance, so
    its root belongs to x0, and the noise has the rest. The case t = 0 shows it at once: alpha_bar_0 = 1 must give x0
    back. Reversing the film does not help, since each frame would still be labelled with the wrong step."""
    frames = []
    for t in visit:
        a = schedule.alpha_bar[t]
        frames.append(a.sqrt() * x0 + (1 - a).sqrt() * eps)
    return torch.stack(frames)


def _frames(visit, weights, x0, eps):
    return torch.stack([signal * x0 + noise * eps for signal, noise in map(weights, visit)])


@film.wrong(
    "The frames are in reverse order now, but each is still wrong: frame k must be x_t at t = visit[k]. Look at the weights."
)
def frames_reversed(x0, eps, visit, schedule):
    a = schedule.alpha_bar
    return _frames(visit[::-1], lambda t: ((1 - a[t]).sqrt(), a[t].sqrt()), x0, eps)


@film.wrong(
    "With T - t the film runs the right way, but by the wrong amounts: the weights must be those of step t. They are only "
    "swapped."
)
def weights_of_mirrored_step(x0, eps, visit, schedule):
    a, T = schedule.alpha_bar, schedule.T
    return _frames(visit, lambda t: ((1 - a[T - t]).sqrt(), a[T - t].sqrt()), x0, eps)


@film.wrong(
    "The picture's weight is fixed, but the noise has the same weight now. It gets the rest: the root of 1 - alpha_bar_t."
)
def noise_weighted_like_picture(x0, eps, visit, schedule):
    a = schedule.alpha_bar
    return _frames(visit, lambda t: (a[t].sqrt(), a[t].sqrt()), x0, eps)


@film.wrong("The noise is fixed, but the picture has the same weight now. Its own is sqrt(alpha_bar_t).")
def picture_weighted_like_noise(x0, eps, visit, schedule):
    a = schedule.alpha_bar
    return _frames(visit, lambda t: ((1 - a[t]).sqrt(), (1 - a[t]).sqrt()), x0, eps)


@film.wrong(
    "The weights are in place now, but the noise lacks its root, as in the second formula of section 2.4: 1 - alpha_bar_t is its "
    "variance."
)
def film_noise_without_root(x0, eps, visit, schedule):
    a = schedule.alpha_bar
    return _frames(visit, lambda t: (a[t].sqrt(), 1 - a[t]), x0, eps)


@film.wrong("The weights are in place now, but both roots are gone: alpha_bar_t and 1 - alpha_bar_t are shares of the variance.")
def film_without_roots(x0, eps, visit, schedule):
    a = schedule.alpha_bar
    return _frames(visit, lambda t: (a[t], 1 - a[t]), x0, eps)


@film.wrong("alpha_t stands in place of alpha_bar_t: that is one step from x0, however large t is. All steps so far count.")
def alpha_instead_of_alpha_bar(x0, eps, visit, schedule):
    a = schedule.alpha
    return _frames(visit, lambda t: (a[t].sqrt(), (1 - a[t]).sqrt()), x0, eps)


# at the end of section 2.4


def _guesses(g):
    """x_t, eps_hat, t and the schedule."""
    cases = []
    for label, shape, t, T in (
        ("pictures", (4, 1, 8, 8), 500, 1000),
        ("pictures", (6, 1, 6, 6), 11, 24),
        ("colour pictures", (3, 3, 5, 4), 7, 15),
        ("points", (5, 2), 100, 120),
        ("a batch of one", (1, 1, 8, 8), 14, 30),
        ("the first step", (4, 2), 1, 18),
        ("the last step", (4, 1, 8, 8), 20, 20),
    ):
        cases.append((label, normal(g, *shape), normal(g, *shape), t, drawn(g, T)))
    return cases


@write(
    _guesses,
    number="2.4",
    title="Back to the picture",
    line="L12",
    question="""If the noise in $x_t$ is known, so is the picture. `my_x0_hat(x_t, eps_hat, t, schedule)` returns the $x_0$
    from which `x_t` was made with the noise `eps_hat`. Both have the same shape; `t` is one number for the
    batch, $0\\le t\\le T$. (A network will only guess the noise, and so the picture: hence the hats.)""",
    hints=[
        "Write down how x_t was made from x_0 and the noise, and solve that equation for x_0.",
        "Undo the last thing first: take the noise away, as much of it as there is in x_t, then the shrinking.",
    ],
    package=(gaussian.x0_from_eps,),
)
def x0_hat(x_t, eps_hat, t, schedule):
    """The jump is undone in the opposite order: first the noise is taken away, with the weight that it has in x_t, then
    the picture is scaled back to its size. At large t this divides by a small number (0.006 at t = 1000), so a small
    error in the noise becomes a large one in the picture."""
    a = schedule.alpha_bar[t]
    return (x_t - (1 - a).sqrt() * eps_hat) / a.sqrt()


@x0_hat.wrong("The shrinking is not undone: what is left without the noise is sqrt(alpha_bar_t) x_0. Divide by that root.")
def shrinking_not_undone(x_t, eps_hat, t, schedule):
    return x_t - (1 - schedule.alpha_bar[t]).sqrt() * eps_hat


@x0_hat.wrong("It is divided by alpha_bar_t. The picture was multiplied by its root, so the root undoes it.")
def division_without_root(x_t, eps_hat, t, schedule):
    a = schedule.alpha_bar[t]
    return (x_t - (1 - a).sqrt() * eps_hat) / a


@x0_hat.wrong("The noise lacks its root: in x_t it has the factor sqrt(1 - alpha_bar_t), so that much must be taken away.")
def noise_taken_without_root(x_t, eps_hat, t, schedule):
    a = schedule.alpha_bar[t]
    return (x_t - (1 - a) * eps_hat) / a.sqrt()


@x0_hat.wrong("All of eps_hat is taken away, with the factor 1. x_t holds only sqrt(1 - alpha_bar_t) of it.")
def all_noise_taken_away(x_t, eps_hat, t, schedule):
    return (x_t - eps_hat) / schedule.alpha_bar[t].sqrt()


@x0_hat.wrong("The noise is added once more. It was added on the way to x_t; the way back takes it away.")
def noise_added_again(x_t, eps_hat, t, schedule):
    a = schedule.alpha_bar[t]
    return (x_t + (1 - a).sqrt() * eps_hat) / a.sqrt()


@x0_hat.wrong("Only x_t is divided. The noise must be divided, too: put brackets round the difference.")
def only_x_t_divided(x_t, eps_hat, t, schedule):
    a = schedule.alpha_bar[t]
    return x_t / a.sqrt() - (1 - a).sqrt() * eps_hat


@x0_hat.wrong("It is multiplied by sqrt(alpha_bar_t) where it should be divided: the picture would shrink a second time.")
def multiplied_instead_of_divided(x_t, eps_hat, t, schedule):
    a = schedule.alpha_bar[t]
    return (x_t - (1 - a).sqrt() * eps_hat) * a.sqrt()


@x0_hat.wrong("That undoes one step, with alpha_t. To go back to x_0 all steps are undone at once: alpha_bar_t.")
def only_one_step_undone(x_t, eps_hat, t, schedule):
    a = schedule.alpha[t]
    return (x_t - (1 - a).sqrt() * eps_hat) / a.sqrt()


@x0_hat.wrong("The two weights are swapped: sqrt(alpha_bar_t) belongs to the picture, sqrt(1 - alpha_bar_t) to the noise.")
def weights_swapped_going_back(x_t, eps_hat, t, schedule):
    a = schedule.alpha_bar[t]
    return (x_t - a.sqrt() * eps_hat) / (1 - a).sqrt()


@x0_hat.wrong("Both roots are missing: the noise has the factor sqrt(1 - alpha_bar_t) in x_t, the picture sqrt(alpha_bar_t).")
def both_roots_missing_going_back(x_t, eps_hat, t, schedule):
    a = schedule.alpha_bar[t]
    return (x_t - (1 - a) * eps_hat) / a


# at the end of section 2.5, before the formula of section 2.6


def _later(g):
    """x_s, s, t, eps and the schedule."""
    cases = []
    for label, shape, s, t, T in (
        ("pictures", (4, 1, 8, 8), 200, 400, 1000),
        ("pictures", (6, 1, 6, 6), 3, 17, 20),
        ("colour pictures", (3, 3, 5, 4), 8, 11, 26),
        ("points", (5, 2), 100, 130, 150),
        ("a batch of one", (1, 1, 8, 8), 5, 15, 18),
        ("a single step", (4, 2), 12, 13, 30),
        ("from the clean picture", (4, 1, 8, 8), 0, 9, 14),
    ):
        cases.append((label, normal(g, *shape), s, t, normal(g, *shape), drawn(g, T)))
    return cases


@write(
    _later,
    number="2.5",
    title="From any step to a later one",
    line="L11",
    question="""You have $x_s$, not $x_0$, and want $x_t$ with $0\\le s < t\\le T$, in one jump. `my_further(x_s, s, t, eps,
    schedule)` returns it. `x_s` and the standard noise `eps` have the same shape, `s` and `t` are numbers;
    `schedule.alpha_bar[t]` is $\\bar\\alpha_t$. (Section 2.6 shows the answer: try before you read on.)""",
    hints=[
        "The steps from s + 1 to t each keep a share. Their product is what is left on the way.",
        "You have the product of the first t shares and that of the first s. How do you get the product of those between?",
        "The rest is as for the jump from x_0: what is kept, and what the noise fills up. Both need a root.",
    ],
)
def further(x_s, s, t, eps, schedule):
    """On the way the steps s + 1 to t each keep their share. The product of these shares is alpha_bar_t without its first s
    factors, alpha_bar_t / alpha_bar_s. As in the jump from x_0, noise fills up what is missing to 1. With s = 0 it is the
    jump, with s = t - 1 it is one step."""
    kept = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    return kept.sqrt() * x_s + (1 - kept).sqrt() * eps


def _jump(kept, x, eps):
    return kept.sqrt() * x + (1 - kept).sqrt() * eps


@further.wrong("That is the jump from x_0, but x_s has met the noise of s steps already. Count only the steps after s.")
def jump_from_clean_picture(x_s, s, t, eps, schedule):
    return _jump(schedule.alpha_bar[t], x_s, eps)


@further.wrong(
    "That counts t - s steps, but from the start of the schedule. The steps from s + 1 to t are different ones, and mostly "
    "larger."
)
def steps_counted_from_start(x_s, s, t, eps, schedule):
    return _jump(schedule.alpha_bar[t - s], x_s, eps)


@further.wrong(
    "x_s is shrunk by the right factor, but the noise is that of the whole way from x_0. It must fill up what is missing."
)
def noise_of_whole_way(x_s, s, t, eps, schedule):
    a = schedule.alpha_bar
    return (a[t] / a[s]).sqrt() * x_s + (1 - a[t]).sqrt() * eps


@further.wrong(
    "The noise has the variance alpha_bar_s - alpha_bar_t, the difference of the shares. It is 1 minus what is kept, their ratio."
)
def difference_of_the_shares(x_s, s, t, eps, schedule):
    a = schedule.alpha_bar
    return (a[t] / a[s]).sqrt() * x_s + (a[s] - a[t]).sqrt() * eps


@further.wrong("The noise lacks its root: 1 minus the share that is kept is its variance.")
def further_noise_without_root(x_s, s, t, eps, schedule):
    kept = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    return kept.sqrt() * x_s + (1 - kept) * eps


@further.wrong("x_s lacks its root: what is kept is a share of the variance, so its root multiplies x_s.")
def further_picture_without_root(x_s, s, t, eps, schedule):
    kept = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    return kept * x_s + (1 - kept).sqrt() * eps


@further.wrong("The product includes step s, which x_s has behind it: the first step that still comes is s + 1.")
def reached_step_counted_again(x_s, s, t, eps, schedule):
    return _jump(schedule.alpha_bar[t] / schedule.alpha_bar[max(s - 1, 0)], x_s, eps)


@further.wrong("The weights are swapped: for a t just after s nearly all of x_s is kept.")
def further_weights_swapped(x_s, s, t, eps, schedule):
    kept = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    return (1 - kept).sqrt() * x_s + kept.sqrt() * eps


@further.wrong("That is one step, the last, with beta_t. The steps between s and t count as well: they keep a product of shares.")
def last_step_only(x_s, s, t, eps, schedule):
    return _jump(schedule.alpha[t], x_s, eps)


@further.wrong("Both roots are missing: what is kept and 1 minus it are shares of the variance, and their roots multiply.")
def further_both_roots_missing(x_s, s, t, eps, schedule):
    kept = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    return kept * x_s + (1 - kept) * eps


# in section 2.7, before the batch


def _noised(g):
    """x0, t for each item, eps and the schedule: pictures, points, a batch of one, the ends of the schedule."""
    cases = []
    for label, shape, T in (
        ("pictures", (4, 1, 8, 8), 1000),
        ("as many pictures as pixels in a row", (6, 1, 6, 6), 20),
        ("colour pictures", (3, 3, 4, 6), 50),
        ("points", (5, 2), 150),
        ("a batch of one", (1, 1, 8, 8), 30),
    ):
        for _ in range(2):
            t = torch.randint(1, T + 1, (shape[0],), generator=g)
            x0 = torch.rand(shape, generator=g, dtype=torch.float64) * 2 - 1
            cases.append((label, x0, t, normal(g, *shape), drawn(g, T)))
    ends = torch.tensor([0, 1, 40, 39])
    return [*cases, ("the ends of the schedule", normal(g, 4, 1, 5, 5), ends, normal(g, 4, 1, 5, 5), drawn(g, 40))]


@write(
    _noised,
    number="2.6",
    title="Jump to any step",
    line="L12",
    question="""Write $q(x_t\\mid x_0)$ as a draw: `my_q_sample(x0, t, eps, schedule)` returns $x_t$ for a batch in
    which each item has its own step. `x0` and `eps` have the same shape, `(B, C, H, W)` for pictures or `(B, D)` for points;
    `t` is `(B,)`.""",
    hints=[
        "Two numbers belong to each item: what is left of the picture, and how much noise there is. Both are roots.",
        "schedule.alpha_bar[t] has the shape (B,). To multiply (B, C, H, W) it needs the shape (B, 1, 1, 1).",
        "A tensor of any number of dimensions: reshape(-1, *[1] * (x0.ndim - 1)).",
    ],
    package=(gaussian.q_sample,),
)
def q_sample(x0, t, eps, schedule):
    """Mean sqrt(alpha_bar_t) x_0 and variance 1 - alpha_bar_t, so the noise is multiplied by the root of that variance."""
    a = schedule.alpha_bar[t].reshape(-1, *[1] * (x0.ndim - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def _of(table, x):
    return table.reshape(-1, *[1] * (x.ndim - 1))


@q_sample.wrong(
    "The noise is multiplied by the variance 1 - alpha_bar_t. It is its root, the standard deviation, that scales noise."
)
def noise_times_variance(x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t], x0)
    return a.sqrt() * x0 + (1 - a) * eps


@q_sample.wrong("The picture is multiplied by alpha_bar_t, which is its share of the variance. Its root multiplies the picture.")
def picture_times_variance_share(x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t], x0)
    return a * x0 + (1 - a).sqrt() * eps


@q_sample.wrong("Both roots are missing: alpha_bar_t and 1 - alpha_bar_t are shares of the variance, and pictures have its root.")
def both_roots_missing(x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t], x0)
    return a * x0 + (1 - a) * eps


@q_sample.wrong("The weights are swapped: at t = 1 nearly all of the picture is left, so sqrt(alpha_bar_t) belongs to x0.")
def weights_swapped(x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t], x0)
    return (1 - a).sqrt() * x0 + a.sqrt() * eps


@q_sample.wrong("That is one step from x_{t-1}, with beta_t. To jump from x_0 all the steps count: alpha_bar_t, their product.")
def single_step_with_beta(x0, t, eps, schedule):
    beta = _of(schedule.beta[t], x0)
    return (1 - beta).sqrt() * x0 + beta.sqrt() * eps


@q_sample.wrong("This is one step short: alpha_bar[t] is the product of all steps up to t, and index 0 is the clean picture.")
def one_step_short(x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t - 1], x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


@q_sample.wrong(
    "All items are taken to the step of the first one. Each item has its own: alpha_bar[t] holds one number for each."
)
def step_of_first_item(x0, t, eps, schedule):
    a = schedule.alpha_bar[t[0]]
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


@q_sample.wrong(
    "The noise is taken away. That has the same distribution, as noise has no preferred sign, but the exercise asks for "
    "this eps, and a network is later asked for it: add it."
)
def noise_taken_away(x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t], x0)
    return a.sqrt() * x0 - (1 - a).sqrt() * eps


@q_sample.wrong("That is the mistaken mixture of section 4.2: its two weights are swapped, and alpha_bar_t lacks its root.")
def mixture_printed_on_the_slide(x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t], x0)
    return (1 - a).sqrt() * x0 + a * eps
