"""The exercises of notebook 08: scores, the way back as an SDE and an ODE, solvers, EDM's network and flow matching."""

from itertools import pairwise

import torch

from ..maths.oracle import GaussianMixture
from ..maths.score import precondition as package_precondition
from ..maths.score import reverse_drift as package_reverse_drift
from ..sampling.samplers import ddim_step as package_ddim_step
from ..sampling.samplers import euler_step as package_euler_step
from .kit.drawing import normal, told, uniform
from .kit.drawing import schedule as drawn
from .kit.exercise import write


class _Net:
    """Stands in for a network, another one in each case: its answer depends on both of its inputs."""

    def __init__(self, g):
        self.scale = (0.5 + uniform(g)).item()

    def __call__(self, x, t, cond=None):
        return torch.tanh(self.scale * x) - 0.3 * told(t, x) * x


# in section 8.1


def _mixtures(g):
    """Points, and the weights, means and width of a mixture."""
    cases = []
    for label, n, K, D in (("a line", 6, 3, 1), ("the plane", 5, 4, 2), ("the plane", 4, 2, 2), ("one point", 1, 3, 2)):
        weights = 0.3 + uniform(g, K)
        cases.append((label, normal(g, n, D), weights / weights.sum(), normal(g, K, D), 0.6 + 0.8 * uniform(g)))
    return cases


@write(
    _mixtures,
    number="8.1",
    title="The score of a mixture",
    line="Karras et al. 2022, appendix B.3",
    question="`my_mixture_score(x, weights, means, std)` returns $\\nabla_x\\log p(x)$, of shape `(n, D)`, for $p(x)=\\sum_k w_k"
    "\\,\\mathcal N(x;\\,m_k,\\,\\sigma^2 I)$: `x` is `(n, D)`, `weights` is `(K,)` and sums to 1, `means` is `(K, D)`, `std` is "
    "one number $\\sigma$.",
    hints=[
        "One Gaussian alone: its log density is a parabola. What is its slope?",
        "The gradient of a logarithm is the gradient divided by p. So each component counts by its share of p at x.",
        "A softmax over the components of log w_k plus the exponent gives these shares.",
    ],
    package=(GaussianMixture.score,),
)
def mixture_score(x, weights, means, std):
    """Each Gaussian pulls towards its own mean, the more the farther away it is: (m_k - x) / std^2. The pulls are averaged with
    each component's share of the density at x. Far from a component its share is next to nothing, however large its weight."""
    away = means - x[:, None]
    share = (weights.log() - (away**2).sum(2) / (2 * std**2)).softmax(1)
    return (share[:, :, None] * away).sum(1) / std**2


def _pull(x, means):
    away = means - x[:, None]
    return away, (away**2).sum(2)


def _shares(x, weights, means, std):
    away, square = _pull(x, means)
    return away, (weights.log() - square / (2 * std**2)).softmax(1)[:, :, None]


@mixture_score.wrong("The sign is wrong: the score points to where p grows, towards the means. This points away from them.")
def away_from_the_means(x, weights, means, std):
    away, share = _shares(x, weights, means, std)
    return -(share * away).sum(1) / std**2


@mixture_score.wrong("The pull is divided by the standard deviation. The exponent has the variance below, and so has its slope.")
def divided_by_std(x, weights, means, std):
    away, share = _shares(x, weights, means, std)
    return (share * away).sum(1) / std


@mixture_score.wrong("The pull is not divided by the variance: a narrow Gaussian has a steeper slope than a wide one.")
def variance_left_out(x, weights, means, std):
    away, share = _shares(x, weights, means, std)
    return (share * away).sum(1)


@mixture_score.wrong("The weights are missing: a component with a larger weight has a larger share of the density.")
def weights_left_out(x, weights, means, std):
    away, square = _pull(x, means)
    return ((-square / (2 * std**2)).softmax(1)[:, :, None] * away).sum(1) / std**2


@mixture_score.wrong(
    "The components are averaged by their weights alone. What counts is the share of each in the density at x: near one mean "
    "the others hardly pull."
)
def shares_are_the_weights(x, weights, means, std):
    away, _ = _pull(x, means)
    return (weights[:, None] * away).sum(1) / std**2


