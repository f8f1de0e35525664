"""CLIP: that it is OpenAI's, that its loss is the paper's, and that it learns which caption belongs to which picture."""

import json
import math
import os
import subprocess
import sys
import textwrap

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from test_device import META, OneDevice
from test_networks import randomise as all_random
from transformers import CLIPConfig, CLIPModel, CLIPProcessor, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from ddpm_lite import CLIP, Schedule, Tokenizer, clip_loss, place, train
from ddpm_lite.machine.device import choose_device
from ddpm_lite.networks.clip import VIT_B_32
from ddpm_lite.networks.openai_clip import from_transformers
from ddpm_lite.networks.tokenizer import END, PAD, START
from ddpm_lite.training.checkpoint import BINS

SMALL = {"vocabulary": 20, "length": 6, "size": 8, "patch": 4, "dim": 8, "channels": 2}
SMALL |= {"text_width": 16, "text_depth": 2, "text_heads": 2, "image_width": 24, "image_depth": 2, "image_heads": 3}


def randomise(net, seed=0):
    """Small random norms and biases too, so that none can take another's place unseen."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            if p.ndim == 1:
                p += torch.randn(p.shape, generator=g) / 10
    return net.eval().requires_grad_(False)


def batch(n, g, length=6):
    """n random pictures with random captions of 1 to 4 words."""
    tokens = torch.randint(3, 20, (n, length), generator=g)
    ends = torch.arange(n) % 4 + 2
    tokens[:, 0] = START
    tokens[torch.arange(n), ends] = END
    tokens[torch.arange(length) > ends[:, None]] = PAD
    return torch.randn(n, 2, 8, 8, generator=g), tokens


@pytest.fixture
def small(g):
    torch.manual_seed(0)
    return randomise(CLIP(**SMALL))


# ---- It is OpenAI's


def test_vit_b_32_has_openai_s_parameters_and_with_the_weights_of_transformers_its_features(g):
    with torch.device("meta"):
        ours = CLIP(**VIT_B_32)
    assert sum(p.numel() for p in ours.parameters()) == 151_277_313
    torch.manual_seed(0)
    theirs = randomise(CLIPModel(CLIPConfig()))
    ours.load_state_dict(from_transformers(theirs.state_dict()), assign=True)
    pictures, tokens = torch.randn(2, 3, 224, 224, generator=g), torch.randint(49406, (2, 77), generator=g)
    tokens[:, 0] = 49406
    tokens[0, 11:] = tokens[1, -1] = 49407
    with torch.no_grad():
        expected, found = theirs(input_ids=tokens, pixel_values=pictures), ours.eval()(pictures, tokens)
        assert (found - expected.logits_per_image).abs().max() < 1e-4
        assert (ours.encode_image(pictures) - expected.image_embeds).abs().max() < 1e-4
        assert (ours.encode_text(tokens) - expected.text_embeds).abs().max() < 1e-4
    for features in (expected.image_embeds, expected.text_embeds):  # not a comparison of constants
        assert (features[0] - features[1]).norm() > 0.1


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder as the hub has them, made on the spot: a small random CLIP, a byte-pair tokenizer of a few merges."""
    folder = tmp_path_factory.mktemp("published")
    merges = [("c", "a"), ("ca", "t</w>"), ("r", "e"), ("re", "d</w>"), ("p", "h")]
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789',.!ĠÃ©")
    pieces = [*letters, *(f"{x}</w>" for x in letters), *("".join(m) for m in merges), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges)
    pixels = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    processor = CLIPProcessor(pixels, tokenizer)
    processor.save_pretrained(folder)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2}
    text = {"hidden_size": 16, "intermediate_size": 64, "vocab_size": len(pieces), "max_position_embeddings": 12, **sizes}
    text |= {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1}
    image = {"hidden_size": 24, "intermediate_size": 96, "image_size": 16, "patch_size": 4, **sizes}
    torch.manual_seed(0)
    model = randomise(CLIPModel(CLIPConfig(text_config=text, vision_config=image, projection_dim=8)))
    model.save_pretrained(folder)
    return folder, model, processor


