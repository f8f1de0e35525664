"""Turns words of the command line into numbers; what does not fit is refused in one sentence."""

import argparse
import math
from collections.abc import Callable
from typing import NoReturn

from .errors import Refused


class Parser(argparse.ArgumentParser):
    """A parser whose errors are raised as `Refused`, in one sentence, instead of being printed with the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise `Refused`: argparse calls this for any argument that does not fit."""
        raise Refused(f"{message[0].upper()}{message[1:]}; '{self.prog} --help' says what it takes.")


def whole(least: int, most: int) -> Callable[[str], int]:
    """A function from a word to a whole number in this range; argparse.ArgumentTypeError for any other word."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from {least} to {most:,}")
        return value

    return number


def real(least: float, most: float) -> Callable[[str], float]:
    """A function from a word to a number in this range, ends included; argparse.ArgumentTypeError for any other word."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number from {least:g} to {most:g}")
        return value

    return number


LAST_SEED = 2**63 - 1  # what torch's generators take on every device
SEED = whole(0, LAST_SEED)
MINUTES = real(0.001, 1e6)
