"""The networks: that the U-Net is the published one, and that each part does what it says."""

import socket

import pytest
import torch
from diffusers import UNet2DModel
from diffusers.models.embeddings import get_timestep_embedding

from ddpm_lite import CIFAR10, Classifier, PointMLP, UNet, from_diffusers, timestep_embedding
from ddpm_lite.networks.blocks import Attention, Norm, ResBlock

SMALL = {"size": 8, "channels": 1, "width": 8, "mults": (1, 2), "depth": 1, "attention": (4,), "groups": 4}
# google/ddpm-cifar10-32's configuration, as its config.json has it
PUBLISHED = {
    "sample_size": 32,
    "layers_per_block": 2,
    "block_out_channels": (128, 256, 256, 256),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": None,
    "norm_eps": 1e-6,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
}


def count(net):
    return sum(p.numel() for p in net.parameters())


def randomise(net, seed=0):
    """Weights without zeros, so that no part of a network is hidden behind a zero-initialised layer."""
    g = torch.Generator().manual_seed(seed)
    for p in net.parameters():
        torch.nn.init.normal_(p, std=1.0 / max(1, p[0].numel()) ** 0.5 if p.ndim > 1 else 0.2, generator=g)
    return net.eval().requires_grad_(False)


def test_the_unet_of_ho_et_al_with_the_weights_of_diffusers_gives_their_output(g):
    ours, theirs = UNet(**CIFAR10), randomise(UNet2DModel(**PUBLISHED))
    assert count(ours) == count(theirs) == 35_746_307
    ours.load_state_dict(from_diffusers(theirs.state_dict()))
    x, t = torch.randn(2, 3, 32, 32, generator=g), torch.tensor([0, 637])
    with torch.no_grad():
        expected, found = theirs(x, t).sample, ours.eval()(x, t)
    assert expected.std() > 0.05  # not a comparison of zeros
    assert (found - expected).abs().max() < 1e-4


def test_the_published_checkpoint_gives_its_own_output(g):
    """The same with google/ddpm-cifar10-32 itself, where there is internet."""
    try:
        socket.create_connection(("huggingface.co", 443), timeout=2).close()
        theirs = UNet2DModel.from_pretrained("google/ddpm-cifar10-32").eval()
    except OSError as error:  # no connection, a proxy, a limit
        pytest.skip(f"the checkpoint cannot be had here: {error}")
    ours = UNet(**CIFAR10)
    ours.load_state_dict(from_diffusers(theirs.state_dict()))
    x, t = torch.randn(2, 3, 32, 32, generator=g), torch.tensor([0, 637])
    with torch.no_grad():
        assert (ours.eval()(x, t) - theirs(x, t).sample).abs().max() < 1e-4


