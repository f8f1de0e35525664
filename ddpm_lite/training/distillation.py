"""A student that draws in few steps learns where the path of its teacher leads (Luhman & Luhman 2021; Salimans & Ho 2022), with
the teacher's guidance (Meng et al. 2023). One network learns all numbers of steps, and is told which (Frans et al. 2025)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ..machine import distributed
from ..maths.schedule import Schedule, gather
from ..networks.prior import conditions
from ..sampling.loop import sample, timesteps
from .losses import BINS, Loss, LossFunction, look_at
from .targets import TARGETS

COUNTS = (1, 2, 4, 8)  # the numbers of steps in which a student draws; each step of one is two of the next
FINEST = 2 * COUNTS[-1]  # the steps of the teacher's path


def in_steps(cond: Int[Tensor, "n length"], steps: int) -> Float[Tensor, "n length+4"]:
    """Captions with the number of steps in which the picture is drawn, as a student reads them. Frans et al. 2025, section 3.
    ValueError for a number that is not one of COUNTS."""
    if steps not in COUNTS:
        raise ValueError(f"steps = {steps}, but this network draws in {', '.join(map(str, COUNTS[:-1]))} or {COUNTS[-1]}.")
    which = torch.full((len(cond),), COUNTS.index(steps), device=cond.device)
    return conditions(cond, F.one_hot(which, len(COUNTS)).float())


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


def few_step_loss(schedule: Schedule, target: str, teacher: Callable[..., Tensor]) -> LossFunction:
    """The loss of a student whose one step leads where many of its teacher's lead. Luhman & Luhman 2021, section 3; Salimans & Ho
    2022, Algorithm 2; Meng et al. 2023, section 3.

    A batch is (x0, tokens), of which x0 says only how large pictures are: a path begins with noise. For each caption the teacher,
    eps_hat = teacher(x_t, t, tokens), takes FINEST steps of DDIM; it may be guided, and the student then needs no guidance. Each
    step of the student, with each number of steps in COUNTS, begins at a point of that path and ends at another, so one path
    holds the answers to all of them, and no error of the student enters them. The squared error is that of the target.
    ValueError for a target that is not known.
    """
    if target not in TARGETS:
        raise ValueError(f"There is no target {target!r}: use {', '.join(TARGETS)}.")
    steps = torch.tensor([count for count in COUNTS for _ in range(count)])
    first = torch.cat([torch.arange(0, FINEST, FINEST // count) for count in COUNTS])
    last = first + FINEST // steps
    visit = torch.tensor([*timesteps(schedule.T, FINEST), 0])

    def loss(model: Callable[..., Tensor], batch: tuple[Tensor, ...], generator: torch.Generator | None = None) -> Loss:
        x0, tokens = batch
        look_at(x0=x0)
        noise = torch.randn(x0.shape, generator=generator, device=x0.device, dtype=x0.dtype)
        noise, tokens = distributed.shard(noise), distributed.shard(tokens)
        n = len(noise)
        with torch.no_grad():
            frames = sample(teacher, noise, schedule, cond=tokens, steps=FINEST, method="ddim")
            path = torch.stack([frame.x_t for frame in frames])
            x_t, x_next = path[first].flatten(0, 1), path[last].flatten(0, 1)
            t, t_next = (visit[each].repeat_interleave(n).to(x0.device) for each in (first, last))
            clean, eps = one_step(x_t, x_next, t, t_next, schedule)
            wanted = TARGETS[target](clean, t, eps, schedule)
        cond = torch.cat([in_steps(tokens, count) for count in steps.tolist()])
        per_item = (model(x_t, t, cond) - wanted).square().flatten(1).mean(1)
        return Loss(per_item.mean(), per_item.detach(), (t - 1) * BINS // schedule.T)

    return loss
