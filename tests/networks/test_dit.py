"""DiT: that its block and the whole are the published ones, that its sizes are the paper's, and what its parts do."""

import pytest
import torch
from diffusers import DiTTransformer2DModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.embeddings import get_2d_sincos_pos_embed
from test_caption import READER
from test_networks import count, randomise
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ddpm_lite.models.presets import PRESETS
from ddpm_lite.networks.caption import Context
from ddpm_lite.networks.dit import DIT_SIZES, DiT, DiTBlock, grid_positions
from ddpm_lite.networks.layers import timestep_embedding
from ddpm_lite.networks.unet import UNet

SMALL = {"size": 8, "channels": 3, "width": 16, "depth": 2, "heads": 2, "patch": 2}


class Given(nn.Module):
    """In the place of the embedders of diffusers' adaLN: the embedding that is given."""

    def __init__(self, emb):
        super().__init__()
        self.emb = emb

    def forward(self, *args, **kwargs):
        return self.emb


def copied(ours: DiTBlock, theirs: BasicTransformerBlock) -> None:
    """Give our block the weights of theirs."""
    attention, mlp = theirs.attn1, theirs.ff.net
    qkv = [attention.to_q, attention.to_k, attention.to_v]
    pairs = {ours.modulation: theirs.norm1.linear, ours.out: attention.to_out[0], ours.mlp_in: mlp[0].proj, ours.mlp_out: mlp[2]}
    for mine, other in pairs.items():
        mine.load_state_dict(other.state_dict())
    ours.qkv.weight.copy_(torch.cat([each.weight for each in qkv]))
    ours.qkv.bias.copy_(torch.cat([each.bias for each in qkv]))


def test_a_block_with_the_weights_of_diffusers_gives_its_output(g):
    options = {"activation_fn": "gelu-approximate", "num_embeds_ada_norm": 10, "attention_bias": True, "norm_eps": 1e-6}
    theirs = BasicTransformerBlock(32, 4, 8, norm_type="ada_norm_zero", norm_elementwise_affine=False, **options)
    theirs, emb, x = randomise(theirs), torch.randn(3, 32, generator=g), torch.randn(3, 9, 32, generator=g)
    theirs.norm1.emb = Given(emb)
    ours = DiTBlock(32, 4).requires_grad_(False)
    copied(ours, theirs)
    expected = theirs(x, timestep=torch.zeros(3), class_labels=torch.zeros(3))
    assert (expected - x).std() > 0.1
    torch.testing.assert_close(ours(x, emb), expected, rtol=1e-5, atol=1e-5)


def test_the_whole_with_the_weights_of_diffusers_gives_its_output(g):
    """DiTTransformer2DModel has an embedder of t and of the class in each block: here all of them are that of the first."""
    options = {"num_attention_heads": 2, "attention_head_dim": 8, "in_channels": 3, "sample_size": 8, "patch_size": 2}
    theirs = DiTTransformer2DModel(num_layers=2, num_embeds_ada_norm=5, norm_eps=1e-6, norm_num_groups=1, **options)
    theirs, ours = randomise(theirs), DiT(**SMALL, num_classes=5).requires_grad_(False)
    for block, other in zip(ours.blocks, theirs.transformer_blocks, strict=True):
        other.norm1.emb = theirs.transformer_blocks[0].norm1.emb
        copied(block, other)
    embedder = theirs.transformer_blocks[0].norm1.emb
    time = embedder.timestep_embedder
    half = time.linear_1.weight.shape[1] // 2  # they have cosines first
    ours.condition.time[0].weight.copy_(time.linear_1.weight.roll(half, 1))
    ours.condition.time[0].bias.copy_(time.linear_1.bias)
    ours.condition.time[2].load_state_dict(time.linear_2.state_dict())
    ours.condition.label.load_state_dict(embedder.class_embedder.embedding_table.state_dict())
    ours.first.weight.copy_(theirs.pos_embed.proj.weight.flatten(1))
    ours.first.bias.copy_(theirs.pos_embed.proj.bias)
    ours.modulation.load_state_dict(theirs.proj_out_1.state_dict())
    channels_first = torch.arange(12).reshape(2, 2, 3).permute(2, 0, 1).flatten()  # theirs are last within a patch
    ours.last.weight.copy_(theirs.proj_out_2.weight[channels_first])
    ours.last.bias.copy_(theirs.proj_out_2.bias[channels_first])
    x, labels = torch.randn(3, 3, 8, 8, generator=g), torch.tensor([0, 4, 5])
    for steps in ((1, 20, 60), (1, 500, 999)):
        t = torch.tensor(steps)
        if max(steps) > 100:  # 32 bits leave fewer digits of these angles: both are given the same (see test_networks.py)
            embedder.time_proj = Given(timestep_embedding(t, 2 * half).roll(half, 1))
        expected = theirs.eval()(x, timestep=t, class_labels=labels).sample
        assert expected.std() > 0.1
        torch.testing.assert_close(ours.eval()(x, t, labels), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("width", "side"), [(8, 3), (32, 16)])