@mixture_score.wrong("In the exponent the 2 is missing: a Gaussian is exp(-|x - m|^2 / (2 std^2)).")
def exponent_without_the_two(x, weights, means, std):
    away, square = _pull(x, means)
    return ((weights.log() - square / std**2).softmax(1)[:, :, None] * away).sum(1) / std**2


@mixture_score.wrong("That is the gradient of p. The score is that of log p: divide by p(x).")
def gradient_of_the_density(x, weights, means, std):
    away, square = _pull(x, means)
    norm = (2 * torch.pi * std**2) ** (x.shape[1] / 2)
    return ((weights * torch.exp(-square / (2 * std**2)) / norm)[:, :, None] * away).sum(1) / std**2


@mixture_score.wrong("Only the component with the largest share pulls here. All of them do, each by its share.")
def largest_component_alone(x, weights, means, std):
    away, share = _shares(x, weights, means, std)
    return away[torch.arange(len(x)), share[:, :, 0].argmax(1)] / std**2


@mixture_score.wrong("The softmax runs over the points. The shares of the components at one point add up to 1.")
def softmax_over_the_points(x, weights, means, std):
    away, square = _pull(x, means)
    return ((weights.log() - square / (2 * std**2)).softmax(0)[:, :, None] * away).sum(1) / std**2


# in section 8.2


def _noised(g):
    """A network, x_0, t for each item, the noise and the schedule."""
    cases = []
    for label, shape, T in (
        ("pictures", (4, 1, 6, 6), 20),
        ("colour pictures", (3, 3, 4, 5), 120),
        ("points", (5, 2), 15),
        ("a batch of one", (1, 2), 12),
    ):
        t = torch.randint(1, T + 1, shape[:1], generator=g)
        cases.append((label, _Net(g), normal(g, *shape), t, normal(g, *shape), drawn(g, T)))
    return cases


@write(
    _noised,
    number="8.2",
    title="Denoising score matching",
    line="Vincent 2011, section 4",
    question="`my_dsm_loss(score_model, x0, t, eps, schedule)` noises `x0` with `eps` and returns one number, the mean over "
    "items and coordinates of $(1-\\bar\\alpha_t)\\,(s_\\theta(x_t,t)-\\nabla\\log q(x_t\\mid x_0))^2$. `score_model(x, t)` is "
    "$s_\\theta$; `t` is `(B,)`, one step for each item of `x0`.",
    hints=[
        "q(x_t | x_0) is one Gaussian around sqrt(alpha_bar_t) x_0. How does its log density change with x_t?",
        "x_t minus the mean is sqrt(1 - alpha_bar_t) eps, and the variance is 1 - alpha_bar_t.",
    ],
)
def dsm_loss(score_model, x0, t, eps, schedule):
    """Given x_0, the distribution of x_t is a Gaussian, whose score is minus the noise over its standard deviation. The network
    cannot know x_0, so it learns the mean of that over all x_0 which may have led to x_t: the score of the noisy data. The
    factor 1 - alpha_bar_t turns this into the error of eps, so it is the loss of notebook 04."""
    a = schedule.alpha_bar[t].reshape(-1, *[1] * (x0.ndim - 1))
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * eps
    target = -eps / (1 - a).sqrt()
    return ((1 - a) * (score_model(x_t, t) - target) ** 2).mean()


def _at(x0, t, eps, schedule):
    a = schedule.alpha_bar[t].reshape(-1, *[1] * (x0.ndim - 1))
    return a, a.sqrt() * x0 + (1 - a).sqrt() * eps


@dsm_loss.wrong("The target has the wrong sign: the score points against the noise, back to where the density is higher.")
def target_points_along_the_noise(score_model, x0, t, eps, schedule):
    a, x_t = _at(x0, t, eps, schedule)
    return ((1 - a) * (score_model(x_t, t) - eps / (1 - a).sqrt()) ** 2).mean()


@dsm_loss.wrong("The noise is divided by the variance. eps has variance 1: divide it by the root, sqrt(1 - alpha_bar_t).")
def target_over_the_variance(score_model, x0, t, eps, schedule):
    a, x_t = _at(x0, t, eps, schedule)
    return ((1 - a) * (score_model(x_t, t) + eps / (1 - a)) ** 2).mean()


