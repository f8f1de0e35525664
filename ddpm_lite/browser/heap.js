// The engine's memory and its inner loops. All weights and results lie in one stretch of float32 numbers, so that WebAssembly
// reaches them: `heap.f`, in which an address is an index. The loops are those of wasm.py, or the same in plain JavaScript.

const TILE = { rows: 4, columns: 8 }; // of the matrix product: results have a multiple of 4 rows, weights one of 8 columns
const up = (n, to) => Math.ceil(n / to) * to;

class Heap {
  // way: "fused", "simd" or "plain" JavaScript; the first that this browser has, if none is asked for.
  constructor(way = null) {
    this.top = 0;
    this.memory = null;
    this.f = new Float32Array(0);
    const named = MODULES.map((code, i) => [["fused", "simd"][i], code]);
    for (const [name, code] of typeof WebAssembly === "object" ? named : []) {
      const bytes = Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));
      if ((way ?? name) !== name || !WebAssembly.validate(bytes)) continue;
      this.memory = new WebAssembly.Memory({ initial: 1 });
      this.loops = new WebAssembly.Instance(new WebAssembly.Module(bytes), { engine: { memory: this.memory } }).exports;
      this.way = name;
      break;
    }
    if (!this.memory) {
      if (way && way !== "plain") throw new Error(`This browser has no WebAssembly of the kind ${way}.`);
      this.loops = plainLoops(this);
      this.way = "plain";
    }
    this.zeros = this.take(4096); // a bias of nothing
    this.f.fill(0, this.zeros, this.zeros + 4096);
  }

  // Room for n numbers, which hold anything at first. It is given back by setting `top` to what it was.
  take(n) {
    const at = this.top;
    this.top = up(at + n, 4);
    if (this.top > this.f.length) this.grow(Math.ceil(this.top * 1.25));
    return at;
  }

  grow(n) {
    if (this.memory) {
      this.memory.grow(Math.ceil((4 * n - this.memory.buffer.byteLength) / 65536));
      this.f = new Float32Array(this.memory.buffer); // the old one has lost its memory
    } else {
      const more = new Float32Array(n);
      more.set(this.f);
      this.f = more;
    }
  }

  // What `act` gives. All that it has taken is free again, so what is to stay must be taken before.
  scope(act) {
    const before = this.top;
    try {
      return act();
    } finally {
      this.top = before;
    }
  }
}

// The loops of wasm.py, number by number, with the same arguments: for a browser without WebAssembly or its SIMD.
function plainLoops(heap) {
  const N = TILE.columns;

  function product(a, b, c, bias, panels, images, groups, tiles, segments, quads, row, group, image, skip, cRow, biasImage, onto) {
    const f = heap.f;
    const run = 4 * quads;
    for (let panel = 0; panel < panels; panel++) {
      const b0 = b / 4 + panel * N * segments * run;
      let to = c / 4 + panel * N;
      for (let i = 0; i < images; i++) {
        const from = (bias + i * biasImage) / 4 + panel * N;
        for (let g = 0; g < groups; g++) {
          for (let r = 0; r < tiles * TILE.rows; r++) {
            let [s0, s1, s2, s3, s4, s5, s6, s7] = f.subarray(from, from + N);
            let at = (a + i * image + g * group + r * row) / 4;
            let by = b0;
            for (let s = 0; s < segments; s++) {
              for (let k = 0; k < run; k++, by += N) {
                const x = f[at++];
                s0 += x * f[by];
                s1 += x * f[by + 1];
                s2 += x * f[by + 2];
                s3 += x * f[by + 3];
                s4 += x * f[by + 4];
                s5 += x * f[by + 5];
                s6 += x * f[by + 6];
                s7 += x * f[by + 7];
              }
              at += skip / 4;
            }
            const sums = [s0, s1, s2, s3, s4, s5, s6, s7];
            for (let j = 0; j < N; j++) f[to + j] = sums[j] + (onto ? f[to + j] : 0);
            to += cRow / 4;
          }
        }
      }
    }
  }

  function normalise(x, out, scale, shift, quads, pixels, lines, skip, image, outImage, change, images, silu) {
    const f = heap.f;
    for (let i = 0; i < images; i++) {
      let [from, to] = [(x + i * image) / 4, (out + i * outImage) / 4];
      const [sc, sh] = [(scale + i * change) / 4, (shift + i * change) / 4];
      for (let line = 0; line < lines; line++, to += skip / 4) {
        for (let p = 0; p < pixels; p++) {
          for (let k = 0; k < 4 * quads; k++) {
            const y = f[from++] * f[sc + k] + f[sh + k];
            f[to++] = silu ? y / (1 + Math.exp(-y)) : y;
          }
        }
      }
    }
  }

  function softmax(x, quads, rows) {
    for (let r = 0; r < rows; r++) {
      const row = heap.f.subarray(x / 4 + 4 * quads * r, x / 4 + 4 * quads * (r + 1));
      let most = -Infinity;
      for (const value of row) most = Math.max(most, value);
      let sum = 0;
      for (let i = 0; i < row.length; i++) sum += row[i] = Math.exp(row[i] - most);
      for (let i = 0; i < row.length; i++) row[i] /= sum;
    }
  }

  return { product, normalise, softmax };
}
