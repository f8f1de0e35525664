"""The browser's engine draws what the package draws: same weights, same noise, same picture."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from engine import entry, exact, needs_node, pack, run, unpack
from torch import Tensor

from ddpm_lite.browser.noise import portable_noise, threefry
from ddpm_lite.models.evaluation import exact as judge
from ddpm_lite.models.unclip import imagine
from ddpm_lite.networks.prior import conditions, embed
from ddpm_lite.sampling.guidance import guided
from ddpm_lite.sampling.loop import sample
from ddpm_lite.sampling.samplers import SAMPLERS, Seen

pytestmark = needs_node
DRAW = """
const n = net(given.name);
const rows = given.rows.map((row) => ({ ...row, embedding: row.embedding && numbers(row.embedding) }));
const beside = given.beside ? numbers(given.beside) : null;
const eps = E.predictor(n, rows, given.scale, beside);
const all = [...E.frames(eps, n.recipe.schedule, numbers(given.x), given)];
return { x: all.at(-1).x_t, t: all.map((frame) => frame.t), x0: all.map((frame) => frame.x0) };
"""
STEPS = 5


def drawn(model, x: Tensor, rows: list[dict], bits: int = 16, **options) -> dict:
    task = {"run": DRAW, "name": model.name, "x": pack(x), "rows": rows, "scale": 2, "steps": STEPS, **options}
    (answer,) = run([task], {model.name: entry(model, bits)})
    return answer


def rows_of(tokens: Tensor) -> list[dict]:
    return [{"tokens": [token for token in row if token]} for row in tokens.tolist()]


def furthest(answer: dict, picture: Tensor) -> float:
    """The largest difference from a picture in [-1, 1], in steps of 1/255."""
    return float(np.abs(unpack(answer["x"]).clip(-1, 1) - picture.numpy().ravel()).max() * 127.5)


@pytest.mark.parametrize("method", ["ddim", "dpm-solver++", "euler", "heun"])
def test_digits_by_every_sampler_that_adds_no_noise(method):
    model, noise = exact("digits"), portable_noise(4, (2, 1, 16, 16))
    picture = model.draw(torch.tensor([3, 8]), noise=noise, steps=STEPS, scale=3.0, method=method)
    assert furthest(drawn(model, noise, [{"label": 3}, {"label": 8}], scale=3, method=method), picture) < 1


def test_captions_by_heun_from_the_cosine_schedule_s_noise():
    model, noise = exact("glide-emoji"), portable_noise(1, (1, 3, 16, 16))
    options = {"scale": 2.0, "method": "heun"}
    picture = model.draw(["a blue heart"], noise=noise, steps=STEPS, **options)
    fine = model.draw(["a blue heart"], noise=noise, steps=100, scale=2.0)
    assert (picture - fine).abs().mean() < 0.1, "it is a drawing"
    assert furthest(drawn(model, noise, rows_of(model.tokens(["a blue heart"])), **options), picture) < 1


@pytest.mark.parametrize("name", ["glide-shapes", "glide-emoji"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5])
def test_captions(name, scale):
    model, noise = exact(name), portable_noise(1, (2, 3, 16, 16))
    captions = ["a red circle", "a large blue circle"] if name == "glide-shapes" else ["a red apple", "two dogs"]
    picture = model.draw(captions, noise=noise, steps=10, scale=scale)
    answer = drawn(model, noise, rows_of(model.tokens(captions)), scale=scale, steps=10)
    assert furthest(answer, picture) < 1
    assert answer["t"] == list(range(1000, -1, -100))


def test_the_decoder_with_its_prior():
    chain = {name: exact(f"{name}-emoji") for name in ("prior", "decoder", "clip")}
    noise = portable_noise(3, (1, 96))
    tokens = chain["clip"].tokenizer.encode(["a red apple"])
    text = embed(chain["clip"].net.encode_text(tokens))
    eps = guided(chain["prior"].eps(), 1.5, chain["prior"].net.null)
    *_, last = sample(eps, noise, chain["prior"].schedule, cond=conditions(tokens, text), steps=STEPS, method="ddim")
    row = rows_of(tokens)[0]
    answer = drawn(chain["prior"], noise, [{**row, "embedding": pack(text[0])}], scale=1.5, clip=False)
    assert np.abs(unpack(answer["x"]) - last.x_t.numpy().ravel()).max() < 1e-3
    start = portable_noise(5, (1, 3, 16, 16))
    picture = chain["decoder"].draw(["a red apple"], embedding=last.x_t, noise=start, steps=STEPS)
    answer = drawn(chain["decoder"], start, [{**row, "embedding": pack(last.x_t[0])}])
    assert furthest(answer, picture) < 1
    assert imagine(chain["prior"], chain["clip"], ["a red apple"], steps=2, candidates=1).shape == last.x_t.shape


def test_the_upsampler():
    model, noise = exact("upsampler-emoji"), portable_noise(6, (2, 3, 64, 64))
    small = (portable_noise(7, (2, 3, 16, 16)) / 2).clamp(-1, 1)
    captions = ["a red apple", ""]
    picture = model.draw(small, captions, noise=noise, steps=4)
    beside = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    answer = drawn(model, noise, rows_of(model.tokenizer.encode(captions)), scale=1, steps=4, beside=pack(beside))
    assert furthest(answer, picture) < 1


@pytest.mark.parametrize(("method", "eta"), [("ddpm", 0), ("ddim", 0.7)])
def test_the_samplers_that_add_noise(method, eta):
    """The package's own step, with the page's noise."""
    model, (a, b) = exact("digits"), (portable_noise(4, (1, 1, 16, 16), stream) for stream in (0, 1))
    eps = guided(model.eps(), 2.0, 10)
    x, visit = a, [1000, 800, 600, 400, 200, 0]
    for t, t_next in pairwise(visit):
        eps_hat = eps(x, torch.tensor([t]), torch.tensor([3]))
        signal, noise = float(model.schedule.alpha_bar[t]) ** 0.5, float(1 - model.schedule.alpha_bar[t]) ** 0.5
        x0 = ((x - noise * eps_hat) / signal).clamp(-1, 1)
        seen = Seen((x - signal * x0) / noise, x0, None, None)
        x = SAMPLERS[method](x, seen, t, t_next, model.schedule, b, **({"eta": eta} if eta else {}))
    code = DRAW.replace("given)", "{ ...given, fresh: () => E.portableNoise(4, 256, 1) })")
    task = {
        "run": code,
        "name": "digits",
        "x": pack(a),
        "rows": [{"label": 3}],
        "scale": 2,
        "steps": 5,
        "method": method,
        "eta": eta,
    }
    (answer,) = run([task], {"digits": entry(model)})
    assert furthest(answer, x.clamp(-1, 1)) < 1


def test_latents_become_pictures(unchecked):
    """A latent model, whose x0 has no bounds, and the autoencoder's pictures of what it draws."""
    model, autoencoder = exact("dit-emoji"), exact("autoencoder-emoji")
    model.autoencoder = autoencoder
    noise, captions = portable_noise(2, (1, 4, 16, 16)), ["a red apple"]
    picture = model.draw(captions, noise=noise, steps=3)
    code = DRAW.replace("return {", "return { picture: E.decode(net('autoencoder-emoji'), all.at(-1).x_t),")
    task = {"run": code, "name": model.name, "x": pack(noise), "rows": rows_of(model.tokens(captions)), "scale": 2, "steps": 3}
    (answer,) = run([task | {"clip": False}], {each.name: entry(each) for each in (model, autoencoder)})
    assert furthest({"x": answer["picture"]}, picture) < 1


