
// LiveTraining: the kernel trains and sends a few numbers; they are drawn here. When it rests, a slider goes back in time.

function build(kit) {
  const { model } = kit;
  const floor = numbers(model.get("floor"), Float32Array);
  const bins = floor.length;
  const mean = floor.reduce((sum, value) => sum + value, 0) / bins;
  const [n, c, h, w] = model.get("shape");
  const T = model.get("T");
  const middle = Array.from(floor, (_, i) => ((i + 0.5) * T) / bins);
  const overSteps = canvas(kit, NARROW ? 360 : 344, 250);
  const overT = canvas(kit, NARROW ? 360 : 344, 250);
  const columns = NARROW ? Math.ceil(n / 2) : n;
  const sheet = pictureGrid(kit, { rows: Math.ceil(n / columns), columns, c, h, w, widest: 100 });
  const status = element("span", { role: "status" });
  const where = element("span");
  const fault = element("p", { role: "alert" });
  kit.figure.after(element("p", {}, status, " ", where), fault);

  const toggle = button(kit, "Stop", () => kit.set("stopped", !model.get("stopped")));
  const last = () => Math.max(0, model.get("moments").length - 1);
  kit.onChange(() => (moment.max = last()));
  const words = (i) => `step ${model.get("moments")[i] ?? 0}`;
  const moment = slider(kit, "moment", { label: "back to", min: 0, max: 0, page: 3, words });

  kit.onChange(() => {
    const at = model.get("moment");
    const step = at >= last() ? model.get("step") : model.get("moments")[at];
    const steps = model.get("steps");
    const every = numbers(model.get("history"), Float32Array);
    const rows = [];
    for (let i = 0; i < every.length && every[i] <= step; i += 2 + bins) rows.push(every.subarray(i, i + 2 + bins));
    const loss = rows.map((row) => row[1]);
    const per_t = middle.map((_, bin) => {
      const known = rows.slice(-10).map((row) => row[2 + bin]).filter((value) => !Number.isNaN(value));
      return known.reduce((sum, value) => sum + value, 0) / known.length;
    });
    const size = n * c * h * w;
    const pictures = decodePixels(model.get("drawn")).subarray(at * size, (at + 1) * size);

    const end = steps || step || 1;
    const left = axes(overSteps, { title: "loss per pixel (floor dashed)", x: [0, end, "training step"], y: [0, 0.5] });
    within(overSteps.context, left, () => {
      curve(overSteps.context, left, [0, end], [mean, mean], { color: "#000", dash: [7, 5], width: 1.5 });
      curve(overSteps.context, left, rows.map((row) => row[0]), loss, { color: COLORS.blue });
    });
    if (rows.length) dot(overSteps.context, left, rows.at(-1)[0], Math.min(0.5, loss.at(-1)), COLORS.blue);
    const right = axes(overT, { title: "the same for each t (floor dashed)", x: [0, T, "step t of the noise"], y: [0, 1] });
    const seen = middle.map((_, bin) => bin).filter((bin) => !Number.isNaN(per_t[bin]));
    within(overT.context, right, () => {
      curve(overT.context, right, middle, floor, { color: "#000", dash: [7, 5], width: 1.5 });
      curve(overT.context, right, seen.map((bin) => middle[bin]), seen.map((bin) => per_t[bin]), { color: COLORS.blue });
      for (const bin of seen) dot(overT.context, right, middle[bin], per_t[bin], COLORS.blue, 4);
    });
    for (let i = 0; i < pictures.length / (c * h * w); i++) {
      sheet.paint(pictures, i * c * h * w, Math.floor(i / columns), i % columns);
    }

    const now = model.get("status");
    status.textContent = {
      ready: "The training has not begun.",
      training: model.get("stopped") ? "Stopping:" : "Training:",
      stopped: model.get("stopped") ? "Stopped:" : "Going on:",
      finished: "Finished:",
      failed: "The training failed:",
      ended: "Ended:",
    }[now];
    where.textContent = step ? `step ${step}${steps ? ` of ${steps}` : ""}` : "";
    fault.textContent = model.get("error");
    fault.hidden = !model.get("error");
    toggle.hidden = now !== "training" && now !== "stopped";
    toggle.textContent = model.get("stopped") ? "Continue" : "Stop";
    moment.disabled = now === "training" || now === "ready";

    const of = steps ? `Step ${step} of ${steps}` : `Step ${step}`;
    const unknown = `${of}: the loss is not known yet, its floor is ${mean.toFixed(3)} per pixel.`;
    const known = `${of}: the loss is ${loss.at(-1)?.toFixed(3)} per pixel, its floor ${mean.toFixed(3)}.`;
    const text = step === 0 ? "The training has not begun." : rows.length ? known : unknown;
    kit.describe(text);
    const perT = `The loss for each t: ${per_t[0].toFixed(2)} at the smallest, ${per_t.at(-1).toFixed(2)} at the largest.`;
    overT.node.setAttribute("aria-label", rows.length ? perT : "The loss for each t is not known yet.");
    const drawnBy = `${n} pictures, drawn by the network of step ${model.get("moments")[at]}.`;
    sheet.node.setAttribute("aria-label", pictures.length ? drawnBy : "No pictures yet.");
    kit.drew({ loss, per_t, pictures });
  });
}

// What lies outside of the axes is cut off.
function within(g, { box }, draw) {
  g.save();
  g.beginPath();
  g.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  g.clip();
  draw();
  g.restore();
}

export default { render: (view) => mount(build, view) };
