"""Models that draw in latents, and the autoencoder that gives them: what they are given, what they draw, and how they belong
together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from made import show
from PIL import Image
from test_caption import READER, SMALL, WORDS
from test_networks import randomise
from torch import nn

from ddpm_lite import __main__ as cli
from ddpm_lite import as_eps, guided, in_steps, sample
from ddpm_lite.data import grammar
from ddpm_lite.machine import weights
from ddpm_lite.models import beginning, evaluation, presets, trained
from ddpm_lite.models.autoencoding import AutoencoderModel
from ddpm_lite.models.evaluation import autoencoders, clips, composing, exact, latents, upsampler
from ddpm_lite.models.kinds import FewStepsModel, LatentModel, TextModel, UpsamplingModel
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.models.recipe import FACTOR
from ddpm_lite.networks.autoencoder import Encoding
from ddpm_lite.sampling.noise import normal

CAPTION = {k: v for k, v in READER.items() if k != "vocabulary"}
NETWORKS = {
    "latent-emoji": {**SMALL, "caption": CAPTION},
    "dit-emoji": {"size": 8, "channels": 3, "width": 16, "depth": 1, "heads": 2, "patch": 2, "caption": CAPTION},
}
ENCODES = {"size": 32, "channels": 3, "latent": 3, "width": 8, "mults": [1, 2], "depth": 1, "groups": 4, "patch": 2}
ASKED = ["red circle", "blue", ""]


def autoencoder() -> AutoencoderModel:
    """A random one, 32 x 32 pixels to 3 x 8 x 8 latents, whose statistics are not 0 and 1."""
    recipe = replace(PRESETS["autoencoder-emoji"], network=ENCODES)
    net = randomise(recipe.build())
    net.latent_mean += torch.tensor([0.5, 0.0, -0.5])
    net.latent_var *= torch.tensor([4.0, 1.0, 0.25])
    return AutoencoderModel(recipe, net)


def latent_model(name: str) -> LatentModel:
    """A small random model of a preset."""
    recipe = replace(PRESETS[name], network=NETWORKS[name], words=tuple(WORDS), target="eps")
    model = LatentModel(recipe, randomise(recipe.build()))
    model.autoencoder = autoencoder()
    return model


def test_the_presets_latents_are_those_of_the_shipped_kind_of_autoencoder():
    first = PRESETS["autoencoder-emoji"]
    shape = first.build().latents
    for name in NETWORKS:
        preset = PRESETS[name]
        assert preset.autoencoder == preset.space == first.name and preset.size == first.size == FACTOR * shape[1]
        assert (preset.network["channels"], preset.network["size"], preset.network["size"]) == shape
        known = preset.in_space("abc")
        assert (known.autoencoder_weights, known.space_weights, known.clip_weights) == ("abc", "abc", None)
    prior = PRESETS["prior-emoji"].in_space("abc")
    assert (prior.space, prior.space_weights, prior.autoencoder_weights) == ("clip-emoji", "abc", None)
    assert PRESETS["digits"].space is None and PRESETS["digits"].in_space(None) == PRESETS["digits"]


def test_pictures_become_latents_of_variance_1_and_come_back(g, unchecked):
    model, pictures = autoencoder(), torch.rand(5, 3, 32, 32, generator=g) * 2 - 1
    shift, scale = torch.tensor([0.5, 0.0, -0.5])[:, None, None], torch.tensor([2.0, 1.0, 0.5])[:, None, None]
    raw = model.net.encode(pictures).mean
    latents = model.encode(pictures)
    torch.testing.assert_close(latents, (raw - shift) / scale)
    model.net.up[-1].bias[0] = 3  # brighter than white
    decoded = model.decode(latents)
    torch.testing.assert_close(decoded, model.net.decode(latents * scale + shift).clamp(-1, 1))
    assert decoded.shape == pictures.shape and decoded.abs().max() == 1
    for wrong, words in ((3 * pictures, "must lie in"), (pictures[..., :16], "takes pictures of shape")):
        with pytest.raises(ValueError, match=words):
            model.encode(wrong)
    for wrong, words in ((latents / 0, "must be finite"), (latents[..., :4], "decodes latents of shape")):
        with pytest.raises(ValueError, match=words):
            model.decode(wrong)


@pytest.mark.parametrize("method", ["ddim", "dpm-solver++"])
@pytest.mark.parametrize("name", NETWORKS)
def test_latents_are_drawn_without_a_range_and_decoded(name, method):
    model = latent_model(name)
    tokens = model.tokenizer.encode(ASKED)
    led = guided(model.net, 3.0, model.net.caption.empty)
    x_T = normal(3, model.net.shape, torch.Generator().manual_seed(2 * 1_000_003))
    *_, last = sample(led, x_T, model.schedule, cond=tokens, steps=4, method=method)
    assert last.x_t.abs().max() > 1, "these latents leave the range of pictures"
    drawn = model.draw(ASKED, seed=2, steps=4, scale=3.0, method=method)
    torch.testing.assert_close(drawn, model.autoencoder.decode(last.x_t), rtol=0, atol=0.05)
    assert drawn.shape == (3, 3, 32, 32) and drawn.abs().max() <= 1 and not torch.allclose(drawn[0], drawn[1], atol=0.01)
    torch.testing.assert_close(model.draw(ASKED, noise=x_T, steps=4, scale=3.0, method=method), drawn, rtol=0, atol=0.001)


def test_a_network_for_latents_begins_from_one_for_pictures_and_reads_their_colours(g, monkeypatch):
    recipe = replace(PRESETS["latent-emoji"], words=tuple(grammar.words()))
    coder = trained.shipped("autoencoder-emoji").net
    to_colours, to_latents = beginning.colours(recipe, coder)
    pictures = exact.true_pictures(exact.asked("colour", True, 60, g), g, 64)  # others than those it has looked at
    latents, small = coder.scaled(coder.encode(pictures).mean), F.avg_pool2d(pictures, 4)
    seen = torch.einsum("ck,bkhw->bchw", to_colours, latents)
    error = seen - small
    assert float(error.sub(error.mean((0, 2, 3), keepdim=True)).var() / small.var()) < 0.2
    # In colours alone, the network for latents is the one for pictures.
    parent, model = trained.shipped("glide-emoji"), recipe.build()
    monkeypatch.setattr(parent.net, "precision", None)
    beginning.begin(recipe, model, parent, coder)
    tokens, t = parent.tokenizer.encode(["a red fox", "two cats"]), torch.tensor([100, 600])
    with torch.no_grad():
        z = torch.randn(2, 4, 16, 16, generator=g)
        answer = parent.net(torch.einsum("ck,bkhw->bchw", to_colours, z), t, tokens)
        expected = torch.einsum("kc,bchw->bkhw", to_latents, answer)
        torch.testing.assert_close(model.eval()(z, t, tokens), expected, rtol=1e-3, atol=1e-3)


def student() -> FewStepsModel:
    recipe = replace(PRESETS["few-steps-emoji"], network={**SMALL, "caption": {**CAPTION, "image": 4}}, words=tuple(WORDS))
    model = FewStepsModel(recipe, randomise(recipe.build()))
    model.net.caption.vector.weight.mul_(30)  # so that the number of steps shows
    model.autoencoder = autoencoder()
    return model


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_a_student_draws_in_the_steps_it_is_told_of_and_without_guidance(steps):
    model = student()
    x_T = normal(3, model.net.shape, torch.Generator().manual_seed(2 * 1_000_003))
    cond, visit = in_steps(model.tokenizer.encode(ASKED), steps), [1000 * n // steps for n in range(steps, 0, -1)]
    *_, last = sample(as_eps(model.net, model.schedule, "v"), x_T, model.schedule, cond=cond, steps=visit, method="ddim")
    drawn = model.draw(ASKED, seed=2, steps=steps)
    torch.testing.assert_close(drawn, model.autoencoder.decode(last.x_t), rtol=0, atol=0.001)
    if steps == 4:
        assert torch.equal(drawn, model.draw(ASKED, seed=2)), "4 steps are the default"
    else:
        assert not torch.allclose(drawn, model.draw(ASKED, seed=2), atol=0.01)


def test_a_student_refuses_what_it_has_not_learnt():
    model = student()
    for options, words in (
        ({"steps": 3}, "steps = 3, but this network draws in 1, 2, 4 or 8"),
        ({"scale": 4.0}, "has learnt its teacher's guidance, so scale has no effect"),
        ({"method": "ddpm"}, "has learnt the steps of ddim, and ddpm takes others"),
    ):
        with pytest.raises(ValueError, match=words):
            model.draw(ASKED, **options)


def test_a_student_learns_from_its_teacher_at_the_command_line(tmp_path, monkeypatch, capsys):
    assets, run = tmp_path / "assets", tmp_path / "run"
    assets.mkdir()
    monkeypatch.setattr(trained, "ASSETS", assets)
    network = {**SMALL, "size": 16, "channels": 4, "attention": [8, 4], "mults": [1, 1, 2]}
    for name, caption in (("latent-emoji", {}), ("few-steps-emoji", {"image": 4})):
        whole = {**PRESETS[name].network, **network, "caption": {**CAPTION, "length": 16, **caption}}
        monkeypatch.setitem(presets.PRESETS, name, replace(PRESETS[name], network=whole))
    ship(assets, seed=0)
    start = ["train", "few-steps-emoji", "--out", str(run), "--device", "cpu"]
    few = ["--steps", "3", "--batch-size", "4"]
    assert cli.main([*start, *few]) == 2
    assert "latent-emoji comes without weights" in capsys.readouterr().err
    words = {}
    for known in (grammar.words()[:-1], grammar.words()):
        recipe = replace(presets.PRESETS["latent-emoji"], words=known)
        kept = trained.fingerprint(trained.load("autoencoder-emoji", "cpu").net)
        net = randomise(recipe.build())
        weights.save(assets / "latent-emoji.safetensors", net.state_dict(), {"recipe": recipe.in_space(kept).as_json()})
        (assets / "latent-emoji.json").write_text("{}")
        words[len(known)] = cli.main([*start, *few]), capsys.readouterr().err
    (refused, said), (done, _) = words.values()
    assert (refused, done) == (2, 0) and "latent-emoji knows other words than few-steps-emoji" in said
    model = trained.load(run, "cpu")
    assert type(model) is FewStepsModel and model.made.step == 3
    begun = dict(net.named_parameters())
    near = [float((each - begun[name]).abs().max()) for name, each in model.net.named_parameters() if name in begun]
    assert len(near) == len(begun) and max(near) < 0.01, "it begins as its teacher"
    assert cli.main(["sample", str(run), "a fox", "-o", str(tmp_path / "a.png"), "--device", "cpu"]) == 0


# Trained from the command line, in the latents of a small autoencoder that takes the shipped one's place.


def ship(folder, seed: int) -> None:
    """A small autoencoder-emoji in the place of the shipped one."""
    recipe = replace(PRESETS["autoencoder-emoji"], network={**ENCODES, "size": 64, "latent": 4})
    weights.save(
        folder / "autoencoder-emoji.safetensors", randomise(recipe.build(), seed).state_dict(), {"recipe": recipe.as_json()}
    )
    (folder / "autoencoder-emoji.json").write_text("{}")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_in_latents_trains_draws_goes_on_and_knows_its_autoencoder(name, tmp_path, monkeypatch, capsys):
    assets, run, png = tmp_path / "assets", tmp_path / "run", tmp_path / "a.png"
    assets.mkdir()
    monkeypatch.setattr(trained, "ASSETS", assets)
    network = {**PRESETS[name].network, **NETWORKS[name], "size": 16, "channels": 4, "caption": {**CAPTION, "length": 16}}
    network |= {"attention": [8, 4], "mults": [1, 1, 2]} if name == "latent-emoji" else {}
    monkeypatch.setitem(presets.PRESETS, name, replace(PRESETS[name], network=network, begin=None))
    start = ["train", name, "--out", str(run), "--device", "cpu"]
    assert cli.main([*start, "--steps", "2"]) == 2
    assert "autoencoder-emoji comes without weights: train it" in capsys.readouterr().err
    ship(assets, seed=0)
    assert cli.main([*start, "--steps", "2", "--batch-size", "4"]) == 0
    model = trained.load(run, "cpu")
    assert model.recipe.autoencoder_weights == trained.fingerprint(model.autoencoder.net)
    draw = ["sample", str(run), "a fox", "-n", "2", "--steps", "2", "-o", str(png), "--device", "cpu"]
    assert cli.main([*draw, "--animate"]) == 0
    with Image.open(png) as film:
        assert film.n_frames == 1 + 3 and film.size == (2 * (2 * 65 + 1), 2 * 66)
        drawn = [np.asarray(film.convert("RGB")) for i in range(4) if film.seek(i) is None]
    assert np.array_equal(drawn[0], drawn[-1]) and not np.array_equal(drawn[1], drawn[-1])
    assert cli.main([*start, "--resume"]) == 0
    assert "already complete" in capsys.readouterr().out
    ship(assets, seed=1)
    for command in (draw, ["score", str(run)]):
        assert cli.main(command) == 2
        assert (
            "was not trained with this autoencoder-emoji, and the latents of another one mean nothing" in capsys.readouterr().err
        )
    config = weights.load(run / trained.CHECKPOINT)
    config[1]["recipe"]["autoencoder_weights"] = None
    weights.save(run / trained.CHECKPOINT, *config)
    assert cli.main(draw) == 2
    assert "its header lacks autoencoder_weights" in capsys.readouterr().err


# Of your own pictures.

OWN = {
    "autoencoder-folder": {**ENCODES, "size": 128, "latent": 4, "depth": 2},
    "latent-folder": {**SMALL, "size": 32, "channels": 4, "caption": {**CAPTION, "length": 32}},
}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of four pictures, and the presets for them with small networks."""
    for i, colour in enumerate(("red", "green", "blue", "gold")):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.new("RGB", (30 + i, 40), colour).save(tmp_path / "pictures" / f"{colour}.png")
    for name, network in OWN.items():
        network = {**PRESETS[name].network, **network}
        monkeypatch.setitem(presets.PRESETS, name, replace(PRESETS[name], network=network))
    return tmp_path


