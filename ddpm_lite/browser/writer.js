// Pictures from captions in the page: a text network, and an upsampler for what it draws, as soon as that is there.

class Writer {
  // recipe: of the text network; upsampler: a name or null; fetched(name): see Studio.
  constructor(recipe, upsampler, fetched) {
    this.recipe = recipe;
    this.tokenizer = new Tokenizer(recipe.words, recipe.length);
    this.studio = new Studio(fetched);
    this.enlarger = upsampler ? new Enlarger(this.studio, upsampler) : null;
  }

  // Loads the text network when it is first asked for, and the upsampler behind it.
  async wake() {
    await this.studio.wake(this.recipe.name);
    this.enlarger?.begin();
  }

  // One picture for each caption, all from the noise of one seed: { pictures }, or { stopped } if something else is asked for.
  // onFrame(frame) sees each step: see worker.js.
  async draw(captions, { seed, ...options }, onFrame) {
    await this.wake();
    const rows = captions.map((caption) => ({ tokens: this.tokenizer.read(caption).tokens }));
    const request = { name: this.recipe.name, rows, seeds: captions.map(() => seed), ...options };
    return this.studio.engine.draw("writer", request, onFrame);
  }

  // These pictures, larger.
  enlarge(pictures, captions, { seed }, onFrame) {
    return this.enlarger.draw("writer", { pictures, captions, seeds: captions.map(() => seed) }, onFrame);
  }

  end() {
    this.studio.end();
    this.enlarger?.end();
  }
}
