"""Captions as numbers: a tokenizer whose vocabulary is the words of the training captions."""

import re
import unicodedata
import warnings
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

PAD, START, END = 0, 1, 2  # the first three tokens; the words follow
NAMED = 10  # unknown words that a warning names


def split(caption: str) -> list[str]:
    """The words of a caption, in lower case: runs of letters and digits, with apostrophes inside; all else parts words."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", unicodedata.normalize("NFKC", caption).lower().replace("’", "'"))


def empty_row(length: int) -> Int[Tensor, " {length}"]:
    """The tokens of the empty caption, which means "no condition": start, end, padding."""
    row = torch.full((length,), PAD)
    row[:2] = torch.tensor([START, END])
    return row


class Tokenizer:
    """Captions to rows of `length` tokens: start, the words, end, and padding up to the length.

    words    the vocabulary; word i is token i + 3. `tokenizer.words` and `tokenizer.length` are all that has to be stored
    length   tokens a row; a caption has room for length - 2 words

    len(tokenizer) is the number of different tokens. ValueError for a repeated word or a length without room for a word.
    """

    def __init__(self, words: Sequence[str], length: int):
        if length < 3:
            raise ValueError(f"length = {length} leaves no room for a word beside start and end: use 3 or more.")
        if len(set(words)) < len(words):
            raise ValueError("The vocabulary holds a word twice: each word needs one number.")
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

        A word outside the vocabulary is left out, and so is what has no room; a warning says which, once for all captions.
        TypeError for one string in place of a list.
        """
        if isinstance(captions, str):
            raise TypeError(f"encode takes a list of captions: [{captions[:40]!r}] instead of {captions[:40]!r}.")
        rows = torch.full((len(captions), self.length), PAD)
        unknown: dict[str, None] = {}  # in order of appearance
        longest, room = 0, self.length - 2
        for row, caption in zip(rows, captions, strict=True):
            words = split(caption)
            unknown |= dict.fromkeys(word for word in words if word not in self._token)
            tokens = [self._token[word] for word in words if word in self._token]
            longest = max(longest, len(tokens))
            tokens = [START, *tokens[:room], END]
            row[: len(tokens)] = torch.tensor(tokens)
        this = "This caption has" if len(captions) == 1 else "Some captions have"
        if unknown:
            named = ", ".join(map(repr, list(unknown)[:NAMED]))
            more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
            warnings.warn(f"{this} words that the model never saw, they are ignored: {named}{more}", stacklevel=2)
        if longest > room:
            warnings.warn(f"{this} {longest:,} words, the model reads the first {room}.", stacklevel=2)
        return rows
