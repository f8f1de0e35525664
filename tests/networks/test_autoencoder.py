"""The autoencoder: that it is the published one, that its KL is right, and that its latents have variance 1."""

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from test_networks import randomise
from torch import nn
from torch.distributions import Normal, kl_divergence

from ddpm_lite.networks.autoencoder import LOG_VAR, Autoencoder, Encoding
from ddpm_lite.networks.blocks import ResBlock
from ddpm_lite.training import autoencoder_loss, in_latents, train
from ddpm_lite.training.losses import Loss

SMALL = {"size": 16, "channels": 3, "latent": 4, "width": 8, "mults": (1, 2), "depth": 1, "groups": 4}


def moved(g, *shape):
    return torch.randn(*shape, generator=g)


@pytest.fixture
def encoding(g):
    return Encoding(moved(g, 3, 4, 5, 5), moved(g, 3, 4, 5, 5))


def test_the_kl_and_the_samples_of_an_encoding_are_those_of_diffusers_and_of_torch(encoding, g):
    theirs = DiagonalGaussianDistribution(torch.cat(encoding, dim=1))
    torch.testing.assert_close(encoding.kl(), theirs.kl(), rtol=1e-5, atol=1e-5)
    torch_s = kl_divergence(Normal(encoding.mean, (0.5 * encoding.log_var).exp()), Normal(0.0, 1.0)).sum((1, 2, 3))
    torch.testing.assert_close(encoding.kl(), torch_s, rtol=1e-5, atol=1e-5)
    z = moved(g, 3, 4, 5, 5)
    torch.testing.assert_close(encoding.sample(z), theirs.mean + theirs.std * z, rtol=1e-5, atol=1e-5)
    assert torch.equal(Encoding(0 * z, 0 * z).kl(), torch.zeros(3))


def test_the_kl_is_the_mean_of_the_log_ratio_over_samples(encoding, g):
    q, p = Normal(encoding.mean, (0.5 * encoding.log_var).exp()), Normal(0.0, 1.0)
    ratios = []
    for _ in range(2000):
        z = encoding.sample(moved(g, 3, 4, 5, 5))
        ratios.append((q.log_prob(z) - p.log_prob(z)).sum((1, 2, 3)))
    found = torch.stack(ratios)
    assert ((found.mean(0) - encoding.kl()).abs() < 5 * found.std(0) / len(found) ** 0.5).all()


def copied(ours: nn.ModuleList, theirs: list[nn.Module]) -> None:
    """Give our layers the weights of theirs, in the same order."""
    for mine, other in zip([each for each in ours if not isinstance(each, nn.SiLU)], theirs, strict=True):
        if isinstance(mine, ResBlock):
            names = {"norm_1": "norm1", "conv_1": "conv1", "norm_2": "norm2", "conv_2": "conv2", "skip": "conv_shortcut"}
            for name, name_there in names.items():
                if not isinstance(getattr(mine, name), nn.Identity):
                    getattr(mine, name).load_state_dict(getattr(other, name_there).state_dict())
        else:
            mine.load_state_dict(other.state_dict())


def test_with_the_weights_of_diffusers_it_encodes_and_decodes_as_theirs_does(g):
    """AutoencoderKL has two more residual blocks in the middle, which are made to add nothing."""
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3}
    options = {"block_out_channels": (8, 16, 16), "layers_per_block": 2, "norm_num_groups": 4, "latent_channels": 4}
    plain = {"mid_block_add_attention": False, "use_quant_conv": False, "use_post_quant_conv": False}
    theirs = randomise(AutoencoderKL(sample_size=16, **blocks, **options, **plain))
    for half in (theirs.encoder, theirs.decoder):
        for block in half.mid_block.resnets:
            nn.init.zeros_(block.conv2.weight)
            nn.init.zeros_(block.conv2.bias)
    ours = Autoencoder(size=16, channels=3, latent=4, width=8, mults=(1, 2, 2), depth=2, groups=4).eval().requires_grad_(False)

    def ends(half):
        return [half.conv_norm_out, half.conv_out]

    down = [part for block in theirs.encoder.down_blocks for part in (*block.resnets, *(block.downsamplers or []))]
    up = [part for block in theirs.decoder.up_blocks for part in (*block.resnets, *(block.upsamplers or []))]
    down, up = ([getattr(each, "conv", each) for each in layers] for layers in (down, up))
    copied(ours.down, [theirs.encoder.conv_in, *down, *ends(theirs.encoder)])
    copied(ours.up, [theirs.decoder.conv_in, *up, *ends(theirs.decoder)])
    x = moved(g, 2, 3, 16, 16)
    expected, found = theirs.encode(x).latent_dist, ours.encode(x)
    assert found.mean.shape == (2, 4, 4, 4) and expected.mean.std() > 0.05
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.log_var, expected.logvar, rtol=1e-5, atol=1e-5)
    kl = type(expected)(expected.parameters.double()).kl()  # a sum of many numbers: in 32 bits it loses digits
    torch.testing.assert_close(Encoding(found.mean.double(), found.log_var.double()).kl(), kl, rtol=1e-5, atol=1e-5)
    latents = moved(g, 2, 4, 4, 4)
    torch.testing.assert_close(ours.decode(latents), theirs.decode(latents).sample, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("mults", "patch", "side"), [((1, 2), 1, 8), ((1,), 4, 4), ((1, 2), 2, 4), ((1, 1, 2), 1, 4)])
