"""The tokenizer: which words a caption has, which tokens they become, and what it says about words it does not know."""

import json
import random
import re
import time
import unicodedata
import warnings

import pytest
import torch

from ddpm_lite import Tokenizer
from ddpm_lite.data import chance, grammar, scenes, shapes
from ddpm_lite.machine import weights
from ddpm_lite.models import trained
from ddpm_lite.networks.tokenizer import END, PAD, START, split

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
        ("लाल किताब और लाली", ["लाल", "किताब", "और", "लाली"]),
        ("தமிழ் বাংলা", ["தமிழ்", "বাংলা"]),
        ("كِتَاب שָׁלוֹם", ["كِتَاب", "שָׁלוֹם"]),
        ("nai\u0308ve cafe\u0301", ["naïve", "café"]),
        ("q\u0303 ñ n\u0303", ["q\u0303", "ñ", "ñ"]),
        ("می\u200cخواهم co\u00adoperate cat\u200f", ["میخواهم", "cooperate", "cat"]),
        ("red\u200bcar", ["red", "car"]),
        ("п’ять п'ять пʼять it`s d´or", ["п'ять", "п'ять", "п'ять", "it's", "d'or"]),
        ("İstanbul ISTANBUL", ["istanbul", "istanbul"]),
        ("红色的猫 cat猫dog", ["红", "色", "的", "猫", "cat", "猫", "dog"]),
        ("ラーメンを食べる ﾈｺ", ["ラーメン", "を", "食", "べ", "る", "ネコ"]),
        ("สีแดง", ["สี", "แ", "ด", "ง"]),
        ("고양이 한마리", ["고양이", "한마리"]),
        ("3.5 1,000 3. x² 1️⃣", ["3.5", "1,000", "3", "x2", "1"]),
        ("👩\u200d💻developer ❤️ 👍🏽 🇫🇷 C++", ["developer", "c"]),
        ("\u0301abc a\udcffb", ["abc", "a", "b"]),
        (" .,;", []),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_and_digits_in_lower_case(caption, words):
    assert split(caption) == words
    for form in ("NFC", "NFD"):
        assert split(unicodedata.normalize(form, caption)) == words


@pytest.mark.parametrize(
    "words",
    ["लाल लाली लाला", "कि की कु कू के कै को कौ", "কি কী কু", "பூ பு பி", "మా మి మీ", "ကာ ကီ ကူ", "ขา ขี ขู", "บา บ้า", "שִׁיר שׁוּר"],
)
def test_words_that_differ_in_a_vowel_sign_alone_are_different(words):
    assert len({tuple(split(word)) for word in words.split()}) == len(words.split())


def test_the_captions_that_come_with_the_package_keep_their_words():
    dice = chance.Dice(torch.Generator().manual_seed(0))
    captions = {*grammar.words(), *(chance.draw(dice, everything=True).caption for _ in range(2000))}
    captions |= {caption for i in range(len(shapes.COMBINATIONS)) for caption in shapes.captions(i)}
    captions |= {caption for i in range(len(scenes.SCENES)) for caption in scenes.captions(i)}
    assert all(split(caption) == re.findall("[a-z0-9]+", caption) for caption in captions)
    for file in trained.ASSETS.glob("*.safetensors"):
        config = weights.load(file)[1]
        for word in config.get("recipe", config).get("words") or []:
            assert split(word) == [word]


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
    assert str(caught[0].message) == "This caption has words that the model never saw and ignores: 'xylophone'"
    with pytest.warns(UserWarning) as caught:
        several = tokenizer.encode(["red zither", "a red xylophone", "Zither"])
    assert [str(w.message) for w in caught] == [
        "Some captions have words that the model never saw and ignores: 'zither', 'xylophone'",
        "Some captions have no word that the model knows, so the model sees the empty caption ('no condition'): 'Zither'",
    ]
    assert torch.equal(found, tokenizer.encode(["a red"])) and torch.equal(several[1], found[0])
    assert torch.equal(several[2:], tokenizer.encode([""]))


def test_a_word_that_is_spelt_like_a_known_one_is_suggested():
    tokenizer = Tokenizer(["elephant", "foxes", "purple", "red"], 12)
    with pytest.warns(UserWarning) as caught:
        tokenizer.encode(["a purpel elefant", "fox zzz"])
    said = "'a', 'purpel' (did you mean 'purple'?), 'elefant' (did you mean 'elephant'?), 'fox' (did you mean 'foxes'?), 'zzz'"
    assert str(caught[0].message) == f"Some captions have words that the model never saw and ignores: {said}"
    start = time.perf_counter()
    with pytest.warns(UserWarning) as caught:
        tokenizer.encode(["red " + "elephant" * 10_000])
    assert len(caught) == 1 and "did you mean" not in str(caught[0].message)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("caption", ["🐱", "!?", "\u200b", "…", "❤️ 👩\u200d💻"])
def test_a_caption_without_words_is_warned_of_and_the_empty_one_is_not(tokenizer, caption):
    with pytest.warns(UserWarning) as caught:
        found = tokenizer.encode([caption])
    (warning,) = caught
    assert str(warning.message) == (
        f"This caption has no word that the model knows, so the model sees the empty caption ('no condition'): {caption!r}"
    )
    assert torch.equal(found, tokenizer.encode([""]))
    with pytest.warns(UserWarning, match=rf"Some captions have no word .*: {re.escape(repr(caption))}$"):
        tokenizer.encode(["", "a red circle", caption, caption])


def test_a_long_caption_is_cut_and_keeps_its_end(tokenizer):
    fits = tokenizer.encode(["red " * 10])
    with pytest.warns(UserWarning) as caught:
        cut = tokenizer.encode(["red " * 10_000])
    assert [str(w.message) for w in caught] == ["This caption has 10,000 words, but the model reads only the first 10."]
    assert torch.equal(cut, fits) and cut[0, -1] == END
    with pytest.warns(UserWarning) as caught:
        tokenizer.encode([" ".join(f"word{i}" for i in range(10_000))])
    ignored, empty = (str(w.message) for w in caught)
    assert ignored.endswith("'word8', 'word9' and 9,990 more")
    assert empty.endswith("('no condition'): 'word0 word1 word2 word3 word4 word5 word'")


def test_what_does_not_fit_is_named(tokenizer, unchecked):
    with pytest.raises(ValueError, match="length = 2 leaves no room"):
        Tokenizer(["red"], 2)
    with pytest.raises(ValueError, match="contains a word twice"):
        Tokenizer(["red", "red"], 5)
    with pytest.raises(TypeError, match=r"\['a red circle'\] instead of 'a red circle'"):
        tokenizer.encode("a red circle")
