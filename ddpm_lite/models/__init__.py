"""The models by name: a recipe, its weights, the class for what it does, and its score.

What a model is, is one record, `Recipe`; the presets are recipes, a training stores one in its checkpoint, and network, loss,
data and class follow from it. The room imports `maths`, `machine`, `networks`, `training`, `sampling` and `data`. Slides L21 to
L24, L26 and L27; DALL·E 2 as a whole is in `unclip` (Ramesh et al. 2022).
"""

from . import evaluation
from .autoencoding import AutoencoderModel
from .header import Made
from .kinds import (
    ClassifierModel,
    ClassModel,
    ClipModel,
    DecoderModel,
    FewStepsModel,
    InpaintingModel,
    LatentModel,
    TextModel,
    UpsamplingModel,
)
from .material import bind, training_data
from .model import DrawingModel, Trained
from .objective import make_loss
from .presets import ALIASES, CHAINS, PRESETS
from .recipe import Pictures, Recipe, Training
from .trained import load
from .unclip import Chain, imagine, load_chain

__all__ = [
    "ALIASES",
    "CHAINS",
    "PRESETS",
    "AutoencoderModel",
    "Chain",
    "ClassModel",
    "ClassifierModel",
    "ClipModel",
    "DecoderModel",
    "DrawingModel",
    "FewStepsModel",
    "InpaintingModel",
    "LatentModel",
    "Made",
    "Pictures",
    "Recipe",
    "TextModel",
    "Trained",
    "Training",
    "UpsamplingModel",
    "bind",
    "evaluation",
    "imagine",
    "load",
    "load_chain",
    "make_loss",
    "training_data",
]
