"""The exercises of notebook 09: the latents of an autoencoder, patches, adaLN-zero, a student of few steps, and SDEdit."""

from itertools import pairwise

import torch
import torch.nn.functional as F

from ..maths.gaussian import q_sample
from ..networks.autoencoder import Encoding
from ..sampling.editing import sdedit as package_sdedit
from ..sampling.samplers import ddim_step
from ..training.distillation import one_step
from .kit.drawing import normal, told, uniform
from .kit.drawing import schedule as drawn
from .kit.exercise import write


class _Net:
    """Stands in for a network, another one in each case: its answer depends on both of its inputs."""

    def __init__(self, g):
        self.scale = (0.5 + uniform(g)).item()

    def __call__(self, x, t, cond=None):
        return torch.tanh(self.scale * x) - 0.05 * told(t, x) * x / (1 + x**2)


# in section 9.1


def _gaussians(g):
    """The mean and the log-variance of the latents of some pictures."""
    cases = []
    for label, shape in (
        ("latents", (3, 4, 5, 6)),
        ("latents", (2, 2, 3, 4)),
        ("vectors", (5, 7)),
        ("a batch of one", (1, 3, 2, 2)),
    ):
        cases.append((label, normal(g, *shape), 0.7 * normal(g, *shape) - 0.5))
    cases.append(("wide latents", normal(g, 3, 2, 4), 0.2 + uniform(g, 3, 2, 4)))  # all log-variances above 0
    return cases


@write(
    _gaussians,
    number="9.1",
    title="The price of a latent",
    line="Kingma & Welling 2014, appendix B",
    question="`my_latent_kl(mean, log_var)` returns $\\mathrm{KL}\\big(\\mathcal N(\\mu,\\sigma^2)\\,\\|\\,\\mathcal "
    "N(0,I)\\big)$ in nats for each picture, of shape `(B,)`: `mean` and `log_var` are $\\mu$ and $\\log\\sigma^2$, "
    "`(B, ...)`, and the latents of a picture are independent.",
    hints=[
        "One coordinate first: the mean of log q - log p under q. The means of its two squares follow from mu and sigma.",
        "Independent coordinates: their KLs are added up, over everything but the batch.",
        "Check: with mean 0 and log_var 0 the two Gaussians are the same.",
    ],
    package=(Encoding.kl,),
)
def latent_kl(mean, log_var):
    """Each coordinate costs (mu^2 + sigma^2 - 1 - log sigma^2) / 2: nothing where it is N(0, 1), more the farther its mean is
    from 0, and more the narrower it is, because a narrow Gaussian says more. The costs of independent coordinates add up."""
    cost = (mean**2 + log_var.exp() - 1 - log_var) / 2
    return cost.flatten(1).sum(1)


def _total(cost):
    return cost.flatten(1).sum(1)


@latent_kl.wrong("The sign is wrong: this is the negative of the KL, which can never fall below 0.")
def sign_turned_round(mean, log_var):
    return -_total((mean**2 + log_var.exp() - 1 - log_var) / 2)


@latent_kl.wrong("The half is missing: a Gaussian has 1/2 in its exponent, and its normalising constant is a square root.")
def half_left_out(mean, log_var):
    return _total(mean**2 + log_var.exp() - 1 - log_var)


@latent_kl.wrong("log_var is the logarithm of the variance, but here it is read as that of the standard deviation.")
def log_of_the_std(mean, log_var):
    return _total((mean**2 + (2 * log_var).exp() - 1 - 2 * log_var) / 2)


@latent_kl.wrong("log_var is already the logarithm: here it is taken for the variance, and where it is below 0 its log is NaN.")
def log_var_for_the_variance(mean, log_var):
    return _total((mean**2 + log_var - 1 - log_var.log()) / 2)


@latent_kl.wrong("exp(log_var / 2) is the standard deviation. What counts here is the variance, exp(log_var).")
def std_for_the_variance(mean, log_var):
    return _total((mean**2 + (log_var / 2).exp() - 1 - log_var) / 2)