@dsm_loss.wrong(
    "The target takes x_0 for the mean of x_t. The mean of q(x_t | x_0) is sqrt(alpha_bar_t) x_0: the noise is what is around it."
)
def mean_not_shrunk(score_model, x0, t, eps, schedule):
    a, x_t = _at(x0, t, eps, schedule)
    return ((1 - a) * (score_model(x_t, t) + (x_t - x0) / (1 - a)) ** 2).mean()


@dsm_loss.wrong("The target is minus the noise as it was drawn. The score is that divided by sqrt(1 - alpha_bar_t).")
def target_not_divided(score_model, x0, t, eps, schedule):
    a, x_t = _at(x0, t, eps, schedule)
    return ((1 - a) * (score_model(x_t, t) + eps) ** 2).mean()


@dsm_loss.wrong(
    "The weight 1 - alpha_bar_t is missing. Without it the steps of little noise, whose target is huge, drown all others."
)
def weight_left_out(score_model, x0, t, eps, schedule):
    a, x_t = _at(x0, t, eps, schedule)
    return ((score_model(x_t, t) + eps / (1 - a).sqrt()) ** 2).mean()


@dsm_loss.wrong("The weight has one root too many: it multiplies a square, so it is 1 - alpha_bar_t itself.")
def root_of_the_weight(score_model, x0, t, eps, schedule):
    a, x_t = _at(x0, t, eps, schedule)
    return ((1 - a).sqrt() * (score_model(x_t, t) + eps / (1 - a).sqrt()) ** 2).mean()


@dsm_loss.wrong(
    "The network is asked at the clean point x_0. It must see the noisy x_t: public courses make this slip, and section 8.2 "
    "measures what it does."
)
def network_sees_the_clean_point(score_model, x0, t, eps, schedule):
    a, _ = _at(x0, t, eps, schedule)
    return ((1 - a) * (score_model(x0, t) + eps / (1 - a).sqrt()) ** 2).mean()


@dsm_loss.wrong("x_t lacks its roots: the picture is multiplied by sqrt(alpha_bar_t), the noise by sqrt(1 - alpha_bar_t).")
def x_t_without_roots(score_model, x0, t, eps, schedule):
    a, _ = _at(x0, t, eps, schedule)
    return ((1 - a) * (score_model(a * x0 + (1 - a) * eps, t) + eps / (1 - a).sqrt()) ** 2).mean()


@dsm_loss.wrong("The two weights in x_t are exchanged: the picture has sqrt(alpha_bar_t), the noise sqrt(1 - alpha_bar_t).")
def signal_and_noise_exchanged(score_model, x0, t, eps, schedule):
    a, _ = _at(x0, t, eps, schedule)
    return ((1 - a) * (score_model((1 - a).sqrt() * x0 + a.sqrt() * eps, t) + eps / (1 - a).sqrt()) ** 2).mean()


@dsm_loss.wrong("The squares are added up over the coordinates. Take the mean over them instead.")
def sum_over_the_coordinates(score_model, x0, t, eps, schedule):
    a, x_t = _at(x0, t, eps, schedule)
    return ((1 - a) * (score_model(x_t, t) + eps / (1 - a).sqrt()) ** 2).flatten(1).sum(1).mean()


# in section 8.5


def _back(g):
    """x, its score, beta, h and fresh noise."""
    cases = []
    for label, shape in (("points", (6, 2)), ("points", (4, 1)), ("pictures", (3, 1, 4, 4)), ("a batch of one", (1, 2))):
        beta, h = 1 + 8 * uniform(g), 0.02 + 0.1 * uniform(g)
        cases.append((label, normal(g, *shape), normal(g, *shape), beta, h, normal(g, *shape)))
    return cases


@write(
    _back,
    number="8.3",
    title="A step of the reverse SDE",
    line="Song et al. 2021b, eq. 6",
    question="The forward SDE is $dx=-\\frac12\\beta\\,x\\,dt+\\sqrt\\beta\\,dw$. `my_reverse_step(x, score, beta, h, z)` "
    "returns $x$ a time `h` earlier, by one Euler-Maruyama step of Anderson's reverse SDE. `score` is $\\nabla\\log p_t(x)$ at "
    "`x`, `beta` is $\\beta(t)$, one number, and `z` is fresh noise of the shape of `x`.",
    hints=[
        "Backwards in time the drift is f x - g^2 score, and time runs by -h. What are f and g^2 here?",
        "Noise added during a time h has a variance in proportion to h.",
    ],
    package=(package_reverse_drift,),
)
def reverse_step(x, score, beta, h, z):
    """With f = -beta/2 and g^2 = beta the drift is -beta/2 x - beta score. A step back in time has -h in front of it, so both
    terms are added. The noise has no direction in time: its variance is g^2 h, its standard deviation the root of that."""
    return x + h * (beta / 2 * x + beta * score) + (beta * h) ** 0.5 * z


