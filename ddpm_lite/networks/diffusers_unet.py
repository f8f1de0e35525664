"""The weights of a U-Net of the library diffusers, as those of ours."""

import torch
from torch import Tensor


def from_diffusers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a diffusers `UNet2DModel`, renamed for `UNet` (load_state_dict takes them).
    Slide L19; Ho et al. 2020, appendix B.

    Diffusers numbers the steps from 0, the lecture from 1: give the network t - 1 when it has these weights.
    """
    parts = {"norm1": "norm_1", "conv1": "conv_1", "time_emb_proj": "emb", "norm2": "norm_2", "conv2": "conv_2"}
    parts |= {"conv_shortcut": "skip", "group_norm": "norm", "to_out.0": "out"}
    fixed = {"time_embedding.linear_1": "condition.time.0", "time_embedding.linear_2": "condition.time.2"}
    fixed |= {"conv_in": "first", "conv_norm_out": "last_norm", "conv_out": "last"}
    depth = 1 + max(int(k.split(".")[3]) for k in state if k.startswith("down_blocks.0.resnets."))

    def place_of(block: list[str]) -> str:
        """down_blocks.2.resnets.1 and the like -> down.7.0"""
        if block[0] == "mid_block":
            return "middle.1" if block[1] == "attentions" else f"middle.{2 * int(block[2])}"
        side, i, kind, j = block[0].removesuffix("_blocks"), int(block[1]), block[2], int(block[3])
        if side == "down":
            row = i * (depth + 1) + (depth if kind == "downsamplers" else j)
            return f"down.{row}.{1 if kind == 'attentions' else 0}"
        row = i * (depth + 1) + (depth if kind == "upsamplers" else j)
        with_attention = any(k.startswith(f"up_blocks.{i}.attentions.") for k in state)
        return f"up.{row}.{0 if kind == 'resnets' else 1 + (kind == 'upsamplers' and with_attention)}"

    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        name, end = key.rsplit(".", 1)
        if name in fixed:
            renamed[f"{fixed[name]}.{end}"] = value
            continue
        words = name.split(".")
        cut = 3 if words[0] == "mid_block" else 4
        part = ".".join(words[cut:])
        if part in ("to_k", "to_v"):
            continue  # joined to to_q below
        if part == "to_q":
            joined = torch.cat([state[f"{name.removesuffix('to_q')}{p}.{end}"] for p in ("to_q", "to_k", "to_v")])
            renamed[f"{place_of(words[:cut])}.qkv.{end}"] = joined
        elif part == "conv":  # down- and upsamplers are the convolution itself here
            renamed[f"{place_of(words[:cut])}.{end}"] = value
        else:
            renamed[f"{place_of(words[:cut])}.{parts[part]}.{end}"] = value
    return renamed
