"""What our sampler adds to the network: 50 steps of `sample` against 50 bare calls of the same network.

Call by call in turn: one frame of the sampler, one bare call on a batch of the same shape, and so on, so that a slow spell
of the machine hits both alike. The ratio is the sum over a run's frames over the sum of its bare calls; median over runs.
"""

import statistics
import time

import torch
from common import begin, options, table

from ddpm_lite.machine.device import place
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.sampling.loop import sample

STEPS = 50


@torch.no_grad()
def run(net, schedule, method: str, batch: int, generator: torch.Generator) -> tuple[float, float]:
    """Seconds in the sampler and in the bare calls, for one run of 50 steps."""
    x = torch.randn(batch, *net.shape, generator=generator)
    labels = torch.arange(batch) % 10
    t = torch.full((batch,), schedule.T)
    fresh = generator if method == "ddpm" else None
    frames = sample(net, x, schedule, cond=labels, steps=STEPS, method=method, clip=True, generator=fresh)
    seconds = {"sampler": 0.0, "bare": 0.0}
    for i in range(STEPS + 1):
        for who in ("sampler", "bare") if i % 2 else ("bare", "sampler"):
            start = time.perf_counter()
            if who == "sampler":
                next(frames)
            elif i < STEPS:  # the last frame takes the last step and calls no network
                net(x, t, labels)
            seconds[who] += time.perf_counter() - start
    return seconds["sampler"], seconds["bare"]


def main() -> None:
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 100, 250])
    args = parser.parse_args()
    repeats = 2 if args.quick else args.repeats
    begin(args)
    recipe, generator = PRESETS["digits"], torch.Generator().manual_seed(args.seed)
    net, schedule, rows = place(recipe.build(args.seed).eval(), torch.device("cpu")), recipe.make_schedule(), []
    for batch in args.batches:
        for method in ("ddpm", "ddim", "dpm-solver++"):
            run(net, schedule, method, batch, generator)
            pairs = [run(net, schedule, method, batch, generator) for _ in range(repeats)]
            extra = [100 * (s / b - 1) for s, b in pairs]
            bare = statistics.median(1000 * b / STEPS for _, b in pairs)
            rows.append([batch, method, bare, f"{statistics.median(extra):+.1f} %", f"{min(extra):+.1f} .. {max(extra):+.1f} %"])
    table(["batch", "method", "network call, ms", "the sampler adds", "over the runs"], rows)


if __name__ == "__main__":
    main()