def test_a_published_clip_gives_the_tokens_pixels_and_logits_of_transformers(published):
    folder, theirs, processor = published
    ours, tokenizer, prepare = CLIP.from_pretrained(folder)
    assert not ours.training and not any(p.requires_grad for p in ours.parameters())
    captions = ["", "a Red cat!", "it's  café 42", "photo"]
    noise = np.random.default_rng(0).integers(0, 256, (40, 23, 3), dtype=np.uint8)
    pictures = [PIL.Image.fromarray(x) for x in (noise, noise[:20], noise[:9, :, 0])]  # tall, wide and enlarged, grey
    inputs = processor(text=captions, images=pictures, return_tensors="pt", padding="max_length", max_length=12, truncation=True)
    tokens, pixels = tokenizer.encode(captions), prepare(pictures)
    assert torch.equal(tokens, inputs["input_ids"]) and tokens.shape == (4, 12)
    torch.testing.assert_close(pixels, inputs["pixel_values"], rtol=0, atol=1e-5)
    with torch.no_grad():
        expected = theirs(**inputs)
    torch.testing.assert_close(ours(pixels, tokens), expected.logits_per_image, rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.encode_text(tokens), expected.text_embeds, rtol=0, atol=1e-4)
    assert (ours.encode_image(pixels) - expected.image_embeds).abs().max() < 1e-4
    glass, white = PIL.Image.new("RGBA", (20, 20), (9, 9, 9, 0)), PIL.Image.new("RGB", (20, 20), "white")
    assert torch.equal(prepare([glass]), prepare([white]))


def test_the_published_tokenizer_cuts_with_a_warning(published):
    _, tokenizer, _ = CLIP.from_pretrained(published[0])
    processor = published[2]
    with pytest.warns(UserWarning, match="1 of 2 captions are cut to the 12 tokens") as caught:
        found = tokenizer.encode(["red", "cat " * 10_000])
    assert len(caught) == 1 and found[1, -1] == processor.tokenizer.eos_token_id
    expected = processor.tokenizer("cat " * 10_000, max_length=12, truncation=True)["input_ids"]
    assert found[1].tolist() == expected
    with pytest.raises(TypeError, match=r"\['a cat'\] instead of 'a cat'"):
        tokenizer.encode.__wrapped__(tokenizer, "a cat")


def copy(folder, to, leave_out=(), **changes):
    for file in folder.iterdir():
        if file.name not in leave_out:
            (to / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    for part, change in changes.items():
        config[part] |= change
    (to / "config.json").write_text(json.dumps(config))
    return to


def test_the_layouts_of_older_files_are_read_too(published, tmp_path):
    """OpenAI's own files: the image preparation in a file of its own, and 2 as end token where the last one is meant."""
    old = copy(published[0], tmp_path, ["processor_config.json"], text_config={"eos_token_id": 2})
    seen = json.loads((published[0] / "processor_config.json").read_text())["image_processor"]
    (old / "preprocessor_config.json").write_text(json.dumps(seen))
    (ours, tokenizer, prepare), (new, *_) = CLIP.from_pretrained(old), CLIP.from_pretrained(published[0])
    tokens, pixels = tokenizer.encode(["cat", "red"]), prepare([PIL.Image.new("RGB", (20, 30), "red")])
    assert torch.equal(ours(pixels, tokens), new(pixels, tokens))
    state = {**published[1].state_dict(), "text_model.embeddings.position_ids": torch.arange(12)[None]}
    assert from_transformers(state).keys() == ours.state_dict().keys()


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "processor_config.json"])
def test_a_missing_or_damaged_file_is_named(file, published, tmp_path):
    folder = copy(published[0], tmp_path)
    if file != "tokenizer.json":
        (folder / file).write_bytes(b"{}")
        with pytest.raises(ValueError, match="is damaged or is not a CLIP"):
            CLIP.from_pretrained(folder)
    (folder / file).unlink()
    with pytest.raises(FileNotFoundError, match=f"has no {file.replace('processor', 'preprocessor')}"):
        CLIP.from_pretrained(folder)


def test_what_cannot_be_had_is_one_sentence(published, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"does not fit this network: .* is \(12, 16\) instead of \(13, 16\)"):
        CLIP.from_pretrained(copy(published[0], tmp_path, text_config={"max_position_embeddings": 13}))
    with pytest.raises(ValueError, match=r"activations differ \(quick_gelu and gelu\)"):
        CLIP.from_pretrained(copy(published[0], tmp_path, vision_config={"hidden_act": "gelu"}))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"pip install 'ddpm_lite\[pretrained\]'"):
        CLIP.from_pretrained(published[0])
    with pytest.raises(FileNotFoundError, match="no folder '/no/such', and it cannot be downloaded from the hub"):
        CLIP.from_pretrained("/no/such")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"There is no folder 'openai/x'.*\[pretrained\]"):
        CLIP.from_pretrained("openai/x")


