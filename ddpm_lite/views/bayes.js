
// Bayes: the step back to x_{t-1} as likelihood times prior; x_0 known (one Gaussian prior) or not (a mixture).

const PLACES = Array.from({ length: 1201 }, (_, i) => -3 + i / 200); // of x_{t-1}, as in bayes.py
const BETAS = [0.001, ...Array.from({ length: 47 }, (_, i) => (i + 1) / 50)];
const POINTS = 401; // of the integral of the divergence
const LOOKS = {
  likelihood: { text: "likelihood (dashed)", color: COLORS.orange, dash: [9, 5] },
  prior: { text: "prior (dotted)", color: COLORS.green, dash: [2.5, 4] },
  posterior: { text: "posterior (solid)", color: COLORS.blue, dash: [], width: 3.5 },
  fit: { text: "Gaussian fit (dash-dot)", color: COLORS.red, dash: [10, 4, 2.5, 4] },
};

function build(kit) {
  const { model } = kit;
  const shares = model.get("alpha_bar");
  const T = shares.length - 1;
  const scheduled = model.get("betas");
  const known = model.get("mixture").length === 0;
  const density = canvas(kit, NARROW ? 360 : known ? 700 : 495, NARROW ? 340 : 380);
  const growth = known ? null : canvas(kit, NARROW ? 360 : 320, NARROW ? 260 : 380);

  const number = (v) => v.toFixed(2);
  const ranged = (name, label, step, words) => {
    const [min, max] = model.get("ranges")[name];
    slider(kit, name, { label, min, max, step, words });
  };
  ranged("x_t", "where we stand, xₜ", 0.05, number);
  if (known) ranged("x_0", "where the walk began, x₀", 0.05, number);
  slider(kit, "t", {
    label: "step t",
    min: model.get("first"),
    max: T,
    page: Math.max(1, Math.min(10, Math.round(T / 5))),
    words: (t) => `t = ${t} of ${T}, where the schedule's β is ${scheduled[t].toFixed(3)}`,
  });
  ranged("beta", "variance β of the step", 0.001, (v) => v.toFixed(3));

  // The prior q(x_{t-1}) at the present t: weights, means, variances.
  const prior = () => {
    const share = shares[model.get("t") - 1];
    const [weights, means, variances] = known ? [[1], [model.get("x_0")], [0]] : model.get("mixture");
    return { weights, means: means.map((m) => Math.sqrt(share) * m), variances: variances.map((v) => share * v + 1 - share) };
  };

  let grown = {}; // the divergence over beta, and the x_t and t that it holds for
  kit.onChange(() => {
    const [x_t, t, beta] = ["x_t", "t", "beta"].map((name) => model.get(name));
    const before = prior();
    const rule = bayes(before, x_t, beta);
    const keep = Math.sqrt(1 - beta);
    const curves = {
      likelihood: PLACES.map((x) => normalDensity(x_t, keep * x, beta)),
      prior: PLACES.map((x) => mixed(before, x)),
      posterior: PLACES.map((x) => mixed(rule, x)), // likelihood x prior / evidence
    };
    if (!known) curves.fit = PLACES.map((x) => normalDensity(x, rule.mean, rule.variance));
    const drawn = { ...curves, evidence: rule.evidence, mean: rule.mean, variance: rule.variance };

    const points = { "xₜ": x_t, ...(known && { "x₀": model.get("x_0") }) };
    drawCurves(density, curves, points, `posterior: mean ${number(rule.mean)}, variance ${rule.variance.toFixed(4)}`);
    let text = `x_t = ${number(x_t)} at t = ${t} of ${T}, β = ${beta.toFixed(3)}. The step alone points to ${number(x_t / keep)}`;
    if (known) text += `, the start x_0 = ${number(model.get("x_0"))} to ${number(before.means[0])}`;
    text += `; the posterior has mean ${number(rule.mean)} and variance ${rule.variance.toFixed(4)}`;
    if (!known) {
      drawn.divergence = divergence(rule);
      if (grown.at !== `${x_t} ${t}`) grown = { at: `${x_t} ${t}`, over: BETAS.map((b) => divergence(bayes(before, x_t, b))) };
      drawn.divergences = grown.over;
      const kl = drawn.divergence.toFixed(4);
      drawGrowth(growth, drawn.divergences, beta, drawn.divergence, `KL to the fit: ${kl} nats`);
      const many = humps(curves.posterior);
      text += `, ${many} hump${many === 1 ? "" : "s"}; KL to its Gaussian fit ${kl} nats`;
    }
    kit.describe(`${text}.`);
    kit.drew(drawn);
  });
}

function normalDensity(x, mean, variance) {
  return Math.exp(-((x - mean) ** 2) / (2 * variance)) / Math.sqrt(2 * Math.PI * variance);
}

function mixed({ weights, means, variances }, x) {
  let sum = 0;
  for (let k = 0; k < weights.length; k++) sum += weights[k] * normalDensity(x, means[k], variances[k]);
  return sum;
}