@reverse_step.wrong("x still shrinks, as on the way forward. Backwards in time the sign changes: x grows by beta/2 x h.")
def still_shrinks(x, score, beta, h, z):
    return x + h * (-beta / 2 * x + beta * score) + (beta * h) ** 0.5 * z


@reverse_step.wrong("With half the score it is the probability-flow ODE, which adds no noise. The SDE needs the whole of it.")
def half_the_score(x, score, beta, h, z):
    return x + h * (beta / 2 * x + beta / 2 * score) + (beta * h) ** 0.5 * z


@reverse_step.wrong("That is the step of the probability-flow ODE: half the score and no noise. The reverse SDE is asked for.")
def step_of_the_ode(x, score, beta, h, z):
    return x + h * (beta / 2 * x + beta / 2 * score)


@reverse_step.wrong("The score has the wrong sign: the step back leads to where the density is higher.")
def away_from_the_density(x, score, beta, h, z):
    return x + h * (beta / 2 * x - beta * score) + (beta * h) ** 0.5 * z


@reverse_step.wrong("z is multiplied by the variance beta h. Noise is scaled by the root of its variance.")
def variance_times_noise(x, score, beta, h, z):
    return x + h * (beta / 2 * x + beta * score) + beta * h * z


@reverse_step.wrong(
    "The noise is sqrt(beta) h: it falls with h like the drift. The variances of many short steps add up, so each has the "
    "root of h."
)
def noise_grows_with_h(x, score, beta, h, z):
    return x + h * (beta / 2 * x + beta * score) + beta**0.5 * h * z


@reverse_step.wrong("The noise lacks the length of the step: it has the variance beta h, not beta.")
def noise_without_h(x, score, beta, h, z):
    return x + h * (beta / 2 * x + beta * score) + beta**0.5 * z


@reverse_step.wrong("The fresh noise is missing. Only the ODE, with half the score, does without it.")
def no_fresh_noise(x, score, beta, h, z):
    return x + h * (beta / 2 * x + beta * score)


@reverse_step.wrong("The score is not multiplied by g^2 = beta.")
def score_without_beta(x, score, beta, h, z):
    return x + h * (beta / 2 * x + score) + (beta * h) ** 0.5 * z


@reverse_step.wrong("The score has the factor g. It is g^2 = beta, without a root.")
def score_times_g(x, score, beta, h, z):
    return x + h * (beta / 2 * x + beta**0.5 * score) + (beta * h) ** 0.5 * z


# in section 8.7


def _leaps(g):
    """x_t, eps_hat, t, s and the schedule."""
    cases = []
    for label, shape, T, leaps in (
        ("pictures", (4, 1, 6, 6), 20, ((17, 9), (6, 5))),
        ("points", (5, 2), 15, ((13, 2),)),
        ("a batch of one", (1, 2), 12, ((11, 10),)),
        ("the last step", (4, 2), 18, ((5, 0),)),
    ):
        cases += [(label, normal(g, *shape), normal(g, *shape), t, s, drawn(g, T)) for t, s in leaps]
    return cases


