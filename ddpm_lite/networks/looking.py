"""Where a network that draws from captions looks for each word while it draws."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from .blocks import Attention
from .dit import DiT, DiTBlock
from .unet import UNet


@torch.no_grad()
def word_maps(
    net: UNet | DiT, x_t: Float[Tensor, "b c h w"], t: Int[Tensor, " b"], cond: Int[Tensor, "b length"]
) -> Float[Tensor, "b length side side"]:
    """The share of its attention that each place of a picture gives to each token of the caption, at step t: from 0 to 1. All
    tokens together have at most 1, since pixels look at each other too. It is the mean over the heads and over all layers of the
    largest size that has attention, such as 8 x 8 places of a picture of 16 x 16, or the patches of a DiT.
    Slide L24; Nichol et al. 2022, section 3.1; Tang et al. 2023, section 3.

    ValueError for a network that reads no captions, or that reads embeddings beside them.
    """
    if net.caption is None or net.caption.image:
        raise ValueError("word_maps needs a network that reads captions, and nothing but captions, such as UNet(caption=...).")
    layers = [layer for layer in net.modules() if isinstance(layer, Attention | DiTBlock)]
    found: list[Tensor] = []

    def note(layer: nn.Module, given: tuple, out: Tensor) -> None:
        assert isinstance(layer, Attention | DiTBlock), "only these are hooked"
        x, emb, context = given
        shares = layer.weights(x, context) if isinstance(layer, Attention) else layer.weights(x, emb, context)
        to_words = shares[..., : cond.shape[1]].mean(1)  # (b, hw, length)
        found.append(to_words.mT.unflatten(2, (math.isqrt(to_words.shape[1]), -1)))

    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        net(x_t, t, cond)
    finally:
        for hook in hooks:
            hook.remove()
    side = max(each.shape[-1] for each in found)
    return torch.stack([each for each in found if each.shape[-1] == side]).mean(0)
