"""One shot or many steps, on a set with many modes: a VAE, a GAN and a DDPM learn the emoji of six artists at 16 x 16 pixels.

They learn without captions, with about the same number of parameters and the same seconds of one core.

At each mark 1,000 pictures are drawn and compared with 1,000 held-out real ones by the features of `clip-emoji`: the Frechet
distance, precision, recall, and how many of the 1,624 things are the nearest neighbour of a drawn picture. Notebook 00 shows the
rows (`ddpm_lite/assets/studies/generators.json`) and the pictures of the last mark (`generators.png` beside it).
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ddpm_lite.data import changes, emoji
from ddpm_lite.data.grammar import Scene
from ddpm_lite.data.tiles import tiles
from ddpm_lite.machine.device import place
from ddpm_lite.machine.precision import autocast, choose_precision
from ddpm_lite.maths import metrics
from ddpm_lite.maths.schedule import Schedule
from ddpm_lite.models import trained
from ddpm_lite.networks.unet import UNet
from ddpm_lite.sampling.loop import sample
from ddpm_lite.sampling.samplers import as_eps
from ddpm_lite.training.loop import train
from ddpm_lite.training.losses import Loss, v_loss

CPU = torch.device("cpu")
PRECISION = choose_precision(CPU)  # what the DDPM trains with, by `place`
DRAWN, KEPT, LATENT = 1000, 200, 64
Draw = Callable[[int], Tensor]  # n -> n pictures of the network as it is now


def block(c_in: int, c_out: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1), nn.GroupNorm(8, c_out), nn.SiLU())


def decoder() -> nn.Module:
    """64 numbers -> a picture: 4 x 4, 8 x 8, 16 x 16."""
    up = nn.Upsample(scale_factor=2)
    first = nn.Sequential(nn.Linear(LATENT, 128 * 16), nn.Unflatten(1, (128, 4, 4)), block(128, 128))
    return nn.Sequential(
        first, up, block(128, 128), block(128, 64), up, block(64, 64), block(64, 64), nn.Conv2d(64, 3, 3, padding=1), nn.Tanh()
    )


def encoder(outputs: int, act: Callable[[int, int], nn.Module] = block) -> nn.Module:
    """A picture -> some numbers, the same sizes the other way round."""
    down = nn.AvgPool2d(2)
    return nn.Sequential(
        act(3, 64),
        act(64, 64),
        down,
        act(64, 128),
        act(128, 128),
        down,
        act(128, 128),
        nn.Flatten(),
        nn.Linear(128 * 16, outputs),
    )


def plain(c_in: int, c_out: int) -> nn.Module:
    """Without a norm, as the slope penalty of a discriminator wants it."""
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1), nn.LeakyReLU(0.2))


def fast(net: nn.Module) -> nn.Module:
    return net.to(memory_format=torch.channels_last)


def batches(pictures: Tensor, size: int, g: torch.Generator) -> Iterator[Tensor]:
    while True:
        yield pictures[torch.randint(len(pictures), (size,), generator=g)]


class VAE(nn.Module):
    """Encoder and decoder; what it draws is `decoder(z)`."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = fast(encoder(2 * LATENT)), fast(decoder())


def vae(pictures: Tensor, g: torch.Generator, lr: float = 2e-3, var: float = 0.02) -> tuple[int, Draw, Iterator[None]]:
    net, runs = VAE(), []

    def loss(net: VAE, batch: tuple[Tensor], generator: torch.Generator) -> Loss:
        (x,) = batch
        with autocast(CPU, PRECISION):
            mean, log_var = net.encoder(x).float().chunk(2, 1)
            z = mean + (log_var / 2).exp() * torch.randn(mean.shape, generator=generator)
            x_hat = net.decoder(z).float()
        wrong = (x - x_hat).square().flatten(1).sum(1) / (2 * var)
        far = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)
        return Loss((wrong + far).mean() / x[0].numel())

    def steps() -> Iterator[None]:
        for step in train(net, (pictures,), loss, generator=g, steps=10**6, batch_size=64, lr=lr):
            runs[:] = [step.run]
            yield

    return count(net), lambda n: runs[0].ema.decoder(torch.randn(n, LATENT, generator=seeded(9))), steps()


