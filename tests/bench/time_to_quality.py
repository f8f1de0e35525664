"""Seconds of training until 97 % of the drawn digits are recognised: our preset against two peers' own recipes.

    ours            the `digits` preset through `train`: 128 pictures a step, bf16 where the machine has it; its 9,000 steps are
                    stopped earlier here. And the same network trained briefly: 1,100 steps of 32 pictures, whose learning rate
                    falls to 0 by then, averaged over about 100 steps
    diffusers       UNet2DModel of the same shape in the loop of its tutorial: 16 a step, learning rate 1e-4 with 500 steps of
                    warm-up and a cosine over the whole budget (its 50 epochs would end it early); drawn by DDIMScheduler
    smalldiffusion  its example for small pictures (FashionMNIST, U-Net): 1024 a step, learning rate 7e-4, ScheduleLogLinear,
                    dropout 0.1, average 0.999; with the label embedding of its conditional example; drawn with gam = 1.6

All train in one process, a second each in turn, and each has a clock of its own that stops while the others train and
while pictures are drawn and judged: 500 of them at 50 steps, guided (scale 2) and unguided (scale 1), by the judge
`evaluation.recognise`. The clock starts after each recipe's first two steps, in which kernels are chosen.
"""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import diffusers
import torch
from common import NULL, begin, diffusers_steps, diffusers_unet, options, parameters, table, training_set
from smalldiffusion import CondEmbedderLabel, Scaled, ScheduleLogLinear, Unet, samples, training_loop
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from ddpm_lite.machine.device import place
from ddpm_lite.maths.metrics import accuracy
from ddpm_lite.models.evaluation import recognise
from ddpm_lite.models.kinds import ClassModel
from ddpm_lite.models.objective import make_loss
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.sampling.guidance import guided
from ddpm_lite.training.loop import train

ASKED = torch.arange(10).repeat(50)
MARKS = (15, 30, 45, 60, 120, 240, 360, 480, 600)
GOAL = 97  # percent recognised
SHORT = {"steps": 1100, "batch_size": 32, "warmup": 50, "ema_decay": 0.99}


@dataclass
class Recipe:
    """A network in training: one step for each `next(steps)`; draw(labels, scale, seed) makes pictures of what it is now."""

    name: str
    net: nn.Module
    steps: Iterator
    draw: Callable[[Tensor, float, int], Tensor]
    first_mark: float
    budget: float
    seconds: float = 0
    done: int = 0
    ended: bool = False


def ours(name: str, data: tuple[Tensor, Tensor], seed: int, seconds: float, **changes) -> Recipe:
    preset = PRESETS["digits"]
    net, settings = place(preset.build(seed), torch.device("cpu")), preset.training
    options = {"steps": settings.steps, "batch_size": settings.batch_size, "lr": settings.lr} | changes
    loop = train(net, data, make_loss(preset), generator=torch.Generator().manual_seed(seed), **options)
    runs = []

    def steps() -> Iterator[None]:
        for step in loop:
            runs[:] = [step.run]
            yield

    def draw(labels: Tensor, scale: float, seed: int) -> Tensor:
        return ClassModel(preset, runs[0].ema).draw(labels, seed=seed, scale=scale)

    return Recipe(name, net, steps(), draw, 0, seconds)


def with_diffusers(data: tuple[Tensor, Tensor], seed: int, seconds: float) -> Recipe:
    net = diffusers_unet(PRESETS["digits"].network)

    def steps() -> Iterator[None]:
        # The cosine needs a number of steps: time 50 steps of a copy (which is thrown away) to fill the budget.
        generator, twin = torch.Generator().manual_seed(seed), diffusers_unet(PRESETS["digits"].network)
        trial = diffusers_steps(twin, data, 16, 60, generator)
        for _ in range(10):
            next(trial)
        start = time.perf_counter()
        for _ in trial:
            pass
        budget = int(seconds / (time.perf_counter() - start) * 50)
        print(f"diffusers: the cosine ends at step {budget:,} ({budget * 16 / len(data[0]):.0f} epochs)\n", flush=True)
        yield from diffusers_steps(net, data, 16, max(budget, 501), generator)

    @torch.no_grad()
    def draw(labels: Tensor, scale: float, seed: int) -> Tensor:
        net.eval()
        scheduler = diffusers.DDIMScheduler.from_config(diffusers.DDPMScheduler(num_train_timesteps=1000).config)
        scheduler.set_timesteps(50)
        eps = guided(lambda x, t, cond: net(x, t, class_labels=cond).sample, scale, NULL)
        x = torch.randn(len(labels), 1, 16, 16, generator=torch.Generator().manual_seed(seed))
        for t in scheduler.timesteps:
            x = scheduler.step(eps(x, t.expand(len(x)), labels), t, x).prev_sample
        net.train()
        return x

    return Recipe("diffusers", net, steps(), draw, 60, seconds)


