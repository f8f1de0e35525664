"""The exercises of notebook 00: comparing two clouds, noise that is right, and what least squares draws."""

import torch

from .kit.asking import Answer, Prediction
from .kit.drawing import normal
from .kit.exercise import write

# in section 0.1, after the note on the Fréchet distance


def _bells(g):
    """Means and variances of pairs of Gaussians."""

    def var(*shape):
        return torch.rand(shape, generator=g, dtype=torch.float64) * 3 + 0.1

    return [
        ("many pairs", normal(g, 6), var(6), normal(g, 6), var(6)),
        ("a table of pairs", normal(g, 3, 4), var(3, 4), normal(g, 3, 4), var(3, 4)),
        ("one pair", normal(g), var(), normal(g), var()),
        ("equal means", torch.ones(5, dtype=torch.float64), var(5), torch.ones(5, dtype=torch.float64), var(5)),
        ("a point beside a bell", normal(g, 4), torch.zeros(4, dtype=torch.float64), normal(g, 4), var(4)),
        ("large numbers", 50 * normal(g, 5), 100 * var(5), 50 * normal(g, 5), 100 * var(5)),
    ]


@write(
    _bells,
    number="0.1",
    title="How far apart are two bells?",
    line="L1",
    question="""`my_frechet(mean_1, var_1, mean_2, var_2)` returns the Fréchet distance of two Gaussians on a line, by
    the formula in the note above. The arguments are the means and variances of many pairs: four tensors of one shape.
    The result has that shape, too. (On a line a covariance is a number, and a trace leaves it as it is.)""",
    hints=[
        "On a line the covariances are the two variances. Put them into the formula and leave out tr.",
        "A matrix to the power 1/2 is its root; for a number that is the ordinary square root.",
        "A check: two Gaussians that are the same have the distance 0.",
    ],
)
def frechet(mean_1, var_1, mean_2, var_2):
    """It is the squared difference of the means plus the squared difference of the standard deviations, (s_1 - s_2)^2 =
    C_1 + C_2 - 2 sqrt(C_1 C_2). So it is 0 only where both agree. A generator that always draws the same good picture has
    no variance, so its distance contains all the variance of the data."""
    return (mean_1 - mean_2) ** 2 + var_1 + var_2 - 2 * (var_1 * var_2).sqrt()


@frechet.wrong("The root is missing: 2 sqrt(C_1 C_2) is subtracted, so that two equal Gaussians have the distance 0.")
def root_of_product_missing(mean_1, var_1, mean_2, var_2):
    return (mean_1 - mean_2) ** 2 + var_1 + var_2 - 2 * var_1 * var_2


@frechet.wrong("The difference of the means is not squared. With the square, it does not matter which of the two comes first.")
def means_not_squared(mean_1, var_1, mean_2, var_2):
    return (mean_1 - mean_2) + var_1 + var_2 - 2 * (var_1 * var_2).sqrt()


@frechet.wrong("The difference of the means counts with its absolute value here. The formula has its square.")
def absolute_difference_of_means(mean_1, var_1, mean_2, var_2):
    return (mean_1 - mean_2).abs() + var_1 + var_2 - 2 * (var_1 * var_2).sqrt()


@frechet.wrong("This compares the variances. The formula compares their roots: C_1 + C_2 - 2 sqrt(C_1 C_2).")
def variances_compared(mean_1, var_1, mean_2, var_2):
    return (mean_1 - mean_2) ** 2 + (var_1 - var_2) ** 2


@frechet.wrong("The last term is missing: with C_1 + C_2 alone, even two equal Gaussians are far apart.")
def last_term_missing(mean_1, var_1, mean_2, var_2):
    return (mean_1 - mean_2) ** 2 + var_1 + var_2


@frechet.wrong("The factor 2 before the root is missing, so two equal Gaussians do not have the distance 0.")
def factor_two_missing(mean_1, var_1, mean_2, var_2):
    return (mean_1 - mean_2) ** 2 + var_1 + var_2 - (var_1 * var_2).sqrt()


@frechet.wrong("That is the root of the distance. The formula in the note has no root around the whole: it is in squared units.")
def root_of_whole_distance(mean_1, var_1, mean_2, var_2):
    return ((mean_1 - mean_2) ** 2 + (var_1.sqrt() - var_2.sqrt()) ** 2).sqrt()


@frechet.wrong("Only the means are compared. Two clouds around the same place can still be of different width.")
def only_means_compared(mean_1, var_1, mean_2, var_2):
    return (mean_1 - mean_2) ** 2


