
// Sheet: pictures computed in advance over a few axes; the sliders choose which are shown.

function build(kit) {
  const { model } = kit;
  const [rows, n, c, h, w] = model.get("shape");
  const along = model.get("axes"); // [name, values] for each
  const valuesOf = Object.fromEntries(along);
  const frames = unpacked(model.get("frames"), c, h, w);
  const places = model.get("places");
  const play = model.get("play");
  const several = model.get("several");
  const every = valuesOf[several] ?? [];
  const size = c * h * w;
  const grid = { columns: n, c, h, w, titles: model.get("columns") };
  const one = pictureGrid(kit, { ...grid, rows, names: model.get("rows") });
  const all = several && pictureGrid(kit, { ...grid, rows: every.length, names: every.map((v) => `${several} ${say(v)}`) });

  // Which of the stored frames is seen at a place on the axes, the present one where `state` does not say.
  const stored = (state) =>
    places[along.reduce((index, [name, values]) => index * values.length + values.indexOf(state[name] ?? model.get(name)), 0)];
  // The row that is seen for every value of `several`; -1 for all rows of one value.
  const compared = () => (several ? model.get("comparisons").indexOf(model.get("compare")) - 1 : -1);
  const seen = () => (compared() < 0 ? [{}] : every.map((value) => ({ [several]: value })));
  // A value in words, on the axis that plays with the value from which on the pictures seen have not changed.
  const words = (name, value) => {
    const values = valuesOf[name];
    const now = values.indexOf(value);
    let since = now;
    const same = (i) => seen().every((state) => stored({ ...state, [name]: values[i] }) === stored({ ...state, [name]: value }));
    while (name === play && since > 0 && same(since - 1)) since--;
    return say(value) + (since < now ? ` (unchanged since ${say(values[since])})` : "");
  };

  const controls = {};
  for (const [name, values] of along) {
    if (typeof values[0] === "number") controls[name] = picker(kit, name, values, { label: name, words: (v) => words(name, v) });
    else controls[name] = choice(kit, name, name, values);
  }
  if (several) choice(kit, "compare", "rows", model.get("comparisons"));
  if (play) player(kit, play, valuesOf[play], 6);

  kit.onChange(() => {
    const only = compared();
    const row = n * size;
    const shown = only < 0 ? rows : 1;
    const pictures = new Float32Array(seen().length * shown * row);
    seen().forEach((state, i) => {
      const start = (stored(state) * rows + Math.max(0, only)) * row;
      pictures.set(frames.subarray(start, start + shown * row), i * shown * row);
    });
    const { node, paint } = only < 0 ? one : all;
    for (let i = 0; i < pictures.length / size; i++) paint(pictures, i * size, Math.floor(i / n), i % n);
    one.node.hidden = node !== one.node;
    if (several) {
      all.node.hidden = !one.node.hidden;
      controls[several].disabled = only >= 0;
    }

    const told = along.map(([name]) => name).filter((name) => only < 0 || name !== several);
    const place = told.map((name) => `${name} ${words(name, model.get(name))}`);
    if (only >= 0) place.push(model.get("compare"));
    const text = `${model.get("title")}: ${place.join(", ")}.`;
    kit.describe(text);
    if (several) all.node.setAttribute("aria-label", text);
    kit.drew({ pictures });
  });
}

export default { render: (view) => mount(build, view) };
