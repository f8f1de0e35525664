"""The exercises of notebook 04: the bound, the loss, its exact minimum, and what goes wrong around it."""

import torch
from torch import nn

from ..maths import oracle
from ..training.losses import eps_loss as package_eps_loss
from ..training.losses import low_discrepancy_t as package_low_discrepancy_t
from .bound import forward, log_average  # noqa: F401  # the first two
from .kit.drawing import normal, told
from .kit.drawing import schedule as drawn
from .kit.exercise import write


def _of(table, x):
    return table.reshape(-1, *[1] * (x.ndim - 1))


# in section 4.3, after (14) is printed


class _StandIn(nn.Module):
    """Stands in for a network with weights: its answer depends on both of its inputs."""

    def __init__(self, g):
        super().__init__()
        self.weights = nn.Parameter(0.5 + torch.rand(2, generator=g, dtype=torch.float64), requires_grad=False)

    def forward(self, x_t, t, cond=None):
        if x_t.ndim < 2:
            raise TypeError("the network takes the noisy pictures first, then their steps t.")
        return self.weights[0] * torch.sin(x_t) * (1 + self.weights[1] * told(t, x_t).double().sin())  # t - 1 is far from t


def _batches(g):
    """eps_model, x0, t, eps and the schedule: pictures, points, a batch of one."""
    cases = []
    for label, shape, T in (
        ("pictures", (4, 1, 8, 8), 1000),
        ("pictures", (6, 1, 6, 6), 400),
        ("colour pictures", (3, 3, 4, 5), 150),
        ("points", (5, 2), 20),
        ("points", (2, 2), 600),
        ("a batch of one", (1, 1, 8, 8), 50),
    ):
        t = torch.randint(1, T + 1, (shape[0],), generator=g)
        cases.append((label, _StandIn(g), normal(g, *shape), t, normal(g, *shape), drawn(g, T)))
    return cases


@write(
    _batches,
    number="4.3",
    title="The loss of a batch",
    line="L20",
    question="Write (14) as code: `my_eps_loss(eps_model, x0, t, eps, schedule)` returns one number, the squared error "
    "averaged over batch and pixels. `x0` and `eps` have the same shape, `(B, C, H, W)` or `(B, D)`; `t` is `(B,)`, each "
    "$1\\le t\\le T$; `eps_model(x_t, t)` returns the shape of `x_t`.",
    hints=[
        "Three lines: mix picture and noise as the closed form says, ask the network about the mixture, compare its answer.",
        "alpha_bar at t has the shape (B,). To multiply (B, C, H, W) it needs the shape (B, 1, 1, 1).",
        "The network predicts the noise, so its answer is compared with eps.",
    ],
    package=(package_eps_loss,),
    trained="eps_model",
)
def eps_loss(eps_model, x0, t, eps, schedule):
    """The network sees the noisy picture and the step, never the clean picture or the noise. Its answer is compared with
    the noise that was mixed in. Because the noise was drawn fresh, there is a new example each time, from the same
    pictures."""
    a = schedule.alpha_bar[t].reshape(-1, *[1] * (x0.ndim - 1))
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * eps
    return ((eps - eps_model(x_t, t)) ** 2).mean()


def _mixed(x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t], x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


@eps_loss.wrong(
    "The network sees the mistaken mixture of section 4.2, whose weights are swapped: sqrt(alpha_bar_t) belongs to x0, and the "
    "noise is "
    "multiplied by sqrt(1 - alpha_bar_t)."
)
def mixture_of_the_slide(eps_model, x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t], x0)
    return ((eps - eps_model((1 - a).sqrt() * x0 + a * eps, t)) ** 2).mean()


@eps_loss.wrong("The weights are swapped: at t = 1 nearly all of the picture is left, so sqrt(alpha_bar_t) belongs to x0.")
def mixture_weights_swapped(eps_model, x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t], x0)
    return ((eps - eps_model((1 - a).sqrt() * x0 + a.sqrt() * eps, t)) ** 2).mean()


@eps_loss.wrong(
    "The noise is mixed in with the variance 1 - alpha_bar_t. It is the root, the standard deviation, that scales noise."
)
def noise_mixed_by_variance(eps_model, x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t], x0)
    return ((eps - eps_model(a.sqrt() * x0 + (1 - a) * eps, t)) ** 2).mean()


@eps_loss.wrong("The network was asked about the clean picture x0. There is no noise in it to predict: ask it about x_t.")
def asked_about_clean_picture(eps_model, x0, t, eps, schedule):
    return ((eps - eps_model(x0, t)) ** 2).mean()


@eps_loss.wrong("The answer is compared with the clean picture. This network predicts the noise, so compare with eps.")
def compared_with_clean_picture(eps_model, x0, t, eps, schedule):
    return ((x0 - eps_model(_mixed(x0, t, eps, schedule), t)) ** 2).mean()


@eps_loss.wrong(
    "The squares are summed over the pixels of each picture, as (14) is printed. The exercise asks for the average over pixels "
    "too."
)
def summed_over_pixels(eps_model, x0, t, eps, schedule):
    return ((eps - eps_model(_mixed(x0, t, eps, schedule), t)) ** 2).flatten(1).sum(1).mean()