# in section 0.1, before the question about copies

copies = Answer(
    "c",
    {
        "a": "The classifier reads copies very well: they are real handwriting. This score would be near 100 % and give no "
        "warning.",
        "b": "800 stored digits are 800 real ones, so their distance is about that of real to real. It looks perfect.",
        "d": "Ten stored digits look perfect: they are real. Whether they are new cannot be seen without the training set.",
    },
    "A copy has the distance 0 to the digit it was copied from. The other scores only ask whether the digits are good and "
    "varied, and stored digits are both.",
    number="0.2",
    title="A cheat",
    line="L1",
    name="my_score",
    options={
        "a": "the share recognised by the classifier",
        "b": "the Fréchet distance to real digits",
        "c": "the distance to the nearest training digit",
        "d": "a look at ten of them",
    },
    question="""A generator has stored the 8,000 training digits and hands out one of them at random. Which score
    gives it away? (a) the share recognised, (b) the Fréchet distance to real digits,
    (c) the distance to the nearest training digit, (d) a look at ten of them.
    Answer with a letter, as in `my_score = "a"`.""",
    hints=[
        "Three of them compare with real digits, and a stored digit is a real digit.",
        "What would each score be for 800 real digits?",
    ],
)


# in section 0.2, after the formula of a step


def _mixed(g):
    """x of a variance, the share p, noise of variance 1, and the variance."""
    cases = []
    for label, shape, p, var in (
        ("pictures", (4, 1, 8, 8), 0.05, 0.4),
        ("colour pictures", (2, 3, 5, 4), 0.6, 2.0),
        ("points", (5, 2), 0.3, 9.0),
        ("data of variance 1", (6, 1, 6, 6), 0.2, 1.0),
        ("a batch of one", (1, 1, 8, 8), 0.9, 0.25),
        ("numbers", (7,), 0.05, 100.0),
    ):
        cases.append((label, var**0.5 * normal(g, *shape), p, normal(g, *shape), var))
    return cases


@write(
    _mixed,
    number="0.3",
    title="Mix so that the variance stays",
    line="L2",
    question="""The step above suits pictures of variance 1. Let `x` have mean 0 and variance `var`, any positive
    number. `my_mix(x, p, sigma, var)` replaces the share `p` of its variance by noise, so that the result has the
    variance `var` again. `sigma` is noise of variance 1 and of the shape of `x`; $0 < p < 1$.""",
    hints=[
        "Of the variance var, the share 1 - p stays and the share p must come from the noise. How large are the two parts?",
        "A factor before a random number multiplies its variance by the square of the factor.",
    ],
)
def mix(x, p, sigma, var):
    """Variances of independent numbers add, and a factor c changes a variance by c^2. What is left of x has the variance
    (1 - p) var, and the noise, of variance 1, must bring p var: so each is multiplied by a root. With var = 1 it is the
    step of section 0.2."""
    return (1 - p) ** 0.5 * x + (p * var) ** 0.5 * sigma


@mix.wrong(
    "Weights of 1 - p and p average the values, and the variance shrinks at each step. Their roots keep it: the squares of "
    "those add up to 1."
)
def values_averaged_not_variances(x, p, sigma, var):
    return (1 - p) * x + p * var**0.5 * sigma


@mix.wrong(
    "That is the noise for variance 1: pictures of another variance drift towards 1. The noise must have the variance p var."
)
def noise_for_variance_one(x, p, sigma, var):
    return (1 - p) ** 0.5 * x + p**0.5 * sigma


@mix.wrong("var stands outside the root. The noise must have the variance p var, so its factor is the root of both.")
def variance_outside_root(x, p, sigma, var):
    return (1 - p) ** 0.5 * x + p**0.5 * var * sigma


@mix.wrong("x is not shrunk, so the noise comes on top and the variance grows. Only the share 1 - p of it must stay.")
def noise_on_top(x, p, sigma, var):
    return x + (p * var) ** 0.5 * sigma


@mix.wrong("p and 1 - p are swapped: the share p is what is replaced, so a small p leaves nearly all of x.")
def shares_swapped(x, p, sigma, var):
    return p**0.5 * x + ((1 - p) * var) ** 0.5 * sigma


@mix.wrong("The noise lacks its root: its variance is then the square of p var. Multiply by the standard deviation.")
def noise_without_root(x, p, sigma, var):
    return (1 - p) ** 0.5 * x + p * var * sigma


