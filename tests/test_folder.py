"""A folder of pictures: every kind of file as one sees it, its caption, and a sentence for everything that does not fit."""

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lite.data import folder

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)


def write(path, pixels=PICTURE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)


def loaded(tmp_path, size=8, **options):
    """The only picture of a folder, (size, size, 3) in 0..255."""
    (image,) = folder.load(tmp_path, size, **options).images
    return ((image.permute(1, 2, 0) + 1) * 127.5).round().numpy().astype(int)


@pytest.fixture
def three(tmp_path):
    for name in ("cat.png", "dog.png", "more/owl.png"):
        write(tmp_path / "pictures" / name)
    return tmp_path / "pictures"


def test_pictures_come_in_the_order_of_their_names_in_the_range(three):
    images, captions, names = folder.load(three, 8)
    assert names == ["cat.png", "dog.png", "more/owl.png"] and captions == [["cat"], ["dog"], ["owl"]]
    assert images.shape == (3, 3, 8, 8) and images.dtype == torch.float32 and images.is_contiguous()
    torch.testing.assert_close(images[1], torch.tensor(PICTURE / 127.5 - 1, dtype=torch.float32).permute(2, 0, 1))


# What is stored for each orientation (EXIF 2.3, tag 0x0112) of one upright picture: where its first row and column belong.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a),
    7: lambda a: np.rot90(a)[:, ::-1],
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_pictures_stand_upright(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    write(tmp_path / "a.png", np.ascontiguousarray(STORED[orientation](PICTURE)), exif=exif)
    assert (loaded(tmp_path) == PICTURE).all()


def test_the_middle_square_is_taken(tmp_path):
    wide = RNG.integers(0, 256, (8, 14, 3), dtype=np.uint8)
    write(tmp_path / "a.png", wide)
    assert (loaded(tmp_path) == wide[:, 3:11]).all()
    write(tmp_path / "a.png", wide.swapaxes(0, 1).copy())
    assert (loaded(tmp_path) == wide.swapaxes(0, 1)[3:11]).all()


def test_small_pictures_are_means_and_not_samples(tmp_path):
    board = np.indices((64, 64)).sum(0) % 2 * 255
    write(tmp_path / "a.png", board.astype(np.uint8))
    assert np.abs(loaded(tmp_path) - 127.5).max() < 3  # a sample would be black or white


GREY = RNG.integers(0, 256, (8, 8), dtype=np.uint8)


@pytest.mark.parametrize("name, image, expected", [
    ("a.png", Image.fromarray(GREY), GREY[..., None]),
    ("a.png", Image.fromarray(GREY > 127), (GREY > 127)[..., None] * 255),
    ("a.png", Image.fromarray(GREY.astype(np.uint16) * 257), GREY[..., None]),
    ("a.tiff", Image.fromarray(GREY.astype(np.uint16) * 257), GREY[..., None]),
    ("a.tiff", Image.fromarray(GREY.astype(np.int32) * 257), GREY[..., None]),
    ("a.bmp", Image.fromarray(PICTURE), PICTURE),
    ("a.tif", Image.fromarray(PICTURE).convert("CMYK"), PICTURE),
    ("a.png", Image.fromarray(PICTURE).quantize(64), PICTURE),
    ("A.GIF", Image.fromarray(PICTURE).quantize(64), PICTURE),
], ids=["grey", "1 bit", "16 bits", "16 bits tiff", "32 bits tiff", "bmp", "cmyk", "palette", "gif"])  # fmt: skip
def test_every_kind_of_picture_becomes_rgb(name, image, expected, tmp_path):
    write(tmp_path / name, image)
    assert (loaded(tmp_path) == expected).all()


@pytest.mark.parametrize("kind", ["jpeg", "webp", "cmyk jpeg"])
def test_lossy_kinds_look_the_same(kind, tmp_path):
    smooth = np.stack(np.broadcast_arrays(np.arange(0, 256, 4)[:, None], np.arange(255, -1, -4), 99), 2).astype(np.uint8)
    image = Image.fromarray(smooth)
    write(tmp_path / f"a.{kind.split()[-1]}", image.convert("CMYK") if "cmyk" in kind else image, quality=95)
    assert np.abs(loaded(tmp_path, 64) - smooth).max() < 12


def transparent(mode):
    alpha = RNG.integers(0, 256, (8, 8, 1), dtype=np.uint8)
    if mode == "LA":
        return Image.fromarray(np.concatenate([GREY[..., None], alpha], 2)), GREY[..., None], alpha
    if mode == "RGBA":
        return Image.fromarray(np.concatenate([PICTURE, alpha], 2)), PICTURE, alpha
    image = Image.fromarray(PICTURE).quantize(64)
    image.info["transparency"] = 5
    return image, PICTURE, np.where(np.asarray(image)[..., None] == 5, 0, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "palette"])
def test_what_is_transparent_shows_white_paper(mode, tmp_path):
    image, colour, alpha = transparent(mode)
    write(tmp_path / "a.png", image, **({"transparency": 5} if mode == "palette" else {}))
    assert (alpha < 255).any()
    assert np.abs(loaded(tmp_path) - (colour * (alpha / 255) + 255 * (1 - alpha / 255))).max() <= 1.5


def test_floating_point_has_no_white_and_counts_as_broken(tmp_path):
    write(tmp_path / "a.tiff", GREY.astype(np.float32))
    with pytest.raises(ValueError, match=r"cannot be read: a\.tiff"):
        folder.load(tmp_path, 8)