@eps_loss.wrong(
    "That is the absolute error. Its best answer is the median of the noises that fit, not their mean; (14) has the square."
)
def absolute_error(eps_model, x0, t, eps, schedule):
    return (eps - eps_model(_mixed(x0, t, eps, schedule), t)).abs().mean()


@eps_loss.wrong("That is the square of the average error, in which errors of opposite sign cancel. Square first, then average.")
def square_of_average_error(eps_model, x0, t, eps, schedule):
    return (eps - eps_model(_mixed(x0, t, eps, schedule), t)).mean() ** 2


@eps_loss.wrong("That is the root of the loss. (14) has no root: it would let a batch with one bad guess count for less.")
def root_of_the_loss(eps_model, x0, t, eps, schedule):
    return ((eps - eps_model(_mixed(x0, t, eps, schedule), t)) ** 2).mean().sqrt()


@eps_loss.wrong(
    "The mixture is one step short: alpha_bar[t] is the product of all steps up to t, and index 0 is the clean picture."
)
def mixture_one_step_short(eps_model, x0, t, eps, schedule):
    return ((eps - eps_model(_mixed(x0, t - 1, eps, schedule), t)) ** 2).mean()


@eps_loss.wrong("The network is told t / T. It is called with the step number t itself.")
def network_told_a_fraction(eps_model, x0, t, eps, schedule):
    return ((eps - eps_model(_mixed(x0, t, eps, schedule), t / schedule.T)) ** 2).mean()


@eps_loss.wrong(
    "The squares are added up over all of the batch. The exercise asks for their average, which does not grow with the batch."
)
def summed_over_everything(eps_model, x0, t, eps, schedule):
    return ((eps - eps_model(_mixed(x0, t, eps, schedule), t)) ** 2).sum()


@eps_loss.wrong("Both roots are missing: alpha_bar_t and 1 - alpha_bar_t are shares of the variance, and pictures have its root.")
def mixture_without_roots(eps_model, x0, t, eps, schedule):
    a = _of(schedule.alpha_bar[t], x0)
    return ((eps - eps_model(a * x0 + (1 - a) * eps, t)) ** 2).mean()


@eps_loss.wrong("That is one step, with alpha_t. To be at step t all steps count: alpha_bar_t, their product.")
def mixture_of_a_single_step(eps_model, x0, t, eps, schedule):
    a = _of(schedule.alpha[t], x0)
    return ((eps - eps_model(a.sqrt() * x0 + (1 - a).sqrt() * eps, t)) ** 2).mean()


@eps_loss.wrong("All items are mixed for the step of the first one. Each has its own: alpha_bar[t] holds one number for each.")
def one_step_for_all_items(eps_model, x0, t, eps, schedule):
    return ((eps - eps_model(_mixed(x0, t[:1].expand(len(t)), eps, schedule), t)) ** 2).mean()


@eps_loss.wrong(
    "The network is told t - 1, but the picture has met the noise of t steps: tell it the step that it was mixed for."
)
def network_told_the_step_before(eps_model, x0, t, eps, schedule):
    return ((eps - eps_model(_mixed(x0, t, eps, schedule), t - 1)) ** 2).mean()


# at the end of section 4.4


def _shifts(g):
    """n, T and the random shift."""
    return [
        ("a batch", 128, 1000, 0.37123),
        ("a batch", 16, 1000, 0.93417),
        ("a batch of one", 1, 1000, 0.61832),
        ("a batch of one", 1, 1000, 0.0),
        ("few steps", 7, 20, 0.28311),
        ("more pictures than steps", 12, 5, 0.74419),
        ("as many pictures as steps", 10, 10, 0.55712),
    ]


@write(
    _shifts,
    number="4.4",
    title="Steps that cover the range",
    line="L20",
    question="`my_low_discrepancy_t(n, T, shift)` returns `n` step numbers from 1 to $T$, whole numbers of shape `(n,)`. Lay "
    "$0, \\frac1n, \\dots, \\frac{n-1}n$ on a circle of length 1, move them all by `shift`, a number with $0\\le$ "
    "`shift` $<1$, and cut the circle into $T$ equal parts, numbered from 1. In which part does each lie?",
    hints=[
        "On a circle, what is moved past 1 comes in again at 0: the remainder of a division by 1.",
        "A place u, 0 <= u < 1, lies in one of T parts. Multiply by T and drop the decimals: which numbers come out?",
        "torch.arange(n) counts from 0 to n - 1, and .long() drops the decimals.",
    ],
    package=(package_low_discrepancy_t,),
)
def low_discrepancy_t(n, T, shift):
    """With a shift that is uniform on the circle each place is uniform too, so each t is uniform on 1..T and the loss
    stays right on average. Together the places are evenly spread, so no batch happens to hold mostly easy steps. The
    parts are numbered from 1, since t = 0 is the clean picture."""
    u = (shift + torch.arange(n) / n) % 1
    return (u * T).long() + 1


