"""The wiring of drawing: every option of `sample`, of a trained model and of a chain reaches what it is for."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from test_caption import READER, SMALL, WORDS
from test_networks import randomise
from test_same_picture import ASKED as ASKED_OF
from test_same_picture import untrained
from torch import nn

from ddpm_lite import Schedule, ddim_step, ddpm_step, guided, sample, timesteps
from ddpm_lite.machine import distributed, weights
from ddpm_lite.maths import v_from_eps
from ddpm_lite.models import model as model_file
from ddpm_lite.models import trained as zoo
from ddpm_lite.models.header import Made
from ddpm_lite.models.kinds import DecoderModel, TextModel
from ddpm_lite.models.model import Trained
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.models.unclip import Chain, imagine
from ddpm_lite.networks.prior import Prior, conditions, embed
from ddpm_lite.sampling.editing import invert
from ddpm_lite.sampling.noise import normal, seeds
from ddpm_lite.sampling.samplers import as_eps

schedule = Schedule.linear(50)
RECIPE = replace(
    PRESETS["glide-shapes"],
    network={**SMALL, "caption": {k: v for k, v in READER.items() if k != "vocabulary"}},
    schedule={"kind": "linear", "T": 100, "beta_1": 1e-3, "beta_T": 0.05},
    words=tuple(WORDS),
)
ASKED = ["red circle", "blue", "red circle", "", "blue square"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def answer(x, t, cond=None):
    """A network without weights, to which t and the condition make a difference."""
    told = 0.0 if cond is None else cond[:, None]
    return 0.8 * x.sin() + t[:, None] / 100 + told


@pytest.fixture
def model() -> TextModel:
    return TextModel(RECIPE, randomise(RECIPE.build()))


# The samplers.


@pytest.mark.parametrize("options", [{"eta": 0.0}, {"eta": 0.4}, {"eta": 1.0}], ids=str)
def test_ddim_takes_its_steps_with_the_eta_that_is_given(options):
    x = x_T = torch.randn(4, 2, generator=seeded(), dtype=torch.float64)
    g, visit = seeded(1), [*timesteps(50, 7), 0]
    for t, t_next in pairwise(visit):
        z = torch.randn(x.shape, generator=g, dtype=x.dtype) if options["eta"] else None
        x = ddim_step(x, answer(x, torch.full((4,), t)), t, t_next, schedule, z, options["eta"])
    random = {"generator": seeded(1)} if options["eta"] else {}
    *_, last = sample(answer, x_T, schedule, steps=7, method="ddim", **options, **random)
    torch.testing.assert_close(last.x_t, x)


TABLE = torch.linspace(0, 0.5, 51, dtype=torch.float64)


@pytest.mark.parametrize("var", ["posterior", "beta", TABLE], ids=["posterior", "beta", "table"])
def test_ddpm_takes_its_steps_with_the_variance_that_is_given(var):
    x = x_T = torch.randn(4, 2, generator=seeded(), dtype=torch.float64)
    g = seeded(1)
    for t in range(50, 0, -1):
        eps_hat = answer(x, torch.full((4,), t))
        x = ddpm_step(x, eps_hat, t, t - 1, schedule, torch.randn(x.shape, generator=g, dtype=x.dtype), var)
    *_, last = sample(answer, x_T, schedule, var=var, generator=seeded(1))
    torch.testing.assert_close(last.x_t, x)


@pytest.mark.parametrize("method", ["ddpm", "ddim", "dpm-solver++"])
def test_the_network_is_told_the_condition_at_every_step(method):
    seen, cond = [], torch.tensor([0.1, 0.2, 0.3, 0.4])

    def model(x, t, given):
        seen.append((int(t[0]), given))
        return answer(x, t, given)

    list(sample(model, torch.randn(4, 2, generator=seeded()), schedule, cond=cond, steps=5, method=method))
    assert [t for t, _ in seen] == timesteps(50, 5) and all(given is cond for _, given in seen)


def test_inversion_takes_the_steps_asked_and_is_told_the_condition():
    seen, cond = [], torch.tensor([0.1, 0.2])

    def model(x, t, given):
        seen.append((int(t[0]), given))
        return answer(x, t, given)

    invert(model, torch.zeros(2, 3), schedule, cond=cond, steps=5)
    assert [t for t, _ in seen] == [10, 10, 20, 30, 40] and all(given is cond for _, given in seen)


def test_a_network_that_predicts_x0_is_refused_in_training_mode_too():
    with pytest.raises(ValueError, match="training mode"):
        next(sample(as_eps(nn.Identity().train(), schedule), torch.zeros(2, 3), schedule))


# A trained model.


@pytest.mark.parametrize("method", ["ddim", "dpm-solver++", "euler", "heun"])
def test_a_drawing_is_the_sampler_s_from_the_noise_given_under_guidance(model, monkeypatch, method):
    monkeypatch.setattr(model_file, "AT_ONCE", 2)
    noise, tokens = 0.2 * torch.randn(5, 3, 8, 8, generator=seeded()), model.tokenizer.encode(ASKED)
    noise[:, :, :2] *= 20  # some leave the range on the way, most do not
    for steps, scale in ((4, 3.0), (6, 1.0)):
        net = guided(model.net, scale, model.net.caption.empty)
        *_, last = sample(net, noise, model.schedule, cond=tokens, steps=steps, method=method, clip=True)
        drawn = model.draw(ASKED, steps=steps, scale=scale, method=method, noise=noise)
        torch.testing.assert_close(drawn, last.x_t.clamp(-1, 1), rtol=1e-3, atol=1e-3)


def test_a_watcher_sees_each_frame_of_each_batch_and_changes_nothing(model, monkeypatch):
    monkeypatch.setattr(model_file, "AT_ONCE", 2)
    alone, seen = model.draw(ASKED, steps=4), []

    def watch(frames, count):
        for frame in frames:
            seen.append((frame.t, count))
            yield frame

    monkeypatch.setattr(model, "watch", watch)
    assert torch.equal(model.draw(ASKED, steps=4), alone)
    assert seen == [(t, 5) for t in (*timesteps(model.schedule.T, 4), 0)] * 3  # five captions, two at a time


class Turned(nn.Module):
    """A network's answer, the noise, as the velocity that says the same."""

    def __init__(self, net: nn.Module, schedule: Schedule):
        super().__init__()
        self.net, self.schedule = net, schedule

    def __getattr__(self, name: str):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.net, name)

    def forward(self, x, t, cond=None):
        return v_from_eps(x[:, : self.net.shape[0]], self.net(x, t, cond), t, self.schedule)


