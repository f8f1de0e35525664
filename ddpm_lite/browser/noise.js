// The noise that a seed means, the same as noise.py gives: a hash of the seed and of the number's place, so that any number can be
// had on its own, and no browser's own generator is asked.

const rotated = (x, by) => (x << by) | (x >>> (32 - by));
const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];

// Threefry 2x32, 20 rounds: Salmon et al. 2011, section 4.2. Two whole numbers of 32 bits from a key of two and a counter of two.
function threefry([k0, k1], [c0, c1]) {
  const key = [k0, k1, 0x1bd11bda ^ k0 ^ k1];
  let [a, b] = [(c0 + k0) | 0, (c1 + k1) | 0];
  for (let round = 0; round < 20; round++) {
    a = (a + b) | 0;
    b = rotated(b, ROTATIONS[round % 8]) ^ a;
    if (round % 4 === 3) {
      const turn = (round + 1) / 4;
      a = (a + key[turn % 3]) | 0;
      b = (b + key[(turn + 1) % 3] + turn) | 0;
    }
  }
  return [a >>> 0, b >>> 0];
}

// n numbers from N(0, 1), by Box and Muller from two uniform numbers each. stream: other noise of the same seed.
function portableNoise(seed, n, stream = 0) {
  const out = new Float32Array(n);
  for (let i = 0; i < n; i += 2) {
    const [u, v] = threefry([seed, stream], [i / 2, 0]).map((bits) => (bits + 0.5) / 4294967296);
    const radius = Math.sqrt(-2 * Math.log(u));
    out[i] = radius * Math.cos(2 * Math.PI * v);
    if (i + 1 < n) out[i + 1] = radius * Math.sin(2 * Math.PI * v);
  }
  return out;
}
