
// Schedule: the signal left, and the bits left, over t, under a schedule made with the sliders; pictures below the curve.

const SHOWN = 8; // pictures, at as many steps from 0 to T

function build(kit) {
  const { model } = kit;
  const [, c, h, w] = model.get("shape");
  const x0 = decodePixels(model.get("x0"));
  const eps = decodeNoise(model.get("eps"));
  const presets = model.get("presets");
  const curves = canvas(kit, NARROW ? 360 : 700, 280);
  const columns = NARROW ? SHOWN / 2 : SHOWN;
  const strips = Array.from({ length: SHOWN / columns }, () => {
    const strip = pictureGrid(kit, { rows: 1, columns, c, h, w });
    return { strip, below: canvas(kit, strip.width, 24) };
  });

  choice(kit, "kind", "schedule", ["linear", "cosine", "falling"]);
  slider(kit, "T", { label: "steps T", min: 10, max: 1000, page: 100, words: (v) => `T = ${v}` });
  const first = slider(kit, "beta_1", { label: "β at one end", min: 0.0001, max: 0.02, step: 0.0001, words: (v) => v.toFixed(4) });
  const last = slider(kit, "beta_T", { label: "β at the other", min: 0.001, max: 0.2, step: 0.001, words: (v) => v.toFixed(3) });
  const bend = slider(kit, "s", { label: "cosine's s", min: 0.001, max: 0.2, step: 0.001, words: (v) => v.toFixed(3) });
  for (const [name, preset] of presets) button(kit, name, () => kit.setAll(preset));

  kit.onChange(() => {
    const kind = model.get("kind");
    const T = model.get("T");
    first.disabled = last.disabled = kind === "cosine";
    bend.disabled = kind !== "cosine";
    const beta = betas(kind, T, model.get("beta_1"), model.get("beta_T"), model.get("s"));
    const alpha_bar = new Float64Array(T + 1).fill(1);
    for (let t = 1; t <= T; t++) alpha_bar[t] = alpha_bar[t - 1] * (1 - beta[t]);
    const bits = alpha_bar.map((share) => Math.min(8, -0.5 * Math.log2(1 - share))); // a pixel of 256 levels has no more
    const steps = Array.from({ length: T + 1 }, (_, t) => t);
    const marks = Array.from({ length: SHOWN }, (_, i) => Math.floor((T * i) / (SHOWN - 1) + 0.5));

    const y = [0, 1, "signal left ᾱ (solid)"];
    const right = ["bits left in a pixel (dashed)", ...[0, 2, 4, 6, 8].map((value) => [String(value), value / 8])];
    const frame = axes(curves, { title: `a ${kind} schedule`, x: [0, T, "step t"], y, right });
    const heights = bits.map((value) => value / 8);
    curve(curves.context, frame, steps, alpha_bar, { color: COLORS.blue });
    curve(curves.context, frame, steps, heights, { color: COLORS.orange, dash: [7, 5] });
    const x_t = new Float32Array(SHOWN * x0.length);
    for (const [i, t] of marks.entries()) {
      dot(curves.context, frame, t, alpha_bar[t], COLORS.blue, 5);
      dot(curves.context, frame, t, heights[t], COLORS.orange, 5);
      const signal = Math.sqrt(alpha_bar[t]);
      const noise = Math.sqrt(1 - alpha_bar[t]);
      for (let k = 0; k < x0.length; k++) x_t[i * x0.length + k] = signal * x0[k] + noise * eps[k];
    }
    for (const [row, { strip, below }] of strips.entries()) {
      const shown = marks.slice(row * columns, (row + 1) * columns);
      below.context.fillStyle = "#fff";
      below.context.fillRect(0, 0, below.width, below.height);
      below.context.fillStyle = "#000";
      below.context.font = "16px system-ui, sans-serif";
      for (const [i, t] of shown.entries()) {
        strip.paint(x_t, (row * columns + i) * x0.length, 0, i);
        below.context.fillText(`t = ${t}`, (i * strip.width) / columns + 8, 17);
      }
      strip.node.setAttribute("aria-label", `The picture at t = ${shown.join(", ")}.`);
      below.node.setAttribute("aria-label", `t = ${shown.join(", ")}.`);
    }

    const half = alpha_bar.findIndex((share) => share < 0.5);
    const percent = 100 * alpha_bar[T];
    const left = percent < 0.01 ? "less than 0.01" : Number(percent.toPrecision(2));
    const when = half < 0 ? "never half gone" : `half gone at t = ${half}`;
    const text = `A ${kind} schedule of ${T} steps: the signal is ${when}; ${left} % is left at the end.`;
    kit.describe(text);
    kit.drew({ alpha_bar, bits, x_t });
  });
}

function betas(kind, T, beta_1, beta_T, s) {
  const beta = new Float64Array(T + 1);
  const f = (t) => Math.cos((Math.PI / 2) * ((t / T + s) / (1 + s))) ** 2;
  for (let t = 1; t <= T; t++) {
    const along = T === 1 ? 0 : (t - 1) / (T - 1);
    if (kind === "linear") beta[t] = beta_1 + (beta_T - beta_1) * along;
    else if (kind === "falling") beta[t] = beta_T + (beta_1 - beta_T) * along;
    else beta[t] = Math.min(0.999, 1 - f(t) / f(t - 1));
  }
  return beta;
}

export default { render: (view) => mount(build, view) };
