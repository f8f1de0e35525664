"""CLIP (Radford et al. 2021): pictures and captions as points on one sphere, a picture near the captions that fit it."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..machine import weights
from ..machine.precision import autocast
from ..maths.checks import require_labels
from ..maths.schedule import require_floating
from . import openai_clip
from .layers import Condition
from .resnet import ResNet, require_shape, require_time
from .tokenizer import END
from .transformer import Transformer

MAX_LOGIT_SCALE = math.log(100)


class TextEncoder(nn.Module):
    """Tokens to features: a causal Transformer, read at the end token, the only one that has seen the whole caption.
    Slide L23; Radford et al. 2021, section 2.4."""

    def __init__(self, vocabulary: int, length: int, end: int, width: int, depth: int, heads: int, dim: int, activation: str):
        super().__init__()
        self.end = end
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.empty(length, width))
        self.transformer = Transformer(width, depth, heads, causal=True, activation=activation)
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, dim, bias=False)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position, std=0.01)
        nn.init.normal_(self.projection.weight, std=width**-0.5)

    def forward(self, tokens: Int[Tensor, "b length"]) -> Float[Tensor, "b dim"]:
        if tokens.shape[1] > len(self.position):
            raise ValueError(f"This network reads at most {len(self.position)} tokens per caption, not {tokens.shape[1]}.")
        require_labels(self.token.num_embeddings, tokens=tokens)
        x = self.transformer(self.token(tokens) + self.position[: tokens.shape[1]])
        first_end = (tokens == self.end).int().argmax(1)  # padding comes after it and is never seen
        return self.projection(self.norm(x[torch.arange(len(x), device=x.device), first_end]))


class ImageEncoder(nn.Module):
    """Pictures to features: the Vision Transformer, with one more norm before the first block.
    Slide L23; Dosovitskiy et al. 2021, section 3.1.

    Each patch becomes a token by one linear map; a learnt class token comes first, and the output is read there.
    noisy: the class token also carries the time t, so that the network can read a noisy x_t.
    """

    def __init__(
        self,
        size: int,
        channels: int,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        dim: int,
        activation: str,
        noisy: bool,
    ):
        super().__init__()
        if size % patch:
            raise ValueError(f"A {size} x {size} picture cannot be cut into patches of {patch} x {patch} pixels.")
        self.shape = (channels, size, size)
        self.patches = nn.Conv2d(channels, width, patch, stride=patch, bias=False)
        self.class_token = nn.Parameter(torch.empty(width))
        self.position = nn.Parameter(torch.empty(1 + (size // patch) ** 2, width))
        self.time = Condition(width, width) if noisy else None
        self.norm_in = nn.LayerNorm(width)
        self.transformer = Transformer(width, depth, heads, activation=activation)
        self.norm_out = nn.LayerNorm(width)
        self.projection = nn.Linear(width, dim, bias=False)
        for parameter in (self.class_token, self.position, self.projection.weight):
            nn.init.normal_(parameter, std=width**-0.5)

    def forward(self, pictures: Float[Tensor, "b c h w"], t: Int[Tensor, " b"] | None = None) -> Float[Tensor, "b dim"]:
        require_floating(pictures=pictures)
        require_shape(pictures, self.shape)
        require_time(t, noisy=self.time is not None)
        x = self.patches(pictures).flatten(2).mT  # (b, patches, width)
        first = self.class_token.expand(len(x), -1)
        if self.time is not None:
            first = first + self.time(t)
        x = torch.cat([first[:, None], x], dim=1) + self.position
        x = self.transformer(self.norm_in(x))
        return self.projection(self.norm_out(x[:, 0]))


class CLIP(nn.Module):
    """Two encoders onto one unit sphere of `dim` dimensions, and the scale of the logits between their features.
    Slide L23; Radford et al. 2021, fig. 3, section 2.5; Nichol et al. 2022, section 2.4.

    vocabulary, length, end            number of different tokens, tokens per caption, token at which it is read
    size, channels                     pixels of a picture's side, its channels
    dim                                dimensions of the common space
    text_width, text_depth, text_heads and the same for image: the two Transformers
    patch                              pixels of a patch's side, for a Transformer that reads pictures
    image_mults                        in place of patch and image_heads, for a `ResNet` that reads pictures
    activation                         "quick_gelu" (OpenAI's) or "gelu"
    noisy                              encode_image takes x_t and t instead of a picture (for CLIP guidance)

    logit_scale is the logarithm of the inverse temperature; it starts at ln(1/0.07) and is kept at or below ln 100.
    ValueError for sizes that do not fit, and for inputs of another shape.
    """

    precision: torch.dtype | None = None  # set by `device.place`

    def __init__(
        self,
        vocabulary: int,
        length: int,
        size: int,
        dim: int,
        text_width: int,
        text_depth: int,
        text_heads: int,
        image_width: int,
        image_depth: int,
        image_heads: int | None = None,
        patch: int | None = None,
        image_mults: Sequence[int] | None = None,
        channels: int = 3,
        end: int = END,
        activation: str = "quick_gelu",
        noisy: bool = False,
    ):
        super().__init__()
        self.text = TextEncoder(vocabulary, length, end, text_width, text_depth, text_heads, dim, activation)
        self.image: ImageEncoder | ResNet
        if image_mults is not None and patch is None and image_heads is None:
            self.image = ResNet(size, channels, image_width, image_mults, image_depth, dim, noisy)
        elif image_mults is None and patch is not None and image_heads is not None:
            self.image = ImageEncoder(size, channels, patch, image_width, image_depth, image_heads, dim, activation, noisy)
        else:
            raise ValueError("Give patch and image_heads for a Transformer that reads pictures, or image_mults for a ResNet.")
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def encode_image(self, pictures: Float[Tensor, "b c h w"], t: Int[Tensor, " b"] | None = None) -> Float[Tensor, "b dim"]:
        """The pictures' features, of length 1; t is the step of each x_t, only for a CLIP built with noisy=True."""
        with autocast(pictures.device, self.precision):
            features = self.image(pictures, t)
        return F.normalize(features.float(), dim=1)

    def encode_text(self, tokens: Int[Tensor, "b length"]) -> Float[Tensor, "b dim"]:
        """The captions' features, of length 1. Each row of tokens must hold the end token."""
        with autocast(tokens.device, self.precision):
            features = self.text(tokens)
        return F.normalize(features.float(), dim=1)

    def forward(
        self,
        pictures: Float[Tensor, "b c h w"],
        tokens: Int[Tensor, "n length"],
        t: Int[Tensor, " b"] | None = None,
        gather: Callable[[Tensor], Tensor] = lambda features: features,
    ) -> Float[Tensor, "all_b all_n"]:
        """The logits exp(logit_scale) * <picture, caption>, one row per picture, one column per caption.

        gather collects the features of all processes before they are compared; by default there is one process.
        """
        with torch.no_grad():  # the parameter itself is clipped, so that the gradient can lower it again
            self.logit_scale.clamp_(max=MAX_LOGIT_SCALE)
        image, text = gather(self.encode_image(pictures, t)), gather(self.encode_text(tokens))
        return self.logit_scale.exp() * image @ text.mT

    @classmethod
    def from_pretrained(
        cls, name: str | Path, revision: str | None = None, *, local_files_only: bool = False
    ) -> tuple["CLIP", openai_clip.BytePairTokenizer, Callable[..., Tensor]]:
        """A published CLIP: (network in eval mode, tokenizer, image preparation), on the CPU.

        name               a folder in the layout of transformers (config.json, model.safetensors, tokenizer.json and
                           preprocessor_config.json), or a name on the Hugging Face hub, such as "openai/clip-vit-base-patch32"
        revision           on the hub: a branch other than the one that holds the weights as safetensors
        local_files_only   download nothing: use what an earlier download left on this disk

        tokenizer.encode(captions) gives tokens, and prepare(pictures) turns Pillow images into the network's input.
        Needs the extra `pretrained`. ImportError, FileNotFoundError or ValueError, in one sentence, for what is missing.
        """
        net, tensors, tokenizer, prepare = openai_clip.read(name, revision, local_files_only)
        with torch.device("meta"):  # initial weights would only be overwritten
            model = cls(**net)
        weights.fill(model.to_empty(device="cpu"), tensors, str(name))
        return model.eval().requires_grad_(False), tokenizer, prepare


VIT_B_32 = {
    **{"vocabulary": 49408, "length": 77, "end": 49407, "size": 224, "patch": 32, "dim": 512},
    **{"text_width": 512, "text_depth": 12, "text_heads": 8, "image_width": 768, "image_depth": 12, "image_heads": 12},
}
"""The arguments of OpenAI's smallest CLIP: 151,277,313 parameters, as openai/clip-vit-base-patch32."""
