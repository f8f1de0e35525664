"""ddpm_lite: the models, the maths and the training of denoising diffusion, small enough to read."""

from .machine import interrupt  # noqa: F401  # the first of all: Ctrl-C during the other imports
from .machine.device import choose_device, place
from .maths.gaussian import (
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
from .maths.oracle import FiniteData, Floor, GaussianMixture, loss_floor
from .maths.schedule import Schedule
from .networks.channels import beside, widen
from .networks.classifier import Classifier
from .networks.clip import CLIP
from .networks.from_diffusers import from_diffusers
from .networks.layers import timestep_embedding
from .networks.mlp import PointMLP
from .networks.tokenizer import Tokenizer
from .networks.unet import CIFAR10, UNet
from .sampling.editing import inpaint
from .sampling.guidance import clip_guided, guided
from .sampling.loop import Frame, sample, timesteps
from .sampling.samplers import ddim_step, ddpm_step, dpm_solver_step
from .training.batches import captioned, drop_words, inpainting, upsampling
from .training.loop import TrainStep, train
from .training.losses import Loss, class_loss, clip_loss, drop_condition, eps_loss, low_discrepancy_t, v_loss, x0_loss

__all__ = [
    "CIFAR10",
    "CLIP",
    "Classifier",
    "FiniteData",
    "Floor",
    "Frame",
    "GaussianMixture",
    "Loss",
    "PointMLP",
    "Schedule",
    "Tokenizer",
    "TrainStep",
    "UNet",
    "beside",
    "bound_decoder",
    "bound_prior",
    "bound_step",
    "captioned",
    "choose_device",
    "class_loss",
    "clip_guided",
    "clip_loss",
    "ddim_step",
    "ddpm_step",
    "dpm_solver_step",
    "drop_condition",
    "drop_words",
    "eps_from_v",
    "eps_from_x0",
    "eps_loss",
    "from_diffusers",
    "guided",
    "inpaint",
    "inpainting",
    "kl",
    "loss_floor",
    "low_discrepancy_t",
    "place",
    "posterior",
    "posterior_mean_from_eps",
    "q_sample",
    "q_step",
    "sample",
    "timestep_embedding",
    "timesteps",
    "train",
    "upsampling",
    "v_from_eps",
    "v_loss",
    "widen",
    "x0_from_eps",
    "x0_from_v",
    "x0_loss",
]
