"""A student that draws in few steps learns to do in one step what its teacher does in two: progressive distillation (Salimans &
Ho 2022). Here one network learns all numbers of steps at once: it is told in how many a picture is drawn (Frans et al. 2025)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ..machine import distributed
from ..maths.gaussian import eps_from_x0, q_sample, x0_from_eps
from ..maths.schedule import Schedule, gather
from ..networks.prior import conditions
from ..sampling.loop import timesteps
from ..sampling.samplers import as_eps
from .losses import BINS, Loss, LossFunction, look_at
from .targets import TARGETS

COUNTS = (1, 2, 4, 8)  # the numbers of steps in which a student draws; each step of one is two of the next


def in_steps(cond: Int[Tensor, "n length"], steps: int) -> Float[Tensor, "n length+4"]:
    """Captions with the number of steps in which the picture is drawn, as a student reads them. Frans et al. 2025, section 3.
    ValueError for a number that is not one of COUNTS."""
    if steps not in COUNTS:
        raise ValueError(f"steps = {steps}, but this network draws in {', '.join(map(str, COUNTS[:-1]))} or {COUNTS[-1]}.")
    which = torch.full((len(cond),), COUNTS.index(steps), device=cond.device)
    return conditions(cond, F.one_hot(which, len(COUNTS)).float())


def ddim_to(
    x_t: Float[Tensor, "b *d"],
    eps_hat: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    t_next: Int[Tensor, " b"],
    schedule: Schedule,
    bound: float,
) -> Float[Tensor, "b *d"]:
    """A step of DDIM with eta = 0, for each picture from its own t to its own t_next: back to x0_hat, which is kept within
    [-bound, bound], then forward along the noise that goes with it. Song et al. 2021, eq. 12."""
    x0_hat = x0_from_eps(x_t, eps_hat, t, schedule).clamp(-bound, bound)
    return q_sample(x0_hat, t_next, eps_from_x0(x_t, x0_hat, t, schedule), schedule)


def one_step(
    x_t: Float[Tensor, "b *d"],
    x_next: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    t_next: Int[Tensor, " b"],
    schedule: Schedule,
) -> tuple[Float[Tensor, "b *d"], Float[Tensor, "b *d"]]:
    """The x_0 and the noise by which one step of DDIM leads from x_t to x_next. Salimans & Ho 2022, appendix G.

    Both pictures are mixtures of the two, x = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps, at t and at t_next: two equations
    with two unknowns. t_next lies before t.
    """
    (a, s), (a_next, s_next) = (
        [gather(table.sqrt(), each, x_t, 0) for table in (schedule.alpha_bar, 1 - schedule.alpha_bar)] for each in (t, t_next)
    )
    turn = s * a_next - a * s_next  # above 0, since there is more noise at t
    return (s * x_next - s_next * x_t) / turn, (a_next * x_t - a * x_next) / turn


def few_step_loss(schedule: Schedule, target: str, teacher: Callable[..., Tensor], bound: float = 1.0) -> LossFunction:
    """The loss of a student whose one step does what two steps of half its length do. Salimans & Ho 2022, Algorithm 2; Meng et
    al. 2023, section 3; Frans et al. 2025, eq. 5.

    A batch is (x0, tokens). In each, the number of steps is drawn from COUNTS, and the t at which the step begins. With the most
    steps, the two shorter ones are the teacher's, eps_hat = teacher(x_t, t, tokens): it may be guided, and the student then
    needs no guidance. With fewer, they are the student's own with twice as many steps. The squared error is that of the target.
    x0_hat is kept within [-bound, bound], 1 for pictures, a few standard deviations for latents: without it, a student that
    learns from itself goes astray. ValueError for a target that is not known, and a bound that is not above 0.
    """
    if not bound > 0:
        raise ValueError(f"bound = {bound}, but what x0_hat is kept within must be above 0.")
    if target not in TARGETS:
        raise ValueError(f"There is no target {target!r}: use {', '.join(TARGETS)}.")

    def loss(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        x0, tokens = batch
        look_at(x0=x0)
        device, T = x0.device, schedule.T
        steps = COUNTS[int(torch.randint(len(COUNTS), (), generator=generator, device=device))]
        first = 2 * torch.randint(steps, (len(x0),), generator=generator, device=device)
        eps = torch.randn(x0.shape, generator=generator, device=device, dtype=x0.dtype)
        x0, tokens, first, eps = (distributed.shard(each) for each in (x0, tokens, first, eps))
        visit = torch.tensor([*timesteps(T, 2 * steps), 0], device=device)
        t, halfway, t_next = visit[first], visit[first + 1], visit[first + 2]
        x_t = q_sample(x0, t, eps, schedule)
        with torch.no_grad():
            if steps == COUNTS[-1]:
                leads, cond = teacher, tokens
            else:
                leads = model if target == "eps" else as_eps(model, schedule, target)
                cond = in_steps(tokens, 2 * steps)
            between = ddim_to(x_t, leads(x_t, t, cond), t, halfway, schedule, bound)
            x_next = ddim_to(between, leads(between, halfway, cond), halfway, t_next, schedule, bound)
            clean, noise = one_step(x_t, x_next, t, t_next, schedule)
            wanted = TARGETS[target](clean, t, noise, schedule)
        per_item = (model(x_t, t, in_steps(tokens, steps)) - wanted).square().flatten(1).mean(1)
        return Loss(per_item.mean(), per_item.detach(), (t - 1) * BINS // T)

    return loss
