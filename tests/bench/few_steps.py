"""Can a student of few steps teach itself? Two ways from `latent-emoji` to a network that draws in 1, 2, 4 or 8 steps.

"its own steps" is what shortcut models do (Frans et al. 2025, section 3): one step of 8 learns where two steps of the guided
teacher lead, and one step of 4, 2 or 1 learns where two steps of the student itself lead. "the teacher's path" is the loss of
`few-steps-emoji`, in which no error of the student enters. Both begin with the teacher's weights.

`python tests/bench/few_steps.py own UPDATES`, or `path UPDATES`, trains on one core and prints a row: the loss of a step of 8,
for which both have the teacher's answer, over each 50 updates; that of a step of 1, 2, 4 and 8 over the last 50; and the share of
100 captions with a held-out pair that is drawn right at the end. The rows are of `own 300` and `path 86`, which call the
networks equally often; notebook 09 shows them (`ddpm_lite/assets/studies/few_steps.json`).
"""

import json
import sys
import time

import torch
from torch import Tensor, nn

from ddpm_lite.machine.weights import fill
from ddpm_lite.maths.schedule import Schedule
from ddpm_lite.models import trained
from ddpm_lite.models.evaluation import composing, exact
from ddpm_lite.models.latent import FewStepsModel
from ddpm_lite.models.material import training_data
from ddpm_lite.networks.tokenizer import empty_row
from ddpm_lite.sampling.guidance import guided
from ddpm_lite.sampling.loop import timesteps
from ddpm_lite.sampling.samplers import as_eps, ddim_step
from ddpm_lite.training.distillation import COUNTS, FINEST, few_step_loss, in_steps, one_step
from ddpm_lite.training.loop import train
from ddpm_lite.training.losses import Loss
from ddpm_lite.training.targets import TARGETS

LR, ITEMS, PICTURES, FEW = 3e-4, 8, 1024, 50  # items: captions for each number of steps; few: updates
WAYS = {"own": "its own steps", "path": "the teacher's path"}


def own_loss(schedule: Schedule, teacher):
    """A step of each number of COUNTS, from pictures with noise to where two steps of twice the number lead."""
    finest = [*timesteps(schedule.T, FINEST), 0]

    def loss(model: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> Loss:
        z, tokens = batch
        found = []
        for count, x0, said in zip(COUNTS, z.chunk(len(COUNTS)), tokens.chunk(len(COUNTS)), strict=True):
            width = FINEST // count
            k = width * int(torch.randint(count, (), generator=generator))
            t, m, s = (finest[k + j] for j in (0, width // 2, width))
            a = schedule.alpha_bar[t]
            x_t = a.sqrt().float() * x0 + (1 - a).sqrt().float() * torch.randn(x0.shape, generator=generator)
            at, end = torch.full((len(x0),), t), torch.full((len(x0),), s)
            with torch.no_grad():
                eps = teacher if count == COUNTS[-1] else as_eps(model, schedule, "v")
                cond = said if count == COUNTS[-1] else in_steps(said, 2 * count)
                x = ddim_step(x_t, eps(x_t, at, cond), t, m, schedule)
                x = ddim_step(x, eps(x, torch.full((len(x),), m), cond), m, s, schedule)
                clean, noise = one_step(x_t, x, at, end, schedule)
                wanted = TARGETS["v"](clean, at, noise, schedule)
            found.append((model(x_t, at, in_steps(said, count)) - wanted).square().mean())
        losses.append([float(each.detach()) for each in found])
        return Loss(torch.stack(found).mean())

    return loss


def path_loss(schedule: Schedule, teacher):
    """The package's, noting the loss of each number of steps."""
    inner, rows = few_step_loss(schedule, "v", teacher), [count for count in COUNTS for _ in range(count)]

    def loss(model: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> Loss:
        found = inner(model, tuple(each[:ITEMS] for each in batch), generator)
        each = found.per_item.reshape(len(rows), -1).mean(1)
        losses.append([float(each[[row == count for row in rows]].mean()) for count in COUNTS])
        return found

    return loss


losses: list[list[float]] = []


def main(way: str, updates: int) -> None:
    torch.set_num_threads(1)
    few, parent = trained.load("few-steps-emoji", "cpu"), trained.load("latent-emoji", "cpu")
    assert isinstance(few, FewStepsModel)
    net, schedule = few.net, few.schedule
    fill(net, few.recipe.build(0).state_dict() | parent.net.state_dict(), parent.name)
    rows = training_data(few.recipe)(PICTURES, torch.Generator().manual_seed(0))
    with torch.no_grad():
        z = few.autoencoder.net.scaled(few.autoencoder.net.encode(rows[0].float() / 127.5 - 1).mean)
    teacher = guided(parent.eps(), few.recipe.loss["scale"], empty_row(few.recipe.length))
    loss = {"own": own_loss, "path": path_loss}[way](schedule, teacher)
    eights: list[float] = []
    begun = time.process_time()
    for step in train(
        net.requires_grad_(True),
        (z, rows[2][:, 0].long()),
        loss,
        generator=torch.Generator().manual_seed(1),
        steps=updates,
        batch_size=len(COUNTS) * ITEMS,
        lr=LR,
        warmup=50,
        ema_decay=0.99,
    ):
        if step.step and step.step % FEW == 0:
            eights.append(round(sum(each[-1] for each in losses[-FEW:]) / FEW, 3))
            print(step.step, eights[-1], file=sys.stderr, flush=True)
    minutes = (time.process_time() - begun) / 60
    few.net = step.run.ema.eval().requires_grad_(False)
    g = torch.Generator().manual_seed(1)
    scenes = exact.asked_of_each(True, 100, g)
    right = {}
    for count in COUNTS:
        drawn = composing.small(few.draw(exact.captions(scenes), seed=0, steps=count))
        right[str(count)] = round(float(exact.Pixels().right(drawn, scenes).double().mean()), 3)
    last = {str(count): round(sum(each) / FEW, 3) for count, each in zip(COUNTS, zip(*losses[-FEW:], strict=True), strict=True)}
    row = {"way": WAYS[way], "updates": updates, "minutes": round(minutes, 1), "eights": eights, "last": last, "right": right}
    print(json.dumps(row, indent=2))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