@write(
    _leaps,
    number="8.4",
    title="Euler's step in sigma",
    line="Song et al. 2021, eq. 14",
    question="For $y=x_t/\\sqrt{\\bar\\alpha_t}$ and $\\sigma_t=\\sqrt{(1-\\bar\\alpha_t)/\\bar\\alpha_t}$ the ODE is "
    "$dy/d\\sigma=\\hat\\epsilon$. `my_euler_in_sigma(x_t, eps_hat, t, s, schedule)` takes one Euler step from $t$ to $s<t$ and "
    "returns $x_s$. `schedule.alpha_bar[t]` is a number, and `.alpha_bar[0]` is 1.",
    hints=[
        "Three lines: change the variable, take the step, change it back. At s the scale is that of s.",
        "Euler: the new y is the old one plus the slope times how far sigma goes, and sigma falls.",
    ],
    package=(package_euler_step, package_ddim_step),
)
def euler_in_sigma(x_t, eps_hat, t, s, schedule):
    """In y the picture keeps its full strength and only the noise shrinks, along eps_hat. As long as eps_hat is the same, the
    path in y over sigma is a straight line, which Euler follows without error. Written out in x_t this is DDIM's formula."""
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    step = ((1 - a_s) / a_s).sqrt() - ((1 - a) / a).sqrt()
    return a_s.sqrt() * (x_t / a.sqrt() + step * eps_hat)


def _two(t, s, schedule):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    return a, a_s, ((1 - a_s) / a_s).sqrt() - ((1 - a) / a).sqrt()


@euler_in_sigma.wrong("That is y at s. The way back to x_s multiplies it by sqrt(alpha_bar_s).")
def y_not_changed_back(x_t, eps_hat, t, s, schedule):
    a, _, step = _two(t, s, schedule)
    return x_t / a.sqrt() + step * eps_hat


@euler_in_sigma.wrong("At the end y is scaled by sqrt(alpha_bar_t). The picture is at s now: sqrt(alpha_bar_s).")
def scaled_as_at_t(x_t, eps_hat, t, s, schedule):
    a, _, step = _two(t, s, schedule)
    return a.sqrt() * (x_t / a.sqrt() + step * eps_hat)


@euler_in_sigma.wrong("The step goes up in sigma and adds noise. From t to s sigma falls: sigma_s - sigma_t is negative.")
def step_goes_up(x_t, eps_hat, t, s, schedule):
    a, a_s, step = _two(t, s, schedule)
    return a_s.sqrt() * (x_t / a.sqrt() - step * eps_hat)


@euler_in_sigma.wrong("sigma is the noise relative to the signal: sqrt(1 - alpha_bar) must be divided by its signal.")
def sigma_not_divided(x_t, eps_hat, t, s, schedule):
    a, a_s, _ = _two(t, s, schedule)
    return a_s.sqrt() * (x_t / a.sqrt() + ((1 - a_s).sqrt() - (1 - a).sqrt()) * eps_hat)


@euler_in_sigma.wrong("sigma lacks its root: here it is the variance of the noise in y.")
def variance_for_sigma(x_t, eps_hat, t, s, schedule):
    a, a_s, _ = _two(t, s, schedule)
    return a_s.sqrt() * (x_t / a.sqrt() + ((1 - a_s) / a_s - (1 - a) / a) * eps_hat)


@euler_in_sigma.wrong("x_t is not changed into y: it must be divided by sqrt(alpha_bar_t) first.")
def x_t_taken_for_y(x_t, eps_hat, t, s, schedule):
    _, a_s, step = _two(t, s, schedule)
    return a_s.sqrt() * (x_t + step * eps_hat)


@euler_in_sigma.wrong("All of the noise is taken away, so this is the guess x0_hat, scaled. The step ends at sigma_s, not at 0.")
def all_noise_taken_away(x_t, eps_hat, t, s, schedule):
    a, a_s, _ = _two(t, s, schedule)
    return a_s.sqrt() * (x_t / a.sqrt() - ((1 - a) / a).sqrt() * eps_hat)


@euler_in_sigma.wrong("The signal lacks its roots: x_t is sqrt(alpha_bar_t) y, both at t and at s.")
def signal_without_roots(x_t, eps_hat, t, s, schedule):
    a, a_s, step = _two(t, s, schedule)
    return a_s * (x_t / a + step * eps_hat)


# in section 8.8


def _slopes(g):
    """A field, x and falling times."""
    cases = []
    for label, shape, n in (("points", (5, 2), 5), ("points", (3, 1), 3), ("pictures", (2, 1, 4, 4), 4), ("one step", (4, 2), 2)):
        times = (0.1 + uniform(g, n)).cumsum(0).flip(0) / n
        cases.append((label, _Net(g), normal(g, *shape), times.tolist()))
    return cases


def heun(field, x, times):
    for t, s in pairwise(times):
        h = t - s
        first = field(x, t)
        guess = x + h * first
        x = guess + h * (first + field(guess, t)) / 2
    return x


