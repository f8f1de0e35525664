"""ddpm_lite: the models, the maths and the training of denoising diffusion, small enough to read."""

from .gaussian import (
    bound_decoder,
    bound_prior,
    bound_step,
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
from .oracle import FiniteData, Floor, GaussianMixture, loss_floor
from .schedule import Schedule
