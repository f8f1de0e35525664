// TrainHere: the reader draws points, and a worker trains the network on them; what it has learnt is drawn as it comes.

const REACH = 3; // as in train_here.py, the plane from -3 to 3
const OWN = "your own";
const MOST = 5000; // points
const SCORE = 0.15; // of a score, so long is its arrow
const COUNT = 200; // points drawn with the network, in so many steps:
const CALLS = 20;
const BRUSH = 5; // points that a touch of the pen puts
const TOLD = 5000; // milliseconds from one report in words to the next

function build(kit) {
  const { model } = kit;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const steps = model.get("steps");
  const names = model.get("names");
  const shapes = model.get("points").map((view) => numbers(view, Float32Array));
  const line = Array.from({ length: 16 }, (_, i) => (2 * REACH * i) / 15 - REACH);
  const places = line.flatMap((y) => line.map((x) => [x, y]));
  const wide = NARROW ? 360 : 440;
  const board = element("div"); // to draw on
  kit.figure.append(board);
  board.style.width = "100%";
  board.style.maxWidth = `calc(${wide}px * var(--ddpm-zoom))`;
  const plane = canvas({ ...kit, figure: board }, wide, wide + 4);
  const chart = canvas(kit, NARROW ? 360 : 370, 260);
  const alert = element("p", { role: "alert" });
  const hint = element("p", { class: "said", id: "pen" }, "Grey: the points it learns from. Red squares: points drawn with the network. Dashed: the floor of the loss, which no network beats on exactly these points. Draw more with mouse or finger; on the keyboard, arrow keys move the pen, and Space puts points.");
  kit.figure.after(alert, hint);
  plane.node.setAttribute("role", "application");
  plane.node.setAttribute("aria-describedby", "pen");
  plane.node.tabIndex = 0;
  plane.node.style.cursor = "crosshair";
  const tell = (trouble) => {
    alert.textContent = trouble;
    alert.hidden = !trouble;
  };
  tell("");

  // What it learns from.
  let mine = [...numbers(model.get("own"), Float32Array)];
  let drawn = null; // the same as an array of its own, made anew when points are put
  const points = () => (model.get("shape") === OWN ? (drawn ??= Float32Array.from(mine)) : shapes[names.indexOf(model.get("shape"))]);
  const pen = { x: 0, y: 0 };
  const put = () => {
    if (model.get("shape") !== OWN) mine = [...points()];
    const few = Math.min(BRUSH, MOST - mine.length / 2);
    for (let i = 0; i < few; i++) mine.push(...[pen.x, pen.y].map((at, k) => Math.min(REACH, Math.max(-REACH, at + 0.07 * normal(mine.length + k)))));
    drawn = null;
    tell(few < BRUSH ? `There is room for ${MOST} points: press Clear to draw others.` : "");
    if (model.get("shape") === OWN) refresh();
    else kit.set("shape", OWN);
  };
  const keep = () => kit.set("own", new DataView(Float32Array.from(mine).buffer));
  let frame = null;
  drag(kit, plane, (a, b) => {
    const { left, right, top, bottom } = frame.box;
    pen.x = Math.min(REACH, Math.max(-REACH, REACH * ((2 * (a - left)) / (right - left) - 1)));
    pen.y = Math.min(REACH, Math.max(-REACH, REACH * ((2 * (b - bottom)) / (top - bottom) - 1)));
    put();
  }, board);
  plane.node.addEventListener("pointerup", kit.guard(keep));
  plane.node.addEventListener("keydown", kit.guard((event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1], " ": [0, 0], Enter: [0, 0] }[event.key];
    if (!way) return;
    event.stopPropagation();
    event.preventDefault();
    pen.x = Math.min(REACH, Math.max(-REACH, pen.x + way[0] / 5));
    pen.y = Math.min(REACH, Math.max(-REACH, pen.y + way[1] / 5));
    if (way[0] || way[1]) return draw();
    put();
    keep();
  }));
  for (const event of ["focus", "blur"]) plane.node.addEventListener(event, kit.guard(() => draw()));

  // The worker, and what it has said last.
  const studio = new Studio(fetchedFor(model));
  let seen = null; // { step, history, floor, eps, samples }
  let going = false;
  let run = 0; // of several beginnings, the last
  let [told, shown] = [0, 0];
  const options = () => Object.fromEntries(["t", "lr", "batch"].map((name) => [name, model.get(name)]));
  const work = (act, more = {}, onFrame = null) => studio.engine.ask({ task: "train", act, ...more }, onFrame);
  const report = () => kit.setAll({ step: seen?.step ?? 0, loss: seen?.history.at(-1) ?? 0 });
  const see = (look) => {
    if (!look.eps) return;
    const last = performance.now();
    seen = look;
    if (last - told > TOLD) {
      told = last;
      report();
    }
    if (calm && going && last - shown < 1000) return;
    shown = last;
    refresh();
  };

  async function begin() {
    const own = ++run;
    going = true;
    tell("");
    try {
      if (!points().length) throw new Error("There are no points to learn from: draw some, or choose a shape.");
      await studio.wake();
      if (own !== run) return;
      const setup = { network: model.get("network"), schedule: model.get("schedule"), seed: 0, places: Float32Array.from(places.flat()), count: COUNT, steps: CALLS };
      told = -Infinity; // the first look is told
      const last = await work("begin", { setup, points: points(), options: options() }, (look) => own === run && see(look));
      if (own !== run) return;
      going = false;
      see(last);
      report();
      if (model.get("running") === "learning" && !document.hidden) {
        tell("There are no points left to learn from: draw some, or choose a shape.");
        kit.set("running", "stopped");
      }
    } catch (error) {
      if (own !== run) return;
      going = false;
      tell(error.message);
      kit.set("running", seen ? "stopped" : "not begun");
    }
  }

  function rest() {
    if (!studio.engine) run++; // it has not come yet
    else work("rest");
    going = false;
  }

  function forget() {
    run++;
    [going, seen] = [false, null];
    if (studio.engine) work("forget");
    report();
  }

  // The worker does what the state says: not while nobody looks.
  let asked = [];
  function follow() {
    const running = model.get("running");
    const wanted = running === "learning" && !document.hidden;
    if (running === "not begun") {
      if (going || seen) forget();
    } else if (wanted && !going) {
      begin();
    } else if (!wanted && going) {
      rest();
    }
    const now = [points(), ...Object.values(options())];
    if (now.some((each, i) => each !== asked[i]) && studio.engine && (going || seen)) {
      const own = run;
      work("change", { points: points(), options: options() }).then((look) => own === run && see(look), (error) => tell(error.message));
    }
    asked = now;
  }

  // Where arrows are drawn: near_points of train_here.py, for the points and the t of `stand.of`.
  let stand = { of: [] };
  const near = (x, signal, noise) => {
    if (stand.of[0] === x && stand.of[1] === signal) return stand.there;
    const most = (2 * noise + 0.2) ** 2;
    const there = Float64Array.from(places, ([a, b]) => {
      for (let i = 0; i < x.length; i += 2) if ((a - signal * x[i]) ** 2 + (b - signal * x[i + 1]) ** 2 < most) return 1;
      return 0;
    });
    stand = { of: [x, signal], there };
    return there;
  };

  function draw() {
    const [t, which] = [model.get("t"), model.get("arrows")];
    const share = model.get("alpha_bar")[steps.indexOf(t)];
    const [signal, noise] = [Math.sqrt(share), Math.sqrt(1 - share)];
    const x = points();
    const often = near(x, signal, noise);
    const factor = which === "score" ? -1 / noise : -noise;
    const ways = seen ? Float64Array.from(seen.eps, (value) => factor * value) : new Float64Array(2 * places.length);
    const g = plane.context;
    const title = which === "score" ? "the score, its arrows shortened" : "the way back from xₜ";
    frame = axes(plane, { title: `t = ${t}: ${title}`, x: [-REACH, REACH, "1st coordinate"], y: [-REACH, REACH, "2nd coordinate"] });
    clipped(g, frame);
    const specks = (all, color, side) => {
      g.fillStyle = color;
      for (let i = 0; i < all.length; i += 2) g.fillRect(frame.atX(all[i]) - side / 2, frame.atY(all[i + 1]) - side / 2, side, side);
    };
    specks(x, "#888", 3);
    if (seen) arrows(g, frame, places, ways, { color: COLORS.blue, width: 1.5, scale: which === "score" ? SCORE : 1, only: (i) => often[i] });
    specks(seen?.samples ?? [], COLORS.red, 5);
    if (document.activeElement === plane.node || plane.node.getRootNode().activeElement === plane.node) {
      const [a, b] = [frame.atX(pen.x), frame.atY(pen.y)];
      g.fillStyle = "#000";
      g.fillRect(a - 9, b - 1, 18, 2);
      g.fillRect(a - 1, b - 9, 2, 18);
    }
    g.restore();

    const history = seen?.history ?? new Float64Array(0);
    const count = `${seen?.step} step${seen?.step === 1 ? "" : "s"}`;
    const so = history.length ? `loss ${history.at(-1).toFixed(3)} after ${count}` : seen ? `after ${count}` : "the loss, once it learns";
    const rows = Math.max(10, history.length);
    const curveFrame = axes(chart, { title: so, x: [0, 20 * rows, "training step"], y: [0, 1.2, "loss"], heights: [0, 0.5, 1] });
    clipped(chart.context, curveFrame);
    const floor = seen?.floor ?? null;
    if (floor !== null) curve(chart.context, curveFrame, [0, 20 * rows], [floor, floor], { color: "#000", width: 1.5, dash: [6, 4] });
    curve(chart.context, curveFrame, Array.from(history, (_, i) => 20 * (i + 1)), history, { color: COLORS.blue });
    chart.context.restore();
    chart.node.setAttribute("aria-label", `The loss over the steps: ${so}.${floor === null ? "" : ` Its floor on these points is ${floor.toFixed(3)}.`}`);
    kit.drew({ points: x, near: often, ways, loss: history, floor, samples: seen?.samples ?? new Float32Array(0), step: seen?.step ?? 0 });
  }

  const words = () => {
    const [n, shape, step, loss] = [points().length / 2, model.get("shape"), model.get("step"), model.get("loss")];
    if (!n) return "There are no points yet: draw some, or choose a shape.";
    const those = shape === OWN ? `${n} of your own points` : `${n} point${n === 1 ? "" : "s"} of ${shape}`;
    if (!step) return `${those}. The network has learnt nothing yet: press Begin.`;
    const so = loss ? `, its loss is ${loss.toFixed(3)}` : "";
    const count = `${step} step${step === 1 ? "" : "s"}${so}`;
    const learnt = model.get("running") === "learning" ? "is learning:" : "has learnt for";
    return `${those}. The network ${learnt} ${count}. The arrows are those at t = ${model.get("t")} of ${model.get("network").T}.`;
  };

  // Everything is drawn anew at most once a frame.
  let waiting = null;
  const refresh = () => (waiting ??= requestAnimationFrame(kit.guard(() => {
    waiting = null;
    follow();
    draw();
  })));

  const toggle = button(kit, "Begin", () => kit.set("running", model.get("running") === "learning" ? "stopped" : "learning"));
  button(kit, "Clear", () => {
    [mine, drawn] = [[], null];
    tell("");
    keep();
    kit.setAll({ shape: OWN, running: "not begun" });
    plane.node.focus();
  });
  choice(kit, "shape", "points", names);
  picker(kit, "t", steps, { label: "step t of the arrows", words: (t) => `t = ${t} of ${model.get("network").T}` });
  choice(kit, "arrows", "arrows", ["way back", "score"]);
  picker(kit, "lr", [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03], { label: "learning rate", words: String });
  picker(kit, "batch", [16, 32, 64, 128, 256, 512], { label: "batch size", words: String });
  const looked = () => refresh();
  document.addEventListener("visibilitychange", looked);
  kit.onLeave(() => {
    document.removeEventListener("visibilitychange", looked);
    cancelAnimationFrame(waiting);
    run++;
    studio.end();
  });
  // What was saved while it learnt has no network.
  if (model.get("running") !== "not begun" || model.get("step")) kit.setAll({ running: "not begun", step: 0, loss: 0 });
  kit.onReset(() => tell(""));
  let [chosen, news] = [];
  kit.onChange(() => {
    if (chosen !== model.get("shape")) {
      chosen = model.get("shape");
      if (chosen !== OWN) tell(""); // it was about other points
    }
    toggle.textContent = { learning: "Stop", stopped: "Go on" }[model.get("running")] ?? "Begin";
    follow();
    draw();
    const before = news;
    news = [points().length, ...["shape", "running", "step"].map((name) => model.get(name))].join();
    kit.describe(words(), news !== before);
  });
}

export default { render: (view) => mount(build, view) };