def with_smalldiffusion(data: tuple[Tensor, Tensor], seed: int, seconds: float) -> Recipe:
    # GroupNorm of 32 groups asks for a width of 32, and one residual block a level keeps it near our number of parameters.
    label = CondEmbedderLabel(128, 10, dropout_prob=0.1)
    net = Scaled(Unet)(16, 1, 1, ch=32, ch_mult=(1, 2, 2), num_res_blocks=1, attn_resolutions=(8,), cond_embed=label)
    schedule = ScheduleLogLinear(sigma_min=0.01, sigma_max=20, N=800)
    loader = DataLoader(TensorDataset(*data), batch_size=1024, shuffle=True, generator=torch.Generator().manual_seed(seed))
    average = [p.detach().clone() for p in net.parameters()]

    def steps() -> Iterator[None]:
        for i, _ in enumerate(training_loop(loader, net, schedule, epochs=10**6, lr=7e-4, conditional=True)):
            # As torch_ema does it, which the example uses: 0.999, less at first.
            torch._foreach_lerp_(average, [p.detach() for p in net.parameters()], 1 - min(0.999, (2 + i) / (11 + i)))
            yield

    @torch.no_grad()
    def draw(labels: Tensor, scale: float, seed: int) -> Tensor:
        averaged = copy.deepcopy(net)  # its loop stops between forward and backward: the network itself must not change here
        torch._foreach_copy_(list(averaged.parameters()), average)
        sigmas = schedule.sample_sigmas(50)
        x_T = torch.randn(len(labels), 1, 16, 16, generator=torch.Generator().manual_seed(seed)) * sigmas[0]
        # Its scale counts from 0: eps_cond + cfg_scale (eps_cond - eps_null).
        *_, x = samples(averaged, sigmas, gam=1.6, cfg_scale=scale - 1, xt=x_T, cond=labels)
        return x

    return Recipe("smalldiffusion", net, steps(), draw, 60, seconds)


PEERS = {"diffusers": with_diffusers, "smalldiffusion": with_smalldiffusion}


def race(recipes: list[Recipe], seed: int) -> list[list]:
    """Train in turn, judge at the marks; rows of name, seconds, steps, guided, unguided."""
    rows = []
    for each in recipes:
        next(each.steps), next(each.steps)
        each.done = 2
    while running := [r for r in recipes if not r.ended]:
        for each in running:
            mark = next((m for m in MARKS if m > each.seconds and m >= each.first_mark and m < each.budget), each.budget)
            start, end = time.perf_counter(), min(1.0, mark - each.seconds)
            while (spent := time.perf_counter() - start) < end and not each.ended:
                each.ended = next(each.steps, StopIteration) is StopIteration
                each.done += not each.ended
            each.seconds += spent
            if each.ended or each.seconds >= mark:
                both = [accuracy(recognise(each.draw(ASKED, s, seed).clamp(-1, 1)), ASKED) for s in (2.0, 1.0)]
                rows.append([each.name, each.seconds, each.done, *(f"{100 * b:.1f} %" for b in both)])
                print(*rows[-1], flush=True)
                each.ended |= each.seconds >= each.budget or min(both) >= 0.995
    return rows


def main() -> None:
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300, help="of training for each peer")
    parser.add_argument(
        "--ours-seconds", type=float, default=120, help="of training for the preset, which would go on for 9,000 steps"
    )
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS), help="whom to race")
    args = parser.parse_args()
    seconds = 12 if args.quick else args.seconds
    begin(args)
    data = training_set()
    recipes = [
        ours("ours", data, args.seed, min(args.ours_seconds, seconds)),
        ours("ours, trained briefly", data, args.seed, seconds, **SHORT),
        *(PEERS[name](data, args.seed, seconds) for name in args.peers),
    ]
    rows = race(recipes, args.seed)
    print()
    names = [r.name for r in recipes]
    table(["recipe", "seconds", "steps", "guided (2)", "unguided (1)"], sorted(rows, key=lambda row: names.index(row[0])))
    table(["recipe", "parameters"], [(r.name, parameters(r.net)) for r in recipes])
    for column, kind in ((3, "guided"), (4, "unguided")):
        reached = {name: None for name in names}
        for row in reversed(rows):
            if float(row[column][:-2]) >= GOAL:
                reached[row[0]] = row[1]
        first = min((reached[r.name] for r in recipes[:2] if reached[r.name]), default=None)  # the sooner of ours
        for r in recipes:
            at = reached[r.name]
            ratio = f", {'' if at else 'more than '}{(at or r.seconds) / first:.1f} x ours" if first and r.name in PEERS else ""
            print(f"{GOAL} % {kind}: {r.name} " + (f"after {at:.1f} s" if at else f"not within {r.seconds:.0f} s") + ratio)


if __name__ == "__main__":
    main()
