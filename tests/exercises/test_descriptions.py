"""What a check says of wrong numbers that no misconception names: what can be seen in them."""

import random

import pytest
import torch
from test_exercises import MUTANTS, WRITTEN, made

from ddpm_lite.exercises.kit.describing import describe, describe_parts
from ddpm_lite.exercises.kit.exercise import Exercise, write
from ddpm_lite.maths.schedule import Schedule

pytestmark = [pytest.mark.usefixtures("unchecked"), pytest.mark.filterwarnings("ignore::SyntaxWarning")]  # 1(x) in a mutant
SHARE = 0.85  # of the mutants whose cause is named: 0.96 of all 2,519 with one slip, as bench/causes.py counts


def right(x, y, t, schedule):
    a = schedule.alpha_bar[t][:, None]
    return a.sqrt() * x + (1 - a).sqrt() * y


def a_of(schedule, t):
    return schedule.alpha_bar[t][:, None]


@pytest.fixture
def cases(g):
    def case(n):
        schedule = Schedule.from_beta(0.05 + 0.3 * torch.rand(9, generator=g, dtype=torch.float64))
        x, y = (torch.randn(n, 12, generator=g, dtype=torch.float64) for _ in range(2))
        return x, y, torch.randint(2, 9, (n,), generator=g), schedule

    return [case(4), case(5)]


WRONG = {
    "`x` and `y` exchanged": lambda x, y, t, s: right(y, x, t, s),
    "`-y` in the place of `y`": lambda x, y, t, s: right(x, -y, t, s),
    "with 0 in the place of `y`": lambda x, y, t, s: a_of(s, t).sqrt() * x,
    "`t - 1` in the place of `t`": lambda x, y, t, s: right(x, y, t - 1, s),
    "all have the first `t`": lambda x, y, t, s: right(x, y, t[:1].expand(len(t)), s),
    "the root of `beta` in the place": lambda x, y, t, s: right(x, y, t, Schedule.from_beta(s.beta[1:].sqrt())),
    "wrong sign": lambda x, y, t, s: -right(x, y, t, s),
    "the square of what": lambda x, y, t, s: right(x, y, t, s) ** 2,
    "is 2 times what": lambda x, y, t, s: 2 * right(x, y, t, s),
    "is alpha_bar[t] times what": lambda x, y, t, s: a_of(s, t) * right(x, y, t, s),
    "is the root of 1 - alpha_bar[t] times": lambda x, y, t, s: (1 - a_of(s, t)).sqrt() * right(x, y, t, s),
    "the wrong way round": lambda x, y, t, s: right(x, y, t, s).flip(1),
    "one place too late on axis 1": lambda x, y, t, s: right(x, y, t, s).roll(1, 1),
    "too large by 3": lambda x, y, t, s: right(x, y, t, s) + 3,
    "too small by 3": lambda x, y, t, s: right(x, y, t, s) - 3,
    "the factor of `y`: that of the rest is right": lambda x, y, t, s: a_of(s, t).sqrt() * x + (1 - a_of(s, t)) * y,
    "the factor of `x` and at that of `y`.": lambda x, y, t, s: a_of(s, t) * x + (1 - a_of(s, t)) * y,
    "not a sum of multiples": lambda x, y, t, s: right(x, y, t, s) + x * y,
    "All numbers of the result are the same": lambda x, y, t, s: right(x, y, t, s).mean().expand(x.shape),
    "Only the first entry of axis 1 is wrong": lambda x, y, t, s: torch.cat([x[:, :1] ** 3, right(x, y, t, s)[:, 1:]], 1),
}


@pytest.mark.parametrize("says", WRONG)
def test_what_is_seen_in_wrong_numbers_is_said(says, cases):
    results, wants = ([f(*case) for case in cases] for f in (WRONG[says], right))
    names = ["x", "y", "t", "schedule"]
    assert says in (describe(results, wants, names, cases, right) or describe_parts(results, wants, names, cases) or "")


def test_nothing_is_said_where_nothing_is_seen(cases, g):
    wants = [right(*case) for case in cases]
    nan = [want * torch.nan for want in wants]
    short = [want[:, :3] for want in wants]
    for results in (nan, short, [None, None]):
        assert describe(results, wants, ["x", "y", "t", "schedule"], cases, right) is None
        assert describe_parts(results, wants, ["x", "y", "t", "schedule"], cases) is None


def test_a_change_that_gives_no_number_agrees_with_nothing(g):
    """1 / 0 is infinite, and must not be taken for whatever stands there."""
    want = torch.cat([torch.zeros(1), 2 + torch.rand(6, generator=g)]).double()
    assert describe([want.cos() * 3], [want], ["x"], [[want]], lambda x: x) is None


