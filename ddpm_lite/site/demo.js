// The front page draws: a caption, noise, a picture of 16 x 16 pixels, the same in 64 x 64. What was drawn beforehand is seen until then,
// and where nothing can be drawn.

(() => {
  const { recipe, upsampler } = JSON.parse(document.getElementById("demo-model").textContent);
  const [form, box, marks, said, told, canvas, still] = ["demo", "wish", "marks", "said", "told", "drawn", "still"].map((id) => document.getElementById(id));
  const { channels, size } = recipe.network;
  const STEPS = 20;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const writer = new Writer(recipe, upsampler, (name) => fromShelf(name, `networks/${name}.js`));
  let seed = -1; // each drawing has new noise
  let latest = 0;

  const mark = () => {
    const sentence = markWords(marks, writer.tokenizer.read(box.value));
    if (said.textContent !== sentence) said.textContent = sentence;
  };

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

  // again: from the same noise, now that the upsampler is there.
  async function draw(caption = box.value.trim(), again = false) {
    mark();
    if (!caption) {
      told.textContent = "Write what the picture is to show.";
      return;
    }
    const mine = ++latest;
    if (!again) seed = (seed + 1) % 2 ** 32;
    const current = () => mine === latest;
    const label = (what) => canvas.setAttribute("aria-label", `“${caption}”, ${what}`);
    told.textContent = writer.studio.engine ? `Drawing “${caption}” …` : "Loading the networks, 9 MB, once …";
    try {
      await writer.wake();
      if (!current()) return;
      told.textContent = `Drawing “${caption}” …`;
      let shown = null;
      const answer = await writer.draw([caption], { seed, steps: STEPS, scale: 2, method: "ddim" }, (frame) => {
        if (!current()) return;
        cancelAnimationFrame(shown);
        if (frame.stage === "drawn") {
          paint(frame.pictures, size);
          label(`${size} × ${size} pixels`);
        } else if (!calm) {
          shown = requestAnimationFrame(() => current() && (frame.stage === "draw" ? paint(frame.x_t, size) : paint(frame.x0, 4 * size)));
          label(frame.stage === "draw" ? `noise that becomes a picture, step ${frame.k + 1} of ${frame.steps}` : "being enlarged");
        }
      });
      cancelAnimationFrame(shown);
      if (!current() || answer.stopped) return;
      if (answer.large) paint(answer.large, 4 * size);
      else paint(answer.pictures, size);
      const side = answer.large ? 4 * size : size;
      label(`drawn in this page, ${side} × ${side} pixels`);
      const words = said.textContent ? ` ${said.textContent}` : "";
      told.textContent = `Drawn: “${caption}”, from noise in ${STEPS} steps, ${side} × ${side} pixels.${words} Press Draw again for other noise.`;
      const unlarged = () => (told.textContent = `Drawn: “${caption}”. It is not enlarged. ${writer.trouble}`);
      if (writer.trouble) unlarged();
      canvas.dataset.caption = caption;
      canvas.dataset.seed = seed;
      if (!answer.large && !writer.trouble) {
        await writer.large;
        if (!current()) return;
        if (writer.enlarges) await draw(caption, true);
        else unlarged();
      }
    } catch (error) {
      if (!current()) return;
      told.textContent = `${error.message} What was drawn beforehand is seen in its place.`;
      canvas.hidden = true;
      still.hidden = false;
    }
  }

  if (!engineRuns()) {
    told.textContent = "This browser runs no workers, so nothing is drawn here: what was drawn beforehand is seen.";
    told.hidden = false;
    return;
  }
  form.hidden = told.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    draw();
  });
  box.addEventListener("input", mark);
  for (const chip of form.querySelectorAll(".chips button")) {
    chip.addEventListener("click", () => {
      box.value = chip.textContent;
      draw();
    });
  }
})();
