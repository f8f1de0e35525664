// Imagine: all of DALL·E 2 in a worker of the page. Until it is asked, what was drawn beforehand is seen.

const [BOTH, IMAGINED, TEXT, CAPTION] = [ // as in imagine.py
  "imagined embedding and caption",
  "imagined embedding alone",
  "the caption's own embedding alone",
  "caption alone, as in GLIDE",
];
const SOURCES = { [BOTH]: "imagined", [IMAGINED]: "imagined", [TEXT]: "text", [CAPTION]: "none" }; // of the embedding: see worker.js

function build(kit) {
  const { model } = kit;
  const { name: clip, words, length } = model.get("clip");
  const { name, network } = model.get("decoder");
  const { channels: c, size } = network;
  const [prior, upsampler, known] = ["prior", "upsampler", "known"].map((each) => model.get(each));
  const stills = unpacked(model.get("known_pictures"), c, size, size);
  const each = SAMPLING.several * c * size * size;
  const side = upsampler ? 4 * size : size;
  const studio = new Studio(fetchedFor(model));
  const enlarger = upsampler ? new Enlarger(studio, upsampler) : null;
  const tokenizer = new Tokenizer(words, length);
  kit.onLeave(() => {
    studio.end();
    enlarger?.end();
  });

  const { paint } = pictureTiles(kit, seedTitles(), c, side);
  const box = captionBox(kit, "caption", { label: "A caption", ask: "Draw", tokenizer }, () => ask());
  choice(kit, "given", "the decoder is given", [BOTH, IMAGINED, TEXT, CAPTION]);
  scalePicker(kit);
  stepsSlider(kit);
  seedSlider(kit, (seed) => `${seed} to ${seed + SAMPLING.several - 1}`);
  beginnings(kit, known, () => known.find((caption) => caption === model.get("caption")), (caption) => kit.set("caption", caption));

  const WHAT = {
    [BOTH]: "embeddings that the prior imagines, and from the caption",
    [IMAGINED]: "embeddings that the prior imagines, without the caption",
    [TEXT]: "the caption's own embedding, without the caption",
    [CAPTION]: "the caption, without an embedding",
  };
  const ask = drawing(kit, {
    boxes: [box],
    words: ({ caption, given, scale, steps, seed }) =>
      `Four pictures for “${caption}”, drawn from ${WHAT[given]}: ${steps} step${steps === 1 ? "" : "s"} at guidance ${scale}, ` +
      `from the noise of seeds ${seed} to ${seed + SAMPLING.several - 1}.`,
    refuse: ({ caption }) => (caption ? "" : "Write what the pictures are to show."),
    loading: () => !studio.engine,
    draw: async ({ caption, given, scale, steps, seed }, onFrame) => {
      await studio.wake(clip, prior, name);
      enlarger?.begin();
      const request = { name, clip, prior, tokens: tokenizer.read(caption).tokens, source: SOURCES[given], seeds: seedsFrom(seed), scale, steps };
      Object.assign(request, { reads: given === BOTH || given === CAPTION, method: "dpm-solver++" });
      return studio.engine.ask({ task: "imagine", asker: "imagine", ...request }, onFrame);
    },
    still: (state) => {
      const place = known.indexOf(state.caption);
      const there = place >= 0 && asAtStart(model, state, { caption: state.caption });
      const pictures = there ? stills.subarray(place * each, (place + 1) * each) : new Float32Array(each).fill(0.8);
      paint(pictures, size);
      kit.drew({ pictures });
      return there;
    },
    step: ({ stage, x_t }) => stage === "draw" && paint(x_t, size),
    finish: ({ pictures, closeness }) => {
      paint(pictures, size);
      const cosines = closeness.filter((value) => value !== null).map((value) => value.toFixed(2));
      return model.get("given") === TEXT || !cosines.length ? "" : `The cosines of the embeddings with the caption's: ${cosines.join(", ")}.`;
    },
    enlarging: enlarger && {
      enlarger,
      draw: ({ pictures }, { caption, seed }, onFrame) => {
        const request = { pictures, seeds: seedsFrom(seed), captions: Array(SAMPLING.several).fill(caption) };
        return enlarger.draw("imagine", request, onFrame);
      },
      blank: () => {}, // the small pictures stand in the same places
      show: (pictures) => paint(pictures, side),
    },
  });
}

export default { render: (view) => mount(build, view) };
