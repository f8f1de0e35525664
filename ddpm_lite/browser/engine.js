// The page's side of the engine: a worker made from text, so that it works in a page from a disk, and what is asked of it.

// Whether this browser can run it, and show what it draws: plain JavaScript is enough, but it needs workers.
const engineRuns = () => ["Worker", "Blob", "OffscreenCanvas", "DecompressionStream"].every((name) => typeof globalThis[name] === "function");

class Engine {
  // source: the script of the worker.
  constructor(source) {
    this.address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(this.address);
    this.asked = new Map();
    this.number = 0;
    this.broken = ""; // why it answers no more
    this.way = null; // "fused", "simd" or "plain", once it has answered
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = (event) => this.fail(event.message || "the worker does not run");
  }

  hear(data) {
    const { onFrame, resolve, reject } = this.asked.get(data.id) ?? {};
    if (!resolve) return;
    this.way = data.way ?? this.way;
    if (!data.done && data.error === undefined) return onFrame?.(data);
    this.asked.delete(data.id);
    if (data.error === undefined) resolve(data);
    else reject(new Error(data.error));
  }

  fail(reason) {
    this.broken = reason;
    for (const { reject } of this.asked.values()) reject(new Error(`The engine stopped: ${reason}.`));
    this.asked.clear();
  }

  ask(message, onFrame = null) {
    if (this.broken) return Promise.reject(new Error(`The engine stopped: ${this.broken}.`));
    const id = ++this.number;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { onFrame, resolve, reject });
      this.worker.postMessage({ id, ...message });
    });
  }

  // A network from its entry and bytes; one that is there stays.
  load(name, entry, bytes) {
    return this.ask({ task: "load", name, entry, bytes });
  }

  // Pictures, of which each frame is told; what the asker has asked for before is given up, and its promise gives { stopped }.
  draw(asker, request, onFrame) {
    return this.ask({ task: "draw", asker, ...request }, onFrame);
  }

  stop(asker) {
    this.worker.postMessage({ id: ++this.number, task: "stop", asker });
  }

  end() {
    this.worker.terminate();
    URL.revokeObjectURL(this.address);
    this.fail("it was ended");
  }
}

// The bytes of a text in base 85: four of each five letters, the last of which may be missing.
const BASE85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"; // RFC 1924
function fromBase85(text) {
  const values = new Uint8Array(128);
  for (let i = 0; i < 85; i++) values[BASE85.charCodeAt(i)] = i;
  const groups = Math.ceil(text.length / 5);
  const view = new DataView(new ArrayBuffer(4 * groups));
  for (let group = 0; group < groups; group++) {
    let number = 0;
    for (let i = 5 * group; i < 5 * group + 5; i++) number = 85 * number + (i < text.length ? values[text.charCodeAt(i)] : 84);
    view.setUint32(4 * group, number);
  }
  return new Uint8Array(view.buffer, 0, 4 * groups - (5 * groups - text.length));
}

// The bytes that zlib has compressed.
async function inflated(bytes) {
  const stream = new Response(bytes).body.pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// What a script puts on the page's shelf: a network as { entry, bytes }, or the engine as { source }. The script is loaded when it
// is first asked for. Rejects with a sentence.
function fromShelf(name, address) {
  const shelf = (globalThis.ddpmLiteNetworks ??= {});
  const arriving = (globalThis.ddpmLiteArriving ??= {});
  const subject = name === "engine" ? "The engine is" : `The weights of ${name} are`;
  arriving[name] ??= new Promise((resolve, reject) => {
    const give = async () => {
      if (shelf[name]?.source) return resolve(shelf[name]);
      if (!shelf[name]?.data) return reject(new Error(`${subject} damaged: ${address} holds nothing of it.`));
      try {
        const { data, ...entry } = shelf[name];
        delete shelf[name]; // the text is no longer needed
        resolve({ entry, bytes: await inflated(fromBase85(data)) });
      } catch {
        reject(new Error(`${subject} damaged: ${address} cannot be read.`));
      }
    };
    if (shelf[name]) return give();
    const node = document.createElement("script");
    node.src = address;
    node.onload = give;
    node.onerror = () => reject(new Error(`${subject} missing: there is no ${address}.`));
    document.head.append(node);
  });
  arriving[name].catch(() => takeOffShelf(name)); // it may be asked for again
  return arriving[name];
}

// What was on the shelf, and is of no use, is loaded again when it is asked for.
function takeOffShelf(name) {
  delete globalThis.ddpmLiteNetworks?.[name];
  delete globalThis.ddpmLiteArriving?.[name];
}
