
// Sheet: pictures computed beforehand over a few axes; the sliders pick which are seen.

function build(kit) {
  const { model } = kit;
  const [rows, n, c, h, w] = model.get("shape");
  const along = Object.entries(model.get("axes"));
  const frames = numbers(model.get("frames"), Uint8Array);
  const size = c * h * w;
  const sheet = pictureGrid(kit, { rows, columns: n, c, h, w, names: model.get("rows") });
  for (const [name, values] of along) {
    if (typeof values[0] === "number") picker(kit, name, values, { label: name, words: say });
    else choice(kit, name, name, values);
  }
  if (model.get("play")) player(kit, model.get("play"), model.get("axes")[model.get("play")], 6);

  kit.onChange(() => {
    let index = 0;
    for (const [name, values] of along) index = index * values.length + values.indexOf(model.get(name));
    const pictures = Float32Array.from(frames.subarray(index * rows * n * size, (index + 1) * rows * n * size), (v) => v / 127.5 - 1);
    for (let i = 0; i < rows * n; i++) sheet.paint(pictures, i * size, Math.floor(i / n), i % n);
    const state = along.map(([name]) => `${name} ${say(model.get(name))}`).join(", ");
    sheet.node.setAttribute("aria-label", `${model.get("title")}: ${state}.`);
    kit.drew({ pictures });
  });
}

export default { render: (view) => mount(build, view) };
