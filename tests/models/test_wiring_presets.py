"""The wiring of the presets: each trains with its own loss and with its own numbers in it, whatever it is a preset of."""

import math
from dataclasses import replace
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from ddpm_lite import CLIP, Loss, Schedule, Tokenizer, captioned
from ddpm_lite.data import chance, changes, digits, folder, grammar, scenes, shapes
from ddpm_lite.models import material, objective, presets
from ddpm_lite.models.objective import make_loss
from ddpm_lite.models.recipe import KINDS, Pictures
from ddpm_lite.networks.autoencoder import Autoencoder, Encoding
from ddpm_lite.networks.tokenizer import END, empty_row
from ddpm_lite.training.batches import to_bytes
from ddpm_lite.training.losses import denoising_loss

N, DIM, IMAGE, TEXT = 2000, 96, 0.5, -0.25
# Other numbers than any preset has, and than any default is: what is taken from elsewhere shows.
ODD = {"drop": 0.3, "word_drop": 0.25, "shift": 3, "noise": 0.5, "everything": 0.4, "both": 0.2, "caption": 0.35, "image": 0.15}
ODD |= {"factor": 4, "kl": 0.7, "scale": 1.5, "bound": 3.0}
UPSAMPLER = presets.PRESETS["upsampler-emoji"]
DEAF = {key: value for key, value in UPSAMPLER.network.items() if key != "caption"}
PRESETS = {**presets.PRESETS, "deaf": replace(UPSAMPLER, network=DEAF)}  # an upsampler may also read no captions


def with_loss(*names: str) -> list[str]:
    """The presets in whose loss these numbers are."""
    return [name for name, preset in PRESETS.items() if set(names) <= preset.loss.keys()]


class Clip(CLIP):
    """A CLIP to which all pictures are alike, and all captions."""

    def __init__(self):
        nn.Module.__init__(self)  # without encoders

    def encode_image(self, pictures):
        return torch.full((len(pictures), DIM), IMAGE)

    def encode_text(self, tokens):
        return torch.full((len(tokens), DIM), TEXT)


class Latents(Autoencoder):
    """An autoencoder whose latents are (picture + 1) / 2."""

    def __init__(self):
        nn.Module.__init__(self)  # without layers

    def encode(self, pictures):
        return Encoding(pictures + 1, torch.zeros_like(pictures))

    def scaled(self, latents):
        return latents / 2


class Seen(nn.Module):
    """A network that answers 0 and keeps what it is given by the loss of a preset, in which all numbers are odd."""

    def __init__(self, name: str, target: str | None = None):
        super().__init__()
        preset, batch = PRESETS[name], []
        self.kind = preset.kind
        self.channels = 3 if preset.autoencoder else preset.network.get("channels", 3)
        recipe = replace(preset, loss={k: ODD[k] for k in preset.loss}, target=target or preset.target)
        # White paper with one dark pixel.
        self.pictures = torch.ones(N, self.channels, 8, 8)
        self.pictures[:, :, 3, 4] = -1
        if preset.schedule is not None:
            self.schedule = getattr(Schedule, preset.schedule["kind"])(preset.schedule["T"])
        if preset.reads:
            self.length = preset.network.get("length", preset.network.get("caption", {}).get("length"))
            tokenizer = Tokenizer(["blue", "circle", "red"], self.length)
            recipe = replace(recipe, words=tuple(tokenizer.words))
            batch.append(tokenizer.encode(["red blue circle"]).short().expand(N, 1, -1))
        if preset.kind in ("class-conditional", "classifier"):
            batch = [self.pictures, torch.arange(N) % 10]
        else:
            batch = [to_bytes(self.pictures), torch.zeros(N, dtype=torch.bool), *batch]
        space = Clip() if preset.clip else Latents() if preset.autoencoder else None
        given = {"teacher": self.eval()} if preset.kind == "few-steps" else {}
        self.loss = make_loss(recipe, space, **given)(self, tuple(batch), torch.Generator().manual_seed(0))

    def forward(self, x, t=None, cond=None, *gather):
        if self.kind == "clip":
            self.tokens, self.t, self.x_t = t, cond, x
            return torch.zeros(len(x), len(x))
        if self.kind == "autoencoder":
            self.x_t = t  # the noise of the latents
            return 0 * x, Encoding(t, 0 * t)
        self.x_t, self.extra, self.t, self.cond = x[:, : self.channels], x[:, self.channels :], t, cond
        if self.kind == "prior":
            self.x_t = x
        if cond is not None and cond.ndim == 2:
            self.tokens, self.embedding = cond[:, : self.length].long(), cond[:, self.length :]
        return torch.zeros(len(x), 10) if self.kind == "classifier" else 0 * self.x_t

    @property
    def without(self) -> torch.Tensor:
        """Which captions it was not given."""
        return (self.tokens == empty_row(self.length)).all(1)