@write(
    _slopes,
    number="8.5",
    title="Find three faults: Heun's method",
    line="Karras et al. 2022, Algorithm 1",
    given=heun,
    question="`my_heun` should follow $dx/dt=$ `field(x, t)` through the falling `times` by Heun's method: an Euler step gives a "
    "guess, and the step itself then takes the mean of the slopes at both of its ends. There are three faults in it. Fix them.",
    hints=[
        "Time falls. Which sign has the length of a step?",
        "From where does the step itself start, and how often is the first slope taken?",
        "The guess is where the path is at the end of the step. At which time?",
    ],
)
def heun(field, x, times):
    """The length of a step is s - t, also where time falls. The guess is only there to find the slope at the end of the step,
    which belongs to the time s. The step then starts once more from x. With these three the error falls to a quarter with twice
    the steps; with any of the faults it does not, and no error is raised."""
    for t, s in pairwise(times):
        h = s - t
        first = field(x, t)
        guess = x + h * first
        x = x + h * (first + field(guess, s)) / 2
    return x


def _partly_fixed(name: str, says: str, sign: bool, start: bool, time: bool):
    """The method with some of the three faults fixed; its name says which are left."""

    def method(field, x, times):
        for t, s in pairwise(times):
            h = s - t if sign else t - s
            first = field(x, t)
            guess = x + h * first
            x = (x if start else guess) + h * (first + field(guess, s if time else t)) / 2
        return x

    method.__name__ = name
    heun.wrong(says)(method)


SIGN, START, TIME = "the sign of the step", "where the step starts", "the time of the second slope"
_partly_fixed("start_and_time_wrong", f"One of three is right. Left: {START} and {TIME}.", True, False, False)
_partly_fixed("sign_and_time_wrong", f"One of three is right. Left: {SIGN} and {TIME}.", False, True, False)
_partly_fixed("sign_and_start_wrong", f"One of three is right. Left: {SIGN} and {START}.", False, False, True)
_partly_fixed("time_still_wrong", f"Two of three are right. Left: {TIME}.", True, True, False)
_partly_fixed("start_still_wrong", f"Two of three are right. Left: {START}.", True, False, True)
_partly_fixed("sign_still_wrong", f"Two of three are right. Left: {SIGN}.", False, True, True)


@heun.wrong("That is Euler's method, with the first slope alone. Heun takes the mean of the first and that at the guess.")
def first_slope_alone(field, x, times):
    for t, s in pairwise(times):
        x = x + (s - t) * field(x, t)
    return x


@heun.wrong("The second slope is taken at x. It belongs to the guess, where the path is at the end of the step.")
def second_slope_at_x(field, x, times):
    for t, s in pairwise(times):
        x = x + (s - t) * (field(x, t) + field(x, s)) / 2
    return x


@heun.wrong("The two slopes are added without being halved, so each step is twice too long.")
def slopes_not_halved(field, x, times):
    for t, s in pairwise(times):
        first = field(x, t)
        x = x + (s - t) * (first + field(x + (s - t) * first, s))
    return x


# in section 8.9


def _networks(g):
    """A network, y = x_0 + sigma eps, sigma for each item and the standard deviation of the data."""
    cases = []
    for label, shape in (("points", (5, 2)), ("points", (3, 3)), ("pictures", (3, 1, 4, 4)), ("a batch of one", (1, 2))):
        sigma = 0.2 + 3 * uniform(g, shape[0])
        cases.append((label, _Net(g), normal(g, *shape), sigma, 0.3 + 0.5 * uniform(g)))
    return cases


@write(
    _networks,
    number="8.6",
    title="EDM's denoiser",
    line="Karras et al. 2022, eq. 7",
    question="`my_edm_denoise(net, y, sigma, d)` returns $D(y;\\sigma)=c_{skip}\\,y+c_{out}\\,F(c_{in}\\,y;\\,c_{noise})$ by the "
    "table above. `net(x, noise)` is $F$ and takes a noise level for each item; `sigma` is `(B,)`, and `d` is $\\sigma_d$, one "
    "number. `y` is `(B, ...)`.",
    hints=[
        "Only sigma must be shaped to multiply y; the network takes its noise level as (B,).",
        "Check the ends: with sigma near 0, D must be y itself; with a large sigma, d times the network's answer.",
    ],
    package=(package_precondition,),
)
def edm_denoise(net, y, sigma, d):
    """The network sees numbers of variance 1, whatever sigma is, and what it has to predict has variance 1 as well. With little
    noise the skip hands y on, and an error of the network hardly counts; with much noise the network answers alone."""
    wide = sigma.reshape(-1, *[1] * (y.ndim - 1))
    total = wide**2 + d**2
    return d**2 / total * y + wide * d / total.sqrt() * net(y / total.sqrt(), sigma.log() / 4)


