// The captions that a picture is compared with: each a box to write in, with two bars beside it that move.


const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`);

function softmax(logits) {
  const most = Math.max(...logits);
  const shares = logits.map((each) => Math.exp(each - most));
  const sum = shares.reduce((a, b) => a + b, 0);
  return shares.map((each) => each / sum);
}

// The captions, each a box to write in with two bars beside it. change(captions, now): they became others, and are to be asked about now.
function captionBars(kit, { tokenizer, act, change }) {
  const { model } = kit;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const table = element("div");
  Object.assign(table.style, { display: "grid", gap: "6px 14px", alignItems: "center", marginTop: "12px", gridTemplateColumns: NARROW ? "1fr 1fr" : "minmax(0, 5fr) minmax(0, 4fr) minmax(0, 4fr)" });
  kit.figure.after(table);
  const cell = (text) => table.appendChild(element("div", { "aria-hidden": "true" }, text));
  if (!NARROW) cell("caption");
  cell("cosine, −1 to 1");
  cell("softmax at CLIP’s temperature");
  const bar = (color, name) => {
    const fill = element("div");
    const track = element("div", { "aria-hidden": "true" }, fill);
    const output = quiet({ "aria-label": name });
    const row = element("div", {}, track, output);
    Object.assign(row.style, { display: "flex", gap: "8px", alignItems: "center" });
    Object.assign(track.style, { flex: 1, position: "relative", height: "1em", border: "1px solid #767676", background: "#fff" });
    Object.assign(fill.style, { position: "absolute", top: 0, bottom: 0, background: color, transition: calm ? "none" : "left 0.15s, width 0.15s" });
    output.style.minWidth = "3.2em";
    table.append(row);
    return { fill, output, row, track };
  };
  let last = null; // the captions that the boxes show
  let pause = null;
  const send = kit.guard((now) => {
    clearTimeout(pause);
    mark();
    const captions = rows.map(({ input }) => readable(input.value));
    last = JSON.stringify(captions);
    change(captions, now);
  });
  kit.onLeave(() => clearTimeout(pause));
  const rows = model.get("captions").map((_, i) => {
    const name = `caption ${i + 1}`;
    const input = element("input", { type: "text", "aria-label": name, autocomplete: "off", placeholder: i ? "another caption" : "a caption" });
    Object.assign(input.style, { width: "100%", boxSizing: "border-box" });
    const marks = element("div", { class: "words", "aria-hidden": "true" });
    const box = element("div", {}, input, marks);
    if (NARROW) Object.assign(box.style, { gridColumn: "1 / 3", marginTop: "6px" });
    table.append(box);
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.isComposing) send(true);
    });
    input.addEventListener("input", () => {
      markWords(marks, tokenizer, input.value, true);
      clearTimeout(pause);
      pause = setTimeout(send, PAUSE, false);
    });
    const cosine = bar("#0072B2", `cosine of ${name}`);
    const zero = element("div");
    Object.assign(zero.style, { position: "absolute", left: "50%", top: 0, bottom: 0, borderLeft: "1px solid #000" });
    cosine.track.append(zero);
    return { input, marks, cosine, share: bar("#E69F00", `softmax of ${name}`) };
  });
  const said = element("p", { class: "said", role: "status" });
  table.after(said);
  const mark = () => {
    const sentences = rows.map(({ input, marks }) => markWords(marks, tokenizer, input.value));
    const sentence = sentences.map((each, i) => each && `Caption ${i + 1}: ${each}`).filter(Boolean).join(" ");
    if (said.textContent !== sentence) said.textContent = sentence; // a screen reader says it once
  };
  button(kit, act, () => send(true));
  const follow = () => {
    const captions = model.get("captions");
    if (JSON.stringify(captions) !== last) {
      last = JSON.stringify(captions);
      for (const [i, { input }] of rows.entries()) input.value = captions[i] ?? "";
    }
    mark();
  };
  kit.onReset(() => {
    clearTimeout(pause);
    last = null;
    follow();
  });
  return {
    follow,
    // The numbers of the captions that are not empty, in their order.
    show: (similarity, probability) => {
      let k = 0;
      for (const [i, { cosine, share }] of rows.entries()) {
        const is = Boolean(model.get("captions")[i]?.trim());
        const [s, p] = is ? [similarity[k], probability[k++]] : [0, 0];
        Object.assign(cosine.fill.style, { left: `${50 + 50 * Math.min(0, s)}%`, width: `${50 * Math.abs(s)}%` });
        Object.assign(share.fill.style, { left: 0, width: `${100 * p}%` });
        cosine.output.textContent = is ? s.toFixed(2).replace("-", "−") : "";
        share.output.textContent = is ? percent(p) : "";
      }
    },
    blank: () => {
      for (const { cosine, share } of rows) {
        for (const { fill, output } of [cosine, share]) {
          fill.style.width = 0;
          output.textContent = "";
        }
      }
    },
  };
}
