// Pictures that were drawn become larger, as soon as the upsampler is there: it is fetched behind the network that draws them.

class Enlarger {
  // name: of the upsampler.
  constructor(studio, name) {
    this.studio = studio;
    this.name = name;
    this.end();
  }

  // Begins to load the upsampler, again after a failure or for another engine: `loaded` ends when it is there, or cannot be.
  begin() {
    const { engine } = this.studio;
    if (this.engine === engine && !this.trouble) return;
    this.end();
    this.engine = engine;
    const unlessLate = (then) => (value) => this.engine === engine && then(value);
    this.loaded = this.studio.wake(this.name).then(
      unlessLate(({ [this.name]: { words, length } }) => (this.tokenizer = new Tokenizer(words, length))),
      unlessLate((error) => (this.trouble = error.message)),
    );
  }

  // The same pictures, larger: { large }, or { stopped } if the asker has asked for something else. With captions, it reads them too.
  draw(asker, { pictures, seeds, captions = null }, onFrame) {
    const rows = seeds.map((_, i) => (captions ? { tokens: this.tokenizer.read(captions[i]).tokens } : {}));
    return this.studio.engine.ask({ task: "enlarge", asker, name: this.name, pictures, seeds, rows }, onFrame);
  }

  end() {
    [this.engine, this.loaded, this.tokenizer, this.trouble] = [null, null, null, ""]; // trouble: why nothing is enlarged
  }
}
