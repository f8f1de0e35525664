"""CLIP guidance: that it follows the gradient of log p(c | x_t), and nothing else. (Classifier-free: test_sample.)"""

import pytest
import torch
from test_clip import SMALL, batch, randomise
from torch import nn

from ddpm_lite import CLIP, GaussianMixture, Schedule, clip_guided, guided, sample

schedule = Schedule.linear(100, 1e-3, 0.1)
CLASSES = torch.tensor([0, 1, 1, 2])
MEANS = torch.tensor([[-1.0, 0.5], [1.0, 1.0], [1.0, -1.0], [0.0, 0.2]]).double()
COVS = torch.tensor([[[0.3, 0.1], [0.1, 0.2]], [[0.1, 0.0], [0.0, 0.4]], [[0.2, -0.1], [-0.1, 0.2]], [[0.05, 0.0], [0.0, 0.05]]])
WEIGHTS = torch.tensor([0.3, 0.2, 0.1, 0.4]).double()
MIXTURE = GaussianMixture(WEIGHTS, MEANS, COVS.double(), CLASSES)


class ExactCLIP(CLIP):
    """For points of MIXTURE: its logits are log p(c | x_t) itself, by Bayes' rule from the densities of x_t in each class."""

    logit_scale = torch.zeros(())

    def __init__(self):
        nn.Module.__init__(self)

    def encode_image(self, x_t, t):
        joint = []
        for c in range(3):
            of = CLASSES == c
            here = GaussianMixture(WEIGHTS[of], MEANS[of], COVS[of].double()).diffused(int(t[0]), schedule)
            joint.append(here.log_prob(x_t) + WEIGHTS[of].sum().log())
        return torch.stack(joint, 1).log_softmax(1)

    def encode_text(self, tokens):
        return nn.functional.one_hot(tokens[:, 0], 3).double()


@pytest.mark.parametrize("t", [1, 30, 100])
def test_with_the_exact_log_p_it_is_the_exact_conditional_noise(t, g):
    x, steps, cond = torch.randn(64, 2, generator=g).double(), torch.full((64,), t), torch.arange(64) % 3
    model, tokens = MIXTURE.eps_model(schedule), cond[:, None]
    found = clip_guided(model, ExactCLIP(), tokens, schedule, 1.0)(x, steps)
    torch.testing.assert_close(found, MIXTURE.eps(x, steps, schedule, cond), rtol=1e-9, atol=1e-9)
    for scale in (-1.0, 0.0, 2.5):
        free = guided(model, scale, MIXTURE.null)(x, steps, cond)
        torch.testing.assert_close(clip_guided(model, ExactCLIP(), tokens, schedule, scale)(x, steps), free, rtol=1e-9, atol=1e-9)
    assert torch.equal(clip_guided(model, ExactCLIP(), tokens, schedule, 0.0)(x, steps), model(x, steps))


def test_samplers_draw_what_the_captions_say(g):
    cond = torch.arange(60) % 3
    eps = clip_guided(MIXTURE.eps_model(schedule), ExactCLIP(), cond[:, None], schedule, 1.0)
    *_, last = sample(eps, torch.randn(60, 2, generator=g).double(), schedule, steps=50, method="ddim")
    of = MIXTURE.eps_model(schedule)
    *_, free = sample(of, torch.randn(60, 2, generator=g).double(), schedule, steps=50, method="ddim")
    right, by_chance = (
        ExactCLIP().encode_image(drawn.x_t, torch.ones(60, dtype=torch.long)).exp()[torch.arange(60), cond].mean()
        for drawn in (last, free)
    )
    assert right > 0.85 and by_chance < 0.5, (right, by_chance)


def test_a_clip_s_logit_is_followed_for_each_picture_s_own_caption(g):
    torch.manual_seed(0)
    clip = randomise(CLIP(**SMALL, noisy=True)).requires_grad_()
    pictures, tokens = batch(4, g)
    t, seen = torch.tensor([1, 20, 50, 100]), []

    def model(x_t, t, cond):
        seen.append(cond)
        return 0.5 * x_t

    x = pictures.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(clip(x, tokens, t).diagonal().sum(), x)
    expected = 0.5 * pictures - 3 * (1 - schedule.alpha_bar[t]).sqrt().float()[:, None, None, None] * gradient
    assert (expected - 0.5 * pictures).abs().max() > 0.05
    eps = clip_guided(model, clip, tokens, schedule, 3.0)
    with torch.no_grad():
        for _ in range(2):  # as a sampler does, step after step
            torch.testing.assert_close(eps(pictures, t, tokens), expected, rtol=1e-4, atol=1e-5)
    assert all(cond is tokens for cond in seen) and all(p.grad is None for p in clip.parameters())


def zero(x_t, t, cond=None):
    return 0 * x_t


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": float("inf")}, "scale = inf, but guidance needs a number from"),
        ({"model": nn.Linear(2, 2)}, "training mode"),
        ({"clip": CLIP(**SMALL)}, r"takes no t: noisy=True builds one that does"),
        ({"tokens": torch.tensor([[1, 5, 2]])}, "one caption for each picture, not 1 for 3"),
    ],
)
def test_what_does_not_fit_is_named(options, words, unchecked):
    given = {"model": zero, "clip": CLIP(**SMALL, noisy=True), "tokens": torch.tensor([[1, 5, 2]] * 3), "scale": 1.0, **options}
    with pytest.raises(ValueError, match=words):
        clip_guided(**given, schedule=schedule)(torch.zeros(3, 2, 8, 8), torch.tensor([1, 2, 3]))
