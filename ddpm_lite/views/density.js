// Density: a density on a line dissolves, and two chains walk back: by exact steps, and by Algorithm 2. The start density
// is a mixture of Gaussians, and a drawn one is fitted by such a mixture: so all that is drawn here is exact.

function build(kit) {
  const { model } = kit;
  const T = model.get("T");
  const ways = model.get("ways");
  const pens = model.get("pens");
  const { chains, paths, points, columns, rows, reach, grid, bins, penStd } = model.get("sizes");
  const alphaBar = numbers(model.get("alpha_bar"), Float64Array);
  const xs = Float64Array.from({ length: grid }, (_, i) => -reach + (2 * reach * i) / (grid - 1));
  const fit = fitter(xs, pens, penStd);
  const walk = walker(chains, alphaBar);
  const over = canvas(kit, NARROW ? 360 : 450, 330);
  const at = canvas(kit, NARROW ? 360 : 365, 330);
  const layer = new OffscreenCanvas(over.node.width, over.node.height); // what stays when only t moves

  const mixtures = new Map(model.get("mixtures"));
  const names = [...mixtures.keys(), "drawn"];
  const steps = Array.from({ length: T + 1 }, (_, t) => t);
  const forward = () => model.get("way") === "forward";
  slider(kit, "t", { label: "step t", min: 0, max: T, words: (t) => `t = ${t} of ${T}` });
  choice(kit, "density", "start density", names);
  if (ways.length > 1) choice(kit, "way", "way", ways);
  let count = null;
  if (ways.some((way) => way !== "forward")) {
    count = picker(kit, "strides", model.get("counts"), { label: "steps back", words: (k) => `${k} steps` });
  }
  player(kit, "t", steps, 8); // it goes the way that `steps` is sorted

  const mixture = () => {
    if (model.get("density") !== "drawn") return mixtureOf(...mixtures.get(model.get("density")));
    return mixtureOf(model.get("weights"), pens, pens.map(() => penStd ** 2));
  };
  let made = {}; // all that does not depend on t, for the state `made.key`
  const make = () => {
    const way = model.get("way");
    const strides = forward() ? T : model.get("strides");
    const key = JSON.stringify([model.get("density"), model.get("weights"), way, strides]);
    if (key === made.key) return;
    const start = mixture();
    const stops = stopsOf(T, strides);
    const x = forward() ? walk.forward(start) : walk.back(start, stops, way === "back, exact");
    const all = { start, stops, x };
    made = { key, ...all, ...background(all), distance: forward() ? null : kolmogorov(start, x(0)) };
  };

  // The heat of q(x_t) and the paths, drawn once for all t.
  const background = ({ start, stops, x }) => {
    const frame = axes(over, {
      title: `q(xₜ) grey, ${paths} chains: time runs ${forward() ? "→" : "←"}`,
      x: [0, T, "step t"],
      y: [-reach, reach, "x"],
      heights: [-2, 0, 2],
    });
    const g = over.context;
    const heat = new Float64Array(columns * rows);
    const pixels = new ImageData(columns, rows);
    for (let c = 0; c < columns; c++) {
      const q = diffused(start, alphaBar[Math.floor(((c + 0.5) * T) / columns + 0.5)]);
      for (let r = 0; r < rows; r++) {
        const value = density(q, reach * (((r + 0.5) * 2) / rows - 1));
        heat[c * rows + r] = value;
        const i = 4 * ((rows - 1 - r) * columns + c);
        pixels.data.fill(255 - 150 * Math.min(1, Math.sqrt(value / 1.2)), i, i + 3);
        pixels.data[i + 3] = 255;
      }
    }
    const small = new OffscreenCanvas(columns, rows);
    small.getContext("2d").putImageData(pixels, 0, 0);
    const { left, right, top, bottom } = frame.box;
    g.imageSmoothingEnabled = true;
    g.drawImage(small, left, top, right - left, bottom - top);

    const many = Math.min(stops.length, points);
    const places = Array.from({ length: many }, (_, i) => Math.floor((i * (stops.length - 1)) / (many - 1) + 0.5));
    const shown = places.map((i) => stops[i]);
    const lines = new Float64Array(many * paths);
    places.forEach((place, i) => lines.set(x(place).subarray(0, paths), i * paths));
    g.save();
    g.beginPath();
    g.rect(left, top, right - left, bottom - top);
    g.clip();
    g.globalAlpha = 0.3;
    const one = (k) => shown.map((_, i) => lines[i * paths + k]);
    for (let k = DASHES.length; k < paths; k++) curve(g, frame, shown, one(k), { color: color(), width: 1 });
    g.globalAlpha = 1;
    DASHES.forEach((dash, k) => curve(g, frame, shown, one(k), { color: color(), width: 2.5, dash }));
    g.restore();
    layer.getContext("2d").drawImage(over.node, 0, 0);
    return { frame, heat, lines };
  };
  const color = () => (model.get("way") === "back, Algorithm 2" ? COLORS.red : COLORS.blue);

  let pen = (pens.length - 1) / 2; // the Gaussian that the keys raise and lower
  let stroke = null; // while one is drawn with the pointer: its heights and the axes it began on
  const draw = () => {
    make();
    const { start, stops, x, frame, heat, lines } = made;
    const seen = stops.findIndex((t) => t >= model.get("t"));
    const t = stops[seen];
    const here = x(seen);
    const q = diffused(start, alphaBar[t]);
    const curveAt = xs.map((value) => density(q, value));
    const bars = histogram(here, bins, reach);
    if (!stroke && (steps[0] === 0) !== forward()) steps.reverse();
    if (count) count.disabled = forward();

    over.context.drawImage(layer, 0, 0, over.width, over.height);
    curve(over.context, frame, [t, t], [-reach, reach], { color: "#000", width: 2 });
    for (let k = 0; k < 3; k++) if (Math.abs(here[k]) < reach) dot(over.context, frame, t, here[k], "#000", 5);

    const peak = Math.max(...xs.map((value) => density(start, value)));
    const highest = stroke?.top ?? [0.75, 1.5].find((top) => peak < 0.95 * top) ?? 3;
    const g = at.context;
    const plot = axes(at, { title: `t = ${t}: q(xₜ) line, chains bars`, x: [-reach, reach, "x"], y: [0, highest], ticks: [-2, 0, 2] });
    at.axes = { plot, highest };
    g.save();
    g.beginPath();
    g.rect(plot.box.left, plot.box.top, plot.box.right - plot.box.left, plot.box.bottom - plot.box.top);
    g.clip();
    g.fillStyle = color();
    g.globalAlpha = 0.4;
    const wide = (plot.box.right - plot.box.left) / bins;
    bars.forEach((height, i) => g.fillRect(plot.box.left + i * wide, plot.atY(height), wide - 1, plot.box.bottom - plot.atY(height)));
    g.globalAlpha = 1;
    curve(g, plot, xs, curveAt, { color: "#000" });
    if (stroke) curve(g, plot, xs, stroke.heights, { color: COLORS.purple, dash: [7, 5], width: 2 });
    if (document.activeElement === at.node) curve(g, plot, [pens[pen], pens[pen]], [0, highest], { color: COLORS.purple, dash: [2, 4] });
    g.restore();
    g.fillStyle = "#000";
    if (model.get("density") !== "drawn") g.fillText("draw your own here", plot.box.left + 8, plot.box.top + 22);

    let distance = made.distance;
    if (forward()) distance = Math.max(...xs.map((value) => Math.abs(cdf(q, value) - phi(value))));
    kit.describe(describe(t, distance));
    at.node.setAttribute(
      "aria-label",
      `The density at t = ${t} and a histogram of the chains. Draw a start density here: left and right move the pen, now at ` +
        `${pens[pen].toFixed(1)}; up and down raise and lower the density there, now ${density(start, pens[pen]).toFixed(2)}.`,
    );
    kit.drew({ heat, paths: lines, density: curveAt, chains: here, bars, distance });
  };
  kit.onChange(draw);

  const describe = (t, distance) => {
    const drawn = model.get("density") === "drawn" ? "a drawn density" : model.get("density");
    const name = drawn[0].toUpperCase() + drawn.slice(1);
    const gap = distance.toFixed(2);
    if (forward()) return `${name}, forward, at t = ${t} of ${T}. Largest gap of q(x_t) to the normal distribution: ${gap}.`;
    const by = `${model.get("strides")} ${model.get("way") === "back, exact" ? "exact steps" : "steps of Algorithm 2"}`;
    return (
      `${name}, back in ${by}, at t = ${t} of ${T}. The ${chains} chains end with a largest gap of ${gap} to q(x_0)` +
      " (by chance alone mostly below 0.07)."
    );
  };

  // The drawing: the pointer sets heights and Gaussians are fitted to them; the keys change one Gaussian.
  const put = (weights) => {
    const sum = weights.reduce((a, b) => a + b, 0);
    if (!(sum > 0)) return; // all is rubbed out: what was there stays
    const kept = weights.map((w) => (w < 0.001 * sum ? 0 : Number((w / sum).toFixed(4))));
    kit.setAll({ t: 0, density: "drawn", weights: kept });
  };
  const present = () => {
    const start = mixture();
    return xs.map((value) => density(start, value));
  };
  drag(kit, at, (x, y, event) => {
    const { plot, highest } = at.axes;
    const { left, right, top, bottom } = plot.box;
    const place = ((x - left) / (right - left)) * (grid - 1);
    const height = highest * Math.min(1, Math.max(0, (bottom - y) / (bottom - top)));
    if (event.type === "pointerdown") stroke = { heights: present(), top: highest, place, height };
    const around = event.type === "pointerdown" ? 3 : 0;
    const [from, to] = [Math.min(stroke.place, place) - around, Math.max(stroke.place, place) + around];
    for (let i = Math.max(0, Math.ceil(from)); i <= Math.min(grid - 1, to); i++) {
      const share = Math.min(1, Math.max(0, (i - stroke.place) / (place - stroke.place || 1)));
      stroke.heights[i] = stroke.height + share * (height - stroke.height);
    }
    Object.assign(stroke, { place, height });
    put(fit(stroke.heights));
  });
  const end = kit.guard(() => {
    stroke = null;
    draw();
  });
  for (const name of ["pointerup", "pointercancel"]) at.node.addEventListener(name, end);

  at.node.tabIndex = 0;
  at.node.setAttribute("role", "application"); // a screen reader hands the keys on
  at.node.setAttribute("aria-roledescription", "drawing");
  for (const name of ["focus", "blur"]) at.node.addEventListener(name, kit.guard(draw));
  const keys = kit.guard((event) => {
    const along = { ArrowLeft: pen - 1, ArrowRight: pen + 1, Home: 0, End: pens.length - 1 }[event.key];
    const up = { ArrowUp: 0.02, ArrowDown: -0.02, PageUp: 0.1, PageDown: -0.1 }[event.key];
    if (along === undefined && up === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (along !== undefined) {
      pen = Math.min(pens.length - 1, Math.max(0, along));
      return draw();
    }
    const weights = model.get("density") === "drawn" ? [...model.get("weights")] : fit(present());
    const sum = weights.reduce((a, b) => a + b, 0);
    weights[pen] = Math.max(0, weights[pen] + up * sum);
    put(weights);
  });
  at.node.addEventListener("keydown", keys);
}

const DASHES = [[], [9, 5], [2, 4]]; // the three paths that stand out

// A mixture of Gaussians: the weights, with sum 1 and none of them 0, the means and the variances; `top` are the greatest
// values of its parts. Typed arrays, since all below is done many thousand times at each change.
function mixtureOf(weights, means, vars) {
  const kept = [...weights.keys()].filter((k) => weights[k] > 0);
  const sum = weights.reduce((a, b) => a + b, 0);
  const of = (f) => Float64Array.from(kept, f);
  return {
    w: of((k) => weights[k] / sum),
    m: of((k) => means[k]),
    v: of((k) => vars[k]),
    top: of((k) => weights[k] / sum / Math.sqrt(2 * Math.PI * vars[k])),
  };
}

// q(x_t) of a mixture q(x_0), at a share a of signal left.
function diffused({ w, m, v }, a) {
  const vNow = v.map((value) => a * value + 1 - a);
  return { w, m: m.map((value) => Math.sqrt(a) * value), v: vNow, top: w.map((value, k) => value / Math.sqrt(2 * Math.PI * vNow[k])) };
}

function density({ top, m, v }, x) {
  let sum = 0;
  for (let k = 0; k < m.length; k++) sum += top[k] * Math.exp((-0.5 * (x - m[k]) * (x - m[k])) / v[k]);
  return sum;
}

// The distribution function of N(0, 1), to 10^-7 (Abramowitz & Stegun 1964, 7.1.26), and that of a mixture.
function phi(x) {
  const s = 1 / (1 + (0.3275911 * Math.abs(x)) / Math.SQRT2);
  const series = s * (0.254829592 + s * (-0.284496736 + s * (1.421413741 + s * (-1.453152027 + s * 1.061405429))));
  const beyond = 0.5 * series * Math.exp(-0.5 * x * x);
  return x > 0 ? 1 - beyond : beyond;
}

function cdf({ w, m, v }, x) {
  let sum = 0;
  for (let k = 0; k < w.length; k++) sum += w[k] * phi((x - m[k]) / Math.sqrt(v[k]));
  return sum;
}

// The largest gap between the distribution of the numbers and that of a mixture.
function kolmogorov(mixture, found) {
  const sorted = Float64Array.from(found).sort();
  let gap = 0;
  for (const [i, x] of sorted.entries()) {
    const below = cdf(mixture, x);
    gap = Math.max(gap, below - i / sorted.length, (i + 1) / sorted.length - below);
  }
  return gap;
}

function histogram(x, bins, reach) {
  const bars = new Float64Array(bins);
  for (const value of x) {
    const i = Math.floor(((value + reach) / (2 * reach)) * bins);
    if (i >= 0 && i < bins) bars[i] += bins / (x.length * 2 * reach);
  }
  return bars;
}

// The steps at which chains of so many strides stand, from 0 up: those of `timesteps` in sample.py, which rounds to even.
function stopsOf(T, strides) {
  const even = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));
  return Array.from({ length: strides + 1 }, (_, i) => even((T * i) / strides));
}