def test_the_positions_are_those_of_diffusers(width, side):
    expected = get_2d_sincos_pos_embed(width, side, base_size=side, output_type="pt")
    torch.testing.assert_close(grid_positions(width, side), expected.float(), rtol=1e-5, atol=1e-5)
    assert len(grid_positions(width, side).unique(dim=0)) == side**2, "no two patches have the same"


def counted(make) -> int:
    with torch.device("meta"):
        return count(make())


@pytest.mark.parametrize(("size", "millions"), [("S", 32.9), ("B", 130.3), ("L", 457.8), ("XL", 674.8)])
def test_the_sizes_are_those_of_the_paper(size, millions):
    """At patch 2 on latents of 32 x 32 x 4 with 1,000 classes."""
    assert round(counted(lambda: DiT(32, 4, **DIT_SIZES[size], num_classes=1000)) / 1e6, 1) == millions


def test_the_largest_has_more_parameters_in_diffusers_which_embeds_t_and_the_class_in_each_block():
    """27 times more than once: an MLP of 256 -> 1152 -> 1152, and a table of 1,001 classes."""
    layers = {"num_attention_heads": 16, "attention_head_dim": 72, "num_layers": 28, "sample_size": 32, "patch_size": 2}
    theirs = counted(lambda: DiTTransformer2DModel(in_channels=4, num_embeds_ada_norm=1000, norm_num_groups=4, **layers))
    ours, width = counted(lambda: DiT(32, 4, **DIT_SIZES["XL"], num_classes=1000)), 1152
    embedders = 256 * width + width + width**2 + width + 1001 * width
    assert round(theirs / 1e6, 1) == 749.8 and theirs - ours == 27 * embedders


def multiply_adds(make, size, channels) -> int:
    """Of one call of a network with captions."""
    with torch.device("meta"):
        net, counter = make(), FlopCounterMode(display=False)
        t, tokens = torch.ones(1, dtype=torch.long), torch.ones(1, 16, dtype=torch.long)
        with counter:
            net(torch.zeros(1, channels, size, size), t, tokens)
    return counter.get_total_flops() // 2


def test_the_transformer_and_the_unet_in_latents_cost_the_same():
    found = []
    for kind, name in ((UNet, "latent-emoji"), (DiT, "dit-emoji")):
        network = dict(PRESETS[name].network)
        network["caption"] = {**network["caption"], "vocabulary": 1800}
        found.append(multiply_adds(lambda kind=kind, network=network: kind(**network), network["size"], network["channels"]))
    assert found[1] == pytest.approx(found[0], rel=0.05) and found[0] > 50e6


def test_a_fresh_network_answers_0_and_its_blocks_pass_on_what_they_see(g):
    net, x = DiT(**SMALL, num_classes=2), torch.randn(4, 3, 8, 8, generator=g)
    assert not net(x, torch.tensor([1, 2, 3, 4])).any()
    h = torch.randn(4, 16, 16, generator=g)
    for block in net.blocks:
        assert torch.equal(block(h, torch.randn(4, 16, generator=g)), h)


