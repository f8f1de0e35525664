// What the views share: data decoded once, sliders and buttons for mouse, touch and keyboard, canvases sharp on any
// screen, faults made visible. A view's own file defines `build(kit)` and ends with `export default { render }`.

const COLORS = { blue: "#0072B2", orange: "#E69F00", green: "#009E73", red: "#D55E00", purple: "#CC79A7" };

function numbers(view, Type) {
  return new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// A slider for an integer or real trait. JupyterLab would take its arrow keys: stop them here.
function slider(kit, name, { label, min, max, step = 1, page = 10, words }) {
  const input = element("input", { type: "range", min, max, step, "aria-label": label });
  const output = element("output");
  const show = () => {
    const value = kit.model.get(name);
    input.value = value;
    output.textContent = words(value);
    input.setAttribute("aria-valuetext", words(value));
  };
  input.addEventListener("input", () => kit.set(name, Number(input.value)));
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const by = { PageUp: page * step, PageDown: -page * step }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    kit.set(name, Math.min(max, Math.max(min, Number(input.value) + by)));
  });
  kit.onChange(show);
  kit.controls.append(element("label", {}, element("span", {}, label), input, output));
  return input;
}

function choice(kit, name, label, options) {
  const select = element("select", { "aria-label": label }, ...options.map((o) => element("option", { value: o }, o)));
  select.addEventListener("change", () => kit.set(name, select.value));
  select.addEventListener("keydown", (event) => event.stopPropagation());
  kit.onChange(() => (select.value = kit.model.get(name)));
  kit.controls.append(element("label", {}, element("span", {}, label), select));
}

function button(kit, label, act) {
  const node = element("button", { type: "button" }, label);
  node.addEventListener("click", () => act(node));
  node.addEventListener("keydown", (event) => event.stopPropagation());
  kit.controls.append(node);
  return node;
}

// Play runs `name` from its value to `end` in about `seconds`, and stops at any touch of the slider.
function player(kit, name, start, end, seconds) {
  let timer = null;
  const stop = () => {
    cancelAnimationFrame(timer);
    timer = null;
    node.textContent = "Play";
  };
  const node = button(kit, "Play", () => {
    if (timer !== null) return stop();
    node.textContent = "Pause";
    let value = kit.model.get(name) === end ? start : kit.model.get(name);
    let last = performance.now();
    const move = (now) => {
      value += ((end - start) * (now - last)) / (1000 * seconds);
      last = now;
      const over = end > start ? value >= end : value <= end;
      kit.set(name, over ? end : Math.round(value));
      if (over) stop();
      else timer = requestAnimationFrame(move);
    };
    timer = requestAnimationFrame(move);
  });
  kit.controls.addEventListener("pointerdown", (event) => event.target !== node && timer !== null && stop());
}

// A canvas of `width` x `height` CSS pixels, drawn at the screen's own resolution.
function canvas(kit, width, height) {
  const node = element("canvas", { role: "img" });
  const scale = Math.max(1, window.devicePixelRatio || 1);
  node.width = width * scale;
  node.height = height * scale;
  node.style.aspectRatio = `${width} / ${height}`;
  node.style.maxWidth = `calc(${width}px * var(--ddpm-zoom))`;
  const context = node.getContext("2d");
  context.scale(scale, scale);
  kit.figure.append(node);
  return { node, context, width, height };
}

// Pixels in [-1, 1], (c, h, w) from `offset` on, as an ImageData; grey ones as dark ink on white paper.
function image(values, offset, c, h, w) {
  const out = new ImageData(w, h);
  for (let i = 0; i < h * w; i++) {
    for (let k = 0; k < 3; k++) {
      const value = values[offset + (c === 1 ? 0 : k * h * w) + i];
      out.data[4 * i + k] = Math.round((Math.min(1, Math.max(-1, c === 1 ? -value : value)) + 1) * 127.5);
    }
    out.data[4 * i + 3] = 255;
  }
  return out;
}

// Lines over t = 0..T with values from 0 to 1, and marks on them at some t.
function plot({ context: g, width, height }, { title, T, lines, marks = [] }) {
  const box = { left: 40, right: width - 14, top: 34, bottom: height - 44 };
  const x = (t) => box.left + ((box.right - box.left) * t) / T;
  const y = (value) => box.bottom + (box.top - box.bottom) * value;
  g.fillStyle = "#fff";
  g.fillRect(0, 0, width, height);
  g.font = "16px system-ui, sans-serif";
  g.fillStyle = "#000";
  g.strokeStyle = "#000";
  g.lineWidth = 1;
  g.setLineDash([]);
  g.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  g.fillText(title, box.left, 22);
  g.fillText("1", box.left - 18, box.top + 6);
  g.fillText("0", box.left - 18, box.bottom + 5);
  g.fillText("0", box.left - 4, height - 24);
  g.fillText(String(T), box.right - 36, height - 24);
  g.fillText("step t", (box.left + box.right) / 2 - 20, height - 8);
  for (const { value, color, dash = [] } of lines) {
    g.beginPath();
    g.setLineDash(dash);
    g.strokeStyle = color;
    g.lineWidth = 2.5;
    for (let t = 0; t <= T; t++) g.lineTo(x(t), y(value(t)));
    g.stroke();
    g.fillStyle = color;
    for (const t of marks) {
      g.beginPath();
      g.arc(x(t), y(value(t)), marks.length > 1 ? 5 : 7, 0, 7);
      g.fill();
    }
  }
}

function mount(build, { model, el }) {
  const root = element("div", { class: "ddpm-view" });
  el.append(root);
  const fail = (error) => {
    console.error(error);
    root.replaceChildren(element("p", { role: "alert" }, `This view failed: ${error.message}`));
    model.set("fault", String(error.message));
    model.save_changes();
  };
  const listeners = [];
  const kit = {
    model,
    figure: element("div", { class: "figure" }),
    controls: element("div", { class: "controls" }),
    set: (name, value) => {
      model.set(name, value);
      model.save_changes();
    },
    onChange: (listener) => listeners.push(listener),
  };
  let waiting = null;
  const update = () => {
    waiting = null;
    try {
      for (const listener of listeners) listener();
    } catch (error) {
      fail(error);
    }
  };
  const schedule = () => (waiting ??= requestAnimationFrame(update));
  try {
    root.append(kit.figure, kit.controls);
    build(kit);
    const big = button(kit, "Big", () => kit.set("big", !model.get("big")));
    kit.onChange(() => {
      root.classList.toggle("big", model.get("big"));
      big.setAttribute("aria-pressed", model.get("big"));
    });
    update();
    model.on("change", schedule);
  } catch (error) {
    fail(error);
  }
  return () => {
    model.off("change", schedule);
    cancelAnimationFrame(waiting);
  };
}
