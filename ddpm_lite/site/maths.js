// Formulas. Those in sight are set at once, the others in pieces after the page has opened, or when they are asked for.

/* global katex */
const unset = new Set(document.querySelectorAll(".math"));

// The formulas of `nodes` that are not set yet; with `until`, as many as are done by then.
function setMaths(nodes, until = Infinity) {
  for (const node of nodes) {
    if (performance.now() > until) return;
    if (!unset.delete(node)) continue;
    katex.render(node.textContent, node, {
      displayMode: node.classList.contains("display"),
      throwOnError: false,
      strict: "ignore",
    });
  }
}

function setTheOthers(done) {
  setMaths([...unset], performance.now() + 40);
  if (unset.size) setTimeout(setTheOthers, 0, done);
  else done();
}

window.addEventListener("beforeprint", () => setMaths([...unset]));
