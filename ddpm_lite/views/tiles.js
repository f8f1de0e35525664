// Pictures side by side, each in the place of its enlarged one.

// SEVERAL seeds from this one on, and the titles of their pictures.
const seedsFrom = (seed) => Array.from({ length: SAMPLING.several }, (_, i) => seed + i);
const seedTitles = () => seedsFrom(0).map((i) => (i ? `${NARROW ? "" : "seed "}+ ${i}` : "seed"));

// A tile of side x side pixels for each title. paint(pictures, of): they have of x of pixels.
function pictureTiles(kit, titles, c, side) {
  const grid = pictureGrid(kit, { rows: 1, columns: titles.length, c, h: side, w: side, titles, widest: 150 });
  const paint = (pictures, of) => {
    const large = enlarged(pictures, pictures.length / of ** 2, of, side / of);
    titles.forEach((_, k) => grid.paint(large, k * c * side * side, 0, k));
  };
  return { node: grid.node, paint };
}
