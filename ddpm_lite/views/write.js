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
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const writer = new Writer(recipe, upsampler || null, (name) => weights(model, name));
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
    const box = textBox(kit, { label, ask: first ? "Draw" : "Draw both" }, () => ask());
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
  picker(kit, "scale", [0, 1, 1.5, 2, 3, 4, 6, 8], { label: "guidance", words: (value) => `${value}${{ 0: ", not asked", 1: ", as it is" }[value] ?? ""}` });
  slider(kit, "steps", { label: "steps", min: 1, max: 50, words: String });
  choice(kit, "method", "sampler", ["ddim", "dpm-solver++", "euler", "heun"]);
  slider(kit, "seed", { label: "seed of the noise", min: 0, max: 99, words: String });
  choice(kit, "caption", "begin with", known);
  const progress = progressBar(kit, "how far the picture is");
  const alert = element("p", { role: "alert" });
  kit.figure.after(alert);
  kit.caption.setAttribute("role", "status");

  let awake = false; // whether the reader has asked for a drawing: from then on, whatever moves is drawn
  let seen = null; // the state that is drawn or in work
  const state = () => Object.fromEntries(Object.keys(model.get("start")).map((name) => [name, model.get(name)]));
  const paint = (panel, k, values, column) => panel.work.paint(values, k * one, 0, column);
  const captions = () => [model.get("caption"), ...(model.get("other") ? [model.get("other")] : [])];
  const tell = (trouble) => {
    alert.textContent = trouble;
    alert.hidden = !trouble;
  };

  const describe = (ending) => {
    const { caption, other, steps, method, scale, seed } = state();
    const beside = other ? ` and, from the same noise, “${other}”` : "";
    const words = `A picture for “${caption}”${beside}: ${steps} step${steps === 1 ? "" : "s"} of ${method} at guidance ${scale}, from the noise of seed ${seed}.`;
    kit.describe(words);
    kit.caption.textContent = `${words}${ending}`;
    for (const [k, { work, large }] of panels.entries()) {
      const text = captions()[k] ?? "";
      work.node.setAttribute("aria-label", `${k ? "“" : words + " “"}${text}”: ${TITLES.join(", and ")}`);
      large?.node.setAttribute("aria-label", `“${text}”, enlarged to ${4 * size} × ${4 * size} pixels`);
      work.node.hidden = !text && k > 0;
      if (large) large.node.hidden = work.node.hidden;
    }
  };

  // What was drawn beforehand for the caption, if anything was and nothing else is asked.
  const still = () => {
    const { caption } = state();
    const place = known.indexOf(caption);
    if (place < 0 || JSON.stringify(state()) !== JSON.stringify({ ...model.get("start"), caption })) return false;
    const picture = stills.subarray(place * one, (place + 1) * one);
    for (const column of [0, 1]) paint(panels[0], 0, picture, column);
    kit.drew({ pictures: picture });
    return true;
  };

  async function draw() {
    const mine = JSON.stringify(state());
    seen = mine;
    const { scale, steps, method, seed } = state();
    const wanted = captions();
    const current = () => seen === mine;
    tell("");
    describe(writer.engine ? "" : " The weights are being loaded.");
    try {
      await writer.wake();
      if (!current()) return;
      let shown = null;
      describe("");
      const answer = await writer.draw(wanted, { scale, steps, method, seed }, (frame) => {
        if (!current()) return;
        if (frame.stage === "drawn") return end(frame.pictures);
        progress((frame.k + 1) / frame.steps);
        if (calm) return;
        cancelAnimationFrame(shown);
        shown = requestAnimationFrame(() => current() && step(frame));
      });
      cancelAnimationFrame(shown);
      if (!current() || answer.stopped) return;
      end(answer.pictures);
      if (answer.large) for (let k = 0; k < wanted.length; k++) panels[k].large.paint(answer.large, k * 16 * one, 0, 0);
      progress(null);
      kit.drew(answer);
      kit.figure.closest(".ddpm-view").dataset.finished = mine;
      describe(` Drawn.${writer.trouble && ` ${writer.trouble}`}`);
      if (upsampler && !answer.large && !writer.trouble) writer.large.then(() => current() && writer.enlarges && draw());
    } catch (error) {
      if (!current()) return;
      progress(null);
      tell(`${error.message} What was drawn beforehand is seen in its place.`);
      awake = false;
    }
  }

  function step({ stage, x_t, x0 }) {
    for (let k = 0; k < captions().length; k++) {
      if (stage === "enlarge") panels[k].large.paint(x0, k * 16 * one, 0, 0);
      else [x_t, x0].forEach((values, column) => paint(panels[k], k, values, column));
    }
  }

  function end(pictures) {
    for (let k = 0; k < captions().length; k++) for (const column of [0, 1]) paint(panels[k], k, pictures, column);
  }

  const ask = () => {
    awake = true;
    seen = null;
    kit.setAll(Object.fromEntries(boxes.map(({ name, box }) => [name, box.value.trim()])));
    if (model.get("caption")) draw();
    else tell("Write what the picture is to show.");
  };

  progress(null);
  tell("");
  kit.onChange(() => {
    for (const { follow } of boxes) follow();
    if (JSON.stringify(state()) === seen) return;
    if (awake) draw();
    else describe(still() ? " It was drawn beforehand: press Draw, and it is drawn here." : " Press Draw.");
  });
}

// A network's weights: from a file beside the page, or else from the kernel, which sends them once.
function weights(model, name) {
  const folder = globalThis.ddpmLiteFolder;
  if (folder) return fromShelf(name, `${folder}${name}.js`);
  return new Promise((resolve, reject) => {
    const missing = () => reject(new Error("Python, which has the weights, has not answered: it is busy, or it does not run here."));
    const patience = setTimeout(missing, 20000);
    const heard = (message, [data] = []) => {
      if (message.weights !== name) return;
      clearTimeout(patience);
      model.off("msg:custom", heard);
      resolve({ entry: message.entry, bytes: new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)) });
    };
    model.on("msg:custom", heard);
    model.send({ weights: name });
  });
}

export default { render: (view) => mount(build, view) };
