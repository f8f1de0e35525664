"""The maths of the lecture, tensors in and tensors out.

The forward chain and its closed form, the schedule, the posterior, the variational bound, the exact answers where the data's
distribution is known, the same in continuous time (paths, scores, flows), and distances between sets of items belong here. The
room imports torch alone. Slides L1 to L4, L6 to L13 and L15 to L20; eqs. 2 to 15 of Ho et al. 2020.
"""

from . import metrics
from .flow import conditional_field, field_of, marginal_field, rectified_pairs, straightness
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
from .path import GaussianPath
from .schedule import Schedule, gather
from .score import (
    Preconditioning,
    exact_score,
    log_likelihood,
    ode_drift,
    precondition,
    reverse_drift,
    score_from_eps,
    sigma_of,
    solve,
)

__all__ = [
    "FiniteData",
    "Floor",
    "GaussianMixture",
    "GaussianPath",
    "PrecisionRecall",
    "Preconditioning",
    "Schedule",
    "accuracy",
    "bound_decoder",
    "bound_prior",
    "bound_step",
    "conditional_field",
    "eps_from_flow",
    "eps_from_v",
    "eps_from_x0",
    "exact_score",
    "field_of",
    "frechet",
    "gather",
    "kl",
    "log_likelihood",
    "loss_floor",
    "marginal_field",
    "metrics",
    "nearest",
    "ode_drift",
    "posterior",
    "posterior_mean_from_eps",
    "precision_recall",
    "precondition",
    "q_sample",
    "q_step",
    "rectified_pairs",
    "reverse_drift",
    "score_from_eps",
    "sigma_of",
    "solve",
    "straightness",
    "v_from_eps",
    "x0_from_eps",
    "x0_from_v",
]
