// The answer of work(onFrame), or null if it was overtaken: current() says whether it still counts. heard(frame) comes at each frame,
// see(frame) as often as the screen shows one, and not at all where the reader's system asks for reduced motion.
async function watched(work, current, see, heard = () => {}) {
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let waiting = null;
  const answer = await work((frame) => {
    if (!current()) return;
    heard(frame);
    if (calm) return;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => current() && see(frame));
  });
  cancelAnimationFrame(waiting);
  return current() && !answer.stopped ? answer : null;
}