def test_with_local_files_only_the_hub_is_not_asked(published, tmp_path, monkeypatch):
    name, asked = "openai/clip-vit-base-patch32", []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.getaddrinfo", lambda host, *_, **__: asked.append(host))
    with pytest.raises(FileNotFoundError, match=f"no folder '{name}', and no copy from the hub is on this disk"):
        CLIP.from_pretrained(name, local_files_only=True)
    kept = tmp_path / "models--openai--clip-vit-base-patch32"  # as huggingface_hub keeps what it has downloaded
    (kept / "snapshots" / "0123abcd").mkdir(parents=True)
    copy(published[0], kept / "snapshots" / "0123abcd", ["model.safetensors"])
    (kept / "refs/refs/pr").mkdir(parents=True)
    (kept / "refs/refs/pr/15").write_text("0123abcd")
    with pytest.raises(FileNotFoundError, match=f"{name} has no model.safetensors"):  # a download that broke off
        CLIP.from_pretrained(name, local_files_only=True)
    copy(published[0], kept / "snapshots" / "0123abcd")
    ours, *_ = CLIP.from_pretrained(name, local_files_only=True)
    assert torch.equal(ours.logit_scale, published[1].logit_scale) and not asked


# ---- The network


def test_features_lie_on_the_unit_sphere_and_logits_are_their_scaled_products(small, g):
    pictures, tokens = batch(5, g)
    image, text = small.encode_image(pictures), small.encode_text(tokens[:3])
    torch.testing.assert_close(torch.cat([image, text]).norm(dim=1), torch.ones(8))
    torch.testing.assert_close(small(pictures, tokens[:3]), image @ text.mT / 0.07, rtol=1e-4, atol=1e-4)


def test_a_caption_is_read_at_its_first_end_and_nothing_behind_it_counts(small, g):
    _, tokens = batch(4, g)
    features, end = small.encode_text(tokens), (tokens == END).int().argmax(1)
    other = tokens.clone()
    behind = torch.arange(6) > end[:, None]
    other[behind] = torch.tensor([7, END, 3, 9]).repeat(3)[: int(behind.sum())]
    torch.testing.assert_close(small.encode_text(other), features)
    torch.testing.assert_close(small.encode_text(tokens[:1, : int(end[0]) + 1]), features[:1])
    other[:, 1] = 3 + (other[:, 1] - 2) % 17
    assert ((small.encode_text(other) - features).abs().amax(1) > 1e-3).all()


def test_a_later_word_changes_no_earlier_place(small, g):
    tokens = batch(4, g)[1]
    changed = tokens.clone()
    changed[:, 4] = 5
    places = []
    small.text.transformer.register_forward_hook(lambda module, inputs, output: places.append(output))
    small.encode_text(tokens), small.encode_text(changed)
    assert torch.equal(places[0][:, :4], places[1][:, :4]) and not torch.equal(places[0][:, 4], places[1][:, 4])


def test_a_noisy_clip_reads_t(g):
    torch.manual_seed(0)
    net, pictures = randomise(CLIP(**SMALL, noisy=True)), batch(3, g)[0]
    early, late = net.encode_image(pictures, torch.tensor([1, 1, 1])), net.encode_image(pictures, torch.tensor([1, 900, 1]))
    assert torch.equal(early[[0, 2]], late[[0, 2]]) and (early[1] - late[1]).abs().max() > 1e-3
    x = pictures.requires_grad_()
    net.encode_image(x, torch.tensor([1, 5, 9])).sum().backward()  # what guidance needs
    assert x.grad.abs().amin(0).max() > 0


def test_the_patches_see_their_own_pixels(small, g):
    """One pixel changed: with 4 x 4 patches in an 8 x 8 picture, one of the four tokens."""
    pictures = batch(1, g)[0]
    changed = pictures.clone()
    changed[0, 0, 1, 6] += 1
    differ = (small.image.patches(pictures) != small.image.patches(changed)).any(1)[0]
    assert differ.tolist() == [[False, True], [False, False]]


def test_precision_changes_the_arithmetic_but_not_the_answer(small, g):
    pictures, tokens = batch(4, g)
    full = small.encode_image(pictures), small.encode_text(tokens), small(pictures, tokens)
    place(small, torch.device("cpu"), torch.bfloat16)
    low = small.encode_image(pictures), small.encode_text(tokens), small(pictures, tokens)
    for a, b, close in zip(full, low, (0.05, 0.05, 0.5), strict=True):
        assert a.dtype == b.dtype == torch.float32 and not torch.equal(a, b)
        torch.testing.assert_close(a, b, rtol=0, atol=close)


