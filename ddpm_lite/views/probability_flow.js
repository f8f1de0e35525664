// ProbabilityFlow: a density flows from noise to data, over time on a line and at u in the plane, with arrows of its velocity
// or score, and points that follow the ODE or the SDE. The velocity is exact, or the learnt one, which was sent as a grid.

const REACH = 3; // as in probability_flow.py

function build(kit) {
  const { model } = kit;
  const { end, walks, points, trails, columns, cells, across, down, lasts, ahead, short, nodes } = model.get("sizes");
  const paths = model.get("paths");
  const [line, plane] = ["line", "plane"].map((name) => mixtureOf(model.get(name)));
  const learnt = paths.map((_, k) => learntField(model, k));
  const over = canvas(kit, NARROW ? 360 : 450, NARROW ? 330 : 369);
  const flat = canvas(kit, NARROW ? 360 : 365, NARROW ? 364 : 369); // the plane is a square on it
  const layer = new OffscreenCanvas(over.node.width, over.node.height); // what stays when only u moves

  const times = model.get("times");
  picker(kit, "u", times, { label: "time u", words: (u) => `u = ${u.toFixed(2)}` });
  player(kit, "u", times, 8);
  choice(kit, "path", "path", paths);
  choice(kit, "arrows", "arrows", ["velocity", "score"]);
  choice(kit, "field", "points follow", ["exact", "learnt"]);
  slider(kit, "x_start", { label: "start x", min: -REACH, max: REACH, step: 0.05, words: (x) => x.toFixed(2) });
  choice(kit, "solver", "solver", ["Euler", "Heun", "DDIM"]);
  slider(kit, "steps", { label: "steps", min: 1, max: 64, words: String });
  slider(kit, "eta", { label: "noise η", min: 0, max: 1, step: 0.1, page: 5, words: (eta) => `η = ${eta.toFixed(1)}` });

  const at = (u) => PATHS[model.get("path")](u);
  const filled = (n, f) => Float64Array.from({ length: n }, (_, i) => f(i));
  // What does not change in a move is kept, by the traits that it depends on.
  const kept = new Map();
  const keep = (name, traits, make) => {
    const key = traits.map((trait) => model.get(trait)).join();
    if (kept.get(name)?.key !== key) kept.set(name, { key, value: make() });
    return kept.get(name).value;
  };

  // The arrows at places: b^2 score, made shorter, or what the velocity does backwards in a time `last`.
  const ways = (velocity, x, now, last) =>
    velocity(x, now).map((v, i) => (model.get("arrows") === "velocity" ? -last * v : -short * now.b * epsHat(x[i], v, now)));
  const middles = filled(cells, (r) => REACH * (((r + 0.5) * 2) / cells - 1));
  const square = filled(2 * cells * cells, (i) => middles[i % 2 ? Math.floor(i / 2 / cells) : (i / 2) % cells]);
  const lattice = filled((nodes + 1) / 2, (i) => (4 * REACH * i) / (nodes - 1) - REACH);
  const corners = filled(2 * lattice.length ** 2, (i) => lattice[i % 2 ? Math.floor(i / 2 / lattice.length) : (i / 2) % lattice.length]);
  const places = Array.from({ length: corners.length / 2 }, (_, i) => [corners[2 * i], corners[2 * i + 1]]);
  const rows = filled(down, (r) => (2 * REACH * r) / (down - 1) - REACH);
  const often = (mixture, x, now) => {
    const least = mixture.best(now) - Math.log(1000);
    return mixture.logs(x, now).map((height) => (height > least ? 1 : 0));
  };

  const heatMap = () => {
    const heat = new Float64Array(columns * cells);
    for (let c = 0; c < columns; c++) heat.set(line.logs(middles, at(1 - ((c + 0.5) * (1 - end)) / columns)).map(Math.exp), c * cells);
    return heat;
  };
  // The arrows over time: where they stand (u and x), how far they go in u and x, and 1 where they are drawn.
  const slopes = () => {
    const found = [];
    for (let k = 0; k < across; k++) {
      const now = at(1 - ((k + 0.5) * (1 - end)) / across);
      const [go, drawn] = [ways(line.velocity, rows, now, lasts), often(line, rows, now)];
      const back = model.get("arrows") === "velocity" ? -lasts : 0;
      rows.forEach((x, r) => found.push(now.u, x, back, go[r], drawn[r]));
    }
    return Float64Array.from(found);
  };
  const walk = (velocity, x, eta) => walked(velocity, x, { at, end, eta, steps: model.get("steps"), solver: model.get("solver") });

  let frame = null; // the axes over time
  const overTime = (heat, arrow, exact, ode, sde) => {
    const noisy = sde.length ? ", SDE orange" : "";
    frame = axes(over, {
      title: `exact ODE dashed, ${model.get("solver")} blue${noisy}`,
      x: [1, end, "time u: from noise to data"],
      y: [-REACH, REACH, "x"],
      ticks: [1, 0.5, end],
      heights: [-2, 0, 2],
    });
    const g = over.context;
    picture(g, frame, heat, columns, cells, (c, r) => c * cells + r, (value) => 150 * Math.min(1, Math.sqrt(value / 1.2)));
    clipped(g, frame);
    const each = Array.from({ length: arrow.length / 5 }, (_, i) => arrow.subarray(5 * i, 5 * i + 5));
    arrows(g, frame, each.map(([u, x]) => [u, x]), each.flatMap(([, , du, dx]) => [du, dx]), {
      color: COLORS.green,
      width: 1.5,
      scale: 1,
      only: (i) => each[i][4],
    });
    const stops = filled(ode.length, (k) => stopAt(k, ode.length - 1, end));
    for (let k = sde.length ? walks - 1 : -1; k >= 0; k--) {
      const xs = sde.map((x) => x[k]);
      if (k === 0) curve(g, frame, stops, xs, { color: "#fff", width: 5 });
      curve(g, frame, stops, xs, { color: COLORS.orange, width: k ? 1.2 : 3 });
    }
    const xs = ode.map(([x]) => x);
    curve(g, frame, stops, xs, { color: "#fff", width: 6 });
    curve(g, frame, stops, xs, { color: COLORS.blue, width: 3 });
    if (xs.length < 34) xs.forEach((x, k) => dot(g, frame, stops[k], x, COLORS.blue, 4));
    curve(g, frame, filled(exact.length, (k) => stopAt(k, exact.length - 1, end)), exact, { color: "#000", width: 2.5, dash: [7, 5] });
    g.restore();
    layer.getContext("2d").drawImage(over.node, 0, 0);
  };

  const inThePlane = (now, { ground, likely, shown, exactWays }, cloud, standing) => {
    const [field, eta] = [model.get("field"), model.get("eta")];
    const what = field === "exact" ? `exact ${model.get("arrows")}` : `learnt ${model.get("arrows")} over the exact`;
    const square_ = axes(flat, {
      title: `u = ${now.u.toFixed(2)}: ${what}`,
      x: [-REACH, REACH, "1st coordinate"],
      y: [-REACH, REACH, "2nd coordinate"],
    });
    const g = flat.context;
    picture(g, square_, ground, cells, cells, (c, r) => r * cells + c, (value) => 110 * Math.sqrt(value));
    clipped(g, square_);
    const color = eta ? COLORS.orange : COLORS.blue;
    const stop = Math.floor(((1 - now.u) / (1 - end)) * (cloud.length - 1));
    g.globalAlpha = 0.6;
    for (let i = 0; i < trails; i++) {
      const trail = [...cloud.slice(0, stop + 1), standing];
      curve(g, square_, trail.map((x) => x[2 * i]), trail.map((x) => x[2 * i + 1]), { color, width: 0.8 });
    }
    g.globalAlpha = 1;
    const only = (i) => likely[i];
    arrows(g, square_, places, exactWays, { color: COLORS.green, width: field === "exact" ? 1.5 : 4, scale: 1, only });
    if (field === "learnt") arrows(g, square_, places, shown, { color: "#000", width: 1.5, scale: 1, only });
    for (let i = 0; i < points; i++) dot(g, square_, standing[2 * i], standing[2 * i + 1], color, 3);
    g.restore();
  };

  over.node.style.cursor = "ns-resize";
  drag(kit, over, (_, y) => {
    const x = REACH * ((2 * (frame.box.bottom - y)) / (frame.box.bottom - frame.box.top) - 1);
    kit.set("x_start", Number(Math.min(REACH, Math.max(-REACH, x)).toFixed(2)));
  });

  kit.onChange(() => {
    const [u, path, field, solver, steps, eta] = ["u", "path", "field", "solver", "steps", "eta"].map((name) => model.get(name));
    const now = at(u);
    const start = (n) => new Float64Array(n).fill(model.get("x_start"));
    const mine = ["path", "x_start", "solver", "steps"];
    const common = ["path", "field", "solver", "steps", "eta"];
    const heat = keep("heat", ["path"], heatMap);
    const arrow = keep("slopes", ["path", "arrows"], slopes);
    const exact = keep("exact", ["path", "x_start"], () => exactPath(line.velocity, start(1), at, end));
    const ode = keep("ode", mine, () => walk(line.velocity, start(1), 0));
    const sde = keep("sde", [...mine, "eta"], () => (eta ? walk(line.velocity, start(walks), eta) : []));
    const along = field === "learnt" ? learnt[paths.indexOf(path)] : plane.velocity;
    const cloud = keep("cloud", common, () => walk(along, filled(2 * points, normal), eta));
    const share = keep("share", common, () => plane.share(cloud.at(-1), at(end)));

    const scene = keep("scene", ["u", "path", "arrows", "field"], () => {
      const [best, exactWays] = [plane.best(now), ways(plane.velocity, corners, now, ahead[path])];
      return {
        ground: plane.logs(square, now).map((height) => Math.exp(height - best)),
        likely: often(plane, corners, now),
        exactWays,
        shown: field === "exact" ? exactWays : ways(along, corners, now, ahead[path]),
      };
    });
    // Where points are at u: they go straight from stop to stop.
    const stop = ((1 - u) / (1 - end)) * steps;
    const low = Math.min(steps - 1, Math.floor(stop));
    const here = (states) => states[low].map((x, i) => x + (stop - low) * (states[low + 1][i] - x));
    const standing = here(cloud);

    keep("layer", [...mine, "arrows", "eta"], () => overTime(heat, arrow, exact, ode, sde));
    over.context.drawImage(layer, 0, 0, over.width, over.height);
    curve(over.context, frame, [u, u], [-REACH, REACH], { color: "#000", width: 2 });
    for (const x of eta ? here(sde) : []) if (Math.abs(x) < REACH) dot(over.context, frame, u, x, COLORS.orange, 5);
    for (const x of here(ode)) if (Math.abs(x) < REACH) dot(over.context, frame, u, x, COLORS.blue, 7);
    inThePlane(now, scene, cloud, standing);

    const [from, sure, last, ...others] = [model.get("x_start"), exact.at(-1), ode.at(-1)[0], ...(sde.at(-1) ?? [])].map(rounded);
    const many = `${steps} step${steps > 1 ? "s" : ""}`;
    const noisy = eta ? `; the SDE with η = ${eta.toFixed(1)} at ${others.join(", ")}` : "";
    kit.describe(
      `${path[0].toUpperCase()}${path.slice(1)}, u = ${u.toFixed(2)}. From x = ${from} at u = 1 the ODE ends at ${sure}, by ${solver} ` +
        `in ${many} at ${last}${noisy}. In the plane ${Math.round(100 * share)} % of ${points} points end on a spot, by ` +
        `${eta ? `the SDE's ${many}` : `${many} of ${solver}`} along the ${field} field.`,
    );
    flat.node.setAttribute("aria-label", `The plane at u = ${u.toFixed(2)}: its density, arrows, and ${points} points on their way.`);
    const joined = (states, n) => Float64Array.from(states.flatMap((x) => Array.from(x.subarray(0, n))));
    const traces = { exact, ode: joined(ode, 1), sde: joined(sde, walks), trails: joined(cloud, 2 * trails) };
    const { ground, likely, shown, exactWays } = scene;
    kit.drew({ heat, slopes: arrow, ...traces, ground, ways: shown, exact_ways: exactWays, likely, points: standing, share });
  });
}

