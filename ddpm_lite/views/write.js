// Write: a caption is typed, and the network draws it here, in a worker. Until it is asked, what was drawn beforehand is seen.

const TITLES = ["xₜ", "x̂₀, what the network sees in it"];

function build(kit) {
  const { model } = kit;
  const recipe = model.get("recipe");
  const { channels: c, size } = recipe.network;
  const known = model.get("known");
  const stills = unpacked(model.get("known_pictures"), c, size, size);
  const one = c * size * size;
  const upsampler = model.get("upsampler");
  const knownLarge = upsampler ? unpacked(model.get("known_large"), c, 4 * size, 4 * size) : null;
  const writer = new Writer(recipe, upsampler || null, fetchedFor(model));
  kit.onLeave(() => writer.end());

  // For each of the two captions: what is in work, and what becomes of it in 64 x 64.
  const panels = [0, 1].map(() => {
    const work = pictureGrid(kit, { rows: 1, columns: 2, c, h: size, w: size, titles: TITLES, widest: 170 });
    const large = upsampler ? pictureGrid(kit, { rows: 1, columns: 1, c, h: 4 * size, w: 4 * size, titles: ["enlarged"], widest: 210 }) : null;
    return { work, large };
  });
  const boxes = ["caption", "other"].map((trait) => {
    const [label, press] = trait === "caption" ? ["A caption", "Draw"] : ["another, from the same noise", "Draw both"];
    return captionBox(kit, trait, { label, ask: press, tokenizer: writer.tokenizer }, () => ask());
  });
  samplingControls(kit);
  beginnings(kit, known, () => known.find((each) => each === model.get("caption")), (name) => kit.set("caption", name));

  const paint = (panel, k, values, column) => panel.work.paint(values, k * one, 0, column);
  const captions = () => [model.get("caption"), ...(model.get("other") ? [model.get("other")] : [])];
  const end = (pictures) => captions().forEach((_, k) => [0, 1].forEach((column) => paint(panels[k], k, pictures, column)));
  const showLarge = (pictures) => captions().forEach((_, k) => panels[k].large.paint(pictures, k * 16 * one, 0, 0));
  const blank = new Float32Array(32 * one).fill(0.8); // two pictures of light grey

  const words = ({ caption, other, ...how }) => {
    const beside = other ? ` and, from the same noise, “${other}”` : "";
    return `A picture for “${caption}”${beside}: ${drawnHow(how)}`;
  };

  // What was drawn beforehand for the caption, if anything was and nothing else is asked.
  const still = (state) => {
    const place = known.indexOf(state.caption);
    if (place < 0 || !asAtStart(model, state, { caption: state.caption })) {
      end(blank);
      if (knownLarge) showLarge(blank);
      return false;
    }
    const picture = stills.subarray(place * one, (place + 1) * one);
    end(picture);
    if (knownLarge) showLarge(knownLarge.subarray(place * 16 * one, (place + 1) * 16 * one));
    kit.drew({ pictures: picture });
    return true;
  };

  const ask = drawing(kit, {
    words,
    boxes,
    refuse: ({ caption }) => (caption ? "" : "Write what the picture is to show."),
    still,
    loading: () => !writer.studio.engine,
    draw: async ({ scale, steps, method, seed }, onFrame) => writer.draw(captions(), { scale, steps, method, seed }, onFrame),
    step: ({ x_t, x0 }) => captions().forEach((_, k) => [x_t, x0].forEach((values, column) => paint(panels[k], k, values, column))),
    finish: ({ pictures }) => end(pictures),
    enlarging: writer.enlarger && {
      enlarger: writer.enlarger,
      draw: ({ pictures }, now, onFrame) => writer.enlarge(pictures, captions(), now, onFrame),
      blank: () => showLarge(blank),
      show: showLarge,
    },
  });

  kit.onChange(() => {
    for (const [k, { work, large }] of panels.entries()) {
      const text = captions()[k] ?? "";
      if (k) work.node.setAttribute("aria-label", `“${text}”: ${TITLES.join(", and ")}`); // the first says the state in words
      large?.node.setAttribute("aria-label", `“${text}”, enlarged to ${4 * size} × ${4 * size} pixels`);
      work.node.hidden = !text && k > 0;
      if (large) large.node.hidden = work.node.hidden;
    }
  });
}

export default { render: (view) => mount(build, view) };
