"""The device follows the data: no network, loss or sampler makes a tensor anywhere else; and the choices of device.py."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ddpm_lite import (
    Autoencoder,
    Classifier,
    DiT,
    FiniteData,
    GaussianMixture,
    PointMLP,
    Schedule,
    UNet,
    autoencoder_loss,
    class_loss,
    eps_loss,
    guided,
    in_latents,
    sample,
)
from ddpm_lite.machine import distributed as processes
from ddpm_lite.machine.device import choose_device, own_generator, place
from ddpm_lite.machine.precision import choose_precision
from ddpm_lite.networks.attention import attend
from ddpm_lite.training.batches import captioned, inpainting, upsampling
from ddpm_lite.training.dropout import dropout_from

SMALL = {"size": 8, "channels": 2, "width": 8, "mults": (1, 2), "depth": 1, "attention": (4,), "groups": 4}
READER = {"vocabulary": 9, "length": 5, "width": 8, "depth": 1, "heads": 2}
PATCHES = {"size": 8, "channels": 2, "width": 8, "depth": 1, "heads": 2}
schedule = Schedule.linear(20)
META = torch.device("meta")

NETWORKS = {
    "unet": (lambda: UNet(**SMALL), (2, 8, 8), None),
    "unet with classes": (lambda: UNet(**SMALL, num_classes=3), (2, 8, 8), "labels"),
    "unet with vectors": (lambda: UNet(**SMALL, cond_dim=5), (2, 8, 8), "vectors"),
    "unet with captions": (lambda: UNet(**SMALL, caption=READER), (2, 8, 8), "tokens"),
    "dit with classes": (lambda: DiT(**PATCHES, num_classes=3), (2, 8, 8), "labels"),
    "dit with captions": (lambda: DiT(**PATCHES, caption=READER), (2, 8, 8), "tokens"),
    "mlp": (lambda: PointMLP(width=16, depth=1), (2,), None),
    "mlp with classes": (lambda: PointMLP(width=16, depth=1, num_classes=3), (2,), "labels"),
    "mlp with vectors": (lambda: PointMLP(width=16, depth=1, cond_dim=5), (2,), "vectors"),
}


class OneDevice(TorchDispatchMode):
    """Refuses an operation on tensors of two devices; numbers (tensors without dimensions) may come from anywhere."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        devices = {a.device for a in tree_leaves((args, kwargs)) if isinstance(a, torch.Tensor) and a.ndim}
        assert len(devices) <= 1, f"{func} mixes {devices}"
        result = func(*args, **(kwargs or {}))
        made = {a.device for a in tree_leaves(result) if isinstance(a, torch.Tensor) and a.ndim}
        if devices == {META} and "_to_copy" not in str(func):
            assert made <= {META}, f"{func} leaves the device"
        return result


def inputs(shape, kind):
    x = torch.randn(4, *shape, device=META)
    cond = {None: None, "labels": torch.zeros(4, dtype=torch.long, device=META), "vectors": torch.zeros(4, 5, device=META)}
    cond["tokens"] = torch.zeros(4, 5, dtype=torch.long, device=META)
    return x, torch.full((4,), 3, device=META), cond[kind]


def null_of(net, kind):
    """The null condition of a network."""
    return net.caption.empty if kind == "tokens" else {None: None, "labels": 3, "vectors": 0}[kind]


def test_the_mode_itself_refuses_a_mix():
    with pytest.raises(AssertionError, match="mixes"), OneDevice():
        torch.zeros(3) + torch.zeros(3, device=META)


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_loss_and_backward_stay_on_the_device(name):
    make, shape, kind = NETWORKS[name]
    net = make().to(META)
    x, t, cond = inputs(shape, kind)
    with OneDevice():
        assert net(x, t, cond).device == net(x, t).device == META
        eps_loss(schedule, null=null_of(net, kind))(net, (x,) if cond is None else (x, cond)).value.backward()
    assert all(p.grad is not None and p.grad.device == META for p in net.parameters())


