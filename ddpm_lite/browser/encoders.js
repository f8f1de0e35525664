// The networks of the package that draw no picture from noise: CLIP, the prior, the autoencoder. See networks.js.

// networks/clip.py: the features of captions, of length 1; rows of tokens.
function encodeText(net, captions) {
  const { heap } = net;
  const { length, text_heads: heads, activation = "quick_gelu" } = net.recipe.network;
  return heap.scope(() => {
    const longest = Math.min(length, Math.max(...captions.map((row) => row.length)));
    const tokens = captions.map((row) => filled(row, longest));
    const x = net.plus("text.position", net.rows("text.token.weight", tokens));
    const last = transformer(net, "text.transformer", x, { heads, activation, causal: true });
    const ends = tokens.map((row) => row.indexOf(EMPTY[1]));
    return unit(net, "text", net.linear("text.projection", net.layerNorm("text.norm", picked(heap, last, ends))));
  });
}

// networks/clip.py: the features of pictures (b, channels, size, size), of length 1; t of each, where it was built for noisy ones.
function encodeImage(net, pixels, t = null) {
  const { heap } = net;
  const { size, patch, image_mults: mults } = net.recipe.network;
  const b = pixels.length / (3 * size * size);
  return heap.scope(() => unit(net, "image", mults ? resNet(net, pixels, b, t) : imageTransformer(net, enter(heap, pixels, b, 3, size, size, patch), t)));
}

function imageTransformer(net, patches, t) {
  const { heap } = net;
  const { image_heads: heads, activation = "quick_gelu" } = net.recipe.network;
  const x = net.linear("image.patches", patches);
  const first = t ? condition(net, "image.time", t) : blank(heap, x.b, 1, 1, x.c);
  if (!t) heap.f.fill(0, first.at, first.at + x.b * x.c);
  const { at } = net.get("image.class_token");
  for (let i = 0; i < x.b * x.c; i++) heap.f[first.at + i] += heap.f[at + (i % x.c)];
  let h = net.plus("image.position", joined(heap, [first, { ...x, h: 1, w: x.h * x.w }]));
  h = transformer(net, "image.transformer", net.layerNorm("image.norm_in", h), { heads, activation });
  return net.linear("image.projection", net.layerNorm("image.norm_out", picked(heap, h, Array(x.b).fill(0))));
}

// networks/resnet.py.
function resNet(net, pixels, b, t) {
  const { heap } = net;
  const { size } = net.recipe.network;
  const emb = t ? condition(net, "image.time", t) : null;
  let h = convolution(net, "image.first", enter(heap, pixels, b, 3, size, size));
  for (let i = 0; i < net.count("image.blocks"); i++) {
    const name = `image.blocks.${i}`;
    h = net.has(`${name}.conv_1.weight`) ? resBlock(net, name, h, emb, 8) : downsample(net, name, h);
  }
  h = groupNorm(heap, h, { ...net.norm("image.norm"), groups: 8, silu: true });
  const flat = leave(heap, h, h.c); // torch flattens channel by channel
  const row = blank(heap, b, 1, 1, flat.length / b);
  heap.f.set(flat, row.at);
  return net.linear("image.projection", row);
}

// Rows of length 1, out of the heap.
function unit(net, name, x) {
  net.seen(name, x);
  const { dim } = net.recipe.network;
  const out = leave(net.heap, x, dim);
  for (let i = 0; i < x.b; i++) {
    const row = out.subarray(i * dim, (i + 1) * dim);
    const length = Math.hypot(...row);
    row.forEach((value, k) => (row[k] = value / length));
  }
  return out;
}

// networks/prior.py. x: (b, dim), rows: of each its { tokens, embedding }, of which null means no condition.
function prior(net, x, t, rows) {
  const { heap } = net;
  const { length, dim, heads } = net.recipe.network;
  const b = t.length;
  const tokens = rows.map((row) => filled(row.tokens ?? EMPTY, length));
  const text = blank(heap, b, 1, 1, dim);
  rows.forEach((row, i) => heap.f.set(row.embedding ?? new Float32Array(dim), text.at + i * dim));
  const noisy = blank(heap, b, 1, 1, dim);
  heap.f.set(x, noisy.at);
  const parts = [net.rows("token.weight", tokens), net.linear("text", text), condition(net, "time", t), net.linear("image", noisy)];
  const query = blank(heap, b, 1, 1, parts[0].c);
  const { at } = net.get("query");
  for (let i = 0; i < b; i++) heap.f.copyWithin(query.at + i * query.c, at, at + query.c);
  const sequence = net.plus("position", joined(heap, [...parts, query]));
  const visible = tokens.map((row) => [...row.map((token) => token !== 0), true, true, true, true]);
  const h = transformer(net, "transformer", sequence, { heads, activation: "gelu", causal: true, visible });
  return leave(heap, net.linear("last", picked(heap, net.layerNorm("norm", h), Array(b).fill(length + 3))), dim);
}

// networks/autoencoder.py: pictures from latents (b, latent, h, h) of mean 0 and variance 1, which is all that a page needs of it.
function decode(net, latents) {
  const { heap } = net;
  const [mean, variance] = ["latent_mean", "latent_var"].map((name) => net.get(name).at);
  const { size, channels, latent, mults, groups = 8, patch = 1 } = net.recipe.network;
  const side = size / patch / 2 ** (mults.length - 1);
  return heap.scope(() => {
    const channel = (i) => Math.floor(i / (side * side)) % latent;
    const unscaled = latents.map((z, i) => z * Math.sqrt(heap.f[variance + channel(i)]) + heap.f[mean + channel(i)]);
    let h = enter(heap, unscaled, latents.length / (latent * side * side), latent, side, side);
    h = convolution(net, "up.0", h);
    const last = net.count("up") - 1;
    for (let i = 1; i < last - 2; i++) {
      const name = `up.${i}`;
      h = net.has(`${name}.conv_1.weight`) ? resBlock(net, name, h, null, groups) : upsample(net, name, h);
    }
    h = groupNorm(heap, h, { ...net.norm(`up.${last - 2}`), groups, silu: true, rim: true });
    h = conv(heap, h, net.get(`up.${last}.weight`));
    return leave(heap, net.seen(`up.${last}`, h), channels, patch);
  });
}
