// Pictures from captions in the page: a text network, and an upsampler for what it draws, as soon as that is there.

class Writer {
  // recipe: of the text network; upsampler: a name or null; fetched(name): see Studio.
  constructor(recipe, upsampler, fetched) {
    this.recipe = recipe;
    this.tokenizer = new Tokenizer(recipe.words, recipe.length);
    this.upsampler = upsampler;
    this.studio = new Studio(fetched);
    this.enlarges = null; // the upsampler's tokenizer, once it is loaded
    this.trouble = ""; // why nothing is enlarged
  }

  // Loads the text network when it is first asked for, and the upsampler behind it: `large` ends when that is there, or cannot be.
  async wake() {
    await this.studio.wake(this.recipe.name);
    if (this.trouble) [this.large, this.trouble] = [null, ""];
    this.large ??= this.upsampler
      ? this.studio.wake(this.upsampler).then(
          ({ [this.upsampler]: { words, length } }) => void (this.enlarges = new Tokenizer(words, length)),
          (error) => void (this.trouble = error.message),
        )
      : Promise.resolve();
  }

  // One picture for each caption, all from the noise of one seed: { pictures, large }, or { stopped } if another drawing has begun.
  // onFrame(frame) sees each step: see worker.js.
  async draw(captions, { seed, ...options }, onFrame) {
    await this.wake();
    const rows = (tokenizer) => captions.map((caption) => ({ tokens: tokenizer.read(caption).tokens }));
    const enlarging = this.enlarges ? { enlarge: this.upsampler, enlargeRows: rows(this.enlarges) } : {};
    const request = { name: this.recipe.name, rows: rows(this.tokenizer), seeds: captions.map(() => seed), ...options, ...enlarging };
    return this.studio.engine.draw("writer", request, onFrame);
  }

  end() {
    this.studio.end();
    [this.enlarges, this.large, this.trouble] = [null, null, ""];
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