def test_eight_bits_cost_little():
    """The picture from 8-bit weights is the one from 16 bits but for a small part of its range."""
    model, noise = exact("glide-emoji"), portable_noise(1, (2, 3, 16, 16))
    rows = rows_of(model.tokens(["a red apple", "two dogs"]))
    lossless, lossy = (unpack(drawn(model, noise, rows, bits, steps=20)["x"]) for bits in (16, 8))
    difference = np.abs(lossless - lossy)
    assert 0 < difference.mean() * 127.5 < 4


def test_the_noise_is_threefry_s():
    """The known answers of the authors' own tests (Random123's kat_vectors), and the same noise in both halves."""
    known = {
        ((0, 0), (0, 0)): (0x6B200159, 0x99BA4EFE),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF)): (0x1CB996FC, 0xBB002BE7),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)): (0xC4923A9C, 0x483DF7A0),
    }
    for (key, counter), answer in known.items():
        assert tuple(int(each[0]) for each in threefry(key, np.array([counter]))) == answer
    pairs = [[list(key), list(counter)] for key, counter in known]
    tasks = [{"run": "return given.pairs.map(([key, counter]) => E.threefry(key, counter));", "pairs": pairs}]
    tasks += [{"run": "return E.portableNoise(given.seed, given.n, given.stream);", "seed": s, "n": n, "stream": k}
              for s, n, k in ((0, 7, 0), (2**32 - 1, 5000, 3))]  # fmt: skip
    words, few, many = run(tasks)
    assert [tuple(each) for each in words] == list(known.values())
    for got, (s, n, k) in zip((few, many), ((0, 7, 0), (2**32 - 1, 5000, 3)), strict=True):
        assert np.allclose(unpack(got), portable_noise(s, (n,), k), rtol=0, atol=1e-6)
    x = portable_noise(9, (40_000,))
    assert abs(float(x.mean())) < 0.02 and abs(float(x.std()) - 1) < 0.02
    assert not torch.equal(portable_noise(9, (8,)), portable_noise(10, (8,)))
    with pytest.raises(ValueError, match="seed = -1"):
        portable_noise(-1, (2,))


def test_eight_bits_keep_the_score():
    """Of held-out captions, the judge finds as many right among the engine's pictures as among torch's, within two points."""
    model, g = exact("glide-emoji"), torch.Generator().manual_seed(0)
    scenes = [scene for kind in ("colour", "worn") for scene in judge.asked(kind, True, 25, g)]
    captions, noise = judge.captions(scenes), torch.cat([portable_noise(seed, (1, 3, 16, 16)) for seed in range(50)])
    how = {"steps": 8, "scale": 4.0, "method": "dpm-solver++"}
    answer = drawn(model, noise, rows_of(model.tokens(captions)), 8, **how)
    pictures = torch.from_numpy(unpack(answer["x"]).reshape(noise.shape).copy()).clamp(-1, 1)
    shares = [judge.Pixels().right(each, scenes).double().mean() for each in (pictures, model.draw(captions, noise=noise, **how))]
    assert shares[1] > 0.7 and abs(shares[0] - shares[1]) <= 0.02 + 1e-9, shares