def _circle(n, shift):
    return (shift + torch.arange(n) / n) % 1


@low_discrepancy_t.wrong(
    "These run from 0 to T - 1. Step 0 is the clean picture, without noise to predict; the steps are 1 to T."
)
def starts_at_step_zero(n, T, shift):
    return (_circle(n, shift) * T).long()


@low_discrepancy_t.wrong("Some of these lie beyond T: the grid was moved, but what passes 1 must come in again at 0.")
def wrapping_around_missing(n, T, shift):
    return ((shift + torch.arange(n) / n) * T).long() + 1


@low_discrepancy_t.wrong(
    "The shift is not used, so each batch of this size gets the very same steps, and those between the grid's places never "
    "come up."
)
def shift_not_used(n, T, shift):
    return (torch.arange(n) / n * T).long() + 1


@low_discrepancy_t.wrong(
    "Rounded to the nearest number, 0 and T get only half of their share each, and then all is one too high. Drop the "
    "decimals instead."
)
def rounded_one_too_high(n, T, shift):
    return (_circle(n, shift) * T).round().long() + 1


@low_discrepancy_t.wrong(
    "Rounded to the nearest number, step 0 comes up, the clean picture, and T gets half of its share. Drop the decimals and "
    "add 1."
)
def rounded_to_step_zero(n, T, shift):
    return (_circle(n, shift) * T).round().long()


@low_discrepancy_t.wrong(
    "The grid runs from 0 to 1 with both ends, which are the same place on a circle: one step is drawn twice. It ends at (n "
    "- 1) / n."
)
def grid_with_both_ends(n, T, shift):
    return ((shift + torch.linspace(0, 1, n)) % 1 * T).long() + 1


@low_discrepancy_t.wrong("The circle is cut into T - 1 parts, so step T never comes: multiply by T.")
def one_part_too_few(n, T, shift):
    return (_circle(n, shift) * (T - 1)).long() + 1


@low_discrepancy_t.wrong("What passes the end is held at T, so T comes up far too often. On a circle it comes in again at 1.")
def held_at_last_step(n, T, shift):
    return ((shift + torch.arange(n) / n) * T).long().clamp(max=T - 1) + 1


@low_discrepancy_t.wrong("Rounded up, a place at 0 exactly gives step 0. Drop the decimals and add 1.")
def rounded_up(n, T, shift):
    return (_circle(n, shift) * T).ceil().long()


@low_discrepancy_t.wrong("These are the same steps in another order, since the grid begins at 1 / n here. It begins at 0.")
def grid_begins_one_gap_late(n, T, shift):
    return ((shift + torch.arange(1, n + 1) / n) % 1 * T).long() + 1


@low_discrepancy_t.wrong(
    "The grid is moved by shift / n, less than one of its gaps, so the first picture always gets a small t. Move it by all "
    "of shift."
)
def shift_divided_by_n(n, T, shift):
    return ((shift + torch.arange(n)) / n * T).long() + 1


@low_discrepancy_t.wrong("The remainder is taken too late: what should be step T comes out as 0. Take it before 1 is added.")
def remainder_taken_too_late(n, T, shift):
    return (((shift + torch.arange(n) / n) * T).long() + 1) % T


# after the loss of the autoencoder in section 4.6


class _Denoiser:
    """Stands in for an autoencoder, another one in each case."""

    def __init__(self, g):
        self.scale, self.shift = torch.rand(2, generator=g, dtype=torch.float64).tolist()

    def __call__(self, corrupted):
        return torch.tanh((0.5 + self.scale) * corrupted) + 0.2 * self.shift


def _noisy(g):
    """x_t, t, the autoencoder and the schedule."""
    cases = []
    for label, shape, T, steps in (
        ("pictures", (4, 1, 8, 8), 1000, (300, 20)),
        ("colour pictures", (3, 3, 4, 5), 600, (500,)),
        ("points", (5, 2), 800, (150, 600)),
        ("a batch of one", (1, 1, 8, 8), 200, (100,)),
        ("faint noise", (4, 1, 8, 8), 500, (2,)),
    ):
        cases += [(label, normal(g, *shape), t, _Denoiser(g), drawn(g, T)) for t in steps]
    return cases


@write(
    _noisy,
    number="4.5",
    title="An autoencoder predicts the noise",
    line="L5",
    question="`denoise(corrupted)` is an autoencoder, trained on $x_0+\\sigma_t\\,\\epsilon$ to return $\\hat x_0$. Ask it "
    "about our $x_t$: `my_three_names(x_t, t, denoise, schedule)` returns its guess as $\\hat x_0$, $\\hat\\epsilon$ "
    "and $\\hat v$ (section 4.5), each in the shape of `x_t`; `t` is one number for the batch.",
    hints=[
        "x_t holds a shrunken picture; the autoencoder expects it in full size. What must x_t be divided by?",
        "A guess of x0 gives one of the noise: solve the closed form for eps.",
        "v is the mixture of section 4.5, with the two guesses in place of eps and x0.",
    ],
)
def three_names(x_t, t, denoise, schedule):
    """x_t / sqrt(alpha_bar_t) = x_0 + sigma_t eps is just what the autoencoder was trained on. With x_t given, a guess of
    the picture fixes that of the noise, and both fix v: three names for one guess. So a denoising autoencoder of the
    right noise level can take one step of the chain."""
    a = schedule.alpha_bar[t]
    x0_hat = denoise(x_t / a.sqrt())
    eps_hat = (x_t - a.sqrt() * x0_hat) / (1 - a).sqrt()
    return x0_hat, eps_hat, a.sqrt() * eps_hat - (1 - a).sqrt() * x0_hat