def test_without_positions_it_would_not_know_where_a_patch_is(g):
    net, t = randomise(DiT(**SMALL)), torch.tensor([3, 40])
    x = torch.randn(2, 3, 8, 8, generator=g)
    exchanged = x.roll(4, 3)  # by two patches
    assert not torch.allclose(net(exchanged, t), net(x, t).roll(4, 3), atol=1e-3)
    net.positions.zero_()
    torch.testing.assert_close(net(exchanged, t), net(x, t).roll(4, 3), rtol=1e-4, atol=1e-5)


def test_time_class_and_caption_each_change_the_answer(g):
    x, t = torch.randn(2, 3, 8, 8, generator=g), torch.tensor([3, 40])
    labelled, reads = randomise(DiT(**SMALL, num_classes=2)), randomise(DiT(**SMALL, caption=READER))
    said = torch.tensor([[1, 4, 5, 2], [1, 6, 2, 0]])
    for net, cond, other in ((labelled, torch.tensor([0, 1]), torch.tensor([1, 1])), (reads, said, said.flip(0))):
        with torch.no_grad():
            out = net(x, t, cond)
            assert out.shape == x.shape and not torch.allclose(out, net(x, t.flip(0), cond), atol=1e-3)
            assert not torch.allclose(out[0], net(x, t, other)[0], atol=1e-3)
    assert torch.equal(labelled(x, t), labelled(x, t, torch.tensor([2, 2]))), "the null label"
    torch.testing.assert_close(reads(x, t), reads(x, t, reads.caption.empty.expand(2, -1)))


def test_words_reach_the_patches_through_attention_and_padding_does_not(g):
    block = randomise(DiTBlock(16, 2, context_width=8))
    x, emb, words = (torch.randn(*shape, generator=g) for shape in ((2, 9, 16), (2, 16), (2, 5, 8)))
    visible = torch.arange(5).expand(2, -1) < 3
    out = block(x, emb, Context(words, visible))
    hidden, seen = words.clone(), words.clone()
    hidden[:, 3:] += 1
    seen[:, 2] += 1
    assert torch.equal(block(x, emb, Context(hidden, visible)), out)
    assert not torch.allclose(block(x, emb, Context(seen, visible)), out, atol=1e-3)
    shares = block.weights(x, emb, Context(words, visible))
    assert shares.shape == (2, 2, 9, 14) and not shares[..., 3:5].any()
    torch.testing.assert_close(shares.sum(-1), torch.ones(2, 2, 9))


def test_the_weights_are_those_with_which_a_block_attends(g):
    """The values averaged by them, and the rest of the block, are its output."""
    block, x, emb = randomise(DiTBlock(16, 2)), torch.randn(2, 9, 16, generator=g), torch.randn(2, 16, generator=g)
    shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = block.modulation(nn.functional.silu(emb))[:, None].chunk(6, -1)
    v = block.qkv(block.norm(x) * (1 + scale_1) + shift_1)[..., 32:].reshape(2, 9, 2, 8).transpose(1, 2)
    h = x + gate_1 * block.out((block.weights(x, emb) @ v).transpose(1, 2).reshape(2, 9, 16))
    inner = nn.functional.gelu(block.mlp_in(block.norm(h) * (1 + scale_2) + shift_2), approximate="tanh")
    torch.testing.assert_close(block(x, emb), h + gate_2 * block.mlp_out(inner), rtol=1e-5, atol=1e-5)


def test_what_does_not_fit_is_refused(g, unchecked):
    for arguments, words in (
        ({"size": 9}, "cannot be cut into patches of 2 x 2"),
        ({"heads": 3}, "divisible by the number of heads, 3"),
        ({"width": 18}, "multiple of 4"),
        ({"num_classes": 3, "caption": READER}, "not both"),
    ):
        with pytest.raises(ValueError, match=words):
            DiT(**{**SMALL, **arguments})
    with pytest.raises(ValueError, match="takes pictures of shape"):
        DiT(**SMALL)(torch.zeros(1, 3, 4, 4), torch.tensor([1]))
