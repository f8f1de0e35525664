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

  // DALL·E 2: for each seed an embedding, and the picture that the decoder draws from it, and from the caption if it `reads` it too.
  // source: "imagined", where the prior draws CANDIDATES of each and the one closest to the caption's is kept; "text", the caption's
  // own; "none".
  async function imagine(request) {
    const { prior: name, clip, tokens, source, reads, seeds } = request;
    const { dim } = found(clip).recipe.network;
    const bottom = heap.top;
    try {
      const [text] = embedded(encodeText(found(clip), [tokens]), dim);
      let embeddings = seeds.map(() => (source === "text" ? text : null));
      if (source === "imagined") {
        const net = found(name);
        const all = Array.from({ length: CANDIDATES }, (_, k) => [...noises(seeds, dim, IMAGINING + k)]).flat();
        const eps = predictor(net, Array(CANDIDATES * seeds.length).fill({ tokens, embedding: text }), 1);
        const x = await drawn(request, "imagine", net, eps, Float32Array.from(all), { steps: IMAGINING_STEPS, clip: false });
        if (!x) return { stopped: true };
        const candidate = (k, i) => x.slice((k * seeds.length + i) * dim, (k * seeds.length + i + 1) * dim);
        embeddings = seeds.map((_, i) => closest(Array.from({ length: CANDIDATES }, (_each, k) => candidate(k, i)), text));
      }
      const answer = await draw({ ...request, rows: embeddings.map((embedding) => ({ tokens: reads ? tokens : null, embedding })) });
      return { embeddings, closeness: embeddings.map((each) => each && cosine(each, text)), ...answer };
    } finally {
      heap.top = bottom;
    }
  }

  // What is seen of a picture that a latent model has in work.
  const shown = (net, x) => (net.recipe.autoencoder ? decode(found(net.recipe.autoencoder), x) : x);

  // The noise of each seed, of `each` numbers.
  const noises = (seeds, each, stream) => {
    const all = new Float32Array(seeds.length * each);
    seeds.forEach((seed, i) => all.set(portableNoise(seed, each, stream), i * each));
    return all;
  };
  const clipped = (x) => x.map((value) => Math.min(1, Math.max(-1, value)));

  async function draw(request) {
    const { name, rows, seeds, scale = 2, known = null } = request;
    const net = found(name);
    const { channels, size } = net.recipe.network;
    const each = channels * size * size;
    const bottom = heap.top;
    try {
      const options = { ...request, clip: !net.recipe.autoencoder, fresh: (k) => noises(seeds, each, k + 1) };
      const eps = known ? inpainter(net, rows, scale, known.pictures, known.mask) : predictor(net, rows, scale);
      const x = await drawn(request, "draw", net, eps, request.noise ?? noises(seeds, each, 0), options);
      return x ? { pictures: clipped(shown(net, x)) } : { stopped: true };
    } finally {
      heap.top = bottom;
    }
  }

  // Pictures that were drawn, larger.
  async function enlarge(request) {
    const { name, pictures, rows, seeds, steps = 4 } = request;
    const net = found(name);
    const { channels, size } = net.recipe.network;
    const small = Math.sqrt(pictures.length / rows.length / channels);
    const bottom = heap.top;
    try {
      const eps = predictor(net, rows, 1, enlarged(pictures, rows.length * channels, small, size / small));
      const x = await drawn(request, "enlarge", net, eps, noises(seeds, channels * size * size, ENLARGING), { steps });
      return x ? { large: clipped(x) } : { stopped: true };
    } finally {
      heap.top = bottom;
    }
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
  const tasks = { load, draw: unlessOvertaken(draw), enlarge: unlessOvertaken(enlarge), imagine: unlessOvertaken(imagine), vary: unlessOvertaken(vary), compare: unlessOvertaken(compare) };

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
