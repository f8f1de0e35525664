// networks/mlp.py in plain JavaScript, with its gradient: the network of points that a page trains. All numbers are float64, and all
// parameters lie in one array, in the order of the package's `parameters()`.

// out (m, n) = a (m, k) times b (n, k), whose rows are multiplied one by one; 2 x 4 results at a time stay in registers.
function rowProducts(out, a, b, m, n, k) {
  const wholeM = m - (m % 2);
  const wholeN = n - (n % 4);
  for (let i = 0; i < wholeM; i += 2) {
    for (let j = 0; j < wholeN; j += 4) {
      let [s0, s1, s2, s3, r0, r1, r2, r3] = [0, 0, 0, 0, 0, 0, 0, 0];
      let at = i * k;
      let by = j * k;
      for (const end = at + k; at < end; at++, by++) {
        const x = a[at];
        const y = a[at + k];
        const p = b[by];
        const q = b[by + k];
        const u = b[by + 2 * k];
        const v = b[by + 3 * k];
        s0 += x * p;
        s1 += x * q;
        s2 += x * u;
        s3 += x * v;
        r0 += y * p;
        r1 += y * q;
        r2 += y * u;
        r3 += y * v;
      }
      const to = i * n + j;
      out[to] = s0;
      out[to + 1] = s1;
      out[to + 2] = s2;
      out[to + 3] = s3;
      out[to + n] = r0;
      out[to + n + 1] = r1;
      out[to + n + 2] = r2;
      out[to + n + 3] = r3;
    }
  }
  for (let i = 0; i < m; i++) {
    for (let j = i < wholeM ? wholeN : 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a[i * k + l] * b[j * k + l];
      out[i * n + j] = sum;
    }
  }
  return out;
}

// (m, n) as (n, m).
function transposed(out, a, m, n) {
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[j * m + i] = a[i * n + j];
  return out;
}

// networks/layers.py: what tells the network t, for t = 0..T, computed in float32 as there.
function timeTable(T, width) {
  const half = width / 2;
  const table = new Float64Array((T + 1) * width);
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(Math.exp(Math.fround((-Math.log(10000) / (half - 1)) * i)));
    for (let t = 0; t <= T; t++) {
      const angle = Math.fround(t * frequency);
      table[t * width + i] = Math.sin(angle);
      table[t * width + half + i] = Math.cos(angle);
    }
  }
  return table;
}

// A number from U(0, 1): of a stream of a seed, the one at this place. `portableNoise` uses none of them.
const portableUniform = (seed, stream, place) => (threefry([seed, stream], [place, 1])[0] + 0.5) / 4294967296;

class PointNet {
  constructor({ width, depth, T }) {
    Object.assign(this, { width, depth, table: timeTable(T, width) });
    this.rooms = []; // for what a pass computes: taken in the same order at each pass, and used again
    this.taken = 0;
    this.places = new Map(); // of each parameter: its first number, its rows and columns
    this.size = 0;
    const each = [...Array(depth).keys()];
    const named = [["condition.time.0", width, width], ["condition.time.2", width, width], ["first", width, 2]];
    named.push(...each.map((i) => [`norms.${i}`, width]), ...each.map((i) => [`ins.${i}`, width, width]));
    named.push(...each.map((i) => [`outs.${i}`, width, width]), ["last", 2, width]);
    for (const [name, rows, columns] of named) {
      for (const [part, n] of [["weight", rows * (columns ?? 1)], ["bias", rows]]) {
        this.places.set(`${name}.${part}`, { at: this.size, n, rows, columns });
        this.size += n;
      }
    }
  }

  // The first parameters: torch's U(-1, 1) / sqrt(inputs) for a linear map, but 0 where a block or the network ends.
  begun(seed) {
    const theta = new Float64Array(this.size);
    for (const [name, { at, n }] of this.places) {
      const { columns } = this.places.get(name.replace("bias", "weight"));
      if (!columns) theta.fill(name.endsWith("weight") ? 1 : 0, at, at + n);
      else if (!/^(outs|last)/.test(name)) {
        for (let i = 0; i < n; i++) theta[at + i] = (2 * portableUniform(seed, 0, at + i) - 1) / Math.sqrt(columns);
      }
    }
    return theta;
  }

  part(theta, name) {
    const { at, n } = this.places.get(name);
    return theta.subarray(at, at + n);
  }

  room(n) {
    const room = this.rooms[this.taken];
    if (!(room?.length >= n)) this.rooms[this.taken] = new Float64Array(n);
    return this.rooms[this.taken++].subarray(0, n);
  }

  // x W^T + b for b rows x.
  linear(theta, name, x, b) {
    const { rows, columns } = this.places.get(`${name}.weight`);
    const out = rowProducts(this.room(b * rows), x, this.part(theta, `${name}.weight`), b, rows, columns);
    const bias = this.part(theta, `${name}.bias`);
    for (let i = 0, r = 0; i < b; i++) for (let j = 0; j < rows; j++, r++) out[r] += bias[j];
    return out;
  }

  // Puts the gradients of `linear` into those of its weight and bias, and gives that of x.
  linearBack(theta, grad, name, x, dOut, b) {
    const { at, rows, columns } = this.places.get(`${name}.weight`);
    const [dRows, columnsOf] = [transposed(this.room(b * rows), dOut, b, rows), transposed(this.room(b * columns), x, b, columns)];
    rowProducts(grad.subarray(at, at + rows * columns), dRows, columnsOf, rows, columns, b);
    const bias = this.part(grad, `${name}.bias`).fill(0);
    for (let i = 0, r = 0; i < b; i++) for (let j = 0; j < rows; j++, r++) bias[j] += dOut[r];
    const weight = transposed(this.room(rows * columns), this.part(theta, `${name}.weight`), rows, columns);
    return rowProducts(this.room(b * columns), dOut, weight, b, columns, rows);
  }

