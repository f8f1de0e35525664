"""Where a command writes: one training per folder, errors before the work begins, and nothing left behind."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ddpm_lite import __main__ as cli
from ddpm_lite.machine import files
from ddpm_lite.models import trained

HOLDER = f"""
import runpy, sys, time
with runpy.run_path({files.__file__!r})["alone_in"](__import__("pathlib").Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


def train(out, *more):
    return cli.main(["train", "digits", "--out", str(out), "--steps", "2", "--device", "cpu", *more])


def test_a_second_training_in_a_folder_is_refused_until_the_first_ends_or_is_killed(tmp_path, capsys):
    out = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", HOLDER, out], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "in\n"
        assert train(out) == 2
        said = capsys.readouterr().err
        assert said == f"ddpm_lite: Another process is training in {out}: wait until it ends, or choose another folder.\n"
        assert os.listdir(out) == [".lock"]
        holder.kill()
    assert train(out) == 0 and os.listdir(out) == [trained.CHECKPOINT]


@pytest.mark.parametrize("windows", [False, True])
def test_who_is_alone_in_a_folder_leaves_only_what_was_written(tmp_path, windows, monkeypatch):
    if windows:  # its module, by the means of this system
        fcntl = pytest.importorskip("fcntl")

        def locking(handle, mode, count):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise PermissionError from error

        monkeypatch.setitem(sys.modules, "fcntl", None)
        monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    deep = tmp_path / "a" / "b"
    with files.alone_in(deep), pytest.raises(BlockingIOError, match="Another process is training in"), files.alone_in(deep):
        pass
    assert os.listdir(tmp_path) == []
    with files.alone_in(deep):
        (deep / "kept").touch()
    assert os.listdir(deep) == ["kept"]


def test_a_lock_whose_file_was_removed_meanwhile_counts_for_nothing(tmp_path, monkeypatch):
    """Between opening the file and locking it, the process that had it ends and removes it."""
    real, taken = files._lock, []

    def lock(handle):
        real(handle)
        taken.append(handle)
        if len(taken) == 1:
            (tmp_path / ".lock").unlink()

    monkeypatch.setattr(files, "_lock", lock)
    with files.alone_in(tmp_path):
        assert len(taken) == 2 and os.path.samestat(os.fstat(taken[1]), (tmp_path / ".lock").stat())


def test_a_file_system_without_locks_is_trained_on(tmp_path, monkeypatch):
    def none(handle):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(files, "_lock", none)
    with files.alone_in(tmp_path / "run"):
        pass
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_written_is_named_and_nothing_is_left(tmp_path):
    (tmp_path / "file").touch()
    for block, out, words in (
        (files.made, "file", r"file cannot be created as a folder \(File exists\): choose another place"),
        (files.made, "file/a", r"file/a cannot be created as a folder \(Not a directory\)"),
        (files.made, "x" * 300, r"x cannot be created as a folder \(File name too long\)"),
        (files.alone_in, "file/a/b", r"file/a/b cannot be created as a folder"),
    ):
        with pytest.raises(OSError, match=words), block(tmp_path / out):
            pass
    for out, words in (
        ("x" * 252, r"x cannot be written \(File name too long\)"),
        ("file/a", r"\(Not a directory\)"),
        (".", "is a folder"),
    ):
        with pytest.raises(OSError, match=words):
            files.check_file(tmp_path / out)
    files.check_file(tmp_path / "new")
    assert os.listdir(tmp_path) == ["file"]
