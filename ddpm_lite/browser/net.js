// A network as export.py has written it: its recipe, and its weights as the operators take them.

// The checksum CRC-32, as zlib has it.
function crc32(bytes) {
  const table = Int32Array.from({ length: 256 }, (_, i) => {
    for (let k = 0; k < 8; k++) i = i & 1 ? (i >>> 1) ^ 0xedb88320 : i >>> 1;
    return i;
  });
  let crc = -1;
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 255];
  return ~crc >>> 0;
}

class Net {
  // entry: { recipe, tensors: [[name, shape, form, code, first byte], ...] } and its bytes. `watch(name, value)` sees each layer's result.
  constructor(heap, { recipe, tensors, size, checksum }, bytes, watch = null) {
    if (bytes.length !== size) throw new Error(`The weights of ${recipe.name} are damaged: ${bytes.length} bytes in place of ${size}.`);
    if (crc32(bytes) !== checksum) throw new Error(`The weights of ${recipe.name} are damaged: their checksum is another one.`);
    this.heap = heap;
    this.recipe = recipe;
    this.watch = watch;
    this.weights = new Map();
    for (const [name, shape, form, code, first] of tensors) {
      const numbers = decoded(bytes, shape, code, first);
      this.weights.set(name, form === "panels" ? this.panels(numbers, shape) : this.plain(numbers, shape));
    }
    this.lengths = new Map();
    for (const [name, weight] of this.weights) {
      for (const { 0: each, index } of name.matchAll(/(?<=\.)\d+(?=\.)/g)) {
        const list = name.slice(0, index - 1);
        this.lengths.set(list, Math.max(this.count(list), Number(each) + 1));
      }
      if (weight.inner) weight.bias = this.weights.get(name.replace(/weight$/, "bias"))?.at ?? heap.zeros;
    }
  }

  // Numbers as they are, those of a bias with zeros up to a whole panel.
  plain(numbers, shape) {
    const room = shape.length === 1 ? up(numbers.length, TILE.columns) : numbers.length;
    const at = this.heap.take(room);
    this.heap.f.fill(0, at, at + room);
    this.heap.f.set(numbers, at);
    return { at, shape };
  }

  // A weight (outer, inner) or (outer, inner, high, wide), in panels of 8 rows: their first numbers, their second ones, ... The
  // numbers of a convolution stand in the order in which it meets them: line, column, channel.
  panels(numbers, [outer, channels, high = 1, wide = 1]) {
    const inner = up(channels, 4);
    const places = high * wide;
    const [room, N] = [up(outer, TILE.columns) * places * inner, TILE.columns];
    const at = this.heap.take(room);
    const { f } = this.heap;
    f.fill(0, at, at + room);
    for (let o = 0, i = 0; o < outer; o++) {
      const panel = at + Math.floor(o / N) * N * places * inner + (o % N);
      for (let c = 0; c < channels; c++) for (let p = 0; p < places; p++, i++) f[panel + N * (p * inner + c)] = numbers[i];
    }
    return { at, inner, outer: up(outer, N), real: outer };
  }

  has(name) {
    return this.weights.has(name);
  }

  get(name) {
    const weight = this.weights.get(name);
    if (!weight) throw new Error(`${this.recipe.name} has no ${name}.`);
    return weight;
  }

  // The length of a list of layers: of those that have weights, all but the last may have none.
  count(name) {
    return this.lengths.get(name) ?? 0;
  }

  seen(name, value) {
    this.watch?.(name, value);
    return value;
  }

  linear(name, x, onto = null) {
    const out = linear(this.heap, x, this.get(`${name}.weight`), onto);
    return onto ? out : this.seen(name, out);
  }

  // What groupNorm and layerNorm take of the norm `name`.
  norm(name) {
    return { weight: this.get(`${name}.weight`).at, bias: this.get(`${name}.bias`).at };
  }

  layerNorm(name, x) {
    return this.seen(name, layerNorm(this.heap, x, this.norm(name)));
  }

  // Rows of a table, one place each, for b lists of equal length.
  rows(name, lists) {
    const { at, shape } = this.get(name);
    const [b, n, c] = [lists.length, lists[0].length, shape[1]];
    const out = blank(this.heap, b, 1, n, c);
    lists.flat().forEach((row, i) => this.heap.f.copyWithin(out.at + i * c, at + row * c, at + (row + 1) * c));
    return this.seen(name.replace(/\.weight$/, ""), out);
  }

  // x plus the first rows of a table, for each of its pictures; in place.
  plus(name, x) {
    const { at } = this.get(name);
    for (let i = 0; i < x.b; i++) for (let k = 0; k < x.w * x.c; k++) this.heap.f[x.at + i * x.w * x.c + k] += this.heap.f[at + k];
    return x;
  }
}

// Float32 numbers from their bytes. b16: the upper halves of them; q8: whole numbers, which a number of each row multiplies.
function decoded(bytes, shape, code, first) {
  const [rows, n] = [shape[0] ?? 1, shape.reduce((a, b) => a * b, 1)];
  const view = new DataView(bytes.buffer, bytes.byteOffset + first);
  const numbers = new Float32Array(n);
  if (code === "b16") {
    const bits = new Uint32Array(numbers.buffer);
    for (let i = 0; i < n; i++) bits[i] = view.getUint16(2 * i, true) << 16;
  } else {
    for (let r = 0, i = 0; r < rows; r++) {
      const scale = view.getFloat32(4 * r, true);
      for (; i < ((r + 1) * n) / rows; i++) numbers[i] = scale * view.getInt8(4 * rows + i);
    }
  }
  return numbers;
}
