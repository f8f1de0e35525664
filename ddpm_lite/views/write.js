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
  const enlarged = upsampler ? unpacked(model.get("known_large"), c, 4 * size, 4 * size) : null;
  const writer = new Writer(recipe, upsampler || null, fetchedFor(model));
  kit.onLeave(() => writer.end());

  // For each of the two captions: what is in work, and what becomes of it in 64 x 64.
  const panels = [0, 1].map(() => {
    const work = pictureGrid(kit, { rows: 1, columns: 2, c, h: size, w: size, titles: TITLES, widest: 170 });
    const large = upsampler ? pictureGrid(kit, { rows: 1, columns: 1, c, h: 4 * size, w: 4 * size, titles: ["enlarged"], widest: 210 }) : null;
    return { work, large };
  });
  const boxes = ["caption", "other"].map((name) => {
    const first = name === "caption";
    const label = first ? "A caption" : "another, from the same noise";
    const box = textBox(kit, { label, ask: first ? "Draw" : "Draw both" }, () => go());
    const marks = element("p", { class: "words", "aria-hidden": "true" });
    const said = element("p", { class: "said", role: "status" });
    kit.controls.append(marks, said);
    const mark = () => {
      const sentence = markWords(marks, writer.tokenizer.read(box.value));
      if (said.textContent !== sentence) said.textContent = sentence; // a screen reader says it once
    };
    let last = null;
    box.addEventListener("input", kit.guard(mark));
    // What is being written stays, unless the caption itself becomes another.
    const follow = () => {
      if (last !== model.get(name)) box.value = last = model.get(name);
      mark();
    };
    return { name, box, follow };
  });
  picker(kit, "scale", model.get("scales"), { label: "guidance", words: (value) => `${value}${{ 0: ", not asked", 1: ", as it is" }[value] ?? ""}` });
  slider(kit, "steps", { label: "steps", min: 1, max: 50, words: String });
  choice(kit, "method", "sampler", ["ddim", "dpm-solver++", "euler", "heun"]);
  slider(kit, "seed", { label: "seed of the noise", min: 0, max: 99, words: String });
  choice(kit, "caption", "begin with", known);

  const paint = (panel, k, values, column) => panel.work.paint(values, k * one, 0, column);
  const captions = () => [model.get("caption"), ...(model.get("other") ? [model.get("other")] : [])];
  const end = (pictures) => captions().forEach((_, k) => [0, 1].forEach((column) => paint(panels[k], k, pictures, column)));

  const words = ({ caption, other, steps, method, scale, seed }) => {
    const beside = other ? ` and, from the same noise, “${other}”` : "";
    return `A picture for “${caption}”${beside}: ${steps} step${steps === 1 ? "" : "s"} of ${method} at guidance ${scale}, from the noise of seed ${seed}.`;
  };

  // What was drawn beforehand for the caption, if anything was and nothing else is asked.
  const still = (state) => {
    const place = known.indexOf(state.caption);
    if (place < 0 || JSON.stringify(state) !== JSON.stringify({ ...model.get("start"), caption: state.caption })) return false;
    const picture = stills.subarray(place * one, (place + 1) * one);
    for (const column of [0, 1]) paint(panels[0], 0, picture, column);
    if (enlarged) panels[0].large.paint(enlarged, place * 16 * one, 0, 0);
    kit.drew({ pictures: picture });
    return true;
  };

  const { ask, tell } = drawing(kit, {
    words,
    still,
    loading: () => !writer.studio.engine,
    draw: async ({ scale, steps, method, seed }, onFrame) => writer.draw(captions(), { scale, steps, method, seed }, onFrame),
    step: ({ stage, x_t, x0, pictures }) => {
      if (stage === "drawn") return end(pictures);
      for (let k = 0; k < captions().length; k++) {
        if (stage === "enlarge") panels[k].large.paint(x0, k * 16 * one, 0, 0);
        else [x_t, x0].forEach((values, column) => paint(panels[k], k, values, column));
      }
    },
    finish: (answer, current) => {
      end(answer.pictures);
      if (answer.large) for (let k = 0; k < captions().length; k++) panels[k].large.paint(answer.large, k * 16 * one, 0, 0);
      const again = () => current() && (writer.enlarges ? ask() : tell(`It is not enlarged. ${writer.trouble}`));
      if (upsampler && !answer.large && !writer.trouble) writer.large.then(again);
      return writer.trouble;
    },
  });

  const go = () => {
    kit.setAll(Object.fromEntries(boxes.map(({ name, box }) => [name, box.value.trim()])));
    if (model.get("caption")) ask();
    else tell("Write what the picture is to show.");
  };
  kit.onChange(() => {
    for (const { follow } of boxes) follow();
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