def gan(pictures: Tensor, g: torch.Generator, lr: float = 5e-4, penalty: float = 0.2) -> tuple[int, Draw, Iterator[None]]:
    G, D = fast(decoder()), fast(encoder(1, plain))
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), lr, betas=(0.0, 0.99), fused=True) for net in (G, D))
    ema = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)

    def update(opt: torch.optim.Optimizer, loss: Tensor) -> None:
        opt.zero_grad()
        loss.backward()
        opt.step()

    def steps() -> Iterator[None]:
        for i, x in enumerate(batches(pictures, 64, g)):
            with autocast(CPU, PRECISION):
                fake = G(torch.randn(len(x), LATENT, generator=g))
                loss = F.softplus(-D(x).float()).mean() + F.softplus(D(fake.detach()).float()).mean()
            if i % 4 == 0:  # the slope penalty of Mescheder et al. 2018, at each fourth step and four times as strong
                x = x.clone().requires_grad_()
                (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
                loss = loss + 4 * penalty / 2 * slope.square().flatten(1).sum(1).mean()
            update(opt_D, loss)
            with autocast(CPU, PRECISION):
                loss = F.softplus(-D(fake).float()).mean()
            update(opt_G, loss)
            ema.update_parameters(G)
            yield

    return count(G, D), lambda n: ema(torch.randn(n, LATENT, generator=seeded(9))), steps()


def ddpm(pictures: Tensor, g: torch.Generator, lr: float = 2e-3) -> tuple[int, Draw, Iterator[None]]:
    schedule = Schedule.cosine(1000)
    net = place(UNet(size=16, channels=3, width=32, mults=(1, 2, 2), depth=1, attention=(8,), groups=8), CPU)
    runs = []

    def steps() -> Iterator[None]:
        for step in train(net, (pictures,), v_loss(schedule), generator=g, steps=10**6, batch_size=64, lr=lr):
            runs[:] = [step.run]
            yield

    def draw(n: int) -> Tensor:
        x_T = torch.randn(n, 3, 16, 16, generator=seeded(9))
        *_, last = sample(as_eps(runs[0].ema, schedule, "v"), x_T, schedule, steps=50, clip=True, generator=seeded(10))
        return last.x_t

    return count(net), draw, steps()


GENERATORS = {"VAE": vae, "GAN": gan, "DDPM": ddpm}


def count(*nets: nn.Module) -> int:
    return sum(p.numel() for net in nets for p in net.parameters())


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def corpus() -> tuple[Tensor, Tensor, Tensor]:
    """Pictures to learn from and their things, and held-out ones."""
    rows = [Scene(thing, artist) for thing, artist, tone in emoji.load().row if not tone]
    order = torch.randperm(len(rows), generator=seeded(0)).tolist()
    scenes = [rows[i] for i in order]
    pictures = changes.draw(scenes, [scene.artist for scene in scenes], 16)
    things = torch.tensor([scene.thing for scene in scenes])
    return pictures[DRAWN:], things[DRAWN:], pictures[:DRAWN]


@torch.no_grad()
def judged(drawn: Tensor, learnt: Tensor, things: Tensor, held_out: Tensor) -> dict[str, float]:
    clip = trained.shipped("clip-emoji")
    ours, real, all_real = (torch.cat([clip.encode(part) for part in x.split(1000)]) for x in (drawn, held_out, learnt))
    near = metrics.precision_recall(real, ours)
    found = len(set(things[(ours @ all_real.T).argmax(1)].tolist()))
    return {"frechet": metrics.frechet(ours, real), "precision": near.precision, "recall": near.recall, "things": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=[60, 150, 300], help="of one core: where to judge")
    parser.add_argument("--only", choices=list(GENERATORS), nargs="+", default=list(GENERATORS))
    parser.add_argument("--settings", type=json.loads, default={}, help='JSON, such as {"lr": 1e-3}')
    parser.add_argument("--out", type=Path, required=True, help="a folder for generators.json and generators.png")
    args = parser.parse_args()
    torch.set_num_threads(1)  # processor time is then the time of one core, whatever else runs
    learnt, things, held_out = corpus()
    print(f"{len(learnt):,} pictures to learn from", flush=True)
    half = judged(learnt[:DRAWN], learnt[DRAWN:], things[DRAWN:], held_out)
    rows, kept = [{"name": "real", "seconds": 0, "steps": 0, "parameters": 0, **half}], []
    print(rows[-1], flush=True)
    for name in args.only:
        torch.manual_seed(0)  # the first weights
        size, draw, steps = GENERATORS[name](learnt, seeded(0), **args.settings)
        spent, done = 0.0, 0
        for mark in args.seconds:
            start = time.process_time()
            while spent + time.process_time() - start < mark:
                next(steps)
                done += 1
            spent += time.process_time() - start
            with torch.no_grad():
                drawn = draw(DRAWN).clamp(-1, 1)
            rows.append(
                {"name": name, "seconds": mark, "steps": done, "parameters": size, **judged(drawn, learnt, things, held_out)}
            )
            print(rows[-1], flush=True)
        kept.append(drawn[:KEPT])
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "generators.json").write_text(json.dumps(rows, indent=1) + "\n")
    Image.fromarray(tiles(torch.cat(kept), columns=50, gap=0)).save(args.out / "generators.png", optimize=True)


if __name__ == "__main__":
    main()
