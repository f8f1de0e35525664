// The views without a kernel: their modules (anywidget's) and the states they were saved in stand in the page as JSON.

globalThis.ddpmLiteFolder = "networks/"; // where a view that draws finds weights: see networks.py
const saved = JSON.parse(document.getElementById("views").textContent);
const models = new Map();
const modules = new Map();

// What a view's browser half asks of its model, as anywidget has it. Nothing is sent: there is no kernel.
class Model {
  #state;
  #listeners = new Map();

  constructor({ state, buffers }) {
    this.#state = window.structuredClone(state);
    for (const { path, data } of buffers) {
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      const place = path.slice(0, -1).reduce((inner, key) => inner[key], this.#state);
      place[path.at(-1)] = new DataView(bytes.buffer);
    }
  }

  get(name) {
    return this.#state[name];
  }

  set(name, value) {
    if (this.#state[name] === value) return;
    this.#state[name] = value;
    this.#tell(`change:${name}`, this, value);
    this.#tell("change", this);
  }

  save_changes() {}

  on(events, listener) {
    for (const event of events.split(" ")) {
      if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
      this.#listeners.get(event).add(listener);
    }
  }

  off(events, listener) {
    for (const event of events?.split(" ") ?? [...this.#listeners.keys()]) {
      if (listener) this.#listeners.get(event)?.delete(listener);
      else this.#listeners.delete(event);
    }
  }

  // A question to the kernel: the page is told that there is no kernel to answer it.
  send() {
    this.#tell("unanswered");
  }

  #tell(event, ...what) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(...what);
  }
}

// A page opened from a disk may not import a file, but it may import text that it holds.
function load(index) {
  if (!modules.has(index)) {
    const url = URL.createObjectURL(new Blob([saved.modules[index]], { type: "text/javascript" }));
    modules.set(index, import(url));
  }
  return modules.get(index);
}

function sentence(host, role, text) {
  const node = document.createElement("p");
  node.setAttribute("role", role);
  node.textContent = text;
  host.append(node);
}

// Puts the living view in the place of its filmstrip, which stays for the printer; gives its model, or nothing if it failed.
async function mountView(host) {
  if (host.dataset.mounted) return;
  host.dataset.mounted = "yes";
  const { module, style, ...start } = saved.models[host.dataset.model];
  // In its own shadow tree: a view and reveal share names of classes, and no style of the page is meant for a view.
  const live = document.createElement("div");
  live.className = "live";
  const css = document.createElement("style");
  css.textContent = saved.styles[style];
  const el = document.createElement("div");
  live.attachShadow({ mode: "open" }).append(css, el);
  try {
    let { default: widget } = await load(module);
    if (typeof widget === "function") widget = await widget();
    let model = models.get(host.dataset.model);
    if (!model) {
      model = new Model(start);
      models.set(host.dataset.model, model);
      await widget.initialize?.({ model });
    }
    model.on("unanswered", () => {
      if (!host.querySelector(":scope > [role=status]")) {
        sentence(host, "status", "For this the view asks Python, which does not run here: open the notebook in Jupyter.");
      }
    });
    host.append(live);
    host.classList.add("mounted");
    await widget.render({ model, el });
    return model;
  } catch (error) {
    console.error(error);
    live.remove();
    host.classList.remove("mounted");
    sentence(host, "alert", `This view failed: ${error.message}`);
  }
}
