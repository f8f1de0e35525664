// Mounts the views of a web page with the page's own script, moves each, and writes down what it computes and draws.
// Standard input: { script: views.js, views: the page's JSON, width, places: how many random places of a slider }.
import { readFileSync } from "node:fs";

import { clock, page } from "./dom.mjs";

const { script, views, width, places } = JSON.parse(readFileSync(0, "utf8"));
const create = page(width, JSON.stringify(views));
const { mountView } = await import(`data:text/javascript,${encodeURIComponent(`${script}\nexport { mountView };`)}`);

const packed = (values) => Buffer.from(Float64Array.from(ArrayBuffer.isView(values) || Array.isArray(values) ? values : [values]).buffer).toString("base64");

let seed = 1;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;

// A slider at its ends, its middle and some random places, a short one at all its places, a list at each of its entries.
function everywhere(control) {
  if (control.tag === "select") return control.options;
  const [min, max, step] = [control.min, control.max, control.step].map(Number);
  const many = Math.round((max - min) / step);
  if (many <= 12) return Array.from({ length: many + 1 }, (_, i) => min + i * step);
  return [0, many, many / 2, ...Array.from({ length: places }, () => many * random())].map((i) => min + Math.round(i) * step);
}

function describe(control) {
  const trait = control.dataset.trait;
  if (control.tag === "select") return { trait, values: control.options };
  const [min, max, step] = [control.min, control.max, control.step].map(Number);
  const all = max - min <= 200 && step === 1 && control.means(min) !== undefined;
  const values = all ? Array.from({ length: max - min + 1 }, (_, i) => control.means(min + i)) : null;
  return { trait, min, max, step, values, words: control.getAttribute("aria-valuetext") };
}

// What a view shows now: its state, the numbers it drew from, and its words.
function seen(root) {
  const drawn = Object.fromEntries(Object.entries(root.drawn).map(([name, values]) => [name, packed(values)]));
  const label = root.querySelector("canvas").getAttribute("aria-label");
  return { state: JSON.parse(root.dataset.state), drawn, label, caption: root.querySelector(".caption").textContent };
}

// What is on a canvas, and where it says that the points (0, 0) and (1, 1) of its axes are.
function onCanvas({ context, width: w, height: h, place }) {
  const images = context.images.filter(({ pixels }) => pixels);
  return {
    width: w,
    height: h,
    origin: place?.(0, 0),
    unit: place?.(1, 1),
    texts: context.texts,
    lines: context.lines,
    rects: context.rects,
    dots: context.dots,
    images: images.map(({ at, to, pixels }) => ({ at, to, width: pixels.width, pixels: Buffer.from(pixels.data).toString("base64") })),
  };
}

// How far Page Up moves a slider from its least value.
function turned(control) {
  if (control.tag === "select") return {};
  move(control, control.min);
  control.dispatchEvent({ type: "keydown", key: "PageUp" });
  clock.tick();
  return { page: Number(control.value) - Number(control.min) };
}

function move(control, value) {
  control.value = String(value);
  control.dispatchEvent({ type: control.tag === "select" ? "change" : "input" });
  clock.tick();
}

// Play, from where the view is: the values of the trait that moves, in the order in which they are seen.
function played(root) {
  const play = root.querySelectorAll("button").find((button) => button.textContent === "Play");
  if (!play) return null;
  const values = [];
  play.dispatchEvent({ type: "click" });
  for (let i = 0; play.textContent === "Pause" && i < 1000; i++) {
    clock.tick(50);
    values.push(JSON.parse(root.dataset.state));
  }
  clock.tick();
  return [...values.slice(1), JSON.parse(root.dataset.state)]; // what is set in one picture is drawn in the next
}

const found = {};
for (const id of Object.keys(views.models)) {
  const host = create("div");
  host.dataset.model = id;
  await mountView(host);
  const root = host.querySelector(".ddpm-view");
  const alert = host.querySelectorAll("[role=alert]").find((node) => node.textContent);
  if (alert) throw new Error(`${id}: ${alert.textContent}`);
  const controls = root.querySelectorAll("[data-trait]");
  const told = controls.map(describe);
  const first = { ...seen(root), canvases: root.querySelectorAll("canvas").map(onCanvas) };
  const moved = [];
  for (const control of controls) {
    for (const value of everywhere(control)) {
      move(control, value);
      moved.push(seen(root));
    }
  }
  const last = root.querySelectorAll("canvas").filter((node) => !node.hidden).map(onCanvas);
  const described = controls.map((control, i) => ({ ...told[i], ...turned(control) }));
  const reset = root.querySelectorAll("button").find((button) => button.textContent === "Reset");
  reset.dispatchEvent({ type: "click" });
  clock.tick();
  const afterReset = JSON.parse(root.dataset.state);
  const buttons = root.querySelectorAll("button").map((button) => button.textContent);
  found[id] = { controls: described, buttons, first, moved, last, afterReset, played: played(root) };
}
process.stdout.write(JSON.stringify(found));