const stopAt = (k, steps, end) => 1 - (k * (1 - end)) / steps;

// The paths x = a x_0 + b eps, and the rates of a and b, as in maths/path.py.
const PATHS = {
  diffusion: (u) => {
    const beta = 0.1 + 19.9 * u;
    const integral = 0.1 * u + (u ** 2 / 2) * 19.9;
    const [a, b] = [Math.exp(-integral / 2), Math.sqrt(-Math.expm1(-integral))];
    return { u, a, b, da: (-beta / 2) * a, db: (beta * a * a) / (2 * b) };
  },
  "flow matching": (u) => ({ u, a: 1 - u, b: u, da: -1, db: 1 }),
};
const x0Hat = (x, v, { a, b, da, db }) => (b * v - db * x) / (da * b - a * db);
const epsHat = (x, v, { a, b, da, db }) => (da * x - a * v) / (da * b - a * db);

// A mixture on its way along a path, at points x of d numbers each: the logarithm of its density, its velocity (both as lists
// of numbers), and the share of points within three standard deviations of a component's mean.
function mixtureOf({ weights, means, vars, axes: turns }) {
  const [K, d] = [weights.length, means[0].length];
  const flatMeans = Float64Array.from(means.flat());
  const [spread, own, fits] = [new Float64Array(K * d), new Float64Array(K * d), new Float64Array(K)];
  const [spreads, turned, offset] = [Float64Array.from(vars.flat()), Float64Array.from(turns.flat(2)), new Float64Array(K)];
  const begin = ({ a, b }) => {
    for (let k = 0; k < K; k++) {
      offset[k] = Math.log(weights[k]) - (d / 2) * Math.log(2 * Math.PI);
      for (let i = 0; i < d; i++) {
        const j = k * d + i;
        spread[j] = a * a * spreads[j] + b * b;
        offset[k] -= Math.log(spread[j]) / 2;
        own[j] = (a * spreads[j]) / spread[j];
      }
    }
  };
  // The answer of `begin`'s mixture at x[from..]: log density, and into `x0` the mean of x_0 given x.
  const x0 = new Float64Array(d);
  const along = new Float64Array(K * d);
  const ask = (x, from, a) => {
    let top = -Infinity;
    for (let k = 0; k < K; k++) {
      let fit = offset[k];
      for (let i = 0; i < d; i++) {
        let length = 0;
        for (let c = 0; c < d; c++) length += (x[from + c] - a * flatMeans[k * d + c]) * turned[(k * d + c) * d + i];
        along[k * d + i] = length;
        fit -= (length * length) / (2 * spread[k * d + i]);
      }
      fits[k] = fit;
      if (fit > top) top = fit;
    }
    let total = 0;
    x0.fill(0);
    for (let k = 0; k < K; k++) {
      if (fits[k] < top - 40) continue;
      const part = Math.exp(fits[k] - top);
      total += part;
      for (let c = 0; c < d; c++) {
        let mean = flatMeans[k * d + c];
        for (let i = 0; i < d; i++) mean += own[k * d + i] * along[k * d + i] * turned[(k * d + c) * d + i];
        x0[c] += part * mean;
      }
    }
    for (let c = 0; c < d; c++) x0[c] /= total;
    return top + Math.log(total);
  };
  const logs = (x, now) => {
    begin(now);
    const found = new Float64Array(x.length / d);
    for (let i = 0; i < found.length; i++) found[i] = ask(x, i * d, now.a);
    return found;
  };
  const best = (now) => Math.max(...logs(flatMeans.map((m) => now.a * m), now));
  const velocity = (x, now) => {
    begin(now);
    const found = new Float64Array(x.length);
    for (let from = 0; from < x.length; from += d) {
      ask(x, from, now.a);
      for (let c = 0; c < d; c++) found[from + c] = now.da * x0[c] + (now.db * (x[from + c] - now.a * x0[c])) / now.b;
    }
    return found;
  };
  const share = (x, now) => {
    begin(now);
    let near = 0;
    for (let from = 0; from < x.length; from += d) {
      ask(x, from, now.a);
      near += weights.some((_, k) => along.subarray(k * d, k * d + d).reduce((sum, v, i) => sum + (v * v) / spread[k * d + i], 0) <= 9);
    }
    return (near * d) / x.length;
  };
  return { logs, best, velocity, share };
}

