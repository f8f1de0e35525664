"""What a network is trained to predict of x_t: the noise, the clean picture, or one of two velocities. Each gives the others.

Slide L18: x_t is an input and need not be predicted.
"""

from collections.abc import Callable

from torch import Tensor

from ..maths.gaussian import q_sample
from ..maths.schedule import Schedule

Target = Callable[[Tensor, Tensor, Tensor, Schedule], Tensor]


def eps(x0: Tensor, t: Tensor, eps: Tensor, schedule: Schedule) -> Tensor:
    """The noise. Slide L20; Ho et al. 2020, eq. 14."""
    return eps


def x0(x0: Tensor, t: Tensor, eps: Tensor, schedule: Schedule) -> Tensor:
    """The clean picture. Slide L26; Ramesh et al. 2022, section 2.2."""
    return x0


def v(x0: Tensor, t: Tensor, eps: Tensor, schedule: Schedule) -> Tensor:
    """The velocity sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x0. Slide L18; Salimans & Ho 2022, appendix D."""
    return q_sample(eps, t, -x0, schedule)  # the same turn of the plane of signal and noise, a quarter further


def flow(x0: Tensor, t: Tensor, eps: Tensor, schedule: Schedule) -> Tensor:
    """The velocity eps - x0 of the straight path from the picture to the noise. Slide L18; Lipman et al. 2023, section 4.1."""
    return eps - x0


TARGETS: dict[str, Target] = {"eps": eps, "x0": x0, "v": v, "flow": flow}
