// What the worker does: it keeps the networks, and draws step by step. Between two steps it hears what has come: of the requests of
// one asker, only the last is drawn.

const nextTurn = () => {
  const { port1, port2 } = new MessageChannel(); // setTimeout would wait for 4 ms
  return new Promise((go) => {
    port1.onmessage = () => {
      port1.close();
      go();
    };
    port2.postMessage(null);
  });
};

// The answers to messages, by `post`: see Engine in engine.js, which sends them.
function serve(post, way = null) {
  const heap = new Heap(way);
  const nets = new Map();
  const latest = new Map(); // the last request of each asker
  const train = trainer(post);
  let queue = Promise.resolve();

  const found = (name) => {
    if (!nets.has(name)) throw new Error(`The weights of ${name} are not loaded.`);
    return nets.get(name);
  };

  // Draws with one network; each frame is posted. Null if a later request has come.
  async function drawn(request, stage, net, eps, x, options) {
    let last = null;
    const { steps } = options;
    let k = 0;
    let start = performance.now();
    for (const frame of frames(eps, net.recipe.schedule, x, options)) {
      last = frame;
      if (k < steps) post({ id: request.id, stage, k, steps, t: frame.t, x_t: shown(net, frame.x_t), x0: shown(net, frame.x0), ms: performance.now() - start });
      k++;
      await nextTurn();
      if (latest.get(request.asker) !== request.id) return null;
      start = performance.now();
    }
    return last.x_t;
  }

  // The noise from which the decoder draws pictures again, given their embeddings: the last one is kept. Null if a later request
  // has come.
  let raised = { key: null, noise: null };
  async function ownNoise({ id, asker, name, pictures, steps }, embeddings) {
    const key = [name, steps, ...pictures].join();
    if (raised.key === key) return raised.noise;
    const net = found(name);
    let last = null;
    let k = 0;
    const eps = predictor(net, embeddings.map((embedding) => ({ embedding })), 1);
    for (const { t, x_t } of inverted(eps, net.recipe.schedule, pictures, steps)) {
      if (k < steps) post({ id, stage: "invert", k, steps, t, x_t });
      [last, k] = [x_t, k + 1];
      await nextTurn();
      if (latest.get(asker) !== id) return null;
    }
    raised = { key, noise: last };
    return last;
  }

  // A picture's variations: `seeds` of them. With a second picture, what lies between them at `share`; with tokens of two captions,
  // the picture turned by their difference. own: begin with the pictures' own noise.
  async function vary(request) {
    const { name, clip, pictures, tokens = null, share = 0, own = false, seeds } = request;
    const { dim } = found(clip).recipe.network;
    const each = found(name).recipe.network.channels * found(name).recipe.network.size ** 2;
    const between = (a, b = null) => (b ? slerp(a, b, share) : a);
    const bottom = heap.top;
    try {
      const images = embedded(encodeImage(found(clip), pictures), dim);
      const texts = tokens ? embedded(encodeText(found(clip), tokens), dim) : null;
      const embedding = texts ? textDifference(images[0], ...texts, share) : between(...images);
      let noise = null;
      if (own) {
        const both = await ownNoise(request, images);
        if (!both) return { stopped: true };
        noise = between(...images.map((_, i) => both.slice(i * each, (i + 1) * each)));
      }
      return { embedding, ...(await draw({ ...request, rows: seeds.map(() => ({ embedding })), noise })) };
    } finally {
      heap.top = bottom;
    }
  }

  // What is seen of a picture that a latent model has in work.
  const shown = (net, x) => (net.recipe.autoencoder ? decode(found(net.recipe.autoencoder), x) : x);

  async function draw(request) {
    const { name, rows, seeds, scale = 2, known = null, enlarge = null, enlarging = 4, enlargeRows = null } = request;
    const net = found(name);
    const { channels, size } = net.recipe.network;
    const each = channels * size * size;
    const noise = (stream, n) => {
      const all = new Float32Array(rows.length * n);
      seeds.forEach((seed, i) => all.set(portableNoise(seed, n, stream), i * n));
      return all;
    };
    const bottom = heap.top;
    try {
      const options = { ...request, clip: !net.recipe.autoencoder, fresh: (k) => noise(k + 1, each) };
      const eps = known ? inpainter(net, rows, scale, known.pictures, known.mask) : predictor(net, rows, scale);
      const x = await drawn(request, "draw", net, eps, request.noise ?? noise(0, each), options);
      if (!x) return { stopped: true };
      const pictures = shown(net, x).map((value) => Math.min(1, Math.max(-1, value)));
      if (!enlarge) return { pictures };
      post({ id: request.id, stage: "drawn", pictures });
      const upsampler = found(enlarge);
      const large = upsampler.recipe.network;
      const beside = enlarged(pictures, rows.length * channels, size, large.size / size);
      const first = noise(1 << 20, large.channels * large.size ** 2);
      const enlarger = predictor(upsampler, enlargeRows ?? rows.map(() => ({})), 1, beside);
      const result = await drawn(request, "enlarge", upsampler, enlarger, first, { steps: enlarging });
      return result ? { pictures, large: result.map((value) => Math.min(1, Math.max(-1, value))) } : { stopped: true };
    } finally {
      heap.top = bottom;
    }
  }

  // Pictures of size x size, one after the other, each pixel `factor` x `factor` times: what an upsampler sees.
  function enlarged(pictures, count, size, factor) {
    const side = size * factor;
    return Float32Array.from({ length: count * side * side }, (_, i) => {
      const [picture, y, x] = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
      return pictures[(picture * size + Math.floor(y / factor)) * size + Math.floor(x / factor)];
    });
  }

  function load({ name, entry, bytes }) {
    if (nets.has(name)) return;
    const { top } = heap;
    try {
      nets.set(name, new Net(heap, entry, bytes));
    } catch (error) {
      heap.top = top;
      throw error;
    }
  }

  const compare = ({ name, pictures, tokens }) => ({ image: encodeImage(found(name), pictures), text: encodeText(found(name), tokens) });
  const unlessOvertaken = (act) => (request) => (request.asker && latest.get(request.asker) !== request.id ? { stopped: true } : act(request));
  const tasks = { load, draw: unlessOvertaken(draw), vary: unlessOvertaken(vary), compare: unlessOvertaken(compare) };

  return function hear(message) {
    if (message.task === "train") return train(message); // it goes on while other messages are heard
    if (message.asker) latest.set(message.asker, message.id); // `stop` has an id that nothing is drawn for
    if (message.task === "stop") return queue;
    queue = queue.then(async () => {
      try {
        post({ id: message.id, done: true, way: heap.way, ...(await tasks[message.task](message)) });
      } catch (error) {
        post({ id: message.id, error: error.message });
      }
    });
    return queue;
  };
}
