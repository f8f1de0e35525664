"""Where a command writes: errors are raised before the work begins, and two trainings never share a folder."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def temporary(path: Path) -> Path:
    """The file beside `path` that is written first. Its name is fixed, so a file left by a killed process is overwritten."""
    return path.with_name(f".{path.name}.tmp")


def check_file(path: Path) -> None:
    """Check that a file can be written here before any work is done; an OSError says in one sentence why it cannot."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file.")
    try:
        temporary(path).touch()
        temporary(path).unlink()
    except OSError as error:
        raise type(error)(f"{path} cannot be written ({error.strerror}): choose another place.") from error


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """A context in which the folder exists, created if necessary; new folders that are empty at the end are removed again.

    An OSError says in one sentence why it cannot be created.
    """
    try:
        new = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"{folder} cannot be created as a folder ({error.strerror}): choose another place.") from error
    try:
        yield
    finally:
        for each in new:
            with suppress(OSError):  # it is not empty
                each.rmdir()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """A context that one process at a time can enter for a folder, which is created if necessary (see `made`).

    The operating system holds the lock, and releases it however the process ends. BlockingIOError if another one is in
    the folder; an OSError says why the folder cannot be written to.
    """
    with made(folder):
        handle, file = _locked(folder), folder / ".lock"
        try:
            yield
        finally:
            # Removed while it is locked, the file cannot be found by the next process; Windows cannot remove an open file.
            steps = (file.unlink, lambda: os.close(handle))
            for step in steps if os.name == "posix" else reversed(steps):
                with suppress(OSError):
                    step()


def _locked(folder: Path) -> int:
    """A locked handle of the folder's file .lock."""
    file = folder / ".lock"
    while True:
        try:
            handle = os.open(file, os.O_CREAT | os.O_RDWR)
        except OSError as error:
            raise type(error)(f"{folder} cannot be written to ({error.strerror}): choose another folder.") from error
        try:
            _lock(handle)
        except (BlockingIOError, PermissionError):
            os.close(handle)
            raise BlockingIOError(
                f"Another process is training in {folder}: wait until it ends, or choose another folder."
            ) from None
        except OSError:
            return handle  # a file system without locks, as on some clusters: nothing can be checked
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), file.stat()):
                return handle
        os.close(handle)  # its last holder has just removed it: take a new one


def _lock(handle: int) -> None:
    """Lock an open file; BlockingIOError or, on Windows, PermissionError if another process has done so."""
    try:
        import fcntl
    except ImportError:
        msvcrt: Any = importlib.import_module("msvcrt")  # its types are known on Windows only
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
