// Algorithm 2 in the page: the schedules, the samplers and the guidance of the package, step by step, over pictures as Float32Array.

// maths/schedule.py: alpha_bar of t = 0..T.
function alphaBar({ kind, T, ...options }) {
  const { beta_1: first = 1e-4, beta_T: last = 0.02, s = 0.008, beta_max: most = 0.999 } = options;
  const share = (t) => t / T;
  const f = {
    cosine: (t) => Math.cos(((Math.PI / 2) * (share(t) + s)) / (1 + s)) ** 2,
    straight: (t) => (1 - share(t)) ** 2 / ((1 - share(t)) ** 2 + share(t) ** 2),
  }[kind];
  const table = new Float64Array(T + 1).fill(1);
  for (let t = 1; t <= T; t++) {
    const beta = f ? Math.min(most, 1 - f(t) / f(t - 1)) : first + ((last - first) * (t - 1)) / Math.max(1, T - 1);
    table[t] = table[t - 1] * (1 - beta);
  }
  return table;
}

// Python's round: a half goes to the even number.
function rounded(x) {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 ? down + 1 : down;
}

// sampling/loop.py: the steps to visit, from T down.
const timesteps = (T, steps) => Array.from({ length: steps }, (_, i) => rounded((T * (steps - i)) / steps));

// a x + b y, number by number.
function mix(a, x, b, y) {
  const out = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) out[i] = a * x[i] + b * y[i];
  return out;
}

const HIGHEST = 200; // sigma, above which Heun's step is Euler's

// sampling/samplers.py. A step from t to an earlier t_next; now and before are alpha_bar of the two. seen: { eps, x0, last: the
// alpha_bar and x0 of the step before, at(x, t_next): eps there }; z() gives fresh noise.
const SAMPLERS = {
  ddim: (x, seen, now, before, z, eta) => {
    const sigma = eta * Math.sqrt(((1 - before) / (1 - now)) * (1 - now / before));
    const x0 = mix(1 / Math.sqrt(now), x, -Math.sqrt(1 - now) / Math.sqrt(now), seen.eps);
    const next = mix(Math.sqrt(before), x0, Math.sqrt(Math.max(1 - before - sigma ** 2, 0)), seen.eps);
    return sigma ? mix(1, next, sigma, z()) : next;
  },
  ddpm: (x, seen, now, before, z) => {
    const beta = 1 - now / before;
    const mean = mix(1 / Math.sqrt(1 - beta), x, -beta / Math.sqrt(1 - now) / Math.sqrt(1 - beta), seen.eps);
    return mix(1, mean, Math.sqrt(((1 - before) / (1 - now)) * beta), z());
  },
  "dpm-solver++": (x, { x0, last }, now, before) => {
    const half = (each) => 0.5 * Math.log(each / (1 - each));
    if (last && before < 1) {
      const share = (half(before) - half(now)) / (2 * (half(now) - half(last.now)));
      x0 = mix(1 + share, x0, -share, last.x0);
    }
    const ratio = Math.sqrt((1 - before) / (1 - now));
    return mix(ratio, x, Math.sqrt(before) - ratio * Math.sqrt(now), x0);
  },
  euler: (x, seen, now, before) => euler(x, seen.eps, now, before),
  heun: (x, seen, now, before) => {
    const guess = euler(x, seen.eps, now, before);
    if (now < 1 / (1 + HIGHEST ** 2)) return guess;
    return before < 1 ? euler(x, mix(0.5, seen.eps, 0.5, seen.at(guess)), now, before) : guess;
  },
};

function euler(x, eps, now, before) {
  const sigma = (each) => Math.sqrt((1 - each) / each);
  return mix(Math.sqrt(before / now), x, Math.sqrt(before) * (sigma(before) - sigma(now)), eps);
}

// training/targets.py: the noise from what the network predicts.
const EPS_FROM = {
  eps: (x, out) => out,
  x0: (x, out, a) => mix(1 / Math.sqrt(1 - a), x, -Math.sqrt(a) / Math.sqrt(1 - a), out),
  v: (x, out, a) => mix(Math.sqrt(1 - a), x, Math.sqrt(a), out),
  flow: (x, out, a) => mix(1 / (Math.sqrt(a) + Math.sqrt(1 - a)), x, Math.sqrt(a) / (Math.sqrt(a) + Math.sqrt(1 - a)), out),
};

