
// Asked: a question is typed, Python answers it with pictures; until then, and without Python, what was answered is seen.

function build(kit) {
  const { model } = kit;
  const [n, c, h, w] = model.get("shape");
  const known = model.get("known");
  const before = unpacked(model.get("known_pictures"), c, h, w);
  const size = c * h * w;
  const columns = Math.min(n, NARROW ? 4 : 8);
  const sheet = pictureGrid(kit, { rows: Math.ceil(n / columns), columns, c, h, w });
  const alert = element("p", { role: "alert" });
  kit.figure.after(alert);

  // A question that is known beforehand is answered here. Others go to Python; if it does not answer, the reader is told.
  let patience = null;
  let silent = false;
  const heard = () => {
    clearTimeout(patience);
    silent = false;
  };
  const missing = kit.guard(() => {
    silent = true;
    tell();
  });
  const send = (message) => {
    try {
      model.send(message);
    } catch {
      missing(); // so JupyterLab says that the kernel is gone
    }
  };
  const ask = (question) => {
    heard();
    if (!question || question === model.get("question")) return;
    if (known.includes(question)) return kit.set("question", question);
    patience = setTimeout(missing, 2000);
    send({ ask: question });
  };
  const signs = ["change:question", "change:working", "unanswered"]; // the last is an exported page's, which says it itself
  for (const sign of signs) model.on(sign, heard);
  kit.onLeave(() => {
    heard();
    for (const sign of signs) model.off(sign, heard);
  });

  const box = textBox(kit, { label: model.get("title"), ask: "Ask" }, ask);
  const cancel = button(kit, "Cancel", () => send({ cancel: true }));
  const progress = progressBar(kit, "how far the answer is");
  choice(kit, "question", "answered beforehand", known);

  const tell = () => {
    // A question known beforehand is answered here, with or without Python.
    const question = model.get("question");
    const working = model.get("working");
    const i = working ? -1 : known.indexOf(question);
    const waiting = working ? `; “${question}” is being answered` : "";
    const whose = `for “${i < 0 ? model.get("shown") : question}”${waiting}.`;
    alert.textContent = model.get("problem");
    alert.hidden = !model.get("problem");
    cancel.disabled = !working;
    progress(working ? model.get("progress") : null);
    kit.describe(`${model.get("title")}: ${n === 1 ? "the picture" : `${n} pictures`} ${whose}`, !working);
    if (silent) kit.caption.textContent = "A new question needs Python, which has not answered: it is busy, or it does not run here.";
    return i < 0 ? unpacked(model.get("latest"), c, h, w) : before.subarray(i * n * size, (i + 1) * n * size);
  };

  kit.onChange(() => {
    const pictures = tell();
    for (let k = 0; k < n; k++) sheet.paint(pictures, k * size, Math.floor(k / columns), k % columns);
    kit.drew({ pictures });
  });
  box.value = model.get("question");
}

export default { render: (view) => mount(build, view) };