@latent_kl.wrong("The square of the mean is missing: a latent at -2 should cost as much as one at 2.")
def mean_not_squared(mean, log_var):
    return _total((mean + log_var.exp() - 1 - log_var) / 2)


@latent_kl.wrong("The -1 is missing, so that even N(0, 1) would cost something.")
def minus_one_left_out(mean, log_var):
    return _total((mean**2 + log_var.exp() - log_var) / 2)


@latent_kl.wrong(
    "The log-variance is missing. It is what makes a narrow Gaussian costly: without it the cheapest encoder would add no noise."
)
def log_var_left_out(mean, log_var):
    return _total((mean**2 + log_var.exp() - 1) / 2)


@latent_kl.wrong("That is the KL the other way round, of N(0, I) to the encoder's Gaussian. The first of the two is q.")
def two_gaussians_exchanged(mean, log_var):
    return _total(((mean**2 + 1) / log_var.exp() - 1 + log_var) / 2)


@latent_kl.wrong("This is the mean over the latents. The KL of independent latents is the sum.")
def mean_over_the_latents(mean, log_var):
    return ((mean**2 + log_var.exp() - 1 - log_var) / 2).flatten(1).mean(1)


@latent_kl.wrong("This adds up all pictures. Each has its own KL: sum over everything but the first axis.")
def summed_over_the_batch(mean, log_var):
    return ((mean**2 + log_var.exp() - 1 - log_var) / 2).sum()


# in section 9.2


def _encodings(g):
    """What the encoder says, noise, and the mean and the variance of each channel over the data."""
    cases = []
    for label, shape in (
        ("latents", (3, 4, 5, 6)),
        ("latents", (4, 2, 3, 5)),
        ("one channel", (2, 1, 4, 3)),
        ("one", (1, 3, 2, 4)),
    ):
        c = shape[1]
        said = normal(g, *shape), 0.6 * normal(g, *shape) - 1, normal(g, *shape)
        cases.append((label, *said, normal(g, c), 0.3 + 2 * uniform(g, c)))
    return cases


@write(
    _encodings,
    number="9.2",
    title="A latent for the diffusion",
    line="Rombach et al. 2022, appendix G",
    question="`my_scaled_latents(mean, log_var, z, channel_mean, channel_var)` draws latents from $\\mathcal "
    "N(\\mu,\\sigma^2)$ with the noise `z` and brings each channel to mean 0 and variance 1. `mean`, `log_var` and "
    "`z` are `(B, c, h, w)`; `channel_mean` and `channel_var`, `(c,)`, are those of each channel over all the data.",
    hints=[
        "First the draw: the mean plus noise of the right standard deviation. Which standard deviation belongs to log_var?",
        "Then the scaling. Both statistics belong to the second axis: give them the shape (c, 1, 1).",
    ],
)
def scaled_latents(mean, log_var, z, channel_mean, channel_var):
    """mu + sigma z is a draw that lets gradients through to mu and sigma: the noise is an input. A diffusion's schedule is made
    for numbers of variance 1, so what is drawn is then centred and divided by the standard deviation of its channel."""
    latents = mean + (log_var / 2).exp() * z
    return (latents - channel_mean[:, None, None]) / channel_var[:, None, None].sqrt()


def _of_channels(channel_mean, channel_var):
    return channel_mean[:, None, None], channel_var[:, None, None].sqrt()


@scaled_latents.wrong("z is multiplied by the variance. Noise is scaled by its standard deviation, exp(log_var / 2).")
def variance_times_noise(mean, log_var, z, channel_mean, channel_var):
    m, s = _of_channels(channel_mean, channel_var)
    return (mean + log_var.exp() * z - m) / s


@scaled_latents.wrong("log_var is a logarithm, and half of it is not a standard deviation: that is exp(log_var / 2).")
def logarithm_not_undone(mean, log_var, z, channel_mean, channel_var):
    m, s = _of_channels(channel_mean, channel_var)
    return (mean + log_var / 2 * z - m) / s


