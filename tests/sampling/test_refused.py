"""Numbers out of range are refused wherever pictures, weights and scales enter, with the range in the sentence."""

import math
from functools import cache

import pytest
import torch
from test_caption import SMALL
from test_clip import SMALL as CLIP_SMALL
from test_networks import randomise
from test_same_picture import untrained

from ddpm_lite import (
    CLIP,
    FiniteData,
    GaussianMixture,
    PointMLP,
    Schedule,
    UNet,
    class_loss,
    clip_guided,
    clip_loss,
    eps_loss,
    guided,
    inpaint,
    inpainting,
    sample,
    train,
    upsampling,
)
from ddpm_lite.machine import weights
from ddpm_lite.maths import metrics
from ddpm_lite.models import evaluation
from ddpm_lite.models import trained as zoo
from ddpm_lite.models.evaluation.upsampler import psnr
from ddpm_lite.models.unclip import load_chain
from ddpm_lite.networks.channels import enlarge
from ddpm_lite.networks.tokenizer import empty_row
from ddpm_lite.sampling.editing import invert, sdedit
from ddpm_lite.training.batches import decoding, drop_words, imagining, to_bytes
from ddpm_lite.training.losses import x0_loss
from ddpm_lite.views import plots
from ddpm_lite.views.base import uint8

schedule = Schedule.cosine(100)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@cache
def chain():
    return load_chain("unclip-emoji", "cpu")


def wrong(kind: str, *shape: int) -> torch.Tensor:
    """Pictures of 0..255, or pictures of which one number is not finite."""
    x = torch.rand(*shape, generator=seeded())
    if kind == "0..255":
        return 255 * x
    x.view(-1)[-1] = {"nan": math.nan, "inf": math.inf}[kind]
    return x


def net() -> UNet:
    return randomise(UNet(**SMALL))


def learn(loss, x: torch.Tensor, *more: torch.Tensor):
    """A loss on its own, and in `train`."""
    with pytest.raises(ValueError, match=r"must lie in \[-1, 1\]|must be finite"):
        loss(net(), (x, *more), seeded())
    train(net().requires_grad_(), (x, *more), loss, generator=seeded(), steps=1)


TOKENS = torch.arange(2, 6).reshape(4, 1)
CLIP_NET = CLIP(**{**CLIP_SMALL, "channels": 3}).eval()
PICTURES = {
    "eps_loss": lambda x: learn(eps_loss(schedule), x),
    "x0_loss": lambda x: learn(x0_loss(schedule), x),
    "class_loss": lambda x: learn(class_loss, x, torch.arange(4)),
    "clip_loss": lambda x: learn(clip_loss(), x, TOKENS),
    "clip_loss of noisy pictures": lambda x: learn(clip_loss(schedule), x, TOKENS),
    "upsampling": lambda x: learn(upsampling(eps_loss(schedule)), x),
    "inpainting": lambda x: learn(inpainting(eps_loss(schedule)), x),
    "imagining": lambda x: learn(imagining(x0_loss(schedule), CLIP_NET), x, TOKENS),
    "decoding": lambda x: learn(decoding(eps_loss(schedule), CLIP_NET, empty_row(6), 0.2, 0.3, 0.3), x, torch.ones(4, 6).long()),
    "to_bytes": to_bytes,
    "inpaint": lambda x: inpaint(randomise(UNet(**SMALL, extra=4)), x, torch.ones(4, 1, 8, 8), schedule),
    "invert": lambda x: invert(net(), x, schedule),
    "edit": lambda x: untrained("inpaint-emoji").edit(x, torch.ones(4, 1, 8, 8), ["red"] * 4),
    "an upsampler": lambda x: untrained("upsampler-emoji").draw(x[:, :, 6:, 6:]),
    "encode": lambda x: chain().encode(enlarge(x)),
    "variations": lambda x: chain().variations(enlarge(x), 2),
    "Chain.invert": lambda x: chain().invert(enlarge(x)),
    "the judge of digits": lambda x: evaluation.recognise(x[:, -1:]),
    "features of digits": lambda x: evaluation.features(x[:, -1:]),
    "psnr": lambda x: psnr(torch.zeros(4, 3, 8, 8), x),
    "a view": uint8,
}


@pytest.mark.parametrize("kind", ["0..255", "nan", "inf"])
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_out_of_range_are_refused(name, kind, unchecked):
    with pytest.raises(ValueError, match=r"must lie in \[-1, 1\], but (its numbers go from|some of its numbers are NaN)"):
        PICTURES[name](wrong(kind, 4, 3, 8, 8))