@pytest.mark.parametrize(("wrap", "extra"), [(upsampling, 2), (inpainting, 3)])
def test_the_losses_of_captioned_pictures_stay_on_the_device(wrap, extra):
    net = UNet(**SMALL, caption=READER, extra=extra).to(META)
    pictures, mirror = torch.zeros(4, 2, 8, 8, dtype=torch.uint8, device=META), torch.ones(4, dtype=torch.bool, device=META)
    tokens = torch.zeros(4, 3, 5, dtype=torch.int16, device=META)
    with OneDevice():
        loss = captioned(wrap(eps_loss(schedule, null=net.caption.empty)))
        loss(net, (pictures, mirror, tokens)).value.backward()
    assert all(p.grad is not None and p.grad.device == META for p in net.parameters())


def test_the_autoencoder_and_a_loss_in_its_latents_stay_on_the_device():
    net = Autoencoder(8, 2, 2, 8, groups=4).to(META)
    x = torch.zeros(4, 2, 8, 8, device=META)
    inside = UNet(**{**SMALL, "size": 4}).to(META)
    with OneDevice():
        autoencoder_loss(0.1, net.latents)(net, (x,)).value.backward()
        in_latents(eps_loss(schedule), net)(inside, (x,)).value.backward()
    assert all(p.grad is not None and p.grad.device == META for each in (net, inside) for p in each.parameters())
    assert net.latent_var.device == META


def test_the_classifier_stays_on_the_device():
    net = Classifier(8, 2, 3).to(META)
    with OneDevice():
        class_loss(net, (torch.randn(4, 2, 8, 8, device=META), torch.zeros(4, dtype=torch.long, device=META))).value.backward()


@pytest.mark.parametrize(
    "options",
    [{"method": "ddpm"}, {"method": "ddim", "eta": 0.5}, {"method": "dpm-solver++"}, {"method": "euler"}, {"method": "heun"}],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_step_of_every_sampler_stays_on_the_device(name, options):
    make, shape, kind = NETWORKS[name]
    net = make().to(META).eval()
    x, _, cond = inputs(shape, kind)
    model = net if cond is None else guided(net, 2.0, null_of(net, kind))
    with OneDevice():
        frames = list(sample(model, x, schedule, cond=cond, steps=5, clip=True, **options))
    assert len(frames) == 6 and all(f.x_t.device == META and f.x0_hat.device == META for f in frames)


def test_the_exact_models_follow_their_data():
    data = FiniteData(torch.randn(6, 2, device=META))
    mixture = GaussianMixture(torch.ones(2), torch.zeros(2, 2), torch.ones(2))
    for name in ("weights", "means", "covs", "axes", "axis_var"):
        setattr(mixture, name, getattr(mixture, name).to(META))
    for exact in (data, mixture):
        with OneDevice():
            assert exact.eps(torch.randn(3, 2, device=META), torch.full((3,), 2, device=META), schedule).device == META


@pytest.mark.parametrize(
    ("gpus", "name", "there"),
    [
        (0, "tpu", "cpu"),
        (0, "cuda", "cpu"),
        (0, "cpu:1", "cpu"),
        (0, "mps", "cpu"),
        (1, "cuda:7", "cuda, cpu"),
        (2, "cuda:2", "cuda:0, cuda:1, cpu"),
        (2, "mps:1", "cuda:0, cuda:1, cpu"),
        (2, "meta", "cuda:0, cuda:1, cpu"),
    ],
)
def test_a_device_that_is_not_there_is_named(gpus, name, there, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("cpu").type == "cpu" and choose_device().type == ("cuda" if gpus else "cpu")
    assert gpus == 0 or choose_device(f"cuda:{gpus - 1}") == torch.device("cuda", gpus - 1)
    with pytest.raises(ValueError, match=f"no device '{name}' here: use 'auto' or one of {there}\\."):
        choose_device(name)


def test_a_gpu_has_its_own_dropout(monkeypatch):
    """Two GPUs that are not there: dropout is seeded on the one that trains, and that one's state is put back."""
    first, second = (torch.Generator().manual_seed(i) for i in (1, 2))
    monkeypatch.setattr(torch.cuda, "default_generators", (first, second))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.tensor(5))
    before = first.get_state(), second.get_state()
    with dropout_from(torch.Generator(), torch.device("cuda:1")):
        assert second.initial_seed() == 5 and torch.equal(first.get_state(), before[0])
    assert torch.equal(second.get_state(), before[1])
    assert own_generator(torch.device("cuda")) is first and own_generator(torch.device("cpu")) is torch.default_generator


def test_a_process_of_torchrun_takes_the_gpu_of_its_number(monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.distributed, "init_process_group", taken.append)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ValueError, match="LOCAL_RANK is not: start several processes with torchrun"):
        processes.start(torch.device("cpu"))
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ValueError, match="say 'cuda', not 'cuda:0'"):
        processes.start(torch.device("cuda:0"))
    assert processes.start(torch.device("cuda")) == torch.device("cuda:1") and taken == [torch.device("cuda:1"), "nccl"]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match="Process 3 of this machine finds no GPU of its own: start at most 2 here"):
        processes.start(torch.device("cuda"))


