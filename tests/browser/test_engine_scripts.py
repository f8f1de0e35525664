"""The engine's scripts: clean under ESLint, small, and the same loops in each way of running them."""

import subprocess

import numpy as np
import pytest
import torch
from engine import NODE, entry, exact, needs_node, pack, run, unpack
from test_javascript import ESLINT, lint

from ddpm_lite.browser import wasm
from ddpm_lite.browser.assembler import leb, module
from ddpm_lite.browser.export import bfloat16, exported, quantised
from ddpm_lite.browser.scripts import engine_script, page_script, worker_script

PRODUCT = """
const at = (name) => { const x = numbers(given[name]); const to = heap.take(x.length); heap.f.set(x, to); return to; };
const [a, b, c, bias] = ["a", "b", "c", "bias"].map(at);
heap.loops.product(4 * a, 4 * b, 4 * c, 4 * bias, ...given.more);
return heap.f.slice(c, c + given.size);
"""


@pytest.mark.skipif(not ESLINT, reason="no ESLint: the JavaScript is not checked")
def test_the_scripts_are_clean(tmp_path):
    found = lint(tmp_path, {"worker": worker_script(), "page": page_script()})
    offered = ("Writer", "watchCaption", "watched", "fromShelf")  # by the page's script, to views and pages
    wrong = [m["message"] for m in found["worker"] + found["page"] if not any(f"'{name}'" in m["message"] for name in offered)]
    assert not wrong


def test_the_engine_is_small():
    """Small enough to read, and to stand in each notebook that uses it."""
    assert len(wasm.engine(True)) < 4_000 and len(wasm.engine(False)) < 4_000
    assert len(engine_script()) < 60_000 and len(page_script()) < 80_000


@needs_node
@pytest.mark.parametrize("way", ["fused", "simd", "plain"])
def test_the_product(way):
    """Panels, images, groups, tiles, segments, a bias for each image and a sum on top, beside numpy."""
    panels, images, groups, tiles, segments, quads = 3, 2, 3, 2, 3, 5
    run_, row, group, image, skip = 4 * quads, 28, 300, 1100, 17  # in numbers
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=4000), rng.normal(size=panels * 8 * segments * run_)
    rows = images * groups * tiles * 4
    wide = panels * 8 + 4
    c, bias = rng.normal(size=rows * wide), rng.normal(size=images * panels * 8)
    weights = b.reshape(panels, segments * run_, 8)
    for onto in (0, 1):
        want, r = c.reshape(rows, wide).copy(), 0
        for i in range(images):
            for g in range(groups):
                for k in range(tiles * 4):
                    first = i * image + g * group + k * row
                    numbers = np.concatenate([a[first + s * (run_ + skip) :][:run_] for s in range(segments)])
                    sums = np.concatenate([numbers @ panel for panel in weights]) + bias[i * panels * 8 :][: panels * 8]
                    want[r, : panels * 8] = sums + onto * want[r, : panels * 8]
                    r += 1
        arrays = {name: pack(torch.from_numpy(x)) for name, x in (("a", a), ("b", b), ("c", c), ("bias", bias))}
        steps = [4 * each for each in (row, group, image, skip, wide, panels * 8)]
        more = [panels, images, groups, tiles, segments, quads, *steps, onto]
        (got,) = run([{"run": PRODUCT, "way": way, "more": more, "size": rows * wide, **arrays}], relaxed=True)
        assert np.allclose(unpack(got).reshape(rows, wide), want, atol=1e-4)


@needs_node
@pytest.mark.parametrize("way", ["fused", "simd", "plain"])
def test_softmax_and_silu_far_out(way):
    """Where exp would overflow or vanish, and everywhere between."""
    x = np.concatenate([np.linspace(-200, 200, 400), np.linspace(-2, 2, 400)]).astype("f4")
    code = """
    const x = numbers(given.x);
    const at = heap.take(2 * x.length + 8);
    heap.f.set(x, at);
    heap.f.set([1, 1, 1, 1, 0, 0, 0, 0], at + 2 * x.length);
    const [from, to, scale] = [at, at + x.length, at + 2 * x.length].map((each) => 4 * each);
    heap.loops.normalise(from, to, scale, scale + 16, 1, x.length / 4, 1, 0, 0, 0, 0, 1, 1);
    const silu = heap.f.slice(at + x.length, at + 2 * x.length);
    heap.loops.softmax(from, 100, 2);
    return [silu, heap.f.slice(at, at + x.length)];
    """
    ((silu, softmax),) = run([{"run": code, "way": way, "x": pack(torch.from_numpy(x))}], relaxed=True)
    wide = torch.from_numpy(x).double()
    assert np.allclose(unpack(silu), torch.nn.functional.silu(wide), atol=1e-6)
    assert np.allclose(unpack(softmax).reshape(2, 400), wide.reshape(2, 400).softmax(1), atol=1e-6)