// The velocity of path number k between the nodes and knots of its grid: linear in each coordinate of the plane, where it ends
// as at the rim, and in u.
function learntField(model, k) {
  const { nodes } = model.get("sizes");
  const knots = model.get("knots");
  const unit = model.get("units")[k];
  const one = 2 * nodes * nodes;
  const grid = numbers(model.get("grid"), Int16Array).subarray(k * knots.length * one, (k + 1) * knots.length * one);
  const place = (z) => ((Math.min(REACH, Math.max(-REACH, z)) + REACH) * (nodes - 1)) / (2 * REACH);
  const table = new Float64Array(one); // of one u, for each question anew
  return (x, { u }) => {
    const low = Math.min(knots.length - 2, Math.max(0, knots.findLastIndex((knot) => knot <= u)));
    const share = (u - knots[low]) / (knots[low + 1] - knots[low]);
    for (let i = 0; i < one; i++) table[i] = unit * ((1 - share) * grid[low * one + i] + share * grid[(low + 1) * one + i]);
    const found = new Float64Array(x.length);
    for (let from = 0; from < x.length; from += 2) {
      const [p, q] = [place(x[from]), place(x[from + 1])];
      const [i, j] = [Math.min(nodes - 2, Math.floor(p)), Math.min(nodes - 2, Math.floor(q))];
      for (let c = 0; c < 2; c++) {
        const row = (r) => (1 - p + i) * table[2 * (r * nodes + i) + c] + (p - i) * table[2 * (r * nodes + i + 1) + c];
        found[from + c] = (1 - q + j) * row(j) + (q - j) * row(j + 1);
      }
    }
    return found;
  };
}