def _wide(y, sigma, d):
    wide = sigma.reshape(-1, *[1] * (y.ndim - 1))
    return wide, wide**2 + d**2


@edm_denoise.wrong("y goes into the network as it is. c_in scales it to variance 1.")
def input_not_scaled(net, y, sigma, d):
    wide, total = _wide(y, sigma, d)
    return d**2 / total * y + wide * d / total.sqrt() * net(y, sigma.log() / 4)


@edm_denoise.wrong("In c_in the root is missing: y has the variance sigma^2 + d^2, so it is divided by the root of it.")
def input_over_the_variance(net, y, sigma, d):
    wide, total = _wide(y, sigma, d)
    return d**2 / total * y + wide * d / total.sqrt() * net(y / total, sigma.log() / 4)


@edm_denoise.wrong("In c_out the root is missing: it is sigma d over the root of sigma^2 + d^2.")
def output_over_the_variance(net, y, sigma, d):
    wide, total = _wide(y, sigma, d)
    return d**2 / total * y + wide * d / total * net(y / total.sqrt(), sigma.log() / 4)


@edm_denoise.wrong("c_skip is sigma^2 / (sigma^2 + d^2) here. The more noise there is in y, the less of it may be handed on.")
def skip_grows_with_noise(net, y, sigma, d):
    wide, total = _wide(y, sigma, d)
    return wide**2 / total * y + wide * d / total.sqrt() * net(y / total.sqrt(), sigma.log() / 4)


@edm_denoise.wrong("The skip is missing: the network alone would have to copy y where there is hardly any noise in it.")
def skip_left_out(net, y, sigma, d):
    wide, total = _wide(y, sigma, d)
    return wide * d / total.sqrt() * net(y / total.sqrt(), sigma.log() / 4)


@edm_denoise.wrong("The network is told sigma. Its noise level is log(sigma) / 4, which is spread evenly over all magnitudes.")
def network_told_sigma(net, y, sigma, d):
    wide, total = _wide(y, sigma, d)
    return d**2 / total * y + wide * d / total.sqrt() * net(y / total.sqrt(), sigma)


@edm_denoise.wrong("The skip takes the scaled y. c_skip multiplies y itself.")
def skip_of_the_scaled_input(net, y, sigma, d):
    wide, total = _wide(y, sigma, d)
    return d**2 / total * y / total.sqrt() + wide * d / total.sqrt() * net(y / total.sqrt(), sigma.log() / 4)


@edm_denoise.wrong("In c_out the standard deviation of the data, d, is missing.")
def output_without_d(net, y, sigma, d):
    wide, total = _wide(y, sigma, d)
    return d**2 / total * y + wide / total.sqrt() * net(y / total.sqrt(), sigma.log() / 4)


# in section 8.10


def _pairs(g):
    """A network, x_0, noise and a time for each item."""
    cases = []
    for label, shape in (("points", (6, 2)), ("points", (4, 1)), ("pictures", (3, 1, 4, 4)), ("a batch of one", (1, 2))):
        cases.append((label, _Net(g), normal(g, *shape), normal(g, *shape), 0.05 + 0.9 * uniform(g, shape[0])))
    return cases


