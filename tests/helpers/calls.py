"""How each public function and method is called with few arguments, on little data: `test_function_options` adds more."""

from functools import cache, partial
from pathlib import Path

import torch
from test_caption import SMALL as NET
from test_clip import SMALL as READS
from test_networks import randomise
from test_same_picture import untrained

import ddpm_lite as d
from ddpm_lite.models import kinds
from ddpm_lite.models import unclip as chains
from ddpm_lite.models.model import Trained
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.training.batches import to_bytes

S = d.Schedule.cosine(50)
X = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
T = torch.tensor([5, 20, 30, 45])
LABELS, FLAT = torch.tensor([0, 1, 1, 0]), torch.linspace(-1, 1, 8).reshape(4, 2)
TOKENS = torch.tensor([[1, 4, 5, 2, 0, 0]] * 3 + [[1, 6, 2, 0, 0, 0]])
MASK = (torch.arange(8) < 4).float().expand(4, 1, 8, 8)
DIT = {"size": 8, "channels": 3, "width": 8, "depth": 1, "heads": 2}
EMBEDDED, UPSAMPLER = 96**0.5 * torch.eye(96)[:1], "upsampler-emoji"


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stub(x, t, cond=None):
    return 0.5 * x if cond is None else 0.5 * x + cond.reshape(-1, *[1] * (x.ndim - 1)).to(x.dtype)


def net_of(kind, base, *inputs, **arguments):
    """What a network of these arguments is and answers."""
    torch.manual_seed(0)
    net = randomise(kind(**{**base, **arguments}))
    return repr(net), [p.shape for p in net.parameters()], net(*inputs) if inputs else None


def reader(**arguments):
    net = randomise(d.CLIP(**{**READS, **arguments}))
    return repr(net), net.image.shape, net.encode_text(TOKENS)


def clip(noisy=False):
    return randomise(d.CLIP(**{**READS, "channels": 3, "noisy": noisy}))


def lossy(made, *batch):
    """The value of a loss for a network that answers with a part of what it sees."""
    torch.manual_seed(0)
    return made(lambda x, t, cond=None: stub(x[:, :3] + x[:, 3:].mean(1, keepdim=True).nan_to_num(), t, cond), batch).value


def trained(**options):
    net = d.PointMLP(2, 8, 1)
    torch.manual_seed(0)
    randomise(net).requires_grad_(True)
    options = {"generator": seeded(0), "steps": 3, "batch_size": 4, **options}
    loss = d.eps_loss(S)
    *_, last = d.train(net, (FLAT,), loss, **options)
    return last.run.ema.state_dict(), last.loss, None if last.run.config is None else dict(last.run.config)


@cache
def chain():
    return chains.load_chain("unclip-emoji", "cpu")


@cache
def model(name):
    return untrained(name)


def drawn(name, asked=None, **options):
    asked = asked if asked is not None else torch.tensor([3, 1]) if name == "digits" else ["red", ""]
    return model(name).draw(asked, steps=options.pop("steps", 3), **options)


def edited(asked=("red", "blue"), **options):
    known = torch.zeros(2, 1, 8, 8)
    return model("inpaint-emoji").edit(X[:2], known, list(asked), steps=options.pop("steps", 3), **options)