// Where points are at each stop, from x at u = 1 on: see `walk` in probability_flow.py, and flow_steps.py for the steps.
function walked(velocity, x, { at, end, eta, steps, solver }) {
  const states = [x];
  for (let k = 0; k < steps; k++) {
    const here = states[k];
    const [now, next] = [at(stopAt(k, steps, end)), at(stopAt(k + 1, steps, end))];
    const [h, v] = [next.u - now.u, velocity(here, now)];
    const guess = here.map((value, i) => value + h * v[i]);
    if (eta || solver === "DDIM") {
      const sigma = ((eta * next.b) / now.b) * Math.sqrt(now.b ** 2 - ((now.a / next.a) * next.b) ** 2);
      const left = Math.sqrt(Math.max(next.b ** 2 - sigma ** 2, 0));
      const fresh = (i) => (eta ? sigma * normal(1000 * (k + 1) + i) : 0);
      states.push(here.map((value, i) => next.a * x0Hat(value, v[i], now) + left * epsHat(value, v[i], now) + fresh(i)));
    } else if (solver === "Heun") {
      const w = velocity(guess, next);
      states.push(here.map((value, i) => value + (h / 2) * (v[i] + w[i])));
    } else states.push(guess);
  }
  return states;
}

// The path of the ODE from x by 200 steps of Runge and Kutta, of which every other one is drawn.
function exactPath(velocity, x, at, end) {
  const found = Float64Array.of(...x);
  const drawn = [found[0]];
  for (let k = 0; k < 200; k++) {
    const [u, next] = [stopAt(k, 200, end), stopAt(k + 1, 200, end)];
    const slope = (by, time) => velocity(found.map((value) => value + by), at(time))[0];
    const h = next - u;
    const first = slope(0, u);
    const second = slope((h / 2) * first, (u + next) / 2);
    const third = slope((h / 2) * second, (u + next) / 2);
    found[0] += (h / 6) * (first + 2 * second + 2 * third + slope(h * third, next));
    if (k % 2) drawn.push(found[0]);
  }
  return drawn;
}

// A density as a grey picture of w x h cells behind all else in the axes: `place(column, row)` is where its value stands, with
// row 0 at the bottom, and `dark(value)` how dark it is, from 0 to 255.
const sheets = new Map(); // the canvas and the pixels of each size
function picture(g, { box }, values, w, h, place, dark) {
  const size = `${w} ${h}`;
  if (!sheets.has(size)) {
    const fresh = new OffscreenCanvas(w, h);
    sheets.set(size, { small: fresh, ink: fresh.getContext("2d"), pixels: new ImageData(w, h) });
  }
  const { small, ink, pixels } = sheets.get(size);
  const { data } = pixels;
  for (let c = 0; c < w; c++) {
    for (let r = 0; r < h; r++) {
      const i = 4 * ((h - 1 - r) * w + c);
      data[i] = data[i + 1] = data[i + 2] = 255 - dark(values[place(c, r)]);
      data[i + 3] = 255;
    }
  }
  ink.putImageData(pixels, 0, 0);
  g.imageSmoothingEnabled = true;
  g.drawImage(small, box.left + 1, box.top + 1, box.right - box.left - 2, box.bottom - box.top - 2);
}

export default { render: (view) => mount(build, view) };
