"""Training pairs a second of CLIP: ours against transformers' CLIPModel and x-clip's CLIP.

In one process, on the same random pictures and captions, with the same batch, in turn: every round gives each a slice of
time, and the ratios are medians over the rounds. transformers' network has exactly our parameters; x-clip's blocks are
others (a gated MLP of half as many parameters again, a norm after the attention), so its widths are chosen to come within
3 %. A step is forward, contrastive loss, backward, clipped gradients and fused AdamW; ours is `train()` with its moving average.
"""

import torch
import x_clip
from common import begin_race, plain_steps, race, race_options
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from ddpm_lite import CLIP, clip_loss, place, train
from ddpm_lite.machine.precision import choose_precision
from ddpm_lite.networks.tokenizer import END, PAD, START

CPU, FOREVER = torch.device("cpu"), 10**6
VOCABULARY, LENGTH, PATCH = 1000, 16, 4
# name -> the side of a picture; width, depth and heads of both Transformers; x-clip's width
CONFIGURATIONS = {"16 x 16": (16, 128, 4, 4, 112), "32 x 32": (32, 256, 6, 4, 224)}


def ours(size: int, width: int, depth: int, heads: int, data: tuple[Tensor, Tensor], args, precision: torch.dtype | None):
    """Our network in our `train`."""
    net = {f"{side}_{k}": v for side in ("text", "image") for k, v in (("width", width), ("depth", depth), ("heads", heads))}
    model = place(CLIP(VOCABULARY, LENGTH, size=size, patch=PATCH, dim=width, **net), CPU, precision)
    generator = torch.Generator().manual_seed(args.seed)
    return model, train(model, data, clip_loss(), generator=generator, steps=FOREVER, batch_size=args.batch)


def transformers(size: int, width: int, depth: int, heads: int, data: tuple[Tensor, Tensor], args, precision: torch.dtype | None):
    """CLIPModel with its own loss."""
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": depth, "num_attention_heads": heads}
    text = {**sizes, "vocab_size": VOCABULARY, "max_position_embeddings": LENGTH, "eos_token_id": END, "bos_token_id": START}
    image = {**sizes, "image_size": size, "patch_size": PATCH}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=image, projection_dim=width))
    return model, plain_steps(
        model, lambda x, c: model(input_ids=c, pixel_values=x, return_loss=True).loss, data, args, precision
    )


def xclip(size: int, width: int, depth: int, heads: int, data: tuple[Tensor, Tensor], args, precision: torch.dtype | None):
    """x-clip without its patch dropout: all patches, as the others. Its text side is read at a class token, as is its default
    (with text_causal_mask=True, version 0.14.4 ends in a NameError)."""
    sizes = {"enc_depth": depth, "heads": heads, "dim_head": width // heads}
    model = x_clip.CLIP(
        dim_text=width,
        dim_image=width,
        dim_latent=width,
        num_text_tokens=VOCABULARY,
        text_seq_len=LENGTH,
        visual_image_size=size,
        visual_patch_size=PATCH,
        visual_patch_dropout=0.0,
        **{f"{side}_{name}": value for side in ("text", "visual") for name, value in sizes.items()},
    )
    return model, plain_steps(model, lambda x, c: model(c, x, return_loss=True), data, args, precision)


def configuration(name: str, args) -> None:
    """One configuration."""
    size, width, depth, heads, xclip_width = CONFIGURATIONS[name]
    generator, fast = torch.Generator().manual_seed(args.seed), choose_precision(CPU)
    tokens = torch.randint(3, VOCABULARY - 1, (1000, LENGTH), generator=generator)
    tokens[:, 0], tokens[:, 9], tokens[:, 10:] = START, END, PAD
    data = torch.rand(1000, 3, size, size, generator=generator) * 2 - 1, tokens
    racers = {}
    for title, make, w in (("ours", ours, width), ("transformers", transformers, width), ("x-clip", xclip, xclip_width)):
        for precision in dict.fromkeys((fast, None)):
            racers[title, str(precision or torch.float32).removeprefix("torch.")] = make(
                size, w, depth, heads, data, args, precision
            )
    race(name, racers, args, "pairs")


def main() -> None:
    parser = race_options(__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(CONFIGURATIONS), help="one size only")
    args = parser.parse_args()
    begin_race(args)
    for name in CONFIGURATIONS:
        if args.only in (None, name):
            configuration(name, args)


if __name__ == "__main__":
    main()
