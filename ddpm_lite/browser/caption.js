// A caption that the reader types: how much of it is read, and which of its words the model does not know. LONGEST is in scripts.py.

const PAUSE = 600; // milliseconds after the last letter, until something is said of what was typed

// What is read of a caption: its first words, of at most LONGEST letters.
function readable(text) {
  const caption = text.trim();
  if (caption.length <= LONGEST) return caption;
  const start = caption.slice(0, LONGEST + 1);
  return start.slice(0, start.lastIndexOf(" ") + 1).trim() || caption.slice(0, LONGEST);
}

// The words of a caption as nodes in `host`, if the model does not know all of them: those are marked, but not the word that is
// still being typed, if one that is known begins so. Gives a sentence about them, or "".
function markWords(host, tokenizer, text, typing = false) {
  const { words, left } = tokenizer.read(readable(text));
  if (typing && words.length && !/\s$/.test(text)) words.at(-1)[1] ||= tokenizer.begins(words.at(-1)[0]);
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
  if (words.length && unknown.length === new Set(words.map(([word]) => word)).size) sentences.push("No word is left, so it may draw anything.");
  if (left) sentences.push(`It has no room for the last ${left === 1 ? "word" : `${left} words`}.`);
  return sentences.join(" ");
}

// Marks the words of a box in `marks` at each letter, and says what is wrong with them in `said` after a pause. Gives { mark, text }:
// mark() does both at once, text() is what is read of the box.
function watchCaption(box, marks, said, tokenizer) {
  let pause = null;
  let cut = false; // whether the box shows less than was written
  const mark = () => {
    clearTimeout(pause);
    const long = cut || box.value.trim().length > LONGEST ? `Only its first ${LONGEST} letters are read.` : "";
    const sentence = [markWords(marks, tokenizer, box.value), long].filter(Boolean).join(" ");
    if (said.textContent !== sentence) said.textContent = sentence; // a screen reader says it once
  };
  box.addEventListener("input", () => {
    cut = false;
    clearTimeout(pause);
    markWords(marks, tokenizer, box.value, true);
    pause = setTimeout(mark, PAUSE);
  });
  const text = () => {
    cut ||= box.value.trim().length > LONGEST;
    return readable(box.value);
  };
  return { mark, text };
}