def test_precision_changes_the_arithmetic_but_not_the_answer(g, monkeypatch):
    monkeypatch.delenv("DDPM_LITE_PRECISION", raising=False)
    net = place(UNet(**SMALL), torch.device("cpu"), torch.bfloat16).eval()
    torch.nn.init.normal_(net.last.weight, std=0.1, generator=g)
    x, t = torch.randn(4, 2, 8, 8, generator=g), torch.tensor([1, 5, 10, 20])
    low = net(x, t)
    net.precision = None
    full = net(x, t)
    assert low.dtype == full.dtype == torch.float32
    assert not torch.equal(low, full)
    torch.testing.assert_close(low, full, rtol=0.05, atol=0.05)
    assert next(net.parameters()).dtype == torch.float32
    assert choose_precision(torch.device("mps")) is None


def test_the_environment_overrides_the_choice_of_precision(monkeypatch):
    cpu = torch.device("cpu")
    for name, dtype in {"float32": None, "bfloat16": torch.bfloat16}.items():
        monkeypatch.setenv("DDPM_LITE_PRECISION", name)
        assert choose_precision(cpu) == choose_precision(torch.device("mps")) == dtype
        assert place(UNet(**SMALL), cpu).precision == dtype
    monkeypatch.setenv("DDPM_LITE_PRECISION", "float16")
    with pytest.raises(ValueError, match=r"'float16'.*float32 or bfloat16"):
        choose_precision(cpu)


def test_attention_is_softmax_attention(g):
    q, k, v = (torch.randn(2, 3, 5, 4, generator=g) for _ in range(3))
    expected = torch.einsum("bhqk,bhkd->bhqd", (torch.einsum("bhqd,bhkd->bhqk", q, k) / 2).softmax(-1), v)
    torch.testing.assert_close(attend(q, k, v), expected)


@pytest.mark.gpu
@pytest.mark.parametrize("name", NETWORKS)
def test_training_and_sampling_on_the_gpu(name):
    from ddpm_lite import train

    make, shape, kind = NETWORKS[name]
    device = choose_device("cuda")
    net = place(make(), device)
    x = 0.1 * torch.randn(64, *shape, device=device)  # close together: soon learnt
    labels = torch.arange(64, device=device) % 3
    tokens = torch.stack([torch.tensor([1, 3, 4, 2, 0], device=device)] * 64)
    cond = {None: (), "labels": (labels,), "vectors": (torch.randn(64, 5, device=device),), "tokens": (tokens,)}[kind]
    generator = torch.Generator(device).manual_seed(0)
    loss = eps_loss(schedule, null=null_of(net, kind))
    losses = [s.loss for s in train(net, (x, *cond), loss, generator=generator, steps=100, batch_size=32)]
    assert sum(losses[-10:]) < sum(losses[:10])
    *_, frame = sample(net.eval(), x, schedule, cond=cond[0] if cond else None, generator=generator)
    assert frame.x_t.device.type == "cuda" and frame.x_t.isfinite().all()