def _named(x_t, a, x0_hat):
    eps_hat = (x_t - a.sqrt() * x0_hat) / (1 - a).sqrt()
    return x0_hat, eps_hat, a.sqrt() * eps_hat - (1 - a).sqrt() * x0_hat


@three_names.wrong(
    "The autoencoder was asked about x_t itself. It was trained on x_0 + sigma_t eps, so x_t must first be divided by "
    "sqrt(alpha_bar_t)."
)
def asked_about_unscaled_picture(x_t, t, denoise, schedule):
    return _named(x_t, schedule.alpha_bar[t], denoise(x_t))


@three_names.wrong("x_t was divided by alpha_bar_t. The picture in it is multiplied by the root, sqrt(alpha_bar_t).")
def input_divided_without_root(x_t, t, denoise, schedule):
    a = schedule.alpha_bar[t]
    return _named(x_t, a, denoise(x_t / a))


@three_names.wrong("In eps_hat the whole guess was taken away from x_t, but x_t holds only sqrt(alpha_bar_t) of the picture.")
def whole_guess_taken_away(x_t, t, denoise, schedule):
    a = schedule.alpha_bar[t]
    x0_hat = denoise(x_t / a.sqrt())
    eps_hat = (x_t - x0_hat) / (1 - a).sqrt()
    return x0_hat, eps_hat, a.sqrt() * eps_hat - (1 - a).sqrt() * x0_hat


@three_names.wrong("eps_hat was divided by the variance 1 - alpha_bar_t. The noise in x_t is multiplied by its root.")
def noise_divided_by_variance(x_t, t, denoise, schedule):
    a = schedule.alpha_bar[t]
    x0_hat = denoise(x_t / a.sqrt())
    eps_hat = (x_t - a.sqrt() * x0_hat) / (1 - a)
    return x0_hat, eps_hat, a.sqrt() * eps_hat - (1 - a).sqrt() * x0_hat


@three_names.wrong(
    "eps_hat lacks its division: what is left of x_t without the picture is sqrt(1 - alpha_bar_t) times the noise."
)
def noise_not_divided(x_t, t, denoise, schedule):
    a = schedule.alpha_bar[t]
    x0_hat = denoise(x_t / a.sqrt())
    eps_hat = x_t - a.sqrt() * x0_hat
    return x0_hat, eps_hat, a.sqrt() * eps_hat - (1 - a).sqrt() * x0_hat


@three_names.wrong(
    "x0_hat and eps_hat are right. v is the other combination: sqrt(alpha_bar_t) eps minus sqrt(1 - alpha_bar_t) x0; yours "
    "adds up to x_t."
)
def wrong_combination_for_v(x_t, t, denoise, schedule):
    x0_hat, eps_hat, _ = _named(x_t, schedule.alpha_bar[t], denoise(x_t / schedule.alpha_bar[t].sqrt()))
    return x0_hat, eps_hat, x_t


@three_names.wrong("x0_hat and eps_hat are right. In v the two weights are swapped: near t = 0 it is nearly the noise.")
def weights_of_v_swapped(x_t, t, denoise, schedule):
    a = schedule.alpha_bar[t]
    x0_hat, eps_hat, _ = _named(x_t, a, denoise(x_t / a.sqrt()))
    return x0_hat, eps_hat, (1 - a).sqrt() * eps_hat - a.sqrt() * x0_hat


@three_names.wrong("x0_hat and eps_hat are right. v has the wrong sign: the noise counts positive in it, the picture negative.")
def sign_of_v_reversed(x_t, t, denoise, schedule):
    a = schedule.alpha_bar[t]
    x0_hat, eps_hat, v_hat = _named(x_t, a, denoise(x_t / a.sqrt()))
    return x0_hat, eps_hat, -v_hat


@three_names.wrong(
    "What you call eps_hat is sigma_t times the noise, as it stands in the autoencoder's input. Divide it by sigma_t."
)
def noise_times_sigma(x_t, t, denoise, schedule):
    a = schedule.alpha_bar[t]
    x0_hat = denoise(x_t / a.sqrt())
    eps_hat = x_t / a.sqrt() - x0_hat
    return x0_hat, eps_hat, a.sqrt() * eps_hat - (1 - a).sqrt() * x0_hat


