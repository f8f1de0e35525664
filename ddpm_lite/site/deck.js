// A deck of slides: a view comes alive when its slide is shown.
/* global Reveal, RevealNotes */

// Letters for the hall, as large as the code on the slides. Then the pictures are made as large as the slide allows (the
// views' base.css sizes them by --ddpm-zoom); and if that is not enough, the view as a whole is made smaller.
async function settle(host) {
  const model = await mountView(host);
  if (!model) return;
  const slide = host.closest("section");
  const live = host.querySelector(".live");
  const fits = () => slide.scrollHeight <= slide.clientHeight && live.scrollWidth <= live.clientWidth;
  const fit = () => {
    const root = live.shadowRoot.querySelector(".ddpm-view"); // which may have been built anew
    live.style.zoom = 1;
    if (root) {
      root.style.fontSize = model.get("big") ? "20px" : "";
      root.style.removeProperty("--ddpm-zoom");
      const own = Number(window.getComputedStyle(root).getPropertyValue("--ddpm-zoom"));
      for (let size = own; size >= 0.8 && !fits(); size -= 0.05) root.style.setProperty("--ddpm-zoom", size);
    }
    for (let zoom = 1; zoom >= 0.4 && !fits(); zoom -= 0.05) live.style.zoom = zoom;
  };
  const later = () => requestAnimationFrame(() => requestAnimationFrame(fit));
  model.on("change:big", later);
  new ResizeObserver(() => fits() || later()).observe(live); // what is typed may make it grow
  if (model.get("big") === false) model.set("big", true);
  later();
  // The keys that reach a view are the view's, and not the slides'; Escape gives them back.
  host.addEventListener("keydown", (event) => event.stopPropagation());
  const release = (event) => event.key === "Escape" && live.shadowRoot.activeElement?.blur();
  host.addEventListener("keydown", release, { capture: true }); // before the view, which may keep the key for itself
  host.dataset.preventSwipe = "";
}

// A formula that is wider than its slide is made smaller.
function narrowed(node) {
  const share = node.clientWidth / node.scrollWidth;
  if (share < 1) node.style.fontSize = `${share * parseFloat(window.getComputedStyle(node).fontSize)}px`;
}

function show() {
  const slide = Reveal.getCurrentSlide();
  setMaths(slide.querySelectorAll(".math"));
  const narrow = () => slide.querySelectorAll(".math.display").forEach(narrowed);
  narrow(); // which asks for their fonts; and once those are there, since others may have stood in for them:
  document.fonts.ready.then(narrow);
  for (const host of slide.querySelectorAll(".view")) settle(host);
}

// The notes are copied into a window of their own, which reveal writes without KaTeX's styles: it gets them too.
const openWindow = window.open;
window.open = (...what) => {
  const opened = openWindow.apply(window, what);
  setTimeout(() => opened?.document.head.append(document.getElementById("katex").cloneNode(true)));
  return opened;
};

Reveal.on("slidechanged", show);
Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0.04,
  center: false,
  hash: true,
  slideNumber: "c/t",
  transition: "none",
  scrollActivationWidth: null, // on a phone too the slides are slides, as large as it allows: our styles are for those
  plugins: [RevealNotes],
}).then(() => {
  show();
  setTheOthers(() => (document.documentElement.dataset.maths = "set"));
});
