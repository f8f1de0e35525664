"""Two exercises of notebook 04, on where the bound comes from: an average of chains, and a step turned round by Bayes' rule."""

import math

import torch

from .kit.exercise import write

# in section 4.3, after line 1


def _ratios(g):
    """Logarithms of p / q of chains: near 0, far below it, with one that outweighs all others, of a single chain."""

    def draw(n, mean, std):
        return mean + std * torch.randn(n, generator=g, dtype=torch.float64)

    heavy = draw(50, -40.0, 1.0)
    heavy[7] = -3.0
    return [
        ("chains in one dimension", draw(200, -1.7, 1.1)),
        ("chains in one dimension", draw(5, 0.4, 0.8)),
        ("chains of pictures", draw(64, -2000.0, 9.0)),
        ("chains of pictures", draw(30, 1500.0, 4.0)),
        ("one chain that outweighs the others", heavy),
        ("a single chain", draw(1, -0.9, 0.5)),
    ]


@write(
    _ratios,
    number="4.1",
    title="The average and its bound",
    line="L20",
    question="`my_log_average(log_ratio)` gets the logarithms of $p_\\theta(x_{0:T})/q(x_{1:T}\\mid x_0)$ of $n$ chains, shape "
    "`(n,)`. It returns two numbers, one after the other: the estimate of $\\log p_\\theta(x_0)$ by line 1, the logarithm of the "
    "average ratio, and what Jensen's inequality puts below it, the average logarithm. For pictures the logarithms may be "
    "$-2000$ or $1500$.",
    hints=[
        "Line 1 averages the ratios, not their logarithms; the logarithm comes last.",
        "The exponential of -2000 is 0 in the computer, and that of 1500 is infinite. Take the largest logarithm out first: "
        "log of an average = largest + log of the average of exp(each - largest).",
        "torch.logsumexp does that for a sum; an average is a sum divided by n.",
    ],
)
def log_average(log_ratio):
    """The first number is what we want and can hardly estimate: a few lucky chains decide it. The second is its lower bound, an
    ordinary average, which scatters little. Minus the second is the variational bound."""
    return torch.logsumexp(log_ratio, 0) - math.log(len(log_ratio)), log_ratio.mean()


@log_average.wrong(
    "The exponential of a number such as -2000 is 0 in the computer, and that of 1500 is infinite, so the logarithm is lost. "
    "Take the largest logarithm out first, as torch.logsumexp does."
)
def exponentials_lost(log_ratio):
    return log_ratio.exp().mean().log(), log_ratio.mean()


@log_average.wrong("That is the logarithm of the sum of the ratios. Line 1 has their average: divide by n, or subtract log(n).")
def sum_and_not_average(log_ratio):
    return torch.logsumexp(log_ratio, 0), log_ratio.mean()


@log_average.wrong("The two numbers have changed places: the estimate of log p(x_0) comes first, its bound second.")
def changed_places(log_ratio):
    return log_ratio.mean(), torch.logsumexp(log_ratio, 0) - math.log(len(log_ratio))


@log_average.wrong(
    "Both numbers are the average of the logarithms. For the first, average the ratios and take the logarithm at the end."
)
def logarithms_averaged_twice(log_ratio):
    return log_ratio.mean(), log_ratio.mean()


@log_average.wrong(
    "Both numbers are the logarithm of the average. The second averages the logarithms; Jensen says that it is less."
)
def averages_logarithm_twice(log_ratio):
    average = torch.logsumexp(log_ratio, 0) - math.log(len(log_ratio))
    return average, average


@log_average.wrong("The signs are turned: these are costs, -log p(x_0) and the bound above it. The exercise asks for log p(x_0).")
def as_costs(log_ratio):
    return -(torch.logsumexp(log_ratio, 0) - math.log(len(log_ratio))), -log_ratio.mean()


@log_average.wrong("The second number is the sum of the logarithms. It is their average that lies below log p(x_0).")
def logarithms_summed(log_ratio):
    return torch.logsumexp(log_ratio, 0) - math.log(len(log_ratio)), log_ratio.sum()