@scaled_latents.wrong("The noise is missing: that is the mean of the encoder's Gaussian, not a draw from it.")
def mean_without_noise(mean, log_var, z, channel_mean, channel_var):
    m, s = _of_channels(channel_mean, channel_var)
    return (mean - m) / s


@scaled_latents.wrong("The noise has standard deviation 1 for every latent. The encoder says how much each should vary.")
def noise_of_variance_one(mean, log_var, z, channel_mean, channel_var):
    m, s = _of_channels(channel_mean, channel_var)
    return (mean + z - m) / s


@scaled_latents.wrong("This divides by the variance. Numbers get variance 1 when they are divided by their standard deviation.")
def divided_by_the_variance(mean, log_var, z, channel_mean, channel_var):
    m, s = _of_channels(channel_mean, channel_var)
    return (mean + (log_var / 2).exp() * z - m) / s**2


@scaled_latents.wrong("The mean of the channel is still in the latents: subtract it before you divide.")
def channel_mean_left_in(mean, log_var, z, channel_mean, channel_var):
    _, s = _of_channels(channel_mean, channel_var)
    return (mean + (log_var / 2).exp() * z) / s


@scaled_latents.wrong("The mean of the channel is subtracted after the division, when the numbers are already on another scale.")
def divided_before_centred(mean, log_var, z, channel_mean, channel_var):
    m, s = _of_channels(channel_mean, channel_var)
    return (mean + (log_var / 2).exp() * z) / s - m


@scaled_latents.wrong("That is the way back, from the diffusion's numbers to the decoder's: it multiplies and adds.")
def scaled_the_other_way(mean, log_var, z, channel_mean, channel_var):
    m, s = _of_channels(channel_mean, channel_var)
    return (mean + (log_var / 2).exp() * z) * s + m


@scaled_latents.wrong("Only the mean is scaled. The noise belongs to the latent: draw first, then scale what was drawn.")
def noise_added_after_scaling(mean, log_var, z, channel_mean, channel_var):
    m, s = _of_channels(channel_mean, channel_var)
    return (mean - m) / s + (log_var / 2).exp() * z


def _by_its_own_statistics(mean, log_var, z, correction):
    latents = mean + (log_var / 2).exp() * z
    own = latents.mean((0, 2, 3), keepdim=True)
    return (latents - own) / latents.std((0, 2, 3), correction=correction, keepdim=True)


@scaled_latents.wrong(
    "The mean and the variance are those of this batch, and the arguments are not used. With those of all the data, a picture's "
    "latents do not depend on the batch that it is in."
)
def statistics_of_the_batch(mean, log_var, z, channel_mean, channel_var):
    return _by_its_own_statistics(mean, log_var, z, correction=1)


@scaled_latents.wrong(
    "That is batch norm in training mode: it scales by the mean and the variance of this batch. Use the given ones, those of all "
    "the data."
)
def batch_norm_in_training(mean, log_var, z, channel_mean, channel_var):
    return _by_its_own_statistics(mean, log_var, z, correction=0)


# in section 9.4


def _pictures(g):
    """Pictures of several sizes and the side of a patch."""
    sizes = (
        ("pictures", (2, 3, 6, 9), 3),
        ("latents", (3, 4, 4, 6), 2),
        ("one channel", (2, 1, 8, 4), 4),
        ("one", (1, 2, 6, 4), 2),
    )
    return [(label, normal(g, *shape), patch) for label, shape, patch in sizes]


