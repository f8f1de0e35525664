"""The engine in Chromium, in a page from a disk and from a server: what is overtaken ends, what is wrong is told."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from engine import entry, exact, run
from lab import marks

from ddpm_lite.browser.export import exported
from ddpm_lite.browser.noise import portable_noise
from ddpm_lite.browser.scripts import engine_on_shelf, page_script

pytestmark = [*marks, pytest.mark.usefixtures("unchecked")]
PAGE = "<!doctype html><meta charset=utf-8><title>engine</title><script src=page.js></script>"
START = """
const { source } = globalThis.ddpmLiteNetworks.engine;
const engine = new Engine(source);
const ready = fromShelf("digits", "digits.js").then(({ entry, bytes }) => engine.load("digits", entry, bytes));
const request = { name: "digits", seeds: [4], scale: 2 };
const draw = (label, steps, onFrame) => engine.draw("me", { ...request, rows: [{ label }], steps }, onFrame);
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("engine")
    script = exported(exact("digits"), 16).script()
    (out / "digits.js").write_text(script)
    (out / "cut.js").write_text(script[: len(script) // 2])
    at = script.index('"data":"') + 8
    (out / "short.js").write_text(script[:at] + script[at + 4000 :])
    (out / "odd.js").write_text(script[:at] + "!!!!" + script[at + 4 :])
    (out / "page.js").write_text(engine_on_shelf() + page_script() + START)
    (out / "index.html").write_text(PAGE)
    return out


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *what) -> None:
        pass


@pytest.fixture(scope="module")
def addresses(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"file": (folder / "index.html").as_uri(), "http": f"http://127.0.0.1:{server.server_port}/index.html"}
    server.shutdown()


@pytest.fixture(params=["file", "http"])
def page(request, chromium, addresses):
    page = chromium.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(addresses[request.param])
    yield page
    page.close()
    assert not [each for each in faults if "Unexpected end" not in each and "Invalid or unexpected token" not in each]


def told(page, code: str):
    """What a promise in the page gives, or the message with which it fails."""
    ends = ".then(x => window.told = [x], e => window.told = [e.message])"
    page.evaluate(f"() => {{ window.told = undefined; (async () => {{ {code} }})(){ends}; }}")
    page.wait_for_function("window.told", timeout=60_000)
    return page.evaluate("window.told[0]")


def test_the_picture_is_the_package_s(page):
    frames, picture, way = told(
        page,
        """
        await ready;
        const frames = [];
        const { pictures, way } = await draw(3, 6, ({ k, t, x_t, x0 }) => frames.push([k, t, x_t.length, x0.length]));
        return [frames, [...pictures], way];
        """,
    )
    assert frames == [[k, t, 256, 256] for k, t in enumerate([1000, 833, 667, 500, 333, 167])] and way in ("fused", "simd")
    truth = exact("digits").draw(torch.tensor([3]), noise=portable_noise(4, (1, 1, 16, 16)), steps=6)
    assert np.abs(np.array(picture) - truth.numpy().ravel()).max() * 127.5 < 1


def test_the_last_request_wins_and_the_page_goes_on(page):
    ends, seen, turns = told(
        page,
        """
        await ready;
        const seen = [];
        let turns = 0;
        const clock = setInterval(() => turns++, 1);
        const all = [1, 2, 3].map((label) => draw(label, 40, () => seen.push(label)));
        while (!seen.includes(3)) await new Promise((go) => setTimeout(go, 1));
        all.push(draw(7, 4, () => seen.push(7)));
        const ends = (await Promise.all(all)).map(({ stopped = false }) => stopped);
        all.push(draw(8, 40, () => engine.stop("me")));
        ends.push((await all.at(-1)).stopped);
        clearInterval(clock);
        return [ends, seen, turns];
        """,
    )
    assert ends == [True, True, True, False, True]
    assert seen.count(7) == 4 and 1 <= seen.count(3) < 40 and not seen.count(2)
    assert turns >= 4, "the page had its turns while the worker drew"


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("nothing.js", "The weights of digits are missing: there is no nothing.js."),
        ("cut.js", "The weights of digits are damaged: cut.js holds nothing of it."),
        ("odd.js", "The weights of digits are damaged: odd.js cannot be read."),
        ("short.js", "The weights of digits are damaged: "),
    ],
)
def test_missing_and_damaged_weights_are_told(page, file, sentence):
    said = told(
        page,
        f"""
        await ready;
        delete globalThis.ddpmLiteArriving.digits;
        const other = new Engine(source);
        const {{ entry, bytes }} = await fromShelf("digits", "{file}");
        await other.load("digits", entry, bytes);
        """,
    )
    assert said.startswith(sentence)