def said(capsys, *command: str) -> str:
    """What a command that is refused says."""
    assert cli.main(list(command)) == 2
    return capsys.readouterr().err


def test_your_own_pictures_are_drawn_in_the_latents_of_your_own_autoencoder(own, capsys):
    pictures, first, run, png = (str(own / name) for name in ("pictures", "first", "run", "a.png"))
    few = ("--data", pictures, "--size", "64", "--steps", "2", "--batch-size", "4", "--device", "cpu")
    assert cli.main(["train", "autoencoder-folder", "--out", first, *few]) == 0
    few = tuple(word for word in few if word not in ("--size", "64"))  # the size is the autoencoder's
    assert cli.main(["train", "latent-folder", "--out", run, "--autoencoder", first, *few]) == 0
    model, autoencoder = trained.load(run, "cpu"), trained.load(first, "cpu")
    assert model.recipe.size == autoencoder.recipe.size == 64 and model.net.shape == (4, 16, 16) == autoencoder.net.latents
    assert set(model.recipe.words) == {"blue", "gold", "green", "red"}
    # The run keeps a copy, so it draws and goes on although the autoencoder is gone.
    for path in (own / "first").iterdir():
        path.unlink()
    for ours, theirs in zip(model.autoencoder.net.parameters(), autoencoder.net.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    draw = ["sample", run, "red", "--steps", "2", "-o", png, "--device", "cpu"]
    assert cli.main(draw) == 0
    with Image.open(png) as drawn:
        assert drawn.size[1] >= 64
    again = ("train", "latent-folder", "--out", run, "--resume", "--device", "cpu")
    assert cli.main(list(again)) == 0
    assert "keeps a copy of its autoencoder: leave" in said(capsys, *again, "--autoencoder", first)
    (own / "run" / trained.AUTOENCODER).unlink()
    assert "There is no weight file" in said(capsys, *draw)


def test_an_autoencoder_of_your_own_is_used_where_it_fits_and_refused_elsewhere(own, capsys):
    pictures, first, run = (str(own / name) for name in ("pictures", "first", "run"))
    few = ("--data", pictures, "--steps", "1", "--batch-size", "2", "--device", "cpu")
    assert cli.main(["train", "autoencoder-folder", "--out", first, "--size", "64", *few]) == 0
    latent = ("train", "latent-folder", "--out", run, *few)
    assert "train autoencoder-folder and give its folder with --autoencoder" in said(capsys, *latent)
    assert "learnt 64 x 64 pixels, so --size 128 does not fit" in said(capsys, *latent, "--autoencoder", first, "--size", "128")
    digits = ("train", "digits", "--out", run, "--autoencoder", first)
    assert "digits takes no autoencoder of your own" in said(capsys, *digits)
    reads_none = ("train", "autoencoder-folder", "--out", run, "--captions", str(own / "x.csv"), *few)
    assert "reads no captions: leave --captions out" in said(capsys, *reads_none)
    wrong = ("train", "latent-folder", "--out", str(own / "other"), *few, "--size", "64", "--autoencoder")
    assert "There is no" in said(capsys, *wrong, str(own / "nothing"))
    assert "comes without weights: train it (python -m ddpm_lite train latent-folder --data PICTURES --autoencoder RUN" in said(
        capsys, "sample", "latent-folder", "red"
    )


# Scores.


class Blurs(AutoencoderModel):
    """Its latents are small pictures, less 0.25 and doubled; decoded, they are enlarged."""

    def encode(self, pictures):
        return 2 * (F.avg_pool2d(pictures, 4) - 0.25)

    def decode(self, latents):
        return F.interpolate(latents / 2 + 0.25, scale_factor=4.0)


class Says(nn.Linear):
    latent_var = torch.tensor([1.0, 4.0, 1.0])

    def encode(self, pictures):
        mean = F.avg_pool2d(pictures, 4)
        return Encoding(mean, torch.log(torch.tensor([0.01, 0.04, 0.04]))[:, None, None].expand_as(mean))


def test_each_number_of_an_autoencoder_is_what_its_meaning_says(monkeypatch, unchecked):
    monkeypatch.setattr(autoencoders, "COUNT", 40)
    monkeypatch.setattr(autoencoders, "AT_ONCE", 16)
    monkeypatch.setattr(clips, "judge_features", lambda pictures: pictures.flatten(1)[:, 100:700:200].contiguous())
    asked, real = [], exact.true_pictures
    monkeypatch.setattr(exact, "true_pictures", lambda scenes, g, size: asked.append(scenes) or real(scenes, g, size))
    found = evaluation.score(Blurs(PRESETS["autoencoder-emoji"], Says(1, 1)), seed=1)
    (scenes,) = asked
    g = torch.Generator().manual_seed(1)
    assert all(map(grammar.is_held_out, scenes)) and scenes == exact.asked_of_each(True, 40, g), "the seed has no effect"
    pictures = real(scenes, g, 64)
    assert show(F.avg_pool2d(pictures, 4), scenes)
    small = F.avg_pool2d(pictures, 4)
    decoded = F.interpolate(small, scale_factor=4.0)
    each = torch.tensor([float((a - b).square().mean()) for a, b in zip(decoded, pictures, strict=True)], dtype=torch.float64)
    kl = 0.5 * (small.square().sum((1, 2, 3)) + 256 * sum(v - 1 - np.log(v) for v in (0.01, 0.04, 0.04)))
    expected = {
        "psnr_decoded": float(-10 * (each.mean() / 4).log10()),
        "psnr_decoded_bicubic": upsampler.psnr(F.interpolate(small, scale_factor=4, mode="bicubic").clamp(-1, 1), pictures),
        "frechet_decoded": upsampler.frechet(decoded, pictures),
        "frechet_decoded_real": upsampler.frechet(pictures, pictures),
        "latent_std": 2 * float(small.std()),
        "latent_noise": 0.02**0.5,  # the mean of 0.01, 0.04 / 4 and 0.04
        "latent_nats": float(kl.mean()),
    }
    bootstrap = each[torch.randint(40, (4000, 40), generator=torch.Generator().manual_seed(0))].mean(1)
    error = found.pop("psnr_decoded_error")
    assert error == pytest.approx(float((10 * bootstrap.log10()).std()), rel=0.1)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_drawn_large_is_judged_at_the_size_of_the_judge(name):
    scenes = exact.asked("colour", True, 3, torch.Generator().manual_seed(0))
    large = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))

    class Draws(LatentModel):
        def draw(self, captions, **options):
            self.log = captions, options
            return large

    model = Draws(PRESETS[name], nn.Linear(1, 1))
    assert evaluation.judge_of(model) is latents
    assert torch.equal(composing.drawing(model, 5, 3.0)(scenes), F.avg_pool2d(large, 4))
    assert model.log == (exact.captions(scenes), {"seed": 5, "steps": 15, "scale": 3.0, "method": "dpm-solver++"})
    assert not hasattr(latents, "curves")