seen = cache(Seen)


def share(found: torch.Tensor, expected: float) -> bool:
    """Whether so many are true, within five standard errors."""
    return abs(float(found.double().mean()) - expected) <= 5 * math.sqrt(expected * (1 - expected) / len(found))


# A student learns from its teacher: see test_distillation.
DENOISED = [
    (name, target)
    for name, preset in PRESETS.items()
    for target in KINDS[preset.kind].targets
    if target and preset.kind != "few-steps"
]


@pytest.mark.parametrize(("name", "target"), DENOISED)
def test_a_picture_is_denoised_to_its_noise_or_velocity_and_an_embedding_to_itself(name, target):
    net = seen(name, target)
    x0 = torch.full((N, DIM), IMAGE * DIM**0.5) if net.kind == "prior" else net.pictures
    x0 = (x0 + 1) / 2 if PRESETS[name].autoencoder else x0
    a = net.schedule.alpha_bar[net.t].reshape(-1, *[1] * (x0.ndim - 1))
    eps = (net.x_t - a.sqrt() * x0) / (1 - a).sqrt()
    assert abs(float(eps.std()) - 1) < 0.02 and abs(float(eps.mean())) < 0.02
    target = {"x0": x0, "eps": eps, "v": a.sqrt() * eps - (1 - a).sqrt() * x0, "flow": eps - x0}[target]
    torch.testing.assert_close(net.loss.per_item.double(), target.double().square().flatten(1).mean(1), rtol=0.01, atol=0.01)
    assert torch.equal(net.loss.bin, (net.t - 1) * 20 // net.schedule.T)


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.kind == "clip"])
def test_a_clip_sees_the_caption_and_the_picture_moved_or_noised(name):
    net = seen(name)
    assert float(net.loss.value) == pytest.approx(math.log(N)) and (net.t is None) == (PRESETS[name].schedule is None)
    clear = torch.arange(N) if net.t is None else (net.t <= 20).nonzero()[:, 0]
    rows, columns = (net.x_t[clear, 0] < 0).nonzero()[:, 1:].T
    assert set(rows.tolist()) == set(range(0, 7)) and set(columns.tolist()) == set(range(1, 8)), "moved by up to 3 pixels"
    if net.t is not None:
        a = net.schedule.alpha_bar[net.t]
        assert ((net.x_t[:, 0, 7, 0] - a.sqrt()) / (1 - a).sqrt()).std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", with_loss("word_drop"))
def test_words_are_dropped_at_the_preset_s_rate(name):
    net, p = seen(name), ODD["word_drop"]
    words = (net.tokens[~net.without] > END).sum(1).double()
    expected = 3 * (1 - p) + 3 * p**3  # where all three would go, all three stay
    assert abs(float(words.mean()) - expected) <= 5 * math.sqrt(3 * p * (1 - p) / len(words)) and words.min() == 1


@pytest.mark.parametrize("name", with_loss("drop"))
def test_conditions_are_dropped_at_the_preset_s_rate(name):
    net = seen(name)
    assert share(net.without, ODD["drop"])
    if net.kind == "prior":
        assert torch.equal(net.embedding, torch.where(net.without, 0.0, TEXT * DIM**0.5)[:, None].expand(-1, DIM))


