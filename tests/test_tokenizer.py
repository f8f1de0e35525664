"""The tokenizer: which words a caption has, which tokens they become, and what it says about words it does not know."""

import json
import random
import warnings

import pytest
import torch

from ddpm_lite import Tokenizer
from ddpm_lite.tokenizer import END, PAD, START, split

CAPTIONS = ["a small red circle at the top left", "top left: a little red disc", "a blue square"]


@pytest.fixture
def tokenizer():
    return Tokenizer.build(CAPTIONS, 12)


@pytest.fixture(autouse=True)
def no_warning_goes_unseen():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A Small RED circle", ["a", "small", "red", "circle"]),
        ("top-left: heart_eyes, (blood  type)!\n", ["top", "left", "heart", "eyes", "blood", "type"]),
        ("woman’s hat, Côte d'Ivoire 'quoted'", ["woman's", "hat", "côte", "d'ivoire", "quoted"]),
        ("1st place, 100 %", ["1st", "place", "100"]),
        ("кот 猫 ｆｕｌｌ", ["кот", "猫", "full"]),
        (" .,;", []),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_and_digits_in_lower_case(caption, words):
    assert split(caption) == words


def test_a_caption_is_start_words_end_padding(tokenizer):
    assert (PAD, START, END) == (0, 1, 2)
    assert len(tokenizer) == 3 + len(tokenizer.words)
    row = tokenizer.encode(["a blue square"])[0]
    words = [3 + tokenizer.words.index(w) for w in ("a", "blue", "square")]
    assert row.tolist() == [START, *words, END, *[PAD] * 7] and row.dtype == torch.int64
    assert tokenizer.encode(["", "  "]).tolist() == [[START, END, *[PAD] * 10]] * 2
    assert tokenizer.encode([]).shape == (0, 12)


def test_different_captions_have_different_tokens_and_case_does_not_matter(tokenizer):
    assert len({tuple(row) for row in tokenizer.encode(CAPTIONS).tolist()}) == len(CAPTIONS)
    assert torch.equal(tokenizer.encode(CAPTIONS), tokenizer.encode([c.upper() for c in CAPTIONS]))


def test_the_vocabulary_depends_on_the_words_alone_and_survives_json(tokenizer):
    shuffled = random.Random(0).sample(CAPTIONS * 2, 6)
    again = Tokenizer.build(shuffled, 12)
    stored = Tokenizer(**json.loads(json.dumps({"words": tokenizer.words, "length": tokenizer.length})))
    assert tokenizer.words == sorted({*" ".join(CAPTIONS).replace(":", "").split()})
    for other in (again, stored):
        assert other.words == tokenizer.words
        assert torch.equal(other.encode(CAPTIONS), tokenizer.encode(CAPTIONS))


def test_unknown_words_are_named_once_and_ignored(tokenizer):
    with pytest.warns(UserWarning) as caught:
        found = tokenizer.encode(["a red xylophone"])
    assert str(caught[0].message) == "This caption has words that the model never saw, they are ignored: 'xylophone'"
    with pytest.warns(UserWarning) as caught:
        several = tokenizer.encode(["red zither", "a red xylophone", "Xylophone zither"])
    assert [str(w.message) for w in caught] == [
        "Some captions have words that the model never saw, they are ignored: 'zither', 'xylophone'"
    ]
    assert torch.equal(found, tokenizer.encode(["a red"])) and torch.equal(several[1], found[0])
    assert torch.equal(several[2:], tokenizer.encode([""]))


def test_a_long_caption_is_cut_and_keeps_its_end(tokenizer):
    fits = tokenizer.encode(["red " * 10])
    with pytest.warns(UserWarning) as caught:
        cut = tokenizer.encode(["red " * 10_000])
    assert [str(w.message) for w in caught] == ["This caption has 10,000 words, the model reads the first 10."]
    assert torch.equal(cut, fits) and cut[0, -1] == END
    with pytest.warns(UserWarning) as caught:
        tokenizer.encode([" ".join(f"word{i}" for i in range(10_000))])
    assert len(caught) == 1 and str(caught[0].message).endswith("'word8', 'word9' and 9,990 more")


def test_what_does_not_fit_is_named(tokenizer, unchecked):
    with pytest.raises(ValueError, match="length = 2 leaves no room"):
        Tokenizer(["red"], 2)
    with pytest.raises(ValueError, match="holds a word twice"):
        Tokenizer(["red", "red"], 5)
    with pytest.raises(TypeError, match=r"\['a red circle'\] instead of 'a red circle'"):
        tokenizer.encode("a red circle")
