"""Training images a second: ours against diffusers' UNet2DModel and denoising-diffusion-pytorch's Unet.

In one process, on the same pictures, with the same batch and parameter counts within 2 %, in turn: every round gives each
a slice of time, and the ratios are medians over the rounds, so that a slow spell of the machine hits all alike.
A step is what each trains with: forward, backward, clipped gradients, optimizer, and its moving average if it keeps one.
"""

from collections.abc import Iterator

import torch
from common import begin_race, diffusers_steps, diffusers_unet, race, race_options, training_set
from denoising_diffusion_pytorch import GaussianDiffusion, Unet
from ema_pytorch import EMA
from torch import Tensor, nn

from ddpm_lite.machine.device import place
from ddpm_lite.machine.precision import autocast, choose_precision
from ddpm_lite.maths.schedule import Schedule
from ddpm_lite.models import presets
from ddpm_lite.networks.unet import UNet
from ddpm_lite.training.loop import train
from ddpm_lite.training.losses import eps_loss

CPU, FOREVER = torch.device("cpu"), 10**6
# name -> our network, and denoising-diffusion-pytorch's of the same number of parameters
CONFIGURATIONS = {
    "16 x 16, the `digits` preset": (presets.DIGITS, {"dim": 28, "dim_mults": (1, 2, 2)}),
    "32 x 32": ({**presets.DIGITS, "size": 32}, {"dim": 28, "dim_mults": (1, 2, 2)}),
}


def ours(
    net: dict, data: tuple[Tensor, Tensor], batch: int, seed: int, precision: torch.dtype | None
) -> tuple[nn.Module, Iterator]:
    """Our network in our `train`; precision None also leaves out channels_last."""
    model = UNet(**net)
    if precision is not None:
        place(model, CPU, precision)
    loss = eps_loss(Schedule.linear(), null=model.null_label)
    return model, train(model, data, loss, generator=torch.Generator().manual_seed(seed), steps=FOREVER, batch_size=batch)


def diffusers(
    net: dict, data: tuple[Tensor, Tensor], batch: int, seed: int, precision: torch.dtype | None
) -> tuple[nn.Module, Iterator]:
    """UNet2DModel in the loop of its tutorial."""
    model = diffusers_unet(net)
    if precision is not None:
        model.to(memory_format=torch.channels_last)
    return model, diffusers_steps(model, data, batch, FOREVER, torch.Generator().manual_seed(seed), precision)


def ddp(
    arguments: dict, data: tuple[Tensor, Tensor], batch: int, seed: int, precision: torch.dtype | None
) -> tuple[nn.Module, Iterator]:
    """denoising-diffusion-pytorch as in its README and its Trainer, whose loader of files is left out. It takes no labels."""
    model = Unet(**arguments, channels=data[0].shape[1], flash_attn=True)
    diffusion = GaussianDiffusion(model, image_size=data[0].shape[-1], timesteps=1000)
    if precision is not None:
        diffusion.to(memory_format=torch.channels_last)

    def steps() -> Iterator[None]:
        generator, images = torch.Generator().manual_seed(seed), (data[0] + 1) / 2
        optimizer = torch.optim.Adam(diffusion.parameters(), lr=1e-4, betas=(0.9, 0.99))
        ema = EMA(diffusion, beta=0.995, update_every=10)
        while True:
            rows = torch.randint(len(images), (batch,), generator=generator)
            with autocast(CPU, precision):
                loss = diffusion(images[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(diffusion.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            ema.update()
            yield

    return model, steps()


def configuration(name: str, args) -> None:
    """One configuration."""
    net, ddp_arguments = CONFIGURATIONS[name]
    data, fast = training_set(net["size"]), choose_precision(CPU) or torch.float32
    fast_name = f"{str(fast).removeprefix('torch.')}, channels_last"
    racers = {("ours", fast_name): ours(net, data, args.batch, args.seed, fast)}
    if not args.without_ours_float32:
        racers["ours", "float32"] = ours(net, data, args.batch, args.seed, None)
    for title, make, arguments in (("diffusers", diffusers, net), ("denoising-diffusion-pytorch", ddp, ddp_arguments)):
        racers[title, "float32 (its default)"] = make(arguments, data, args.batch, args.seed, None)
        racers[title, fast_name] = make(arguments, data, args.batch, args.seed, fast)
    race(name, racers, args, "images")


def main() -> None:
    parser = race_options(__doc__.splitlines()[0], batch=128)
    parser.add_argument("--only", choices=("16", "32"), help="one size only")
    parser.add_argument("--without-ours-float32", action="store_true", help="leave out the row that shows what our format brings")
    args = parser.parse_args()
    begin_race(args)
    for name, (net, _) in CONFIGURATIONS.items():
        if args.only in (None, str(net["size"])):
            configuration(name, args)


if __name__ == "__main__":
    main()
