// The networks of the package, module by module, each under the name that it has there: what the package's modules compute, from the
// weights of the same names.

const EMPTY = [1, 2]; // the tokens of the empty caption: start, end; 0 is padding
const PLACES = 4; // places that an image embedding takes among the words

// networks/layers.py: MLP(embedding of t), and the embedding of a label.
function condition(net, name, t, labels = null) {
  const { heap } = net;
  const inner = net.get(`${name}.time.0.weight`).inner;
  const emb = timestepEmbedding(heap, t, inner);
  const first = activate(heap, net.linear(`${name}.time.0`, emb), "silu");
  const out = net.linear(`${name}.time.2`, first);
  if (labels) add(heap, out, net.rows(`${name}.label.weight`, labels.map((label) => [label])));
  return net.seen(name, out);
}

// networks/blocks.py. emb: silu of the embedding, or null.
function resBlock(net, name, x, emb, groups) {
  const { heap } = net;
  const [first, second] = [net.get(`${name}.conv_1.weight`), net.get(`${name}.conv_2.weight`)];
  const skip = `${name}.skip`;
  const out = net.has(`${skip}.weight`) ? net.linear(skip, x) : copied(heap, x);
  heap.scope(() => {
    let bias = null;
    if (emb) {
      bias = net.linear(`${name}.emb`, emb).at; // of each picture; with the bias of the convolution it is one
      for (let i = 0; i < emb.b; i++) for (let k = 0; k < first.outer; k++) heap.f[bias + i * first.outer + k] += heap.f[first.bias + k];
    }
    const active = { groups, silu: true, rim: true };
    const h = conv(heap, groupNorm(heap, x, { ...net.norm(`${name}.norm_1`), ...active }), first, { bias });
    conv(heap, groupNorm(heap, h, { ...net.norm(`${name}.norm_2`), ...active }), second, { onto: out });
  });
  return net.seen(name, out);
}

// networks/blocks.py: the places look at each other, and at the words of a caption.
function attention(net, name, x, context, groups, heads) {
  const { heap } = net;
  const out = copied(heap, x);
  heap.scope(() => {
    const n = x.h * x.w;
    const h = net.seen(`${name}.norm`, groupNorm(heap, x, { ...net.norm(`${name}.norm`), groups }));
    const [q, keys] = asked(net, name, h, n, context);
    const seen = attend(heap, { b: x.b, n, heads, d: x.c / heads, q, keys });
    net.linear(`${name}.out`, seen, out);
  });
  return net.seen(name, out);
}

// Queries and keys of n places of h, those of the words first.
function asked(net, name, h, n, context) {
  const qkv = net.linear(`${name}.qkv`, h);
  const keys = [{ k: qkv.at + h.c, v: qkv.at + 2 * h.c, step: qkv.c, n }];
  if (net.has(`${name}.words.weight`)) {
    const words = net.linear(`${name}.words`, context.features);
    keys.unshift({ k: words.at, v: words.at + h.c, step: words.c, n: words.w, seen: (i, j) => context.visible[i][j] });
  }
  return [{ at: qkv.at, step: qkv.c }, keys];
}

// A convolution of a picture that has no rim yet; each pixel is repeated `times` x `times` times before.
function convolution(net, name, x, { before = 1, times = 1, stride = 1 } = {}) {
  return net.seen(name, conv(net.heap, padded(net.heap, x, before, 1, times), net.get(`${name}.weight`), { stride }));
}

// networks/blocks.py: half the size, and twice the size.
const downsample = (net, name, x) => convolution(net, name, x, { before: 0, stride: 2 });
const upsample = (net, name, x) => convolution(net, name, x, { times: 2 });

// networks/transformer.py. x: (b, n) places; visible: of each picture, which of them are no padding.
function transformer(net, name, x, { heads, activation, causal = false, visible = null }) {
  for (let i = 0; i < net.count(`${name}.blocks`); i++) x = block(net, `${name}.blocks.${i}`, x, { heads, activation, causal, visible });
  return net.seen(name, x);
}