def mixed(x, y, t, schedule):
    """The same, as an exercise's reference."""
    a = schedule.alpha_bar[t][:, None]
    return a.sqrt() * x + (1 - a).sqrt() * y


SLIPPED = {
    "a sign were wrong, before the part with `alpha_bar` and `y`.": lambda x, y, a: a.sqrt() * x - (1 - a).sqrt() * y,
    "the root of the part with `alpha_bar` were missing.": lambda x, y, a: a.sqrt() * x + (1 - a) * y,
    "the part with `alpha_bar` were divided by `x`, not multiplied.": lambda x, y, a: a.sqrt() / x + (1 - a).sqrt() * y,
    "the part with `alpha_bar` and `y` were not added.": lambda x, y, a: a.sqrt() * x,
    "the part with `alpha_bar` were missing: only `y` is left.": lambda x, y, a: a.sqrt() * x + y,
    "2 stood where 1 belongs.": lambda x, y, a: a.sqrt() * x + (2 - a).sqrt() * y,
    "the index `t - 1` stood where `t` belongs, at the part with `alpha_bar`.": None,
}


@pytest.mark.parametrize("says", SLIPPED)
def test_a_slip_in_the_solution_is_named_by_its_inputs(says, cases, monkeypatch):
    monkeypatch.setattr(Exercise, "all", {})
    about = {"number": "9.1", "title": "Mix", "line": "L1", "question": "How?", "hints": ["Look."]}
    exercise = write(lambda g: [("points", *case) for case in cases], **about)(mixed)

    def answer(x, y, t, schedule):
        if SLIPPED[says] is None:
            return right(x, y, t - 1, schedule)
        return SLIPPED[says](x, y, schedule.alpha_bar[t][:, None])

    report = exercise.check(answer)
    assert report.state == "wrong" and f"It comes out as if {says}" in report.says, report.says


def test_two_misconceptions_at_once_are_both_named(cases, monkeypatch):
    monkeypatch.setattr(Exercise, "all", {})
    about = {"number": "9.1", "title": "Mix", "line": "L1", "question": "How?", "hints": ["Look."]}
    exercise = write(lambda g: [("points", *case) for case in cases], **about)(mixed)
    exercise.wrong("The noise has its variance.")(lambda x, y, t, s: a_of(s, t).sqrt() * x + (1 - a_of(s, t)) * y)
    exercise.wrong("The picture is cubed.")(lambda x, y, t, s: a_of(s, t).sqrt() * x**3 + (1 - a_of(s, t)).sqrt() * y)
    exercise.wrong("All is doubled.")(lambda x, y, t, s: 2 * right(x, y, t, s))
    for answer, first, second in (
        (
            lambda x, y, t, s: a_of(s, t).sqrt() * x**3 + (1 - a_of(s, t)) * y,
            "The noise has its variance.",
            "The picture is cubed.",
        ),
        (
            lambda x, y, t, s: 2 * a_of(s, t).sqrt() * x**3 + 2 * (1 - a_of(s, t)).sqrt() * y,
            "The picture is cubed.",
            "All is doubled.",
        ),
    ):
        report = exercise.check(answer)
        assert report.state == "wrong" and f"two mistakes were made at once. {first} {second}" in report.says


def test_a_reference_without_a_source_has_no_slips(monkeypatch):
    monkeypatch.setattr(Exercise, "all", {})
    about = {"number": "9.1", "title": "Double", "line": "L1", "question": "How?", "hints": ["Add."]}
    exec("def twice(x):\n    return x + x", space := dict(globals()))
    exercise = write(lambda g: [("numbers", torch.randn(3, generator=g))], **about)(space["twice"])
    assert "Each number is 1.5 times what it should be." in exercise.check(lambda x: 3 * x).says


def test_the_cause_of_most_mutants_is_named():
    chosen, named, unlisted = random.Random(0), 0, 0
    for exercise in WRITTEN:
        for source in chosen.sample(MUTANTS[exercise.number], min(6, len(MUTANTS[exercise.number]))):
            report = exercise.check(made(exercise, source))
            assert "cannot be examined" not in report.says, source
            if report.state in ("right", "misconception", "not attempted"):
                continue
            says = [line for line in report.says.split("\n") if not line.startswith(("It is right for", "With "))]
            unlisted += 1
            named += not says[0].startswith(("Expected", "Of the")) or len(says) > 1
    assert named >= SHARE * unlisted
