"""ddpm_lite: the models, the maths and the training of denoising diffusion, small enough to read."""

from .machine import interrupt  # noqa: F401  # the first of all: Ctrl-C during the other imports

# isort: split
from importlib import import_module
from typing import Any

from .machine import choose_device, place
from .machine.release import __version__ as __version__
from .maths import (
    FiniteData,
    Floor,
    GaussianMixture,
    Schedule,
    bound_decoder,
    bound_prior,
    bound_step,
    eps_from_flow,
    eps_from_v,
    eps_from_x0,
    kl,
    loss_floor,
    metrics,
    posterior,
    posterior_mean_from_eps,
    q_sample,
    q_step,
    v_from_eps,
    x0_from_eps,
    x0_from_v,
)
from .networks import (
    CIFAR10,
    CLIP,
    Classifier,
    PointMLP,
    Prior,
    Tokenizer,
    UNet,
    conditions,
    embed,
    from_diffusers,
    principal,
    slerp,
    text_difference,
    timestep_embedding,
    widen,
    with_channels,
    word_maps,
)
from .sampling import Frame, as_eps, clip_guided, ddim_step, ddpm_step, dpm_solver_step, guided, inpaint, sample, timesteps
from .training import (
    Loss,
    TrainStep,
    captioned,
    class_loss,
    clip_loss,
    drop_condition,
    drop_words,
    eps_loss,
    flow_loss,
    inpainting,
    low_discrepancy_t,
    train,
    upsampling,
    v_loss,
    x0_loss,
)

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
    "Prior",
    "Schedule",
    "Tokenizer",
    "TrainStep",
    "UNet",
    "as_eps",
    "bound_decoder",
    "bound_prior",
    "bound_step",
    "captioned",
    "choose_device",
    "class_loss",
    "clip_guided",
    "clip_loss",
    "conditions",
    "data",
    "ddim_step",
    "ddpm_step",
    "dpm_solver_step",
    "drop_condition",
    "drop_words",
    "embed",
    "eps_from_flow",
    "eps_from_v",
    "eps_from_x0",
    "eps_loss",
    "evaluation",
    "exercises",
    "flow_loss",
    "from_diffusers",
    "guided",
    "inpaint",
    "inpainting",
    "kl",
    "load",
    "load_chain",
    "loss_floor",
    "low_discrepancy_t",
    "metrics",
    "place",
    "plots",
    "posterior",
    "posterior_mean_from_eps",
    "principal",
    "q_sample",
    "q_step",
    "sample",
    "slerp",
    "text_difference",
    "timestep_embedding",
    "timesteps",
    "train",
    "upsampling",
    "v_from_eps",
    "v_loss",
    "views",
    "widen",
    "with_channels",
    "word_maps",
    "x0_from_eps",
    "x0_from_v",
    "x0_loss",
]

# What shows, asks, loads or judges is imported when it is first asked for: figures and widgets take a second.
_LATER = {"evaluation": "models", "load": "models", "load_chain": "models", "plots": "views"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
