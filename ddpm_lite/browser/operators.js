// What networks are made of, over the heap. A value is { at, b, h, w, c }: b pictures of h x w places with c numbers each, the
// numbers of a place side by side (NHWC), c padded to a multiple of 4; a sequence has h = 1. A weight is { at, inner, outer, bias }:
// see `Net` in net.js.

const rowsOf = ({ b, h, w }) => b * h * w;

function blank(heap, b, h, w, c) {
  return { at: heap.take(up(b * h * w, TILE.rows) * c), b, h, w, c };
}

function copied(heap, x) {
  const out = blank(heap, x.b, x.h, x.w, x.c);
  heap.f.copyWithin(out.at, x.at, x.at + rowsOf(x) * x.c);
  return out;
}

function requireWidth(x, weight) {
  if (x.c !== weight.inner) throw new Error(`A layer for ${weight.inner} channels is given ${x.c}.`);
}

// x W^T + bias, for each place; or added onto `onto`.
function linear(heap, x, weight, onto = null) {
  requireWidth(x, weight);
  const out = onto ?? blank(heap, x.b, x.h, x.w, weight.outer);
  const tiles = up(rowsOf(x), TILE.rows) / TILE.rows;
  const [a, b, c, bias] = [x.at, weight.at, out.at, weight.bias].map((at) => 4 * at);
  heap.loops.product(a, b, c, bias, weight.outer / 8, 1, 1, tiles, 1, x.c / 4, 4 * x.c, 0, 0, 0, 4 * out.c, 0, onto ? 1 : 0);
  return out;
}

// A convolution of 3 x 3 over a picture that is padded already, { ...value, padded: true }. `bias`: other ones, one for each picture.
function conv(heap, x, weight, { stride = 1, bias = null, onto = null } = {}) {
  requireWidth(x, weight);
  if (x.w % (TILE.rows * stride)) throw new Error(`A convolution takes ${TILE.rows} pixels at a time, not ${x.w / stride}.`);
  const [h, w] = [x.h / stride, x.w / stride];
  const out = onto ?? blank(heap, x.b, h, w, weight.outer);
  const line = 4 * x.wide * x.c;
  const change = bias === null ? 0 : 4 * weight.outer;
  const to = [x.at, weight.at, out.at, bias ?? weight.bias].map((at) => 4 * at);
  heap.loops.product(
    ...[...to, weight.outer / 8, x.b, h, w / TILE.rows, 3, (3 * x.c) / 4],
    ...[4 * stride * x.c, stride * line, x.high * line, line - 12 * x.c, 4 * out.c, change, onto ? 1 : 0],
  );
  return out;
}

// Room for x with a rim of zeros: as many lines and columns before and after as are said.
function rimmed(heap, { b, h, w, c }, before, after) {
  const [high, wide] = [h + before + after, w + before + after];
  const at = heap.take(b * high * wide * c);
  heap.f.fill(0, at, at + b * high * wide * c);
  return { at, b, h, w, c, high, wide, first: at + before * (wide + 1) * c };
}

// x within a rim of zeros; each pixel `times` x `times` times.
function padded(heap, x, before, after, times = 1) {
  const out = rimmed(heap, { ...x, h: x.h * times, w: x.w * times }, before, after);
  const { f } = heap;
  for (let i = 0; i < x.b; i++) {
    for (let y = 0; y < out.h; y++) {
      const from = x.at + (i * x.h + Math.floor(y / times)) * x.w * x.c;
      const to = out.first + (i * out.high + y) * out.wide * x.c;
      if (times === 1) f.copyWithin(to, from, from + x.w * x.c);
      else for (let k = 0; k < out.w; k++) f.copyWithin(to + k * x.c, from + Math.floor(k / times) * x.c, from + (Math.floor(k / times) + 1) * x.c);
    }
  }
  return out;
}

