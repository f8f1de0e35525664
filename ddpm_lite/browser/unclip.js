// DALL·E 2 in the page: the best of several embeddings, what lies between two, or towards other words, and the noise from which a
// picture comes again.

const CANDIDATES = 2; // models/unclip.py: so many embeddings the prior draws for each that is kept
const IMAGINING_STEPS = 25;

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const cosine = (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));

// networks/prior.py: of several embeddings, the one with the largest dot product with the caption's.
function closest(candidates, text) {
  const products = candidates.map((each) => dot(each, text));
  return candidates[products.indexOf(Math.max(...products))];
}

// networks/prior.py: from a (share = 0) to b (share = 1) along the great circle.
function slerp(a, b, share) {
  const shared = Math.min(1, cosine(a, b));
  if (shared < -1 + 1e-6) throw new Error("There is no single shortest path between two opposite embeddings.");
  const w = Math.acos(shared);
  return w < 1e-4 ? a : mix(Math.sin((1 - share) * w) / Math.sin(w), a, Math.sin(share * w) / Math.sin(w), b);
}

// networks/prior.py: an image embedding turned towards the difference between two captions.
function textDifference(image, before, after, share) {
  const difference = mix(1, after, -1, before);
  const length = Math.hypot(...difference);
  if (length < 1e-6) throw new Error("The two captions have the same embedding, so there is no difference to turn towards.");
  return slerp(image, difference.map((value) => (value / length) * Math.hypot(...image)), share);
}

// networks/prior.py: CLIP's unit vectors, scaled as the decoder expects them, each on its own.
function embedded(features, dim) {
  return Array.from({ length: features.length / dim }, (_, i) => features.slice(i * dim, (i + 1) * dim).map((value) => value * Math.sqrt(dim)));
}

// sampling/editing.py: DDIM's steps in reverse, from pictures to the noise from which it draws them again, as frames { t, x_t }.
function* inverted(eps, schedule, x, steps) {
  const table = alphaBar(schedule);
  const visit = [0, ...timesteps(schedule.T, steps).reverse()];
  for (let k = 0; k < steps; k++) {
    const [t, next] = [visit[k], visit[k + 1]];
    const [now, then] = [table[t], table[next]];
    yield { t, x_t: x };
    const seen = eps(x, t || next); // at t = 0 no network was trained
    const x0 = mix(1 / Math.sqrt(now), x, -Math.sqrt(1 - now) / Math.sqrt(now), seen);
    if (!x0.every(Number.isFinite)) throw new Error(`At t = ${t} the network's answer is not finite.`);
    x = mix(Math.sqrt(then), x0, Math.sqrt(1 - then), seen);
  }
  yield { t: schedule.T, x_t: x };
}