@write(
    _pairs,
    number="8.7",
    title="The loss of flow matching",
    line="Lipman et al. 2023, eq. 23",
    question="`my_flow_matching_loss(net, x0, eps, u)` returns one number: the mean over items and coordinates of the squared "
    "error of `net(x_u, u)` against the velocity of the point $x_u$ on the straight path from `x0` at $u=0$ to `eps` at $u=1$. "
    "`u` is `(B,)`, one time for each item.",
    hints=[
        "The path is (1 - u) x_0 + u eps. Differentiate it with respect to u.",
        "u must be shaped so that each item gets its own: (B, 1, ...).",
    ],
)
def flow_matching_loss(net, x0, eps, u):
    """On a straight path the velocity is the same all the way: eps - x_0. The network sees x_u and u alone, so it learns the mean
    of this velocity over all pairs whose path goes through x_u at the time u: the marginal field."""
    wide = u.reshape(-1, *[1] * (x0.ndim - 1))
    x_u = (1 - wide) * x0 + wide * eps
    return ((net(x_u, u) - (eps - x0)) ** 2).mean()


def _on_the_line(x0, eps, u):
    wide = u.reshape(-1, *[1] * (x0.ndim - 1))
    return wide, (1 - wide) * x0 + wide * eps


@flow_matching_loss.wrong("The velocity has the wrong sign: u runs from the picture to the noise, so it is eps - x_0.")
def velocity_towards_the_picture(net, x0, eps, u):
    _, x_u = _on_the_line(x0, eps, u)
    return ((net(x_u, u) - (x0 - eps)) ** 2).mean()


@flow_matching_loss.wrong("The ends are exchanged: the picture belongs at u = 0, and this puts the noise there.")
def ends_exchanged(net, x0, eps, u):
    wide, _ = _on_the_line(x0, eps, u)
    return ((net(wide * x0 + (1 - wide) * eps, u) - (eps - x0)) ** 2).mean()


@flow_matching_loss.wrong("The target is the noise, as in DDPM. The velocity of the path is eps - x_0.")
def noise_for_the_velocity(net, x0, eps, u):
    _, x_u = _on_the_line(x0, eps, u)
    return ((net(x_u, u) - eps) ** 2).mean()


@flow_matching_loss.wrong("The target is the picture. The velocity of the path is eps - x_0.")
def picture_for_the_velocity(net, x0, eps, u):
    _, x_u = _on_the_line(x0, eps, u)
    return ((net(x_u, u) - x0) ** 2).mean()


@flow_matching_loss.wrong("These are the roots of a diffusion, whose path is an arc. The straight path has 1 - u and u.")
def roots_of_a_diffusion(net, x0, eps, u):
    wide, _ = _on_the_line(x0, eps, u)
    return ((net((1 - wide).sqrt() * x0 + wide.sqrt() * eps, u) - (eps - x0)) ** 2).mean()


@flow_matching_loss.wrong("The velocity is multiplied by u: that is how far the point has come. Its velocity is eps - x_0.")
def way_for_the_velocity(net, x0, eps, u):
    wide, x_u = _on_the_line(x0, eps, u)
    return ((net(x_u, u) - wide * (eps - x0)) ** 2).mean()


@flow_matching_loss.wrong("All items have the time of the first. Each has its own u, for its point and for the network.")
def time_of_the_first_item(net, x0, eps, u):
    _, x_u = _on_the_line(x0, eps, u[:1].expand(len(u)))
    return ((net(x_u, u[:1].expand(len(u))) - (eps - x0)) ** 2).mean()


@flow_matching_loss.wrong("The network is asked at the picture x_0. It must see the point on the way, x_u.")
def network_sees_the_picture(net, x0, eps, u):
    return ((net(x0, u) - (eps - x0)) ** 2).mean()


@flow_matching_loss.wrong(
    "The network is told 1 - u. x_u is the point at u, with 0 at the picture, and this is what it must be told."
)
def network_told_the_other_time(net, x0, eps, u):
    _, x_u = _on_the_line(x0, eps, u)
    return ((net(x_u, 1 - u) - (eps - x0)) ** 2).mean()


@flow_matching_loss.wrong(
    "The target is the way that is left, from x_u to the noise. The velocity is that of the whole path: eps - x_0."
)
def way_left_for_the_velocity(net, x0, eps, u):
    _, x_u = _on_the_line(x0, eps, u)
    return ((net(x_u, u) - (eps - x_u)) ** 2).mean()


@flow_matching_loss.wrong("The squares are added up over the coordinates. The mean over items and coordinates is asked for.")
def summed_over_the_coordinates(net, x0, eps, u):
    _, x_u = _on_the_line(x0, eps, u)
    return ((net(x_u, u) - (eps - x0)) ** 2).flatten(1).sum(1).mean()
