// What the views share: data decoded once, sliders and buttons for mouse, touch and keyboard, canvases sharp on any
// screen, faults made visible. A view's own file defines `build(kit)` and ends with `export default { render }`.

const COLORS = { blue: "#0072B2", orange: "#E69F00", green: "#009E73", red: "#D55E00", purple: "#CC79A7" };

const isNarrow = () => window.innerWidth < 600;
let NARROW = isNarrow(); // a phone: a view stacks what it would put side by side
let LETTERS = NARROW ? 13 : 17; // pixels, of what stands beside pictures

// The bytes of a trait as a typed array, in its own memory, so that it is aligned.
function numbers(view, Type) {
  return new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

// What `uint8` and `int16` of base.py have packed: pixels in [-1, 1], and noise.
const decodePixels = (view) => decoded(numbers(view, Uint8Array), (v) => v / 127.5 - 1);
// What `packed` has packed, as decodePixels gives it: a picture of more than 384 colour pixels has a palette.
function unpacked(view, c, h, w) {
  if (c !== 3 || 768 + h * w >= 3 * h * w) return decodePixels(view);
  const bytes = numbers(view, Uint8Array);
  const one = 768 + h * w;
  const pictures = new Float32Array((bytes.length / one) * 3 * h * w);
  for (let k = 0; k < bytes.length / one; k++) {
    for (let i = 0; i < h * w; i++) {
      const color = k * one + 3 * bytes[k * one + 768 + i];
      for (let j = 0; j < 3; j++) pictures[(3 * k + j) * h * w + i] = bytes[color + j] / 127.5 - 1;
    }
  }
  return pictures;
}
const decodeNoise = (view) => decoded(numbers(view, Int16Array), (v) => (v * 8) / 32767);
function decoded(values, act) {
  const out = new Float32Array(values.length); // Float32Array.from is ten times slower
  for (let i = 0; i < out.length; i++) out[i] = act(values[i]);
  return out;
}

// Standard normal noise for whole numbers, the same as `normal` in base.py to 1e-9: sqrt(-2 log u) cos(2 pi v), where series in
// place of Math.log and Math.cos take half the time.
function normal(counter) {
  const i = Math.imul(counter, 2) + 1;
  const n = hash(i); // u = (n + 0.5) / 2^32 = m 2^(power - 32)
  const power = 32 - Math.clz32(n);
  const m = (n + 0.5) * HALVES[power];
  const z = (m - Math.SQRT1_2) / (m + Math.SQRT1_2);
  const q = z * z;
  const log = (power - 32.5) * Math.LN2 + 2 * z * (1 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q / 13))))));
  const x = 2 * Math.PI * (Math.abs(uniform(i + 1) - 0.5) - 0.25); // sin x = cos(2 pi v), with x from -pi/2 to pi/2
  const p = x * x;
  const sin = x * (1 + p * (-1 / 6 + p * (1 / 120 + p * (-1 / 5040 + p * (1 / 362880 + p * (-1 / 39916800 + p * (1 / 6227020800 - p / 1307674368000)))))));
  return Math.sqrt(-2 * log) * sin;
}
const HALVES = Float64Array.from({ length: 33 }, (_, i) => 2 ** -i);

const uniform = (i) => (hash(i) + 0.5) / 4294967296;
function hash(i) {
  i = Math.imul(i ^ (i >>> 16), 0x85ebca6b);
  i = Math.imul(i ^ (i >>> 13), 0xc2b2ae35);
  return (i ^ (i >>> 16)) >>> 0;
}

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// A value that is seen beside its control, which says it to a screen reader: an output would be said at each change too.
const quiet = (attributes = {}) => element("output", { "aria-live": "off", ...attributes });

// A slider for an integer or real trait. JupyterLab would take its arrow keys: stop them here.
function slider(kit, name, { label, min, max, step = 1, page = 10, words }) {
  const input = element("input", { type: "range", min, max, step, "aria-label": label, "data-trait": name });
  input.means = (position) => position; // the trait's value there
  const output = quiet();
  const show = () => {
    const value = kit.model.get(name);
    input.value = value;
    const said = words(value);
    if (output.textContent === said) return;
    output.textContent = said;
    input.setAttribute("aria-valuetext", said);
  };
  input.addEventListener("input", kit.guard(() => kit.set(name, Number(input.value))));
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const by = { PageUp: page * step, PageDown: -page * step }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    kit.set(name, Math.min(input.max, Math.max(input.min, Number(input.value) + by))); // they may have changed
  });
  kit.onChange(show);
  kit.controls.append(element("label", {}, element("span", {}, label), input, output));
  return input;
}