def test_other_sizes_map_from_diffusers_too(g):
    options = {**PUBLISHED, "sample_size": 16, "block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 8}
    options |= {"down_block_types": ("AttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "AttnUpBlock2D")}
    theirs = randomise(UNet2DModel(**options))
    ours = UNet(size=16, channels=3, width=32, mults=(1, 2), depth=1, attention=(16,), groups=8)
    ours.load_state_dict(from_diffusers(theirs.state_dict()))
    x, t = torch.randn(2, 3, 16, 16, generator=g), torch.tensor([3, 900])
    assert (ours.eval()(x, t) - theirs(x, t).sample).abs().max() < 1e-4


@pytest.mark.parametrize("dim", [4, 32, 128])
def test_the_time_embedding_is_that_of_ho_et_al(dim):
    t = torch.arange(1001)
    expected = get_timestep_embedding(t, dim, flip_sin_to_cos=False, downscale_freq_shift=1)
    torch.testing.assert_close(timestep_embedding(t, dim), expected, rtol=1e-4, atol=2e-4)
    with pytest.raises(ValueError, match="even number"):
        timestep_embedding(t, 3)


def test_a_new_network_predicts_zero_and_its_blocks_change_nothing(g):
    x, t = torch.randn(2, 1, 8, 8, generator=g), torch.tensor([1, 900])
    assert torch.equal(UNet(**SMALL)(x, t), torch.zeros_like(x))
    assert torch.equal(PointMLP()(x[:, 0, 0, :2], t), torch.zeros(2, 2))
    h, emb = torch.randn(2, 8, 4, 4, generator=g), torch.randn(2, 16, generator=g)
    assert torch.equal(ResBlock(8, 8, 16, 4, 0.0)(h, emb), h)
    assert torch.equal(Attention(8, 4, 2)(h), h)


def test_norm_is_group_norm_computed_in_float32(g):
    x = torch.randn(2, 8, 4, 4, generator=g)
    grouped = x.reshape(2, 4, -1)
    expected = (grouped - grouped.mean(-1, keepdim=True)) / (grouped.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(Norm(4, 8, eps=1e-6)(x), expected.reshape(x.shape))
    half = x.bfloat16()
    assert torch.equal(Norm(4, 8, eps=1e-6)(half), Norm(4, 8, eps=1e-6)(half.float()).bfloat16())


def test_heads_split_the_channels(g):
    layer, x = randomise(Attention(8, 4, heads=2)), torch.randn(2, 8, 3, 3, generator=g)
    q, k, v = layer.qkv(layer.norm(x).flatten(2).mT).chunk(3, dim=-1)
    heads = [(a @ b.mT / 2).softmax(-1) @ c for a, b, c in zip(q.split(4, -1), k.split(4, -1), v.split(4, -1), strict=True)]
    expected = x + layer.out(torch.cat(heads, dim=-1)).mT.reshape(x.shape)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("make", [lambda **kw: UNet(**SMALL, **kw), lambda **kw: PointMLP(dim=2, width=16, depth=2, **kw)])
def test_time_and_condition_reach_the_output_and_none_is_the_null_condition(make, g):
    for options, cond, null in (
        ({"num_classes": 3}, torch.tensor([0, 2]), torch.tensor([3, 3])),
        ({"cond_dim": 4}, torch.ones(2, 4), torch.zeros(2, 4)),
    ):
        net = randomise(make(**options))
        x = torch.randn(2, *((1, 8, 8) if isinstance(net, UNet) else (2,)), generator=g)
        t = torch.tensor([5, 500])
        assert not torch.allclose(net(x, t, cond), net(x, t + 50, cond))
        assert not torch.allclose(net(x, t, cond), net(x, t))
        torch.testing.assert_close(net(x, t), net(x, t, null))


@pytest.mark.parametrize("patch", [1, 2])
def test_a_residual_network_adds_the_picture_that_is_given_to_its_output(g, patch):
    arguments = SMALL | {"size": 16, "extra": 2, "patch": patch, "attention": (8,)}
    residual, plain = randomise(UNet(**arguments, residual=True)), randomise(UNet(**arguments))
    x, t = torch.randn(3, 3, 16, 16, generator=g), torch.tensor([1, 500, 1000])
    torch.testing.assert_close(residual(x, t), plain(x, t) + x[:, 2:])
    untrained = UNet(**arguments, residual=True)
    assert torch.equal(untrained(x, t), x[:, 2:])  # it starts from what it is given
    with pytest.raises(ValueError, match="residual adds 1 given channels to the output, but extra = 0"):
        UNet(**SMALL, residual=True)


def test_a_network_of_patches_is_one_of_smaller_pictures_with_more_channels(g):
    """Each square of 2 x 2 pixels is a pixel with four times the channels, in the order of rows, columns."""
    patched = randomise(UNet(**SMALL | {"size": 16, "extra": 2}, patch=2))
    plain = UNet(**SMALL | {"channels": 4, "extra": 8}).eval()
    plain.load_state_dict(patched.state_dict())
    x, t = torch.randn(2, 3, 16, 16, generator=g), torch.tensor([3, 70])
    small = torch.stack([x[:, c, i::2, j::2] for c in range(3) for i in range(2) for j in range(2)], 1)
    with torch.no_grad():
        found, expected = patched(x, t), plain(small, t)
    for i in range(2):
        for j in range(2):
            torch.testing.assert_close(found[:, 0, i::2, j::2], expected[:, 2 * i + j])
    with pytest.raises(ValueError, match="A 16 x 16 picture cannot be cut into patches of 3 x 3 pixels"):
        UNet(**SMALL | {"size": 16}, patch=3)


def test_items_of_a_batch_do_not_mix(g):
    net, x, t = randomise(UNet(**SMALL)), torch.randn(4, 1, 8, 8, generator=g), torch.tensor([1, 2, 3, 4])
    torch.testing.assert_close(net(x, t)[1:3], net(x[1:3], t[1:3]))


def test_any_depth_and_number_of_levels_fits_together(g):
    for mults, depth, attention, size in (((1,), 1, (), 8), ((1, 2, 4), 2, (8, 4, 2), 8), ((2, 1, 3), 3, (16,), 16)):
        net = UNet(size=size, channels=3, width=8, mults=mults, depth=depth, attention=attention, groups=4, heads=2)
        x = torch.randn(2, 3, size, size, generator=g)
        assert net(x, torch.tensor([1, 2])).shape == x.shape


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: UNet(**{**SMALL, "size": 7}), "cannot be halved"),
        (lambda: UNet(**{**SMALL, "groups": 3}), r"must be multiples of groups = 3"),
        (lambda: UNet(**SMALL, num_classes=3, cond_dim=2), "not both"),
        (lambda: UNet(**SMALL)(torch.zeros(2, 1, 16, 16), torch.tensor([1, 2])), r"\(B, 1, 8, 8\), not \(2, 1, 16, 16\)"),
        (lambda: UNet(**SMALL)(torch.zeros(2, 1, 8, 8), torch.tensor([1, 2]), torch.tensor([0, 1])), "without a condition"),
        (lambda: UNet(**SMALL, num_classes=3)(torch.zeros(2, 1, 8, 8), torch.tensor([1, 2]), torch.zeros(2)), "integer labels"),
        (
            lambda: UNet(**SMALL, cond_dim=3)(torch.zeros(2, 1, 8, 8), torch.tensor([1, 2]), torch.zeros(2, 4)),
            r"\(2, 3\) vectors",
        ),
        (lambda: PointMLP(dim=2)(torch.zeros(2, 3), torch.tensor([1, 2])), r"points of shape \(B, 2\)"),
    ],
)
def test_what_does_not_fit_is_named(make, words, unchecked):
    with pytest.raises(ValueError, match=words):
        make()


def test_the_classifier_decides_by_its_features(g):
    net, x = randomise(Classifier(8, 1, 10)), torch.randn(3, 1, 8, 8, generator=g)
    assert net.features(x).shape == (3, 16)
    torch.testing.assert_close(net(x), net.head(torch.nn.functional.silu(net.features(x))))
