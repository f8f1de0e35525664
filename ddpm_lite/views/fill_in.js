// FillIn: a part of a picture is erased with a brush, a caption says what is to be there, and the network fills it in here, in a worker.

const CELL = 20; // pixels of the brush's canvas for each of the picture
const UNDONE = 50; // strokes
const TITLES = ["xₜ", "x̂₀, the guess"];

function build(kit) {
  const { model } = kit;
  const recipe = model.get("recipe");
  const { channels: c, size } = recipe.network;
  const known = model.get("known");
  const one = c * size * size;
  const stills = unpacked(model.get("known_pictures"), c, size, size);
  const stillsLarge = unpacked(model.get("known_large"), c, 4 * size, 4 * size);
  const upsampler = model.get("upsampler");
  const writer = new Writer(recipe, upsampler || null, fetchedFor(model));
  kit.onLeave(() => writer.end());

  const work = pictureGrid(kit, { rows: 1, columns: 2, c, h: size, w: size, titles: TITLES, widest: NARROW ? 170 : 146 });
  const large = upsampler ? pictureGrid(kit, { rows: 1, columns: 1, c, h: 4 * size, w: 4 * size, titles: ["enlarged"], widest: 210 }) : null;
  const own = { tool: "erase", brush: 3 };
  const mine = ownKit(kit, own);
  const past = []; // { picture, mask } before each change
  let mask = null; // as it is painted: 1 where the picture stays
  let painted = null; // the mask of the state that it was last equal to

  const board = pad(kit, {
    pixels: size * CELL,
    side: size,
    step: 1,
    title: "erase here, or drop a picture",
    widest: 250,
    begin: () => keep(),
    stroke: (from, to) => {
      const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
      for (let i = 0; i <= steps; i++) touch(...from.map((each, k) => each + ((to[k] - each) * i) / steps));
      paint();
    },
    end: () => put(),
    moved: (place) => tellPlace(place),
    undo: () => back(),
  });
  const g = board.node.getContext("2d");
  const spoken = element("p", { class: "said", role: "status" });
  const tellPlace = (place) => {
    if (!place) return void (spoken.textContent = "");
    const [x, y] = place.map(Math.floor);
    const what = mask[y * size + x] === 1 ? "kept" : "erased";
    spoken.textContent = `Row ${y + 1}, column ${x + 1} of ${size}: ${what}. Space ${own.tool === "erase" ? "erases" : "restores"}, and so do arrows with Shift.`;
  };

  // The brush at a place, as pixels of the mask.
  function touch(x, y) {
    const [left, top] = [x, y].map((each) => Math.floor(each) - (own.brush - 1) / 2);
    for (let j = Math.max(0, top); j < Math.min(size, top + own.brush); j++) {
      for (let i = Math.max(0, left); i < Math.min(size, left + own.brush); i++) mask[j * size + i] = own.tool === "erase" ? 0 : 1;
    }
  }

  function keep(more = {}) {
    past.push({ picture: model.get("picture"), mask: model.get("mask"), ...more });
    if (past.length > UNDONE) past.shift();
    undoes.disabled = false;
  }

  const put = () => kit.set("mask", mask.join(""));

  function back() {
    if (past.length) kit.setAll(past.pop());
    undoes.disabled = !past.length;
  }

  function all(value) {
    keep();
    kit.set("mask", value.repeat(size * size));
  }

  // The picture, hatched where it is erased.
  function paint() {
    const small = new OffscreenCanvas(size, size);
    small.getContext("2d").putImageData(image(fromHex(model.get("picture")), 0, c, size, size), 0, 0);
    g.imageSmoothingEnabled = false;
    g.drawImage(small, 0, 0, board.node.width, board.node.height);
    g.strokeStyle = "#555";
    g.fillStyle = "#ddd";
    for (const [i, value] of mask.entries()) {
      if (value === 1) continue;
      const [x, y] = [CELL * (i % size), CELL * Math.floor(i / size)];
      g.fillRect(x, y, CELL, CELL);
      g.beginPath();
      g.moveTo(x, y + CELL);
      g.lineTo(x + CELL, y);
      g.stroke();
    }
  }

  const wish = captionBox(kit, "caption", { label: "what is to be there", ask: "Fill in", tokenizer: writer.tokenizer }, () => ask());
  kit.controls.append(spoken);
  choice(mine, "tool", "the brush", ["erase", "restore"]);
  picker(mine, "brush", [1, 3, 5, 7], { label: "its size", words: (value) => (value === 1 ? "1 pixel" : `${value} × ${value} pixels`) });
  mine.onChange(() => board.size(own.brush));
  const undoes = button(kit, "Undo", back);
  undoes.disabled = true;
  button(kit, "Erase all", () => all("0"));
  button(kit, "Restore all", () => all("1"));
  beginnings(kit, known.map(([name]) => name), () => nameOf(known, model.get("picture")), (name) => {
    keep({ caption: model.get("caption") });
    const [, picture, whole, caption] = known.find(([each]) => each === name);
    kit.setAll({ picture, mask: whole, caption });
  });
  samplingControls(kit);

  const words = ({ picture, mask: row, caption, ...how }) => {
    const name = nameOf(known, picture);
    const what = `${row.split("0").length - 1} of ${row.length} pixels of ${name ? `“${name}”` : "your picture"} are erased, to become “${caption}”`;
    return `${what}: ${drawnHow(how)}`;
  };
  const end = (pictures) => [0, 1].forEach((column) => work.paint(pictures, 0, 0, column));

  // Before it is filled in, the picture is seen with what is erased in grey.
  const unfilled = ({ picture, mask: row }) => {
    end(fromHex(picture).map((value, i) => (row[i % (size * size)] === "1" ? value : 0.5)));
    large?.paint(new Float32Array(16 * one).fill(1), 0, 0, 0);
    return false;
  };

  // What was filled in beforehand, of a picture to begin with and all else as at the start.
  const still = (state) => {
    const place = known.findIndex(([, picture, whole, caption]) => asAtStart(model, state, { picture, mask: whole, caption }));
    if (place < 0) return unfilled(state);
    const pictures = stills.subarray(place * one, (place + 1) * one);
    end(pictures);
    large?.paint(stillsLarge, place * 16 * one, 0, 0);
    kit.drew({ pictures });
    return true;
  };

  const ask = drawing(kit, {
    boxes: [wish],
    act: "Fill in",
    done: "filled in",
    words,
    refuse: ({ caption, mask: row }) => {
      if (!caption) return "Write what is to be there.";
      return row.includes("0") ? "" : "Erase a part of the picture first: paint on it with the brush.";
    },
    still,
    loading: () => !writer.studio.engine,
    draw: async ({ picture, mask: row, caption, ...how }, onFrame) => {
      const keeps = { pictures: fromHex(picture), mask: Float32Array.from(row, Number) };
      return writer.draw([caption], { known: keeps, ...how }, onFrame);
    },
    step: ({ x_t, x0 }) => [x_t, x0].forEach((values, column) => work.paint(values, 0, 0, column)),
    finish: ({ pictures }) => end(pictures),
    enlarging: writer.enlarger && {
      enlarger: writer.enlarger,
      draw: ({ pictures }, now, onFrame) => writer.enlarge(pictures, [now.caption], now, onFrame),
      blank: () => large.paint(new Float32Array(16 * one).fill(1), 0, 0, 0),
      show: (pictures) => large.paint(pictures, 0, 0, 0),
    },
  });
  takePictures(kit, size, (_, bytes) => {
    keep();
    kit.setAll({ picture: toHex(bytes), mask: "1".repeat(size * size) });
  });
  kit.onChange(() => {
    if (painted !== model.get("mask")) {
      painted = model.get("mask");
      mask = Array.from(painted, Number);
    }
    paint();
    large?.node.setAttribute("aria-label", `The picture, enlarged to ${4 * size} × ${4 * size} pixels`);
  });
}

export default { render: (view) => mount(build, view) };