@pytest.mark.parametrize("name", ASKED_OF)
def test_a_network_that_predicts_the_velocity_draws_what_one_of_the_noise_does(name, unchecked):
    kind, asked = untrained(name), ASKED_OF[name][:2]
    recipe = replace(kind.recipe, schedule=RECIPE.schedule)  # some of the picture is left at T, and so in what is drawn
    model = type(kind)(recipe, kind.net)
    turned = type(kind)(replace(recipe, target="v"), Turned(kind.net, model.schedule).eval())
    ways = [lambda each: each.draw(asked, steps=4)]
    if name == "inpaint-emoji":
        pictures, mask = torch.linspace(-1, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
        mask[:, :, :4] = 1
        ways.append(lambda each: each.edit(pictures, mask, asked, steps=4))
    for draw in ways:
        torch.testing.assert_close(draw(turned), draw(model), rtol=0, atol=0.05)  # bf16 rounds v otherwise than eps
        wrong = type(kind)(recipe, turned.net)
        assert (draw(wrong) - draw(model)).abs().max() > 0.2


@pytest.mark.parametrize("name", ASKED_OF)
def test_each_kind_of_drawing_takes_every_option(name):
    model, asked = untrained(name), ASKED_OF[name][:2]
    noise = torch.randn(2, *model.net.shape, generator=seeded(5))  # not that of the default seed
    changes = [{"seed": 1}, {"steps": 4}, {"method": "ddpm"}, {"noise": noise}]
    changes += [{"scale": 4.0}, {"scale": 1.0}] if name != "upsampler-emoji" else []
    changes += [{"embedding": torch.randn(2, 8, generator=seeded())}] if name == "decoder-emoji" else []
    drawn = [model.draw(asked, **{"steps": 3, **change}) for change in ({}, *changes)]
    assert torch.equal(drawn[0], model.draw(asked, steps=3, seed=0, method="ddim"))
    for i, one in enumerate(drawn):
        assert all((one - other).abs().max() > 1e-3 for other in drawn[:i]), changes[i - 1]


@pytest.mark.parametrize("method", ["ddpm", "ddim"])
def test_every_picture_has_noise_of_its_own_in_every_batch(model, monkeypatch, method):
    monkeypatch.setattr(model_file, "AT_ONCE", 2)
    drawn = model.draw(["red circle"] * 5, steps=2, method=method, seed=3)
    assert len(drawn.flatten(1).unique(dim=0)) == 5
    torch.testing.assert_close(drawn[:3], model.draw(["red circle"] * 3, steps=2, method=method, seed=3))
    same = torch.randn(1, 3, 8, 8, generator=seeded()).expand(5, -1, -1, -1)
    drawn_alike = model.draw(["red circle"] * 5, steps=2, method=method, noise=same).flatten(1)
    apart = (drawn_alike - drawn_alike[0]).abs().amax(1) > 1e-4  # a batch of another size rounds otherwise
    assert apart.sum() == (4 if method == "ddpm" else 0)  # what is added on the way is each one's own too
    other = [model.draw(["red circle"] * 5, steps=2, method=method, seed=s).flatten(1) for s in (4, 5)]
    assert len(torch.cat([drawn.flatten(1), *other]).unique(dim=0)) == 15  # no seed has a picture of its neighbour


def test_a_decoder_hears_each_picture_s_embedding():
    network = {**RECIPE.network, "caption": {**RECIPE.network["caption"], "image": 3}}
    recipe, embedding = replace(PRESETS["decoder-emoji"], network=network, words=RECIPE.words), torch.arange(6.0).reshape(2, 3)
    decoder = DecoderModel(recipe, recipe.build().eval())
    tokens = decoder.tokenizer.encode(["red", "blue"])
    assert torch.equal(decoder.conditions(["red", "blue"], embedding), conditions(tokens, embedding))
    assert torch.equal(decoder.conditions(["red", "blue"]), conditions(tokens, torch.zeros(2, 3)))


def test_processes_share_out_the_batches(model, monkeypatch):
    monkeypatch.setattr(model_file, "AT_ONCE", 2)
    whole, shares = model.draw(ASKED, steps=2), []
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "gather_all", lambda mine: shares.append(mine) or [mine])
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        model.draw(ASKED, steps=2)
    assert [sorted(share) for share in shares] == [[0, 2], [1]]
    assert torch.equal(torch.cat([(shares[0] | shares[1])[i] for i in range(3)]), whole)


