// networks/tokenizer.py in the page: the words of a caption, and their tokens.

const ALONE = "々〆〇ぁ-ゟ\\u3400-\\u4dbf\\u4e00-\\u9fff\\u{20000}-\\u{3ffff}\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff";
const MARKS = "[^\\p{L}\\p{N}_\\s'·.,]*";
const RUN = `(?:(?![${ALONE}])[\\p{L}\\p{N}_]${MARKS})+`;
const WORD = new RegExp(`[${ALONE}]${MARKS}|${RUN}(?:['·]${RUN}|(?<=\\p{Nd})[.,](?=\\p{Nd})${RUN})*`, "gu");
const KEPT = { "\u200b": " ", İ: "i", ...Object.fromEntries([..."'·.,"].map((c) => [c, c])), ...Object.fromEntries([..."’‘ʼʻ׳`"].map((c) => [c, "'"])) };

// The words of a caption, in lower case.
function splitWords(caption) {
  const clean = (c) => KEPT[c] ?? (/[\p{Cf}\p{Me}\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u.test(c) ? "" : /[\p{L}\p{N}\p{Mn}\p{Mc}]/u.test(c) ? c : " ");
  const text = Array.from(caption.replaceAll("´", "'").normalize("NFKC"), clean).join("");
  return text.toLowerCase().match(WORD) ?? [];
}

// Captions to tokens: start, the words that are known and have room, end. words: the vocabulary, with spaces between; length: of a row.
class Tokenizer {
  constructor(words, length) {
    this.tokens = new Map(words.split(" ").map((word, i) => [word, i + 3]));
    this.room = length - 2;
  }

  // Whether a word that is known begins so.
  begins(start) {
    return [...this.tokens.keys()].some((word) => word.startsWith(start));
  }

  // { tokens, words: [[word, whether it is known], ...], left: how many known words have no room }.
  read(caption) {
    const words = splitWords(caption).map((word) => [word, this.tokens.has(word)]);
    const known = words.filter(([, is]) => is).map(([word]) => this.tokens.get(word));
    return { tokens: [1, ...known.slice(0, this.room), 2], words, left: Math.max(0, known.length - this.room) };
  }
}