@mix.wrong("x lacks its root: (1 - p) x keeps only the share (1 - p)^2 of the variance.")
def old_part_without_root(x, p, sigma, var):
    return (1 - p) * x + (p * var) ** 0.5 * sigma


@mix.wrong("These are weights of 1 - p and p, and noise of variance 1. The noise must have the variance p var: mind the roots.")
def roots_and_variance_missing(x, p, sigma, var):
    return (1 - p) * x + p * sigma


# in section 0.2, before the chain of 200 steps

half_read = Prediction(
    10,
    "Three fifths of the digit's variance are left then (0.95 to the power of that number). A classifier that has only seen "
    "clean digits is easily led astray; you can read them much longer.",
    number="0.4",
    title="How long can it be read?",
    line="L2",
    name="my_steps",
    tolerance=0.3,
    question="""Each step has $p = 0.05$. At first the classifier reads all but a few of 2,000 digits. Guess after how many
    steps it reads fewer than half of them, and keep the number as `my_steps`.""",
    hints=[
        "After n steps the share 0.95 to the power n of the variance is left of the digit. Try n = 10, 50, 200.",
        "A guess is right for a tenth. And this classifier has never seen a noisy digit: it gives up before you would.",
    ],
)


# at the end of section 0.2


def _pictures(g):
    """x, p and a generator for the noise."""
    cases = []
    for seed, (label, shape, p) in enumerate(
        (
            ("pictures", (4, 1, 8, 8), 0.05),
            ("pictures", (6, 1, 6, 6), 0.4),
            ("colour pictures", (3, 3, 5, 4), 0.2),
            ("points", (5, 2), 0.3),
            ("a batch of one", (1, 1, 8, 8), 0.6),
            ("numbers", (30,), 0.1),
        )
    ):
        cases.append((label, normal(g, *shape), p, torch.Generator().manual_seed(seed)))
    return cases


def noisier(x, p, generator):
    sigma = torch.rand(x.shape, generator=generator, dtype=x.dtype)
    return (1 - p) ** 0.5 * x + p**0.5 * sigma


@write(
    _pictures,
    number="0.5",
    title="Find the fault: pictures that turn white",
    line="L2",
    given=noisier,
    question="""`my_noisier(x, p, generator)` takes one step and draws its noise itself. After 200 steps with $p = 0.05$
    a picture should have mean 0 and variance 1. With this code it has mean 4.4 and variance 0.08. One thing is wrong.
    Fix it, with one draw from `generator`, in the shape and dtype of `x`.""",
    hints=[
        "The second line is the step of section 0.2. Which mean and which variance does it need sigma to have?",
        "Look at many numbers of torch.rand. Between which bounds do they lie, and what is their mean?",
        "One letter makes the difference between uniform and normal random numbers.",
    ],
)
def noisier(x, p, generator):
    """torch.rand draws uniform numbers from 0 to 1: their mean is 1/2, so each step pushes the picture up, and their
    variance is 1/12. torch.randn draws normal ones, of mean 0 and variance 1. After many steps even uniform noise of the
    right mean and variance would look normal, but a single step and the formulas of the next notebooks need normal
    noise."""
    sigma = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return (1 - p) ** 0.5 * x + p**0.5 * sigma


def _step(x, p, sigma):
    return (1 - p) ** 0.5 * x + p**0.5 * sigma


def _uniform(x, generator):
    return torch.rand(x.shape, generator=generator, dtype=x.dtype)


@noisier.wrong("Uniform from -1 to 1: the mean is 0 now, but the variance is 1/3. The step needs normal numbers, of variance 1.")
def uniform_from_minus_one(x, p, generator):
    return _step(x, p, 2 * _uniform(x, generator) - 1)


@noisier.wrong(
    "The mean is 0 now, but the noise is still uniform, of variance 1/12. The step needs normal numbers, of variance 1."
)
def uniform_moved_to_mean_zero(x, p, generator):
    return _step(x, p, _uniform(x, generator) - 0.5)


@noisier.wrong("Mean and variance are right now, but the noise is still uniform: it never goes beyond 1.73. It must be normal.")
def uniform_of_right_variance(x, p, generator):
    return _step(x, p, 12**0.5 * (_uniform(x, generator) - 0.5))


@noisier.wrong("The noise is normal, but each picture gets the same. Each pixel of each picture needs its own noise: x.shape.")
def same_noise_for_each_picture(x, p, generator):
    return _step(x, p, torch.randn(x.shape[1:], generator=generator, dtype=x.dtype))


