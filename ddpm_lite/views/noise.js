
// Noise: pictures at t under a schedule, by the closed form, with one eps at all t, or by the chain, step by step.

const POWERS = [["10⁴", 1], ["10²", 0.75], ["1", 0.5], ["10⁻²", 0.25], ["10⁻⁴", 0]]; // of the SNR, see snrHeight
const STRIDE = 10; // of a walk, the pictures at every tenth step are kept, as in noise.py

function build(kit) {
  const { model } = kit;
  const [n, c, h, w] = model.get("shape");
  const T = model.get("T");
  const names = model.get("schedules");
  const x0 = decodePixels(model.get("x0"));
  const eps = decodeNoise(model.get("eps"));
  const tables = names.map((name, k) => numbers(model.get("beta"), Float64Array).subarray(k * (T + 1), (k + 1) * (T + 1)));
  const shares = tables.map(signalLeft);
  const walks = tables.map((beta) => chain(x0, beta));
  const jumped = new Float32Array(x0.length);
  const soFar = new Float32Array(x0.length);
  const steps = Array.from({ length: T + 1 }, (_, t) => t);

  // One picture: its three states side by side. Several: a row for each of the three.
  const short = ["x₀", "ε", "xₜ"];
  const titles = NARROW ? short : ["x₀: the picture", "ε: all the noise", "xₜ: both mixed"];
  const sheet =
    n === 1
      ? pictureGrid(kit, { rows: 1, columns: 3, c, h, w, titles })
      : pictureGrid(kit, { rows: 3, columns: n, c, h, w, names: short });
  const curves = canvas(kit, NARROW ? 360 : 460, 250);
  const paint = (values, k) => {
    for (let i = 0; i < n; i++) sheet.paint(values, i * c * h * w, ...(n === 1 ? [0, k] : [k, i]));
  };
  paint(x0, 0);

  const chosen = () => names.indexOf(model.get("schedule"));
  const table = () => shares[chosen()];
  const words = (t) => `t = ${t} of ${T}, ${percentage(table()[t])} signal`;
  slider(kit, "t", { label: "step t", min: 0, max: T, words });
  choice(kit, "schedule", "schedule", names);
  choice(kit, "way", "way", model.get("ways"));
  player(kit, "t", steps, 8);

  // The rest of the walk, then those of the other schedules, ten steps in each picture of the screen: a later jump there need not wait for it.
  let timer = null;
  const ahead = kit.guard(() => {
    const more = model.get("way") === "chain" && [walks[chosen()], ...walks].some((walk) => walk.further());
    timer = more ? setTimeout(ahead, 16) : null;
  });
  kit.onLeave(() => clearTimeout(timer));

  kit.onChange(() => {
    const t = model.get("t");
    const way = model.get("way");
    const share = table()[t];
    const signal = Math.sqrt(share);
    const noise = Math.sqrt(1 - share);
    const x_t = way === "chain" ? walks[chosen()].at(t) : jumped;
    if (way === "chain") {
      for (let i = 0; i < x_t.length; i++) soFar[i] = t === 0 ? 0 : (x_t[i] - signal * x0[i]) / noise;
      timer ??= setTimeout(ahead, 16);
    } else {
      for (let i = 0; i < x_t.length; i++) x_t[i] = signal * x0[i] + noise * eps[i];
    }
    const inIt = way === "chain" ? soFar : eps;
    paint(inIt, 1);
    paint(x_t, 2);

    const title = `t = ${t}: ${percentage(share)} signal, SNR ${snr(share)}`;
    const y = [0, 1, "signal left ᾱ (solid)"];
    const frame = axes(curves, { title, x: [0, T, "step t"], y, right: ["SNR (dashed)", ...POWERS] });
    clipped(curves.context, frame); // the SNR is infinite at t = 0
    curve(curves.context, frame, steps, table(), { color: COLORS.blue });
    curve(curves.context, frame, steps, table().map(snrHeight), { color: COLORS.orange, dash: [7, 5] });
    curves.context.restore();
    dot(curves.context, frame, t, share, COLORS.blue);
    dot(curves.context, frame, t, Math.min(1, Math.max(0, snrHeight(share))), COLORS.orange); // at the rim where it lies beyond

    const pictures = n === 1 ? "A picture" : `${n} pictures`;
    const none = way === "chain" && t === 0 ? ", no noise yet" : "";
    const how = `${model.get("schedule")} schedule, by the ${way}${none}`;
    kit.describe(`${pictures} at step ${words(t)}, ${how}.`);
    const told = `${percentage(share)} and ${snr(share)} at t = ${t}`;
    curves.node.setAttribute("aria-label", `Signal left and signal-to-noise ratio over the steps: ${told}.`);
    kit.drew({ x_t, eps: inIt, alpha_bar: share });
  });
}

// alpha_bar_t, the product of 1 - beta_1 to 1 - beta_t.
function signalLeft(beta) {
  let share = 1;
  return beta.map((b) => (share *= 1 - b));
}

// The walk x_s = sqrt(1 - beta_s) x_{s-1} + sqrt(beta_s) eps_s from x_0, with fresh noise in each step: `at(t)` is where
// it is at step t; `further()` goes on from the furthest picture kept to the next, and says whether there is one.
function chain(x0, beta) {
  const stops = [x0];
  const walk = (start, from, to) => {
    const x = new Float32Array(start);
    for (let s = from + 1; s <= to; s++) {
      const kept = Math.sqrt(1 - beta[s]);
      const added = Math.sqrt(beta[s]);
      for (let i = 0; i < x.length; i++) x[i] = kept * x[i] + added * normal((s - 1) * x.length + i);
    }
    return x;
  };
  const further = () => {
    const from = (stops.length - 1) * STRIDE;
    if (from + STRIDE >= beta.length) return false;
    stops.push(walk(stops.at(-1), from, from + STRIDE));
    return true;
  };
  const at = (t) => {
    const nearest = Math.floor(t / STRIDE);
    while (stops.length <= nearest) further();
    return walk(stops[nearest], nearest * STRIDE, t);
  };
  return { at, further };
}

function percentage(share) {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

// The signal-to-noise ratio in words.
function snr(share) {
  return share === 1 ? "∞" : String(Number((share / (1 - share)).toPrecision(2)));
}

// Where the signal-to-noise ratio stands on a logarithmic axis, from 10^-4 (0) to 10^4 (1).
function snrHeight(share) {
  return (Math.log10(share / (1 - share)) + 4) / 8;
}

export default { render: (view) => mount(build, view) };
