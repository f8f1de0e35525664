// Field: arrows of the exact eps*, computed here from the mixture, of a network's eps_hat, sent as a grid, or of their
// difference; two paths of DDIM start where the plane is pressed.

const REACH = 3; // as in field.py, the plane from -3 to 3
const NODES = 31; // of the network's grid in each coordinate; an arrow stands at every other one

function build(kit) {
  const { model } = kit;
  const steps = model.get("steps");
  const shares = model.get("alpha_bar");
  const mixture = model.get("mixture");
  const unit = model.get("unit");
  const grid = Float64Array.from(numbers(model.get("grid"), Int16Array), (v) => v * unit);
  const spacing = (2 * REACH) / (NODES - 1);
  const line = Array.from({ length: (NODES + 1) / 2 }, (_, i) => 2 * i * spacing - REACH);
  const places = line.flatMap((y) => line.map((x) => [x, y]));
  const wide = NARROW ? 360 : 500;
  const plane = canvas(kit, wide, wide + 4); // the plane is a square on it
  const colors = { exact: COLORS.orange, learnt: COLORS.blue, difference: COLORS.red };
  const answer = new Float64Array(3); // eps, and the logarithm of the density

  // eps*(x, t) of the mixture, as GaussianMixture.eps: each component's own answer, weighed by how well it fits.
  const { weights, means, vars, axes: turns } = mixture;
  const K = weights.length;
  const logits = new Float64Array(K);
  const own = new Float64Array(2 * K);
  function exact(x, y, share) {
    const signal = Math.sqrt(share);
    let top = -Infinity;
    for (let k = 0; k < K; k++) {
      const [dx, dy] = [x - signal * means[k][0], y - signal * means[k][1]];
      logits[k] = Math.log(weights[k]);
      own[2 * k] = means[k][0];
      own[2 * k + 1] = means[k][1];
      for (let i = 0; i < 2; i++) {
        const v = share * vars[k][i] + 1 - share;
        const along = dx * turns[k][0][i] + dy * turns[k][1][i];
        logits[k] -= 0.5 * ((along * along) / v + Math.log(v));
        const shift = ((signal * vars[k][i]) / v) * along;
        own[2 * k] += shift * turns[k][0][i];
        own[2 * k + 1] += shift * turns[k][1][i];
      }
      top = Math.max(top, logits[k]);
    }
    let [total, x_0, y_0] = [0, 0, 0];
    for (let k = 0; k < K; k++) {
      const fit = Math.exp(logits[k] - top);
      total += fit;
      x_0 += fit * own[2 * k];
      y_0 += fit * own[2 * k + 1];
    }
    const noise = Math.sqrt(1 - share);
    answer[0] = (x - (signal * x_0) / total) / noise;
    answer[1] = (y - (signal * y_0) / total) / noise;
    answer[2] = top + Math.log(total);
    return answer;
  }

  // eps_hat between the nodes of the grid: linear in each coordinate; beyond its rim, as at the rim.
  function learnt(x, y, k) {
    const at = (z) => (Math.min(REACH, Math.max(-REACH, z)) + REACH) / spacing;
    const [u, v] = [at(x), at(y)];
    const [i, j] = [Math.min(NODES - 2, Math.floor(u)), Math.min(NODES - 2, Math.floor(v))];
    const node = (row, column, c) => grid[2 * ((k * NODES + row) * NODES + column) + c];
    for (let c = 0; c < 2; c++) {
      const lower = (1 - u + i) * node(j, i, c) + (u - i) * node(j, i + 1, c);
      const upper = (1 - u + i) * node(j + 1, i, c) + (u - i) * node(j + 1, i + 1, c);
      answer[c] = (1 - v + j) * lower + (v - j) * upper;
    }
    return answer;
  }

  // DDIM from the start at step number `from` down to 0: back to x0_hat, then forward along the same eps.
  function path(eps, from) {
    let [x, y] = [model.get("start_x"), model.get("start_y")];
    const xs = [x];
    const ys = [y];
    for (let k = from; k >= 0; k--) {
      const [e, f] = eps(x, y, k);
      const after = k > 0 ? shares[k - 1] : 1;
      const grown = Math.sqrt(after / shares[k]);
      const left = Math.sqrt(1 - after) - grown * Math.sqrt(1 - shares[k]);
      [x, y] = [grown * x + left * e, grown * y + left * f];
      xs.push(x);
      ys.push(y);
    }
    return [xs, ys];
  }

  // What is seen at step number k whatever the start: the ways back, where they are drawn, the density as a grey ground.
  const seen = new Map();
  function scene(k) {
    if (!seen.has(k)) seen.set(k, compute(k));
    return seen.get(k);
  }
  function compute(k) {
    const share = shares[k];
    const noise = Math.sqrt(1 - share);
    const ways = { exact: new Float64Array(2 * places.length), learnt: new Float64Array(2 * places.length) };
    const best = Math.max(...means.map(([x, y]) => exact(Math.sqrt(share) * x, Math.sqrt(share) * y, share)[2]));
    const likely = new Uint8Array(places.length);
    for (const [i, [x, y]] of places.entries()) {
      ways.exact.set(exact(x, y, share).subarray(0, 2), 2 * i);
      likely[i] = answer[2] > best - Math.log(1000);
      ways.learnt.set(learnt(x, y, k).subarray(0, 2), 2 * i);
    }
    for (const way of Object.values(ways)) for (let i = 0; i < way.length; i++) way[i] *= -noise;
    ways.difference = ways.learnt.map((way, i) => way - ways.exact[i]);

    const n = 48;
    const ground = new OffscreenCanvas(n, n);
    const pixels = new ImageData(n, n);
    for (let i = 0; i < n * n; i++) {
      const [x, y] = [(i % n) + 0.5, n - Math.floor(i / n) - 0.5].map((v) => (2 * REACH * v) / n - REACH);
      const height = Math.exp((exact(x, y, share)[2] - best) / 2);
      pixels.data.set([255 - 70 * height, 255 - 70 * height, 255 - 70 * height, 255], 4 * i);
    }
    ground.getContext("2d").putImageData(pixels, 0, 0);
    return { ways, likely, ground };
  }

  picker(kit, "t", steps, { label: "step t", words: (t) => `t = ${t} of ${model.get("T")}` });
  player(kit, "t", [...steps].reverse(), 6);
  choice(kit, "field", "arrows", ["exact", "learnt", "difference"]);
  const words = (v) => v.toFixed(2);
  slider(kit, "start_x", { label: "start: 1st coordinate", min: -REACH, max: REACH, step: 0.05, words });
  slider(kit, "start_y", { label: "2nd coordinate", min: -REACH, max: REACH, step: 0.05, words });
  let frame = null;
  plane.node.style.cursor = "crosshair";
  drag(kit, plane, (a, b) => {
    const { left, right, top, bottom } = frame.box;
    const value = (at) => Number(Math.min(REACH, Math.max(-REACH, REACH * (2 * at - 1))).toFixed(2));
    kit.setAll({ start_x: value((a - left) / (right - left)), start_y: value((b - bottom) / (top - bottom)) });
  });

  kit.onChange(() => {
    const t = model.get("t");
    const field = model.get("field");
    const now = steps.indexOf(t);
    const { ways, likely, ground } = scene(now);
    const [exact_x, exact_y] = path((x, y, k) => exact(x, y, shares[k]), now);
    const [learnt_x, learnt_y] = path(learnt, now);

    const g = plane.context;
    const long = { exact: 1, learnt: 1, difference: 3 }[field];
    frame = axes(plane, {
      title: `t = ${t}: ${long === 1 ? `the ${field} way back` : "learnt − exact, 3 × as long"}`,
      x: [-REACH, REACH, "1st coordinate"],
      y: [-REACH, REACH, "2nd coordinate"],
    });
    const { left, right, top, bottom } = frame.box;
    g.imageSmoothingEnabled = true;
    g.drawImage(ground, left + 1, top + 1, right - left - 2, bottom - top - 2);
    clipped(g, frame);
    arrows(g, frame, places, ways[field], { color: colors[field], width: 1.5, scale: long, only: (i) => likely[i] });
    spots(g, frame, mixture, Math.sqrt(shares[now]), "#000");
    for (const [xs, ys, color, dash] of [
      [exact_x, exact_y, COLORS.orange, []],
      [learnt_x, learnt_y, COLORS.blue, [7, 5]],
    ]) {
      curve(g, frame, xs, ys, { color: "#fff", width: 7 });
      curve(g, frame, xs, ys, { color, dash, width: 3.5 });
      dot(g, frame, xs.at(-1), ys.at(-1), "#fff", 8);
      dot(g, frame, xs.at(-1), ys.at(-1), color);
    }
    dot(g, frame, exact_x[0], exact_y[0], "#000", 7);
    g.restore();
    g.fillStyle = "#fff";
    g.fillRect(left + 1, bottom - 25, 268, 24);
    g.fillStyle = "#000";
    g.fillText("path: exact (solid), learnt (dashed)", left + 6, bottom - 8);

    const what = {
      exact: "The exact way back to the points without noise",
      learnt: "The learnt way back to the points without noise",
      difference: "The learnt way back minus the exact one, three times its length",
    }[field];
    const place = (xs, ys, i) => `(${rounded(xs.at(i))}, ${rounded(ys.at(i))})`;
    const from = `From ${place(exact_x, exact_y, 0)} the path along the exact field ends at ${place(exact_x, exact_y, -1)}`;
    const other = `along the learnt one at ${place(learnt_x, learnt_y, -1)}`;
    kit.describe(`${what}, at t = ${t} of ${model.get("T")}. ${from}, ${other}.`);
    const both = (xs, ys) => xs.flatMap((x, i) => [x, ys[i]]);
    kit.drew({ ways: ways[field], likely, exact_path: both(exact_x, exact_y), learnt_path: both(learnt_x, learnt_y) });
  });
}

export default { render: (view) => mount(build, view) };
