// What the views share that take pictures of the reader's own: files, and a brush for mouse, finger and keyboard. See reader_pictures.py.

const LARGEST = 50e6; // pixels of a picture from a file
const BAND = 64; // rows that are read at once

// The bytes 0..255 of a picture as hexadecimal digits, and the picture in [-1, 1] that these mean.
const toHex = (bytes) => Array.from(bytes, (value) => value.toString(16).padStart(2, "0")).join("");
const fromHex = (digits) => Float32Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16) / 127.5 - 1);

// The name of a picture among those to begin with, [name, digits, …] each; undefined for another one.
const nameOf = (known, picture) => known.find(([, digits]) => digits === picture)?.[0];

// What Pillow weighs by LANCZOS to make `size` numbers of `length` ones from `first` on, of n: [place of the first, weights] for each.
function lanczos(n, first, length, size) {
  const scale = length / size;
  const wide = Math.max(1, scale);
  const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
  return Array.from({ length: size }, (_, i) => {
    const middle = first + (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(middle - 3 * wide + 0.5));
    const to = Math.min(n, Math.trunc(middle + 3 * wide + 0.5));
    const places = Float64Array.from({ length: to - from }, (__, k) => (k + from - middle + 0.5) / wide);
    const weights = places.map((x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0));
    const sum = weights.reduce((a, b) => a + b, 0);
    return [from, weights.map((weight) => weight / sum)];
  });
}

// The middle square of a picture as size x size pixels, their bytes channel by channel: `square` of data/folder.py, which is on
// white where it is transparent, and Pillow's LANCZOS along the rows, then along the columns. source: what a canvas can draw. A large
// picture takes seconds, so the work rests after each band of rows.
function* fitting(source, { width, height }, size) {
  const side = Math.min(width, height);
  const across = lanczos(width, (width - side) / 2, side, size);
  const down = lanczos(height, (height - side) / 2, side, size);
  const [top, end] = [down[0][0], down.at(-1)[0] + down.at(-1)[1].length];
  const g = new OffscreenCanvas(width, BAND).getContext("2d", { willReadFrequently: true });
  g.fillStyle = "#fff";
  const narrow = new Uint8ClampedArray(3 * size * height); // rows of `size` pixels, which are rounded as Pillow rounds them
  for (let band = top; band < end; band += BAND) {
    const rows = Math.min(BAND, end - band);
    g.fillRect(0, 0, width, rows);
    g.drawImage(source, 0, band, width, rows, 0, 0, width, rows);
    const { data } = g.getImageData(0, 0, width, rows);
    for (let y = 0; y < rows; y++) {
      for (const [x, [from, weights]] of across.entries()) {
        for (let c = 0; c < 3; c++) {
          let sum = 0;
          for (let k = 0; k < weights.length; k++) sum += weights[k] * data[4 * (y * width + from + k) + c];
          narrow[3 * ((band + y) * size + x) + c] = sum;
        }
      }
    }
    yield;
  }
  const bytes = new Uint8ClampedArray(3 * size * size);
  for (const [y, [from, weights]] of down.entries()) {
    for (let x = 0; x < size; x++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * narrow[3 * ((from + k) * size + x) + c];
        bytes[(c * size + y) * size + x] = sum;
      }
    }
  }
  return bytes;
}

// All at once, for a small picture; and with the page's own work between the bands.
function fitted(...picture) {
  const work = fitting(...picture);
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

async function fittedInTurns(...picture) {
  const work = fitting(...picture);
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await new Promise((go) => setTimeout(go));
  }
}

// The picture in a file, upright, its colours as they stand there. Rejects with a sentence.
async function readPicture(file) {
  const name = `“${file.name.slice(0, 60)}”`;
  if (!file.size) throw new Error(`${name} is empty: it has no bytes.`);
  const refused = () => {
    throw new Error(`${name} is not a picture that this browser can read: choose a PNG, JPEG, GIF or WebP.`);
  };
  const address = URL.createObjectURL(file);
  const first = element("img", { src: address }); // it tells its size before its pixels are read
  await new Promise((go, fail) => Object.assign(first, { onload: go, onerror: fail })).catch(refused).finally(() => URL.revokeObjectURL(address));
  const { naturalWidth: width, naturalHeight: height } = first;
  if (width * height > LARGEST) {
    const size = [width, height].map((side) => side.toLocaleString("en")).join(" × ");
    throw new Error(`${name} has ${size} pixels, and the page reads pictures of at most ${LARGEST / 1e6} million pixels: make it smaller.`);
  }
  return window.createImageBitmap(file, { colorSpaceConversion: "none" }).catch(refused);
}

