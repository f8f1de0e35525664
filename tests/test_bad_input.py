"""Every command with bad input: one sentence that is the package's own, exit code 2, nothing left behind."""

import io
import os
import signal
import struct
import subprocess
import sys
import time
import zlib

import pytest

from ddpm_lite import __main__ as cli
from ddpm_lite import zoo
from ddpm_lite.chain import Chain


def png(width, height):
    """A PNG of any size whose pixels are missing."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b""))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with bad files, in which nothing is ever drawn, trained or started."""
    for owner, names in ((zoo.Trained, ("draw",)), (Chain, ("draw", "variations"))):
        for name in names:
            monkeypatch.setattr(owner, name, lambda *_, **__: pytest.fail("it was drawn"))
    monkeypatch.chdir(tmp_path)
    for name in ("folder.png", "books", "run", "pictures"):
        (tmp_path / name).mkdir()
    for name, data in (
        ("huge.png", png(20_000, 10_000)),
        ("cut.png", png(8, 8)),
        ("text.png", b"no picture"),
        ("empty.png", b""),
    ):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "books" / "a.ipynb").write_text("{}")
    (tmp_path / "run" / zoo.CHECKPOINT).write_bytes(b"")
    (tmp_path / "pictures" / "huge.png").write_bytes(png(20_000, 10_000))
    return tmp_path


BAD = """
|required
dance|invalid choice
--unknown|required
train|required
train digits --out new --batch-size 100000000000|is not a whole number from 1
train digits --out new --batch-size 0|is not a whole number from 1
train digits --out new --steps x|is not a whole number from 1
train digits --out new --seed 9223372036854775808|is not a whole number from 0
train digits --out new --seed -1|is not a whole number from 0
train digits --out new --minutes 1e999|is not a number from 0.001
train digits --out new --steps 1 --minutes 1|not allowed with
train digits --out new --device cuda:7|no device 'cuda:7'
train digits --out text.png --steps 1|cannot be made a folder
train digits --out text.png/a --steps 1|cannot be made a folder
train digits --out run --steps 1 --resume|damaged
train cats --out new|There is no model 'cats'
train folder --out new|give --data DIR
train folder --out new --data nowhere|no folder
train folder --out new --data pictures|more than 178 megapixels
train folder --out new --data books|holds no pictures
sample|required
sample cats|There is no model and no folder
sample digits cat|draws by label
sample digits -n 0|is not a whole number from 1
sample digits -n 1000000000000|is not a whole number from 1
sample digits --seed 9223372036854775808|is not a whole number from 0
sample digits --seed -1|is not a whole number from 0
sample digits --method euler|invalid choice
sample digits -o folder.png|is a folder
sample digits -o nowhere/a.png|no folder
sample digits -o a.gif|must end in .png
sample upsampler-emoji cat|'sample emoji' draws and enlarges
sample clip-shapes cat|draws nothing
sample folder|--data PICTURES
sample run|damaged
variations|required
variations nowhere.png|no picture
variations books|no picture
variations huge.png|more than 178 megapixels
variations cut.png|cannot be read
variations text.png|cannot be read
variations empty.png|cannot be read
variations text.png --seed 9223372036854775808|is not a whole number from 0
variations text.png --name cats|invalid choice
variations text.png -o folder.png|is a folder
score|required
score cats|There is no model and no folder
score emoji|stands for glide-emoji
score run|damaged
score digits --seed 9223372036854775808|is not a whole number from 0
score digits --ship|header lacks made
lab digits|Unrecognized
site|required
site --out new --notebooks books|is not a notebook
site --out new --notebooks nowhere|no notebooks
site --out text.png --notebooks books|is a file
nbgrader|required
nbgrader --out new --notebooks books|is not a notebook
nbgrader --out new --notebooks nowhere|no notebooks
nbgrader --out run --notebooks books|not an empty folder
"""


@pytest.mark.parametrize("line", BAD.strip("\n").split("\n"))
def test_bad_input_is_one_sentence_and_leaves_nothing(line, here, capsys):
    command, words = line.split("|")
    before = sorted(here.rglob("*"))
    assert cli.main(command.split()) == 2
    out, err = capsys.readouterr()
    *above, last = err.splitlines()
    assert last.startswith("ddpm_lite: ") and last.endswith(".") and words in last and "Unexpected" not in last, err
    assert out == "" and not above and "Traceback" not in err
    assert sorted(here.rglob("*")) == before


def test_an_unexpected_error_is_one_line_that_names_debug(monkeypatch, capsys):
    def fail(args):
        return {}["missing"]

    monkeypatch.setitem(cli.COMMANDS, "lab", fail)
    assert cli.main(["lab"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "Unexpected error (KeyError, test_bad_input.py, line" in err and "--debug" in err
    with pytest.raises(KeyError):
        cli.main(["--debug", "lab"])


def test_memory_that_does_not_suffice_is_said(monkeypatch, capsys):
    import torch

    for fail in (lambda args: torch.empty(2**50), lambda args: torch.empty(2**62)):
        monkeypatch.setitem(cli.COMMANDS, "lab", fail)
        assert cli.main(["lab"]) == 2
        assert "The memory does not suffice: close other programs" in capsys.readouterr().err


def test_a_terminal_of_a_few_letters_shows_everything(monkeypatch):
    for encoding in ("cp1252", "ascii"):
        shown = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", shown)
        monkeypatch.setitem(cli.COMMANDS, "lab", lambda args: print("Fréchet → 文"))
        assert cli.main(["lab"]) == 0
        for command in ([], *([name] for name in cli.COMMANDS)):
            with pytest.raises(SystemExit) as end:
                cli.main([*command, "--help"])
            assert end.value.code == 0
        shown.flush()
        assert b"\\u6587" in shown.buffer.getvalue()


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_while_the_package_is_imported_is_one_line():
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "ddpm_lite", "score", "digits"], stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:  # from here on; the rest takes another second
        if "ddpm_lite.interrupt" in line:
            break
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and "Traceback" not in err and err.endswith("ddpm_lite: Interrupted.\n")
