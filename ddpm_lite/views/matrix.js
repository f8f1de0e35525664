
// Matrix: numbers in rows and columns, by colour and as text; the cell under the pointer or the sliders is read out.

function build(kit) {
  const { model } = kit;
  const rows = model.get("rows");
  const columns = model.get("columns");
  const values = numbers(model.get("values"), Float32Array);
  const texts = model.get("texts");
  const full = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;

  // Labels that are too long are cut here, those of rows after two lines; the caption has them in full.
  const width = NARROW ? 360 : 700;
  const size = NARROW ? 13 : 15;
  const wide = (text) => 1.1 * textWidth(text, size); // bold ones are wider
  const longest = (labels, most) => Math.min(most, 14 + Math.max(...labels.map(wide)));
  const left = longest(rows, 0.36 * width);
  const upright = longest(columns, Infinity) <= Math.min(110, (width - left) / columns.length);
  const slant = Math.ceil(0.71 * longest(columns, 140));
  const cell = Math.min(110, Math.floor((width - left - (upright ? 0 : slant)) / columns.length));
  const top = upright ? 30 : slant + 14;
  const tall = 32;
  const sheet = canvas(kit, width, top + rows.length * tall + 2);
  const { context: g, node } = sheet;
  node.place = (i, j, x = 0.5, y = 0.5) => [left + (j + x) * cell, top + (i + y) * tall].map((v) => (v * node.width) / width);
  slider(kit, "row", { label: "row", min: 0, max: rows.length - 1, page: 5, words: (i) => rows[i] });
  slider(kit, "column", { label: "column", min: 0, max: columns.length - 1, page: 5, words: (j) => columns[j] });

  const point = kit.guard((event) => {
    const scale = width / node.clientWidth;
    const row = Math.floor((event.offsetY * scale - top) / tall);
    const column = Math.floor((event.offsetX * scale - left) / cell);
    if (row < 0 || column < 0 || row >= rows.length || column >= columns.length) return;
    if (row !== model.get("row") || column !== model.get("column")) kit.setAll({ row, column });
  });
  node.addEventListener("pointermove", point);
  node.addEventListener("pointerdown", point);

  // A text in at most so many lines, around the place where it stands.
  const label = (text, most, bold, lines = 1) => {
    g.font = `${bold ? "bold " : ""}${size}px system-ui, sans-serif`;
    const all = lines === 1 ? [text] : wrapped(text, most / 1.1, size);
    const shown = all.slice(0, lines);
    if (all.length > lines) shown[lines - 1] = all.slice(lines - 1).join(" ");
    for (const [i, line] of shown.entries()) {
      let part = line;
      for (let n = line.length - 1; n > 0 && g.measureText(part).width > most; n--) part = `${line.slice(0, n)}…`;
      g.fillText(part, 0, (i - (shown.length - 1) / 2) * (size + 1));
    }
  };
  const at = (x, y, angle, draw) => {
    g.save();
    g.translate(x, y);
    g.rotate(angle);
    draw();
    g.restore();
  };

  kit.onChange(() => {
    const row = model.get("row");
    const column = model.get("column");
    g.fillStyle = "#fff";
    g.fillRect(0, 0, width, sheet.height);
    g.fillStyle = "#000";
    rows.forEach((text, i) => at(4, top + (i + 0.5) * tall + 6, 0, () => label(text, left - 10, i === row, 2)));
    columns.forEach((text, j) => {
      const middle = left + (j + 0.5) * cell;
      const draw = () => label(text, upright ? cell - 6 : 128, j === column);
      at(upright ? middle - cell / 2 + 4 : middle, top - 8, upright ? 0 : -Math.PI / 4, draw);
    });
    g.font = "16px system-ui, sans-serif";
    g.textAlign = "center";
    for (const [k, value] of values.entries()) {
      const [x, y] = [left + (k % columns.length) * cell, top + Math.floor(k / columns.length) * tall];
      g.fillStyle = "#fff";
      g.fillRect(x, y, cell, tall);
      g.globalAlpha = Math.abs(value) / full;
      g.fillStyle = value < 0 ? COLORS.orange : COLORS.blue;
      g.fillRect(x, y, cell, tall);
      g.globalAlpha = 1;
      g.fillStyle = value > 0.6 * full ? "#fff" : "#000";
      if (g.measureText(texts[k]).width < cell - 2) g.fillText(texts[k], x + cell / 2, y + tall / 2 + 6);
    }
    g.textAlign = "left";
    g.lineWidth = 3;
    g.strokeStyle = "#000";
    g.strokeRect(left + column * cell + 1.5, top + row * tall + 1.5, cell - 3, tall - 3);

    const own = values.subarray(row * columns.length, (row + 1) * columns.length);
    const best = columns[own.indexOf(Math.max(...own))];
    const value = row * columns.length + column;
    const text = `${model.get("title")}: ${texts[value]} for ${rows[row]} and ${columns[column]}; greatest in the row: ${best}.`;
    kit.describe(text);
    kit.drew({ values, value: values[value] });
  });
}

export default { render: (view) => mount(build, view) };
