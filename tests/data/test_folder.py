"""A folder of pictures: every kind of file as a viewer shows it, its caption, and an error for everything that does not fit."""

import struct
import unicodedata
import warnings
import zlib

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


def png(numbers, depth, colour, size=None, **more):
    """A PNG file by the letter of its specification: numbers (h, w, channels) of so many bits, and further chunks.

    size: the width and height that its header says, if they are to be wrong.
    """

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    h, w, channels = numbers.shape
    bits = np.unpackbits(numbers.astype(">u2").reshape(h, -1, 1).view(np.uint8), axis=2)[..., 16 - depth :]
    rows = np.packbits(bits.reshape(h, w * channels * depth), axis=1)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = [chunk(name.encode(), data) for name, data in more.items()]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *(size or (w, h)), depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def kinds_of_png():
    """Each kind of PNG that there is: bits, colour type, channels, and whether a colour is transparent."""
    for depth in (1, 2, 4, 8, 16):
        yield depth, 0, 1, False
        yield depth, 0, 1, True
        if depth <= 8:
            yield depth, 3, 1, False
            yield depth, 3, 1, True
        if depth >= 8:
            yield depth, 2, 3, False
            yield depth, 2, 3, True
            yield depth, 4, 2, False
            yield depth, 6, 4, False


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("depth, colour, channels, key", list(kinds_of_png()))
def test_each_kind_of_png_stands_upright_on_white_paper(depth, colour, channels, key, orientation, tmp_path):
    most = 2**depth - 1
    numbers = np.random.default_rng(depth).integers(0, most + 1, (8, 8, channels))
    numbers[2, 3] = numbers[5, 1]
    more, opaque = {}, np.ones((8, 8, 1))
    seen = numbers[..., : 3 if channels >= 3 else 1] / most * 255
    if colour == 3:
        palette, alpha = RNG.integers(0, 256, (most + 1, 3)), RNG.integers(0, 256, most + 1)
        more["PLTE"], seen = palette.astype(np.uint8).tobytes(), palette[numbers[..., 0]]
        if key:
            more["tRNS"], opaque = alpha.astype(np.uint8).tobytes(), alpha[numbers] / 255
    elif key:
        more["tRNS"] = numbers[5, 1].astype(">u2").tobytes()
        opaque = (numbers != numbers[5, 1]).any(2, keepdims=True)
    elif channels in (2, 4):
        opaque = numbers[..., -1:] / most
    expected = np.broadcast_to(seen * opaque + 255 * (1 - opaque), (8, 8, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    more["eXIf"] = exif.tobytes().removeprefix(b"Exif\0\0")
    (tmp_path / "a.png").write_bytes(png(np.ascontiguousarray(STORED[orientation](numbers)), depth, colour, **more))
    # Of 16 bits Pillow drops the lower 8: a colour and its opacity may then each be off by nearly one level more.
    assert np.abs(loaded(tmp_path) - expected).max() <= (2.5 if depth == 16 else 1)


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("mode", ["1", "L", "I;16", "I;16B", "I", "RGB", "RGBA", "CMYK", "LA", "P"])
def test_each_kind_of_tiff_stands_upright(mode, orientation, tmp_path):
    if mode.startswith("I"):
        upright = Image.fromarray(GREY.astype({"I": "<i4", "I;16": "<u2", "I;16B": ">u2"}[mode]) * 257)
        expected = GREY[..., None]
    else:
        upright = Image.fromarray(PICTURE).convert(mode)
        expected = np.asarray(upright.convert("RGB"))
    image = upright.transpose({3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[orientation])
    write(tmp_path / "a.tiff", image, tiffinfo={0x0112: orientation})
    assert np.abs(loaded(tmp_path) - expected).max() <= 1


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tiff"])
def test_of_an_animation_the_first_picture_is_taken(name, tmp_path):
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ((250, 0, 0), (0, 0, 250)))
    options = {"lossless": True} if name.endswith("webp") else {}
    first.save(tmp_path / name, save_all=True, append_images=[second], **options)
    assert (loaded(tmp_path) == (250, 0, 0)).all()


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
    write(tmp_path / "🐱.png")
    write(tmp_path / "!?.png")
    mute = r"!\?\.png, 0012\.png, 🐱\.png; name the files in words or give"
    with pytest.raises(ValueError, match=f"These names have no words for a caption: {mute}"):
        folder.load(tmp_path, 8)


@pytest.mark.parametrize("on_disk, written", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_one_name_in_two_unicode_forms_is_one_name(on_disk, written, tmp_path):
    name = "Käuzchen é ガ.png"
    write(tmp_path / "pictures" / unicodedata.normalize(on_disk, name))
    file = table(tmp_path / "pictures", unicodedata.normalize(written, f"file,caption\n{name},an owl\n"))
    assert folder.load(tmp_path / "pictures", 8, captions=file)[1:] == ([["an owl"]], [name])
    assert folder.load(tmp_path / "pictures", 8)[1:] == ([["Käuzchen é ガ"]], [name])


def test_two_files_of_one_name_are_named(tmp_path):
    for form in ("NFC", "NFD"):
        write(tmp_path / unicodedata.normalize(form, "é.png"))
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system knows one form only")
    with pytest.raises(ValueError, match=r"Two pictures in '.*' have the name 'é\.png', in two Unicode forms: rename one"):
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
    (FULL + "dog.png,a dog, awake\n", "line 6: found 3 instead of 2 fields; put a caption with a comma in double quotes"),
    (FULL + "dog.png\n", "line 6: found 1 instead of 2 fields"),
    (FULL + "dog.png, \n", r"line 6: the caption of 'dog\.png' is empty"),
    (FULL + "dog.png,🐶\n", r"line 6: the caption of 'dog\.png' holds no word \('🐶'\), so nothing can be learned"),
    (FULL + "dog.png,!?…\n", r"line 6: the caption of 'dog\.png' holds no word"),
    ("file,caption\ndog.png,a dog\n", r"captions\.csv has no caption for cat\.png, more/owl\.png\."),
    ("file,caption\ndog.png," + "x" * 200_000 + "\n", r"captions\.csv is not a CSV file: field larger than"),
])  # fmt: skip
def test_tables_that_do_not_fit_are_named(text, message, three):
    with pytest.raises(ValueError, match=message):
        folder.load(three, 8, captions=table(three, text))


def test_a_table_in_another_encoding_or_missing_is_named(three):
    with pytest.raises(ValueError, match=r"captions\.csv is not in UTF-8"):
        folder.load(three, 8, captions=table(three, FULL, "latin-1"))
    with pytest.raises(FileNotFoundError, match=r"There is no file of captions '.*none\.csv'"):
        folder.load(three, 8, captions=three / "none.csv")


def damage(path):
    """Write a picture and cut its file in half."""
    write(path, RNG.integers(0, 256, (99, 99, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def damaged(three):
    damage(three / "big.png")
    (three / "empty.jpg").write_bytes(b"")
    (three / "text.gif").write_text("no picture")
    return three


WHY = r"big\.png \(it is damaged: .+\), empty\.jpg \(the file is empty\), text\.gif \(it is not a picture in a known format, .+\)"


def test_broken_files_are_refused_by_name_with_the_reason(damaged):
    with pytest.raises(ValueError, match=rf"^These pictures cannot be read: {WHY}; broken='skip' leaves them out\.$"):
        folder.load(damaged, 8)


def test_broken_files_are_skipped_by_name_with_the_reason(damaged):
    rows = "".join(f"{name},words\n" for name in ("big.png", "empty.jpg", "text.gif"))
    for captions in (None, table(damaged, FULL + rows)):
        with pytest.warns(UserWarning, match=rf"^These pictures cannot be read and are left out: {WHY}\.$"):
            images, said, names = folder.load(damaged, 8, captions=captions, broken="skip")
        assert names == ["cat.png", "dog.png", "more/owl.png"] and len(images) == len(said) == 3


@pytest.mark.parametrize("ending", folder.ENDINGS)
def test_half_a_file_is_refused_in_every_format(ending, tmp_path):
    damage(tmp_path / f"a{ending}")
    with pytest.raises(ValueError, match=rf"cannot be read: a{ending} \(it is damaged: \w.+\);"):
        folder.load(tmp_path, 8)


def refused_files():
    """What a file holds, and why it is refused."""
    yield (
        "a.tiff",
        Image.fromarray(GREY.astype(np.float32)),
        "its pixels are of the kind F: save it as grey or RGB with 8 or 16 bits",
    )
    yield "a.tiff", Image.new("LAB", (8, 8)), "its pixels are of the kind LAB: save it as grey or RGB"
    yield "a.tiff", Image.fromarray(GREY.astype(np.int32) * 65537), r"its grey values run from \d+ to \d{6,}, beyond 16 bits"
    yield "a.tiff", Image.fromarray(GREY.astype(np.int32) - 256), r"its grey values run from -\d+ to -\d+, beyond 16 bits"
    large = png(GREY[..., None], 8, 0, size=(20_000, 10_000))
    yield "a.png", large, "it has more than 178 megapixels: make it smaller"
    yield "a.png", png(GREY[..., None], 8, 0, size=(0, 0)), "it is not a picture in a known format"
    yield "a.png", "nowhere", "No such file or directory"


@pytest.mark.parametrize("name, content, reason", list(refused_files()))
def test_what_a_file_is_refused_for_is_said(name, content, reason, tmp_path):
    if isinstance(content, str):
        (tmp_path / name).symlink_to(tmp_path / content)
    elif isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        write(tmp_path / name, content)
    with pytest.raises(ValueError, match=rf"cannot be read: {name} \(.*{reason}.*\);"):
        folder.load(tmp_path, 8)


def test_a_large_picture_below_the_limit_is_read_without_a_word(tmp_path, monkeypatch):
    write(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # Pillow warns above this number and refuses above twice as many
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (loaded(tmp_path) == PICTURE).all()


def test_nothing_left_is_an_error(tmp_path):
    for i in range(12):
        (tmp_path / f"a{'x' * i}.png").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"None of the pictures in .* can be read: a\.png \(the file is empty\), .* and 2 more\."
    ):
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