// A slider over the values of a list, which need not be evenly spaced.
function picker(kit, name, values, { label, words }) {
  const listed = { ...kit, model: { get: () => values.indexOf(kit.model.get(name)) }, set: (_, i) => kit.set(name, values[i]) };
  const input = slider(listed, name, { label, min: 0, max: values.length - 1, page: 5, words: (i) => words(values[i]) });
  input.means = (position) => values[position];
  return input;
}

function choice(kit, name, label, options) {
  const select = element("select", { "aria-label": label, "data-trait": name }, ...options.map((o) => element("option", { value: o }, o)));
  select.addEventListener("change", () => kit.set(name, select.value));
  select.addEventListener("keydown", (event) => event.stopPropagation());
  kit.onChange(() => (select.value = kit.model.get(name)));
  kit.controls.append(element("label", {}, element("span", {}, label), select));
  return select;
}

function button(kit, label, act) {
  const node = element("button", { type: "button" }, label);
  node.addEventListener("click", kit.guard(() => act(node)));
  node.addEventListener("keydown", (event) => event.stopPropagation());
  kit.controls.append(node);
  return node;
}

// A line to write in, with a button: act(text) at the button or at Enter. JupyterLab would take the keys: stop them here.
function textBox(kit, { label, ask, longest = 200 }, act) {
  const input = element("input", { type: "text", "aria-label": label, maxlength: longest, autocomplete: "off" });
  const go = kit.guard(() => act(input.value.trim()));
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && !event.isComposing) go();
  });
  kit.controls.append(element("label", {}, element("span", {}, label), input));
  button(kit, ask, go);
  return input;
}

// The progress of some work: show(share from 0 to 1), or show(null) to hide it.
function progressBar(kit, label) {
  const fill = element("div");
  const node = element("div", { role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  kit.controls.append(node);
  return (share) => {
    const percent = Math.round(100 * (share ?? 0));
    node.hidden = share === null;
    fill.style.width = `${percent}%`;
    node.setAttribute("aria-valuenow", percent);
  };
}

// Play runs `name` through `values` in about `seconds`, and stops at whatever is done with the controls. Nothing plays by itself;
// where the reader's system asks for reduced motion, Play moves twice a second instead of gliding.
function player(kit, name, values, seconds) {
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const end = values.length - 1;
  let timer = null;
  const stop = () => {
    cancelAnimationFrame(timer);
    timer = null;
    node.textContent = "Play";
  };
  const node = button(kit, "Play", () => {
    if (timer !== null) return stop();
    node.textContent = "Pause";
    let at = values.indexOf(kit.model.get(name));
    if (at === end) at = 0;
    let last = performance.now();
    const move = (now) => {
      timer = requestAnimationFrame(move);
      if (calm && now - last < 500) return;
      at = Math.min(end, at + (end * (now - last)) / (1000 * seconds));
      last = now;
      kit.set(name, values[Math.round(at)]);
      if (at === end) stop();
    };
    timer = requestAnimationFrame(move);
  });
  for (const done of ["pointerdown", "keydown", "input", "change", "click"]) {
    const touched = ({ target, key }) => timer !== null && target !== node && !["Tab", "Shift"].includes(key) && stop();
    kit.controls.addEventListener(done, touched, { capture: true }); // before a control, which may keep a key for itself
  }
  kit.onLeave(stop);
}

// A canvas of `width` x `height` CSS pixels, drawn at the screen's own resolution.
function canvas(kit, width, height) {
  const node = element("canvas", { role: "img" });
  const scale = Math.max(1, window.devicePixelRatio || 1);
  node.width = width * scale;
  node.height = height * scale;
  node.style.aspectRatio = `${width} / ${height}`;
  node.style.maxWidth = `calc(${width}px * var(--ddpm-zoom))`;
  const context = node.getContext("2d");
  context.scale(scale, scale);
  kit.figure.append(node);
  return { node, context, width, height };
}

// A number with two decimals; + 0 turns -0 into 0.
const rounded = (v) => (Number(v.toFixed(2)) + 0).toFixed(2);

// A value of an axis in words.
const say = (value) => (typeof value === "number" ? String(Number(value.toPrecision(6))) : value);

// Pixels in [-1, 1], (c, h, w) from `offset` on, into the memory of an ImageData; grey ones as dark ink on white paper.
function setPixels({ data: { buffer } }, values, offset, c) {
  const pixels = new Uint32Array(buffer); // four bytes at once
  const n = pixels.length;
  const [sign, step] = c === 1 ? [-127.5, 0] : [127.5, n];
  const level = (at) => {
    const value = sign * values[at] + 128;
    return value < 0 ? 0 : value > 255 ? 255 : value | 0;
  };
  for (let i = 0; i < n; i++) {
    const at = offset + i;
    pixels[i] = 0xff000000 | (level(at + 2 * step) << 16) | (level(at + step) << 8) | level(at);
  }
}

// How wide a text is, in CSS pixels.
function textWidth(text, size = LETTERS) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.font = `${size}px system-ui, sans-serif`;
  return Math.ceil(context.measureText(text).width);
}

// A text in lines that are at most so wide, if their words are.
function wrapped(text, widest, size = LETTERS) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length && textWidth(longer, size) <= widest) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

