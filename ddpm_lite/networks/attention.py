"""Attention, by the fastest kernel of the device."""

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """softmax(q k^T / sqrt(d)) v over (B, heads, places, d), by the fastest kernel of the device (flash attention on cuda).
    Slide L23; Vaswani et al. 2017, eq. 1.

    mask: True where a query may look, broadcast to (B, heads, queries, keys). causal: only at places up to its own.
    On a CPU in float32: there the bf16 kernel's backward is seven times slower than the float32 one.
    """
    if mask is not None and causal:  # the kernels take one or the other
        mask, causal = mask & torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril(), False
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), mask, is_causal=causal)
