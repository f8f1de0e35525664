// As much of a browser as the views use, for node: elements that hold what they are told, sliders that keep to their ends
// and steps, canvases that write down what is drawn on them, and a clock that moves only when it is told to.

class Element {
  constructor(tag) {
    Object.assign(this, { tag, attributes: {}, children: [], parent: null, dataset: {}, listeners: {}, words: "", chosen: null });
    this.hidden = this.disabled = false;
    this.style = { setProperty(name, value) { this[name] = value; } };
    const names = new Set();
    this.classList = {
      add: (name) => names.add(name),
      remove: (name) => names.delete(name),
      toggle: (name, on = !names.has(name)) => (on ? names.add(name) : names.delete(name)),
      contains: (name) => names.has(name),
    };
  }
  set className(text) {
    for (const name of text.split(" ")) this.classList.add(name);
  }
  setAttribute(name, value) {
    this.attributes[name] = String(value);
    if (name.startsWith("data-")) this.dataset[name.slice(5)] = String(value);
    if (name === "class") this.className = value;
  }
  getAttribute(name) {
    return this.attributes[name] ?? null;
  }
  append(...nodes) {
    for (const node of nodes) {
      const child = typeof node === "string" ? Object.assign(new Element("#text"), { words: node }) : node;
      child.parent = this;
      this.children.push(child);
    }
  }
  after(...nodes) {
    const { parent } = this;
    const rest = parent.children.splice(parent.children.indexOf(this) + 1);
    parent.append(...nodes, ...rest);
  }
  replaceChildren(...nodes) {
    this.children = [];
    this.append(...nodes);
  }
  remove() {
    this.parent.children.splice(this.parent.children.indexOf(this), 1);
  }
  attachShadow() {
    const shadow = new Element("#shadow");
    this.append(shadow);
    return shadow;
  }
  get textContent() {
    return this.words + this.children.map((child) => child.textContent).join("");
  }
  set textContent(text) {
    this.children = [];
    this.words = text;
  }
  addEventListener(name, listener) {
    (this.listeners[name] ??= []).push(listener);
  }
  dispatchEvent(event) {
    for (const listener of this.listeners[event.type] ?? []) listener({ target: this, stopPropagation() {}, preventDefault() {}, ...event });
  }
  // All elements below that fulfil a selector of one element: a tag, a class or an attribute, with or without a value.
  querySelectorAll(selector) {
    const [, tag, name, attribute, value] = selector.match(/^(\w+)?(?:\.([\w-]+))?(?:\[([\w-]+)(?:=([\w-]+))?\])?$/);
    const fits = (node) =>
      (!tag || node.tag === tag) &&
      (!name || node.classList.contains(name)) &&
      (!attribute || (value === undefined ? attribute in node.attributes : node.attributes[attribute] === value));
    return this.children.flatMap((child) => [...(fits(child) ? [child] : []), ...child.querySelectorAll(selector)]);
  }
  querySelector(selector) {
    return this.querySelectorAll(selector)[0] ?? null;
  }
}

class Slider extends Element {
  get value() {
    return this.chosen ?? "0";
  }
  set value(given) {
    const [least, most, step] = [this.min, this.max, this.step].map(Number);
    const near = least + Math.round((Number(given) - least) / step) * step;
    this.chosen = String(Number(Math.max(least, Math.min(most, near)).toPrecision(12)));
  }
}
for (const name of ["min", "max", "step"]) {
  const [get, set] = [function () { return this.attributes[name]; }, function (value) { this.attributes[name] = String(value); }];
  Object.defineProperty(Slider.prototype, name, { get, set });
}

class Select extends Element {
  get options() {
    return this.children.map((option) => option.getAttribute("value"));
  }
  get value() {
    return this.chosen ?? this.options[0];
  }
  set value(given) {
    this.chosen = this.options.includes(given) ? given : ""; // as a browser does with what is not on the list
  }
}

// A canvas and what is drawn on it since it was last painted over: texts, lines, rectangles, dots and pictures, in device
// pixels (the widths of lines are in the view's own), each with its looks.
class Canvas extends Element {
  constructor(tag) {
    super(tag);
    this.context = new Context(this);
  }
  getContext() {
    return this.context;
  }
}