// Takes pictures that are dropped on the view, pasted into it, or chosen with a button: take(bitmap, its bytes of size x size). Why one is not taken is said
// under the figure, until something changes.
function takePictures(kit, size, take) {
  const view = kit.figure.parentNode;
  const alert = element("p", { role: "alert" });
  kit.figure.after(alert);
  const tell = (trouble) => {
    alert.textContent = trouble;
    alert.hidden = !trouble;
  };
  kit.onChange(() => tell(""));
  let latest = 0;
  const receive = async (file) => {
    const mine = ++latest;
    try {
      if (!file) throw new Error("What was dropped is not a file: drop a picture.");
      const bitmap = await readPicture(file);
      const bytes = await fittedInTurns(bitmap, bitmap, size);
      if (mine === latest) kit.guard(take)(bitmap, bytes);
      bitmap.close();
    } catch (error) {
      if (mine === latest) tell(error.message);
    }
  };
  const over = (event, is) => {
    event.preventDefault();
    event.stopPropagation();
    kit.figure.style.outline = is ? "3px dashed #0072B2" : "";
  };
  view.addEventListener("dragover", (event) => over(event, true));
  view.addEventListener("dragleave", (event) => over(event, false));
  view.addEventListener("drop", (event) => {
    over(event, false);
    receive(event.dataTransfer.files[0]);
  });
  view.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (!file) return; // text, for the box that it is pasted into
    event.preventDefault();
    event.stopPropagation();
    receive(file);
  });
  const chooser = element("input", { type: "file", accept: "image/*", hidden: "", "aria-label": "a picture from a file" });
  chooser.addEventListener("change", () => {
    if (chooser.files.length) receive(chooser.files[0]);
    chooser.value = ""; // the same file may be chosen again
  });
  button(kit, "Open a picture", () => chooser.click());
  kit.controls.append(chooser);
}

// The kit for controls whose values are the page's own, and no state of the view.
function ownKit(kit, values) {
  const listeners = [];
  const set = (name, value) => {
    values[name] = value;
    for (const listener of listeners) listener();
  };
  const onChange = (listener) => {
    listeners.push(listener);
    kit.onChange(listener);
  };
  return { ...kit, model: { get: (name) => values[name] }, set, onChange };
}

// A square canvas of `pixels` x `pixels` under a brush, before what else the figure shows. Places are [x, y] in units of which its side
// has `side`; an arrow key moves the brush by `step`. begin() comes before each stroke, stroke(from, to) for each part of it, and end()
// after it; moved(place) tells where the keys have brought the brush, null when it has left; undo() is asked for by Ctrl+Z. Gives
// { node: the canvas, ring: the brush, size(width): sets how wide that is }.
function pad(kit, { pixels, side, step, title, widest, begin, stroke, end, moved, undo }) {
  const keys = "Arrow keys move the brush, Space paints, an arrow with Shift paints a line, and Control Z undoes.";
  const node = element("canvas", { width: pixels, height: pixels, tabindex: 0, role: "application", "aria-label": title, "aria-description": keys });
  const ring = element("div", { "aria-hidden": "true", hidden: "" });
  Object.assign(ring.style, { position: "absolute", border: "2px solid #000", outline: "2px solid #fff", transform: "translate(-50%, -50%)", pointerEvents: "none", boxSizing: "border-box" });
  const frame = element("div", {}, node, ring);
  Object.assign(frame.style, { position: "relative", lineHeight: 0, overflow: "hidden", border: "1px solid #767676" });
  const holder = element("div", {}, element("div", {}, title), frame);
  Object.assign(holder.style, { order: -1, width: "100%", maxWidth: `calc(${NARROW ? 264 : widest}px * var(--ddpm-zoom))` });
  Object.assign(holder.firstChild.style, { fontSize: `calc(${LETTERS}px * var(--ddpm-zoom))`, lineHeight: 1.2, padding: "4px 0 6px" });
  Object.assign(node.style, { cursor: "crosshair", display: "block" });
  kit.figure.append(holder);

  let last = null; // where the pointer was
  drag(kit, { node, width: side }, (x, y, event) => {
    if (event.type === "pointerdown") {
      last = null;
      begin();
    }
    stroke(last ?? [x, y], [x, y]);
    last = [x, y];
  }, holder);
  const lift = kit.guard(() => {
    if (last) end();
    last = null;
  });
  for (const name of ["pointerup", "pointercancel"]) node.addEventListener(name, lift);

  let at = [side / 2, side / 2].map((each) => (Math.floor(each / step) + 0.5) * step);
  const show = (is) => {
    ring.hidden = !is;
    [ring.style.left, ring.style.top] = at.map((each) => `${(100 * each) / side}%`);
  };
  node.addEventListener("focus", () => {
    const byKey = node.matches(":focus-visible");
    show(byKey);
    moved(byKey ? at : null);
  });
  node.addEventListener("blur", () => {
    show(false);
    moved(null);
  });
  const key = kit.guard((event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    const undoes = event.key === "z" && (event.ctrlKey || event.metaKey);
    if (!dx && !dy && event.key !== " " && !undoes) return;
    event.preventDefault();
    if (undoes) return undo();
    const from = at;
    at = [at[0] + dx * step, at[1] + dy * step].map((each) => Math.min(side - step / 2, Math.max(step / 2, each)));
    show(true);
    if (event.key === " " || event.shiftKey) {
      begin();
      stroke(from, at);
      end();
    }
    moved(at);
  });
  node.addEventListener("keydown", (event) => {
    event.stopPropagation(); // JupyterLab would take it
    key(event);
  });
  const size = (width) => (ring.style.width = ring.style.height = `${(100 * width) / side}%`);
  return { node, ring, size };
}