def test_after_a_failure_it_may_be_tried_again(page):
    tried = """async () => {
      await ready;
      delete globalThis.ddpmLiteArriving.digits;
      const said = [];
      for (const file of ["nothing.js", "cut.js"]) await fromShelf("digits", file).catch((error) => said.push(error.message));
      const { bytes } = await fromShelf("digits", "digits.js");
      const other = new Engine(source);
      other.fail("it is gone");
      await other.ask({ task: "load" }).catch((error) => said.push(error.message));
      return [said, bytes.length];
    }"""
    said, size = page.evaluate(tried)
    assert [each[:30] for each in said] == [
        "The weights of digits are miss",
        "The weights of digits are dama",
        "The engine stopped: it is gone",
    ]
    assert size == len(exported(exact("digits"), 16).data)


def test_a_studio_begins_an_engine_once_and_none_after_its_end(page):
    counted = """async () => {
      let [made, go] = [0, null];
      const Real = window.Worker;
      window.Worker = class extends Real { constructor(...given) { super(...given); made++; } };
      const waiting = new Promise((resolve) => (go = resolve));
      const networks = { engine: () => waiting.then(() => ({ source })), digits: () => fromShelf("digits", "digits.js") };
      const studio = new Studio((name) => networks[name]());
      const first = studio.wake("digits").catch((error) => error.message);
      studio.end();
      go();
      const closed = await first;
      const before = made;
      const recipes = await Promise.all([studio.wake("digits"), studio.wake("digits")]);
      studio.engine.fail("it is gone");
      await studio.wake("digits");
      return [closed, before, made, recipes.map((each) => each.digits.name)];
    }"""
    assert page.evaluate(counted) == ["The view was closed.", 0, 2, ["digits", "digits"]]


def test_weights_that_cannot_be_used_are_fetched_again(page):
    tried = """async () => {
      await ready;
      takeOffShelf("digits");
      let file = "short.js";
      const networks = { engine: async () => ({ source }), digits: () => fromShelf("digits", file) };
      const studio = new Studio((name) => networks[name]());
      const said = await studio.wake("digits").catch((error) => error.message);
      file = "digits.js";
      const { digits } = await studio.wake("digits");
      return [said.slice(0, 33), digits.name];
    }"""
    assert page.evaluate(tried) == ["The weights of digits are damaged", "digits"]


def test_an_enlarger_tries_again_and_belongs_to_one_engine(page):
    tried = """async () => {
      const recipe = { up: { words: "a", length: 4 } };
      let fails = true;
      const wake = async () => {
        studio.asked++;
        if (fails) throw new Error("no");
        return recipe;
      };
      const studio = { engine: 1, asked: 0, wake };
      const enlarger = new Enlarger(studio, "up");
      const seen = [];
      const see = async () => {
        enlarger.begin();
        await enlarger.loaded;
        seen.push([enlarger.trouble, Boolean(enlarger.tokenizer), studio.asked]);
      };
      await see();
      fails = false;
      await see();
      await see();
      studio.engine = 2;
      await see();
      return seen;
    }"""
    assert page.evaluate(tried) == [["no", False, 1], ["", True, 2], ["", True, 2], ["", True, 3]]


def test_memory_is_flat_over_two_hundred_drawings():
    code = """
    const answers = [];
    const hear = E.serve((answer) => answers.push(answer), given.way);
    const { data, ...entry } = given.network;
    await hear({ id: 0, task: "load", name: entry.recipe.name, entry, bytes: bytes(data) });
    const request = { task: "draw", asker: "me", name: entry.recipe.name, rows: [given], seeds: [1], scale: 2, steps: 1 };
    const sizes = [];
    const grown = E.Heap.prototype.grow;
    E.Heap.prototype.grow = function (n) { sizes.push(n); return grown.call(this, n); };
    await hear({ ...request, id: 1 });
    const first = sizes.length;
    for (let id = 2; id <= 200; id++) await hear({ ...request, id });
    E.Heap.prototype.grow = grown;
    return [first, sizes.length, answers.filter(({ done }) => done).length, answers.filter(({ error }) => error).length];
    """
    tokens = [1, *range(3, 17), 2]  # a long caption: its reading lies in memory until the picture is drawn
    ((first, grown, done, errors),) = run([{"run": code, "network": entry(exact("glide-shapes")), "tokens": tokens}])
    assert grown == first and done == 201 and errors == 0