// A grid of pictures of c x h x w on its own canvas, `names` at the left of the rows (if there are any) and `titles`
// over the columns. `paint(values, offset, row, column)` draws one; `node.place(row, column, i, j)` says where its pixel
// (i, j) is, in device pixels.
function pictureGrid(kit, { rows, columns, c, h, w, names = [], titles = [], widest = 210 }) {
  const left = names.length ? Math.max(NARROW ? 0 : 52, 14 + Math.max(...names.map((name) => textWidth(name)))) : 2;
  const tile = Math.min(widest, Math.floor(((NARROW ? 360 : 700) - left) / columns) - 4);
  const tall = Math.round((tile * h) / w);
  const over = titles.map((title) => wrapped(title, tile));
  const lines = Math.max(0, ...over.map((each) => each.length));
  const top = lines ? 8 + lines * (LETTERS + 3) : 2;
  const sheet = canvas(kit, left + columns * (tile + 4), top + rows * (tall + 4));
  const small = new OffscreenCanvas(w, h);
  const ink = small.getContext("2d");
  const pixels = new ImageData(w, h);
  const { context, node } = sheet;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, sheet.width, sheet.height);
  context.fillStyle = "#000";
  context.font = `${LETTERS}px system-ui, sans-serif`;
  names.forEach((name, row) => context.fillText(name, 4, top + row * (tall + 4) + tall / 2 + 6));
  over.forEach((each, column) => {
    const first = lines - each.length; // the last lines stand on one level
    each.forEach((text, i) => context.fillText(text, left + column * (tile + 4), (first + i + 1) * (LETTERS + 3)));
  });
  const corner = (row, column) => [left + column * (tile + 4), top + row * (tall + 4)];
  const scale = node.width / sheet.width;
  node.place = (row, column, i, j) => {
    const [x, y] = corner(row, column);
    return [scale * (x + ((j + 0.5) * tile) / w), scale * (y + ((i + 0.5) * tall) / h)];
  };
  const paint = (values, offset, row, column) => {
    setPixels(pixels, values, offset, c);
    ink.putImageData(pixels, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, ...corner(row, column), tile, tall);
  };
  return { ...sheet, paint };
}

// Axes on a cleared canvas: `x` and `y` are [least, greatest, label], `ticks` and `heights` the values of x and of y that get
// their number; `write` does so for x. A curve with a scale of its own has it on the right: `right` is [label, [text, value of y where it stands], ...].
// Returns the two functions from values to canvas units; `node.place(x, y)` says the same in device pixels.
function axes(sheet, { title, x, y, ticks = x.slice(0, 2), write = String, heights = y.slice(0, 2), right = [] }) {
  const { context: g, node, width, height } = sheet;
  const box = { left: y[2] ? 58 : 46, right: width - (right.length ? 70 : 16), top: 34, bottom: height - 44 };
  const atX = (value) => box.left + ((box.right - box.left) * (value - x[0])) / (x[1] - x[0]);
  const atY = (value) => box.bottom + ((box.top - box.bottom) * (value - y[0])) / (y[1] - y[0]);
  const scale = node.width / width;
  node.place = (a, b) => [scale * atX(a), scale * atY(b)];
  g.fillStyle = "#fff";
  g.fillRect(0, 0, width, height);
  g.font = "16px system-ui, sans-serif";
  g.fillStyle = g.strokeStyle = "#000";
  g.lineWidth = 1;
  g.setLineDash([]);
  g.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  g.fillText(title, Math.max(2, Math.min(box.left, width - 4 - g.measureText(title).width)), 22);
  g.textAlign = "center";
  for (const value of ticks) g.fillText(write(value), Math.min(atX(value), width - 22), height - 24);
  g.fillText(x[2], (box.left + box.right) / 2, height - 7);
  g.textAlign = "right";
  for (const value of heights) g.fillText(String(value), box.left - 5, atY(value) + 6);
  g.textAlign = "left";
  const [rightLabel, ...marks] = right;
  for (const [text, value] of marks) g.fillText(text, box.right + 5, atY(value) + 6);
  g.textAlign = "center";
  for (const [label, at] of [[y[2], 16], [rightLabel, width - 6]]) {
    if (!label) continue;
    g.save();
    g.translate(at, (box.top + box.bottom) / 2);
    g.rotate(-Math.PI / 2);
    g.fillText(label, 0, 0);
    g.restore();
  }
  g.textAlign = "left";
  return { atX, atY, box };
}