@three_names.wrong("The three are right, but in another order: first x0_hat, then eps_hat, then v_hat.")
def three_in_other_order(x_t, t, denoise, schedule):
    a = schedule.alpha_bar[t]
    x0_hat, eps_hat, v_hat = _named(x_t, a, denoise(x_t / a.sqrt()))
    return eps_hat, x0_hat, v_hat


# at the end of section 4.7


def _few_points(g):
    """x_t, t, the points that are all the data, and the schedule; near to the points, so that several of them fit."""
    cases = []
    for label, batch, k, d, t, T in (
        ("three points", 5, 3, 2, 80, 1000),
        ("three points", 4, 3, 2, 25, 200),
        ("three points in space", 3, 3, 3, 12, 80),
        ("other numbers of points", 6, 7, 2, 60, 600),
        ("a batch of one", 1, 3, 2, 9, 60),
        ("strong noise", 5, 3, 2, 18, 20),
        ("points on a line", 6, 4, 1, 50, 300),
    ):
        schedule = drawn(g, T)
        a = schedule.alpha_bar[t]
        points = normal(g, k, d)
        nearby = points[torch.randint(k, (batch,), generator=g)]
        cases.append((label, a.sqrt() * nearby + (1 - a).sqrt() * normal(g, batch, d), t, points, schedule))
    return cases


@write(
    _few_points,
    number="4.6",
    title="The best denoiser of three points",
    line="L20",
    question="The data is three points, each with probability ⅓. The best guess of $x_0$ is their average, weighted with "
    "$q(x_0\\mid x_t)$. `my_x0_mean(x_t, t, points, schedule)` returns it, shape `(B, D)`, for `x_t` of shape `(B, "
    "D)` and `points` of shape `(K, D)` (here $K=3$); `t` is one number for the batch.",
    hints=[
        "By Bayes' rule the weight of a point is in proportion to how well it explains x_t: the closed form's density at x_t.",
        "The logarithm of that density is minus a squared distance, divided by twice a variance. The distance to what?",
        "softmax makes weights that add up to 1 from logarithms. x_t[:, None] against points gives one row for each x_t.",
    ],
    package=(oracle.FiniteData.x0_mean, oracle.GaussianMixture.x0_mean),
)
def x0_mean(x_t, t, points, schedule):
    """A point explains x_t well if sqrt(alpha_bar_t) times the point lies near x_t, as measured by the noise's variance 1
    - alpha_bar_t. The constants of the density are the same for all points and cancel in the softmax. A squared error is
    smallest at the mean, so the weighted average is the best guess, and no network can do better on this data."""
    a = schedule.alpha_bar[t]
    square = ((x_t[:, None] - a.sqrt() * points) ** 2).sum(-1)
    return (-square / (2 * (1 - a))).softmax(1) @ points


def _squares(x_t, centres):
    return ((x_t[:, None] - centres) ** 2).sum(-1)


@x0_mean.wrong(
    "The distance is taken to the points as they are. After t steps a point has shrunk to sqrt(alpha_bar_t) times itself."
)
def distance_to_unshrunk_points(x_t, t, points, schedule):
    return (-_squares(x_t, points) / (2 * (1 - schedule.alpha_bar[t]))).softmax(1) @ points


