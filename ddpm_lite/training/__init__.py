"""Algorithm 1, for every network here: what is predicted, what is compared, and the loop.

The losses, what is done to a batch before them, the step of training, and the checkpoint from which a run continues belong
here. The room imports `maths`, `machine`, `networks` and, for the steps that a student learns, `sampling`. Slides L5, L18 to
L20 and L23 to L27; eq. 14 and Algorithm 1 of Ho et al. 2020.
"""

from . import targets
from .batches import captioned, decoding, drop_words, erasures, imagining, in_latents, inpainting, to_bytes, upsampling
from .checkpoint import Run
from .distillation import few_step_loss, in_steps, one_step
from .loop import TrainStep, learning_rate, train, train_step
from .losses import (
    Loss,
    autoencoder_loss,
    class_loss,
    clip_loss,
    denoising_loss,
    drop_condition,
    eps_loss,
    flow_loss,
    low_discrepancy_t,
    v_loss,
    x0_loss,
)

__all__ = [
    "Loss",
    "Run",
    "TrainStep",
    "autoencoder_loss",
    "captioned",
    "class_loss",
    "clip_loss",
    "decoding",
    "denoising_loss",
    "drop_condition",
    "drop_words",
    "eps_loss",
    "erasures",
    "few_step_loss",
    "flow_loss",
    "imagining",
    "in_latents",
    "in_steps",
    "inpainting",
    "learning_rate",
    "low_discrepancy_t",
    "one_step",
    "targets",
    "to_bytes",
    "train",
    "train_step",
    "upsampling",
    "v_loss",
    "x0_loss",
]