// A line through (xs[i], ys[i]), in the units of `axes`.
function curve(g, { atX, atY }, xs, ys, { color, dash = [], width = 2.5 }) {
  g.beginPath();
  g.setLineDash(dash);
  g.strokeStyle = color;
  g.lineWidth = width;
  for (let i = 0; i < xs.length; i++) g.lineTo(atX(xs[i]), atY(ys[i]));
  g.stroke();
  g.setLineDash([]);
}

function dot(g, { atX, atY }, x, y, color, radius = 6) {
  g.beginPath();
  g.fillStyle = color;
  g.arc(atX(x), atY(y), radius, 0, 7);
  g.fill();
}

// Arrows from places[i] = [x, y] along (ways[2i], ways[2i + 1]) times `scale`, in the units of `axes`, where `only(i)` holds.
function arrows(g, { atX, atY }, places, ways, { color, width = 2, scale, only = () => true }) {
  g.beginPath();
  g.strokeStyle = color;
  g.lineWidth = width;
  for (const [i, [x, y]] of places.entries()) {
    if (!only(i)) continue;
    const [a, b] = [atX(x + scale * ways[2 * i]), atY(y + scale * ways[2 * i + 1])];
    const [dx, dy] = [a - atX(x), b - atY(y)];
    const head = Math.min(0.35, 8 / Math.hypot(dx, dy)); // as a share of the length, at most 8 pixels
    g.moveTo(atX(x), atY(y));
    g.lineTo(a, b);
    for (const side of [-0.5, 0.5]) {
      g.moveTo(a, b);
      g.lineTo(a - head * (dx + side * dy), b - head * (dy - side * dx));
    }
  }
  g.stroke();
}

// The rims of a mixture's components in the plane at three standard deviations, shrunk by `signal`, in the units of `axes`.
function spots(g, { atX, atY }, { means, vars, axes: turns }, signal, color) {
  g.strokeStyle = color;
  g.lineWidth = 1.5;
  for (const [k, [x, y]] of means.entries()) {
    const [a, b] = vars[k].map((v) => 3 * signal * Math.sqrt(v));
    const turn = Math.atan2(-turns[k][1][0], turns[k][0][0]); // the canvas counts downwards
    g.beginPath();
    g.ellipse(atX(signal * x), atY(signal * y), atX(a) - atX(0), atX(b) - atX(0), turn, 0, 7);
    g.stroke();
  }
}

// From here to the next `restore`, what lies outside of the axes is not drawn.
function clipped(g, { box }) {
  g.save();
  g.beginPath();
  g.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  g.clip();
}