RESNET = {**{k: v for k, v in SMALL.items() if k not in ("patch", "image_heads")}, "image_width": 16, "image_mults": (1, 2)}


def test_a_resnet_is_residual_blocks_and_one_map_of_all_places(g):
    """Against the same blocks written out by PyTorch's functions; and no picture changes another's features."""
    net = all_random(CLIP(**{**RESNET, "image_depth": 1})).image
    pictures = batch(3, g)[0]

    def norm(x, layer):
        return F.silu(F.group_norm(x, 8, layer.weight, layer.bias, 1e-6))

    def convolve(x, layer, **options):
        return F.conv2d(x, layer.weight, layer.bias, **options)

    first, down, second = net.blocks
    h = convolve(pictures, net.first, padding=1)
    h = h + convolve(norm(convolve(norm(h, first.norm_1), first.conv_1, padding=1), first.norm_2), first.conv_2, padding=1)
    h = convolve(F.pad(h, (0, 1, 0, 1)), down, stride=2)
    inner = convolve(norm(convolve(norm(h, second.norm_1), second.conv_1, padding=1), second.norm_2), second.conv_2, padding=1)
    h = convolve(h, second.skip) + inner
    expected = norm(h, net.norm).reshape(3, -1) @ net.projection.weight.T  # (3, 8)
    torch.testing.assert_close(net(pictures), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(net(pictures[:1]), expected[:1], rtol=1e-4, atol=1e-4)


def test_a_noisy_resnet_reads_t(g):
    net, pictures = all_random(CLIP(**RESNET, noisy=True)), batch(3, g)[0]
    early, late = net.encode_image(pictures, torch.tensor([1, 1, 1])), net.encode_image(pictures, torch.tensor([1, 900, 1]))
    assert torch.equal(early[[0, 2]], late[[0, 2]]) and (early[1] - late[1]).abs().max() > 1e-3


@pytest.mark.parametrize("noisy", [False, True])
def test_forward_loss_and_backward_stay_on_the_device(noisy):
    net = CLIP(**SMALL, noisy=noisy).to(META)
    pictures, tokens = torch.randn(4, 2, 8, 8, device=META), torch.zeros(4, 3, 6, dtype=torch.long, device=META)
    with OneDevice():
        clip_loss(Schedule.linear(20) if noisy else None)(net, (pictures, tokens)).value.backward()
    assert all(p.grad is not None and p.grad.device == META for p in net.parameters())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CLIP(**{**SMALL, "patch": 3}), "cannot be cut into patches of 3 x 3"),
        (lambda: CLIP(**SMALL, image_mults=(1, 2)), "or image_mults for a ResNet"),
        (lambda: CLIP(**{**SMALL, "image_heads": None}), "Give patch and image_heads"),
        (lambda: CLIP(**{**RESNET, "image_mults": (1, 2, 2, 2, 2)}), "8 x 8 picture cannot be halved 4 times"),
        (lambda: CLIP(**{**RESNET, "image_width": 9}), "width = 9 must be divisible by groups = 8"),
        (lambda: CLIP(**RESNET).encode_image(torch.zeros(1, 3, 8, 8)), r"\(B, 2, 8, 8\), not \(1, 3, 8, 8\)"),
        (lambda: CLIP(**RESNET).encode_image(torch.zeros(1, 2, 8, 8), torch.tensor([1])), "takes no t"),
        (lambda: CLIP(**{**SMALL, "text_heads": 3}), "must be divisible by the number of heads, 3"),
        (lambda: CLIP(**SMALL, activation="relu"), "no activation 'relu'"),
        (lambda: CLIP(**SMALL).encode_image(torch.zeros(1, 3, 8, 8)), r"\(B, 2, 8, 8\), not \(1, 3, 8, 8\)"),
        (lambda: CLIP(**SMALL).encode_image(torch.zeros(1, 2, 8, 8), torch.tensor([1])), "takes no t"),
        (lambda: CLIP(**SMALL, noisy=True).encode_image(torch.zeros(1, 2, 8, 8)), "needs t"),
        (lambda: CLIP(**SMALL).encode_text(torch.zeros(1, 7, dtype=torch.long)), "at most 6 tokens per caption, not 7"),
    ],
)
def test_what_does_not_fit_is_named(make, words, unchecked):
    with pytest.raises(ValueError, match=words):
        make()


