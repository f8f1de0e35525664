// What is in sight has its formulas at once. The text below grows a little while the others are set: a reader who came for
// a section, and has not moved since, is brought back to it.
setMaths([...unset].filter((node) => node.getBoundingClientRect().top < 1.5 * window.innerHeight));
let moved = false;
for (const event of ["wheel", "touchmove", "keydown", "pointerdown"]) {
  window.addEventListener(event, () => (moved = true), { once: true, passive: true });
}
window.addEventListener("load", () =>
  setTimeout(setTheOthers, 0, () => {
    const target = window.location.hash && document.getElementById(decodeURIComponent(window.location.hash.slice(1)));
    if (target && !moved) target.scrollIntoView();
    makeReachable();
    document.documentElement.dataset.maths = "set";
  }),
);

// A view comes alive when it is less than a screen away: so the page opens at once, however many it has.
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      mountView(target);
    }
  },
  { rootMargin: "100% 0%" },
);
for (const host of document.querySelectorAll(".view")) near.observe(host);

// What is too wide for the screen scrolls in its own box: then the keyboard must reach it, and a shadow shows at which edge
// there is more.
const boxes = document.querySelectorAll(".scroll, .highlight pre, .math.display, .jp-RenderedImage");
function moreOf({ scrollLeft, clientWidth, scrollWidth }) {
  return [scrollLeft > 1 && "start", scrollLeft + clientWidth < scrollWidth - 1 && "end"].filter(Boolean).join(" ");
}
function makeReachable() {
  const found = [...boxes].map((box) => [box.scrollWidth > box.clientWidth, moreOf(box)]);
  for (const [i, [wide, more]] of found.entries()) {
    const box = boxes[i];
    if (wide) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
    if (more) box.dataset.more = more;
    else delete box.dataset.more;
  }
}
for (const box of boxes) box.addEventListener("scroll", () => (box.dataset.more = moreOf(box)), { passive: true });
const reach = new ResizeObserver(makeReachable);
reach.observe(document.querySelector("main"));
for (const node of document.querySelectorAll("details, .jp-RenderedImage img")) reach.observe(node);

// A figure that had to be made smaller than it is shows its full size at a touch, in a box that scrolls.
for (const picture of document.querySelectorAll(".jp-RenderedImage img")) {
  picture.addEventListener("click", () => {
    const box = picture.closest(".jp-RenderedImage");
    box.classList.toggle("full", !box.classList.contains("full") && picture.clientWidth < picture.naturalWidth);
  });
}

// In the contents, the section that is being read.
const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
const headings = [...document.querySelectorAll("main h2")];
const mark = () => {
  const read = headings.findLast((heading) => heading.getBoundingClientRect().top < window.innerHeight / 3);
  for (const [id, link] of links) {
    if (id === read?.id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
};
window.addEventListener("scroll", () => requestAnimationFrame(mark), { passive: true });
window.addEventListener("load", mark);
