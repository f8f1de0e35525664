"""Every command with bad input: one sentence that is the package's own, exit code 2, nothing left behind."""

import ast
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from ddpm_lite import __main__ as cli
from ddpm_lite.models import trained
from ddpm_lite.models.kinds import MODELS
from ddpm_lite.models.unclip import Chain


def png(width, height):
    """A PNG of any size whose pixels are missing."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b""))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with bad files, in which nothing is ever drawn, trained or started."""
    drawing = [(kind, ("draw",)) for kind in set(MODELS.values()) if hasattr(kind, "draw")]
    for owner, names in (*drawing, (Chain, ("draw", "variations"))):
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
    (tmp_path / "run" / trained.CHECKPOINT).write_bytes(b"")
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
train digits --out text.png --steps 1|cannot be created as a folder
train digits --out text.png/a --steps 1|cannot be created as a folder
train digits --out run --steps 1 --resume|damaged
train cats --out new|There is no model 'cats'
train folder --out new|give --data DIR
train folder --out new --data nowhere|no folder
train folder --out new --data pictures|more than 178 megapixels
train folder --out new --data books|holds no pictures
sample|required
sample cats|There is no model or folder
sample digits cat|draws by label
sample digits -n 0|is not a whole number from 1
sample digits -n 1000000000000|is not a whole number from 1
sample digits --seed 9223372036854775808|is not a whole number from 0
sample digits --seed -1|is not a whole number from 0
sample digits --method midpoint|invalid choice
sample digits -o folder.png|is a folder
sample digits -o nowhere/a.png|no folder
sample digits -o a.gif|must end in .png
sample upsampler-emoji cat|'sample emoji' draws and enlarges
sample clip-shapes cat|does not draw pictures
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
score cats|There is no model or folder
score emoji|stands for glide-emoji
score run|damaged
score digits --seed 9223372036854775808|is not a whole number from 0
score digits --release|is not from a run
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


GOOD = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
CODE = {"cell_type": "code", "id": "a", "metadata": {}, "source": "1", "execution_count": None, "outputs": []}
SHOWN = {"output_type": "display_data", "data": {}, "metadata": {}}
STATE, VIEW = "application/vnd.jupyter.widget-state+json", "application/vnd.jupyter.widget-view+json"


def cell(**changes):
    return {**GOOD, "cells": [{**CODE, **changes}]}


def shown(**data):
    return cell(outputs=[{**SHOWN, "data": data}])


NO_NOTEBOOKS = [b"", b"\xff\xfe", b"{", b"[" * 10**5, b"null", b"3", b'"a"', b"[]", b"{}", b'{"cells": []}', b'{"nbformat": "4"}']
NO_NOTEBOOKS += [
    json.dumps(each).encode()
    for each in (
        {"nbformat": 4},
        {**GOOD, "nbformat": 99},
        {**GOOD, "nbformat": -1},
        {**GOOD, "cells": 3},
        {**GOOD, "cells": [3]},
        {**GOOD, "cells": [{}]},
        {**GOOD, "metadata": []},
        cell(cell_type="music"),
        cell(source=3),
        cell(outputs=[3]),
        cell(outputs=[{"output_type": "display_data"}]),
        cell(metadata=None),
    )
]
ODD = [  # notebooks, of which no page can be made
    cell(metadata={"slideshow": "slide"}),
    shown(**{"image/png": "no base64"}),
    shown(**{"image/png": 3}),
    shown(**{"text/plain": 3}),
    shown(**{VIEW: "view"}),
    cell(source="\ud800", cell_type="code"),
    {
        **shown(**{VIEW: {"model_id": "m"}}),
        "metadata": {"widgets": {STATE: {"state": {"m": {"state": {"_esm": 1}, "buffers": [1]}}}}},
    },
    {**shown(**{VIEW: {"model_id": "m"}}), "metadata": {"widgets": []}},
]


@pytest.mark.parametrize(
    "data", [*NO_NOTEBOOKS, *(json.dumps(each).encode() for each in ODD)], ids=range(len(NO_NOTEBOOKS + ODD))
)
def test_what_is_no_notebook_is_named_and_no_page_is_written(data, here, capsys):
    (here / "books" / "a.ipynb").write_bytes(data)
    for command in ("site", "nbgrader"):
        code = cli.main([command, "--out", "new/deep", "--notebooks", "books"])
        out, err = capsys.readouterr()
        if command == "site" and code == 0:  # a page can be made of it after all
            assert data not in NO_NOTEBOOKS and out and not err
            continue
        assert code == 2 and out == "" and err.count("\n") == 1 and err.endswith(".\n") and "Unexpected" not in err, err
        assert "a.ipynb" in err or "with exercises in books" in err
        assert not (here / "new").exists()


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
        assert "There is not enough memory: close other programs" in capsys.readouterr().err


def test_a_compiler_that_does_not_work_is_said(monkeypatch, capsys):
    from torch._inductor.exc import InductorError

    def fail(args):
        raise InductorError(RuntimeError("no compiler"), None)

    monkeypatch.setitem(cli.COMMANDS, "lab", fail)
    assert cli.main(["lab"]) == 2
    assert capsys.readouterr().err == "ddpm_lite: torch.compile does not work here (InductorError): leave --compile out.\n"


def test_every_error_of_the_package_is_a_sentence():
    """An error that does not end with a full stop counts as unexpected, and sends the user to --debug."""
    found = 0
    for file in Path(cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                said, name = node.exc.args[0], getattr(node.exc.func, "id", "")
                parts = said.values if isinstance(said, ast.JoinedStr) else [said]
                if name in ("ValueError", "TypeError", "FileNotFoundError", "Refused", "Stopped") and parts:
                    words = getattr(parts[-1], "value", None)
                    if isinstance(words, str) and file.name not in REASONS:
                        found += 1
                        assert words.endswith("."), (file, node.lineno, words)
    assert found > 100


REASONS = {"folder.py", "notebooks.py"}  # some of theirs are reasons, which stand in a sentence of their caller


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_an_output_that_cannot_be_written_is_one_line():
    command = [sys.executable, "-m", "ddpm_lite", "score", "digits-classifier", "--device", "cpu"]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (2, "ddpm_lite: No space left on device.\n")


def test_progress_and_scores_show_in_cp1252(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-m", "ddpm_lite", "train", "digits-classifier", "--out", "ü文", "--steps", "2", "--device", "cpu"]
    ended = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True)
    assert ended.returncode == 0, ended.stderr
    assert "saved in ü\\u6587" in ended.stdout.decode("cp1252") and b"pictures/s" in ended.stderr


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
        if "ddpm_lite.machine.interrupt" in line:
            break
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and "Traceback" not in err and err.endswith("ddpm_lite: Interrupted.\n")
