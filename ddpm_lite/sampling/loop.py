"""Algorithm 2: from noise to a picture, in the steps of a sampler. Slide L21; Ho et al. 2020, Algorithm 2.

`sample` is a generator: its caller can show each frame, save it, or stop.
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ..maths.checks import require_finite
from ..maths.gaussian import eps_from_x0, x0_from_eps
from ..maths.schedule import Schedule, require_floating
from .guidance import refuse_training_mode
from .samplers import OPTIONS, SAMPLERS, Seen, check_eta, ddpm_sigma


class Frame(NamedTuple):
    """A moment of sampling: the picture x_t at step t, and the clean picture the network sees in it.
    Slide L21; Ho et al. 2020, Algorithm 2."""

    t: int
    x_t: Tensor
    x0_hat: Tensor


def timesteps(T: int, steps: int | Sequence[int] | None = None) -> list[int]:
    """The steps to visit, from T down: all of them (None), a number of them, evenly spread, or the given ones.
    Song et al. 2021, section 4.2.

    With a number, t = T, where the noise was drawn, is always included. ValueError for a number outside 1..T and for steps
    that do not decrease from at most T to at least 1.
    """
    if steps is None:
        return list(range(T, 0, -1))
    if hasattr(steps, "__index__"):
        steps = operator.index(steps)
        if not 1 <= steps <= T:
            raise ValueError(f"steps = {steps}, but it must lie between 1 and T = {T}.")
        return [round(T * (steps - i) / steps) for i in range(steps)]
    steps = [int(t) for t in steps]
    if not steps or steps[0] > T or steps[-1] < 1 or any(a <= b for a, b in pairwise(steps)):
        raise ValueError(f"steps must decrease strictly, from at most T = {T} to at least 1.")
    return steps


def sample(
    model: Callable[..., Tensor],
    x_T: Float[Tensor, "b *d"],
    schedule: Schedule,
    *,
    cond: Shaped[Tensor, "b *c"] | None = None,
    steps: int | Sequence[int] | None = None,
    method: str = "ddpm",
    var: str | Float[Tensor, " T_plus_1"] | None = None,
    eta: float | None = None,
    clip: bool = False,
    generator: torch.Generator | Sequence[torch.Generator] | None = None,
) -> Iterator[Frame]:
    """Draw pictures: yields a Frame for each step visited, from t = T down, and finally Frame(0, x_0, x_0).
    Slides L1, L14, L21; Ho et al. 2020, eq. 1, Algorithm 2.

    model    eps_hat = model(x_t, t, cond), with t (B,): a network in eval mode, `guided(...)`, or an exact `eps_model`
    x_T      the starting noise, from N(0, I); everything that follows has its device and dtype
    steps    see `timesteps`
    method   "ddpm", "ddim", "dpm-solver++", "euler" or "heun", which asks the network twice a step
    var      of DDPM alone: see `ddpm_step` (default "posterior")
    eta      of DDIM alone: see `ddim_step` (default 0)
    clip     keep every x0_hat in [-1, 1], the range of pictures
    generator   of the noise that DDPM, and DDIM with eta > 0, add. With a list of one generator per picture, a picture is
             the same whatever else is drawn with it
    ValueError, at the call, for arguments that do not fit or have no effect, numbers that are not finite, and a network in
    training mode; FloatingPointError at the step where the network returns NaN or infinity.
    """
    if method not in SAMPLERS:
        raise ValueError(f"There is no method {method!r}: use {', '.join(map(repr, SAMPLERS))}.")
    for name, value in (("var", var), ("eta", eta)):
        if value is not None and OPTIONS.get(method) != name:
            owner = next(each for each, option in OPTIONS.items() if option == name)
            raise ValueError(f"{name} is an option of {owner}, and {method} does not use it: leave it out.")
    var, eta = "posterior" if var is None else var, eta or 0.0
    refuse_training_mode(model)
    visit = timesteps(schedule.T, steps)
    if method == "ddpm":
        for t, t_next in pairwise([*visit, 0]):
            ddpm_sigma(t, t_next, schedule, var)
    check_eta(eta)
    adds_noise = method == "ddpm" or eta > 0
    if not adds_noise and generator is not None:
        raise ValueError(f"{method} adds no noise (eta = 0), so it does not use a generator: leave it out.")
    for name, rows in (("cond", cond), ("generator", generator if isinstance(generator, Sequence) else None)):
        if rows is not None and len(rows) != len(x_T):
            raise ValueError(f"{name} must hold one for each of the {len(x_T)} pictures, not {len(rows)}.")
    require_floating(x_T=x_T)
    require_finite(x_T=x_T)
    options: dict[str | None, dict[str, Any]] = {"var": {"var": var}, "eta": {"eta": eta}, None: {}}
    option = options[OPTIONS.get(method)]
    draw = partial(_noise, generator=generator) if adds_noise else lambda x: None
    return _frames(model, x_T, schedule, cond, visit, partial(SAMPLERS[method], **option), draw, clip)


@torch.no_grad()
def _frames(
    model: Callable[..., Tensor],
    x: Tensor,
    schedule: Schedule,
    cond: Tensor | None,
    visit: list[int],
    sampler: Callable[..., Tensor],
    noise: Callable[[Tensor], Tensor | None],
    clip: bool,
) -> Iterator[Frame]:
    """The steps of `sample`, whose arguments have been checked."""

    def look(x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        """The noise and the clean picture that the network sees in x."""
        eps_hat = model(x, torch.full((len(x),), t, device=x.device), cond)
        x0_hat = finite_x0_hat(x, eps_hat, t, schedule)
        if clip:
            x0_hat = x0_hat.clamp(-1, 1)
            eps_hat = eps_from_x0(x, x0_hat, t, schedule)
        return eps_hat, x0_hat

    before = None
    for t, t_next in pairwise([*visit, 0]):
        eps_hat, x0_hat = look(x, t)
        yield Frame(t, x, x0_hat)
        seen = Seen(eps_hat, x0_hat, before, lambda x, t: look(x, t)[0])
        x = sampler(x, seen, t, t_next, schedule, noise(x))
        before = t, x0_hat
    yield Frame(0, x, x)


def finite_x0_hat(x_t: Tensor, eps_hat: Tensor, t: int, schedule: Schedule) -> Tensor:
    """x0_from_eps of a network's answer. FloatingPointError if it is not finite: after clipping it would look like a picture."""
    x0_hat = x0_from_eps(x_t, eps_hat, t, schedule)
    if not (x0_hat.is_meta or x0_hat.isfinite().all()):
        raise FloatingPointError(
            f"At t = {t} the network's answer is not finite: look for NaN or infinity in its weights and in cond, or for a "
            "guidance scale that is too large."
        )
    return x0_hat


def _noise(x: Tensor, generator: torch.Generator | Sequence[torch.Generator] | None) -> Tensor:
    """N(0, I) like x, from one generator for all rows or one for each."""
    if isinstance(generator, Sequence):
        z = torch.empty_like(x)
        for row, own in zip(z, generator, strict=True):
            row.copy_(torch.randn(row.shape, dtype=x.dtype, device=x.device, generator=own))
        return z
    return torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)