@noisier.wrong("The noise is normal now. But it was drawn with 32 bits, and x has 64: draw it with dtype=x.dtype, as before.")
def noise_in_lower_precision(x, p, generator):
    return _step(x, p, torch.randn(x.shape, generator=generator, dtype=torch.float32))


@noisier.wrong("The noise is normal now, but it lacks its root: p sigma has the variance p^2. The second line was right.")
def normal_noise_without_root(x, p, generator):
    return (1 - p) ** 0.5 * x + p * torch.randn(x.shape, generator=generator, dtype=x.dtype)


# in section 0.3, after the formula of the least-squares answer


def _classes(g):
    """Asked classes with a noise for each, and the training pictures with their labels."""
    cases = []
    for label, shape, n, classes, asked in (
        ("pictures", (1, 8, 8), 12, 3, (0, 2, 1, 1, 0)),
        ("pictures", (1, 6, 6), 20, 4, (3, 0, 1, 2)),
        ("colour pictures", (3, 4, 5), 15, 3, (2, 2)),
        ("points", (2,), 30, 5, (4, 1, 0, 3)),
        ("a single question", (1, 8, 8), 16, 2, (1,)),
        ("as many questions as numbers", (5,), 14, 3, (0, 1, 2, 0, 1)),
    ):
        labels = torch.cat([torch.arange(classes).repeat(2), torch.randint(classes, (n - 2 * classes,), generator=g)])
        labels = labels[torch.randperm(n, generator=g)]
        cases.append((label, normal(g, len(asked), 16), torch.tensor(asked), normal(g, n, *shape), labels))
    return cases


@write(
    _classes,
    number="0.6",
    title="The best that least squares can draw",
    line="L2",
    question="""$f^*(z, c)$ above is an expectation; here it is estimated from pictures. `my_best(z, c, x0, labels)`
    gets training pictures `x0` with their `labels` (shapes `(N, ...)` and `(N,)`), noise `z` of shape `(B, 16)` and the
    classes `c` to draw, of shape `(B,)`. It returns `B` pictures, shape `(B, ...)`.""",
    hints=[
        "Read the formula: of which pictures is it the expectation, and where is z on its right-hand side?",
        "Estimate an expectation by an average. A comparison such as labels == 3 picks the rows of one class.",
        "Do it for one class first, then for each number in c, and put the results together with torch.stack.",
    ],
)
def best(z, c, x0, labels):
    """The expectation of x_0 given c is estimated by the average over the pictures of that class. z does not occur: it was
    paired with the pictures at random, so it says nothing about them. That is why one-shot least squares draws the same
    blurred picture for every noise."""
    return torch.stack([x0[labels == k].mean(0) for k in c])


@best.wrong("That is the average of all pictures. It does not look at c: the expectation is over the pictures of class c alone.")
def average_of_all_classes(z, c, x0, labels):
    return torch.stack([x0.mean(0) for _ in c])


@best.wrong(
    "That is one picture of the class. Nothing says that it belongs to this noise: the best answer is the average of them all."
)
def first_picture_of_class(z, c, x0, labels):
    return torch.stack([x0[labels == k][0] for k in c])


@best.wrong("The sum over the class is divided by the number of all pictures. Divide by how many the class has.")
def divided_by_all_pictures(z, c, x0, labels):
    return torch.stack([x0[labels == k].sum(0) / len(x0) for k in c])


@best.wrong("The sum over the class is not divided by anything. An average is the sum divided by the number of its pictures.")
def sum_not_divided(z, c, x0, labels):
    return torch.stack([x0[labels == k].sum(0) for k in c])


@best.wrong(
    "That is the average of each class once, in the order of the classes. The exercise asks for one picture for each entry of c."
)
def one_answer_per_class(z, c, x0, labels):
    return torch.stack([x0[labels == k].mean(0) for k in labels.unique()])


@best.wrong("That is the median of each pixel. It makes the absolute error smallest; for the squared error it is the mean.")
def median_of_each_pixel(z, c, x0, labels):
    return torch.stack([x0[labels == k].median(0).values for k in c])


@best.wrong("The pixels are averaged as well, so each picture is an even grey. Average over the pictures, the first dimension.")
def pixels_averaged_too(z, c, x0, labels):
    return torch.stack([x0[labels == k].mean().expand(x0.shape[1:]) for k in c])


@best.wrong(
    "The pictures are picked with c as if it held row numbers. It holds classes: pick the rows whose label is that class."
)
def classes_as_row_numbers(z, c, x0, labels):
    return x0[c]
