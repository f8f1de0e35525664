"""The files of shipped pictures: arrays in one .npz, the large ones as LZMA streams of bytes."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def opened(file: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """The arrays of a shipped file. ValueError if it, or what is read of it here, is damaged or missing."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{file} is damaged or missing ({error}): install ddpm_lite again.") from error


def compressed(values: np.ndarray) -> np.ndarray:
    """Bytes as the bytes of an LZMA stream."""
    return np.frombuffer(lzma.compress(values.tobytes(), preset=9 | lzma.PRESET_EXTREME), np.uint8)


def expanded(stream: np.ndarray) -> np.ndarray:
    """The bytes that `compressed` was given, in one row."""
    return np.frombuffer(lzma.decompress(stream.tobytes()), np.uint8)