@x0_mean.wrong("A factor 2 is missing: a Gaussian's exponent is the squared distance over twice the variance.")
def factor_two_missing(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    return (-_squares(x_t, a.sqrt() * points) / (1 - a)).softmax(1) @ points


@x0_mean.wrong(
    "The squared distance is divided by twice the standard deviation. A Gaussian's exponent holds the variance, 1 - alpha_bar_t."
)
def standard_deviation_for_variance(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    return (-_squares(x_t, a.sqrt() * points) / (2 * (1 - a).sqrt())).softmax(1) @ points


@x0_mean.wrong(
    "The weights add up to 1 over the batch, so one x_t changes the answer for another. For each x_t the weights of the "
    "points add up to 1."
)
def softmax_over_the_batch(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    return (-_squares(x_t, a.sqrt() * points) / (2 * (1 - a))).softmax(0) @ points


@x0_mean.wrong("That is the nearest point. The best guess is the average of all that fit, each with its weight.")
def nearest_point_only(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    return points[_squares(x_t, a.sqrt() * points).argmin(1)]


@x0_mean.wrong("The sign is missing: here points far from x_t get the largest weight.")
def sign_of_exponent_missing(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    return (_squares(x_t, a.sqrt() * points) / (2 * (1 - a))).softmax(1) @ points


@x0_mean.wrong("The distance is not squared. A Gaussian's exponent falls with the square of the distance.")
def distance_not_squared(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    return (-_squares(x_t, a.sqrt() * points).sqrt() / (2 * (1 - a))).softmax(1) @ points


@x0_mean.wrong("All points count the same here, whatever x_t is. Each must count by how well it explains x_t.")
def all_points_count_equally(x_t, t, points, schedule):
    return points.mean(0).expand_as(x_t)


@x0_mean.wrong("The points are shrunk by alpha_bar_t. That is the share of the variance; the point itself shrinks by its root.")
def points_shrunk_without_root(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    return (-_squares(x_t, a * points) / (2 * (1 - a))).softmax(1) @ points


@x0_mean.wrong("The squares are averaged over the coordinates. A squared distance is their sum.")
def squares_averaged_not_summed(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    square = ((x_t[:, None] - a.sqrt() * points) ** 2).mean(-1)
    return (-square / (2 * (1 - a))).softmax(1) @ points


@x0_mean.wrong("The weights do not add up to 1. Divide each by the sum of all K, or use softmax.")
def weights_not_normalised(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    return (-_squares(x_t, a.sqrt() * points) / (2 * (1 - a))).exp() @ points


@x0_mean.wrong(
    "x_t was divided by sqrt(alpha_bar_t), which is fine, but that enlarges its noise too: the variance is then (1 - "
    "alpha_bar_t) / alpha_bar_t."
)
def enlarged_noise_ignored(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    return (-_squares(x_t / a.sqrt(), points) / (2 * (1 - a))).softmax(1) @ points


@x0_mean.wrong(
    "That is sqrt(alpha_bar_t) times the guess: the weights belong to the shrunken points, but x_0 is a point in full size."
)
def average_of_shrunken_points(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    return (-_squares(x_t, a.sqrt() * points) / (2 * (1 - a))).softmax(1) @ (a.sqrt() * points)


@x0_mean.wrong(
    "These are the weights of the three points, one row for each x_t. The best guess is the points' average with them."
)
def weights_returned(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    return (-_squares(x_t, a.sqrt() * points) / (2 * (1 - a))).softmax(1)


# in section 4.8, where a tenth of the classes is withheld


def _labels(g):
    """labels, a uniform number for each, the probability and the null label."""
    cases = []
    for label, n, p, null in (
        ("a tenth", 40, 0.1, 10),
        ("a tenth", 25, 0.1, 7),
        ("a fifth", 30, 0.2, 26),
        ("a half", 16, 0.5, 3),
        ("a batch of one", 1, 0.3, 12),
        ("a batch of one", 1, 0.95, 5),
        ("the ends, p = 0 and p = 1", 8, 0.0, 10),
        ("the ends, p = 0 and p = 1", 8, 1.0, 4),
    ):
        u = torch.rand(n, generator=g, dtype=torch.float64)
        u[0] = 0.0 if p == 0 else u[0]  # not below p, exactly
        cases.append((label, torch.randint(null, (n,), generator=g), u, p, null))
    return cases


def drop_label(labels, u, p, null):
    keep = u < p
    return torch.where(keep, labels, null)


@write(
    _labels,
    number="4.7",
    title="Find the fault: who loses the label?",
    line="L20",
    given=drop_label,
    question="`my_drop_label` should withhold the class with probability `p`: an item whose random number in `u` lies below "
    "`p` gets the label `null`, all others keep theirs. `labels` and `u` are `(B,)`, $0\\le u<1$. A network trained with "
    "it at `p` = 0.1 draws pictures of any class, not of the one asked for. Fix it.",
    hints=[
        "How many of 1,000 items keep their label with p = 0.1, as it stands?",
        "Read the first line aloud, with p = 0: whose label is kept?",
    ],
)
def drop_label(labels, u, p, null):
    """Inverted, the function withholds nine classes out of ten, and the network learns to draw without being told.
    Nothing crashes, and the loss still falls. A test with p = 0, which must change nothing, finds it at once."""
    keep = u >= p
    return torch.where(keep, labels, null)


@drop_label.wrong(
    "The share is right now, but these are the items with the largest u. The exercise asks for those whose u lies below p."
)
def largest_instead_of_smallest(labels, u, p, null):
    return torch.where(u < 1 - p, labels, null)


@drop_label.wrong("The right items lose their label, but they get the label 0, which is a class. The null label is an argument.")
def zero_as_null_label(labels, u, p, null):
    return torch.where(u < p, 0, labels)


@drop_label.wrong(
    "One number decides for the whole batch here. Each item has its own number in u, so that each batch teaches both."
)
def one_number_for_batch(labels, u, p, null):
    return torch.where(u[0] < p, null, labels)


@drop_label.wrong(
    "The items without a label are thrown away. They must stay, with the null label: the network learns from them too."
)
def unlabelled_items_thrown_away(labels, u, p, null):
    return labels[u >= p]


@drop_label.wrong("An item with u = p exactly loses its label here, so p = 0 may still take one away. Below p means u < p.")
def boundary_also_dropped(labels, u, p, null):
    return torch.where(u <= p, null, labels)


@drop_label.wrong("Now no item loses its label. Those with u below p should get the null label.")
def no_label_dropped(labels, u, p, null):
    return labels


# at the end of section 4.8


class _Gradient:
    """Of a loss, another one in each case, a little bent."""

    def __init__(self, g):
        self.minimum, self.bend = torch.rand(2, generator=g, dtype=torch.float64).tolist()

    def __call__(self, weights):
        return weights - self.minimum - 0.5 + 0.4 * self.bend * torch.sin(3 * weights)


def _runs(g):
    """First weights, the gradient, steps, learning rate and decay."""
    return [
        ("many steps", normal(g, 6), _Gradient(g), 12, 0.3, 0.9),
        ("many steps", normal(g, 4), _Gradient(g), 9, 0.1, 0.99),
        ("a matrix of weights", normal(g, 3, 5), _Gradient(g), 5, 0.2, 0.8),
        ("a single weight", normal(g, 1), _Gradient(g), 4, 0.4, 0.5),
        ("two steps", normal(g, 5), _Gradient(g), 2, 0.2, 0.9),
        ("a single step", normal(g, 5), _Gradient(g), 1, 0.2, 0.7),
    ]


def trained(weights, gradient, steps, lr, decay):
    average = weights
    for _ in range(steps):
        weights = weights - lr * gradient(weights)
        average = decay * average + (1 - decay) * weights
    return weights


@write(
    _runs,
    number="4.8",
    title="Find the fault: an average nobody sees",
    line="L20",
    given=trained,
    question="`my_trained` takes `steps` steps of training and keeps a running average of the weights, which jump with each "
    "batch. The average should begin at the first weights, follow after each step, keep a share `decay` of itself, and be "
    "returned. Yet the pictures are as rough as without it. Fix it, and leave the training as it is.",
    hints=[
        "Is the average computed as the question says? Follow one step with decay = 0.",
        "Where is the average read, after the loop?",
    ],
)
def trained(weights, gradient, steps, lr, decay):
    """The average was computed at each step and then forgotten: the function gave back the raw weights. This fault is
    silent, since both are networks that work. The training goes on with the raw weights; the average is what is kept and
    used for drawing."""
    average = weights
    for _ in range(steps):
        weights = weights - lr * gradient(weights)
        average = decay * average + (1 - decay) * weights
    return average


@trained.wrong(
    "Now the training goes on from the average, which holds it back. The average only follows: weights and average stay apart."
)
def training_from_the_average(weights, gradient, steps, lr, decay):
    for _ in range(steps):
        weights = decay * weights + (1 - decay) * (weights - lr * gradient(weights))
    return weights


@trained.wrong(
    "The average comes out, but decay and 1 - decay are swapped: with decay = 0.99 it should keep 99 % of itself at each step."
)
def decay_shares_swapped(weights, gradient, steps, lr, decay):
    average = weights
    for _ in range(steps):
        weights = weights - lr * gradient(weights)
        average = (1 - decay) * average + decay * weights
    return average


@trained.wrong(
    "The average is one step behind: it is updated before the weights take their step, so the last step never reaches it."
)
def average_one_step_behind(weights, gradient, steps, lr, decay):
    average = weights
    for _ in range(steps):
        average = decay * average + (1 - decay) * weights
        weights = weights - lr * gradient(weights)
    return average


@trained.wrong("Here the average follows only once, after the last step. It should follow after each step, inside the loop.")
def averaged_once_at_end(weights, gradient, steps, lr, decay):
    average = weights
    for _ in range(steps):
        weights = weights - lr * gradient(weights)
    return decay * average + (1 - decay) * weights


@trained.wrong("The average begins at 0 here, so at first it is far too small. It should begin at the first weights.")
def average_begins_at_zero(weights, gradient, steps, lr, decay):
    average = torch.zeros_like(weights)
    for _ in range(steps):
        weights = weights - lr * gradient(weights)
        average = decay * average + (1 - decay) * weights
    return average


@trained.wrong(
    "The gradient is taken at the average. Training goes on as it was, with the gradient at the weights; the average only "
    "follows."
)
def gradient_at_the_average(weights, gradient, steps, lr, decay):
    average = weights
    for _ in range(steps):
        weights = weights - lr * gradient(average)
        average = decay * average + (1 - decay) * weights
    return average


@trained.wrong(
    "All weights since the start count the same here. A running average keeps a share `decay` of itself, so old weights fade."
)
def all_weights_count_equally(weights, gradient, steps, lr, decay):
    visited = []
    for _ in range(steps):
        weights = weights - lr * gradient(weights)
        visited.append(weights)
    return torch.stack(visited).mean(0)


@trained.wrong("The average begins only after the first step. It should begin at the first weights, before any step.")
def average_begins_too_late(weights, gradient, steps, lr, decay):
    average = weights = weights - lr * gradient(weights)
    for _ in range(steps - 1):
        weights = weights - lr * gradient(weights)
        average = decay * average + (1 - decay) * weights
    return average


# at the end of section 4.8


class _Draws:
    """Where random numbers come from: of one seed, uniform in [0, 1) or normal, in any shape."""

    def __init__(self, g):
        self.generator = torch.Generator().manual_seed(int(torch.randint(10**6, (), generator=g)))

    def uniform(self, shape):
        return torch.rand(shape, generator=self.generator, dtype=torch.float64)

    def normal(self, shape):
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)


def _first_batches(g):
    """eps_model, x0, t, the schedule and where random numbers come from."""
    return [(label, net, x0, t, schedule, _Draws(g)) for label, net, x0, t, _, schedule in _batches(g)]


def batch_loss(eps_model, x0, t, schedule, random):
    eps = random.uniform(x0.shape)
    return ((eps - eps_model(x0, t)) ** 2).mean()


@write(
    _first_batches,
    number="4.9",
    title="Find two faults: a training step",
    line="L20",
    given=batch_loss,
    question="`my_batch_loss` should draw noise and return the loss (14) of a batch, averaged over batch and pixels. `x0` is "
    "`(B, C, H, W)` or `(B, D)`, `t` is `(B,)`; `eps_model(x, t)` returns the shape of `x`. `random.uniform(shape)` and "
    "`random.normal(shape)` draw numbers; draw once. Both faults are found in published courses, and with both the loss falls. "
    "Fix them.",
    hints=[
        "Which distribution does the noise of Algorithm 1 have, and which one is drawn here? Look at its mean.",
        "Which picture does the network see? Could it tell the noise from that one?",
        "The schedule is not used yet: the closed form of notebook 02 needs alpha_bar at t, in the shape (B, 1, 1, 1), or "
        "(B, 1) for points.",
    ],
    trained="eps_model",
)
def batch_loss(eps_model, x0, t, schedule, random):
    """Nothing raised an error. Uniform numbers in [0, 1) have mean 1/2 and a twelfth of the variance, so the walk back, which
    starts from Gaussian noise, starts where the network has never been. And a network that sees the picture without noise
    cannot know the noise: the best it can do is to answer the mean."""
    eps = random.normal(x0.shape)
    a = schedule.alpha_bar[t].reshape(-1, *[1] * (x0.ndim - 1))
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * eps
    return ((eps - eps_model(x_t, t)) ** 2).mean()


def _with(draw, seen=_mixed):
    """The loss of a batch, with noise drawn in this way, of a network that sees this."""

    def loss(eps_model, x0, t, schedule, random):
        eps = draw(random, x0.shape)
        return ((eps - eps_model(seen(x0, t, eps, schedule), t)) ** 2).mean()

    return loss


def _uniform(random, shape):
    return random.uniform(shape)


def _gaussian(random, shape):
    return random.normal(shape)


_CLEAN = "The noise is right now. But the network still sees the clean picture, and there is no noise to predict in that."
_HALF = "The network sees x_t now. But the noise is still uniform in [0, 1), with mean 1/2: Algorithm 1 draws it from N(0, I)."
_ROUND = "This noise has mean 0, but it is still uniform: no number of it is far from 0. Algorithm 1 draws it from N(0, I)."
_SHOWN = (
    "The network is shown the noise that it should predict: the loss could become 0, and nothing be learnt. It should see x_t."
)
for _name, _says, _loss in (
    ("only_the_noise_mended", _CLEAN, _with(_gaussian, lambda x0, t, eps, schedule: x0)),
    ("only_the_input_mended", _HALF, _with(_uniform)),
    ("uniform_around_zero", _ROUND, _with(lambda random, shape: 2 * random.uniform(shape) - 1)),
    ("uniform_of_variance_one", _ROUND, _with(lambda random, shape: 12**0.5 * (random.uniform(shape) - 0.5))),
    ("network_sees_the_noise", _SHOWN, _with(_gaussian, lambda x0, t, eps, schedule: eps)),
):
    _loss.__name__ = _name
    batch_loss.wrong(_says)(_loss)


@batch_loss.wrong(
    "Noise is drawn twice: what is mixed in is not what the answer is compared with, so nothing can be learnt. Draw it once."
)
def noise_drawn_twice(eps_model, x0, t, schedule, random):
    mixed_in, compared = random.normal(x0.shape), random.normal(x0.shape)
    return ((compared - eps_model(_mixed(x0, t, mixed_in, schedule), t)) ** 2).mean()


@batch_loss.wrong(
    "Noise is drawn a second time for the mixture, so the answer is compared with noise that the network never saw. Draw it once."
)
def other_noise_mixed_in(eps_model, x0, t, schedule, random):
    compared, mixed_in = random.normal(x0.shape), random.normal(x0.shape)
    return ((compared - eps_model(_mixed(x0, t, mixed_in, schedule), t)) ** 2).mean()


@batch_loss.wrong("The weights are swapped: at t = 1 nearly all of the picture is left, so sqrt(alpha_bar_t) belongs to x0.")
def weights_of_the_batch_swapped(eps_model, x0, t, schedule, random):
    eps, a = random.normal(x0.shape), _of(schedule.alpha_bar[t], x0)
    return ((eps - eps_model((1 - a).sqrt() * x0 + a.sqrt() * eps, t)) ** 2).mean()


@batch_loss.wrong("The noise is added to the whole picture. The closed form shrinks the picture by sqrt(alpha_bar_t) first.")
def picture_of_the_batch_not_shrunk(eps_model, x0, t, schedule, random):
    eps, a = random.normal(x0.shape), _of(schedule.alpha_bar[t], x0)
    return ((eps - eps_model(x0 + (1 - a).sqrt() * eps, t)) ** 2).mean()
