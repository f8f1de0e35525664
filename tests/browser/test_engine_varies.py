"""The browser's engine varies pictures, and imagines them, as the package's DALL·E 2 does: same noise, same picture."""

import numpy as np
import pytest
import torch
from engine import entry, exact, needs_node, pack, run, unpack
from torch import Tensor

from ddpm_lite.browser.noise import IMAGINING, portable_noise
from ddpm_lite.data import changes, grammar
from ddpm_lite.models.unclip import Chain, imagined
from ddpm_lite.networks.prior import slerp, text_difference

pytestmark = needs_node
VARY = """
const answers = [];
const hear = E.serve((answer) => answers.push(answer));
for (const [name, { data, ...entry }] of Object.entries(given.networks)) {
  await hear({ id: name, task: "load", name, entry, bytes: bytes(data) });
}
const chain = { asker: "me", name: "decoder-emoji", clip: "clip-emoji", prior: "prior-emoji" };
const ask = (request, id) => hear({ id, task: "vary", ...chain, ...request, pictures: numbers(request.pictures ?? "") });
if (given.patient) for (const [id, request] of given.requests.entries()) await ask(request, id);
else await Promise.all(given.requests.map(ask));
return given.requests.map((_, id) => answers.filter((answer) => answer.id === id));
"""
STEPS = 6


@pytest.fixture(scope="module")
def chain():
    return Chain("unclip-emoji", *(exact(f"{name}-emoji") for name in ("clip", "prior", "decoder")))


@pytest.fixture(scope="module")
def pictures():
    return changes.draw([grammar.scene(name) for name in ("fox", "panda")], [2, 2], 16)


def ask(requests: list[dict], bits: int = 16, patient: bool = True) -> list[list[dict]]:
    """What comes of each request, of which each waits for the one before, or not."""
    networks = {name: entry(exact(name), bits) for name in ("clip-emoji", "decoder-emoji", "prior-emoji")}
    (answers,) = run([{"run": VARY, "networks": networks, "requests": requests, "patient": patient}])
    return answers


def answer(bits: int = 16, **request) -> dict:
    ((*_, last),) = ask([{"steps": STEPS, "scale": 2, "seeds": [5], **request}], bits)
    assert "error" not in last, last["error"]
    return last


def furthest(found: dict, picture: Tensor) -> float:
    """The largest difference from pictures in [-1, 1], in steps of 1/255."""
    return float(np.abs(unpack(found["pictures"]) - picture.numpy().ravel()).max() * 127.5)


def rows_of(tokens: Tensor) -> list[list[int]]:
    return [[token for token in row if token] for row in tokens.tolist()]


def noises(*seeds: int) -> Tensor:
    return torch.cat([portable_noise(seed, (1, 3, 16, 16)) for seed in seeds])


@pytest.mark.parametrize("scale", [0, 1, 2.5])
def test_variations(chain, pictures, scale):
    z = chain.encode(pictures[:1])
    truth = chain.decode(z.expand(2, -1), noise=noises(5, 6), steps=STEPS, scale=float(scale))
    found = answer(pictures=pack(pictures[0]), seeds=[5, 6], scale=scale, method="dpm-solver++")
    assert np.abs(unpack(found["embedding"]) - z.numpy().ravel()).max() < 1e-4
    assert furthest(found, truth) < 1


def test_the_way_to_another_picture(chain, pictures):
    z, up = chain.encode(pictures), chain.invert(pictures, STEPS).flatten(1)
    for share in (0.0, 0.3, 1.0):
        between, own = (slerp(each[:1], each[1:], share) for each in (z, up))
        found = answer(pictures=pack(pictures), share=share)
        assert np.abs(unpack(found["embedding"]) - between.numpy().ravel()).max() < 1e-4
        assert furthest(found, chain.decode(between, noise=noises(5), steps=STEPS, scale=2.0, method="ddim")) < 1
        found = answer(pictures=pack(pictures), share=share, own=True)
        truth = chain.decode(between, noise=own.reshape(1, 3, 16, 16), steps=STEPS, scale=2.0, method="ddim")
        assert furthest(found, truth) < 1


