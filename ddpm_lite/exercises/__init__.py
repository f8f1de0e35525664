"""The exercises, one file for each notebook; `kit` holds how an answer is called, compared and explained.

`exercises.closed_form.q_sample.check(my_q_sample)` says what is right or wrong with an answer; `.hint()` and `.solution()`
help. Nothing is written to disk. The room imports `maths`, `networks`, `training`, `sampling` and `data`. Each exercise names
its slide in `line`, or a paper where the lecture has no slide; the index of the lecture, which `site` writes, lists them.
"""

from . import (
    clip_conditioning,
    closed_form,
    epsilon_training,
    forward_process,
    from_noise,
    latents_and_transformers,
    reverse_posterior,
    sampling,
    score_and_flow,
    unclip,
)
from .kit.asking import Answer, Prediction
from .kit.exercise import Exercise, Write, write
from .kit.progress import progress

__all__ = [
    "Answer",
    "Exercise",
    "Prediction",
    "Write",
    "clip_conditioning",
    "closed_form",
    "epsilon_training",
    "forward_process",
    "from_noise",
    "latents_and_transformers",
    "progress",
    "reverse_posterior",
    "sampling",
    "score_and_flow",
    "unclip",
    "write",
]