// GroupNorm, then SiLU with `silu`, within a rim of zeros for the convolution after it with `rim`.
function groupNorm(heap, x, { weight, bias, groups, silu = false, rim = false }) {
  const { b, h, w, c } = x;
  const out = rim ? rimmed(heap, x, 1, 1) : blank(heap, b, h, w, c);
  const before = heap.top;
  const scale = heap.take(2 * b * c);
  const shift = scale + b * c;
  const { f } = heap;
  const [size, per] = [h * w, c / groups];
  const [sum, power] = [new Float64Array(c), new Float64Array(c)];
  for (let i = 0; i < b; i++) {
    sum.fill(0);
    power.fill(0);
    for (let p = 0, at = x.at + i * size * c; p < size; p++) {
      for (let k = 0; k < c; k++, at++) {
        const value = f[at];
        sum[k] += value;
        power[k] += value * value;
      }
    }
    for (let g = 0; g < groups; g++) {
      let [mean, square] = [0, 0];
      for (let k = g * per; k < (g + 1) * per; k++) {
        mean += sum[k] / (per * size);
        square += power[k] / (per * size);
      }
      const factor = 1 / Math.sqrt(square - mean * mean + 1e-6);
      for (let k = g * per; k < (g + 1) * per; k++) {
        f[scale + i * c + k] = f[weight + k] * factor;
        f[shift + i * c + k] = f[bias + k] - mean * factor * f[weight + k];
      }
    }
  }
  const [skip, image] = rim ? [4 * 2 * c, 4 * out.high * out.wide * c] : [0, 4 * size * c];
  const to = [x.at, rim ? out.first : out.at, scale, shift].map((at) => 4 * at);
  heap.loops.normalise(...to, c / 4, w, h, skip, 4 * size * c, image, 4 * c, b, silu ? 1 : 0);
  heap.top = before;
  return out;
}

// LayerNorm over the numbers of each place, with weight and bias, or without.
function layerNorm(heap, x, { weight = null, bias = null, eps = 1e-5 } = {}) {
  const out = blank(heap, x.b, x.h, x.w, x.c);
  const { f } = heap;
  for (let r = 0; r < rowsOf(x); r++) {
    const [from, to] = [x.at + r * x.c, out.at + r * x.c];
    let [mean, power] = [0, 0];
    for (let k = 0; k < x.c; k++) mean += f[from + k] / x.c;
    for (let k = 0; k < x.c; k++) power += (f[from + k] - mean) ** 2 / x.c;
    const factor = 1 / Math.sqrt(power + eps);
    for (let k = 0; k < x.c; k++) {
      const value = (f[from + k] - mean) * factor;
      f[to + k] = weight === null ? value : value * f[weight + k] + f[bias + k];
    }
  }
  return out;
}

// softmax(q k^T / sqrt(d)) v. q: { at, step } with n rows for each of b pictures; keys: a list of { k, v, step, n, seen }, of which
// seen(i, j) says whether picture i may look at place j. The numbers of a place lie `step` after those of the one before.
function attend(heap, { b, n, heads, d, q, keys, causal = false }) {
  if (d % 8) throw new Error(`A head of attention has a multiple of 8 numbers here, not ${d}.`);
  const c = heads * d;
  const out = blank(heap, b, 1, n, c);
  heap.take(TILE.rows * c); // where the last tile may write beyond the rows
  heap.scope(() => {
    const m = keys.reduce((sum, each) => sum + each.n, 0);
    const wide = up(m, TILE.columns);
    const [ks, vs, mask] = [heap.take(wide * d), heap.take(wide * d), heap.take(wide)];
    const scores = heap.take(up(n, TILE.rows) * wide);
    const { f } = heap;
    const scale = 1 / Math.sqrt(d);
    for (let i = 0; i < b; i++) {
      f.fill(-1e30, mask, mask + wide);
      keys.reduce((first, part) => {
        for (let j = 0; j < part.n; j++) if (part.seen?.(i, j) ?? true) f[mask + first + j] = 0;
        return first + part.n;
      }, 0);
      for (let head = 0; head < heads; head++) {
        f.fill(0, ks, ks + wide * d);
        f.fill(0, vs, vs + wide * d);
        let place = 0; // both as the product takes its weights: in panels of 8 columns, places for q k^T and numbers for (...) v
        for (const part of keys) {
          for (let j = 0; j < part.n; j++, place++) {
            const from = (i * part.n + j) * part.step + head * d;
            const to = ks + (place >> 3) * 8 * d + (place & 7);
            for (let k = 0; k < d; k++) {
              f[to + 8 * k] = f[part.k + from + k] * scale;
              f[vs + (k >> 3) * 8 * wide + 8 * place + (k & 7)] = f[part.v + from + k];
            }
          }
        }
        const tiles = up(n, TILE.rows) / TILE.rows;
        const query = 4 * (q.at + i * n * q.step + head * d);
        heap.loops.product(query, 4 * ks, 4 * scores, 4 * mask, wide / 8, 1, 1, tiles, 1, d / 4, 4 * q.step, 0, 0, 0, 4 * wide, 0, 0);
        if (causal) for (let r = 0; r < n; r++) f.fill(-1e30, scores + r * wide + r + 1, scores + (r + 1) * wide);
        heap.loops.softmax(4 * scores, wide / 4, n);
        // The last tile may write beyond the n rows, into those of the next picture, which come later.
        const to = 4 * (out.at + i * n * c + head * d);
        heap.loops.product(4 * scores, 4 * vs, to, 4 * heap.zeros, d / 8, 1, 1, tiles, 1, wide / 4, 4 * wide, 0, 0, 0, 4 * c, 0, 0);
      }
    }
  });
  return out;
}