def test_turned_by_words(chain, pictures):
    captions = ["a fox", "two foxes"]
    tokens = rows_of(chain.clip.tokenizer.encode(captions))
    was, wished = chain.encode_text(captions).split(1)
    turned = text_difference(chain.encode(pictures[:1]), was, wished, 0.4)
    truth = chain.decode(turned, noise=chain.invert(pictures[:1], STEPS), steps=STEPS, scale=1.0, method="ddim")
    found = answer(pictures=pack(pictures[0]), tokens=tokens, share=0.4, own=True, scale=1)
    assert np.abs(unpack(found["embedding"]) - turned.numpy().ravel()).max() < 1e-4
    assert furthest(found, truth) < 1


@pytest.mark.parametrize(("source", "reads"), [("imagined", True), ("imagined", False), ("text", False), ("none", True)])
def test_from_words(chain, source, reads):
    captions = ["three blue foxes"] * 3
    tokens, text = chain.clip.tokenizer.encode(captions), chain.encode_text(captions)
    start = torch.stack([torch.cat([portable_noise(seed, (1, 96), IMAGINING + k) for seed in (5, 6, 7)]) for k in (0, 1)])
    z = {"imagined": imagined(chain.prior, tokens, text, start), "text": text, "none": None}[source]
    request = {"task": "imagine", "tokens": rows_of(tokens)[0], "source": source, "reads": reads, "seeds": [5, 6, 7]}
    found = answer(**request, method="dpm-solver++")
    if z is None:
        assert found["embeddings"] == found["closeness"] == [None] * 3
    else:
        assert np.abs(np.stack([unpack(each) for each in found["embeddings"]]) - z.numpy()).max() < 1e-3
        assert np.allclose(found["closeness"], torch.cosine_similarity(z, text).numpy(), atol=1e-4)
    truth = chain.decode(
        torch.zeros(3, 96) if z is None else z, captions if reads else None, noise=noises(5, 6, 7), steps=STEPS, scale=2.0
    )
    assert furthest(found, truth) < 1


def test_what_is_overtaken_while_it_imagines_ends():
    request = {"task": "imagine", "tokens": [1, 5, 2], "source": "imagined", "reads": True, "seeds": [1], "steps": 2, "scale": 1}
    first, last = ask([request, request], patient=False)
    assert len(first) == 1 and first[0]["stopped"]
    assert [frame.get("stage") for frame in last] == ["imagine"] * 25 + ["draw"] * 2 + [None]


def test_what_has_no_answer_is_told(pictures):
    request = {"steps": 1, "scale": 1, "seeds": [1], "pictures": pack(pictures[0]), "share": 0.5}
    ((same,),) = ask([request | {"tokens": [[1, 5, 2], [1, 5, 2]]}])
    assert same["error"] == "The two captions have the same embedding, so there is no difference to turn towards."
    code = "return [E.slerp([1, 0], [0.6, 0.8], 0.5), E.slerp([1, 0], [2, 0], 0.5)];"
    half, parallel = run([{"run": code}])[0]
    assert np.allclose(unpack(half), np.array([2, 1]) / 5**0.5, atol=1e-6) and parallel == [1, 0]
    with pytest.raises(AssertionError, match="no single shortest path"):
        run([{"run": "return E.slerp([1, 0], [-1, 0], 0.5);"}])


def test_the_own_noise_is_found_once_and_what_is_overtaken_ends(pictures):
    request = {"steps": 3, "scale": 1, "seeds": [1], "pictures": pack(pictures), "own": True, "share": 0.5}
    first, second, other = ask([request, request, request | {"share": 0.2}], patient=False)  # all there before the first begins
    assert [len(first), len(second)] == [1, 1] and first[0]["stopped"] and second[0]["stopped"]
    assert [frame.get("stage") for frame in other] == ["invert"] * 3 + ["draw"] * 3 + [None]
    assert [frame["t"] for frame in other[:-1]] == [0, 333, 667, 1000, 667, 333]
    one, again, fewer = ask([request, request | {"share": 0.2}, request | {"steps": 2}])
    stages = [sum(frame.get("stage") == "invert" for frame in frames) for frames in (one, again, fewer)]
    assert stages == [3, 0, 2], "for another share the noise is there"
