"""Captions: how the U-Net reads them, what training makes of them, and pictures from words on the command line."""

import math
import warnings
from dataclasses import replace

import pytest
import torch
from PIL import Image
from test_networks import count, randomise
from test_train import same

from ddpm_lite import Schedule, Tokenizer, UNet, drop_condition, eps_loss, guided, sample, train
from ddpm_lite import __main__ as cli
from ddpm_lite.machine import weights
from ddpm_lite.models import material, trained
from ddpm_lite.models.kinds import UpsamplingModel
from ddpm_lite.models.objective import make_loss
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.networks.blocks import Attention
from ddpm_lite.networks.caption import Caption, Context, reworded
from ddpm_lite.networks.channels import enlarge, widen, with_channels
from ddpm_lite.networks.tokenizer import END, PAD, START
from ddpm_lite.training.batches import captioned, drop_words, to_bytes, upsampling
from ddpm_lite.training.losses import Loss

WORDS = ["blue", "circle", "left", "red", "right", "square"]
TOKENS = Tokenizer(WORDS, 6)
READER = {"vocabulary": len(TOKENS), "length": 6, "width": 8, "depth": 1, "heads": 2}
SMALL = {"size": 8, "channels": 3, "width": 8, "mults": [1, 2], "depth": 1, "attention": [4], "groups": 4, "heads": 2}
DEAF = {**SMALL, "extra": 3}  # of an upsampler that reads no captions
schedule = Schedule.cosine(100)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def caught():
    """A loss that keeps what it is given, and its log."""
    log = []

    def loss(model, batch, generator=None):
        log.append(batch)
        return Loss(torch.zeros(()))

    return loss, log


# The network.


def test_a_caption_changes_the_noise_seen_and_none_is_the_empty_caption(g):
    net, x, t = randomise(UNet(**SMALL, caption=READER)), torch.randn(2, 3, 8, 8, generator=g), torch.tensor([5, 500])
    red, circle = TOKENS.encode(["red circle", "red circle"]), TOKENS.encode(["red square", "circle red"])
    assert not torch.allclose(net(x, t, red), net(x, t), atol=1e-3)
    for i in range(2):  # another word, another order
        assert not torch.allclose(net(x, t, red)[i], net(x, t, circle)[i], atol=1e-4)
    assert torch.equal(net(x, t), net(x, t, TOKENS.encode(["", ""])))
    assert torch.equal(net.caption.empty, TOKENS.encode([""])[0])


def test_padding_has_no_effect_so_a_longer_row_says_the_same(g):
    net, x, t = randomise(UNet(**SMALL, caption=READER)), torch.randn(1, 3, 8, 8, generator=g), torch.tensor([7])
    long = TOKENS.encode(["red circle"])
    torch.testing.assert_close(net(x, t, long), net(x, t, long[:, :4]))
    before = net(x, t, long)
    net.caption.token.weight[PAD] = torch.randn(8, generator=g)
    net.caption.position[4:] = torch.randn(2, 8, generator=g)
    torch.testing.assert_close(net(x, t, long), before)
    net.caption.position[3] = torch.randn(8, generator=g)  # of the end token
    assert not torch.allclose(net(x, t, long), before, atol=1e-3)


def test_the_caption_s_vector_is_its_end_token_s_feature(g):
    reader = randomise(Caption(**READER, dim=5))
    tokens = TOKENS.encode(["red", "blue circle left right"])
    vector, context = reader(tokens, 2)
    assert torch.equal(context.visible, tokens != PAD)
    for row, end in enumerate((2, 5)):
        assert tokens[row, end] == END
        torch.testing.assert_close(vector[row], reader.projection(context.features[row, end]))
    x = reader.token(tokens) + reader.position
    torch.testing.assert_close(context.features, reader.norm(reader.transformer(x, tokens != PAD)))


