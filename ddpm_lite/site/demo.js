// The front page draws: a caption, noise, a picture of 16 x 16 pixels, the same in 64 x 64. What was drawn beforehand is seen until then,
// and where nothing can be drawn.

(() => {
  const { recipe, upsampler } = JSON.parse(document.getElementById("demo-model").textContent);
  const [form, box, marks, said, told, canvas, still] = ["demo", "wish", "marks", "said", "told", "drawn", "still"].map((id) => document.getElementById(id));
  const { channels, size } = recipe.network;
  const STEPS = 20;
  const writer = new Writer(recipe, upsampler, (name) => fromShelf(name, `networks/${name}.js`));
  let seed = -1; // each drawing has new noise
  let latest = 0;

  // A screen reader says what came of it, and not each thing on the way there.
  const tell = (sentence, aloud = true) => {
    told.setAttribute("aria-live", aloud ? "polite" : "off");
    told.textContent = sentence;
  };

  const { mark, text } = watchCaption(box, marks, said, writer.tokenizer);

  // A picture of side x side pixels in [-1, 1], as large as the canvas.
  function paint(values, side) {
    const pixels = new ImageData(side, side);
    for (let i = 0; i < side * side; i++) {
      for (let k = 0; k < 3; k++) pixels.data[4 * i + k] = Math.round((Math.min(1, Math.max(-1, values[(k % channels) * side * side + i])) + 1) * 127.5);
      pixels.data[4 * i + 3] = 255;
    }
    const small = new OffscreenCanvas(side, side);
    small.getContext("2d").putImageData(pixels, 0, 0);
    const g = canvas.getContext("2d");
    g.imageSmoothingEnabled = false;
    g.drawImage(small, 0, 0, canvas.width, canvas.height);
    canvas.hidden = false;
    still.hidden = true;
    canvas.dataset.side = side;
  }

  async function draw() {
    const caption = text();
    mark();
    if (!caption) {
      tell("Write what the picture is to show.");
      return;
    }
    const mine = ++latest;
    seed = (seed + 1) % 2 ** 32;
    const current = () => mine === latest;
    const label = (what) => canvas.setAttribute("aria-label", `“${caption}”, ${what}`);
    tell(writer.studio.engine ? `Drawing “${caption}” …` : "Loading the networks, 8 MB, once …", false);
    try {
      await writer.wake();
      if (!current()) return;
      tell(`Drawing “${caption}” …`, false);
      const options = { seed, steps: STEPS, scale: 2, method: "ddim" };
      const inWork = ({ k, steps }) => label(`noise that becomes a picture, step ${k + 1} of ${steps}`);
      const drawn = await watched((onFrame) => writer.draw([caption], options, onFrame), current, ({ x_t }) => paint(x_t, size), inWork);
      if (!drawn) return;
      paint(drawn.pictures, size);
      label(`drawn in this page, ${size} × ${size} pixels`);
      canvas.dataset.caption = caption;
      canvas.dataset.seed = seed;
      await writer.enlarger.loaded;
      if (!current()) return;
      const { trouble } = writer.enlarger;
      const enlarge = (onFrame) => writer.enlarge(drawn.pictures, [caption], options, onFrame);
      const large = trouble ? null : await watched(enlarge, current, ({ x0 }) => paint(x0, 4 * size), () => label("being enlarged"));
      if (!current()) return;
      if (large) {
        paint(large.large, 4 * size);
        label(`drawn in this page, ${4 * size} × ${4 * size} pixels`);
      }
      const words = said.textContent ? ` ${said.textContent}` : "";
      const side = large ? `, ${4 * size} × ${4 * size} pixels` : "";
      const unlarged = trouble ? ` It is not enlarged. ${trouble}` : "";
      tell(`Drawn: “${caption}”, from noise in ${STEPS} steps${side}.${words}${unlarged} Press Draw again for other noise.`);
    } catch (error) {
      if (!current()) return;
      tell(`${error.message} What was drawn beforehand is seen in its place.`);
      canvas.hidden = true;
      still.hidden = false;
    }
  }

  if (!engineRuns()) {
    tell("This browser cannot run the networks, so nothing is drawn here: what was drawn beforehand is seen.");
    told.hidden = false;
    return;
  }
  form.hidden = told.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    draw();
  });
  for (const chip of form.querySelectorAll(".chips button")) {
    chip.addEventListener("click", () => {
      box.value = chip.textContent;
      draw();
    });
  }
})();