function block(net, name, x, { heads, activation, causal, visible }) {
  const { heap } = net;
  const out = copied(heap, x);
  heap.scope(() => {
    const [q, keys] = asked(net, name, net.layerNorm(`${name}.norm_1`, x), x.w, null);
    if (visible) keys[0].seen = (i, j) => visible[i][j];
    net.linear(`${name}.out`, attend(heap, { b: x.b, n: x.w, heads, d: x.c / heads, q, keys, causal }), out);
    const h = net.linear(`${name}.mlp_in`, net.layerNorm(`${name}.norm_2`, out));
    net.linear(`${name}.mlp_out`, activate(heap, h, activation), out);
  });
  return net.seen(name, out);
}

// networks/caption.py. rows: of each picture its { tokens, embedding }; null is the empty caption.
function caption(net, name, rows, { heads, length, image = 0 }) {
  const { heap } = net;
  const longest = Math.max(...rows.map((row) => (row.tokens ?? EMPTY).length)); // padding changes nothing, so none is computed
  const tokens = rows.map((row) => filled(row.tokens ?? EMPTY, Math.min(length, longest)));
  const visible = tokens.map((row) => row.map((token) => token !== 0));
  const ends = tokens.map((row) => row.filter((token) => token !== 0).length - 1);
  let x = net.plus(`${name}.position`, net.rows(`${name}.token.weight`, tokens));
  x = net.layerNorm(`${name}.norm`, transformer(net, `${name}.transformer`, x, { heads, activation: "gelu", visible }));
  const vector = net.linear(`${name}.projection`, picked(heap, x, ends));
  if (!image) return [net.seen(name, vector), { features: x, visible }];
  const embedding = blank(heap, rows.length, 1, 1, image);
  rows.forEach((row, i) => heap.f.set(row.embedding ?? new Float32Array(image), embedding.at + i * image));
  add(heap, vector, net.linear(`${name}.vector`, embedding));
  const places = net.linear(`${name}.places`, embedding);
  const features = joined(heap, [x, { ...places, w: PLACES, c: x.c }]);
  const there = rows.map((row) => Array(PLACES).fill(Boolean(row.embedding?.some((each) => each !== 0))));
  return [net.seen(name, vector), { features, visible: visible.map((row, i) => [...row, ...there[i]]) }];
}

const filled = (tokens, length) => Array.from({ length }, (_, i) => tokens[i] ?? 0);

// One place of each picture.
function picked(heap, x, places) {
  const out = blank(heap, x.b, 1, 1, x.c);
  for (const [i, place] of places.entries()) {
    const from = x.at + (i * x.w + place) * x.c;
    heap.f.copyWithin(out.at + i * x.c, from, from + x.c);
  }
  return out;
}

// The places of some sequences, one after the other.
function joined(heap, parts) {
  const [{ b, c }, n] = [parts[0], parts.reduce((sum, { w }) => sum + w, 0)];
  const out = blank(heap, b, 1, n, c);
  for (let i = 0, to = out.at; i < b; i++) {
    for (const { at, w } of parts) {
      heap.f.copyWithin(to, at + i * w * c, at + (i + 1) * w * c);
      to += w * c;
    }
  }
  return out;
}

// What does not change from step to step: captions as the network reads them. rows: of each picture { tokens, embedding } or { label }.
function readings(net, rows) {
  const { caption: reads, num_classes: classes } = net.recipe.network;
  if (reads) {
    const [vector, context] = caption(net, "caption", rows, reads);
    return { vector, context };
  }
  return { labels: classes === undefined ? null : rows.map((row) => row.label ?? classes) };
}

// The embedding of t and of the condition, and what attention sees of a caption.
function told(net, t, { vector = null, context = null, labels = null }) {
  const emb = condition(net, "condition", t, labels);
  return [vector ? add(net.heap, emb, vector) : emb, context];
}

