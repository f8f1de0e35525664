// What the views share that draw in the page: where weights come from, and a drawing for each state, of which the last wins.

// fetched(name) of a Studio: from a file beside the page, or else from the kernel, which sends each once.
const fetchedFor = (model) => (name) => {
  const folder = globalThis.ddpmLiteFolder;
  if (folder) return fromShelf(name, `${folder}${name}.js`);
  return new Promise((resolve, reject) => {
    const patience = setTimeout(() => {
      model.off("msg:custom", heard);
      reject(new Error("Python, which has the weights, has not answered: it is busy, or it does not run here."));
    }, 60000);
    const heard = ({ weights, entry, source }, [data] = []) => {
      if (weights !== name) return;
      clearTimeout(patience);
      model.off("msg:custom", heard);
      if (source) resolve({ source });
      else resolve({ entry, bytes: new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)) });
    };
    model.on("msg:custom", heard);
    model.send({ weights: name });
  });
};

// Pixels as `setPixels` takes them, as an ImageData of its own.
function image(values, offset, c, h, w) {
  const pixels = new ImageData(w, h);
  setPixels(pixels, values, offset, c);
  return pixels;
}

// Draws the state of a view as soon as the reader has asked for a drawing, and from then on whenever it changes.
//   draw(state, onFrame)   a promise of the answer, which `kit.drew` keeps: { stopped } if it was overtaken
//   step(frame)            a frame is seen; finish(answer, current): so is the end, and current() says whether it still is the last
//   words(state)           the state in words; loading(): whether weights must be loaded first
//   still(state)           shows what was drawn beforehand, if anything was for this state: gives whether it did
//   act, done              the button that asks, and what has then been done: "Draw", "drawn"
// Gives { ask, tell }: ask() begins, tell(sentence) says what is wrong ("": nothing).
function drawing(kit, { draw, step, finish, words, loading, still, act = "Draw", done = "drawn" }) {
  const { model } = kit;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const progress = progressBar(kit, "how far the drawing is");
  const alert = element("p", { role: "alert" });
  kit.figure.after(alert);
  kit.caption.setAttribute("role", "status");
  let awake = false; // whether the reader has asked for a drawing
  let seen = null; // the state that is drawn or in work
  const state = () => Object.fromEntries(Object.keys(model.get("start")).map((name) => [name, model.get(name)]));
  const tell = (trouble) => {
    alert.textContent = trouble;
    alert.hidden = !trouble;
  };
  const describe = (ending) => {
    kit.describe(`${words(state())}${ending}`);
  };

  async function start() {
    const mine = JSON.stringify(state());
    seen = mine;
    const current = () => seen === mine;
    tell("");
    describe(loading() ? " The weights are being loaded." : "");
    try {
      let shown = null;
      const answer = await draw(state(), (frame) => {
        if (!current()) return;
        if (frame.k === 0) describe("");
        if (frame.steps) progress((frame.k + 1) / frame.steps);
        if (calm && frame.steps) return;
        cancelAnimationFrame(shown);
        shown = requestAnimationFrame(kit.guard(() => current() && step(frame)));
      });
      cancelAnimationFrame(shown);
      if (!current() || answer.stopped) return;
      progress(null);
      kit.drew(answer);
      const more = finish(answer, current) ?? "";
      kit.figure.closest(".ddpm-view").dataset.finished = mine;
      describe(` ${done[0].toUpperCase()}${done.slice(1)}.${more && ` ${more}`}`);
    } catch (error) {
      if (!current()) return;
      progress(null);
      [awake, seen] = [false, null];
      tell(`${error.message}${rest() ? ` What was ${done} beforehand is seen in its place.` : ""}`);
    }
  }

  // Nothing is drawn here: what was drawn beforehand is seen, if there is something. Says whether there is.
  function rest() {
    const there = still(state());
    describe(there ? ` It was ${done} beforehand: press ${act}, and it is ${done} here.` : ` It is not ${done} yet: press ${act}.`);
    return there;
  }

  progress(null);
  tell("");
  kit.onChange(() => {
    if (JSON.stringify(state()) === seen) return;
    if (awake) start();
    else rest();
  });
  const ask = () => {
    awake = true;
    start();
  };
  return { ask, tell };
}
