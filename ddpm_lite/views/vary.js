// Vary: DALL·E 2 in a worker of the page. Until it is asked, the variations that were drawn beforehand are seen.

const [VARIATIONS, WAY, WORDS] = ["variations", "the way to another picture", "turned by words"]; // as in vary.py
const [NEW, OWN] = ["new noise", "its own noise"];
const COUNT = SAMPLING.several;

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
  const enlarger = upsampler ? new Enlarger(studio, upsampler) : null;
  kit.onLeave(() => {
    studio.end();
    enlarger?.end();
  });

  const first = pictureTiles(kit, ["the picture"], c, size);
  const four = pictureTiles(kit, seedTitles(), c, side);
  const single = pictureTiles(kit, ["drawn"], c, side);
  const second = pictureTiles(kit, ["the other"], c, size);

  const now = (trait) => model.get(trait);
  const varied = () => now("mode") === VARIATIONS;
  const keeps = () => !varied() && now("begin") === OWN;
  const seen = []; // [node, when it is of use]
  const shown = (node, when) => seen.push([node, when]);
  choice(kit, "mode", "draw", [VARIATIONS, WAY, WORDS]);
  choice(kit, "picture", "the picture", known);
  shown(choice(kit, "other", "the other", known).parentElement, () => now("mode") === WAY);
  const boxes = ["before", "after"].map((trait) => {
    const label = trait === "before" ? "from these words" : "to these";
    const asks = captionBox(kit, trait, { label, ask: "Turn", tokenizer }, () => ask());
    if (trait === "before") asks.nodes[1].remove(); // one button for both
    for (const node of asks.nodes) shown(node, () => now("mode") === WORDS);
    return asks;
  });
  const shares = Array.from({ length: 21 }, (_, i) => i / 20);
  shown(picker(kit, "share", shares, { label: "share", words: String }).parentElement, () => !varied());
  shown(choice(kit, "begin", "begin with", [NEW, OWN]).parentElement, () => !varied());
  scalePicker(kit);
  stepsSlider(kit);
  const seeds = (seed) => (varied() ? `${seed} to ${seed + COUNT - 1}` : String(seed));
  shown(seedSlider(kit, seeds).parentElement, () => !keeps());

  const paint = (pictures, of = size) => (varied() ? four : single).paint(pictures, of);

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

  const seedsOf = (mode, seed) => (mode === VARIATIONS ? seedsFrom(seed) : [seed]);
  const tokensOf = ({ before, after }) => [before, after].map((caption) => tokenizer.read(caption).tokens);

  const ask = drawing(kit, {
    words: told,
    boxes,
    refuse: (state) => {
      if (state.mode !== WORDS) return "";
      if (!state.before || !state.after) return "Write what the picture shows, and what it is to show.";
      const [from, to] = tokensOf(state).map(String);
      return from === to ? "To CLIP the two captions say the same, so there is nothing to turn towards: change one of them." : "";
    },
    loading: () => !studio.engine,
    draw: async (state, onFrame) => {
      const { mode, picture, other, share, scale, steps, seed } = state;
      await studio.wake(clip, name);
      enlarger?.begin();
      const given = [picture, ...(mode === WAY ? [other] : [])].flatMap((each) => [...stills.subarray(still(each), still(each) + one)]);
      const request = { name, clip, pictures: Float32Array.from(given), tokens: mode === WORDS ? tokensOf(state) : null, share, scale, steps };
      Object.assign(request, { own: keeps(), method: keeps() ? "ddim" : "dpm-solver++", seeds: seedsOf(mode, seed) });
      return studio.engine.ask({ task: "vary", asker: "vary", ...request }, onFrame);
    },
    still: (state) => {
      const drawn = asAtStart(model, state, { picture: state.picture }) && varied();
      const at = still(state.picture) + one;
      const pictures = drawn ? stills.subarray(at, at + COUNT * one) : new Float32Array((varied() ? COUNT : 1) * one).fill(0.8);
      paint(pictures);
      kit.drew({ pictures });
      return drawn;
    },
    step: ({ stage, x_t }) => paint(stage === "invert" ? x_t.subarray(0, one) : x_t),
    finish: ({ pictures }) => paint(pictures),
    enlarging: enlarger && {
      enlarger,
      draw: ({ pictures }, { mode, seed }, onFrame) => enlarger.draw("vary", { pictures, seeds: seedsOf(mode, seed) }, onFrame),
      blank: () => {}, // the small pictures stand in the same places
      show: (pictures) => paint(pictures, side),
    },
  });
  button(kit, "Draw", ask);

  kit.onChange(() => {
    for (const [tile, trait] of [[first, "picture"], [second, "other"]]) tile.paint(stills.subarray(still(now(trait)), still(now(trait)) + one), size);
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
