"""The parts of DALL·E 2: the prior learns a known distribution, the decoder without an embedding is GLIDE, slerp is a circle."""

import math

import pytest
import torch
from test_networks import randomise

from ddpm_lite import CLIP, Schedule, Tokenizer, UNet, guided, sample, train
from ddpm_lite.networks.prior import Prior, conditions, embed, slerp
from ddpm_lite.networks.tokenizer import END, PAD, START
from ddpm_lite.sampling.samplers import as_eps
from ddpm_lite.training.batches import decoding, imagining
from ddpm_lite.training.losses import Loss, eps_loss, x0_loss

WORDS = Tokenizer(["blue", "circle", "red", "square"], 5)
READER = {"vocabulary": len(WORDS), "length": 5, "width": 8, "depth": 1, "heads": 2}
SMALL = {"size": 8, "channels": 3, "width": 8, "mults": (1, 2), "depth": 1, "attention": (4,), "groups": 4, "heads": 2}
schedule = Schedule.cosine(100)


def small_clip() -> CLIP:
    sides = {f"{side}_{k}": v for side in ("text", "image") for k, v in (("width", 8), ("depth", 1), ("heads", 2))}
    return randomise(CLIP(len(WORDS), 5, size=8, patch=4, dim=6, **sides))


def test_the_prior_sees_what_it_is_given_and_nothing_of_padding(g):
    net, x, t = randomise(Prior(**READER, dim=6)), torch.randn(2, 6, generator=g), torch.tensor([3, 70])
    text = torch.randn(2, 6, generator=g)
    cond = conditions(WORDS.encode(["red circle", "red square"]), text)
    out = net(x, t, cond)
    assert out.shape == (2, 6) and torch.equal(net(x, t), net(x, t, net.null.expand(2, -1)))
    assert net.null.tolist() == [START, END, PAD, PAD, PAD, *[0.0] * 6]
    for changed in (
        net(x, t, conditions(WORDS.encode(["blue circle", "circle red"]), text)),
        net(x, t, conditions(WORDS.encode(["red circle", "red square"]), text.flip(0))),
        net(x.flip(0), t, cond),
        net(x, t.flip(0), cond),
    ):
        assert ((out - changed).abs().amax(1) > 1e-4).all()
    net.token.weight[PAD] = 9.0
    torch.testing.assert_close(net(x, t, cond), out)


@pytest.mark.parametrize("shapes", [((2, 5), (2, 11)), ((2, 6), (2, 10)), ((2, 6), (1, 11))])
def test_what_does_not_fit_the_prior_is_named(shapes, unchecked):
    with pytest.raises(ValueError, match=r"embeddings \(2, 6\) and conditions \(2, 11\)"):
        Prior(**READER, dim=6)(torch.zeros(shapes[0]), torch.tensor([1, 1]), torch.zeros(shapes[1]))


def test_a_network_that_predicts_x0_samples_as_one_that_predicts_the_noise(g):
    """For x0 ~ N(0, 1) both exact answers are known: sqrt(alpha_bar) x_t and sqrt(1 - alpha_bar) x_t."""
    from ddpm_lite.maths.schedule import gather

    def x0(x, t, cond=None):
        return gather(schedule.alpha_bar.sqrt(), t, x) * x

    def eps(x, t, cond=None):
        return gather((1 - schedule.alpha_bar).sqrt(), t, x) * x

    x_T = torch.randn(50, 3, generator=g, dtype=torch.float64)
    ends = [list(sample(model, x_T, schedule, method="ddim", steps=20))[-1].x_t for model in (as_eps(x0, schedule), eps)]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-9)
    assert not as_eps(x0, schedule).training


def test_the_losses_compare_with_the_noise_and_with_the_clean_item(g):
    x0, seen = torch.randn(64, 4, generator=g), []

    def model(x_t, t, cond=None):
        seen.append((x_t, t))
        return torch.zeros_like(x_t)

    noise = eps_loss(schedule)(model, (x0,), torch.Generator().manual_seed(1)).value
    clean = x0_loss(schedule)(model, (x0,), torch.Generator().manual_seed(1)).value
    (x_t, t), again = seen
    assert torch.equal(x_t, again[0]) and torch.allclose(clean, x0.square().mean())
    a = schedule.alpha_bar[t].float()[:, None]
    assert torch.allclose(noise, ((x_t - a.sqrt() * x0) / (1 - a).sqrt()).square().mean(), atol=1e-4)


def test_the_prior_recovers_a_distribution_that_is_known():
    """Embeddings that follow a mixture of two Gaussians given the caption: weights, means and spread come out, at guidance 1, one
    sample each."""
    torch.manual_seed(0)
    g, d, std = torch.Generator().manual_seed(0), 4, 0.5
    centres = torch.tensor([[[1.5, 0, 0, 0], [-1.5, 0, 0, 0]], [[0, 1.5, 0, 0], [0, -1.5, 0, 0]]])  # two for each caption
    kind = torch.randint(2, (4000,), generator=g)
    first = torch.rand(4000, generator=g) < 0.75
    data = centres[kind, (~first).long()] + std * torch.randn(4000, d, generator=g)
    tokens = WORDS.encode(["red circle", "blue square"])
    cond = conditions(tokens, torch.eye(2, d))[kind]
    net = Prior(**{**READER, "width": 32}, dim=d)
    long = Schedule.cosine(1000)
    steps = train(
        net, (data, cond), x0_loss(long, 0.1, net.null), generator=g, steps=800, batch_size=256, lr=4e-3, ema_decay=0.99
    )
    *_, last = steps
    model = as_eps(last.run.ema, long)
    for i in range(2):
        asked = conditions(tokens, torch.eye(2, d))[i].expand(1000, -1)
        x_T = torch.randn(1000, d, generator=g)
        *_, end = sample(guided(model, 1.0, net.null), x_T, long, cond=asked, steps=50, generator=g)
        to_first = end.x_t[:, i] > 0
        assert abs(to_first.double().mean() - 0.75) < 0.06
        for part, centre in ((to_first, centres[i, 0]), (~to_first, centres[i, 1])):
            assert (end.x_t[part].mean(0) - centre).abs().max() < 0.2
            assert abs(end.x_t[part].std(0).mean() / std - 1) < 0.2


