// AskCLIP: a picture is drawn or brought, captions are typed, and CLIP says here, in a worker, how well each fits.

const PIXELS = 256; // of the side of what is drawn on
const UNDONE = 30; // strokes

function build(kit) {
  const { model } = kit;
  const recipe = model.get("recipe");
  const { size, channels: c = 3 } = recipe.network;
  const known = model.get("known");
  const side = model.get("side");
  const large = unpacked(model.get("known_pictures"), c, side, side);
  const scale = model.get("logit_scale");
  const tokenizer = new Tokenizer(recipe.words, recipe.length);
  const studio = new Studio(fetchedFor(model));
  kit.onLeave(() => studio.end());
  const paints = Object.fromEntries(model.get("paints"));

  const seen = pictureGrid(kit, { rows: 1, columns: 1, c, h: size, w: size, titles: [`CLIP sees ${size} × ${size} pixels`], widest: NARROW ? 120 : 210 });
  const tools = { ...kit, controls: element("div", { class: "controls" }) }; // beside the picture
  const own = { colour: model.get("paints")[0][0], brush: 24 };
  const mine = ownKit(tools, own);
  const past = []; // { pixels, picture } before each stroke
  let shown = null; // the picture that the pad shows
  let drawnOn = false; // whether the pad has changed since it was put into the state

  const board = pad(kit, {
    pixels: PIXELS,
    side: PIXELS,
    step: 8,
    title: "draw here, or drop a picture",
    widest: 300,
    begin: () => keep(),
    stroke: ([x0, y0], [x1, y1]) => {
      g.strokeStyle = paints[own.colour];
      g.lineWidth = own.brush;
      g.beginPath();
      g.moveTo(x0, y0);
      g.lineTo(x1 + 0.01, y1); // a dot is a line too
      g.stroke();
      drawnOn = true;
      soon();
    },
    end: () => put(),
    moved: (place) => tellPlace(place),
    undo: () => back(),
  });
  const g = board.node.getContext("2d", { willReadFrequently: true });
  g.lineCap = g.lineJoin = "round";
  board.ring.style.borderRadius = "50%";
  const spoken = element("p", { class: "said", role: "status" });
  const tellPlace = (place) => {
    const [right, down] = (place ?? []).map((each) => Math.round((100 * each) / PIXELS));
    spoken.textContent = place ? `The brush is ${right} % from the left and ${down} % from the top. Space paints, and so do arrows with Shift.` : "";
  };

  function keep() {
    past.push({ pixels: g.getImageData(0, 0, PIXELS, PIXELS), picture: model.get("picture") });
    if (past.length > UNDONE) past.shift();
    undoes.disabled = false;
  }

  // The pad's picture becomes the state; while a stroke is drawn, once for each that the screen shows.
  let waiting = null;
  function put() {
    cancelAnimationFrame(waiting);
    waiting = null;
    if (!drawnOn) return;
    drawnOn = false;
    change(toHex(fitted(board.node, board.node, size)));
  }
  const soon = () => (waiting ??= requestAnimationFrame(kit.guard(put)));
  kit.onLeave(() => cancelAnimationFrame(waiting));

  // A picture that the pad shows already.
  function change(picture) {
    shown = picture;
    kit.set("picture", picture);
    ask();
  }

  function back() {
    const before = past.pop();
    undoes.disabled = !past.length;
    if (!before) return;
    g.putImageData(before.pixels, 0, 0);
    change(before.picture);
  }

  function clear() {
    keep();
    g.fillStyle = "#fff";
    g.fillRect(0, 0, PIXELS, PIXELS);
    drawnOn = true;
    put();
  }

  // The middle square of a picture, as large as the pad.
  function fill(source, { width, height }, smooth) {
    const least = Math.min(width, height);
    g.imageSmoothingEnabled = smooth;
    g.imageSmoothingQuality = "high";
    g.fillStyle = "#fff";
    g.fillRect(0, 0, PIXELS, PIXELS);
    g.drawImage(source, (width - least) / 2, (height - least) / 2, least, least, 0, 0, PIXELS, PIXELS);
  }

  // A picture of the state that was not drawn here: one to begin with in full, another one as CLIP reads it.
  function follow() {
    const picture = model.get("picture");
    if (picture !== shown) {
      const place = known.findIndex(([, digits]) => digits === picture);
      const [values, at, width] = place < 0 ? [fromHex(picture), 0, size] : [large, place * c * side * side, side];
      const small = new OffscreenCanvas(width, width);
      small.getContext("2d").putImageData(image(values, at, c, width, width), 0, 0);
      fill(small, small, place >= 0);
      shown = picture;
    }
    seen.paint(fromHex(picture), 0, 0, 0);
  }

  for (const [name, colour] of Object.entries(paints)) {
    const swatch = button(mine, "", () => mine.set("colour", name));
    Object.assign(swatch.style, { background: colour, width: "30px", height: "30px", padding: 0, border: "1px solid #767676" });
    swatch.setAttribute("aria-label", name);
    swatch.title = name;
    mine.onChange(() => {
      swatch.setAttribute("aria-pressed", own.colour === name);
      swatch.style.boxShadow = own.colour === name ? "0 0 0 2px #fff, 0 0 0 4px #000" : "none";
    });
  }
  const width = slider(mine, "brush", { label: "brush", min: 4, max: 64, step: 4, page: 4, words: (value) => `${value} of ${PIXELS} pixels` });
  width.style.width = "9em";
  mine.onChange(() => board.size(own.brush));
  const undoes = button(tools, "Undo", back);
  undoes.disabled = true;
  button(tools, "Clear", clear);
  beginnings(tools, known.map(([name]) => name), () => nameOf(known, model.get("picture")), (name) => {
    keep();
    kit.set("picture", known.find(([each]) => each === name)[1]);
  });

  const bars = captionBars(kit, {
    tokenizer,
    act: "Compare",
    change: (captions, now) => {
      kit.set("captions", captions);
      if (now) ask();
    },
  });
  const asked = () => model.get("captions").filter((caption) => caption.trim());
  const words = ({ picture }) => {
    const name = nameOf(known, picture);
    const captions = asked().map((caption) => `“${caption}”`).join(", ");
    return `How well ${name ? `“${name}”` : "your picture"} fits ${asked().length} caption${asked().length === 1 ? "" : "s"}: ${captions || "none"}.`;
  };
  const show = (similarity) => {
    const probability = softmax(similarity.map((each) => scale * each));
    bars.show(similarity, probability);
    kit.drew({ similarity, probability });
    const best = probability.indexOf(Math.max(...probability));
    return `Best: “${asked()[best]}”, cosine ${similarity[best].toFixed(2)}, ${percent(probability[best])} of the softmax.`;
  };

  // What was compared beforehand, of a picture and captions to begin with.
  const still = ({ picture, captions }) => {
    const place = known.findIndex(([, digits]) => digits === picture);
    const is = place >= 0 && JSON.stringify(captions) === JSON.stringify(model.get("start").captions);
    if (is) show(model.get("known_similarity")[place]);
    else bars.blank();
    return is;
  };

  const ask = drawing(kit, {
    act: "Compare",
    done: "compared",
    words,
    still,
    refuse: () => (asked().length ? "" : "Write at least one caption."),
    loading: () => !studio.engine,
    step: () => {},
    draw: async ({ picture }) => {
      await studio.wake(recipe.name);
      const tokens = asked().map((caption) => tokenizer.read(caption).tokens);
      const { image: features, text, stopped } = await studio.engine.ask({ task: "compare", asker: "clip", name: recipe.name, pictures: fromHex(picture), tokens });
      const cosine = (i) => features.reduce((sum, value, k) => sum + value * text[i * features.length + k], 0);
      return stopped ? { stopped } : { similarity: tokens.map((_, i) => cosine(i)) };
    },
    finish: ({ similarity }) => show(similarity),
  });
  const take = (bitmap, bytes) => {
    keep();
    fill(bitmap, bitmap, true);
    change(toHex(bytes));
  };
  takePictures(tools, size, take);
  tools.controls.append(spoken);
  Object.assign(tools.controls.style, { flex: "1 1 15em", marginTop: "4px" });
  kit.figure.append(tools.controls);
  kit.onChange(() => {
    follow();
    bars.follow();
  });
}

export default { render: (view) => mount(build, view) };