CALLS = {
    "CLIP": reader,
    "CLIP.encode_image": lambda noisy=False, **k: clip(noisy).encode_image(X, **({"t": T} if noisy and not k else {}), **k),
    "CLIP.from_pretrained": lambda **k: d.CLIP.from_pretrained(Path(__file__).parent, **k),
    "CLIP.forward": lambda noisy=False, **k: clip(noisy)(X, TOKENS, **({"t": T} if noisy and "t" not in k else {}), **k),
    "Autoencoder": partial(net_of, d.Autoencoder, {"size": 8, "channels": 3, "latent": 2, "width": 8, "groups": 4}),
    "DiT": partial(net_of, d.DiT, DIT, X, T),
    "DiT.forward": lambda num_classes=None, **k: randomise(d.DiT(**DIT, num_classes=num_classes))(X, T, **k),
    "Classifier": partial(net_of, d.Classifier, {"size": 8, "channels": 3, "num_classes": 2}, X),
    "FiniteData": lambda labels=None, cond=None, **k: d.FiniteData(FLAT, labels, **k).x0_mean(FLAT, T, S, cond),
    "FiniteData.draw": lambda **k: d.FiniteData(FLAT).draw(6, **k),
    "FiniteData.x0_mean": lambda labels=None, **k: d.FiniteData(FLAT, labels).x0_mean(FLAT, T, S, **k),
    "GaussianMixture": lambda labels=None: d.GaussianMixture(torch.ones(4), FLAT, 0.1 * torch.ones(4), labels).null,
    "GaussianMixture.draw": lambda **k: d.GaussianMixture(torch.ones(4), FLAT, 0.1 * torch.ones(4)).draw(6, **k),
    "GaussianMixture.x0_mean": lambda labels=None, **k: d.GaussianMixture(
        torch.ones(4), FLAT, 0.1 * torch.ones(4), labels
    ).x0_mean(FLAT, T, S, **k),
    "GaussianPath.vp": lambda **k: d.GaussianPath.vp(**k).diffusion(0.5),
    "GaussianPath.ve": lambda **k: d.GaussianPath.ve(**k).diffusion(0.5),
    "PointMLP": partial(net_of, d.PointMLP, {}),
    "Prior.forward": lambda **k: randomise(d.Prior(8, 6, 4, 8, 1, 1))(torch.ones(4, 4), T, **k),
    "as_eps": lambda **k: d.as_eps(stub, S, **k)(X, T),
    "load": lambda **k: d.load("digits", **k).device,
    "load_chain": lambda **k: d.load_chain("unclip-emoji", **k).clip.device,
    "PointMLP.forward": lambda num_classes=None, **k: randomise(d.PointMLP(2, 8, 1, num_classes))(FLAT, T, **k),
    "Schedule.linear": lambda **k: d.Schedule.linear(**{"T": 20, **k}).beta,
    "Schedule.cosine": lambda **k: d.Schedule.cosine(**{"T": 20, **k}).beta,
    "Schedule.straight": lambda **k: d.Schedule.straight(**{"T": 20, **k}).beta,
    "UNet": partial(net_of, d.UNet, NET),
    "UNet.forward": lambda num_classes=None, **k: randomise(d.UNet(**NET, num_classes=num_classes))(X, T, **k),
    "bound_step": lambda **k: d.bound_step(X, 0.9 * X, 0.5 * X, 7, S, **k),
    "captioned": lambda captions=TOKENS, **k: lossy(
        d.captioned(seen, **k), to_bytes(X), torch.zeros(4, dtype=bool), *([captions[:, None]] if captions is not None else [])
    ),
    "choose_device": d.choose_device,
    "clip_loss": lambda noisy=False, **k: d.clip_loss(**k)(clip(noisy), (X, TOKENS)).value,
    "ddim_step": lambda **k: d.ddim_step(X, 0.5 * X, 30, 20, S, **k),
    "ddpm_step": lambda t_next=29, **k: d.ddpm_step(X, 0.5 * X, 30, t_next, S, 0.1 * X, **k),
    "dpm_solver_step": lambda **k: d.dpm_solver_step(X, 0.5 * X, 30, 20, S, **k),
    "drop_condition": lambda **k: d.drop_condition(torch.arange(40), 0.5, 40, **k),
    "drop_words": lambda **k: d.drop_words(TOKENS.repeat(9, 1), 0.5, **k),
    "eps_loss": lambda cond=LABELS, **k: lossy(d.eps_loss(S, **k), *([X] if cond is None else [X, cond])),
    "x0_loss": lambda cond=LABELS, **k: lossy(d.x0_loss(S, **k), *([X] if cond is None else [X, cond])),
    "v_loss": lambda cond=LABELS, **k: lossy(d.v_loss(S, **k), *([X] if cond is None else [X, cond])),
    "field_of": lambda **k: d.field_of(stub, S, **k)(FLAT, 0.5),
    "inpaint": lambda **k: d.inpaint(lambda x, t, cond=None: stub(x[:, :3], t, cond), X, MASK, S, **k)(0.5 * X, T),
    "inpainting": lambda **k: lossy(d.inpainting(d.eps_loss(S), **k), X),
    "log_likelihood": lambda **k: d.log_likelihood(
        FLAT, lambda x, t: -x * (1 + x.flip(1)), d.GaussianPath.vp(), torch.linspace(0, 1, 5).double(), **k
    ),
    "loss_floor": lambda labels=LABELS, **k: d.loss_floor(d.FiniteData(FLAT, labels), 30, S, 50, **k),
    "low_discrepancy_t": lambda **k: d.low_discrepancy_t(5, 50, **k),
    "place": lambda net=d.UNet, **k: d.place(net(**NET) if net is d.UNet else net(), torch.device("cpu"), **k).precision,
    "precondition": lambda **k: d.precondition(torch.linspace(0.1, 1, 3), **k),
    "sample": lambda **k: list(d.sample(stub, X, S, **{"steps": 5, **k})),
    "sdedit": lambda **k: list(d.sdedit(stub, X, 30, -X, S, **{"steps": 5, "method": "ddim", **k})),
    "timesteps": lambda **k: d.timesteps(50, **k),
    "train": trained,
    "upsampling": lambda **k: lossy(d.upsampling(d.eps_loss(S), **k), X),
    "Trained.eps": lambda **k: model("digits").eps(**k)(X[:2], T[:2]),
    "Trained": lambda **k: vars(Trained(PRESETS["digits"], d.PointMLP(2, 8, 1), **k)) | {"net": None},
    "ClassModel.draw": partial(drawn, "digits"),
    "TextModel.draw": partial(drawn, "glide-shapes"),
    "DecoderModel.draw": partial(drawn, "decoder-emoji"),
    "DecoderModel.conditions": lambda **k: model("decoder-emoji").conditions(["red"], **k),
    "InpaintingModel.draw": partial(drawn, "inpaint-emoji"),
    "InpaintingModel.edit": edited,
    "UpsamplingModel.draw": partial(drawn, UPSAMPLER, X[:2, :, :2, :2]),
    "ClipModel.encode": lambda noisy=True, **k: clip_of(noisy).encode(X, **k),
    "Chain": lambda **k: vars(chain_of(**k)) | dict.fromkeys(("clip", "prior", "decoder")),
    "imagine": lambda **k: chain().imagine(["a red fox"], **{"steps": 2, **k}),
    "Chain.decode": lambda embedding=EMBEDDED, **k: chain().decode(embedding, **{"steps": 2, **k}),
    "Chain.enlarge": lambda **k: chain_of(upsampler=model(UPSAMPLER)).enlarge(torch.zeros(1, 3, 2, 2), **k),
    "Chain.draw": lambda **k: chain().draw(["a red fox"], **{"steps": 2, **k}),
    "Chain.variations": lambda **k: chain().variations(torch.zeros(1, 3, 16, 16), 1, **{"steps": 2, **k}),
    "Chain.invert": lambda **k: chain().invert(torch.zeros(1, 3, 16, 16), **{"steps": 2, **k}),
}


def seen(model, batch, generator=None):
    """A loss that is what it is given."""
    return d.Loss((batch[0] * torch.arange(64).reshape(8, 8)).sum() + sum(x.float().cumsum(1).sum() for x in batch[1:]))


def clip_of(noisy):
    return kinds.ClipModel(PRESETS["clip-emoji-noisy"], clip(noisy).requires_grad_(False))


def chain_of(**parts):
    return chains.Chain("x", chain().clip, chain().prior, chain().decoder, **parts)
