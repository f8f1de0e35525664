"""Captions as numbers: a tokenizer whose vocabulary is the words of the training captions."""

import difflib
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

PAD, START, END = 0, 1, 2  # the first three tokens; the words follow
NAMED = 10  # words or captions that a warning names
NEAR, LONGEST = 0.75, 40  # how much alike two words are of which one is suggested, from 0 to 1; letters of a word at most


class _Cleaned(dict[int, str]):
    """For str.translate: keeps letters, digits and combining marks, drops what is invisible, and turns the rest into spaces."""

    def __missing__(self, code: int) -> str:
        kind = unicodedata.category(chr(code))
        invisible = kind in ("Cf", "Me") or code in range(0xFE00, 0xFE10) or code in range(0xE0100, 0xE01F0)
        self[code] = "" if invisible else chr(code) if kind[0] in "LN" or kind in ("Mn", "Mc") else " "
        return self[code]


# Joiners, soft hyphens, direction marks and variation selectors are invisible; a zero-width space is a space. Python lowers İ to
# two characters, but everyone types one.
CLEANED = _Cleaned({ord(c): c for c in "'·.,"} | {ord(c): "'" for c in "’‘ʼʻ׳`"} | {0x200B: " ", ord("İ"): "i"})
# Chinese characters, Hiragana, Thai, Lao, Burmese and Khmer are written without spaces, so each letter is a word.
ALONE = "々〆〇ぁ-ゟ\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
MARKS = r"[^\w\s'·.,]*"
RUN = rf"(?:[^\W{ALONE}]{MARKS})+"
WORD = re.compile(rf"[{ALONE}]{MARKS}|{RUN}(?:['·]{RUN}|(?<=\d)[.,](?=\d){RUN})*")


def split(caption: str) -> list[str]:
    """The words of a caption, in lower case, by Unicode's default word boundaries (UAX #29), except that "_" separates words too.

    A word is a run of letters, digits and their combining marks, with apostrophes between letters and a point or comma
    between digits. Different spellings of one text (NFC, NFD, full width, typographic apostrophes) give the same words.
    """
    # The package `regex` has Unicode's boundaries, but apostrophes, "_" and invisible characters would need this rule anyway.
    text = unicodedata.normalize("NFKC", caption.replace("´", "'"))
    return WORD.findall(text.translate(CLEANED).lower())


def empty_row(length: int) -> Int[Tensor, " {length}"]:
    """The tokens of the empty caption, which means "no condition": start, end, padding."""
    row = torch.full((length,), PAD)
    row[:2] = torch.tensor([START, END])
    return row


class Tokenizer:
    """Captions to rows of `length` tokens: start, the words, end, and padding up to the length.
    Slide L23; Radford et al. 2021, section 2.4.

    words    the vocabulary; word i is token i + 3. only `tokenizer.words` and `tokenizer.length` have to be stored
    length   tokens per row; a caption has room for length - 2 words

    len(tokenizer) is the number of different tokens. ValueError for a repeated word or a length without room for a word.
    """

    def __init__(self, words: Sequence[str], length: int):
        if length < 3:
            raise ValueError(f"length = {length} leaves no room for a word between start and end: use 3 or more.")
        if len(set(words)) < len(words):
            raise ValueError("The vocabulary contains a word twice: each word needs one number.")
        self.words, self.length = list(words), length
        self._token = {word: i + 3 for i, word in enumerate(self.words)}

    @classmethod
    def build(cls, captions: Iterable[str], length: int) -> "Tokenizer":
        """The tokenizer whose vocabulary is every word of these captions, in alphabetical order."""
        return cls(sorted({word for caption in captions for word in split(caption)}), length)

    def __len__(self) -> int:
        return 3 + len(self.words)

    def encode(self, captions: Sequence[str]) -> Int[Tensor, "n {self.length}"]:
        """The tokens of each caption, on the CPU; the empty caption is start, end and padding.

        Words outside the vocabulary are left out, and so are words for which there is no room. One warning names them, for all
        captions together, with the known word that is spelt most alike, and another names captions of which no word is left.
        TypeError for one string in place of a list.
        """
        if isinstance(captions, str):
            raise TypeError(f"encode takes a list of captions: [{captions[:40]!r}] instead of {captions[:40]!r}.")
        rows = torch.full((len(captions), self.length), PAD)
        unknown: dict[str, None] = {}  # in order of appearance
        mute: dict[str, None] = {}
        longest, room = 0, self.length - 2
        for row, caption in zip(rows, captions, strict=True):
            words = split(caption)
            unknown |= dict.fromkeys(word for word in words if word not in self._token)
            tokens = [self._token[word] for word in words if word in self._token]
            longest = max(longest, len(tokens))
            if not tokens and caption.strip():
                mute[caption[:40]] = None
            tokens = [START, *tokens[:room], END]
            row[: len(tokens)] = torch.tensor(tokens)
        this = "This caption has" if len(captions) == 1 else "Some captions have"
        if unknown:
            names = _listed(unknown, self._near)
            warnings.warn(f"{this} words that the model never saw and ignores: {names}", stacklevel=2)
        if mute:
            sees = "so the model sees the empty caption ('no condition')"
            warnings.warn(f"{this} no word that the model knows, {sees}: {_listed(mute)}", stacklevel=2)
        if longest > room:
            warnings.warn(f"{this} {longest:,} words, but the model reads only the first {room}.", stacklevel=2)
        return rows

    def _near(self, word: str) -> str:
        """What to say of an unknown word: the word of the vocabulary that is spelt most like it, if one is."""
        near = difflib.get_close_matches(word, self.words, n=1, cutoff=NEAR) if len(word) <= LONGEST else []
        return "".join(f" (did you mean {each!r}?)" for each in near)


def _listed(names: Iterable[str], more: Callable[[str], str] = lambda name: "") -> str:
    """Words or captions for a warning: the first ten with `more` of each, and how many others there are."""
    names = list(names)
    first = ", ".join(repr(name) + more(name) for name in names[:NAMED])
    return first + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