def test_the_assembler_s_numbers():
    """The specification's examples of LEB128, and an empty module that node takes."""
    assert leb(624485) == b"\xe5\x8e\x26" and leb(-123456, signed=True) == b"\xc0\xbb\x78" and leb(64, signed=True) == b"\xc0\x00"
    with pytest.raises(KeyError, match="nonsense"):
        module({"f": ((), "nonsense")})


def test_weights_in_eight_and_sixteen_bits():
    x = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]])
    scale, whole = np.frombuffer(quantised(x)[:8], "<f4"), np.frombuffer(quantised(x)[8:], "i1").reshape(2, 3)
    assert np.allclose(scale[:, None] * whole, x, atol=2 / 254 + 1e-9) and whole[0, 1] == -127
    assert np.frombuffer(bfloat16(torch.tensor([1.0, -2.5])), "<u2").tolist() == [0x3F80, 0xC020]
    model = exact("glide-emoji")
    assert len(exported(model).script()) < 6_000_000  # the text network, as a page loads it
    with pytest.raises(ValueError, match="bits = 4"):
        exported(model, bits=4)


@needs_node
def test_damaged_weights_are_refused():
    code = "try { net('digits'); } catch (error) { return error.message; }"
    for change in ("size", "checksum"):
        damaged = entry(exact("digits"))
        damaged[change] += 1
        (said,) = run([{"run": code}], {"digits": damaged})
        assert said.startswith("The weights of digits are damaged")


@needs_node
def test_the_page_reads_captions_as_python_does():
    """Words of many scripts, apostrophes, numbers, marks and what is invisible: networks/tokenizer.py in JavaScript."""
    model = exact("glide-emoji")
    known = list(model.recipe.words)
    odd = [
        "A Red   apple!",
        "l’été d'or",
        "x_y 3.14 1,000.5 a.b",
        "日本語のねこ",
        "e\u0301te\u0301 \u200bfoo\u00adbar",
        "İstanbul ΟΔΟΣ",
        "",
    ]
    odd += [
        "ｆｕｌｌ ｗｉｄｔｈ",
        "नमस्ते दुनिया",
        "👩\u200d🚀 rocket ❤\ufe0f",
        "don`t 'quoted' ·x· ´a´b",
        '<b>markup</b> & "quotes"',
        "dog " * 3000,
    ]
    rng = np.random.default_rng(1)
    pool = [
        chr(c) for c in (*range(32, 0x250), *range(0x300, 0x370), *range(0x2010, 0x2070), *range(0x3040, 0x3100), 0xFE0F, 0x200B)
    ]
    odd += ["".join(rng.choice(pool, 30)) for _ in range(300)] + [" ".join(rng.choice([*known, "zzz"], 20)) for _ in range(50)]
    code = """
    const reader = new E.Tokenizer(given.words, given.length);
    return given.captions.map((caption) => [E.splitWords(caption), reader.read(caption).tokens, reader.read(caption).words]);
    """
    (answers,) = run([{"run": code, "words": " ".join(known), "length": model.recipe.length, "captions": odd}])
    from ddpm_lite.networks.tokenizer import split

    with pytest.warns(UserWarning):
        tokens = model.tokenizer.encode(odd)
    for caption, row, (words, read, marked) in zip(odd, tokens.tolist(), answers, strict=True):
        assert words == split(caption), repr(caption)
        assert read == [token for token in row if token], repr(caption)
        assert [is_known for _, is_known in marked] == [word in known for word in words]


@needs_node
def test_the_scripts_parse():
    for text in (worker_script(), page_script()):
        assert subprocess.run([NODE, "--check", "-"], input=text, capture_output=True, text=True).returncode == 0