@pytest.mark.parametrize("name", with_loss("kl"))
def test_an_autoencoder_weighs_the_kl_of_its_latents_by_the_preset_s_number(name):
    net = seen(name)
    assert net.x_t.shape[1:] == PRESETS[name].build().latents and abs(float(net.x_t.std()) - 1) < 0.01
    kl = 0.5 * net.x_t.square().flatten(1).sum(1)  # of a Gaussian of mean z and variance 1
    expected = net.pictures.square().flatten(1).mean(1) + ODD["kl"] * kl / net.pictures[0].numel()
    torch.testing.assert_close(net.loss.per_item, expected)


@pytest.mark.parametrize("target", ["eps", "v"])
def test_a_student_s_teacher_predicts_noise_and_is_guided_by_the_preset_s_number(target, monkeypatch):
    says, made = Counts().eval(), []
    preset = replace(PRESETS["few-steps-emoji"], target=target, words=("red",))
    monkeypatch.setattr(objective, "few_step_loss", lambda *given: made.append(given) or denoising_loss(given[1], given[0]))
    x_t, t, tokens = torch.ones(2, 4, 2, 2), torch.tensor([300, 700]), preset.tokenizer.encode(["red", "red red"])
    make_loss(replace(preset, loss={"scale": 1.5, "word_drop": 0.0}), Latents(), says)
    ((schedule, said, teacher),) = made
    assert torch.equal(schedule.beta, preset.make_schedule().beta) and said == target
    with_caption, without = says(x_t, t, tokens), says(x_t, t, empty_row(16).expand(2, -1))
    led = without + 1.5 * (with_caption - without)
    if target == "v":  # eps = sqrt(alpha_bar) v + sqrt(1 - alpha_bar) x_t
        a = schedule.alpha_bar[t][:, None, None, None]
        led = a.sqrt() * led + (1 - a).sqrt() * x_t
    torch.testing.assert_close(teacher(x_t, t, tokens), led.float())


class Counts(nn.Module):
    """A network that counts words."""

    def forward(self, x_t, t, tokens):
        return 0 * x_t + (tokens > END).sum(1)[:, None, None, None]


@pytest.mark.parametrize("name", with_loss("both", "caption", "image"))
def test_a_decoder_is_given_caption_and_embedding_at_the_preset_s_rates(name):
    net = seen(name)
    given, text = (net.embedding == IMAGE * DIM**0.5).all(1), ~net.without
    assert (given | (net.embedding == 0).all(1)).all()
    assert share(given & text, ODD["both"]) and share(~given & text, ODD["caption"]) and share(given & ~text, ODD["image"])


@pytest.mark.parametrize("name", with_loss("everything"))
def test_everything_is_erased_at_the_preset_s_rate(name):
    net, everything = seen(name), ODD["everything"]
    rest, mask = net.extra[:, : net.channels], net.extra[:, net.channels :]
    assert torch.equal(rest, net.pictures * mask) and mask.shape == (N, 1, 8, 8)
    assert share(mask.amax((1, 2, 3)) == 0, everything + (1 - everything) / 64)


@pytest.mark.parametrize("name", with_loss("noise"))
def test_an_upsampler_sees_the_small_picture_with_the_preset_s_noise(name):
    net = seen(name)
    small = net.extra[:, :, ::4, ::4]
    assert torch.equal(net.extra, F.interpolate(small, scale_factor=4.0))
    std = (small - F.avg_pool2d(net.pictures, 4)).flatten(1).std(1)
    assert std.max() == pytest.approx(ODD["noise"], rel=0.6) and std.mean() == pytest.approx(ODD["noise"] / 2, rel=0.15)


def test_an_upsampler_that_reads_sees_its_captions_and_now_and_then_none():
    net = seen("upsampler-emoji")
    empty = (net.cond == empty_row(16)).all(1)
    assert share(empty, objective.DROP) and (net.cond[~empty] == net.cond[~empty][0]).all()  # no word is ever left out
    assert seen("deaf").cond is None


def test_a_label_is_dropped_now_and_then_and_a_classifier_learns_all():
    labels = seen("digits").cond
    assert share(labels == 10, 0.1) and torch.equal(labels[labels != 10], (torch.arange(N) % 10)[labels != 10])
    net = seen("digits-classifier")
    assert torch.equal(net.x_t, net.pictures) and float(net.loss.value) == pytest.approx(math.log(10))


