"""The maths of the lecture, tensors in and tensors out.

The forward chain and its closed form, the schedule, the posterior, the variational bound, the exact answers where the data's
distribution is known, and distances between sets of items belong here. The room imports torch alone. Slides L1 to L4, L6 to
L13 and L15 to L20; eqs. 2 to 15 of Ho et al. 2020.
"""

from . import metrics
from .gaussian import (
    bound_decoder,
    bound_prior,
    bound_step,
    eps_from_flow,
    eps_from_v,
    eps_from_x0,
    kl,
    posterior,
    posterior_mean_from_eps,
    q_sample,
    q_step,
    v_from_eps,
    x0_from_eps,
    x0_from_v,
)
from .metrics import PrecisionRecall, accuracy, frechet, nearest, precision_recall
from .oracle import FiniteData, Floor, GaussianMixture, loss_floor
from .schedule import Schedule, gather

__all__ = [
    "FiniteData",
    "Floor",
    "GaussianMixture",
    "PrecisionRecall",
    "Schedule",
    "accuracy",
    "bound_decoder",
    "bound_prior",
    "bound_step",
    "eps_from_flow",
    "eps_from_v",
    "eps_from_x0",
    "frechet",
    "gather",
    "kl",
    "loss_floor",
    "metrics",
    "nearest",
    "posterior",
    "posterior_mean_from_eps",
    "precision_recall",
    "q_sample",
    "q_step",
    "v_from_eps",
    "x0_from_eps",
    "x0_from_v",
]
