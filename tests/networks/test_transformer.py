"""The Transformer: that a block is the published one, which tokens see which, and how its weights begin."""

import pytest
import torch
from test_device import META, OneDevice
from torch import nn

from ddpm_lite.networks.attention import attend
from ddpm_lite.networks.transformer import ACTIVATIONS, Block, Transformer, quick_gelu


def randomise(net, seed=0):
    """Weights, norms and biases that all differ, so that none can take another's place unseen."""
    g = torch.Generator().manual_seed(seed)
    for p in net.parameters():
        nn.init.normal_(p, std=0.3 if p.ndim > 1 else 0.5, generator=g)
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("causal", [False, True])
def test_a_block_is_the_pre_norm_layer_of_torch(causal, g):
    block = randomise(Block(12, 3, causal, "gelu"))
    theirs = nn.TransformerEncoderLayer(12, 3, dim_feedforward=48, activation="gelu", norm_first=True, batch_first=True).eval()
    names = {"norm_1": "norm1", "norm_2": "norm2", "mlp_in": "linear1", "mlp_out": "linear2", "out": "self_attn.out_proj"}
    state = {f"{names[k.split('.')[0]]}.{k.split('.')[1]}": v for k, v in block.state_dict().items() if "qkv" not in k}
    state |= {f"self_attn.in_proj_{end}": getattr(block.qkv, end) for end in ("weight", "bias")}
    theirs.load_state_dict(state)
    x = torch.randn(2, 5, 12, generator=g)
    mask = nn.Transformer.generate_square_subsequent_mask(5) if causal else None
    torch.testing.assert_close(block(x), theirs(x, src_mask=mask), rtol=1e-4, atol=1e-5)


def test_quick_gelu_is_x_sigmoid_of_1_702_x():
    x = torch.linspace(-9, 9, 101)
    torch.testing.assert_close(quick_gelu(x), x * torch.sigmoid(1.702 * x))
    assert not torch.allclose(ACTIVATIONS["gelu"](x), quick_gelu(x), atol=1e-3)
    net, other = (randomise(Transformer(8, 1, 2, activation=name)) for name in ACTIVATIONS)
    assert not torch.allclose(net(x[:8].reshape(1, 1, 8)), other(x[:8].reshape(1, 1, 8)))


def test_a_causal_transformer_sees_nothing_that_comes_later(g):
    net, x = randomise(Transformer(8, 3, 2, causal=True)), torch.randn(2, 6, 8, generator=g)
    changed = x.clone()
    changed[:, 4] += 1
    assert torch.equal(net(x)[:, :4], net(changed)[:, :4])
    assert (net(x)[:, 4:] != net(changed)[:, 4:]).any(-1).all()
    everyone = randomise(Transformer(8, 3, 2))
    assert (everyone(x) != everyone(changed)).any(-1).all()


@pytest.mark.parametrize("causal", [False, True])
def test_what_is_not_visible_has_no_effect(causal, g):
    net, x = randomise(Transformer(8, 3, 2, causal=causal)), torch.randn(2, 6, 8, generator=g)
    visible = torch.tensor([[True, True, False, True, False, False], [True] * 6])
    changed = torch.where(visible[..., None], x, 7.0)
    torch.testing.assert_close(net(x, visible)[visible], net(changed, visible)[visible])
    torch.testing.assert_close(net(x, visible)[1], net(x)[1])
    kept = x[:1, [0, 1, 3]]
    torch.testing.assert_close(net(x, visible)[0, [0, 1, 3]], net(kept)[0])


def test_attend_masks_as_softmax_over_the_allowed_places(g):
    q, k, v = (torch.randn(2, 3, 5, 4, generator=g) for _ in range(3))
    mask = torch.rand(2, 1, 5, 5, generator=g) < 0.5
    mask |= torch.eye(5, dtype=torch.bool)
    for given, causal, allowed in (
        (mask, False, mask),
        (None, True, torch.ones(5, 5, dtype=torch.bool).tril()),
        (mask, True, mask & torch.ones(5, 5, dtype=torch.bool).tril()),
    ):
        expected = (q @ k.mT / 2).masked_fill(~allowed, -torch.inf).softmax(-1) @ v
        torch.testing.assert_close(attend(q, k, v, given, causal), expected)


def test_the_first_weights_have_the_deviations_of_clip():
    width, depth = 256, 8
    net = Transformer(width, depth, 4)
    for name, std in (("qkv", 1 / 16), ("out", 1 / 64), ("mlp_in", 1 / 512**0.5), ("mlp_out", 1 / 64)):
        for block in net.blocks:
            layer = getattr(block, name)
            assert layer.weight.std().item() == pytest.approx(std, rel=0.02) and not layer.bias.any()


def test_it_stays_on_its_device():
    for causal in (False, True):
        net = Transformer(8, 2, 2, causal=causal).to(META)
        x, visible = torch.randn(2, 5, 8, device=META), torch.ones(2, 5, dtype=torch.bool, device=META)
        with OneDevice():
            (net(x) + net(x, visible)).sum().backward()
        assert all(p.grad is not None and p.grad.device == META for p in net.parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 10, "heads": 3}, "width = 10 must be divisible by the number of heads, 3"),
        ({"activation": "tanh"}, "no activation 'tanh': use one of quick"),
    ],
)
def test_what_does_not_fit_is_named(options, words):
    with pytest.raises(ValueError, match=words):
        Transformer(**{"width": 8, "depth": 1, "heads": 2, **options})
