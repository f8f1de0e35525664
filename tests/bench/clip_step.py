"""Training pairs a second of CLIP: ours against transformers' CLIPModel and x-clip's CLIP.

In one process, on the same random pictures and captions, with the same batch, in turn: every round gives each a slice of
time, and the ratios are medians over the rounds. transformers' network has exactly our parameters; x-clip's blocks are
others (a gated MLP of half as many parameters again, a norm after the attention), so its widths are chosen to come within
3 %. A step is forward, contrastive loss, backward, clipped gradients and fused AdamW; ours is `train()` with its moving average.
"""

import statistics
import time
from collections.abc import Iterator

import torch
import x_clip
from common import begin, options, parameters, table
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel

from ddpm_lite import CLIP, clip_loss, place, train
from ddpm_lite.device import autocast, choose_precision
from ddpm_lite.tokenizer import END, PAD, START

CPU, FOREVER = torch.device("cpu"), 10**6
VOCABULARY, LENGTH, PATCH = 1000, 16, 4
# name -> the side of a picture; width, depth and heads of both Transformers; x-clip's width
CONFIGURATIONS = {"16 x 16": (16, 128, 4, 4, 112), "32 x 32": (32, 256, 6, 4, 224)}


def ours(size: int, width: int, depth: int, heads: int, data: tuple[Tensor, Tensor], args, precision: torch.dtype | None):
    """Our network in our `train`."""
    net = {f"{side}_{k}": v for side in ("text", "image") for k, v in (("width", width), ("depth", depth), ("heads", heads))}
    model = place(CLIP(VOCABULARY, LENGTH, size, PATCH, width, **net), CPU, precision)
    generator = torch.Generator().manual_seed(args.seed)
    return model, train(model, data, clip_loss(), generator=generator, steps=FOREVER, batch_size=args.batch)


def transformers(size: int, width: int, depth: int, heads: int, data: tuple[Tensor, Tensor], args, precision: torch.dtype | None):
    """CLIPModel with its own loss."""
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": depth, "num_attention_heads": heads}
    text = {**sizes, "vocab_size": VOCABULARY, "max_position_embeddings": LENGTH, "eos_token_id": END, "bos_token_id": START}
    image = {**sizes, "image_size": size, "patch_size": PATCH}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=image, projection_dim=width))
    return model, steps(model, lambda x, c: model(input_ids=c, pixel_values=x, return_loss=True).loss, data, args, precision)


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
    return model, steps(model, lambda x, c: model(c, x, return_loss=True), data, args, precision)


def steps(model: nn.Module, loss, data: tuple[Tensor, Tensor], args, precision: torch.dtype | None) -> Iterator[None]:
    """The peers' training loop, one step for each `next`."""
    optimizer, generator = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True), torch.Generator().manual_seed(args.seed)
    model.train()
    while True:
        rows = torch.randint(len(data[0]), (args.batch,), generator=generator)
        with autocast(CPU, precision):
            value = loss(*(d[rows] for d in data))
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield


def rate(steps: Iterator, args) -> float:
    """Pairs a second over at least two steps and about `slice` seconds."""
    start, done = time.perf_counter(), 0
    while done < 2 or time.perf_counter() - start < args.slice:
        next(steps)
        done += 1
    return done * args.batch / (time.perf_counter() - start)


def race(name: str, args) -> None:
    """One configuration: warm up, rounds in turn, a table."""
    size, width, depth, heads, xclip_width = CONFIGURATIONS[name]
    generator, fast = torch.Generator().manual_seed(args.seed), choose_precision(CPU)
    tokens = torch.randint(3, VOCABULARY - 1, (1000, LENGTH), generator=generator)
    tokens[:, 0], tokens[:, 9], tokens[:, 10:] = START, END, PAD
    data = torch.randn(1000, 3, size, size, generator=generator), tokens
    racers = {}
    for title, make, w in (("ours", ours, width), ("transformers", transformers, width), ("x-clip", xclip, xclip_width)):
        for precision in dict.fromkeys((fast, None)):
            racers[title, str(precision or torch.float32).removeprefix("torch.")] = make(
                size, w, depth, heads, data, args, precision
            )
    for _, running in racers.values():
        rate(running, args)
    rounds = []
    for r in range(args.rounds):
        order = list(racers)
        order = order[r % len(order) :] + order[: r % len(order)]
        rounds.append({key: rate(racers[key][1], args) for key in order})
    best = next(iter(racers))
    rows = []
    for key, (model, _) in racers.items():
        rates, ratios = [x[key] for x in rounds], [x[best] / x[key] for x in rounds]
        spread = f"{min(ratios):.2f} .. {max(ratios):.2f}"
        rows.append([*key, parameters(model), statistics.median(rates), f"{statistics.median(ratios):.2f}", spread])
    print(f"## {name}: batch {args.batch}, {args.rounds} rounds of {args.slice:g} s each\n")
    table(["network", "format", "parameters", "pairs/s", "ours / this", "over the rounds"], rows)


def main() -> None:
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--slice", type=float, default=1.5, help="seconds for each in a round")
    parser.add_argument("--only", choices=list(CONFIGURATIONS), help="one size only")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.slice = 3, 0.3
    begin(args)
    for name in CONFIGURATIONS:
        if args.only in (None, name):
            race(name, args)


if __name__ == "__main__":
    main()
