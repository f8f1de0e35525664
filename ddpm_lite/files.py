"""Where a command writes: whether it can, said before the work begins, and that two do not write in one folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def temporary(path: Path) -> Path:
    """The file beside `path` that is written first. Its name is fixed: what a killed process left is overwritten."""
    return path.with_name(f".{path.name}.tmp")


def check_file(path: Path) -> None:
    """Try whether a file can be written here, so that no work is lost; an OSError says in one sentence why it cannot."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file.")
    try:
        temporary(path).touch()
        temporary(path).unlink()
    except OSError as error:
        raise type(error)(f"{path} cannot be written ({error.strerror}): choose another place.") from error


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Within it the folder is there, made if need be; what was made and is empty at the end is removed again.

    An OSError says in one sentence why it cannot be made.
    """
    try:
        new = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"{folder} cannot be made a folder ({error.strerror}): choose another place.") from error
    try:
        yield
    finally:
        for each in new:
            with suppress(OSError):  # it holds something now
                each.rmdir()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Within it no other process is `alone_in` this folder, which is made if need be (see `made`).

    The operating system holds the lock, and gives it back however the process ends. BlockingIOError if another one is in
    the folder; an OSError says why the folder cannot be written to.
    """
    with made(folder):
        handle, file = _locked(folder), folder / ".lock"
        try:
            yield
        finally:
            # A file that is removed while it is locked cannot be found by the next process; Windows removes none that is open.
            steps = (file.unlink, lambda: os.close(handle))
            for step in steps if os.name == "posix" else reversed(steps):
                with suppress(OSError):
                    step()


def _locked(folder: Path) -> int:
    """A handle of the folder's file .lock, locked."""
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
            return handle  # a file system without locks, as some clusters have: nothing can be known
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), file.stat()):
                return handle
        os.close(handle)  # its last holder has just removed it: take a new one


def _lock(handle: int) -> None:
    """Lock an open file; BlockingIOError or, on Windows, PermissionError if another process has done so."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