def test_a_run_s_averaged_weights_are_loaded_ready_to_use(tmp_path):
    recipe = PRESETS["digits-classifier"]
    ema, raw = (recipe.build(seed).state_dict() for seed in (1, 2))
    config = {"recipe": recipe.as_json(), "machine": "abacus", "command": "train it", "step": 7, "steps": None, "seconds": 1.5}
    tensors = {f"ema.{k}": v for k, v in ema.items()} | {f"model.{k}": v for k, v in raw.items()}
    weights.save(tmp_path / zoo.CHECKPOINT, tensors, config)
    model = zoo.load(tmp_path, "cpu")
    assert all(torch.equal(v, ema[k]) for k, v in model.net.state_dict().items())
    assert model.recipe == recipe and model.made == Made("abacus", "train it", 7, None, 1.5) and model.card == {}
    assert not model.net.training and not any(p.requires_grad for p in model.net.parameters())


def test_a_fingerprint_knows_every_weight():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).requires_grad_(False)
    before = zoo.fingerprint(net)
    for parameter in net.parameters():
        kept = parameter.clone()
        parameter += 1
        assert zoo.fingerprint(net) != before
        parameter.copy_(kept)
    assert zoo.fingerprint(net) == before


# Chains.


class Part:
    """A part of a chain that keeps how it was asked to draw, and draws its own number. An upsampler may be given captions."""

    def __init__(self, number: float):
        self.number, self.log = number, []

    def draw(self, asked, *captions, **options):
        self.log.append((asked, *captions, options))
        return torch.full((len(asked), 3, 2, 2), self.number)


@pytest.fixture
def chain(unchecked, monkeypatch):
    """A chain of parts that draw nothing; how its prior is asked is in `chain.imagined`."""
    made = object.__new__(Chain)
    made.name, made.decoder, made.upsampler, made.imagined = "unclip-emoji", Part(1.0), Part(2.0), []

    def of_captions(self, captions, **options):
        self.imagined.append((captions, options))
        return torch.full((len(captions), 4), 5.0)

    monkeypatch.setattr(Chain, "imagine", of_captions)
    monkeypatch.setattr(Chain, "encode", lambda self, pictures: torch.arange(len(pictures) * 4.0).reshape(-1, 4))
    return made


