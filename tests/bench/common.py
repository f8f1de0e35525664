"""What the benchmarks share: the options, the data, the two networks of equal size, their training steps, a table."""

import argparse
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator

import diffusers
import torch
import torch.nn.functional as F
from diffusers.optimization import get_cosine_schedule_with_warmup
from torch import Tensor, nn

from ddpm_lite.data import digits
from ddpm_lite.machine.precision import autocast
from ddpm_lite.training.losses import drop_condition

NULL = 10  # the label that means "no label"


def options(about: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="seed of every generator")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument(
        "--quick", action="store_true", help="a short run that shows that everything works; its numbers mean little"
    )
    return parser


def begin(args: argparse.Namespace) -> None:
    """Set the threads and the seed, and say on what this runs."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)  # first weights, and the peers' own random numbers
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(
        f"torch {torch.__version__}, {platform.machine()}, {args.threads} of {os.cpu_count()} cores, load average {load}\n",
        flush=True,
    )


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def training_set(size: int = 16) -> tuple[Tensor, Tensor]:
    """The 8,000 training digits in [-1, 1], size x size pixels, and their labels."""
    return tuple(digits.load(size)[0])


def diffusers_unet(net: dict) -> nn.Module:
    """The UNet2DModel of the same shape as our `UNet(**net)`: parameter for parameter the same, class embedding included."""
    widths = [net["width"] * m for m in net["mults"]]
    attention = [net["size"] >> i in net["attention"] for i in range(len(widths))]
    return diffusers.UNet2DModel(
        sample_size=net["size"],
        in_channels=net["channels"],
        out_channels=net["channels"],
        layers_per_block=net["depth"],
        block_out_channels=widths,
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attention],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)],
        norm_num_groups=net["groups"],
        num_class_embeds=net["num_classes"] + 1,
    )


def diffusers_steps(
    net: nn.Module,
    data: tuple[Tensor, Tensor],
    batch_size: int,
    steps: int,
    generator: torch.Generator,
    precision: torch.dtype | None = None,
) -> Iterator[None]:
    """The training loop of diffusers' tutorial "Train a diffusion model", one step for each `next`.

    AdamW, learning rate 1e-4 with 500 steps of warm-up and a cosine down to 0 at `steps`, DDPMScheduler with 1000 steps,
    gradients clipped at 1. Its data loader and accelerate are left out (they would only cost it time), and one label in
    ten is dropped, so that it can be guided.
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    rates = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=500, num_training_steps=steps)
    scheduler = diffusers.DDPMScheduler(num_train_timesteps=1000)
    images, labels = data
    net.train()
    for _ in range(steps):
        rows = torch.randint(len(images), (batch_size,), generator=generator)
        noise = torch.randn(images[rows].shape, generator=generator)
        t = torch.randint(1000, (batch_size,), generator=generator)
        label = drop_condition(labels[rows], 0.1, NULL, generator)
        with autocast(images.device, precision):
            noise_hat = net(scheduler.add_noise(images[rows], noise, t), t, class_labels=label, return_dict=False)[0]
        F.mse_loss(noise_hat.float(), noise).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        rates.step()
        optimizer.zero_grad()
        yield


def plain_steps(
    model: nn.Module,
    loss: Callable[..., Tensor],
    data: tuple[Tensor, ...],
    args: argparse.Namespace,
    precision: torch.dtype | None,
) -> Iterator[None]:
    """A plain training loop, one step for each `next`: fused AdamW, gradients clipped at 1, loss(*rows of the data)."""
    optimizer, generator = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True), torch.Generator().manual_seed(args.seed)
    model.train()
    while True:
        rows = torch.randint(len(data[0]), (args.batch,), generator=generator)
        with autocast(data[0].device, precision):
            value = loss(*(d[rows] for d in data))
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield


def rate(steps: Iterator, args: argparse.Namespace) -> float:
    """Items a second over at least two steps and about `slice` seconds; seconds of processor time with --cpu-time."""
    clock = time.process_time if args.cpu_time else time.perf_counter
    start, done = clock(), 0
    while done < 2 or clock() - start < args.slice:
        next(steps)
        done += 1
    return done * args.batch / (clock() - start)


def race(title: str, racers: dict[tuple[str, str], tuple[nn.Module, Iterator]], args: argparse.Namespace, unit: str) -> None:
    """Warm up, take turns in rounds, and print a table: the first against each, as the median of the ratios of a round."""
    for _, running in racers.values():
        rate(running, args)
    rounds = []
    for r in range(args.rounds):
        order = list(racers)
        order = order[r % len(order) :] + order[: r % len(order)]
        rounds.append({key: rate(racers[key][1], args) for key in order})
    best, rows = next(iter(racers)), []
    for key, (model, _) in racers.items():
        rates, ratios = [x[key] for x in rounds], [x[best] / x[key] for x in rounds]
        spread = f"{min(ratios):.2f} .. {max(ratios):.2f}"
        rows.append([*key, parameters(model), statistics.median(rates), f"{statistics.median(ratios):.2f}", spread])
    print(f"## {title}: batch {args.batch}, {args.rounds} rounds of {args.slice:g} s each\n")
    table(["network", "format", "parameters", f"{unit}/s", "ours / this", "over the rounds"], rows)


def race_options(about: str, batch: int = 64) -> argparse.ArgumentParser:
    """The options of a race of training steps."""
    parser = options(about)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--slice", type=float, default=1.5, help="seconds for each in a round")
    parser.add_argument("--cpu-time", action="store_true", help="seconds of processor time: for a busy machine, with --threads 1")
    return parser


def begin_race(args: argparse.Namespace) -> None:
    """`begin`, with few short rounds where it is to be quick."""
    if args.quick:
        args.rounds, args.slice = 3, 0.3
    begin(args)


def table(head: list[str], rows: Iterable[Iterable]) -> None:
    """Print a table in Markdown, its columns aligned."""
    cells = [head, *([_text(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    print("\n".join(lines) + "\n", flush=True)


def _text(value) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return "-" if math.isnan(value) else f"{value:.3g}" if value < 100 else f"{value:,.0f}"