class Context {
  constructor(canvas) {
    Object.assign(this, { canvas, pixels: null, kept: [], path: [], round: null, dash: [], globalAlpha: 1, lineWidth: 1 });
    this.paintOver();
    this.matrix = [1, 0, 0, 1, 0, 0];
  }
  paintOver() {
    Object.assign(this, { texts: [], lines: [], rects: [], dots: [], images: [] });
  }
  at(x, y) {
    const [a, b, c, d, e, f] = this.matrix;
    return [a * x + c * y + e, b * x + d * y + f];
  }
  save() {
    const { matrix, dash, font, textAlign, strokeStyle, fillStyle, lineWidth, globalAlpha } = this;
    this.kept.push({ matrix, dash, font, textAlign, strokeStyle, fillStyle, lineWidth, globalAlpha });
  }
  restore() {
    Object.assign(this, this.kept.pop());
  }
  transform(a, b, c, d, e, f) {
    const [A, B, C, D] = this.matrix;
    this.matrix = [A * a + C * b, B * a + D * b, A * c + C * d, B * c + D * d, ...this.at(e, f)];
  }
  scale(x, y) {
    this.transform(x, 0, 0, y, 0, 0);
  }
  translate(x, y) {
    this.transform(1, 0, 0, 1, x, y);
  }
  rotate(angle) {
    this.transform(Math.cos(angle), Math.sin(angle), -Math.sin(angle), Math.cos(angle), 0, 0);
  }
  beginPath() {
    this.path = [];
    this.round = null;
  }
  moveTo(x, y) {
    this.path.push([this.at(x, y)]);
  }
  lineTo(x, y) {
    if (!Number.isFinite(x + y)) return; // as a browser does
    if (!this.path.length) this.moveTo(x, y);
    else this.path.at(-1).push(this.at(x, y));
  }
  stroke() {
    for (const points of this.path) this.lines.push({ points, color: this.strokeStyle, dash: this.dash, width: this.lineWidth, alpha: this.globalAlpha });
  }
  covers(x, y, width, height) {
    return x === 0 && y === 0 && width * this.matrix[0] >= this.canvas.width && height * this.matrix[3] >= this.canvas.height;
  }
  fillRect(x, y, width, height) {
    if (this.covers(x, y, width, height)) this.paintOver();
    else this.rects.push({ at: this.at(x, y), to: this.at(x + width, y + height), color: this.fillStyle, alpha: this.globalAlpha });
  }
  fillText(text, x, y) {
    this.texts.push({ text, at: this.at(x, y), align: this.textAlign ?? "left", color: this.fillStyle });
  }
  measureText(text) {
    return { width: 0.55 * parseFloat(this.font.match(/(\d+)px/)[1]) * text.length };
  }
  arc(x, y, radius) {
    this.round = { at: this.at(x, y), radius };
  }
  fill() {
    if (this.round) this.dots.push({ ...this.round, color: this.fillStyle });
  }
  setLineDash(dash) {
    this.dash = dash;
  }
  putImageData(image) {
    this.pixels = { ...image, data: image.data.slice() };
  }
  drawImage(source, x, y, width = source.width, height = source.height) {
    const { pixels, texts, lines, rects, dots, images } = source.context;
    if (!pixels && this.covers(x, y, width, height)) { // a canvas that was drawn on: what is on it is here now
      Object.assign(this, { texts: [...texts], lines: [...lines], rects: [...rects], dots: [...dots], images: [...images] });
      return;
    }
    const at = this.at(x, y);
    this.images = this.images.filter((image) => String(image.at) !== String(at)); // painted over
    this.images.push({ at, to: this.at(x + width, y + height), pixels });
  }
  strokeRect() {}
  ellipse() {}
  rect() {}
  clip() {}
}

export const clock = { now: 0, waiting: new Map(), asked: 0 };
// Let the clock move on by `milliseconds` and let what waits for the next picture be done.
clock.tick = (milliseconds = 16) => {
  clock.now += milliseconds;
  const acts = [...clock.waiting.values()];
  clock.waiting.clear();
  for (const act of acts) act(clock.now);
};

const kinds = { canvas: Canvas, input: Slider, select: Select };
const create = (tag) => new (kinds[tag] ?? Element)(tag);

// A page of this width with one script of data in it, made the globals of node.
export function page(width, data) {
  const globals = {
    window: globalThis,
    innerWidth: width,
    addEventListener() {}, // nothing happens to the window
    removeEventListener() {},
    devicePixelRatio: 1,
    document: { createElement: create, getElementById: () => ({ textContent: data }), activeElement: null },
    matchMedia: () => ({ matches: false }),
    performance: { now: () => clock.now },
    requestAnimationFrame: (act) => clock.waiting.set(++clock.asked, act) && clock.asked,
    cancelAnimationFrame: (number) => clock.waiting.delete(number),
    setTimeout: () => 1,
    clearTimeout: () => {},
    OffscreenCanvas: function (w, h) {
      return Object.assign(new Canvas("canvas"), { width: w, height: h });
    },
    ImageData: class {
      constructor(w, h) {
        Object.assign(this, { width: w, height: h, data: new Uint8ClampedArray(4 * w * h) });
      }
    },
    Blob: class {
      constructor(parts) {
        this.text = parts.join("");
      }
    },
  };
  for (const [name, value] of Object.entries(globals)) Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  URL.createObjectURL = ({ text }) => `data:text/javascript,${encodeURIComponent(text)}`;
  return create;
}
