// What a reader asks a network for: a caption, and how it is to draw.

// A box for a caption, filled by `trait` unless the reader is writing; see watchCaption. Its button is to ask `drawing`, which has read()
// it first: then what stands in the box is the trait. Gives { read, nodes: all that belongs to it }.
function captionBox(kit, trait, { label, ask, tokenizer }, act) {
  const box = textBox(kit, { label, ask }, act);
  box.removeAttribute("maxlength"); // a longer one is read in part, and it is said
  const marks = element("p", { class: "words", "aria-hidden": "true" });
  const said = element("p", { class: "said", role: "status" });
  const named = box.parentElement;
  const nodes = [named, named.nextElementSibling, marks, said];
  kit.controls.append(marks, said);
  const { mark, text } = watchCaption(box, marks, said, tokenizer);
  let last = null;
  const fill = () => {
    box.value = last = kit.model.get(trait);
    mark();
  };
  kit.onChange(() => last === kit.model.get(trait) || fill());
  kit.onReset(fill);
  const read = () => text() === kit.model.get(trait) || kit.set(trait, text());
  return { read, nodes };
}

// A guidance scale in words.
const guidanceWords = (scale) => `${scale}${{ 0: ", not asked", 1: ", as it is" }[scale] ?? ""}`;

// Sliders for the trait scale, for steps, and for seed; a list for method. Each gives its input.
const scalePicker = (kit) => picker(kit, "scale", SAMPLING.scales, { label: "guidance", words: guidanceWords });
const stepsSlider = (kit) => slider(kit, "steps", { label: "steps", min: 1, max: SAMPLING.steps, words: String });
const methodChoice = (kit, methods = SAMPLING.methods) => choice(kit, "method", "sampler", methods);
const seedSlider = (kit, words = String) => slider(kit, "seed", { label: "seed of the noise", min: 0, max: SAMPLING.seeds - 1, words });

function samplingControls(kit) {
  scalePicker(kit);
  stepsSlider(kit);
  methodChoice(kit);
  seedSlider(kit);
}

// How a picture is drawn, in words.
const drawnHow = ({ scale, steps, method, seed }) => `${steps} step${steps === 1 ? "" : "s"} of ${method} at guidance ${scale}, from the noise of seed ${seed}.`;