// networks/unet.py. pixels: (b, channels + extra, size, size), t: of each picture, given: see `readings`.
function unet(net, pixels, t, given) {
  const { heap } = net;
  const { size, channels, extra = 0, patch = 1, groups = 32, heads = 1, residual = false } = net.recipe.network;
  const [time, context] = told(net, t, given);
  const emb = activate(heap, time, "silu");
  const layer = (name, x) => {
    if (net.has(`${name}.conv_1.weight`)) return resBlock(net, name, x, emb, groups);
    if (net.has(`${name}.qkv.weight`)) return attention(net, name, x, context, groups, heads);
    return name.startsWith("down") ? downsample(net, name, x) : upsample(net, name, x);
  };
  const through = (name, x) => {
    for (let i = 0; i < net.count(name); i++) x = layer(`${name}.${i}`, x);
    return x;
  };
  let h = convolution(net, "first", enter(heap, pixels, t.length, channels + extra, size, size, patch));
  const left = [h];
  for (let i = 0; i < net.count("down"); i++) left.push((h = through(`down.${i}`, h)));
  h = through("middle", h);
  for (let i = 0; i < net.count("up"); i++) h = through(`up.${i}`, concat(heap, h, left.pop()));
  h = conv(heap, groupNorm(heap, h, { ...net.norm("last_norm"), groups, silu: true, rim: true }), net.get("last.weight"));
  const out = leave(heap, net.seen("last", h), channels, patch);
  if (residual) {
    const one = channels * size * size;
    const all = ((channels + extra) / channels) * one;
    for (let i = 0; i < out.length; i++) out[i] += pixels[Math.floor(i / one) * all + all - one + (i % one)];
  }
  return out;
}

// networks/dit.py.
function dit(net, pixels, t, given) {
  const { heap } = net;
  const { size, channels, patch = 2, heads } = net.recipe.network;
  const [emb, context] = told(net, t, given);
  const active = activate(heap, emb, "silu");
  let h = net.linear("first", enter(heap, pixels, t.length, channels, size, size, patch));
  h = gridPositions(heap, h);
  for (let i = 0; i < net.count("blocks"); i++) h = ditBlock(net, `blocks.${i}`, h, active, context, heads);
  h = net.linear("last", modulated(heap, layerNorm(heap, h, { eps: 1e-6 }), net.linear("modulation", active), 0, 1));
  return leave(heap, h, channels, patch);
}

function ditBlock(net, name, x, active, context, heads) {
  const { heap } = net;
  const out = copied(heap, x);
  heap.scope(() => {
    const change = net.linear(`${name}.modulation`, active); // shift, scale and gate of the attention, then of the MLP
    const read = (h, first) => modulated(heap, layerNorm(heap, h, { eps: 1e-6 }), change, first, first + 1);
    const n = x.h * x.w;
    const [q, keys] = asked(net, name, read(x, 0), n, context);
    const seen = attend(heap, { b: x.b, n, heads, d: x.c / heads, q, keys });
    gated(heap, out, net.linear(`${name}.out`, seen), change, 2);
    const h = activate(heap, net.linear(`${name}.mlp_in`, read(out, 3)), "gelu_tanh");
    gated(heap, out, net.linear(`${name}.mlp_out`, h), change, 5);
  });
  return net.seen(name, out);
}

// x (1 + scale) + shift; both are parts of `change`, which holds several rows of numbers for each picture.
function modulated(heap, x, change, shift, scale) {
  const { f } = heap;
  for (let r = 0; r < rowsOf(x); r++) {
    const row = change.at + Math.floor(r / (x.h * x.w)) * change.c;
    for (let k = 0; k < x.c; k++) f[x.at + r * x.c + k] = f[x.at + r * x.c + k] * (1 + f[row + scale * x.c + k]) + f[row + shift * x.c + k];
  }
  return x;
}

// out + gate x.
function gated(heap, out, x, change, gate) {
  const { f } = heap;
  for (let r = 0; r < rowsOf(x); r++) {
    const row = change.at + Math.floor(r / (x.h * x.w)) * change.c + gate * x.c;
    for (let k = 0; k < x.c; k++) f[out.at + r * x.c + k] += f[row + k] * f[x.at + r * x.c + k];
  }
}

function gridPositions(heap, x) {
  const quarter = x.c / 4;
  for (let r = 0; r < rowsOf(x); r++) {
    const places = [r % x.w, Math.floor(r / x.w) % x.h];
    for (const [half, place] of places.entries()) {
      for (let k = 0; k < quarter; k++) {
        const at = x.at + r * x.c + 2 * half * quarter + k;
        const angle = place * 10000 ** (-k / quarter);
        heap.f[at] += Math.sin(angle);
        heap.f[at + quarter] += Math.cos(angle);
      }
    }
  }
  return x;
}
