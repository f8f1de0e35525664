"""Words of the command line as numbers, and a parser that refuses them in one sentence."""

import argparse
import math
from collections.abc import Callable

from .errors import Refused


class Parser(argparse.ArgumentParser):
    """A parser whose errors are raised as `Refused`, in one sentence, in place of being printed with the usage."""

    def error(self, message: str):
        """Raise `Refused`: argparse calls this for whatever does not fit."""
        raise Refused(f"{message[0].upper()}{message[1:]}; '{self.prog} --help' says what it takes.")


def whole(least: int, most: int) -> Callable[[str], int]:
    """What makes a whole number of this range of a word; argparse.ArgumentTypeError for any other word."""

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
    """What makes a number of this range of a word, its ends included; argparse.ArgumentTypeError for any other word."""

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
