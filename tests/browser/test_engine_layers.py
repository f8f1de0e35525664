"""Every layer of every kind of network in the browser's engine, beside torch's: same weights, same inputs."""

import re

import numpy as np
import pytest
import torch
from engine import entry, exact, layers_of, needs_node, pack, run, unpack

pytestmark = needs_node
B = 2
UNETS = ("digits", "glide-shapes", "glide-emoji", "decoder-emoji", "upsampler-emoji", "inpaint-emoji", "latent-emoji")
# What the engine computes within another layer, or adds to something at once: it is seen in the layer around it.
INSIDE = re.compile(
    r"((norm|conv)_[12]|emb|out|mlp_out|dropout|last_norm|image\.norm|time\.1|modulation|caption|time|blocks\.\d+\.norm)$"
)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def captions(model, longest: bool = True) -> torch.Tensor:
    """A caption that fills the row, and a short one."""
    words, room = model.recipe.words, model.recipe.length - 2
    return model.tokenizer.encode([" ".join(words[3 : 3 + (room if longest else 4)]), " ".join(words[7:9])])


def check(model, answer: dict, truth: dict[str, np.ndarray], within: float = 2e-5) -> None:
    """All layers agree, relative to the largest number of each; none but those that are fused are missing."""
    for name, found in answer["layers"].items():
        b, n, c = truth[name].shape
        got = unpack(found["values"]).reshape(found["shape"])
        assert got.shape[:2] == (b, n), name
        error = np.abs(got[:, :, :c] - truth[name]).max() / np.abs(truth[name]).max()
        assert error < within, f"{model.name}: {name} differs by {error:.2e}"
        assert not got[:, :, c:].any(), f"{name}: the padding is not 0"
    missing = [name for name in truth if name not in answer["layers"] and not INSIDE.search(name)]
    assert not missing


def tokens_of(rows: torch.Tensor) -> list[list[int]]:
    return rows.long().tolist()


DRAW = """
const rows = given.rows.map((row) => ({ ...row, embedding: row.embedding && numbers(row.embedding) }));
const n = net(given.name);
const out = E.unet(n, numbers(given.x), given.t, E.readings(n, rows));
return { layers, out };
"""


@pytest.mark.parametrize("way", ["simd", "plain"])
@pytest.mark.parametrize("name", UNETS)
def test_a_unet(name, way):
    model = exact(name)
    net, t = model.net, torch.tensor([713, 20])
    x = noise(B, net.shape[0] + net.extra, *net.shape[1:])
    if net.caption is None:
        cond = torch.tensor([3, 10])
        rows = [{"label": 3}, {}]
    else:
        cond = captions(model)
        rows = [{"tokens": row} for row in tokens_of(cond)]
        if net.caption.image:
            embedding = noise(B, net.caption.image)
            embedding[1] = 0
            rows[0]["embedding"] = pack(embedding[0])
            cond = torch.cat([cond.float(), embedding], 1)
    out = {}
    truth = layers_of(net, lambda: out.update(out=net(x, t, cond)))
    (answer,) = run([{"run": DRAW, "way": way, "name": name, "x": pack(x), "t": t.tolist(), "rows": rows}], {name: entry(model)})
    check(model, answer, truth)
    assert np.abs(unpack(answer["out"]) - out["out"].numpy().ravel()).max() < 1e-4


def test_a_dit():
    model, t = exact("dit-emoji"), torch.tensor([713, 20])
    x, cond = noise(B, *model.net.shape), captions(model)
    out = {}
    truth = layers_of(model.net, lambda: out.update(out=model.net(x, t, cond)))
    rows = [{"tokens": row} for row in tokens_of(cond)]
    task = {"run": DRAW.replace("E.unet", "E.dit"), "name": model.name, "x": pack(x), "t": t.tolist(), "rows": rows}
    (answer,) = run([task], {model.name: entry(model)})
    truth.pop("norm")  # at once with what it is scaled by
    check(model, answer, truth)
    assert np.abs(unpack(answer["out"]) - out["out"].numpy().ravel()).max() < 1e-4


def test_the_prior():
    model, t = exact("prior-emoji"), torch.tensor([713, 20])
    x, tokens, text = noise(B, 96), captions(model), noise(B, 96)
    text[1] = 0
    out = {}
    truth = layers_of(model.net, lambda: out.update(out=model.net(x, t, torch.cat([tokens.float(), text], 1))))
    rows = [{"tokens": row, "embedding": pack(e)} for row, e in zip(tokens_of(tokens), text, strict=True)]
    code = """
    const rows = given.rows.map((row) => ({ ...row, embedding: numbers(row.embedding) }));
    const out = E.prior(net(given.name), numbers(given.x), given.t, rows);
    return { layers, out };
    """
    task = {"run": code, "name": model.name, "x": pack(x), "t": t.tolist(), "rows": rows}
    (answer,) = run([task], {model.name: entry(model)})
    truth = {name: x for name, x in truth.items() if name not in ("last", "norm")}  # read at one place alone
    answer["layers"] = {name: x for name, x in answer["layers"].items() if name not in ("last", "norm")}
    check(model, answer, truth)
    assert np.abs(unpack(answer["out"]) - out["out"].numpy().ravel()).max() < 1e-4


@pytest.mark.parametrize("name", ["clip-emoji", "clip-shapes", "clip-emoji-noisy"])
def test_a_clip(name):
    model = exact(name)
    noisy = model.recipe.network.get("noisy", False)
    t = torch.tensor([713, 20]) if noisy else None
    pictures, tokens, out = noise(B, 3, 16, 16), captions(model), {}

    def call() -> None:
        out.update(image=model.net.encode_image(pictures, t), text=model.net.encode_text(tokens))

    truth = layers_of(model.net, call)
    code = """
    const clip = net(given.name);
    return { image: E.encodeImage(clip, numbers(given.x), given.t), text: E.encodeText(clip, given.tokens), layers };
    """
    task = {"run": code, "name": name, "x": pack(pictures), "t": t.tolist() if noisy else None, "tokens": tokens_of(tokens)}
    (answer,) = run([task], {name: entry(model)})
    for last in ("text.norm", "image.norm_out"):  # read at one place alone
        truth.pop(last, None), answer["layers"].pop(last, None)
    check(model, answer, truth)
    for side in ("image", "text"):
        assert np.abs(unpack(answer[side]) - out[side].numpy().ravel()).max() < 1e-5


def test_the_autoencoder_s_decoder():
    model, latents, out = exact("autoencoder-emoji"), noise(B, 4, 16, 16), {}
    truth = layers_of(model.net, lambda: out.update(out=model.net.decode(model.net.unscaled(latents))))
    task = {"run": "return { out: E.decode(net(given.name), numbers(given.x)), layers };", "name": model.name, "x": pack(latents)}
    (answer,) = run([task], {model.name: entry(model)})
    for first in ("up.6", "up.7"):  # norm and SiLU, at once with the last convolution
        truth.pop(first)
    check(model, answer, truth)
    assert np.abs(unpack(answer["out"]) - out["out"].numpy().ravel()).max() < 1e-4