@write(
    _pictures,
    number="9.3",
    title="A picture in patches",
    line="Peebles & Xie 2023, section 3.2",
    question="`my_patches(x, p)` cuts pictures `(B, C, H, W)` into `n` squares of `p` by `p` and returns `(B, n, C * p * p)`: "
    "the patches row by row, as one reads, and in each patch the first channel row by row, then the next channel.",
    hints=[
        "Split each side into two axes: which patch, and where in the patch. Then x has six axes.",
        "Which axes belong to the number of the patch, and which to its contents? Put them in this order, and join each group.",
    ],
)
def patches(x, p):
    """A side of H pixels is H/p patches of p pixels: two axes, the number of the patch first. Then the patch's row and column
    come to the front and are joined into one axis; channel, row and column within the patch are joined into the other."""
    b, c, h, w = x.shape
    x = x.reshape(b, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(b, -1, c * p * p)


def _cut(x, p):
    b, c, h, w = x.shape
    return x.reshape(b, c, h // p, p, w // p, p)


def _joined(x, width):
    return x.reshape(len(x), -1, width)


@patches.wrong("The numbers are regrouped as they lie in memory, so this cuts pieces of rows, not squares.")
def plain_reshape_alone(x, p):
    return _joined(x, x.shape[1] * p * p)


@patches.wrong("The patches run column by column. They should run row by row.")
def patches_column_by_column(x, p):
    return _joined(_cut(x, p).permute(0, 4, 2, 1, 3, 5), x.shape[1] * p * p)


@patches.wrong("Each patch is transposed: within it, too, the row comes before the column.")
def pixels_column_by_column(x, p):
    return _joined(_cut(x, p).permute(0, 2, 4, 1, 5, 3), x.shape[1] * p * p)


@patches.wrong("The channels come last in each patch. All of the first channel should come first.")
def channels_come_last(x, p):
    return _joined(_cut(x, p).permute(0, 2, 4, 3, 5, 1), x.shape[1] * p * p)


@patches.wrong(
    "These are pixels that lie H/p and W/p apart, from all over the picture. The number of the patch comes before the place "
    "in it."
)
def pixels_from_everywhere(x, p):
    b, c, h, w = x.shape
    return _joined(x.reshape(b, c, p, h // p, p, w // p).permute(0, 3, 5, 1, 2, 4), c * p * p)


@patches.wrong("This is the transpose, (B, C p p, n). Each patch should be a row.")
def contents_before_patches(x, p):
    return F.pixel_unshuffle(x, p).flatten(2)


@patches.wrong("The channels are still an axis before the patches, so that each patch holds numbers of one channel only.")
def channels_before_patches(x, p):
    return _joined(_cut(x, p).permute(0, 1, 2, 4, 3, 5), x.shape[1] * p * p)


# in section 9.5


class _Layer:
    """Stands in for attention or an MLP: each place sees all places."""

    def __init__(self, g, width):
        self.weight = normal(g, width, width) / width**0.5

    def __call__(self, x):
        return torch.tanh(x @ self.weight.to(x.dtype) + 0.3 * x.mean(-2, keepdim=True) + 0.2)


class _Norm:
    """LayerNorm without parameters, with another small number under its root in each case."""

    def __init__(self, g):
        self.eps = (0.1 + uniform(g)).item()

    def __call__(self, x):
        return F.layer_norm(x, x.shape[-1:], eps=self.eps)


def _blocks(g):
    """Patches, a norm, a layer, and a shift, a scale and a gate for each picture."""
    cases = []
    for label, (b, n, width) in (
        ("patches", (3, 5, 8)),
        ("patches", (2, 4, 6)),
        ("patches", (4, 3, 5)),
        ("a batch of one", (1, 6, 4)),
    ):
        from_emb = [normal(g, b, width) for _ in range(3)]
        cases.append((label, 2 * normal(g, b, n, width) + 0.5, _Norm(g), _Layer(g, width), *from_emb))
    return cases


@write(
    _blocks,
    number="9.4",
    title="adaLN-zero",
    line="Peebles & Xie 2023, section 3.2",
    question="`my_adaln(x, norm, f, shift, scale, gate)` returns $x+g\\cdot f\\big((1+s)\\cdot\\mathrm{norm}(x)+b\\big)$. "
    "`x` holds patches, `(B, n, width)`; `norm` and `f` are functions of them; the shift $b$, the scale $s$ and the "
    "gate $g$ are `(B, width)`: one vector for each picture, the same for all its patches.",
    hints=[
        "Give shift, scale and gate an axis for the patches: (B, 1, width).",
        "Check with zeros: with gate 0 the result is x; with scale and shift 0, f sees norm(x).",
    ],
)
def adaln(x, norm, f, shift, scale, gate):
    """The time and the words decide how the layer's input is scaled and shifted, and how much of its answer is added. With all
    three at 0, as at the start of training, a block hands x on: a deep stack of such blocks begins as the identity."""
    shift, scale, gate = shift[:, None], scale[:, None], gate[:, None]
    return x + gate * f((1 + scale) * norm(x) + shift)


def _wide(shift, scale, gate):
    return shift[:, None], scale[:, None], gate[:, None]


@adaln.wrong("Without the 1, a scale of 0 lets nothing through: at the start of training no layer would see anything.")
def one_plus_left_out(x, norm, f, shift, scale, gate):
    b, s, g = _wide(shift, scale, gate)
    return x + g * f(s * norm(x) + b)


@adaln.wrong("Shift and scale are swapped: the scale multiplies, the shift is added.")
def shift_and_scale_exchanged(x, norm, f, shift, scale, gate):
    b, s, g = _wide(shift, scale, gate)
    return x + g * f((1 + b) * norm(x) + s)


@adaln.wrong("The gate is 1 + g here, so that the block would not begin as the identity. The gate has no 1.")
def gate_with_a_one(x, norm, f, shift, scale, gate):
    b, s, g = _wide(shift, scale, gate)
    return x + (1 + g) * f((1 + s) * norm(x) + b)


@adaln.wrong("The gate is missing: it says how much of the layer's answer is added.")
def gate_left_out(x, norm, f, shift, scale, gate):
    b, s, _ = _wide(shift, scale, gate)
    return x + f((1 + s) * norm(x) + b)


@adaln.wrong("The gate stands before the whole sum. x itself always gets through; only the layer's answer is gated.")
def gate_before_the_sum(x, norm, f, shift, scale, gate):
    b, s, g = _wide(shift, scale, gate)
    return g * (x + f((1 + s) * norm(x) + b))


@adaln.wrong("The gate stands inside f, before the layer. It should multiply the layer's answer.")
def gate_before_the_layer(x, norm, f, shift, scale, gate):
    b, s, g = _wide(shift, scale, gate)
    return x + f(g * ((1 + s) * norm(x) + b))


@adaln.wrong("x is missing: the block adds to it instead of replacing it.")
def skip_left_out(x, norm, f, shift, scale, gate):
    b, s, g = _wide(shift, scale, gate)
    return g * f((1 + s) * norm(x) + b)


@adaln.wrong("The answer is added to norm(x). The skip carries x itself.")
def skip_of_the_norm(x, norm, f, shift, scale, gate):
    b, s, g = _wide(shift, scale, gate)
    return norm(x) + g * f((1 + s) * norm(x) + b)


@adaln.wrong("The norm comes after scale and shift and undoes most of what they did. First normalise, then modulate.")
def norm_after_the_modulation(x, norm, f, shift, scale, gate):
    b, s, g = _wide(shift, scale, gate)
    return x + g * f(norm((1 + s) * x + b))


@adaln.wrong("Scale and shift act on the layer's answer. They belong before the layer: f sees (1 + s) norm(x) + b.")
def modulated_after_the_layer(x, norm, f, shift, scale, gate):
    b, s, g = _wide(shift, scale, gate)
    return x + g * ((1 + s) * f(norm(x)) + b)


@adaln.wrong("The norm is missing: scale and shift should act on numbers of mean 0 and variance 1.")
def norm_left_out(x, norm, f, shift, scale, gate):
    b, s, g = _wide(shift, scale, gate)
    return x + g * f((1 + s) * x + b)


@adaln.wrong("The shift is scaled as well: it stands inside the bracket. Scale first, then shift.")
def shift_before_the_scale(x, norm, f, shift, scale, gate):
    b, s, g = _wide(shift, scale, gate)
    return x + g * f((1 + s) * (norm(x) + b))


# in section 9.7


def _teachers(g):
    """A teacher, x_t, three falling steps and the schedule."""
    cases = []
    for label, shape, T, steps in (
        ("pictures", (3, 1, 4, 5), 20, (18, 14, 9)),
        ("latents", (2, 4, 3, 3), 16, (12, 8, 4)),
        ("points", (5, 2), 15, (15, 9, 2)),
        ("the last step", (4, 2), 18, (8, 4, 0)),
    ):
        cases.append((label, _Net(g), normal(g, *shape), *steps, drawn(g, T)))
    return cases


@write(
    _teachers,
    number="9.5",
    title="What the student is taught",
    line="Salimans & Ho 2022, Algorithm 2",
    question="`my_student_target(teacher, x_t, t, m, s, schedule)` takes two DDIM steps of the teacher, from `t` to `m` to "
    "`s`, and returns the $\\tilde x_0$ with which *one* DDIM step leads from $x_t$ to the same place. `teacher(x, t)` is "
    "$\\hat\\epsilon$, `t` one number or `(B,)`; `t > m > s` are numbers, and `schedule.alpha_bar[0]` is 1.",
    hints=[
        "In one DDIM step with a guess x0, the noise eps follows from x_t and x0. Write x_s with x_t and x0 alone.",
        "That equation is linear in x0. Solve it for x0, with x_s at the place where the teacher ends.",
        "At s = 0 no noise is left: what must the target be then?",
    ],
    package=(one_step,),
)
def student_target(teacher, x_t, t, m, s, schedule):
    """One DDIM step with x0 ends at sqrt(a_s) x0 + r (x_t - sqrt(a_t) x0), where r, sqrt(1 - a_s) over sqrt(1 - a_t), is
    the share of the noise that is left. Solved for x0 at the place where the teacher ends, this is the target: a student that
    hits it takes one step where the teacher takes two."""
    x = ddim_step(x_t, teacher(x_t, t), t, m, schedule)
    x_s = ddim_step(x, teacher(x, m), m, s, schedule)
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    r = ((1 - a_s) / (1 - a)).sqrt()
    return (x_s - r * x_t) / (a_s.sqrt() - r * a.sqrt())


def _two_steps(teacher, x_t, t, m, s, schedule):
    x = ddim_step(x_t, teacher(x_t, t), t, m, schedule)
    return x, ddim_step(x, teacher(x, m), m, s, schedule)


def _solved(x_t, x_s, t, s, schedule):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    r = ((1 - a_s) / (1 - a)).sqrt()
    return (x_s - r * x_t) / (a_s.sqrt() - r * a.sqrt())


@student_target.wrong("That is where the teacher ends, x_s, which still has noise. The target is the x0 that leads there.")
def end_of_the_teacher(teacher, x_t, t, m, s, schedule):
    return _two_steps(teacher, x_t, t, m, s, schedule)[1]


@student_target.wrong(
    "The teacher is asked only once. Two DDIM steps with one answer are one long step, so the student would learn what the "
    "teacher already does: ask again at x_m."
)
def teacher_asked_only_once(teacher, x_t, t, m, s, schedule):
    return _solved(x_t, ddim_step(x_t, teacher(x_t, t), t, s, schedule), t, s, schedule)


@student_target.wrong("The teacher is told the step t both times. In its second step it sees x_m, so it must be told m.")
def second_step_asked_at_t(teacher, x_t, t, m, s, schedule):
    x = ddim_step(x_t, teacher(x_t, t), t, m, schedule)
    return _solved(x_t, ddim_step(x, teacher(x, t), m, s, schedule), t, s, schedule)


@student_target.wrong(
    "In its second step the teacher is asked about x_t again. It is at x_m then: that is what it must be shown."
)
def second_question_about_x_t(teacher, x_t, t, m, s, schedule):
    x = ddim_step(x_t, teacher(x_t, t), t, m, schedule)
    return _solved(x_t, ddim_step(x, teacher(x_t, m), m, s, schedule), t, s, schedule)


@student_target.wrong(
    "The two answers of the teacher are averaged with equal weights. In its two steps they count by how far each step goes: take "
    "the steps, and solve for x0 where they end."
)
def mean_of_two_answers(teacher, x_t, t, m, s, schedule):
    first = teacher(x_t, t)
    second = teacher(ddim_step(x_t, first, t, m, schedule), m)
    return _solved(x_t, ddim_step(x_t, (first + second) / 2, t, s, schedule), t, s, schedule)


@student_target.wrong("That is the teacher's last guess, x0_hat at m. One step with it from x_t ends somewhere else.")
def last_guess_of_the_teacher(teacher, x_t, t, m, s, schedule):
    x = ddim_step(x_t, teacher(x_t, t), t, m, schedule)
    return ddim_step(x, teacher(x, m), m, 0, schedule)


@student_target.wrong("r is a ratio of variances here. Noise is scaled by standard deviations: take the root.")
def ratio_without_the_root(teacher, x_t, t, m, s, schedule):
    x_s = _two_steps(teacher, x_t, t, m, s, schedule)[1]
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    r = (1 - a_s) / (1 - a)
    return (x_s - r * x_t) / (a_s.sqrt() - r * a.sqrt())


@student_target.wrong("The ratio belongs to the noise, sqrt(1 - alpha_bar). This is the ratio of the signals.")
def ratio_of_the_signals(teacher, x_t, t, m, s, schedule):
    x_s = _two_steps(teacher, x_t, t, m, s, schedule)[1]
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    r = (a_s / a).sqrt()
    return (x_s - r * x_t) / (a_s.sqrt() - r)


@student_target.wrong("The roots are missing in the divisor: the picture in x_t has the factor sqrt(alpha_bar_t).")
def divisor_without_roots(teacher, x_t, t, m, s, schedule):
    x_s = _two_steps(teacher, x_t, t, m, s, schedule)[1]
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    r = ((1 - a_s) / (1 - a)).sqrt()
    return (x_s - r * x_t) / (a_s - r * a)


@student_target.wrong("The division is missing: x_s - r x_t is the x0 times a factor, sqrt(a_s) - r sqrt(a_t).")
def division_left_out(teacher, x_t, t, m, s, schedule):
    x_s = _two_steps(teacher, x_t, t, m, s, schedule)[1]
    r = ((1 - schedule.alpha_bar[s]) / (1 - schedule.alpha_bar[t])).sqrt()
    return x_s - r * x_t


# in section 9.8


def _edits(g):
    """A network, pictures, falling steps, noise and the schedule."""
    cases = []
    for label, shape, T, visit in (
        ("pictures", (3, 1, 4, 5), 20, [12, 8, 4]),
        ("latents", (2, 4, 3, 3), 16, [13, 9, 3]),
        ("points", (5, 2), 15, [6, 2]),
        ("one step", (4, 2), 18, [7]),
    ):
        cases.append((label, _Net(g), 0.7 * normal(g, *shape), visit, normal(g, *shape), drawn(g, T)))
    return cases


@write(
    _edits,
    number="9.6",
    title="SDEdit",
    line="Meng et al. 2022, section 3",
    question="`my_sdedit(model, x0, visit, eps, schedule)` adds the noise `eps` to the pictures `x0`, as much as belongs to "
    "the first step of `visit`, and goes back by DDIM through the remaining steps of `visit` and then to 0. `model(x, "
    "t)` is $\\hat\\epsilon$, `t` one number or `(B,)`.",
    hints=[
        "Where does the walk begin? At the closed form of notebook 02, at t = visit[0].",
        "Each step goes from one number of the list to the next, and the last one to 0.",
    ],
    package=(package_sdedit,),
)
def sdedit(model, x0, visit, eps, schedule):
    """Only the start is new here: a noisy picture in place of pure noise. The steps below that t are those of every
    drawing, and the last one ends at 0. The network is told the step at which x is, not the one to which it goes."""
    x = q_sample(x0, visit[0], eps, schedule)
    for t, s in zip(visit, [*visit[1:], 0], strict=True):
        x = ddim_step(x, model(x, t), t, s, schedule)
    return x


def _back(model, x, visit, schedule):
    for t, s in pairwise([*visit, 0]):
        x = ddim_step(x, model(x, t), t, s, schedule)
    return x


@sdedit.wrong("The walk starts from the noise alone, so nothing of the picture is left. Start from the noisy picture.")
def starts_from_noise_alone(model, x0, visit, eps, schedule):
    return _back(model, eps, visit, schedule)


@sdedit.wrong("The walk starts from the clean picture. The network expects as much noise as belongs to its step.")
def starts_from_the_picture(model, x0, visit, eps, schedule):
    return _back(model, x0, visit, schedule)


@sdedit.wrong("The picture gets the noise of the last step, T. It should get that of the first step of visit.")
def noise_of_the_last_step(model, x0, visit, eps, schedule):
    return _back(model, q_sample(x0, schedule.T, eps, schedule), visit, schedule)


@sdedit.wrong("The noise is added to the whole picture. In x_t the picture is multiplied by sqrt(alpha_bar_t).")
def picture_not_shrunk(model, x0, visit, eps, schedule):
    a = schedule.alpha_bar[visit[0]]
    return _back(model, x0 + (1 - a).sqrt() * eps, visit, schedule)


@sdedit.wrong("x_t lacks its square roots: the picture is multiplied by sqrt(alpha_bar_t), the noise by sqrt(1 - alpha_bar_t).")
def start_without_roots(model, x0, visit, eps, schedule):
    a = schedule.alpha_bar[visit[0]]
    return _back(model, a * x0 + (1 - a) * eps, visit, schedule)


@sdedit.wrong("The two weights at the start are swapped: the picture has sqrt(alpha_bar_t), the noise sqrt(1 - alpha_bar_t).")
def picture_and_noise_exchanged(model, x0, visit, eps, schedule):
    return _back(model, q_sample(eps, visit[0], x0, schedule), visit, schedule)


@sdedit.wrong("The last step is missing: the walk ends at the last number of visit, still with noise, and not at 0.")
def last_step_left_out(model, x0, visit, eps, schedule):
    x = q_sample(x0, visit[0], eps, schedule)
    for t, s in pairwise(visit):
        x = ddim_step(x, model(x, t), t, s, schedule)
    return x


@sdedit.wrong("The network is told the step to which x goes. It must be told the step at which x is.")
def asked_at_the_next_step(model, x0, visit, eps, schedule):
    x = q_sample(x0, visit[0], eps, schedule)
    for t, s in pairwise([*visit, 0]):
        x = ddim_step(x, model(x, s), t, s, schedule)
    return x


@sdedit.wrong("Each step ends at t - 1, as in Algorithm 2 with all steps. Here it ends at the next number of visit.")
def steps_end_at_t_minus_one(model, x0, visit, eps, schedule):
    x = q_sample(x0, visit[0], eps, schedule)
    for t in visit:
        x = ddim_step(x, model(x, t), t, t - 1, schedule)
    return x


@sdedit.wrong(
    "All steps from the first number of visit down to 0 are taken. Go to those of visit alone: that is why it is given."
)
def all_steps_are_taken(model, x0, visit, eps, schedule):
    return _back(model, q_sample(x0, visit[0], eps, schedule), [*range(visit[0], 0, -1)], schedule)


@sdedit.wrong(
    "At each step the picture x0 is noised anew, so what was drawn before is lost. Noise it once, at the start; then x goes on "
    "from where it is."
)
def picture_noised_anew(model, x0, visit, eps, schedule):
    for t, s in pairwise([*visit, 0]):
        x_t = q_sample(x0, t, eps, schedule)
        x = ddim_step(x_t, model(x_t, t), t, s, schedule)
    return x


@sdedit.wrong(
    "The guess of each step is noised with the given eps. In a DDIM step the noise is the network's own, eps_hat, at the place "
    "where x is."
)
def guess_noised_with_eps(model, x0, visit, eps, schedule):
    x = q_sample(x0, visit[0], eps, schedule)
    for t, s in pairwise([*visit, 0]):
        x = q_sample(ddim_step(x, model(x, t), t, 0, schedule), s, eps, schedule)
    return x


@sdedit.wrong("This is one step all the way from the first number of visit to 0. The steps between improve the guess.")
def one_step_to_the_end(model, x0, visit, eps, schedule):
    return _back(model, q_sample(x0, visit[0], eps, schedule), visit[:1], schedule)
