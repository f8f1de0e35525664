"""The networks, and what turns captions into tokens: modules of PyTorch, without any procedure.

The U-Net and its parts, the Transformer, both sides of CLIP, the caption reader of GLIDE, the prior of DALL·E 2, the autoencoder
of latent diffusion, DiT, a classifier and a small network for points belong here. The room imports `maths` and `machine`. Slides
L19 and L23 to L27; the networks of Ho et al. 2020, Radford et al. 2021, Nichol et al. 2022, Ramesh et al. 2022, Rombach et al.
2022 and Peebles & Xie 2023.
"""

from .attention import attend
from .autoencoder import Autoencoder, Encoding
from .blocks import Attention, ResBlock
from .caption import Caption, Context
from .channels import enlarge, erased, recoloured, widen, with_channels
from .classifier import Classifier
from .clip import CLIP, VIT_B_32, ImageEncoder, TextEncoder
from .diffusers_unet import from_diffusers
from .dit import DIT_SIZES, DiT, DiTBlock, grid_positions
from .layers import Condition, timestep_embedding
from .looking import word_maps
from .mlp import PointMLP
from .openai_clip import BytePairTokenizer
from .prior import Prior, closest, conditions, embed, null_condition, principal, slerp, text_difference
from .resnet import ResNet
from .tokenizer import Tokenizer
from .transformer import Block, Transformer, quick_gelu
from .unet import CIFAR10, UNet

__all__ = [
    "CIFAR10",
    "CLIP",
    "DIT_SIZES",
    "VIT_B_32",
    "Attention",
    "Autoencoder",
    "Block",
    "BytePairTokenizer",
    "Caption",
    "Classifier",
    "Condition",
    "Context",
    "DiT",
    "DiTBlock",
    "Encoding",
    "ImageEncoder",
    "PointMLP",
    "Prior",
    "ResBlock",
    "ResNet",
    "TextEncoder",
    "Tokenizer",
    "Transformer",
    "UNet",
    "attend",
    "closest",
    "conditions",
    "embed",
    "enlarge",
    "erased",
    "from_diffusers",
    "grid_positions",
    "null_condition",
    "principal",
    "quick_gelu",
    "recoloured",
    "slerp",
    "text_difference",
    "timestep_embedding",
    "widen",
    "with_channels",
    "word_maps",
]