// Bayes' rule for one step back from x_t: each component of the prior has a Gaussian step back; they are mixed by the
// weight that each has in q(x_t), the evidence.
function bayes(before, x_t, beta) {
  const keep = Math.sqrt(1 - beta);
  const there = before.variances.map((v) => keep ** 2 * v + beta); // the variance of x_t from each component
  // in logarithms: far from all that the prior holds, the evidence is smaller than any float
  const away = before.means.map((m) => x_t - keep * m);
  const logs = there.map((v, k) => Math.log(before.weights[k] / Math.sqrt(2 * Math.PI * v)) - away[k] ** 2 / (2 * v));
  const most = Math.max(...logs);
  const sum = logs.reduce((total, log) => total + Math.exp(log - most), 0);
  const weights = logs.map((log) => Math.exp(log - most) / sum);
  const evidence = sum * Math.exp(most);
  const means = before.means.map((m, k) => m + ((keep * before.variances[k]) / there[k]) * away[k]);
  const variances = before.variances.map((v, k) => (v * beta) / there[k]);
  const mean = weights.reduce((total, w, k) => total + w * means[k], 0);
  const variance = weights.reduce((total, w, k) => total + w * (variances[k] + (means[k] - mean) ** 2), 0);
  return { weights, means, variances, evidence, mean, variance };
}

// KL(posterior || Gaussian of its mean and variance) = log sqrt(2 pi e variance) - entropy of the posterior, in nats.
function divergence(rule) {
  const low = Math.min(...rule.means.map((m, k) => m - 9 * Math.sqrt(rule.variances[k])));
  const high = Math.max(...rule.means.map((m, k) => m + 9 * Math.sqrt(rule.variances[k])));
  const step = (high - low) / (POINTS - 1);
  const density = new Float64Array(POINTS);
  for (const [k, variance] of rule.variances.entries()) {
    const height = rule.weights[k] / Math.sqrt(2 * Math.PI * variance);
    for (let i = 0; i < POINTS; i++) density[i] += height * Math.exp(-((low + i * step - rule.means[k]) ** 2) / (2 * variance));
  }
  let sum = 0;
  for (const q of density) if (q > 0) sum += q * Math.log(q);
  return Math.max(0, 0.5 * Math.log(2 * Math.PI * Math.E * rule.variance) + sum * step); // not -1e-16, by rounding
}

function humps(density) {
  const least = 1e-3 * Math.max(...density);
  return density.filter((y, i) => y > least && y > density[i - 1] && y >= density[i + 1]).length; // false at the ends
}

// The end of an axis above some values. It changes rarely, so that the curves are seen to grow.
function above(values, room) {
  const most = Math.max(...values) / room;
  const power = 10 ** Math.floor(Math.log10(most));
  return Number(([1, 2, 3, 5].find((k) => k * power >= most) * power || 10 * power).toPrecision(1));
}

// The curves, with their names in rows above them, each over the peak of its own.
function drawCurves(sheet, curves, points, title) {
  const g = sheet.context;
  const names = Object.keys(LOOKS).filter((name) => name in curves);
  const room = 1 - (22 * names.length + 6) / (sheet.height - 78); // what the names leave of the height
  const top = Math.max(1, above(names.map((name) => Math.max(...curves[name])), room));
  const ticks = [-3, -2, -1, 0, 1, 2, 3];
  const frame = axes(sheet, { title, x: [-3, 3, "one step before, xₜ₋₁"], y: [0, top, "density"], ticks });
  const peaks = names.map((name) => curves[name].indexOf(Math.max(...curves[name])));
  const rows = names.map((_, row) => frame.box.top + 21 + 22 * row);
  g.lineWidth = 1;
  for (const [row, name] of names.entries()) {
    if (peaks[row] % (PLACES.length - 1) === 0) continue; // its peak lies beyond the picture
    const x = frame.atX(PLACES[peaks[row]]);
    g.strokeStyle = LOOKS[name].color;
    g.beginPath();
    g.moveTo(x, rows[row]);
    g.lineTo(x, frame.atY(curves[name][peaks[row]]));
    g.stroke();
  }
  for (const [row, name] of names.entries()) {
    const { text } = LOOKS[name];
    const wide = g.measureText(text).width;
    const middle = frame.atX(PLACES[peaks[row]]);
    const left = Math.max(frame.box.left + 5, Math.min(frame.box.right - 5 - wide, middle - wide / 2));
    g.fillStyle = "#fff";
    g.fillRect(left - 3, rows[row] - 16, wide + 6, 21);
    g.fillStyle = "#000";
    g.fillText(text, left, rows[row]);
  }
  for (const name of Object.keys(curves)) curve(g, frame, PLACES, curves[name], LOOKS[name]);
  for (const [name, x] of Object.entries(points)) {
    dot(g, frame, x, 0, "#000");
    g.fillText(name, frame.atX(x) + (name === "xₜ" ? 8 : -26), frame.box.bottom - 8);
  }
}

function drawGrowth(sheet, divergences, beta, now, title) {
  const top = above([now, ...divergences, 0.05], 0.9);
  const frame = axes(sheet, { title, x: [0, 1, "variance β of the step"], y: [0, top, "KL in nats"] });
  curve(sheet.context, frame, BETAS, divergences, { color: COLORS.red });
  dot(sheet.context, frame, beta, now, COLORS.red);
  const here = `${now.toFixed(4)} nats at β = ${beta.toFixed(3)}`;
  sheet.node.setAttribute("aria-label", `KL between the posterior and its Gaussian fit over β: ${here}.`);
}

export default { render: (view) => mount(build, view) };
