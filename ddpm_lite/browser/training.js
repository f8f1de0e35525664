// Algorithm 1 in the page, on points: the loss of eps, AdamW and the moving average, as training/loop.py and training/checkpoint.py
// have them, and a training that goes on in a worker while a view changes what it learns from.

const WINDOW = 20; // steps averaged in a row of the history
const TRIED = 1024; // noisy points, from which the floor of the loss is estimated
const ADAM = { first: 0.9, second: 0.999, tiny: 1e-8, clip: 1, warmup: 100, average: 0.99 };

class Learner {
  constructor(net, schedule, seed) {
    Object.assign(this, { net, schedule, seed, table: alphaBar(schedule), step: 0, sum: 0, history: [] });
    this.theta = net.begun(seed);
    this.average = this.theta.slice(); // of its recent values: with it, it draws
    [this.grad, this.mean, this.square] = [0, 1, 2].map(() => new Float64Array(net.size));
  }

  // Lines 2 to 4 of Algorithm 1, all from the seed and the number of the step: rows of the data, t evenly spread over 1..T, eps.
  batch(points, size) {
    const { seed, step, table } = this;
    const { T } = this.schedule;
    const eps = portableNoise(seed, 2 * size, step + 1);
    const shift = portableUniform(seed, step + 1, size);
    const [x, steps] = [new Float64Array(2 * size), new Int32Array(size)];
    for (let i = 0; i < size; i++) {
      const row = Math.floor((portableUniform(seed, step + 1, i) * points.length) / 2);
      const t = Math.min(T - 1, Math.floor(((shift + i / size) % 1) * T)) + 1;
      const [signal, noise] = [Math.sqrt(table[t]), Math.sqrt(1 - table[t])];
      for (const k of [0, 1]) x[2 * i + k] = signal * points[2 * row + k] + noise * eps[2 * i + k];
      steps[i] = t;
    }
    return { x, eps, steps };
  }

  // A step of AdamW on a batch, after which the average follows; gives the loss.
  learn(batch, lr, decay = 0) {
    const { theta, average, grad, mean, square } = this;
    const loss = this.net.gradient(theta, batch, grad);
    let norm = 0;
    for (let i = 0; i < grad.length; i++) norm += grad[i] * grad[i];
    if (!Number.isFinite(norm)) throw new Error(`At step ${this.step + 1} the gradient is not finite: choose a smaller learning rate.`);
    const shortened = Math.min(1, ADAM.clip / (Math.sqrt(norm) + 1e-6));
    const rate = lr * Math.min(1, (this.step + 1) / ADAM.warmup);
    this.step++;
    const [b1, b2] = [1 - ADAM.first ** this.step, Math.sqrt(1 - ADAM.second ** this.step)];
    const kept = Math.min(ADAM.average, this.step / (this.step + 9));
    for (let i = 0; i < theta.length; i++) {
      const g = grad[i] * shortened;
      mean[i] += (1 - ADAM.first) * (g - mean[i]);
      square[i] += (1 - ADAM.second) * (g * g - square[i]);
      theta[i] -= rate * (decay * theta[i] + mean[i] / b1 / (Math.sqrt(square[i]) / b2 + ADAM.tiny));
      average[i] += (1 - kept) * (theta[i] - average[i]);
    }
    this.sum += loss;
    if (this.step % WINDOW === 0) {
      this.history.push(this.sum / WINDOW);
      this.sum = 0;
    }
    return loss;
  }

  // eps_hat of points at one t, by the average.
  eps(x, t) {
    return Float32Array.from(this.net.forward(this.average, x, [t]).out);
  }

  // Frames of points drawn from noise, the same for all networks.
  *draws(count, steps) {
    const noise = portableNoise(this.seed, 2 * count, 0);
    yield* frames((x, t) => this.eps(x, t), this.schedule, noise, { steps, clip: false });
  }
}