// The chains, as a function from the place of a stop to their places. Noise is a function of way, step and chain; what
// does not depend on the density is kept.
function walker(chains, alphaBar) {
  const T = alphaBar.length - 1;
  const tables = new Map();
  const noise = (way, step) => {
    const key = way * 1001 + step;
    if (!tables.has(key)) {
      const [z, u] = [new Float64Array(chains), new Float64Array(chains)];
      for (let i = 0; i < chains; i++) {
        const counter = key * chains + i;
        z[i] = normal(counter);
        u[i] = uniform(2 * (counter + 2002 * chains) + 1);
      }
      tables.set(key, { z, u });
    }
    return tables.get(key);
  };

  // Which component: the first at which the sum of the first weights reaches u of the whole.
  const choose = (weights, whole, u) => {
    let k = 0;
    for (let sum = weights[0]; sum < u * whole && k < weights.length - 1; sum += weights[k]) k++;
    return k;
  };

  let added = null; // all noise that a chain has gathered until t, at [t * chains + chain]
  const gather = () => {
    added = new Float64Array((T + 1) * chains);
    for (let t = 1; t <= T; t++) {
      const alpha = alphaBar[t] / alphaBar[t - 1];
      const [kept, fresh] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
      for (let i = t * chains; i < (t + 1) * chains; i++) added[i] = kept * added[i - chains] + fresh * normal(i);
    }
  };
  const forward = ({ w, m, v }) => {
    if (!added) gather();
    const { u, z } = noise(0, 0);
    const x0 = new Float64Array(chains);
    for (let i = 0; i < chains; i++) {
      const k = choose(w, 1, u[i]);
      x0[i] = m[k] + Math.sqrt(v[k]) * z[i];
    }
    return (t) => x0.map((x, i) => Math.sqrt(alphaBar[t]) * x + added[t * chains + i]);
  };

  const back = ({ w, m, v }, stops, exact) => {
    const found = [noise(1, 0).z]; // from the last stop down
    const share = new Float64Array(w.length);
    for (let step = 1; step < stops.length; step++) {
      const [now, before] = [alphaBar[stops[stops.length - step]], alphaBar[stops[stops.length - step - 1]]];
      const alpha = now / before;
      const { u, z } = noise(1, step);
      const vNow = v.map((value) => now * value + 1 - now);
      const half = vNow.map((value) => 0.5 / value);
      const vBefore = v.map((value) => before * value + 1 - before);
      const log = w.map((value, k) => Math.log(value) - 0.5 * Math.log(vNow[k]));
      const middle = m.map((value) => Math.sqrt(now) * value);
      // Given the component, x_before is Gaussian with mean constant + slope * x_now.
      const constant = m.map((value, k) => ((1 - alpha) * Math.sqrt(before) * value) / vNow[k]);
      const slope = vBefore.map((value, k) => (Math.sqrt(alpha) * value) / vNow[k]);
      const std = vBefore.map((value, k) => Math.sqrt(((1 - alpha) * value) / vNow[k]));
      const sigma = Math.sqrt(((1 - before) / (1 - now)) * (1 - alpha)); // of Algorithm 2
      const last = found[step - 1];
      const next = new Float64Array(chains);
      for (let i = 0; i < chains; i++) {
        const x = last[i];
        let greatest = -Infinity;
        for (let k = 0; k < share.length; k++) {
          share[k] = log[k] - half[k] * (x - middle[k]) * (x - middle[k]);
          if (share[k] > greatest) greatest = share[k];
        }
        let whole = 0;
        let sum = 0;
        for (let k = 0; k < share.length; k++) {
          const behind = share[k] - greatest;
          share[k] = behind < -40 ? 0 : Math.exp(behind);
          whole += share[k];
          sum += share[k] * (constant[k] + slope[k] * x);
        }
        if (exact) {
          const k = choose(share, whole, u[i]);
          next[i] = constant[k] + slope[k] * x + std[k] * z[i];
        } else next[i] = sum / whole + sigma * z[i]; // with eps* the mean is exact too, but it is a Gaussian
      }
      found.push(next);
    }
    found.reverse();
    return (i) => found[i];
  };
  return { forward, back };
}

// Non-negative weights of Gaussians at `pens` whose sum is nearest to given heights over `xs` (least squares), by the
// multiplicative updates of Lee & Seung 2001, which keep them positive.
function fitter(xs, pens, std) {
  const bells = pens.map((pen) => {
    const bell = mixtureOf([1], [pen], [std ** 2]);
    return xs.map((x) => density(bell, x));
  });
  const inner = (a, b) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  };
  const gram = bells.map((one) => Float64Array.from(bells, (other) => inner(one, other)));
  return (heights) => {
    const target = bells.map((bell) => inner(bell, heights));
    let weights = pens.map(() => 0.1);
    for (let round = 0; round < 200; round++) weights = weights.map((w, k) => (w * target[k]) / (inner(gram[k], weights) || 1));
    return weights;
  };
}

export default { render: (view) => mount(build, view) };