@pytest.mark.parametrize("name", PRESETS)
def test_all_randomness_of_a_loss_is_the_generator_s(name):
    losses = []
    for seed in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            before, net = torch.get_rng_state(), Seen(name)
            assert torch.equal(before, torch.get_rng_state())
        losses.append((net.loss.per_item, net.x_t, *([net.cond] if hasattr(net, "cond") and net.cond is not None else [])))
    assert all(map(torch.equal, *losses))


def test_mirroring_and_the_choice_of_a_caption_are_the_generator_s():
    pictures, seen = torch.arange(48).byte().reshape(1, 3, 4, 4).expand(100, -1, -1, -1), []
    batch = pictures, torch.ones(100, dtype=torch.bool), torch.arange(3, 15).reshape(1, 3, 4).expand(100, -1, -1)
    for seed in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            loss = captioned(lambda model, given, generator: seen.append(given) or Loss(torch.zeros(())), word_drop=0.0)
            loss(nn.Identity(), batch, torch.Generator().manual_seed(0))
    assert all(map(torch.equal, *seen)) and len(seen[0][0].unique(dim=0)) == 2 and len(seen[0][1].unique(dim=0)) == 3


# What is trained on.


def test_no_held_out_drawing_and_all_of_the_others_are_in_the_material(monkeypatch):
    monkeypatch.setattr(material, "DRAWINGS", 4000)
    material._drawn.cache_clear()
    one, two = (material.material(PRESETS[name]) for name in ("clip-shapes", "glide-shapes"))
    assert set(one.index.tolist()) == set(shapes.TRAIN.tolist()) and len(one.index) == 4000
    n = len(shapes.COMBINATIONS)
    drawn = [set((two.index[two.index < n]).tolist()), set((two.index[two.index >= n] - n).tolist())]
    assert drawn[0] == set(shapes.TRAIN.tolist()) and not drawn[1] & set(scenes.HELDOUT.tolist()) and len(drawn[1]) > 1300
    assert len(two.index) == 8000 and two.captions[n] == scenes.captions(0) and two.captions[3] == shapes.captions(3)
    assert not one.mirror.any() and not two.mirror.any()  # the captions say where things are
    material._drawn.cache_clear()


def test_the_training_parts_are_whole_and_as_large_as_the_cards_say():
    assert material.DRAWINGS == 20_000
    for mine, theirs in zip(material.training_data(PRESETS["digits"]), digits.load()[0], strict=True):
        assert torch.equal(mine, theirs)


@pytest.fixture
def own(tmp_path):
    for i, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (9, 9), colour).save(tmp_path / f"{i}.png")
    (tmp_path / "said.csv").write_text("file,caption\n0.png,left red\n1.png,green\n2.png,blue\n0.png,a red one\n")
    return Pictures(str(tmp_path), str(tmp_path / "said.csv"), 8)


@pytest.mark.parametrize("name", ["folder", "clip-folder"])
def test_your_own_pictures_are_kept_with_their_captions_and_never_mirrored(name, own):
    recipe, preset = material.bind(PRESETS[name], own), PRESETS[name]
    smaller = {"size": 8, **({"attention": [8]} if name == "folder" else {})}  # no level has 16 pixels
    words = ("a", "blue", "green", "left", "one", "red")
    kept = replace(own, fingerprint=folder.fingerprint(own.path, own.captions))
    assert recipe == replace(preset, network={**preset.network, **smaller}, words=words, pictures=kept)
    pictures, mirror, tokens = material.training_data(recipe)
    assert pictures.shape == (3, 3, 8, 8) and not mirror.any() and pictures[2, :, 0, 0].tolist() == [0, 0, 255]
    said = [["left red", "a red one"], ["green", "green"], ["blue", "blue"]]
    assert torch.equal(tokens.long(), torch.stack([recipe.tokenizer.encode(each) for each in said]))


