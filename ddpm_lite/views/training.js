// Training: what was kept of a network of points at some steps of its training: samples, arrows, loss per t over its floor.

const REACH = 3; // as in field.py, the plane from -3 to 3
const NODES = 16; // arrows in each coordinate

function build(kit) {
  const { model } = kit;
  const [T, steps, shown, losses] = ["T", "steps", "shown_t", "loss_t"].map((name) => model.get(name));
  const [samples, ways, exact, loss, floor] = ["samples", "ways", "exact_ways", "loss", "floor"].map((name) =>
    numbers(model.get(name), Float32Array),
  );
  const likely = numbers(model.get("likely"), Uint8Array);
  const mixture = model.get("mixture");
  const row = (values, k, n) => values.subarray((k * values.length) / n, ((k + 1) * values.length) / n);
  const places = Array.from({ length: NODES * NODES }, (_, i) =>
    [i % NODES, Math.floor(i / NODES)].map((k) => (2 * REACH * k) / (NODES - 1) - REACH),
  );
  const wide = NARROW ? 360 : 268; // the three fit side by side
  const [drawn, field, curves] = [0, 1, 2].map(() => canvas(kit, wide, wide + 4)); // the plane is a square on it
  const last = steps.at(-1);
  const logs = losses.map((t) => Math.log10(t));
  const square = (sheet, title) =>
    axes(sheet, { title, x: [-REACH, REACH, "1st coordinate"], y: [-REACH, REACH, "2nd coordinate"] });

  picker(kit, "step", steps, { label: "training step", words: (step) => `${step} of ${last}` });
  player(kit, "step", steps, 6);
  picker(kit, "t", shown, { label: "arrows at t", words: (t) => `t = ${t} of ${T}` });

  kit.onChange(() => {
    const [now, t] = [steps.indexOf(model.get("step")), model.get("t")];
    const k = shown.indexOf(t);
    const points = row(samples, now, steps.length);
    const arrow = row(row(ways, now, steps.length), k, shown.length);
    const height = row(loss, now, steps.length);
    const often = row(likely, k, shown.length);
    const share = (100 * model.get("on_a_spot")[now]).toFixed(0);

    const left = square(drawn, `${share} % of points on a spot`);
    spots(drawn.context, left, mixture, 1, "#000");
    let beyond = 0;
    for (let i = 0; i < points.length; i += 2) {
      const [x, y] = [points[i], points[i + 1]];
      const here = Math.abs(x) <= REACH && Math.abs(y) <= REACH;
      const [a, b] = [x, y].map((v) => Math.min(REACH, Math.max(-REACH, v)));
      dot(drawn.context, left, a, b, here ? COLORS.blue : COLORS.red, 3); // what lies beyond is seen at the rim
      beyond += !here;
    }

    const middle = square(field, "learnt, exact in grey");
    clipped(field.context, middle);
    const only = (i) => often[i];
    arrows(field.context, middle, places, row(exact, k, shown.length), { color: "#aaa", width: 4, scale: 1, only });
    arrows(field.context, middle, places, arrow, { color: COLORS.blue, width: 1.5, scale: 1, only });
    spots(field.context, middle, mixture, model.get("signal")[k], "#000");
    field.context.restore();

    const g = curves.context;
    const end = Math.max(1, Math.log10(T));
    const powers = Array.from({ length: Math.floor(end) + 1 }, (_, power) => power);
    const look = { title: "loss, floor (dashed)", x: [0, end, "step t"], y: [0, 1.2], heights: [0, 1] };
    const right = axes(curves, { ...look, ticks: powers, write: (power) => String(10 ** power) });
    const marked = losses.indexOf(t);
    clipped(g, right);
    curve(g, right, logs, floor, { color: "#000", dash: [7, 5], width: 2 });
    curve(g, right, logs, height, { color: COLORS.blue });
    for (const [i, x] of logs.entries()) dot(g, right, x, height[i], COLORS.blue, 4);
    dot(g, right, logs[marked], Math.min(1.2, height[marked]), COLORS.red, 7); // an early loss may be beyond
    g.restore();

    const lies = `${share} % of ${points.length / 2} points drawn lie on a spot, ${beyond} beyond the plane`;
    const told = `at t = ${t} the loss is ${height[marked].toFixed(2)}, its floor ${floor[marked].toFixed(2)}`;
    kit.describe(`After ${model.get("step")} of ${last} training steps: ${lies}; ${told}.`);
    field.node.setAttribute("aria-label", `The learnt way back at t = ${t}, over the exact one.`);
    curves.node.setAttribute("aria-label", `The loss over t, and its floor: ${told}.`);
    kit.drew({ samples: points, ways: arrow, loss: height });
  });
}

export default { render: (view) => mount(build, view) };
