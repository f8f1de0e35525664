
// Noise: pictures at t under a schedule, x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, one eps at all t.

function build(kit) {
  const { model } = kit;
  const [n, c, h, w] = model.get("shape");
  const T = model.get("T");
  const names = model.get("schedules");
  const x0 = Float32Array.from(numbers(model.get("x0"), Uint8Array), (v) => v / 127.5 - 1);
  const eps = Float32Array.from(numbers(model.get("eps"), Int16Array), (v) => (v * 8) / 32767);
  const tables = numbers(model.get("alpha_bar"), Float32Array);
  const x_t = new Float32Array(x0.length);
  const size = c * h * w;

  // One picture: its three states side by side. Several: a row for each of the three.
  const rows = n === 1 ? 1 : 3;
  const columns = n === 1 ? 3 : n;
  const tile = Math.max(h, Math.min(210, Math.floor(680 / columns)));
  const left = n === 1 ? 4 : 44;
  const top = n === 1 ? 30 : 4;
  const sheet = canvas(kit, left + columns * (tile + 4), top + rows * (tile + 4));
  const small = new OffscreenCanvas(w, h);
  const curves = canvas(kit, 420, 250);
  const titles = ["x₀: the picture", "ε: the noise", "xₜ: both mixed"];

  const paint = (values, row, column, offset) => {
    small.getContext("2d").putImageData(image(values, offset, c, h, w), 0, 0);
    sheet.context.imageSmoothingEnabled = false;
    sheet.context.drawImage(small, left + column * (tile + 4), top + row * (tile + 4), tile, tile);
  };
  const at = (k, i) => (n === 1 ? [0, k, 0] : [k, i, i * size]);

  sheet.context.fillStyle = "#fff";
  sheet.context.fillRect(0, 0, sheet.width, sheet.height);
  sheet.context.fillStyle = "#000";
  sheet.context.font = "17px system-ui, sans-serif";
  for (let k = 0; k < 3; k++) {
    if (n === 1) sheet.context.fillText(titles[k], left + k * (tile + 4), 21);
    else sheet.context.fillText(titles[k].slice(0, 2), 8, top + k * (tile + 4) + tile / 2);
    for (let i = 0; i < n && k < 2; i++) paint(k ? eps : x0, ...at(k, i));
  }

  const words = (t) => `t = ${t} of ${T}, ${percent(table()[t])} signal`;
  const table = () => tables.subarray(names.indexOf(model.get("schedule")) * (T + 1)).subarray(0, T + 1);
  slider(kit, "t", { label: "step t", min: 0, max: T, words });
  choice(kit, "schedule", "schedule", names);
  player(kit, "t", 0, T, 8);
  button(kit, "Reset", () => kit.set("t", 0));

  kit.onChange(() => {
    const t = model.get("t");
    const a = table()[t];
    const signal = Math.sqrt(a);
    const noise = Math.sqrt(1 - a);
    for (let i = 0; i < x_t.length; i++) x_t[i] = signal * x0[i] + noise * eps[i];
    for (let i = 0; i < n; i++) paint(x_t, ...at(2, i));
    const shares = table();
    plot(curves, {
      title: "signal left ᾱ (solid), SNR (dashed)",
      T,
      lines: [
        { value: (s) => shares[s], color: COLORS.blue },
        { value: (s) => logSnr(shares[s]), color: COLORS.orange, dash: [7, 5] },
      ],
      marks: [t],
    });
    const text = `${n === 1 ? "A picture" : `${n} pictures`} at step ${words(t)}, ${model.get("schedule")} schedule.`;
    sheet.node.setAttribute("aria-label", text);
    curves.node.setAttribute("aria-label", `Signal left over the steps: ${percent(a)} at t = ${t}.`);
    sheet.node.drawn = { x_t, alpha_bar: a };
    sheet.node.dataset.state = JSON.stringify({ t, schedule: model.get("schedule") });
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