@pytest.mark.parametrize("name, caption", [
    ("red_car-012.jpg", "red car"), ("a-small__dog 7.png", "a small dog"), ("T-Rex.png", "T Rex"), ("cat (3).png", "cat"),
    ("3 owls.png", "3 owls"), ("été_2.png", "été"), ("sub/12/tree.png", "tree"), ("a.b.png", "a.b"),
])  # fmt: skip
def test_captions_from_names(name, caption, tmp_path):
    write(tmp_path / name)
    assert folder.load(tmp_path, 8).captions == [[caption]]


def test_a_name_without_words_is_refused(tmp_path):
    write(tmp_path / "0012.png")
    write(tmp_path / "cat.png")
    with pytest.raises(ValueError, match=r"These names have no words for a caption: 0012\.png; name the files in words or give"):
        folder.load(tmp_path, 8)


def table(three, text, encoding="utf-8"):
    file = three.parent / "captions.csv"
    file.write_bytes(text.encode(encoding))
    return file


FULL = 'file,caption\nmore/owl.png,ein Käuzchen\ncat.png,"a cat, asleep"\ndog.png,a dog\ncat.png,a tabby\n'


@pytest.mark.parametrize(
    "text", [FULL, "\ufeff" + FULL, FULL.replace("\n", "\r\n"), FULL + "\n\n", FULL.replace(",ein", ", ein")]
)
def test_captions_from_a_table(text, three):
    images, captions, names = folder.load(three, 8, captions=table(three, text))
    assert names == ["cat.png", "dog.png", "more/owl.png"] and len(images) == 3
    assert captions == [["a cat, asleep", "a tabby"], ["a dog"], ["ein Käuzchen"]]


@pytest.mark.parametrize("text, message", [
    ("", r"The first line of captions\.csv must be file,caption, not ''\."),
    ("cat.png,a cat\n", r"first line of captions\.csv must be file,caption, not 'cat\.png,a cat'"),
    ("file;caption\ncat.png;a cat\n", "must be file,caption, not 'file;caption'"),
    (FULL + "cow.png,a cow\n", r"captions\.csv, line 6: there is no picture 'cow\.png' in the folder"),
    (FULL + "../captions.csv,a cow\n", r"line 6: there is no picture '\.\./captions\.csv' in the folder"),
    (FULL + "dog.png,a dog, awake\n", "line 6: 3 fields instead of 2; a caption with a comma stands in double quotes"),
    (FULL + "dog.png\n", "line 6: 1 fields instead of 2"),
    (FULL + "dog.png, \n", r"line 6: the caption of 'dog\.png' is empty"),
    ("file,caption\ndog.png,a dog\n", r"captions\.csv has no caption for cat\.png, more/owl\.png\."),
    ("file,caption\ndog.png," + "x" * 200_000 + "\n", r"captions\.csv is no CSV file: field larger than"),
])  # fmt: skip
def test_tables_that_do_not_fit_are_named(text, message, three):
    with pytest.raises(ValueError, match=message):
        folder.load(three, 8, captions=table(three, text))


def test_a_table_in_another_encoding_or_missing_is_named(three):
    with pytest.raises(ValueError, match=r"captions\.csv is not in UTF-8"):
        folder.load(three, 8, captions=table(three, FULL, "latin-1"))
    with pytest.raises(FileNotFoundError, match=r"There is no file of captions '.*none\.csv'"):
        folder.load(three, 8, captions=three / "none.csv")


@pytest.fixture
def damaged(three):
    write(three / "big.png", RNG.integers(0, 256, (99, 99, 3), dtype=np.uint8))
    data = (three / "big.png").read_bytes()
    (three / "big.png").write_bytes(data[: len(data) // 2])
    (three / "empty.jpg").write_bytes(b"")
    (three / "text.gif").write_text("no picture")
    return three


def test_broken_files_are_refused_by_name(damaged):
    with pytest.raises(ValueError, match=r"cannot be read: big\.png, empty\.jpg, text\.gif; broken='skip' leaves them out"):
        folder.load(damaged, 8)


def test_broken_files_are_skipped_by_name(damaged):
    rows = "".join(f"{name},words\n" for name in ("big.png", "empty.jpg", "text.gif"))
    for captions in (None, table(damaged, FULL + rows)):
        with pytest.warns(UserWarning, match=r"cannot be read and are left out: big\.png, empty\.jpg, text\.gif\."):
            images, said, names = folder.load(damaged, 8, captions=captions, broken="skip")
        assert names == ["cat.png", "dog.png", "more/owl.png"] and len(images) == len(said) == 3


def test_nothing_left_is_an_error(tmp_path):
    for i in range(12):
        (tmp_path / f"a{'x' * i}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"None of the pictures in .* can be read: a\.png, .* and 2 more\."):
        folder.load(tmp_path, 8, broken="skip")


def test_missing_and_empty_folders_and_bad_arguments_are_named(tmp_path, unchecked):
    with pytest.raises(FileNotFoundError, match=r"There is no folder '.*nowhere'"):
        folder.load(tmp_path / "nowhere", 8)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match=r"holds no pictures: files that end in \.bmp, "):
        folder.load(tmp_path, 8)
    with pytest.raises(FileNotFoundError, match=r"There is no folder '.*notes\.txt'"):
        folder.load(tmp_path / "notes.txt", 8)
    with pytest.raises(ValueError, match="broken = 'ignore', but it is 'refuse' or 'skip'"):
        folder.load(tmp_path, 8, broken="ignore")
    with pytest.raises(ValueError, match="size = 0, but a picture has a side of 1 pixel or more"):
        folder.load(tmp_path, 0)
