
// Noise: pictures at t under a schedule, x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, one eps at all t.

function build(kit) {
  const { model } = kit;
  const [n, c, h, w] = model.get("shape");
  const T = model.get("T");
  const names = model.get("schedules");
  const x0 = decodePixels(model.get("x0"));
  const eps = decodeNoise(model.get("eps"));
  const tables = numbers(model.get("alpha_bar"), Float32Array);
  const x_t = new Float32Array(x0.length);
  const steps = Array.from({ length: T + 1 }, (_, t) => t);

  // One picture: its three states side by side. Several: a row for each of the three.
  const sheet =
    n === 1
      ? pictureGrid(kit, { rows: 1, columns: 3, c, h, w, titles: ["x₀: the picture", "ε: the noise", "xₜ: both mixed"] })
      : pictureGrid(kit, { rows: 3, columns: n, c, h, w, names: ["x₀", "ε", "xₜ"] });
  const curves = canvas(kit, 420, 250);
  const paint = (values, k) => {
    for (let i = 0; i < n; i++) sheet.paint(values, i * c * h * w, ...(n === 1 ? [0, k] : [k, i]));
  };
  paint(x0, 0);
  paint(eps, 1);

  const table = () => tables.subarray(names.indexOf(model.get("schedule")) * (T + 1)).subarray(0, T + 1);
  const words = (t) => `t = ${t} of ${T}, ${percent(table()[t])} signal`;
  slider(kit, "t", { label: "step t", min: 0, max: T, words });
  choice(kit, "schedule", "schedule", names);
  player(kit, "t", steps, 8);

  kit.onChange(() => {
    const t = model.get("t");
    const shares = table();
    const signal = Math.sqrt(shares[t]);
    const noise = Math.sqrt(1 - shares[t]);
    for (let i = 0; i < x_t.length; i++) x_t[i] = signal * x0[i] + noise * eps[i];
    paint(x_t, 2);

    const frame = axes(curves, { title: "signal left ᾱ (solid), SNR (dashed)", x: [0, T, "step t"], y: [0, 1] });
    const snr = Float32Array.from(shares, logSnr);
    curve(curves.context, frame, steps, shares, { color: COLORS.blue });
    curve(curves.context, frame, steps, snr, { color: COLORS.orange, dash: [7, 5] });
    dot(curves.context, frame, t, shares[t], COLORS.blue);
    dot(curves.context, frame, t, snr[t], COLORS.orange);

    const pictures = n === 1 ? "A picture" : `${n} pictures`;
    sheet.node.setAttribute("aria-label", `${pictures} at step ${words(t)}, ${model.get("schedule")} schedule.`);
    curves.node.setAttribute("aria-label", `Signal left over the steps: ${percent(shares[t])} at t = ${t}.`);
    kit.drew({ x_t, alpha_bar: shares[t] });
  });
}

function percent(share) {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

// The signal-to-noise ratio on a logarithmic axis, from 10^-4 (0) to 10^4 (1).
function logSnr(share) {
  return Math.min(1, Math.max(0, (Math.log10(share / (1 - share)) + 4) / 8));
}

export default { render: (view) => mount(build, view) };
