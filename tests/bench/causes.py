"""How many wrong answers that no misconception names have their cause named? python tests/bench/causes.py

Answers made by machine from the solution of each exercise: with one slip that the kit looks for, with one that it does not know,
and with two slips at once. A cause is named where a check says more than which numbers differ.
"""

import random
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import torch

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "helpers"), str(TESTS / "exercises")]

from slips import mutants  # noqa: E402
from test_exercises import WRITTEN, made  # noqa: E402

from ddpm_lite.exercises.kit.slips import slips  # noqa: E402

PAIRS = 40  # of each exercise


def named(says: str) -> bool:
    """Whether a report says more than the numbers of the first case."""
    lines = [line for line in says.split("\n") if not line.startswith(("It is right for", "It is right with", "With "))]
    return not lines[0].startswith(("Expected", "Of the")) or len(lines) > 1


def main() -> None:
    torch.set_num_threads(1)
    chosen, seconds = random.Random(0), []
    counts: dict[str, Counter] = {}
    for exercise in WRITTEN:
        known = [slip.source for slip in slips(exercise.answer())]
        every = mutants(exercise.answer())
        twice = [chosen.choice(mutants(chosen.choice(every))) for _ in range(PAIRS)]
        for kind, sources in (("one, looked for", known), ("one, unknown", every[len(known) :]), ("two at once", twice)):
            found = counts.setdefault(kind, Counter())
            for source in sources:
                function, start = made(exercise, source), time.perf_counter()
                report = exercise.check(function)
                seconds.append(time.perf_counter() - start)
                if report.state in ("right", "misconception", "not attempted"):
                    found[report.state] += 1
                else:
                    found["named" if named(report.says) else "numbers alone"] += 1
    print(f"{'slips':18s}{'unlisted':>10s}{'named':>8s}   of all: misconceptions, right or unchanged")
    for kind, found in counts.items():
        unlisted = found["named"] + found["numbers alone"]
        rest = found["misconception"], found["right"] + found["not attempted"]
        print(f"{kind:18s}{unlisted:10d}{found['named'] / unlisted:8.2f}   {rest[0]}, {rest[1]}")
    print(f"check(): {statistics.median(seconds):.3f} s at the median, {max(seconds):.2f} s at most")


if __name__ == "__main__":
    main()