@log_average.wrong(
    "The second number is the median of the logarithms. Jensen's inequality is about their average, where the rare chains count."
)
def median_of_logarithms(log_ratio):
    return torch.logsumexp(log_ratio, 0) - math.log(len(log_ratio)), log_ratio.median()


@log_average.wrong(
    "These are in bits. Here the logarithms are natural ones, and so is the answer: leave out the division by log 2."
)
def in_bits(log_ratio):
    return (torch.logsumexp(log_ratio, 0) - math.log(len(log_ratio))) / math.log(2), log_ratio.mean() / math.log(2)


@log_average.wrong(
    "The first number is the largest logarithm alone. The largest ratio often decides, but line 1 is the average of all of them."
)
def largest_alone(log_ratio):
    return log_ratio.max(), log_ratio.mean()


# in section 4.3, after line 3


def _densities(g):
    """Logarithms of densities of chains: backward steps, and the noisy marginals at t and at t - 1."""
    cases = []
    for label, shape in (("chains", (6,)), ("chains", (40,)), ("chains of pictures", (3, 1, 4, 4)), ("a single chain", (1,))):
        cases.append((label, *(-1.5 + torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(3))))
    return cases


@write(
    _densities,
    number="4.2",
    title="Forwards, told backwards",
    line="L20",
    question="Line 3 for one step: `my_forward(back, now, before)` returns $\\log q(x_t\\mid x_{t-1})$ from three other "
    "logarithms, all of one shape: `back` is $\\log q(x_{t-1}\\mid x_t, x_0)$, `now` is $\\log q(x_t\\mid x_0)$ and `before` is "
    "$\\log q(x_{t-1}\\mid x_0)$.",
    hints=[
        "Write the joint density of x_(t-1) and x_t, given x_0, in two ways: forwards in time and backwards.",
        "q(x_t | x_(t-1)) q(x_(t-1) | x_0) = q(x_(t-1) | x_t, x_0) q(x_t | x_0). Where is the density that you look for?",
        "Products of densities are sums of their logarithms, and quotients are differences.",
    ],
)
def forward(back, now, before):
    """Both ways describe the same pair of pictures. In the sum over all steps, `now` of one step is `before` of the next, so all
    but the last one cancel: what is left of the marginals is log q(x_T | x_0)."""
    return back + now - before


@forward.wrong(
    "The two marginals have changed places: x_t is the one that the forward step arrives at, so its density multiplies."
)
def marginals_changed_places(back, now, before):
    return back - now + before


@forward.wrong(
    "The density of x_(t-1) is missing. Bayes' rule divides by it; without it the fractions along the chain cannot cancel."
)
def without_before(back, now, before):
    return back + now


@forward.wrong("The density of x_t is missing. Bayes' rule multiplies by it.")
def without_now(back, now, before):
    return back - before


@forward.wrong("A quotient of densities is a difference of their logarithms: here the logarithms are divided by each other.")
def logarithms_divided(back, now, before):
    return back + now / before


@forward.wrong("A product of densities is a sum of their logarithms: here the logarithms are multiplied.")
def logarithms_multiplied(back, now, before):
    return back * now / before


@forward.wrong("That is the density and not its logarithm: leave out the exponential.")
def as_a_density(back, now, before):
    return (back + now - before).exp()


@forward.wrong("That is the density with the opposite sign, a cost. The exercise asks for the logarithm of the density itself.")
def as_a_cost(back, now, before):
    return before - back - now


@forward.wrong(
    "All three are added, so the density of x_(t-1) counts twice. On the side of the forward step it stands already: divide."
)
def all_added(back, now, before):
    return back + now + before


@forward.wrong("That is the backward step itself. The two are only equal where the marginals of x_t and x_(t-1) are.")
def the_backward_step(back, now, before):
    return back


@forward.wrong("The chains are added up. The answer has one number for each chain, in the shape of what is given.")
def chains_added_up(back, now, before):
    return (back + now - before).sum()
