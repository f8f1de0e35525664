// Pictures from captions in the page: a text network, and an upsampler for what it draws, as soon as that is there.

class Writer {
  // recipe: of the text network; upsampler: a name or null; fetched(name): a promise of { entry, bytes }.
  constructor(recipe, upsampler, fetched) {
    this.recipe = recipe;
    this.tokenizer = new Tokenizer(recipe.words, recipe.length);
    this.upsampler = upsampler;
    this.fetched = fetched;
    this.engine = null;
    this.ready = null;
    this.enlarges = null; // the upsampler's tokenizer, once it is loaded
    this.trouble = ""; // why nothing is enlarged
  }

  // Loads the text network when it is first asked for, and the upsampler behind it. After a failure, it may be tried again.
  wake() {
    const load = async (name) => {
      const { entry, bytes } = await this.fetched(name);
      await this.engine.load(name, entry, bytes);
      return entry.recipe;
    };
    this.ready ??= (async () => {
      try {
        if (!engineRuns()) throw new Error("This browser runs no workers, so nothing is drawn here.");
        this.engine ??= new Engine(WORKER);
        await load(this.recipe.name);
      } catch (error) {
        this.end();
        throw error;
      }
      this.large = this.upsampler
        ? load(this.upsampler).then(
            ({ words, length }) => (this.enlarges = new Tokenizer(words, length)),
            (error) => (this.trouble = error.message),
          )
        : Promise.resolve();
    })();
    return this.ready;
  }

  // One picture for each caption, all from the noise of one seed: { pictures, large }, or { stopped } if another drawing has begun.
  // onFrame(frame) sees each step: see worker.js.
  async draw(captions, { seed, ...options }, onFrame) {
    await this.wake();
    const rows = (tokenizer) => captions.map((caption) => ({ tokens: tokenizer.read(caption).tokens }));
    const enlarging = this.enlarges ? { enlarge: this.upsampler, enlargeRows: rows(this.enlarges) } : {};
    const request = { name: this.recipe.name, rows: rows(this.tokenizer), seeds: captions.map(() => seed), ...options, ...enlarging };
    return this.engine.draw("writer", request, onFrame);
  }

  stop() {
    this.engine?.stop("writer");
  }

  end() {
    this.engine?.end();
    [this.engine, this.ready, this.enlarges] = [null, null, null];
  }
}

// The words of a caption as nodes in `host`, if the model does not know all of them: those are marked. Gives a sentence about them, or "".
function markWords(host, { words, left }) {
  const all = words.every(([, known]) => known);
  host.replaceChildren(
    ...(all ? [] : words.slice(0, 60)).flatMap(([word, known]) => {
      const node = document.createElement(known ? "span" : "mark");
      node.textContent = word;
      if (!known) node.title = "The model does not know this word.";
      return [node, " "];
    }),
  );
  const unknown = [...new Set(words.filter(([, known]) => !known).map(([word]) => word))];
  const listed = unknown.slice(0, 5).map((word) => `“${word.slice(0, 40)}”`).join(", ");
  const more = unknown.length > 5 ? ` and ${unknown.length - 5} more` : "";
  const sentences = unknown.length ? [`The model does not know ${listed}${more}, and leaves that out.`] : [];
  if (words.length && unknown.length === new Set(words.map(([word]) => word)).size) sentences.push("So it is asked for nothing.");
  if (left) sentences.push(`It has no room for the last ${left === 1 ? "word" : `${left} words`}.`);
  return sentences.join(" ");
}
