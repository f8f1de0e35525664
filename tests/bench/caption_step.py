"""Training pictures a second of a U-Net that reads captions: ours against diffusers' UNet2DConditionModel.

In one process, on the same random pictures and captions, with the same batch, in turn. Ours is the network of the preset
`glide-shapes`, its Transformer for the captions included, in our `train()`. diffusers' has no reader of its own, so it gets the
same one in front; its blocks are others (a linear map in and out and a gated MLP in each attention, cross-attention apart from
self-attention, a class-free time embedding of the same width), so its widths are chosen to come near our number of parameters.
"""

import diffusers
import torch
from common import begin_race, plain_steps, race, race_options
from torch import Tensor, nn

from ddpm_lite import Schedule, UNet, eps_loss, place, q_sample, train
from ddpm_lite.machine.precision import choose_precision
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.networks.caption import Caption
from ddpm_lite.networks.tokenizer import END, PAD, START

CPU, FOREVER, VOCABULARY, T = torch.device("cpu"), 10**6, 60, 1000
WIDTHS = (32, 64, 104)


class Theirs(nn.Module):
    """diffusers' network behind a reader of captions."""

    def __init__(self, net: dict):
        super().__init__()
        reader = net["caption"]
        self.reader = Caption(vocabulary=VOCABULARY, **reader, dim=4 * net["width"])
        self.unet = diffusers.UNet2DConditionModel(
            sample_size=net["size"],
            in_channels=3,
            out_channels=3,
            layers_per_block=net["depth"],
            block_out_channels=WIDTHS,
            down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            cross_attention_dim=reader["width"],
            attention_head_dim=net["heads"],
            norm_num_groups=net["groups"],
        )

    def forward(self, x_t: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        _, context = self.reader(tokens, len(t))
        seen = context.visible.float()
        return self.unet(x_t, t, context.features, encoder_attention_mask=seen, return_dict=False)[0]


def main() -> None:
    args = race_options(__doc__.splitlines()[0]).parse_args()
    begin_race(args)
    net, schedule, g = PRESETS["glide-shapes"].network, Schedule.cosine(T), torch.Generator().manual_seed(args.seed)
    tokens = torch.randint(3, VOCABULARY, (1000, net["caption"]["length"]), generator=g)
    tokens[:, 0], tokens[:, 9], tokens[:, 10:] = START, END, PAD
    data, racers = (torch.rand(1000, 3, net["size"], net["size"], generator=g) * 2 - 1, tokens), {}
    for precision in dict.fromkeys((choose_precision(CPU), None)):
        name = str(precision or torch.float32).removeprefix("torch.")
        model = place(UNet(**{**net, "caption": {"vocabulary": VOCABULARY, **net["caption"]}}), CPU, precision)
        steps = train(model, data, eps_loss(schedule), generator=g, steps=FOREVER, batch_size=args.batch)
        racers["ours", name] = model, steps
    for precision in dict.fromkeys((choose_precision(CPU), None)):
        theirs = Theirs(net)

        def loss(x0: Tensor, c: Tensor, model: nn.Module = theirs) -> Tensor:
            t, eps = torch.randint(1, T + 1, (len(x0),)), torch.randn(x0.shape)
            return (eps - model(q_sample(x0, t, eps, schedule), t, c)).square().mean()

        name = str(precision or torch.float32).removeprefix("torch.")
        racers["diffusers", name] = theirs, plain_steps(theirs, loss, data, args, precision)
    race("glide-shapes, 16 x 16", racers, args, "pictures")


if __name__ == "__main__":
    main()