const ACTIVATIONS = {
  silu: (x) => x / (1 + Math.exp(-x)),
  quick_gelu: (x) => x / (1 + Math.exp(-1.702 * x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

// The error function, within 1.5e-7: Abramowitz & Stegun 1964, 7.1.26.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const y = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - y * Math.exp(-x * x));
}

// Each number by itself, in place.
function activate(heap, x, name) {
  const [act, { f }] = [ACTIVATIONS[name], heap];
  for (let i = x.at; i < x.at + rowsOf(x) * x.c; i++) f[i] = act(f[i]);
  return x;
}

// x + y, in place of x.
function add(heap, x, y) {
  const { f } = heap;
  for (let i = 0; i < rowsOf(x) * x.c; i++) f[x.at + i] += f[y.at + i];
  return x;
}

// The channels of both, side by side.
function concat(heap, x, y) {
  const out = blank(heap, x.b, x.h, x.w, x.c + y.c);
  const { f } = heap;
  for (let r = 0; r < rowsOf(x); r++) {
    f.copyWithin(out.at + r * out.c, x.at + r * x.c, x.at + (r + 1) * x.c);
    f.copyWithin(out.at + r * out.c + x.c, y.at + r * y.c, y.at + (r + 1) * y.c);
  }
  return out;
}

// Pictures (b, c, h, w), channel by channel as torch has them, into the heap; squares of `patch` pixels become one place.
function enter(heap, pixels, b, c, h, w, patch = 1) {
  const out = blank(heap, b, h / patch, w / patch, up(c * patch * patch, 4));
  heap.f.fill(0, out.at, out.at + rowsOf(out) * out.c);
  eachPixel(out, c, h, w, patch, (inside, outside) => (heap.f[inside] = pixels[outside]));
  return out;
}

// The first c channels out of the heap, as `enter` takes them.
function leave(heap, x, c, patch = 1) {
  const [h, w] = [x.h * patch, x.w * patch];
  const pixels = new Float32Array(x.b * c * h * w);
  eachPixel(x, c, h, w, patch, (inside, outside) => (pixels[outside] = heap.f[inside]));
  return pixels;
}

function eachPixel(x, c, h, w, patch, act) {
  for (let i = 0, outside = 0; i < x.b; i++) {
    for (let k = 0; k < c; k++) {
      for (let y = 0; y < h; y++) {
        for (let z = 0; z < w; z++, outside++) {
          const place = (i * x.h + Math.floor(y / patch)) * x.w + Math.floor(z / patch);
          act(x.at + place * x.c + (k * patch + (y % patch)) * patch + (z % patch), outside);
        }
      }
    }
  }
}

// sin(t w_i), then cos(t w_i), rounded where torch rounds: see `layers.timestep_embedding`.
function timestepEmbedding(heap, t, dim) {
  const out = blank(heap, t.length, 1, 1, dim);
  const half = dim / 2;
  for (const [i, step] of t.entries()) {
    for (let k = 0; k < half; k++) {
      const w = Math.fround(Math.exp(Math.fround(Math.fround(-Math.log(10000) / (half - 1)) * k)));
      const angle = Math.fround(step * w);
      heap.f[out.at + i * dim + k] = Math.sin(angle);
      heap.f[out.at + i * dim + half + k] = Math.cos(angle);
    }
  }
  return out;
}
