// Pictures as rows of numbers, in the worker and in the page.

// Pictures of size x size, one after the other, each pixel `factor` x `factor` times: what an upsampler sees.
function enlarged(pictures, count, size, factor) {
  const side = size * factor;
  return Float32Array.from({ length: count * side * side }, (_, i) => {
    const [picture, y, x] = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
    return pictures[(picture * size + Math.floor(y / factor)) * size + Math.floor(x / factor)];
  });
}