// The network's eps(x, t) for pictures of which each has a row of what is asked for, under guidance: sampling/guidance.py.
// beside: (b, extra, size, size), what an upsampler or an inpainting network sees with each picture.
function predictor(net, rows, scale, beside = null) {
  const { kind, target, schedule } = net.recipe;
  const table = alphaBar(schedule);
  const wanted = scale === 1 ? rows : scale === 0 ? rows.map(() => ({})) : [...rows.map(() => ({})), ...rows];
  const given = kind === "prior" ? null : readings(net, wanted);
  const extra = beside && Float32Array.from({ length: (beside.length * wanted.length) / rows.length }, (_, i) => beside[i % beside.length]);
  const network = { prior: (x, t) => prior(net, x, t, wanted), "latent-transformer": (x, t) => dit(net, x, t, given) }[kind];
  return (x, t) => {
    const both = new Float32Array((x.length * wanted.length) / rows.length);
    for (let at = 0; at < both.length; at += x.length) both.set(x, at);
    const input = extra ? interleaved(both, extra, wanted.length) : both;
    const steps = Array(wanted.length).fill(t);
    const out = net.heap.scope(() => (network ? network(input, steps) : unet(net, input, steps, given)));
    const eps = EPS_FROM[target](both, out, table[t]);
    if (wanted.length === rows.length) return eps;
    return mix(1 - scale, eps.subarray(0, x.length), scale, eps.subarray(x.length));
  };
}

// The channels of x and of what is given, picture by picture.
function interleaved(x, beside, b) {
  const [n, m] = [x.length / b, beside.length / b];
  const out = new Float32Array(x.length + beside.length);
  for (let i = 0; i < b; i++) {
    out.set(x.subarray(i * n, (i + 1) * n), i * (n + m));
    out.set(beside.subarray(i * m, (i + 1) * m), i * (n + m) + n);
  }
  return out;
}

// sampling/editing.py: eps(x, t) of an inpainting network, which sees pictures where mask (b, 1, size, size) is 1, and the mask. There it
// is the noise that leads back to the pictures.
function inpainter(net, rows, scale, pictures, mask) {
  const [table, one] = [alphaBar(net.recipe.schedule), mask.length / rows.length];
  const channels = pictures.length / mask.length;
  const kept = (i) => mask[Math.floor(i / (channels * one)) * one + (i % one)] === 1;
  const erased = pictures.map((value, i) => (kept(i) ? value : 0));
  const eps = predictor(net, rows, scale, interleaved(erased, mask, rows.length));
  return (x, t) => {
    const [signal, noise] = [Math.sqrt(table[t]), Math.sqrt(1 - table[t])];
    return eps(x, t).map((value, i) => (kept(i) ? (x[i] - signal * pictures[i]) / noise : value));
  };
}

// The frames { t, x_t, x0 } of sampling, as `sample` of the package yields them, from the noise x. clip: keep x0 in [-1, 1].
// fresh(k): the noise of step k, for samplers that add some.
function* frames(eps, schedule, x, { steps, method = "ddim", eta = 0, clip = true, fresh = null }) {
  const table = alphaBar(schedule);
  const sampler = SAMPLERS[method];
  if (!sampler) throw new Error(`There is no method ${method}: use ${Object.keys(SAMPLERS).join(", ")}.`);
  const look = (y, t) => {
    const [signal, noise] = [Math.sqrt(table[t]), Math.sqrt(1 - table[t])];
    const seen = eps(y, t);
    const x0 = mix(1 / signal, y, -noise / signal, seen);
    if (!x0.every(Number.isFinite)) throw new Error(`At t = ${t} the network's answer is not finite: choose a smaller guidance.`);
    if (!clip) return { eps: seen, x0 };
    for (let i = 0; i < x0.length; i++) x0[i] = Math.min(1, Math.max(-1, x0[i]));
    return { eps: mix(1 / noise, y, -signal / noise, x0), x0 };
  };
  const visit = [...timesteps(schedule.T, steps), 0];
  let last = null;
  for (let k = 0; k < steps; k++) {
    const [t, next] = [visit[k], visit[k + 1]];
    const seen = look(x, t);
    yield { t, x_t: x, x0: seen.x0 };
    const at = (y) => look(y, next).eps;
    x = sampler(x, { ...seen, last, at }, table[t], table[next], () => fresh(k), eta);
    last = { now: table[t], x0: seen.x0 };
  }
  yield { t: 0, x_t: x, x0: x };
}
