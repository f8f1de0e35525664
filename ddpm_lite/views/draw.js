// Draw: the network draws at each move of a slider, here, in a worker. The strip keeps every step, from noise to the picture.

const TITLES = ["xₜ", "x̂₀, what the network sees in it"];

function build(kit) {
  const { model } = kit;
  const { name, network } = model.get("recipe");
  const { channels: c, size, num_classes: classes } = network;
  const one = c * size * size;
  const studio = new Studio(fetchedFor(model));
  kit.onLeave(() => studio.end());
  const asks = () => model.get("label") < classes;

  // What is seen: of each step its t, x_t and x0; the last is the picture. `looked`: the step that is seen large, null for the newest.
  let path = [];
  let looked = null;
  let count = 0; // of the steps of this drawing, and its end
  const large = pictureGrid(kit, { rows: 1, columns: 2, c, h: size, w: size, titles: TITLES, widest: 210 });
  const strip = filmOf(kit, { c, size });
  const still = stillPath();

  function stillPath() {
    const all = decodePixels(model.get("still"));
    const n = all.length / one / 2;
    const at = (k) => all.subarray(k * one, (k + 1) * one);
    return model.get("visited").map((t, k) => ({ t, x_t: at(k), x0: at(n + k) }));
  }

  const now = () => Math.min(looked ?? path.length - 1, path.length - 1);
  function show() {
    if (!path.length) return;
    const k = now();
    [path[k].x_t, path[k].x0].forEach((values, column) => large.paint(values, 0, 0, column));
    strip.paint(path, count, looked === null ? null : k);
    place.max = path.length - 1;
    place.value = k;
    const words = `t = ${path[k].t}, ${k === count - 1 ? "the picture" : `after ${k} of ${count - 1} steps`}`;
    place.setAttribute("aria-valuetext", words);
    said.textContent = words;
  }

  // The reader looks at a step of the path.
  const look = (k) => {
    looked = k >= count - 1 ? null : k;
    show();
  };
  const place = element("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "look at a step" });
  const said = quiet();
  place.addEventListener("input", kit.guard(() => look(Number(place.value))));
  place.addEventListener("keydown", (event) => event.stopPropagation());
  drag(kit, strip, kit.guard((x, y) => {
    const k = strip.at(x, y);
    if (k !== null && k < path.length) look(k);
  }));

  const words = ({ label, scale, eta, steps, method, seed }) => {
    const how = [`${steps} step${steps === 1 ? "" : "s"} of ${method}`];
    if (label < classes) how.push(`guidance ${scale}`);
    if (method === "ddim") how.push(`eta ${Number(eta.toFixed(2))}`);
    return `${label < classes ? `${label === 8 ? "An" : "A"} ${label}` : "Any digit"}: ${how.join(", ")}, from the noise of seed ${seed}.`;
  };

  // The first move of a slider asks for a drawing too.
  let asked = false;
  const begin = () => {
    asked = true;
    ask();
  };
  const live = {
    ...kit,
    set: (trait, value) => {
      kit.set(trait, value);
      if (!asked) begin();
    },
  };
  button(kit, "Draw", begin);
  const ask = drawing(kit, {
    words,
    loading: () => !studio.engine,
    still: (state) => {
      if (!asAtStart(model, state)) return false;
      [path, count, looked] = [still, still.length, null];
      show();
      kit.drew(flat(path));
      return true;
    },
    draw: async ({ label, scale, eta, steps, method, seed }, onFrame) => {
      await studio.wake(name);
      const rows = [asks() ? { label } : {}];
      let mine = null; // begun with the first step, so that the last picture stays until then
      const how = { name, rows, seeds: [seed], scale: asks() ? scale : 0, steps, method, ...(method === "ddim" ? { eta } : {}) };
      const answer = await studio.engine.draw("draw", how, ({ k, t, x_t, x0, ...more }) => {
        if (k === 0) mine = [];
        mine.push({ t, x_t, x0 });
        onFrame({ k, path: mine, ...more });
      });
      if (!answer.stopped) mine.push({ t: 0, x_t: answer.pictures, x0: answer.pictures });
      return { ...answer, path: mine };
    },
    step: (frame) => {
      [path, count] = [frame.path, frame.steps + 1];
      show();
    },
    finish: (answer) => {
      [path, count] = [answer.path, answer.path.length];
      show();
      kit.drew(flat(path));
    },
  });
  kit.controls.append(element("label", {}, element("span", {}, "look at a step"), place, said));

  const labelled = (value) => (value === classes ? "any" : String(value));
  slider(live, "label", { label: "label", min: 0, max: classes, words: labelled });
  const scale = slider(live, "scale", {
    label: "guidance",
    min: 0,
    max: 8,
    step: 0.25,
    page: 4,
    words: (value) => (asks() ? guidanceWords(value) : "no effect on “any”"),
  });
  methodChoice(live, SAMPLING.samplers);
  const eta = slider(live, "eta", {
    label: "η, fresh noise",
    min: 0,
    max: 1,
    step: 0.05,
    page: 4,
    words: (value) => (model.get("method") === "ddim" ? value.toFixed(2) : "only ddim uses it"),
  });
  stepsSlider(live);
  seedSlider(live);
  kit.onChange(() => {
    scale.disabled = !asks();
    eta.disabled = model.get("method") !== "ddim";
  });
}

// The numbers of a path, one picture after the other.
const flat = (path) => Object.fromEntries([["x_t", "x_t"], ["x0_hat", "x0"]].map(([name, from]) => [name, Float32Array.from(path.flatMap((each) => [...each[from]]))]));

// A canvas for a path in lines, x_t over x0: as large as its room allows.
function filmOf(kit, { c, size }) {
  const letters = NARROW ? 12 : 14;
  const sheet = canvas(kit, NARROW ? 360 : 700, NARROW ? 350 : 270);
  const { context: g, width, height } = sheet;
  const small = new OffscreenCanvas(size, size);
  const above = letters + 8; // the title's
  let laid = { side: 1, each: 1 };
  const lay = (n) => {
    laid = { side: 0, each: n };
    for (let lines = 1; lines <= n; lines++) {
      const each = Math.ceil(n / lines);
      const side = Math.floor(Math.min(width / each - 3, ((height - above) / lines - letters - 8) / 2, 84));
      if (side > laid.side) laid = { side, each };
    }
  };
  const corner = (k) => [(k % laid.each) * (laid.side + 3) + 1, above + Math.floor(k / laid.each) * (2 * laid.side + letters + 8) + 1];

  // The path so far, of `count` steps in the end; k: the one that is looked at, or null.
  const paint = (path, count, k) => {
    lay(count);
    g.fillStyle = "#fff";
    g.fillRect(0, 0, width, height);
    g.imageSmoothingEnabled = false;
    g.font = `${letters}px system-ui, sans-serif`;
    g.fillStyle = "#000";
    g.fillText("every step: xₜ above, x̂₀ below; press one to see it large", 2, letters + 2);
    let free = [0, -1]; // where the last number ends, and in which line
    for (const [i, { t, x_t, x0 }] of path.entries()) {
      const [x, y] = corner(i);
      [x_t, x0].forEach((values, row) => {
        small.getContext("2d").putImageData(image(values, 0, c, size, size), 0, 0);
        g.drawImage(small, x, y + row * (laid.side + 1), laid.side, laid.side);
      });
      g.fillStyle = "#000";
      const text = i % laid.each ? String(t) : `t = ${t}`;
      const line = Math.floor(i / laid.each);
      if (line !== free[1] || x > free[0]) {
        g.fillText(text, x, y + 2 * laid.side + letters + 2);
        free = [x + g.measureText(text).width + 6, line];
      }
      if (i !== k) continue;
      g.strokeStyle = COLORS.red;
      g.lineWidth = 3;
      g.strokeRect(x, y, laid.side, 2 * laid.side + 1);
    }
  };
  const at = (x, y) => {
    const [column, line] = [Math.floor(x / (laid.side + 3)), Math.floor((y - above) / (2 * laid.side + letters + 8))];
    return column < 0 || column >= laid.each || line < 0 ? null : line * laid.each + column;
  };
  sheet.node.setAttribute("aria-label", "The path from noise to the picture, step by step: xₜ above, what the network sees in it below");
  return { ...sheet, paint, at };
}

export default { render: (view) => mount(build, view) };
