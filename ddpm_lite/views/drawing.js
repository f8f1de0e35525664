// What the views share that draw in the page: where weights come from, and a drawing for each state, of which the last wins.

// fetched(name) of a Studio: from a file beside the page, or else from the kernel, which sends each once.
const fetchedFor = (model) => (name) => {
  const folder = globalThis.ddpmLiteFolder;
  if (folder) return fromShelf(name, `${folder}${name}.js`);
  return new Promise((resolve, reject) => {
    const missing = () => {
      clearTimeout(patience);
      model.off("msg:custom", heard);
      reject(new Error("Python, which has the weights, has not answered: it is busy, or it does not run here."));
    };
    const patience = setTimeout(missing, 60000);
    const heard = ({ weights, entry, source }, [data] = []) => {
      if (weights !== name) return;
      clearTimeout(patience);
      model.off("msg:custom", heard);
      if (source) resolve({ source });
      else resolve({ entry, bytes: new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)) });
    };
    model.on("msg:custom", heard);
    try {
      model.send({ weights: name });
    } catch {
      missing(); // there is no kernel any more
    }
  });
};

// Pixels as `setPixels` takes them, as an ImageData of its own.
function image(values, offset, c, h, w) {
  const pixels = new ImageData(w, h);
  setPixels(pixels, values, offset, c);
  return pixels;
}

// A choice of what to begin with, by name: current() is undefined for what is the reader's own; put(name).
function beginnings(kit, names, current, put) {
  const none = "your own";
  const known = { ...kit, model: { get: () => current() ?? none }, set: (_, name) => name !== none && put(name) };
  const select = choice(known, "known", "begin with", [...names, none]);
  select.lastChild.disabled = true;
}

// Whether all of a state is as at the start, or as in `changed`.
const asAtStart = (model, state, changed = {}) => JSON.stringify(state) === JSON.stringify({ ...model.get("start"), ...changed });

// Draws the state of a view as soon as the reader has asked for a drawing, and from then on whenever it changes.
//   words(state)           the state in words; refuse(state): why it cannot be drawn, or ""; loading(): whether weights must be loaded first
//   draw(state, onFrame)   a promise of the answer, which `kit.drew` keeps: { stopped } if it was overtaken
//   step(frame)            a frame is seen; finish(answer): so is the end, and a sentence about it may be given
//   still(state)           shows what was drawn beforehand, if anything was for this state: gives whether it did
//   enlarging              if pictures are enlarged: { enlarger, draw(answer, state, onFrame), blank(), show(pictures) }
//   boxes                  of captionBox: what is written in them belongs to the state, whatever is drawn next
//   act, done              the button that asks, and what has then been done: "Draw", "drawn"
// Gives ask(), which begins.
function drawing(kit, { words, refuse = () => "", loading, draw, step, finish, still, enlarging = null, boxes = [], act = "Draw", done = "drawn" }) {
  const { model } = kit;
  const progress = progressBar(kit, "how far the drawing is");
  const alert = element("p", { role: "alert" });
  kit.figure.after(alert);
  let awake = kit.kept.awake ?? false; // whether the reader has asked for a drawing
  const wake = (is) => (kit.kept.awake = awake = is);
  let handled = null; // the state that is drawn, in work, refused, or not to be drawn
  let latest = 0; // of several drawings, the last
  const state = () => Object.fromEntries(Object.keys(model.get("start")).map((name) => [name, model.get(name)]));
  const tell = (trouble) => {
    alert.textContent = trouble.replace(/[^.!?]$/, "$&.");
    alert.hidden = !trouble;
  };
  const describe = (ending, aloud = false) => kit.describe(`${words(state())}${ending}`, aloud);

  // What `work` gives, or null if it was overtaken: begin() comes before the first frame, and each is shown.
  async function followed(work, current, show, begin = () => {}) {
    const answer = await watched(work, current, kit.guard(show), ({ k, steps }) => {
      if (k === 0) begin();
      progress((k + 1) / steps);
    });
    if (answer) progress(null);
    return answer;
  }

  const read = () => {
    for (const box of boxes) box.read();
  };

  async function start() {
    const [now, mine] = [state(), ++latest];
    const current = () => latest === mine;
    handled = JSON.stringify(now);
    const refused = refuse(now);
    tell(refused);
    if (refused) {
      progress(null);
      rest();
      return;
    }
    describe(loading() ? " The weights are being loaded." : "");
    try {
      const begin = () => {
        describe("");
        enlarging?.blank();
      };
      const answer = await followed((onFrame) => draw(now, onFrame), current, step, begin);
      if (!answer) return;
      kit.drew(answer);
      const more = finish(answer) ?? "";
      kit.figure.closest(".ddpm-view").dataset.finished = JSON.stringify(now);
      describe(` ${done[0].toUpperCase()}${done.slice(1)}.${more && ` ${more}`}`, true);
      if (enlarging) await enlarge(answer, now, current);
    } catch (error) {
      if (!current()) return;
      progress(null);
      wake(false);
      tell(error.message);
      if (rest()) tell(`${alert.textContent} What was ${done} beforehand is seen in its place.`);
    }
  }

  // What was drawn becomes larger, once the upsampler is there.
  async function enlarge(answer, now, current) {
    const { enlarger, draw: larger, show } = enlarging;
    await enlarger.loaded;
    if (!current()) return;
    if (enlarger.trouble) return tell(`It is not enlarged. ${enlarger.trouble}`);
    const result = await followed((onFrame) => larger(answer, now, onFrame), current, ({ x0 }) => show(x0));
    if (!result) return;
    kit.drew({ ...answer, large: result.large });
    show(result.large);
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
    if (JSON.stringify(state()) === handled) return;
    read();
    if (awake) return void start();
    handled = JSON.stringify(state());
    tell("");
    rest();
  });
  return () => {
    read();
    wake(true);
    start();
  };
}