# ---- The loss


def by_hand(cosines, log_scale):
    """The loss and its derivative by log_scale, in float64: each row and each column against its diagonal."""
    loss = slope = 0.0
    for c in (cosines, cosines.T):
        logits = np.exp(log_scale) * c
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        loss += -np.log(np.diag(p)).mean() / 2
        slope += np.exp(log_scale) * ((p * c).sum(1) - np.diag(c)).mean() / 2
    return loss, slope


@pytest.mark.parametrize("temperature", [0.07, 0.5, 3.0])
def test_the_loss_and_its_slope_in_the_temperature_are_those_worked_out_by_hand(temperature, small, g):
    pictures, tokens = batch(7, g)
    small.logit_scale.requires_grad_().data.fill_(math.log(1 / temperature))
    result = clip_loss()(small, (pictures, tokens))
    result.value.backward()
    image, text = small.encode_image(pictures).double().numpy(), small.encode_text(tokens).double().numpy()
    loss, slope = by_hand(image @ text.T, math.log(1 / temperature))
    assert result.value.item() == pytest.approx(loss, rel=1e-5)
    assert result.per_item.mean().item() == pytest.approx(loss, rel=1e-5) and result.per_item.shape == (7,)
    assert small.logit_scale.grad.item() == pytest.approx(slope, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("n", [2, 16])
def test_guessing_costs_the_logarithm_of_the_batch(n, small, g):
    pictures, tokens = batch(n, g)
    small.text.projection.weight.data.zero_()  # every caption the same feature
    assert clip_loss()(small, (pictures, tokens)).value.item() == pytest.approx(math.log(n), rel=1e-6)


def test_the_scale_is_clamped_at_100_and_can_come_back(small, g):
    assert small.logit_scale.item() == pytest.approx(math.log(1 / 0.07), rel=0.2)
    fresh = CLIP(**SMALL)
    assert fresh.logit_scale.item() == pytest.approx(2.6593, abs=1e-4)
    pictures, tokens = batch(6, g)
    cosines = fresh.encode_image(pictures) @ fresh.encode_text(tokens).mT
    fresh.logit_scale.data.fill_(9.0)
    torch.testing.assert_close(fresh(pictures, tokens), 100 * cosines, rtol=1e-4, atol=1e-4)
    assert fresh.logit_scale.item() == pytest.approx(math.log(100))
    clip_loss()(fresh, (pictures, tokens)).value.backward()  # untrained: less confidence would be better
    assert fresh.logit_scale.grad > 0


def test_both_sides_of_a_clip_are_gathered(small, g):
    """Every process meets the pictures and the captions of all."""
    pictures, tokens = batch(3, g)
    logits = small(pictures, tokens, None, lambda features: torch.cat([features, -features]))
    alone = small(pictures, tokens)
    torch.testing.assert_close(logits, torch.cat([torch.cat([alone, -alone], 1), torch.cat([-alone, alone], 1)]))


def test_equal_captions_need_no_care(small, g):
    """The paper's loss, every picture with its own caption as the only partner, is the same number, with the same gradient,
    as one in which pictures with equal captions are partners of all of these, each by an equal share."""
    pictures, tokens = batch(6, g)
    tokens = tokens[[0, 1, 0, 2, 1, 0]]
    small.requires_grad_()
    same = (tokens[:, None] == tokens).all(-1).float()
    share, logits = same / same.sum(1, keepdim=True), small(pictures, tokens)
    soft = -(share * (logits.log_softmax(1) + logits.mT.log_softmax(1))).sum(1).mean() / 2
    hard = clip_loss()(small, (pictures, tokens)).value
    torch.testing.assert_close(hard, soft)
    for a, b in zip(*(torch.autograd.grad(x, list(small.parameters())) for x in (hard, soft)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_one_of_several_captions_is_drawn_by_the_generator(small, g):
    pictures, tokens = batch(12, g)
    several = tokens.reshape(4, 3, 6)
    seen = []
    small.register_forward_hook(lambda module, inputs, output: seen.append(inputs[1]))
    for seed in range(40):
        clip_loss()(small, (pictures[:4], several), torch.Generator().manual_seed(seed))
    clip_loss()(small, (pictures[:4], several), torch.Generator().manual_seed(0))
    assert torch.equal(seen[0], seen[-1])
    for i in range(4):
        drawn = {tuple(tokens[i].tolist()) for tokens in seen}
        assert drawn == {tuple(row) for row in several[i].tolist()}


def test_with_a_schedule_the_pictures_are_noised_to_their_t(g):
    torch.manual_seed(0)
    net, schedule, seen = randomise(CLIP(**SMALL, noisy=True)), Schedule.linear(1000), []
    net.register_forward_hook(lambda module, inputs, output: seen.append(inputs))
    pictures, tokens = batch(512, g)
    result = clip_loss(schedule)(net, (torch.ones_like(pictures), tokens), g)
    x_t, _, t, _ = seen[0]
    mean, std = x_t.flatten(1).mean(1), x_t.flatten(1).std(1)
    assert t.min() <= 2 and t.max() >= 999
    assert (mean - schedule.alpha_bar[t].sqrt()).abs().max() < 0.5  # standard error at most 0.09
    assert (std / (1 - schedule.alpha_bar[t]).sqrt() - 1).abs().max() < 0.4  # standard error 0.06
    assert torch.equal(result.bin, (t - 1) * BINS // 1000)


# ---- It learns


def test_64_pairs_are_told_apart_after_a_few_seconds_of_training(g):
    """Random pictures, each with the one caption of its words: 4 colours x 4 shapes x 4 places."""
    names = [f"a colour{i} shape{j} at place{k}" for i in range(4) for j in range(4) for k in range(4)]
    tokenizer = Tokenizer.build(names, 8)
    pictures, tokens = torch.randn(64, 2, 8, 8, generator=g), tokenizer.encode(names)
    torch.manual_seed(0)
    net = CLIP(**{**SMALL, "vocabulary": len(tokenizer), "length": 8})
    steps = list(train(net, (pictures, tokens), clip_loss(), generator=g, steps=200, batch_size=64, lr=3e-3, ema_decay=0.9))
    assert steps[0].loss > 3 and steps[-1].loss < 1
    logits = steps[-1].run.ema(pictures, tokens)
    assert torch.equal(logits.argmax(1), torch.arange(64)) and torch.equal(logits.argmax(0), torch.arange(64))


@pytest.mark.gpu
def test_training_on_the_gpu(g):
    device = choose_device("cuda")
    net, (pictures, tokens) = place(CLIP(**SMALL, noisy=True), device), (x.to(device) for x in batch(64, g))
    generator, loss = torch.Generator(device).manual_seed(0), clip_loss(Schedule.linear(20))
    losses = [s.loss for s in train(net, (pictures, tokens), loss, generator=generator, steps=100, batch_size=32)]
    assert sum(losses[-10:]) < sum(losses[:10])


CURVE = f"""
    import json, pathlib, sys, torch
    from ddpm_lite import CLIP, Schedule, clip_loss, train
    from ddpm_lite.machine import distributed
    distributed.start(torch.device("cpu"))
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = CLIP(**{SMALL}, noisy=True)
    g = torch.Generator().manual_seed(1)
    data = torch.randn(64, 2, 8, 8, generator=g), torch.randint(2, 20, (64, 3, 6), generator=g)
    steps = list(train(net, data, clip_loss(Schedule.linear(20)), generator=g, steps=20, batch_size=16, lr=1e-2))
    if distributed.rank() == 0:
        history = steps[-1].run.history.nan_to_num(-1).tolist()
        json.dump({{"losses": [s.loss for s in steps], "history": history}}, open(sys.argv[1], "w"))
    del net, steps  # they hold what a process must let go of before it leaves
    distributed.stop()
    threads = [p.read_text() for p in pathlib.Path("/proc/self/task").glob("*/comm")]  # none outside Linux
    assert not any("gloo" in name for name in threads), threads  # one that is left can abort a process that has finished
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
def test_two_processes_contrast_the_whole_batch_as_one_does(tmp_path):
    script, curves = tmp_path / "curve.py", []
    script.write_text(textwrap.dedent(CURVE))
    for launch in ([], ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]):
        command = [sys.executable, *launch, str(script), str(tmp_path / "curve.json")]
        result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        assert result.returncode == 0, result.stderr
        curves.append(json.loads((tmp_path / "curve.json").read_text()))
    one, two = curves
    assert max(abs(a - b) for a, b in zip(one["losses"], two["losses"], strict=True)) <= 1e-4
    assert max(abs(a - one["losses"][0]) for a in one["losses"]) > 0.1  # it moves
    torch.testing.assert_close(torch.tensor(one["history"]), torch.tensor(two["history"]), rtol=1e-3, atol=1e-4)