def test_pixels_attend_to_words_and_pixels_in_one_softmax(g):
    layer, x = randomise(Attention(8, 4, 2, context_width=6)), torch.randn(2, 8, 3, 3, generator=g)
    context = Context(torch.randn(2, 4, 6, generator=g), torch.tensor([[True] * 4, [True, True, False, False]]))
    q, k, v = layer.qkv(layer.norm(x).flatten(2).mT).chunk(3, dim=-1)
    k_words, v_words = layer.words(context.features).chunk(2, dim=-1)
    expected = []
    for row, seen in enumerate((4, 2)):
        heads = []
        for part in (slice(0, 4), slice(4, 8)):
            keys = torch.cat([k[row, :, part], k_words[row, :seen, part]])
            values = torch.cat([v[row, :, part], v_words[row, :seen, part]])
            heads.append((q[row, :, part] @ keys.T / math.sqrt(4)).softmax(-1) @ values)
        expected.append(x[row] + layer.out(torch.cat(heads, dim=-1)).T.reshape(8, 3, 3))
    torch.testing.assert_close(layer(x, None, context), torch.stack(expected))


def test_a_network_without_captions_has_no_part_of_theirs():
    assert not [name for name in UNet(**SMALL).state_dict() if "caption" in name or "words" in name]
    assert count(UNet(**SMALL, extra=4)) == count(UNet(**SMALL)) + 4 * 8 * 9