// Where a pointer drags on a canvas: act(x, y, event) in canvas units, from its press to its release. A finger that swipes up or down
// scrolls the page: so what it presses counts only once it has moved sideways or is lifted. A canvas to draw on needs all directions: it
// leaves fingers to the page until the reader presses a button in `host`, which is seen, and which a keyboard and a screen reader reach.
function drag(kit, { node, width }, act, host = null) {
  const tell = kit.guard((event) => {
    const scale = width / node.clientWidth;
    act(event.offsetX * scale, event.offsetY * scale, event);
  });
  let fingers = !host; // whether they count
  let dragging = null; // the pointer that does
  let pressed = null; // by a finger that may still scroll
  if (host) {
    const toggle = button({ ...kit, controls: host }, "Draw with a finger", () => {
      fingers = !fingers;
      toggle.setAttribute("aria-pressed", fingers);
      node.style.touchAction = fingers ? "none" : SCROLLS;
    });
    toggle.setAttribute("aria-pressed", false);
    toggle.style.margin = "6px 0";
    toggle.hidden = !window.matchMedia("(any-pointer: coarse)").matches; // there is no touch screen
  }
  node.style.touchAction = SCROLLS;
  node.addEventListener("pointerdown", (event) => {
    const touch = event.pointerType === "touch";
    if (touch && !fingers) return;
    node.setPointerCapture(event.pointerId);
    dragging = event.pointerId;
    if (touch && !host) pressed = event;
    else tell(event);
  });
  const press = () => {
    if (pressed) tell(pressed);
    pressed = null;
  };
  node.addEventListener("pointermove", (event) => {
    if (event.pointerId !== dragging) return;
    const [across, down] = ["clientX", "clientY"].map((side) => Math.abs(event[side] - pressed?.[side]));
    if (pressed && across < Math.max(8, down)) return;
    press();
    tell(event);
  });
  node.addEventListener("pointerup", press);
  for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => (dragging = pressed = null));
}
const SCROLLS = "pan-y pinch-zoom";

// The view in its place, which is built anew when a phone is turned: the state is the model's, and `kept` is for what else must stay.
function mount(build, { model, el }) {
  const kept = {};
  let built = NARROW;
  let leave = placed(build, model, el, kept);
  const turned = () => {
    if (isNarrow() === built) return;
    built = NARROW = isNarrow();
    LETTERS = NARROW ? 13 : 17;
    leave();
    leave = placed(build, model, el, kept);
  };
  window.addEventListener("resize", turned);
  return () => {
    window.removeEventListener("resize", turned);
    leave();
  };
}

// `build(kit)` makes canvases and controls and says by `kit.onChange` what to do at each change. After each, `root.dataset.state` is the
// state that is drawn, and `root.drawn` the numbers it was drawn from. Gives leave(), which takes the view away.
function placed(build, model, el, kept) {
  const root = element("div", { class: "ddpm-view" });
  el.append(root);
  const fail = (error) => {
    console.error(error);
    root.replaceChildren(element("p", { role: "alert" }, `This view failed: ${error.message}`));
    model.set("fault", String(error.message));
    model.save_changes();
  };
  const guard = (act) => (...given) => {
    try {
      return act(...given);
    } catch (error) {
      fail(error);
    }
  };
  const start = model.get("start");
  const listeners = [];
  const leaving = [];
  const resetting = [];
  const kit = {
    model,
    kept,
    guard,
    figure: element("div", { class: "figure" }),
    controls: element("div", { class: "controls" }),
    caption: element("p", { class: "caption" }),
    // The present state in words: the caption of the view, and what its first canvas is called. A screen reader says it only if it is
    // `aloud`: what the reader has just set is known.
    describe: (text, aloud = false) => {
      if (kit.caption.textContent === text) return;
      kit.caption.setAttribute("aria-live", aloud ? "polite" : "off");
      kit.caption.textContent = text;
      kit.figure.querySelector("canvas").setAttribute("aria-label", text);
    },
    set: (name, value) => kit.setAll({ [name]: value }),
    setAll: (traits) => {
      for (const [name, value] of Object.entries(traits)) model.set(name, value);
      model.save_changes();
    },
    onChange: (listener) => listeners.push(listener),
    onLeave: (act) => leaving.push(act),
    onReset: (act) => resetting.push(act), // for what is no part of the state
    drew: (drawn) => (root.drawn = drawn),
  };
  let waiting = null;
  const update = guard(() => {
    waiting = null;
    for (const listener of listeners) listener();
    root.dataset.state = JSON.stringify(Object.fromEntries(Object.keys(start).map((name) => [name, model.get(name)])));
  });
  const schedule = () => (waiting ??= requestAnimationFrame(update));
  guard(() => {
    root.append(kit.figure, kit.controls, kit.caption);
    build(kit);
    button(kit, "Reset", () => {
      kit.setAll(model.get("start"));
      for (const act of resetting) act();
    });
    const big = button(kit, "Big", () => kit.set("big", !model.get("big")));
    kit.onChange(() => {
      root.classList.toggle("big", model.get("big"));
      big.setAttribute("aria-pressed", model.get("big"));
    });
    update();
    model.on("change", schedule);
  })();
  return () => {
    model.off("change", schedule);
    cancelAnimationFrame(waiting);
    for (const act of leaving) act();
    root.remove();
  };
}
