
// Schedule: the signal left, and the bits left, over t, under a schedule made with the sliders; pictures below the curve.

function build(kit) {
  const { model } = kit;
  const [, c, h, w] = model.get("shape");
  const x0 = decodePixels(model.get("x0"));
  const eps = decodeNoise(model.get("eps"));
  const x_t = new Float32Array(x0.length);
  const presets = model.get("presets");
  const shown = NARROW ? 4 : 8;
  const curves = canvas(kit, NARROW ? 360 : 700, 280);
  const strip = pictureGrid(kit, { rows: 1, columns: shown, c, h, w });
  const below = canvas(kit, strip.width, 24);

  choice(kit, "kind", "schedule", ["linear", "cosine", "falling"]);
  slider(kit, "T", { label: "steps T", min: 10, max: 1000, page: 100, words: (v) => `T = ${v}` });
  const first = slider(kit, "beta_1", { label: "β at one end", min: 0.0001, max: 0.02, step: 0.0001, words: (v) => v.toFixed(4) });
  const last = slider(kit, "beta_T", { label: "β at the other", min: 0.001, max: 0.2, step: 0.001, words: (v) => v.toFixed(3) });
  const bend = slider(kit, "s", { label: "cosine's s", min: 0.001, max: 0.2, step: 0.001, words: (v) => v.toFixed(3) });
  for (const [name, preset] of Object.entries(presets)) button(kit, name, () => kit.setAll(preset));

  kit.onChange(() => {
    const kind = model.get("kind");
    const T = model.get("T");
    first.disabled = last.disabled = kind === "cosine";
    bend.disabled = kind !== "cosine";
    const beta = betas(kind, T, model.get("beta_1"), model.get("beta_T"), model.get("s"));
    const alpha_bar = new Float64Array(T + 1).fill(1);
    for (let t = 1; t <= T; t++) alpha_bar[t] = alpha_bar[t - 1] * (1 - beta[t]);
    const bits = alpha_bar.map((share) => Math.min(1, -0.5 * Math.log2(1 - share) / 8));
    const steps = Array.from({ length: T + 1 }, (_, t) => t);
    const marks = Array.from({ length: shown }, (_, i) => Math.round((T * i) / (shown - 1)));

    const frame = axes(curves, { title: "signal left ᾱ (solid), bits left a pixel / 8 (dashed)", x: [0, T, "step t"], y: [0, 1] });
    curve(curves.context, frame, steps, alpha_bar, { color: COLORS.blue });
    curve(curves.context, frame, steps, bits, { color: COLORS.orange, dash: [7, 5] });
    below.context.fillStyle = "#fff";
    below.context.fillRect(0, 0, below.width, below.height);
    below.context.fillStyle = "#000";
    below.context.font = "16px system-ui, sans-serif";
    for (const [i, t] of marks.entries()) {
      dot(curves.context, frame, t, alpha_bar[t], COLORS.blue, 5);
      dot(curves.context, frame, t, bits[t], COLORS.orange, 5);
      const signal = Math.sqrt(alpha_bar[t]);
      const noise = Math.sqrt(1 - alpha_bar[t]);
      for (let k = 0; k < x_t.length; k++) x_t[k] = signal * x0[k] + noise * eps[k];
      strip.paint(x_t, 0, 0, i);
      below.context.fillText(`t = ${t}`, (i * strip.width) / shown + 8, 17);
    }

    const half = alpha_bar.findIndex((share) => share < 0.5);
    const percent = 100 * alpha_bar[T];
    const left = percent < 0.01 ? "less than 0.01" : Number(percent.toPrecision(2));
    const when = half < 0 ? "never half gone" : `half gone at t = ${half}`;
    const text = `A ${kind} schedule of ${T} steps: the signal is ${when}; ${left} % is left at the end.`;
    curves.node.setAttribute("aria-label", text);
    strip.node.setAttribute("aria-label", `The picture at t = ${marks.join(", ")}.`);
    below.node.setAttribute("aria-label", `t = ${marks.join(", ")}.`);
    kit.drew({ alpha_bar });
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