// What no network does better than on exactly these points: the loss of the best answer to x_t, which knows them all, weighs each by
// how likely it is, and answers with the mean of the noises (maths/oracle.py). Estimated from TRIED noisy points.
function floorOf(points, { kind, T, ...options }, seed) {
  const table = alphaBar({ kind, T, ...options });
  const n = points.length / 2;
  const eps = portableNoise(seed, 2 * TRIED, 0);
  const away = new Float64Array(n);
  let sum = 0;
  for (let i = 0; i < TRIED; i++) {
    const t = 1 + Math.floor(((i + 0.5) * T) / TRIED);
    const [signal, noise] = [Math.sqrt(table[t]), Math.sqrt(1 - table[t])];
    const row = Math.floor(portableUniform(seed, 0, i) * n);
    const x = [0, 1].map((k) => signal * points[2 * row + k] + noise * eps[2 * i + k]);
    let nearest = Infinity;
    for (let j = 0; j < n; j++) {
      away[j] = ((x[0] - signal * points[2 * j]) ** 2 + (x[1] - signal * points[2 * j + 1]) ** 2) / (2 * noise ** 2);
      nearest = Math.min(nearest, away[j]);
    }
    let [all, a, b] = [0, 0, 0];
    for (let j = 0; j < n; j++) {
      const weight = Math.exp(nearest - away[j]);
      all += weight;
      a += weight * points[2 * j];
      b += weight * points[2 * j + 1];
    }
    sum += ((x[0] - (signal * a) / all) / noise - eps[2 * i]) ** 2 + ((x[1] - (signal * b) / all) / noise - eps[2 * i + 1]) ** 2;
  }
  return sum / (2 * TRIED);
}

// The acts of a training, for `serve`: begin, change and rest are heard at any moment, between two slices of its work.
//   begin { id, points, options }   `setup` makes the network, if there is none: { network, schedule, seed, places, count, steps }. Each
//                                   look at it is posted under this id, the last one when it rests
//   change { points, options }      new points, lr, batch or t; gives a look
//   rest, forget                    the network stays, or goes
function trainer(post) {
  const SLICE = 12; // milliseconds of learning before messages are heard
  const APART = 100; // milliseconds from one look to the next, at least
  let job = null; // { learner, setup, points, floor, options, samples, going: the id of what goes on, or null }

  const look = ({ learner, setup, options, samples, floor }) => ({
    step: learner.step,
    history: Float64Array.from(learner.history),
    floor, // null until it is found for new points
    eps: learner.eps(setup.places, options.t),
    samples,
  });

  function learnFrom(points) {
    const same = points.length === job.points?.length && points.every((value, i) => value === job.points[i]);
    if (!same) Object.assign(job, { points, floor: null });
  }

  function withFloor(own) {
    if (own.points.length) own.floor ??= floorOf(own.points, own.setup.schedule, own.setup.seed);
    return own;
  }

  // Points drawn by the network as it is now.
  function finish(own) {
    for (const frame of own.learner.draws(own.setup.count, own.setup.steps)) own.samples = frame.x_t;
  }

  async function work(own, id) {
    let [drawing, last] = [null, performance.now()];
    while (own.going === id) {
      const start = performance.now();
      do own.learner.learn(own.learner.batch(own.points, own.options.batch), own.options.lr);
      while (performance.now() - start < SLICE);
      drawing ??= own.learner.draws(own.setup.count, own.setup.steps);
      const { value, done } = drawing.next(); // a step of a drawing beside each slice
      if (done) drawing = null;
      else if (value.t === 0) own.samples = value.x_t;
      if (performance.now() - last >= APART) {
        post({ id, ...look(withFloor(own)) });
        last = performance.now();
      }
      await nextTurn();
    }
    if (job === own) finish(own);
    return look(withFloor(own));
  }

  const acts = {
    begin: async ({ id, setup, points, options }) => {
      if (!points.length) throw new Error("There are no points to learn from: draw some, or choose a shape.");
      if (job?.going) throw new Error("It is learning already.");
      job ??= { learner: new Learner(new PointNet(setup.network), setup.schedule, setup.seed), setup };
      learnFrom(points);
      Object.assign(job, { options, going: id, samples: job.samples ?? new Float32Array(0) });
      return work(job, id);
    },
    change: ({ points, options }) => {
      if (!job) return {};
      learnFrom(points);
      job.options = options;
      if (!points.length) job.going = null;
      return look(job);
    },
    rest: () => void (job && (job.going = null)),
    forget: () => {
      if (job) job.going = null;
      job = null;
    },
  };

  return async function hear(message) {
    try {
      post({ id: message.id, done: true, ...(await acts[message.act](message)) });
    } catch (error) {
      if (job?.going === message.id) job.going = null;
      post({ id: message.id, error: error.message });
    }
  };
}