@pytest.mark.parametrize(("name", "everything"), [("glide-emoji", False), ("clip-emoji", False), ("judge-emoji", True)])
def test_scenes_are_drawn_anew_by_the_generator_with_their_captions(name, everything):
    recipe = replace(PRESETS[name], words=grammar.words())
    rows = material.training_data(recipe)
    a, b, other = (rows(40, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert all(map(torch.equal, a, b)) and not torch.equal(a[0], other[0])
    dice, drawn = chance.Dice(torch.Generator().manual_seed(0), 1600), []
    while len(drawn) < 40:
        first = chance.draw(dice, everything)  # a CLIP learns most from scenes that are alike
        drawn += [first, *(chance.alike(first, dice, everything) for _ in range(15 if recipe.kind == "clip" else 0))]
    drawn = drawn[:40]
    assert torch.equal(a[0], to_bytes(changes.draw([d.scene for d in drawn], [d.artist for d in drawn], 16)))
    assert not a[1].any() and torch.equal(a[2][:, 0].long(), recipe.tokenizer.encode([d.caption for d in drawn]))
    assert any(grammar.is_held_out(d.scene, d.artist) for d in drawn) == everything
    for large in (UPSAMPLER, PRESETS["latent-emoji"], PRESETS["dit-emoji"]):
        pictures, _, tokens = material.training_data(replace(large, words=grammar.words()))(2, torch.Generator().manual_seed(0))
        assert pictures.shape == (2, 3, 64, 64) and tokens.shape == (2, 1, 16)
    pictures, mirror = material.training_data(PRESETS["autoencoder-emoji"])(2, torch.Generator().manual_seed(0))
    assert pictures.shape == (2, 3, 64, 64) and not mirror.any(), "an autoencoder reads no captions"


def test_a_run_keeps_what_its_preset_says():
    for name in ("digits", "digits-classifier", "artist-emoji"):
        assert material.bind(PRESETS[name]) == PRESETS[name]
    for name in ("glide-emoji", "upsampler-emoji", "judge-emoji"):
        assert material.bind(PRESETS[name]) == replace(PRESETS[name], words=grammar.words())
    assert replace(material.bind(PRESETS["clip-shapes"]), words=None) == PRESETS["clip-shapes"]
    for name, pictures, words in (("digits", Pictures("here", None, 8), "takes no others"), ("folder", None, "needs a folder")):
        with pytest.raises(ValueError, match=f"^{name} .*{words}"):
            material.bind(PRESETS[name], pictures)


def test_the_first_weights_are_those_of_the_seed():
    a, b, c = (PRESETS["digits-classifier"].build(seed) for seed in (0, 0, 1))
    assert torch.equal(a.head.weight, b.head.weight) and not torch.equal(a.head.weight, c.head.weight)


def test_the_schedule_has_all_the_arguments_of_the_preset():
    linear, cosine = {"kind": "linear", "T": 50, "beta_1": 0.01, "beta_T": 0.5}, {"kind": "cosine", "T": 9, "s": 0.1}
    for schedule, made in ((linear, Schedule.linear(50, 0.01, 0.5)), (cosine, Schedule.cosine(9, 0.1))):
        assert torch.equal(replace(PRESETS["digits"], schedule=schedule).make_schedule().beta, made.beta)


def test_the_min_snr_of_a_recipe_weighs_its_loss_and_is_refused_where_nothing_is_denoised():
    data = torch.rand(9, 1, 8, 8) * 2 - 1, torch.arange(9)

    def loss_of(numbers):
        recipe = replace(PRESETS["digits"], target="v", loss=numbers)
        return make_loss(recipe)(lambda x, t, c: 0 * x, data, torch.Generator().manual_seed(0)).value

    schedule = PRESETS["digits"].make_schedule()
    expected = denoising_loss("v", schedule, null=10, min_snr=0.5)
    assert torch.equal(loss_of({"min_snr": 0.5}), expected(lambda x, t, c: 0 * x, data, torch.Generator().manual_seed(0)).value)
    assert loss_of({"min_snr": 0.5}) < loss_of({})
    clip = PRESETS["clip-shapes"]
    with pytest.raises(ValueError, match=r"loss = .*min_snr.* does not fit"):
        replace(clip, loss={**clip.loss, "min_snr": 5.0})