def test_a_chain_passes_its_options_on_and_its_three_draws_share_no_seed(chain):
    drawn = chain.draw(["a", "b"], seed=4, steps=7, scale=3.5, method="ddim", candidates=5)
    assert chain.imagined == [(["a", "b"], {"seed": 12, "candidates": 5})]
    ((asked, options),) = chain.decoder.log
    assert asked == ["a", "b"] and (options.pop("embedding") == 5).all() and options.pop("noise") is None
    assert options == {"seed": 13, "steps": 7, "scale": 3.5, "method": "ddim"}
    ((small, captions, options),) = chain.upsampler.log
    assert (small == 1).all() and captions == ["a", "b"] and options == {"seed": 14} and (drawn == 2).all()


def test_variations_are_drawn_from_the_embedding_alone_and_pass_their_options_on(chain):
    drawn = chain.variations(torch.zeros(2, 3, 2, 2), 3, seed=4, steps=7, scale=3.5, method="ddim")
    assert drawn.shape == (2, 3, 3, 2, 2) and len(chain.decoder.log) == len(chain.upsampler.log) == 2
    for i, ((asked, decoding), enlarging) in enumerate(zip(chain.decoder.log, chain.upsampler.log, strict=True)):
        assert asked == [""] * 3 and torch.equal(decoding.pop("embedding"), (4.0 * i + torch.arange(4)).expand(3, -1))
        decoding.pop("noise")
        assert decoding == {"seed": 8, "steps": 7, "scale": 3.5, "method": "ddim"}
        assert enlarging[1:] == (None, {"seed": 9}) and (enlarging[0] == 1).all()


def test_a_chain_enlarges_with_the_captions_that_are_given_or_with_none(chain):
    small, captions = torch.zeros(2, 3, 1, 1), ["a", "b"]
    assert (chain.enlarge(small, captions, seed=3) == 2).all() and (chain.enlarge(small) == 2).all()
    assert chain.upsampler.log == [(small, captions, {"seed": 3}), (small, None, {"seed": 0})]
    chain.upsampler = None
    with pytest.raises(ValueError, match="unclip-emoji has no upsampler, so it cannot enlarge pictures"):
        chain.enlarge(small)
    assert (chain.draw(captions) == 1).all() and (chain.variations(small, 2) == 1).all()


def test_a_decoder_is_given_noise_and_captions_where_there_are_some(chain):
    embedding, noise = torch.ones(2, 4), torch.zeros(2, 3, 2, 2)
    chain.decode(embedding, ["a", "b"], noise=noise)
    chain.decode(embedding)
    (asked, options), (none, _) = chain.decoder.log
    assert asked == ["a", "b"] and none == ["", ""] and options["noise"] is noise and options["embedding"] is embedding


def test_the_prior_s_sample_is_ddim_s_under_guidance_and_the_closest_is_kept(unchecked):
    torch.manual_seed(0)
    prior = Prior(vocabulary=9, length=4, dim=6, width=8, depth=1, heads=2).eval().requires_grad_(False)
    tokens, text = torch.tensor([[1, 3, 2, 0], [1, 4, 2, 0]]), nn.functional.normalize(torch.randn(2, 6), dim=1)
    net = nn.Linear(1, 1).requires_grad_(False)
    net.encode_text = lambda given: text if torch.equal(given, tokens) else None
    clip = SimpleNamespace(name="clip", net=net, tokenizer=SimpleNamespace(encode=lambda captions: tokens))
    own = {"clip_weights": zoo.fingerprint(net), "schedule": {"kind": "linear", "T": 40}}
    trained = Trained(replace(PRESETS["prior-emoji"], **own), prior)
    cond, eps = conditions(tokens, embed(text)), guided(as_eps(prior, trained.schedule), 2.5, prior.null)
    candidates = []
    for seed in (8, *seeds(1, 8)):
        x_T = normal(2, (6,), seeded(seed))
        candidates.append(list(sample(eps, x_T, trained.schedule, cond=cond, steps=9, method="ddim"))[-1].x_t)
    one, two = (imagine(trained, clip, ["a", "b"], seed=8, steps=9, scale=2.5, candidates=k) for k in (1, 2))
    torch.testing.assert_close(one, candidates[0])
    best = (torch.stack(candidates) * text).sum(2).argmax(0)
    torch.testing.assert_close(two, torch.stack(candidates)[best, torch.arange(2)])
