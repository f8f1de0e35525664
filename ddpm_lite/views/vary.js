// Vary: DALL·E 2 in a worker of the page. Until it is asked, the variations that were drawn beforehand are seen.

const [VARIATIONS, WAY, WORDS] = ["variations", "the way to another picture", "turned by words"]; // as in vary.py
const [NEW, OWN] = ["new noise", "its own noise"];
const COUNT = 4;

function build(kit) {
  const { model } = kit;
  const { name: clip, words, length } = model.get("clip");
  const { name, network } = model.get("decoder");
  const { channels: c, size } = network;
  const one = c * size * size;
  const known = model.get("known");
  const stills = unpacked(model.get("known_pictures"), c, size, size);
  const still = (picture) => (1 + COUNT) * one * known.indexOf(picture);
  const upsampler = model.get("upsampler");
  const side = upsampler ? 4 * size : size;
  const tokenizer = new Tokenizer(words, length);
  const studio = new Studio(fetchedFor(model));
  kit.onLeave(() => studio.end());

  const tiles = (titles, h) => pictureGrid(kit, { rows: 1, columns: titles.length, c, h, w: h, titles, widest: 150 });
  const first = tiles(["the picture"], size);
  const four = tiles(["seed", ...[1, 2, 3].map((i) => (NARROW ? `+ ${i}` : `seed + ${i}`))], side);
  const single = tiles(["drawn"], side);
  const second = tiles(["the other"], size);

  const now = (trait) => model.get(trait);
  const varied = () => now("mode") === VARIATIONS;
  const keeps = () => !varied() && now("begin") === OWN;
  const seen = []; // [node, when it is of use]
  const shown = (node, when) => seen.push([node, when]);
  choice(kit, "mode", "draw", [VARIATIONS, WAY, WORDS]);
  choice(kit, "picture", "the picture", known);
  shown(choice(kit, "other", "the other", known).parentElement, () => now("mode") === WAY);
  const boxes = ["before", "after"].map((trait) => {
    const box = textBox(kit, { label: trait === "before" ? "from these words" : "to these", ask: "Turn" }, () => turn());
    const marks = element("p", { class: "words", "aria-hidden": "true" });
    const said = element("p", { class: "said", role: "status" });
    const label = box.parentElement;
    const ask = label.nextElementSibling;
    if (trait === "before") ask.remove();
    kit.controls.append(marks, said);
    for (const node of [label, ask, marks, said]) shown(node, () => now("mode") === WORDS);
    const mark = () => {
      const sentence = markWords(marks, tokenizer.read(box.value));
      if (said.textContent !== sentence) said.textContent = sentence; // a screen reader says it once
    };
    let last = null;
    box.addEventListener("input", kit.guard(mark));
    kit.onChange(() => {
      if (last !== now(trait)) box.value = last = now(trait); // what is being written stays
      mark();
    });
    return { trait, box };
  });
  const shares = Array.from({ length: 21 }, (_, i) => i / 20);
  shown(picker(kit, "share", shares, { label: "share", words: String }).parentElement, () => !varied());
  shown(choice(kit, "begin", "begin with", [NEW, OWN]).parentElement, () => !varied());
  picker(kit, "scale", [0, 1, 1.5, 2, 3, 4, 6, 8], { label: "guidance", words: (value) => `${value}${{ 0: ", not asked", 1: ", as it is" }[value] ?? ""}` });
  slider(kit, "steps", { label: "steps", min: 1, max: 50, words: String });
  const seeds = (seed) => (varied() ? `${seed} to ${seed + COUNT - 1}` : String(seed));
  shown(slider(kit, "seed", { label: "seed of the noise", min: 0, max: 99, words: seeds }).parentElement, () => !keeps());

  // Pictures as they are drawn, in the tiles of their enlarged ones.
  const paint = (values, of = size) => {
    const factor = side / of;
    const sheet = varied() ? four : single;
    for (let k = 0; k < values.length / (c * of * of); k++) {
      const large = new Float32Array(c * side * side);
      for (let i = 0; i < large.length; i++) {
        const [x, y, channel] = [i % side, Math.floor(i / side) % side, Math.floor(i / side ** 2)];
        large[i] = values[((k * c + channel) * of + Math.floor(y / factor)) * of + Math.floor(x / factor)];
      }
      sheet.paint(large, 0, 0, k);
    }
  };

  const told = ({ mode, picture, other, before, after, share, scale, steps, seed }) => {
    const count = `${steps} step${steps === 1 ? "" : "s"} at guidance ${scale}`;
    const way = `${share} of the way from ${picture} to ${other}`;
    const turned = `${picture}, turned by ${share} from “${before}” to “${after}”`;
    const what = { [VARIATIONS]: `Four variations of ${picture}`, [WAY]: way, [WORDS]: turned }[mode];
    const own = mode === WAY ? "the noise of both, between them in the same way" : "its own noise";
    const noise = `the noise of ${mode === VARIATIONS ? "seeds" : "seed"} ${seeds(seed)}`;
    const text = `${what}: ${count}, from ${keeps() ? own : noise}.`;
    return text[0].toUpperCase() + text.slice(1);
  };

  let large = null; // ends when the upsampler is there, or cannot be
  let enlarges = false;
  let trouble = "";
  const wake = async () => {
    await studio.wake(clip, name);
    large ??= upsampler
      ? studio.wake(upsampler).then(
          () => (enlarges = true),
          (error) => (trouble = error.message),
        )
      : Promise.resolve();
  };
  const draw = async ({ mode, picture, other, before, after, share, scale, steps, seed }, onFrame) => {
    await wake();
    const given = [picture, ...(mode === WAY ? [other] : [])].flatMap((each) => [...stills.subarray(still(each), still(each) + one)]);
    const tokens = mode === WORDS ? [before, after].map((caption) => tokenizer.read(caption).tokens) : null;
    const request = { name, clip, pictures: Float32Array.from(given), tokens, share, own: keeps(), scale, steps };
    request.seeds = Array.from({ length: mode === VARIATIONS ? COUNT : 1 }, (_, i) => seed + i);
    request.method = keeps() ? "ddim" : "dpm-solver++";
    return studio.engine.ask({ task: "vary", asker: "vary", ...request, enlarge: enlarges ? upsampler : null }, onFrame);
  };

  const { ask, tell } = drawing(kit, {
    words: told,
    loading: () => !studio.engine,
    draw,
    still: (state) => {
      const drawn = JSON.stringify(state) === JSON.stringify({ ...model.get("start"), picture: state.picture }) && varied();
      const at = still(state.picture) + one;
      const pictures = drawn ? stills.subarray(at, at + COUNT * one) : new Float32Array((varied() ? COUNT : 1) * one).fill(0.8);
      paint(pictures);
      kit.drew({ pictures });
      return drawn;
    },
    step: ({ stage, x_t, x0, pictures }) => (stage === "enlarge" ? paint(x0, side) : paint(stage === "invert" ? x_t.subarray(0, one) : (pictures ?? x_t))),
    finish: (answer, current) => {
      if (answer.large) paint(answer.large, side);
      else paint(answer.pictures);
      if (upsampler && !answer.large && !trouble) large.then(() => current() && enlarges && ask());
      return trouble;
    },
  });
  const turn = () => {
    kit.setAll(Object.fromEntries(boxes.map(({ trait, box }) => [trait, box.value.trim()])));
    if (now("before") && now("after")) ask();
    else tell("Write what the picture shows, and what it is to show.");
  };
  button(kit, "Draw", ask);

  kit.onChange(() => {
    first.paint(stills, still(now("picture")), 0, 0);
    second.paint(stills, still(now("other")), 0, 0);
    for (const [node, when] of seen) node.style.display = when() ? "" : "none";
    four.node.hidden = !varied();
    single.node.hidden = varied();
    second.node.hidden = now("mode") !== WAY;
    four.node.setAttribute("aria-label", `Four variations of ${now("picture")}`);
    single.node.setAttribute("aria-label", "The picture that is drawn");
    second.node.setAttribute("aria-label", `The other picture: ${now("other")}`);
  });
}

export default { render: (view) => mount(build, view) };