  // silu, and its derivative where a way back follows.
  silu(x) {
    const [out, slope] = [this.room(x.length), this.room(x.length)];
    for (let i = 0; i < x.length; i++) {
      const share = 1 / (1 + Math.exp(-x[i]));
      out[i] = x[i] * share;
      slope[i] = share * (1 + x[i] - out[i]);
    }
    return { out, slope };
  }

  // What the time says, for each t of a list, and what the way back needs.
  time(theta, steps) {
    const { width } = this;
    const x = this.room(steps.length * width);
    for (let i = 0; i < steps.length; i++) x.set(this.table.subarray(steps[i] * width, (steps[i] + 1) * width), i * width);
    const active = this.silu(this.linear(theta, "condition.time.0", x, steps.length));
    return { x, active, emb: this.linear(theta, "condition.time.2", active.out, steps.length) };
  }

  // eps_hat (b, 2) of points x (b, 2), each at its t, or all at the only one; it holds until the next call. `kept`: for `gradient`.
  forward(theta, x, steps) {
    this.taken = 0;
    const { width, depth } = this;
    const b = x.length / 2;
    const time = this.time(theta, steps);
    const blocks = [];
    const h = this.linear(theta, "first", x, b);
    for (let l = 0; l < depth; l++) {
      const norm = this.norm(theta, `norms.${l}`, h);
      const inner = this.linear(theta, `ins.${l}`, norm.out, b);
      for (let i = 0; i < inner.length; i++) inner[i] += time.emb[steps.length === 1 ? i % width : i];
      const active = this.silu(inner);
      const more = this.linear(theta, `outs.${l}`, active.out, b);
      for (let i = 0; i < h.length; i++) h[i] += more[i];
      blocks.push({ norm, active });
    }
    return { out: this.linear(theta, "last", h, b), kept: { time, blocks, h } };
  }

  norm(theta, name, h) {
    const n = this.width;
    const [weight, bias] = ["weight", "bias"].map((part) => this.part(theta, `${name}.${part}`));
    const [out, whitened, ratios] = [this.room(h.length), this.room(h.length), this.room(h.length / n)];
    for (let at = 0; at < h.length; at += n) {
      let [sum, square] = [0, 0];
      for (let i = at; i < at + n; i++) sum += h[i];
      for (let i = at; i < at + n; i++) square += (h[i] - sum / n) ** 2;
      const ratio = 1 / Math.sqrt(square / n + 1e-5);
      ratios[at / n] = ratio;
      for (let i = 0; i < n; i++) {
        whitened[at + i] = (h[at + i] - sum / n) * ratio;
        out[at + i] = whitened[at + i] * weight[i] + bias[i];
      }
    }
    return { out, whitened, ratios };
  }

  // Adds to dH what the norm hands back of dOut.
  normBack(theta, grad, name, { whitened, ratios }, dOut, dH) {
    const n = this.width;
    const weight = this.part(theta, `${name}.weight`);
    const [dWeight, dBias] = ["weight", "bias"].map((part) => this.part(grad, `${name}.${part}`).fill(0));
    for (let at = 0; at < dOut.length; at += n) {
      let [mean, along] = [0, 0];
      for (let i = 0; i < n; i++) {
        const [d, u] = [dOut[at + i], whitened[at + i]];
        dWeight[i] += d * u;
        dBias[i] += d;
        mean += (d * weight[i]) / n;
        along += (d * weight[i] * u) / n;
      }
      for (let i = 0; i < n; i++) dH[at + i] += ratios[at / n] * (dOut[at + i] * weight[i] - mean - along * whitened[at + i]);
    }
  }

  // The mean squared error of a batch { x, eps, steps }, and its gradient in `grad`.
  gradient(theta, { x, eps, steps }, grad) {
    const b = steps.length;
    const { out, kept } = this.forward(theta, x, steps);
    const dOut = this.room(out.length);
    let loss = 0;
    for (let i = 0; i < out.length; i++) {
      const error = out[i] - eps[i];
      loss += (error * error) / out.length;
      dOut[i] = (2 * error) / out.length;
    }
    const dH = this.linearBack(theta, grad, "last", kept.h, dOut, b);
    const dEmb = this.room(dH.length).fill(0);
    for (let l = this.depth - 1; l >= 0; l--) {
      const { norm, active } = kept.blocks[l];
      const dInner = this.linearBack(theta, grad, `outs.${l}`, active.out, dH, b);
      for (let i = 0; i < dInner.length; i++) dEmb[i] += dInner[i] *= active.slope[i];
      this.normBack(theta, grad, `norms.${l}`, norm, this.linearBack(theta, grad, `ins.${l}`, norm.out, dInner, b), dH);
    }
    this.linearBack(theta, grad, "first", x, dH, b);
    const { time } = kept;
    const dTime = this.linearBack(theta, grad, "condition.time.2", time.active.out, dEmb, b);
    for (let i = 0; i < dTime.length; i++) dTime[i] *= time.active.slope[i];
    this.linearBack(theta, grad, "condition.time.0", time.x, dTime, b);
    return loss;
  }
}
