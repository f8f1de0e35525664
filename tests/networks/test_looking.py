"""What a network looks at: the shares are those by which its output is weighed, and no word of padding has any."""

import pytest
import torch
from test_networks import randomise

from ddpm_lite import DiT, UNet
from ddpm_lite.networks.blocks import Attention
from ddpm_lite.networks.caption import Context
from ddpm_lite.networks.looking import word_maps
from ddpm_lite.networks.tokenizer import END, PAD, START

READER = {"vocabulary": 9, "length": 6, "width": 8, "depth": 1, "heads": 2}
SMALL = {"size": 8, "channels": 3, "width": 8, "mults": (1, 2), "depth": 1, "attention": (8, 4), "groups": 4, "heads": 2}
TOKENS = torch.tensor([[START, 3, 4, END, PAD, PAD], [START, 5, 6, 7, 8, END]])


@pytest.mark.parametrize("words", [None, 6])
def test_the_shares_are_those_of_the_output(g, words):
    """With values that are all the same but at one place, the output says how much that place is looked at."""
    layer, x = randomise(Attention(8, 4, 2, words)), torch.randn(2, 8, 4, 4, generator=g)
    context = None
    if words:
        context = Context(torch.randn(2, 3, 6, generator=g), torch.tensor([[True, True, False], [True] * 3]))
    shares = layer.weights(x, context)
    places = 16 + (3 if words else 0)
    assert shares.shape == (2, 2, 16, places) and torch.allclose(shares.sum(-1), torch.ones(2, 2, 16))
    if words:
        assert (shares[0, :, :, 2] == 0).all() and (shares[1, :, :, 2] > 0).all()
    pixels = layer.norm(x).flatten(2).mT
    values = layer.qkv(pixels)[..., 16:]
    if words:
        values = torch.cat([layer.words(context.features)[..., 8:], values], 1)
    per_head = values.reshape(2, places, 2, 4).transpose(1, 2)
    seen = layer.out((shares @ per_head).transpose(1, 2).reshape(2, 16, 8))
    torch.testing.assert_close(layer(x, context=context), x + seen.mT.reshape(2, 8, 4, 4), rtol=1e-4, atol=1e-5)


def test_a_map_is_the_mean_over_heads_and_layers_and_leaves_the_network_as_it_was(g):
    net, x, t = randomise(UNet(**SMALL, caption=READER)), torch.randn(2, 3, 8, 8, generator=g), torch.tensor([5, 50])
    before, kept = net(x, t, TOKENS), []
    maps = word_maps(net, x, t, TOKENS)
    assert maps.shape == (2, 6, 8, 8) and (maps[0, 4:] == 0).all() and (maps[0, :4] > 0).all() and (maps[1] > 0).all()
    assert (maps.sum(1) < 1).all()
    large = [m for m in net.modules() if isinstance(m, Attention)]
    for layer in large:
        layer.forward = lambda h, emb=None, context=None, layer=layer: (
            kept.append(layer.weights(h, context)) or Attention.forward(layer, h, emb, context)
        )
    assert torch.equal(net(x, t, TOKENS), before) and not any(layer._forward_hooks for layer in large)
    eight = [weights for weights in kept if weights.shape[2] == 64]
    assert len(eight) == 3 and len(kept) > 3
    expected = torch.stack(eight).mean((0, 2))[..., :6].mT.reshape(2, 6, 8, 8)
    torch.testing.assert_close(maps, expected)


def test_a_map_of_a_transformer_is_the_mean_over_the_heads_of_all_its_blocks(g):
    net = randomise(DiT(8, 3, width=8, depth=2, heads=2, patch=2, caption=READER))
    x, t, kept = torch.randn(2, 3, 8, 8, generator=g), torch.tensor([5, 50]), []
    maps = word_maps(net, x, t, TOKENS)
    assert maps.shape == (2, 6, 4, 4) and (maps[0, 4:] == 0).all() and (maps[0, :4] > 0).all() and (maps.sum(1) < 1).all()
    for block in net.blocks:
        block.register_forward_hook(lambda block, given, out: kept.append(block.weights(*given)))
    net(x, t, TOKENS)
    torch.testing.assert_close(maps, torch.stack(kept).mean((0, 2))[..., :6].mT.reshape(2, 6, 4, 4))


@pytest.mark.parametrize("net", [{"caption": {**READER, "image": 4}}, {"num_classes": 3}, {}])
def test_a_network_that_does_not_read_captions_alone_is_refused(net):
    with pytest.raises(ValueError, match="needs a network that reads captions"):
        word_maps(UNet(**SMALL, **net), torch.zeros(2, 3, 8, 8), torch.tensor([1, 2]), TOKENS)