def test_what_is_drawn_in_latents_is_compared_at_full_size_with_the_cascade(monkeypatch):
    monkeypatch.setattr(latents, "COUNT", 40)
    monkeypatch.setattr(clips, "judge_features", lambda pictures: pictures.flatten(1)[:, 100:700:200].contiguous())
    monkeypatch.setattr(composing, "score", lambda model, seed: {"names": seed / 10})
    g = torch.Generator().manual_seed(3)
    scenes = exact.asked_of_each(True, 40, g)
    true, captions = exact.true_pictures(scenes, g, 64), exact.captions(scenes)
    noise = torch.randn(40, 3, 64, 64, generator=g)

    class Draws(LatentModel):
        def draw(self, asked, *, seed, steps, scale, method):
            assert (asked, seed, steps, scale, method) == (captions, 3, 15, 4.0, "dpm-solver++")
            return true + noise

    class Small(TextModel):
        def draw(self, asked, *, seed, steps, scale, method):
            assert (asked, seed, steps, scale, method) == (captions, 3, 15, 4.0, "dpm-solver++")
            return F.avg_pool2d(true, 4)

    class Enlarges(UpsamplingModel):
        def draw(self, small, asked, *, seed):
            assert (asked, seed) == (captions, 3)
            return F.interpolate(small, scale_factor=4.0)

    linear = nn.Linear(1, 1)
    parts = {
        "glide-emoji": Small(PRESETS["glide-emoji"], linear),
        "upsampler-emoji": Enlarges(PRESETS["upsampler-emoji"], linear),
    }
    monkeypatch.setattr(trained, "load", lambda name, device: parts[name])
    enlarged = F.interpolate(F.avg_pool2d(true, 4), scale_factor=4.0)
    assert evaluation.score(Draws(PRESETS["latent-emoji"], linear), seed=3) == {
        "names": 0.3,
        "frechet_drawn": pytest.approx(upsampler.frechet(true + noise, true), rel=1e-4),
        "frechet_drawn_cascade": pytest.approx(upsampler.frechet(enlarged, true), rel=1e-4),
    }
    assert (latents.MEANING | autoencoders.MEANING).keys() <= evaluation.MEANING.keys()