FINITE = {
    "train on points": lambda x: train(PointMLP(4), (x,), eps_loss(schedule), generator=seeded(), steps=1),
    "train on vectors as the condition": lambda x: train(
        PointMLP(2, cond_dim=4), (torch.zeros(40, 2), x), eps_loss(schedule), generator=seeded(), steps=1
    ),
    "a loss of points": lambda x: eps_loss(schedule)(PointMLP(4), (x,), seeded()),
    "sample": lambda x: sample(PointMLP(4).eval(), x, schedule),
    "invert": lambda x: invert(PointMLP(4).eval(), x, schedule),
    "sdedit": lambda x: sdedit(PointMLP(4).eval(), x, 3, torch.zeros_like(x), schedule),
    "where a picture starts": lambda x: untrained("digits").draw(
        torch.tensor([1]), noise=torch.cat([torch.zeros(8, 4), x]).reshape(1, 3, 8, 8)
    ),
    "an embedding": lambda x: untrained("decoder-emoji").draw(["red"] * 20, embedding=x.reshape(20, 8)),
    "an embedding to decode": lambda x: chain().decode(x.flatten()[-96:][None]),
    "exact data": FiniteData,
    "a mixture": lambda x: GaussianMixture(torch.ones(40), x, torch.ones(40)),
    "frechet": lambda x: metrics.frechet(torch.randn(40, 4), x),
    "precision_recall": lambda x: metrics.precision_recall(x, torch.randn(40, 4)),
    "nearest": lambda x: metrics.nearest(x, torch.randn(40, 4)),
    "tiles": lambda x: plots.tiles(x.reshape(10, 1, 4, 4), 5),
}


@pytest.mark.parametrize("kind", ["nan", "inf"])
@pytest.mark.parametrize("name", FINITE)
def test_numbers_that_are_not_finite_are_refused(name, kind, unchecked):
    with pytest.raises(ValueError, match=r"must be finite, but 1 of its \d+ numbers are NaN or infinite"):
        FINITE[name](wrong(kind, 40, 4))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(value, tmp_path):
    trained = untrained("digits")
    trained.net.first.weight[0, 0, 0, 0] = value
    with pytest.raises(ValueError, match=r"first\.weight must be finite"):
        train(trained.net.requires_grad_(), (torch.zeros(4, 3, 8, 8),), eps_loss(schedule), generator=seeded(), steps=1)
    with pytest.raises(FloatingPointError, match="look for NaN or infinity in its weights"):
        trained.draw(torch.tensor([1]), steps=2)
    tensors, config = weights.load(zoo.ASSETS / "digits.safetensors")
    tensors["first.weight"][0, 0, 0, 0] = value
    config |= {"machine": "any", "command": "train", "step": 1, "steps": 1, "seconds": 1.0}
    weights.save(tmp_path / zoo.CHECKPOINT, {f"ema.{k}": v for k, v in tensors.items()}, config)
    with pytest.raises(ValueError, match=r"does not fit this network: first\.weight holds NaN or infinity"):
        zoo.load(tmp_path, "cpu")


@pytest.mark.parametrize("scale", [math.nan, math.inf, -math.inf, 1e39])
def test_scales_beyond_float32_are_refused(scale):
    for call in (
        lambda: guided(net(), scale, 0),
        lambda: clip_guided(net(), CLIP(**CLIP_SMALL, noisy=True).eval(), torch.ones(1, 6).long(), schedule, scale),
        lambda: untrained("digits").draw(torch.tensor([1]), scale=scale),
        lambda: chain().draw(["a red circle"], scale=scale),
        lambda: chain().imagine(["a red circle"], scale=scale),
        lambda: chain().variations(torch.zeros(1, 3, 16, 16), 1, scale=scale),
    ):
        with pytest.raises(ValueError, match=r"scale = .*, but guidance needs a number from -3\.4e\+38 to 3\.4e\+38"):
            call()


def test_probabilities_outside_0_to_1_are_refused():
    for call in (
        lambda p: eps_loss(schedule, p, 0),
        lambda p: inpainting(eps_loss(schedule), p),
        lambda p: drop_words(torch.ones(1, 3).long(), p),
        lambda p: decoding(eps_loss(schedule), CLIP_NET, empty_row(6), p, 0.1, 0.1),
    ):
        for p in (-0.1, 1.1, math.nan):
            with pytest.raises(ValueError, match=f"= {p}, but a probability lies between 0 and 1"):
                call(p)
    with pytest.raises(ValueError, match=r"both \+ caption \+ image = 1\.2, but"):
        decoding(eps_loss(schedule), CLIP_NET, empty_row(6), 0.4, 0.4, 0.4)