def test_an_extra_picture_is_seen_and_a_widened_network_ignores_it_at_first(g):
    plain, wide = randomise(UNet(**SMALL, caption=READER)), UNet(**SMALL, caption=READER, extra=4).eval().requires_grad_(False)
    wide.load_state_dict(widen(plain.state_dict(), 4))
    x, t, cond = torch.randn(2, 3, 8, 8, generator=g), torch.tensor([3, 90]), TOKENS.encode(["red", "blue"])
    extra = torch.randn(2, 4, 8, 8, generator=g)
    torch.testing.assert_close(with_channels(wide, extra)(x, t, cond), plain(x, t, cond))
    randomise(wide)
    given = with_channels(wide, extra)
    assert torch.equal(given(x, t, cond), wide(torch.cat([x, extra], 1), t, cond))
    assert not torch.allclose(given(x, t, cond), with_channels(wide, 0 * extra)(x, t, cond), atol=1e-3)
    null = wide.caption.empty
    expected = given(x, t) + 3 * (given(x, t, cond) - given(x, t))
    torch.testing.assert_close(guided(given, 3.0, null)(x, t, cond), expected)
    *_, last = sample(guided(given, 3.0, null), x, schedule, cond=cond, steps=3, method="ddim")
    assert last.x_t.shape == x.shape
    with pytest.raises(ValueError, match="training mode"):
        next(sample(with_channels(wide.train(), extra), x, schedule, cond=cond))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: UNet(**SMALL, caption=READER, num_classes=3), "not both"),
        (
            lambda: UNet(**SMALL, caption=READER)(torch.zeros(2, 3, 8, 8), torch.tensor([1, 2]), torch.zeros(2, 6)),
            "integer tokens",
        ),
        (
            lambda: UNet(**SMALL, caption=READER)(torch.zeros(2, 3, 8, 8), torch.tensor([1, 2]), torch.ones(2, 7).long()),
            r"\(2, at most 6\) integer tokens, not torch.int64 of shape \(2, 7\)",
        ),
        (
            lambda: UNet(**SMALL, extra=4)(torch.zeros(2, 3, 8, 8), torch.tensor([1, 2])),
            r"\(B, 7, 8, 8\), of which the last 4 channels are given with x_t, not \(2, 3, 8, 8\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, words, unchecked):
    with pytest.raises(ValueError, match=words):
        make()


# Training.


def batch(n: int, mirror: bool = False, captions=("red circle left", "blue square right")):
    """The same picture n times, its left half dark, with two captions."""
    picture = torch.zeros(3, 4, 4, dtype=torch.uint8)
    picture[:, :, 2:] = 255
    tokens = TOKENS.encode(captions).short()
    return picture.expand(n, -1, -1, -1), torch.full((n,), mirror), tokens.expand(n, -1, -1)


def test_pictures_in_bytes_come_back_and_are_mirrored_only_where_allowed():
    x = torch.linspace(-1, 1, 256).reshape(1, 1, 16, 16)
    assert torch.equal(to_bytes(x).flatten(), torch.arange(256).byte())
    loss, log = caught()
    n = 4000
    for mirror in (False, True):
        captioned(loss)(print, batch(n, mirror), seeded())
        x0 = log.pop()[0]
        assert set(x0.unique().tolist()) == {-1.0, 1.0} and torch.equal(x0[:, :, :, 0], -x0[:, :, :, 3])
        share = float((x0[:, 0, 0, 0] == 1).double().mean())
        assert share == (pytest.approx(0.5, abs=5 * math.sqrt(0.25 / n)) if mirror else 0)
    captioned(loss)(print, batch(n)[:2], seeded())
    assert len(log.pop()) == 1  # pictures without captions


def test_each_caption_has_its_turn_and_words_are_dropped_at_the_stated_rate():
    loss, log = caught()
    n = 20_000
    captioned(loss, word_drop=0.0)(print, batch(n), seeded())
    cond = log.pop()[1]
    both = TOKENS.encode(["red circle left", "blue square right"])
    first = (cond == both[0]).all(1)
    assert torch.equal(cond[~first], both[1].expand(int((~first).sum()), -1)) and cond.dtype == torch.int64
    assert float(first.double().mean()) == pytest.approx(0.5, abs=5 * math.sqrt(0.25 / n))
    captioned(loss, word_drop=0.2)(print, batch(n), seeded())
    words = (log.pop()[1] > END).sum(1).double()
    expected = 3 * 0.8 + 3 * 0.2**3  # where all three would go, all three stay
    assert float(words.mean()) == pytest.approx(expected, abs=5 * math.sqrt(3 * 0.16 / n)) and words.min() == 1


def test_dropped_words_leave_a_caption_as_if_they_had_not_been_written(g):
    whole = TOKENS.encode(["red circle left", "blue", ""])
    rows = torch.stack([drop_words(whole, 0.5, g) for _ in range(200)])
    possible = {"red circle left", "red circle", "red left", "circle left", "red", "circle", "left"}
    assert {tuple(row) for row in rows[:, 0].tolist()} == {tuple(row) for row in TOKENS.encode(sorted(possible)).tolist()}
    assert torch.equal(rows[:, 1:], whole[1:].expand(200, -1, -1))  # the last word stays, and what is empty
    assert (rows[:, :, 0] == START).all() and ((rows == END).sum(2) == 1).all()


def test_captions_are_dropped_as_a_whole_at_the_stated_rate_and_with_1_none_reaches_the_network():
    empty, seen = TOKENS.encode([""])[0], []

    def model(x_t, t, cond):
        seen.append(cond)
        return x_t

    n = 20_000
    for drop in (0.2, 1.0):
        captioned(eps_loss(schedule, drop, empty), 0.0)(model, batch(n), seeded())
        share = float((seen.pop() == empty).all(1).double().mean())
        assert share == pytest.approx(drop, abs=5 * math.sqrt(drop * (1 - drop) / n))
    assert torch.equal(drop_condition(batch(3)[2][:, 0].long(), 1.0, empty), empty.expand(3, -1))


def test_the_upsampler_sees_the_picture_at_half_its_size_with_a_little_noise():
    seen = []

    def model(x_t, t, cond=None):
        seen.append(x_t[:, 3:])
        return x_t[:, :3]

    x0 = enlarge(torch.rand(2000, 3, 2, 2, generator=seeded()) * 2 - 1)
    upsampling(eps_loss(schedule), noise=0.0)(model, (x0,), seeded())
    torch.testing.assert_close(seen.pop(), x0)
    wide = enlarge(torch.rand(20, 3, 1, 1, generator=seeded()) * 2 - 1, 4)
    upsampling(eps_loss(schedule), noise=0.0, factor=4)(model, (wide,), seeded())
    torch.testing.assert_close(seen.pop(), wide)
    with pytest.raises(ValueError, match="factor = 1, but an upsampler enlarges pictures twofold or more"):
        upsampling(eps_loss(schedule), factor=1)
    upsampling(eps_loss(schedule), noise=0.4)(model, (x0,), seeded())
    off = (seen.pop() - x0)[:, :, ::2, ::2]
    assert float(off.var()) == pytest.approx(0.4**2 / 3, rel=0.1)  # E std^2 for std uniform on 0..0.4
    each = off.flatten(1).std(1)
    assert each.min() < 0.05 and each.max() > 0.35


STEEP = Schedule.linear(100, 1e-3, 0.2)  # half of its steps are so noisy that only the caption says what was there


def toy():
    """Pale red and pale blue pictures with their captions, the network that shall learn them, and its loss."""
    colours = 0.2 * torch.tensor([[1.0, -1, -1], [-1, -1, 1]])
    pictures = to_bytes(colours[:, :, None, None].expand(2, 3, 4, 4))
    tokens = TOKENS.encode(["red", "red circle", "blue", "blue circle"]).reshape(2, 2, 6)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = UNet(**{**SMALL, "size": 4, "width": 16, "attention": (2,)}, caption={**READER, "width": 16})
    loss = captioned(eps_loss(STEEP, 0.1, TOKENS.encode([""])[0]), 0.1)
    return net, (pictures, torch.zeros(2, dtype=torch.bool), tokens), loss


def test_a_small_network_learns_to_follow_captions():
    net, data, loss = toy()
    options = {"steps": 160, "batch_size": 32, "lr": 1e-2, "warmup": 50, "ema_decay": 0.95}
    *_, step = train(net, data, loss, generator=seeded(), **options)
    ema = step.run.ema
    cond = TOKENS.encode(["red", "blue", "red circle", "blue circle"])
    x_T = torch.randn(4, 3, 4, 4, generator=seeded(1))
    *_, last = sample(guided(ema, 2.0, ema.caption.empty), x_T, STEEP, cond=cond, steps=10, method="ddim", clip=True)
    red_less_blue = (last.x_t[:, 0] - last.x_t[:, 2]).mean((1, 2))  # 0.4 and -0.4 in the data
    assert (red_less_blue * torch.tensor([1, -1, 1, -1]) > 0.15).all(), red_less_blue


def test_a_stopped_run_with_captions_goes_on_bit_for_bit(tmp_path):
    options = {"steps": 8, "batch_size": 8}
    net, data, loss = toy()
    *_, whole = train(net, data, loss, generator=seeded(), **options)
    net, data, loss = toy()
    for step in train(net, data, loss, generator=seeded(), checkpoint=tmp_path / "run", **options):
        if step.step == 3:
            break
    del step
    *_, rest = train(toy()[0], data, loss, generator=seeded(9), checkpoint=tmp_path / "run", **options)
    assert same(whole.run.model, rest.run.model) and same(whole.run.ema, rest.run.ema)


# The presets.


def test_the_presets_of_captions_are_as_small_as_promised():
    for name, most in (("glide-shapes", 6e6), ("glide-emoji", 6e6), ("upsampler-emoji", 4e6)):
        words = tuple(f"word{i}" for i in range(3000)) if PRESETS[name].reads else None
        assert count(replace(PRESETS[name], words=words).build()) <= most, name


def test_a_preset_s_loss_drops_what_it_says():
    changes = {"schedule": {"kind": "cosine", "T": 100}, "words": tuple(WORDS)}
    recipe = replace(PRESETS["glide-shapes"], network={**SMALL, "caption": READER}, **changes)
    seen = []

    def model(x_t, t, cond=None):
        seen.append((x_t, cond))
        return x_t[:, :3]

    n = 4000
    for drop, word_drop in ((0.3, 0.0), (0.0, 0.3)):
        make_loss(replace(recipe, loss={"drop": drop, "word_drop": word_drop}))(model, batch(n), seeded())
        words = (seen.pop()[1] > END).sum(1)
        assert float((words == 0).double().mean()) == pytest.approx(drop, abs=5 * math.sqrt(0.25 / n))
        assert bool(((words > 0) & (words < 3)).any()) == bool(word_drop)
    upsampler = replace(PRESETS["upsampler-emoji"], network=DEAF, schedule=recipe.schedule, loss={"noise": 0.5, "factor": 2})
    make_loss(upsampler)(model, batch(n)[:2], seeded())
    assert seen.pop()[0][:, 3:].abs().max() > 1.5  # the small picture with noise, beside x_t


def test_the_data_of_shapes_are_pictures_in_bytes_with_the_captions_of_what_they_show():
    from ddpm_lite.data import scenes, shapes

    recipe = material.bind(PRESETS["glide-shapes"])
    pictures, mirror, tokens = material.training_data(recipe)
    assert pictures.shape == (len(mirror), 3, 16, 16) and pictures.dtype == torch.uint8 and not mirror.any()
    tokenizer = recipe.tokenizer
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no word unknown, no caption too long
        for of, rows in ((shapes, slice(0, 20)), (scenes, slice(-20, None))):
            seen = of.judge(pictures[rows].float() / 127.5 - 1).index
            for row, index in zip(tokens[rows], seen.tolist(), strict=True):
                every = tokenizer.encode(of.captions(index))
                assert torch.equal(row[: len(every)].long(), every)
                assert torch.equal(row[len(every) :].long(), every[: len(row) - len(every)])  # some a second time
                assert index in of.TRAIN


def test_the_data_of_emoji_are_pictures_in_bytes_with_captions_of_known_words():
    for name, size in (("glide-emoji", 16), ("judge-emoji", 16), ("upsampler-emoji", 64)):
        recipe = material.bind(PRESETS[name])
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # no word unknown, no caption too long
            pictures, mirror, tokens = material.training_data(recipe)(100, seeded())
        assert pictures.shape == (100, 3, size, size) and pictures.dtype == torch.uint8 and not mirror.any()
        assert tokens.shape == (100, 1, 16) and tokens.max() < len(recipe.tokenizer) and len(tokens.unique(dim=0)) > 90


# The command line, with an untrained network of few words.


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "words"
    folder.mkdir()
    caption = {**{k: v for k, v in READER.items() if k != "vocabulary"}, "length": 16}
    network = {**SMALL, "size": 16, "attention": [8], "caption": caption}
    changes = {"schedule": {"kind": "cosine", "T": 100}, "words": tuple(WORDS)}
    recipe = replace(PRESETS["glide-shapes"], network=network, **changes)
    ema = {f"ema.{k}": v for k, v in randomise(recipe.build()).state_dict().items()}
    made = {"machine": "", "command": "", "step": 1, "steps": 1, "seconds": 1.0}
    weights.save(folder / trained.CHECKPOINT, ema, {"recipe": recipe.as_json(), **made})
    return folder


def test_the_words_of_a_run_are_in_its_folder(run_folder, unchecked):
    model = trained.load(run_folder, "cpu")
    assert model.tokenizer.words == WORDS and model.net.caption.token.num_embeddings == len(TOKENS)
    assert torch.equal(model.tokens(["red circle"]), Tokenizer(WORDS, 16).encode(["red circle"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = model.draw(["red circle", "", "blue"], steps=2)
    assert drawn.shape == (3, 3, 16, 16) and torch.equal(drawn, model.draw(["red circle", "", "blue"], steps=2))
    assert not torch.allclose(model.draw(["red"], steps=2, scale=4.0), model.draw(["red"], steps=2, scale=1.0), atol=1e-3)
    with pytest.raises(ValueError, match="give a list of strings"):
        model.draw(torch.tensor([1]))


def test_sample_draws_captions_and_says_in_a_line_what_it_ignores(run_folder, tmp_path, capsys):
    out = tmp_path / "a.png"

    def said(*argv):
        assert cli.main(["sample", str(run_folder), *argv, "--steps", "2", "-o", str(out), "--device", "cpu"]) == 0
        printed = capsys.readouterr()
        counts.append(printed.out.removesuffix(f" in {out}\n"))
        return printed.err.splitlines()

    counts = []
    assert said("red circle", "blue square", "-n", "3") == []
    assert Image.open(out).size == (8 * (3 * 17 + 1), 8 * 18)
    assert said() == said("", "-n", "2") == []
    (line,) = said("a big red circle")
    assert counts == ["3 pictures", "16 pictures", "2 pictures", "1 picture"]
    assert line == "ddpm_lite: This caption has words that the model never saw and ignores: 'a', 'big'"
    (line,) = said("red circle", "🐱")
    sees = "so the model sees the empty caption ('no condition'): '🐱'"
    assert line == f"ddpm_lite: Some captions have no word that the model knows, {sees}"
    (line,) = said("red " * 10_000)
    assert line.startswith("ddpm_lite: This caption has 10,000 words, but the model reads only the first 14")


def test_what_cannot_be_drawn_is_named(run_folder, tmp_path, capsys, unchecked):
    def said(*argv):
        assert cli.main([*argv, "-o", str(tmp_path / "a.png"), "--device", "cpu"]) == 2
        return capsys.readouterr().err

    assert "draws by label, a number from 0 to 9, or 10 for no condition: 'angry cat' does not fit" in said(
        "sample", "digits", "angry cat"
    )
    upsampler = UpsamplingModel(PRESETS["upsampler-emoji"], UNet(**SMALL, extra=3).eval())
    for asked in (["cat"], torch.tensor([1])):
        with pytest.raises(ValueError, match=r"enlarges pictures: give a tensor of shape \(n, 3, 2, 2\)"):
            upsampler.draw(asked)


def test_an_upsampler_may_enlarge_more_and_read_captions(g):
    changes = {"network": {**SMALL, "extra": 3, "residual": True, "caption": READER}, "words": tuple(WORDS)}
    recipe = replace(PRESETS["upsampler-emoji"], schedule={"kind": "cosine", "T": 100}, **changes)
    model = UpsamplingModel(recipe, randomise(recipe.build()))
    small = torch.rand(2, 3, 2, 2, generator=g) * 2 - 1
    plain, said = model.draw(small, steps=2), model.draw(small, [WORDS[0], WORDS[1]], steps=2)
    assert model.factor == 4 and plain.shape == (2, 3, 8, 8) and not torch.allclose(plain, said)
    assert torch.equal(plain, model.draw(small, ["", ""], steps=2))
    with pytest.raises(ValueError, match="takes one caption for each of 2 pictures, and 1 were given"):
        model.draw(small, [WORDS[0]])
    other = UpsamplingModel(replace(PRESETS["upsampler-emoji"], network=DEAF), UNet(**DEAF).eval())
    with pytest.raises(ValueError, match="upsampler-emoji reads no captions, and 1 were given"):
        other.draw(torch.zeros(1, 3, 2, 2), [WORDS[0]])


def test_words_move_to_their_place_in_another_vocabulary():
    def fresh(words, seed):
        torch.manual_seed(seed)
        return UNet(**SMALL, caption={**READER, "vocabulary": 3 + len(words)}).state_dict()

    before, after = ["ant", "bee", "cow"], ["bee", "dog", "ant", "eel"]
    old, new, name = fresh(before, 0), fresh(after, 1), "caption.token.weight"
    moved = reworded(old, new, before, after)
    assert all(torch.equal(moved[key], old[key]) for key in old if key != name)
    for row, source in enumerate([*old[name][:3], old[name][4], new[name][4], old[name][3], new[name][6]]):
        assert torch.equal(moved[name][row], source)


def test_an_upsampler_draws_beside_the_small_picture(g):
    own = {"network": DEAF, "schedule": {"kind": "cosine", "T": 100}}
    for factor in (2, 4):
        recipe = replace(PRESETS["upsampler-emoji"], **own, loss={"noise": 0.2, "factor": factor})
        model = UpsamplingModel(recipe, randomise(recipe.build()))
        small = torch.rand(2, 3, 8 // factor, 8 // factor, generator=g) * 2 - 1
        drawn = model.draw(small)
        assert drawn.shape == (2, 3, 8, 8) and not torch.allclose(drawn, model.draw(-small))
        assert torch.equal(drawn, model.draw(small, steps=4)) and not torch.equal(drawn, model.draw(small, steps=5))
