// Runs the browser's engine in node. Standard input: { engine: its script, networks: { name: its entry with its data }, tasks:
// [{ run: JavaScript that gives what is asked, way }, ...] }. Each task sees E (the engine's functions), net(name), bytes(base64),
// numbers(base64) and given, its other entries; typed arrays of an answer are written in base64.
import { readFileSync } from "node:fs";

const { engine, networks, tasks } = JSON.parse(readFileSync(0, "utf8"));
const NAMES = [...engine.matchAll(/^(?:function\*?|class|const) (\w+)/gm)].map((found) => found[1]);
const E = new Function(`${engine}; return { ${NAMES.join(", ")} };`)();
const AsyncFunction = (async () => {}).constructor;
const bytes = (packed) => Uint8Array.from(Buffer.from(packed, "base64"));
const numbers = (packed) => new Float32Array(bytes(packed).buffer);

// A copy of the engine's result (b, places, channels), before other results take its room.
const copy = (heap, { at, b, h, w, c }) => ({ shape: [b, h * w, c], values: heap.f.slice(at, at + b * h * w * c) });

function packed(value) {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  if (Array.isArray(value)) return value.map(packed);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, packed(each)]));
  return value;
}

const answers = [];
for (const { run, way, ...given } of tasks) {
  const heap = new E.Heap(way);
  const layers = {};
  const net = (name) => new E.Net(heap, networks[name], bytes(networks[name].data), (layer, value) => (layers[layer] = copy(heap, value)));
  answers.push(packed(await new AsyncFunction("E", "heap", "net", "bytes", "numbers", "layers", "given", run)(E, heap, net, bytes, numbers, layers, given)));
}
process.stdout.write(JSON.stringify(answers));
