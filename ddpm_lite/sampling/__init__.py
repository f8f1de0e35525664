"""Algorithm 2, from noise to a picture, and what steers it.

A sampler is one step from t to an earlier t; the loop, guidance by the network itself or by CLIP, filling in a part of a
picture, drawing it anew from a noisy form of itself, and the way from a picture back to its noise belong here. The room imports
`maths` and `networks`. Slides L1, L14 to
L18, L21, L23, L24 and L27; Algorithm 2 of Ho et al. 2020, eqs. 12 and 16 of Song et al. 2021.
"""

from .editing import inpaint, invert, sdedit
from .guidance import clip_guided, guided
from .loop import Frame, sample, timesteps
from .samplers import as_eps, ddim_step, ddpm_sigma, ddpm_step, dpm_solver_step, euler_step, heun_step

__all__ = [
    "Frame",
    "as_eps",
    "clip_guided",
    "ddim_step",
    "ddpm_sigma",
    "ddpm_step",
    "dpm_solver_step",
    "euler_step",
    "guided",
    "heun_step",
    "inpaint",
    "invert",
    "sample",
    "sdedit",
    "timesteps",
]