def test_latents_are_smaller_by_the_patch_and_the_levels(mults, patch, side, g):
    net = randomise(Autoencoder(**{**SMALL, "mults": mults, "patch": patch}))
    x, z = moved(g, 2, 3, 16, 16), moved(g, 2, 4, side, side)
    assert net.latents == (4, side, side)
    decoded, encoding = net(x, z)
    assert decoded.shape == x.shape and encoding.mean.shape == encoding.log_var.shape == z.shape
    again = net.encode(x)
    assert torch.equal(again.mean, encoding.mean) and torch.equal(net.decode(again.sample(z)), decoded)
    assert not torch.equal(net(x, -z)[0], decoded), "the latents are drawn"


def test_the_log_variance_stays_in_its_range(g):
    net = randomise(Autoencoder(**SMALL))
    with torch.no_grad():
        net.down[-1].bias[4:] = torch.tensor([1e3, -1e3, 0, 0])
    log_var = net.encode(moved(g, 2, 3, 16, 16)).log_var
    assert (log_var[:, 0] == LOG_VAR[1]).all() and (log_var[:, 1] == LOG_VAR[0]).all()


def test_the_latents_are_scaled_by_statistics_that_follow_the_training(g):
    net = randomise(Autoencoder(**SMALL)).requires_grad_(True)
    x = moved(g, 64, 3, 16, 16)
    latents = net.encode(x).mean.detach()
    assert torch.equal(net.scaled(latents), latents), "at first the statistics are 0 and 1"
    net.eval()(x, moved(g, 64, 4, 8, 8))
    assert torch.equal(net.latent_mean, torch.zeros(4)), "they follow in training alone"
    for _ in range(1500):
        net.train()._follow(latents)
    made = net.scaled(latents)
    torch.testing.assert_close(made.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-3)
    torch.testing.assert_close(made.var((0, 2, 3)), torch.ones(4), rtol=0, atol=1e-2)
    torch.testing.assert_close(net.unscaled(made), latents)
    before = net.latent_var.clone()
    net.train()(2 * x, moved(g, 64, 4, 8, 8))
    assert not torch.equal(net.latent_var, before)


def test_what_does_not_fit_is_refused(g, unchecked):
    for arguments, words in (
        ({"size": 15}, "cannot be made 2 times smaller"),
        ({"width": 6}, "multiples of groups = 4"),
        ({"patch": 3}, "cannot be made 6 times smaller"),
    ):
        with pytest.raises(ValueError, match=words):
            Autoencoder(**{**SMALL, **arguments})
    net = Autoencoder(**SMALL)
    with pytest.raises(ValueError, match="takes pictures of shape"):
        net.encode(moved(g, 2, 3, 8, 8))
    with pytest.raises(ValueError, match="decodes latents of shape"):
        net.decode(moved(g, 2, 4, 4, 4))
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="kl = "):
            autoencoder_loss(weight, (4, 8, 8))


@pytest.mark.parametrize("kl", [0.0, 0.5])
def test_the_loss_is_the_squared_error_and_the_weighted_kl_of_a_pixel(kl):
    net = randomise(Autoencoder(**SMALL))
    x = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    found = autoencoder_loss(kl, net.latents)(net, (x,), torch.Generator().manual_seed(3))
    z = torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    encoding = net.encode(x)
    error = (net.decode(encoding.sample(z)) - x).square().sum((1, 2, 3))
    expected = (error + kl * DiagonalGaussianDistribution(torch.cat(encoding, dim=1)).kl()) / x[0].numel()
    torch.testing.assert_close(found.per_item, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.value, expected.mean(), rtol=1e-5, atol=1e-5)


def test_it_learns_to_give_back_what_it_sees(g):
    """Flat pictures of any colour: three numbers, which the latents can hold. Grey costs the variance of a colour, 1/3."""
    x = (torch.rand(200, 3, 1, 1, generator=g) * 2 - 1).expand(-1, -1, 8, 8).contiguous()
    torch.manual_seed(0)
    net = Autoencoder(**{**SMALL, "size": 8})
    *_, last = train(net, (x,), autoencoder_loss(1e-4, net.latents), generator=g, steps=150, batch_size=20, lr=5e-3)
    ema = last.run.ema
    error = (ema.decode(ema.encode(x).mean) - x).square().mean()
    assert error < 0.05, error


def test_a_loss_in_latents_sees_the_scaled_means_and_passes_on_the_condition(g):
    net = randomise(Autoencoder(**SMALL))
    net.latent_mean += 0.5
    net.latent_var *= 4
    x, tokens, seen = torch.rand(5, 3, 16, 16, generator=g), torch.arange(5), []
    loss = in_latents(lambda model, batch, generator: seen.append((model, *batch, generator)) or Loss(torch.zeros(())), net)
    loss(net, (x, tokens), g)
    ((model, latents, cond, generator),) = seen
    assert model is net and cond is tokens and generator is g and not latents.requires_grad
    torch.testing.assert_close(latents, (net.encode(x).mean - 0.5) / 2)