def test_with_dropout_1_or_guidance_0_a_condition_has_no_effect(g):
    """The prior and the decoder: what is always dropped in training is never seen, and guidance 0 leaves it out."""
    clip, pictures, seen = small_clip(), torch.rand(3, 3, 8, 8, generator=g), []

    def model(x_t, t, cond=None):
        seen.append(cond)
        return torch.zeros_like(x_t)

    net = randomise(Prior(**READER, dim=6))
    prior = imagining(x0_loss(schedule, 1.0, net.null), clip)
    decoder = decoding(eps_loss(schedule), clip, WORDS.encode([""])[0], 0.0, 0.0, 0.0)
    for loss in (prior, decoder):
        loss(model, (pictures, WORDS.encode(["red circle"] * 3)), torch.Generator().manual_seed(1))
        assert torch.equal(seen[-1], net.null.expand(3, -1))
    x, t = torch.randn(3, 6, generator=g), torch.tensor([5, 50, 90])
    cond = conditions(WORDS.encode(["red circle"] * 3), torch.randn(3, 6, generator=g))
    assert (net(x, t, cond) - net(x, t)).abs().max() > 1e-3
    torch.testing.assert_close(guided(as_eps(net, schedule), 0.0, net.null)(x, t, cond), as_eps(net, schedule)(x, t))


def test_imagining_denoises_the_picture_s_embedding_given_the_caption_s(g):
    clip, pictures, tokens = small_clip(), torch.rand(3, 3, 8, 8, generator=g), WORDS.encode(["red circle"] * 3)
    log = []
    imagining(lambda model, batch, generator=None: log.append(batch) or Loss(torch.zeros(())), clip)(
        small_clip(), (pictures, tokens)
    )
    x0, cond = log[0]
    assert torch.allclose(x0, clip.encode_image(pictures) * 6**0.5) and torch.allclose(x0.norm(dim=1), torch.tensor(6**0.5))
    assert torch.equal(cond[:, :5].long(), tokens) and torch.allclose(cond[:, 5:], embed(clip.encode_text(tokens)))


def test_decoding_gives_each_of_the_four_at_its_rate():
    clip, n, log = small_clip(), 4000, []
    tokens = WORDS.encode(["red circle"]).expand(n, -1)
    loss = decoding(
        lambda model, batch, generator=None: log.append(batch) or Loss(torch.zeros(())),
        clip,
        WORDS.encode([""])[0],
        0.2,
        0.4,
        0.3,
    )
    loss(clip, (torch.rand(n, 3, 8, 8), tokens), torch.Generator().manual_seed(0))
    cond = log[0][1]
    caption, image = (cond[:, :5] == tokens).all(1), (cond[:, 5:] != 0).any(1)
    for got, want in ((caption & image, 0.2), (caption & ~image, 0.4), (~caption & image, 0.3), (~caption & ~image, 0.1)):
        assert float(got.double().mean()) == pytest.approx(want, abs=5 * math.sqrt(0.25 / n))


def test_a_decoder_without_an_embedding_is_the_glide_it_began_as_and_listens_to_one(g):
    glide = randomise(UNet(**SMALL, caption=READER))
    decoder = randomise(UNet(**SMALL, caption={**READER, "image": 6}))
    decoder.load_state_dict(decoder.state_dict() | glide.state_dict())
    x, t, tokens = torch.randn(2, 3, 8, 8, generator=g), torch.tensor([5, 80]), WORDS.encode(["red circle", "blue square"])
    torch.testing.assert_close(decoder(x, t, conditions(tokens, torch.zeros(2, 6))), glide(x, t, tokens))
    torch.testing.assert_close(decoder(x, t), glide(x, t))
    embedding = torch.randn(2, 6, generator=g)
    heard = decoder(x, t, conditions(tokens, embedding))
    assert (heard - glide(x, t, tokens)).abs().max() > 1e-3
    with pytest.raises(ValueError, match="5 tokens"):
        decoder(x, t, tokens.float())
    null = decoder.caption.empty
    assert torch.equal(guided(decoder, 0.0, null)(x, t, conditions(tokens, embedding)), decoder(x, t))


def test_slerp_is_the_shortest_way_on_the_sphere(g):
    a, b = (torch.nn.functional.normalize(torch.randn(5, 8, generator=g, dtype=torch.float64), dim=1) for _ in range(2))
    w = (a * b).sum(1).acos()
    for share in (0.0, 0.25, 0.5, 1.0):
        mixed = slerp(a, b, share)
        assert torch.allclose(mixed.norm(dim=1), torch.ones(5, dtype=torch.float64))
        assert torch.allclose((a * mixed).sum(1).clamp(-1, 1).acos(), share * w, atol=1e-6)
        assert torch.allclose((b * mixed).sum(1).clamp(-1, 1).acos(), (1 - share) * w, atol=1e-6)
    assert torch.equal(slerp(a, a, 0.3), a)
    with pytest.raises(ValueError, match="opposite"):
        slerp(a, -a, 0.5)
