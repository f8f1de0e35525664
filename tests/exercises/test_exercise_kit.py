"""The kit of the exercises: whatever a student's function does, `check` says something true about it, and never raises."""

import _thread
import functools
import itertools
import math
import queue
import random
import re
import sys
import time
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

import ddpm_lite
from ddpm_lite import q_sample
from ddpm_lite.exercises.kit import calling
from ddpm_lite.exercises.kit.asking import Answer, Prediction
from ddpm_lite.exercises.kit.comparing import difference, plain, same
from ddpm_lite.exercises.kit.exercise import Exercise, write
from ddpm_lite.exercises.kit.report import STATES, Report
from ddpm_lite.maths import gaussian
from ddpm_lite.maths.schedule import Schedule

pytestmark = pytest.mark.usefixtures("unchecked")
SCHEDULE = Schedule.linear(20, 0.02, 0.5)
ABOUT = {"title": "A test", "line": "L12", "question": "How?", "hints": ["Think of `eps`.", "Look again."]}


def of(table, x):
    return table.reshape(-1, *[1] * (x.ndim - 1))


def noised(g):
    cases = []
    for label, shape in (
        ("pictures", (4, 1, 8, 8)),
        ("pictures", (6, 1, 6, 6)),
        ("points", (5, 2)),
        ("points", (3, 2)),
        ("a batch of one", (1, 1, 8, 8)),
    ):
        x0, eps = (torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(2))
        cases.append((label, x0, torch.randint(1, 21, shape[:1], generator=g), eps, SCHEDULE))
    return cases


def jump(x0, t, eps, schedule):
    """Each item has its own t, so its own weights, and these must be stretched over it."""
    a = schedule.alpha_bar[t].reshape(-1, *[1] * (x0.ndim - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def registered(make):
    """What `make` makes, with all that is left of it in the list of the course's exercises taken out again."""
    before = dict(Exercise.all)
    try:
        return make()
    finally:
        Exercise.all.clear()
        Exercise.all.update(before)


JUMP = registered(lambda: write(noised, number="99.1", package=(gaussian.q_sample,), **ABOUT)(jump))


def numbers_and_ones(n, scale):
    return torch.arange(n), scale * torch.ones(n, dtype=torch.float64)


PAIR = registered(lambda: write(lambda g: [("pairs", 3, 2.0), ("pairs", 5, 0.5)], number="99.2", **ABOUT)(numbers_and_ones))


@JUMP.wrong("The root is missing.")
def rootless(x0, t, eps, schedule):
    a = of(schedule.alpha_bar[t], x0)
    return a.sqrt() * x0 + (1 - a) * eps


def right(x0, t, eps, schedule):
    a = of(schedule.alpha_bar[t], x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


# What students write that is no formula of its own: each answer, the state that it gets, and what is said of it.


def raises(error):
    def answer(x0, t, eps, schedule):
        raise error

    return answer


def forgets_to_return(x0, t, eps, schedule):
    right(x0, t, eps, schedule)


def returns_nothing_for_points(x0, t, eps, schedule):
    if x0.ndim == 4:
        return right(x0, t, eps, schedule)


def asks_torch_for_what_it_lacks(x0, t, eps, schedule):
    return t.softmax(0)  # of whole numbers: torch raises NotImplementedError


def only_pictures(x0, t, eps, schedule):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def only_a_batch_of_four(x0, t, eps, schedule):
    a = schedule.alpha_bar[t].reshape(4, *[1] * (x0.ndim - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def flat_coefficients(x0, t, eps, schedule):
    a = schedule.alpha_bar[t]
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def broadcast_by_accident(x0, t, eps, schedule):
    a = schedule.alpha_bar[t].reshape(-1, *[1] * x0.ndim)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def in_place(x0, t, eps, schedule):
    eps *= 2
    return right(x0, t, eps / 2, schedule)


def in_place_in_the_schedule(x0, t, eps, schedule):
    schedule.alpha_bar[0] = 0.5
    return right(x0, t, eps, schedule)


DRAWN = itertools.count()


def counts(x0, t, eps, schedule):
    return right(x0, t, eps, schedule) + next(DRAWN)


def draws(x0, t, eps, schedule):
    return right(x0, t, torch.randn_like(eps), schedule)


def draws_a_whole_number(n, scale):
    return torch.arange(n) + random.randrange(10**9), torch.ones(n)


BUFFER = torch.zeros(4, 1, 8, 8, dtype=torch.float64)


def one_buffer(x0, t, eps, schedule):
    return BUFFER.resize_(x0.shape).copy_(right(x0, t, eps, schedule))


def calls_the_package(x0, t, eps, schedule):
    return ddpm_lite.q_sample(x0, t, eps, schedule)


def calls_it_and_fails(x0, t, eps, schedule):
    return q_sample(x0, t, eps, schedule)[0, 0, 0, 0]


def calls_the_reference(x0, t, eps, schedule):
    return JUMP.reference(x0, t, eps, schedule)


def never_ends(x0, t, eps, schedule):
    while True:
        pass


def never_ends_in_one_line(x0, t, eps, schedule):
    while True: pass  # fmt: skip  # noqa: E701


def never_ends_and_catches(x0, t, eps, schedule):
    while True:
        try:
            right(x0, t, eps, schedule)
        except Exception:
            pass


ROUNDS = itertools.count()


def never_ends_and_catches_all(x0, t, eps, schedule):
    while True:
        try:
            right(x0, t, eps, schedule)
            print(next(ROUNDS))
        except:  # noqa: E722
            pass


def never_ends_elsewhere(x0, t, eps, schedule):
    return any(iter(queue.Queue().full, True))


def sleeps(x0, t, eps, schedule):
    time.sleep(3)


def asks(x0, t, eps, schedule):
    return right(x0, t, eps, schedule) * float(input("factor?"))


def recurses(x0, t, eps, schedule):
    return recurses(x0, t, eps, schedule)


def yields(x0, t, eps, schedule):
    yield right(x0, t, eps, schedule)


def two_lines_on(x0, t, eps, schedule):
    a = of(schedule.alpha_bar[t], x0)

    return sqrt(a) * x0


class Network(nn.Module):
    def forward(self, x0, t, eps, schedule):
        return self.missing


class Odd:
    """Neither numbers nor willing to become some."""

    def __array__(self, *args, **kwargs):
        return 1 / 0

    def __len__(self):
        return -1


class Silent(Exception):
    def __str__(self):
        raise self


def returns(value):
    return lambda x0, t, eps, schedule: value


def result(change):
    return lambda x0, t, eps, schedule: change(right(x0, t, eps, schedule))


NO_RETURN = "It returned None. If you have written it, a return is missing."
SAID = {
    "a stub": (raises(NotImplementedError), "not attempted", "The rest of the notebook does not need it."),
    "a stub with a word": (raises(NotImplementedError("later")), "not attempted", "The rest of the notebook"),
    "dots": (returns(...), "not attempted", "The rest of the notebook does not need it."),
    "no return": (forgets_to_return, "not attempted", NO_RETURN),
    "no return for points": (returns_nothing_for_points, "partly", "None: is there a path through it without a return?"),
    "torch's NotImplementedError": (asks_torch_for_what_it_lacks, "stopped", "Your code raised NotImplementedError: \"softmax"),
    "a network without a forward": (nn.Module(), "stopped", 'is missing the required "forward" function'),
    "no function": (torch.ones(3), "wrong", "The answer must be a function of (x0, t, eps, schedule), not a Tensor."),
    "a class": (Network, "wrong", "The answer must be a function of (x0, t, eps, schedule), not a class."),
    "too few parameters": (lambda x0, t, eps: x0, "stopped", "(x0, t, eps, schedule), but your function takes (x0, t, eps)."),
    "a mandatory keyword": (lambda x0, t, eps, schedule, *, s: x0, "stopped", "your function takes (x0, t, eps, schedule, s)."),
    "another order": (lambda x0, eps, t, schedule: x0, "stopped", "your function takes them as (x0, eps, t, schedule)."),
    "an error": (two_lines_on, "stopped", "NameError: name 'sqrt' is not defined. The error is in line "),
    "an error without a word": (raises(ValueError), "stopped", "Your code raised ValueError: without a message."),
    "an error that cannot be told": (raises(Silent()), "stopped", "Your code raised Silent: without a message."),
    "an error of many words": (raises(ValueError("word " * 10_000)), "stopped", "word ... The error is in line"),
    "an exit": (lambda x0, t, eps, schedule: sys.exit(3), "stopped", "Your code raised SystemExit: 3. The error is in line"),
    "an interrupt": (raises(KeyboardInterrupt), "stopped", "Your code raised KeyboardInterrupt"),
    "recursion": (recurses, "stopped", "Your code raised RecursionError"),
    "a network": (Network(), "stopped", "has no attribute 'missing'. The error is in line"),
    "a partial": (functools.partial(lambda x0, t, eps, schedule: x0.miss), "stopped", "The error is in line"),
    "pictures only": (only_pictures, "partly", "It is right for pictures, a batch of one, but not for points."),
    "a batch of four": (only_a_batch_of_four, "stopped", "Is one of its sizes written into the code?"),
    "flat coefficients": (flat_coefficients, "stopped", "of shape (4,), must become (4, 1, 1, 1) to multiply"),
    "broadcast": (broadcast_by_accident, "wrong", "it should have (4, 1, 8, 8). Most likely two shapes were stretched"),
    "in place": (in_place, "wrong", "It changes its input eps in place"),
    "in place in a table": (in_place_in_the_schedule, "wrong", "It changes its input schedule in place"),
    "a counter outside": (counts, "wrong", "Called twice with the same input, it gives two answers."),
    "a draw": (draws, "wrong", "Called twice with the same input, it gives two answers."),
    "a buffer outside": (one_buffer, "right", "Compared with the reference in 5 random cases: pictures, points, a batch of one."),
    "the package": (calls_the_package, "wrong", "It calls the package's own q_sample."),
    "the package by import": (q_sample, "wrong", "It calls the package's own q_sample."),
    "the package in a partial": (functools.partial(q_sample), "wrong", "It calls the package's own q_sample."),
    "the package, and wrong": (calls_it_and_fails, "wrong", "That function is right, but here you should write it yourself."),
    "the reference": (calls_the_reference, "wrong", "It calls the package's own jump."),
    "never ending": (never_ends, "stopped", "It was not finished after 0.3 seconds."),
    "never ending in a line": (never_ends_in_one_line, "stopped", "It was not finished after 0.3 seconds."),
    "never ending, catching": (never_ends_and_catches, "stopped", "or does it wait for something?"),
    "never ending, catching all": (never_ends_and_catches_all, "stopped", "It was not finished after 0.3 seconds."),
    "sleeping": (sleeps, "stopped", "It is still running: restart the kernel to end it."),
    "input": (asks, "stopped", "Your code raised"),
    "a generator": (yields, "wrong", "it returned a generator: is there a yield in place of a return?"),
    "a function": (lambda *a: lambda: right(*a), "wrong", "it returned a function: are the brackets of a call missing?"),
    "a method": (lambda x0, t, eps, schedule: x0.mean, "wrong", "are the brackets of a call missing?"),
    "a dict": (returns({}), "wrong", "It must return numbers, as a tensor; it returned a dict."),
    "text": (returns("0.5"), "wrong", "It must return numbers, as a tensor; it returned a str."),
    "what resists": (returns(Odd()), "wrong", "It must return numbers, as a tensor; it returned an Odd."),
    "a tuple": (result(lambda x: (x,)), "wrong", "a tuple of 1. Is there a comma at the end of the line?"),
    "two": (result(lambda x: (x, x)), "wrong", "It must return one value; it returned a tuple of 2."),
    "unequal parts": (returns([torch.ones(2), torch.ones(3)]), "wrong", "a list of 2 things that do not make one tensor"),
    "nan": (result(lambda x: x.log()), "wrong", "Its result is NaN at ["),
    "infinite": (result(lambda x: x / 0), "wrong", "Its result is infinite at [0, 0, 0, 0]"),
    "complex": (result(lambda x: x + 0j), "wrong", "Its result is complex."),
    "boolean": (result(lambda x: x > 0), "wrong", "Its result is boolean, true or false."),
    "whole numbers": (result(lambda x: x.long()), "wrong", "Its result holds whole numbers (int64)"),
    "a number": (result(lambda x: float(x.mean())), "wrong", "it should have (4, 1, 8, 8). Was something summed or averaged"),
    "one row less": (result(lambda x: x[1:]), "wrong", "That is one entry too few."),
    "flattened": (result(lambda x: x.reshape(-1)), "wrong", "The count is right, but the numbers are arranged differently."),
    "on no device": (result(lambda x: x.to("meta")), "wrong", "on the device meta"),
    "enormous": (result(lambda x: x.sum().expand(10**6, 10**6)), "wrong", "Its result has the shape (1000000, 1000000)"),
    "near": (result(lambda x: x * 1.0001), "wrong", "All are close, but not as close as rounding leaves them"),
    "near in float32": (result(lambda x: (x * 1.0005).float()), "wrong", "All are close"),
    "wrong": (result(lambda x: -x), "wrong", "256 of 256 values differ, by up to "),
    "a slip in float32": (lambda *a: rootless(*a).float(), "misconception", "The root is missing."),
    "a slip in numpy": (lambda *a: rootless(*a).numpy(), "misconception", "The root is missing."),
    "a slip in bfloat16": (lambda *a: rootless(*a).bfloat16(), "misconception", "The root is missing."),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_an_answer_does_is_said(monkeypatch, name):
    if name.startswith(("never", "sleep")):
        monkeypatch.setattr(calling, "SECONDS", 0.3)
    answer, state, says = SAID[name]
    report = JUMP.check(answer)
    assert (report.state, says in report.says) == (state, True), report
    assert name.startswith(("never", "sleep")) or JUMP.check(answer).says == report.says
    monkeypatch.undo()
    assert JUMP.check(right).state == "right"  # nothing of it is left behind


FORMS = {
    "numpy": lambda x: x.numpy(),
    "numpy, back to front twice": lambda x: x.numpy()[::-1][::-1],
    "numpy, of negative strides": lambda x: np.ascontiguousarray(x.numpy()[::-1])[::-1],
    "numpy of 80 bits": lambda x: x.numpy().astype(np.longdouble),
    "numpy of the other byte order": lambda x: x.numpy().astype(">f8"),
    "lists of lists": lambda x: x.tolist(),
    "a list of tensors": list,
    "a list of arrays": lambda x: list(x.numpy()),
    "float32": lambda x: x.float(),
    "numpy of 32 bits": lambda x: x.numpy().astype(np.float32),
    "float16": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "what was float32": lambda x: x.float().double(),
    "sparse": lambda x: x.to_sparse(),
    "a parameter": nn.Parameter,
    "with a graph": lambda x: x * nn.Parameter(torch.ones(())),
    "a view": lambda x: x.repeat_interleave(2, -1)[..., ::2],
}


@pytest.mark.parametrize("form", FORMS)
def test_right_numbers_are_right_in_any_form(form):
    report = JUMP.check(result(FORMS[form]))
    assert report.state == "right", report.says


def test_several_values_are_looked_at_one_by_one():
    n_and_ones = lambda n, scale: (torch.arange(n), scale * torch.ones(n))  # noqa: E731
    for same_values in (lambda x: x, list, lambda x: (x[0].int(), x[1].tolist()), lambda x: (np.arange(len(x[0])), x[1].numpy())):
        assert PAIR.check(lambda n, scale, of=same_values: of(n_and_ones(n, scale))).state == "right"
    said = {
        "values, one after the other; it returned one tensor of shape (3,).": lambda n, scale: torch.arange(n),
        "values, one after the other; it returned 3 of them.": lambda n, scale: (*n_and_ones(n, scale), 0),
        "look at number 2. Expected 2, got 1 at [0]; 3 of 3 values differ": lambda n, scale: (torch.arange(n), torch.ones(n)),
        "look at number 1. It should return whole numbers; its result is float32.": lambda n, scale: torch.stack(
            n_and_ones(n, scale)
        ),
        "Called twice with the same input, it gives two answers.": draws_a_whole_number,
        "look at number 1. Its result has the shape (4,); it should have (3,). That is one entry too many.": (
            lambda n, scale: (torch.arange(n + 1), torch.ones(n))
        ),
    }
    for says, answer in said.items():
        report = PAIR.check(answer)
        assert report.state == "wrong" and says in report.says, report


def test_the_line_is_that_of_the_students_cell(tmp_path):
    source = "def helper(x):\n    return x.nothing\n\ndef my_jump(x0, t, eps, schedule):\n    a = 1\n    return helper(x0)\n"
    cell = tmp_path / "cell.py"  # linecache reads it, as IPython gives it the text of a cell
    cell.write_text(source)
    space = {}
    exec(compile(source, str(cell), "exec"), space)
    assert JUMP.check(space["my_jump"]).says.endswith("The error is in line 2 of the cell: `return x.nothing`")


def test_what_an_answer_prints_comes_out_once_and_shortened(capsys):
    def prints(x0, t, eps, schedule):
        print("shape", tuple(x0.shape))
        return right(x0, t, eps, schedule)

    def prints_on_and_on(x0, t, eps, schedule):
        for i in range(1000):
            print(i)

    assert JUMP.check(prints).state == "right"
    assert capsys.readouterr().out.splitlines()[:2] == ["shape (4, 1, 8, 8)", "shape (6, 1, 6, 6)"]
    JUMP.check(prints_on_and_on)
    out = capsys.readouterr().out.splitlines()
    assert out[:20] == [str(i) for i in range(20)] and out[20:] == ["(980 more lines that your function printed are left out)"]
    assert JUMP.points(prints) == 1 and capsys.readouterr().out == ""


def test_warnings_of_an_answer_are_no_part_of_the_output(recwarn, capsys):
    def warns(x0, t, eps, schedule):
        warnings.warn("mind this", stacklevel=1)
        return x0[:1].var(0) * x0

    assert JUMP.check(warns).state == "wrong" and len(recwarn) == 0 and capsys.readouterr().err == ""


def test_a_kernel_can_be_interrupted_during_a_check_and_the_answer_stops_too():
    def interrupted(x0, t, eps, schedule):
        _thread.interrupt_main()
        while True:
            next(ROUNDS)

    with pytest.raises(KeyboardInterrupt):
        JUMP.check(interrupted)
    before = next(ROUNDS)
    time.sleep(0.2)
    assert next(ROUNDS) == before + 1


class Asked(NotImplementedError):
    """As input() raises it in a notebook that nobody reads."""


def test_a_stub_is_told_from_other_errors_of_its_kind():
    assert "Your code raised Asked: nobody is there. The error is in line" in JUMP.check(raises(Asked("nobody is there"))).says


def test_what_never_ends_is_held_even_where_it_catches_all(monkeypatch, capsys):
    monkeypatch.setattr(calling, "SECONDS", 0.3)
    for answer in (never_ends, never_ends_in_one_line, never_ends_elsewhere, never_ends_and_catches, never_ends_and_catches_all):
        assert "still running" not in JUMP.check(answer).says
    before = next(ROUNDS)
    capsys.readouterr()
    time.sleep(0.3)
    assert next(ROUNDS) == before + 1 and capsys.readouterr().out == ""


def test_hints_come_one_by_one_and_then_are_said_to_be_at_an_end():
    fresh = registered(lambda: Answer(2, {}, "Because.", number="99.3", name="my_number", **ABOUT))
    assert [fresh.hint().says for _ in range(2)] == ABOUT["hints"]
    assert fresh.hint().says == "There is no further hint; solution() shows one way. The last one was: Look again."
    assert fresh.hints_seen == 2


NUMBER = registered(lambda: Answer(0.5, {0.25: "The root is missing."}, "Because.", number="99.4", name="my_number", **ABOUT))
ARRAY = registered(lambda: Answer([1.0, 2.0], {(1.0, 4.0): "Squared."}, "Because.", number="99.5", name="my_array", **ABOUT))
CHOICE = registered(
    lambda: Answer("b", {"a": "No."}, "Yes.", options={"a": "left", "b": "right"}, number="99.6", name="my_letter", **ABOUT)
)


@pytest.mark.parametrize(
    ("exercise", "answer", "state", "says"),
    [
        *((NUMBER, half, "right", "Because.") for half in (0.5, 0.5000001, np.float32(0.5), torch.tensor(0.5), Fraction(1, 2))),
        *((NUMBER, nothing, "not attempted", "The rest of the notebook does not need it.") for nothing in (None, ...)),
        (NUMBER, 0.25, "misconception", "The root is missing."),
        (NUMBER, 7, "wrong", "It is not 7."),
        (NUMBER, True, "wrong", "The answer must be a number, not True."),
        (NUMBER, "0.5", "wrong", "The answer must be a number, not a str."),
        (NUMBER, 0.5 + 1j, "wrong", "The answer must be a number, not 0.5+1j."),
        (NUMBER, math.nan, "wrong", "The answer must be a number, not nan."),
        (NUMBER, [0.5], "wrong", "The answer must be a number, not an array of shape (1,)."),
        (NUMBER, torch.empty((), device="meta"), "wrong", "The answer must be a number, not an array of shape ()."),
        (NUMBER, Odd(), "wrong", "The answer must be a number, not an Odd."),
        (NUMBER, right, "wrong", "The answer must be a number, not a function."),
        (NUMBER, 10**400, "wrong", "The answer must be a number, not an int."),
        *((ARRAY, form, "right", "Because.") for form in ([1, 2], (1.0, 2.0), np.array([1.0, 2.0]), torch.tensor([1.0, 2.0]))),
        (ARRAY, [1, 4], "misconception", "Squared."),
        (ARRAY, [1, 3], "wrong", "These are not the right numbers."),
        (ARRAY, 1, "wrong", "The answer must be an array of shape (2,), not 1."),
        *((CHOICE, letter, "right", "Yes.") for letter in ("b", " B ")),
        (CHOICE, "a", "misconception", "No."),
        *((CHOICE, other, "wrong", "Choose one of 'a', 'b'.") for other in ("c", 1, right, Odd())),
    ],
)
def test_a_number_an_array_and_a_choice(exercise, answer, state, says):
    report = exercise.check(answer)
    assert (report.state, says in report.says) == (state, True), report


@pytest.mark.parametrize("guess", [3, 3.0, np.float32(3), torch.tensor(3.0), Fraction(3)])
def test_a_prediction_is_any_number(guess):
    prediction = registered(lambda: Prediction(3, "Because.", number="99.7", name="my_guess", **ABOUT))
    assert prediction.check(guess).says.startswith("Your prediction is 3.")
    assert prediction.compare(torch.tensor(3.1)).says == "You said 3, and it is 3.1. Because."


@pytest.mark.parametrize(
    ("guess", "what"),
    [
        (True, "True"),
        ("3", "a str"),
        (math.inf, "inf"),
        (10**400, "an int"),
        ([3], "an array of shape (1,)"),
        (right, "a function"),
    ],
)
def test_a_prediction_is_nothing_else(guess, what):
    prediction = registered(lambda: Prediction(3, "Because.", number="99.7", name="my_guess", **ABOUT))
    assert prediction.check(guess) == Report("Exercise 99.7", "wrong", f"The prediction must be a number, not {what}.")
    assert "no prediction" in prediction.compare(3).says


def test_what_is_said_is_words_in_a_terminal_and_a_box_in_a_notebook():
    for state, (mark, words, _) in STATES.items():
        report = Report("Exercise 99.1", state, "Mind `a < b` & c. " * 20 + "\nThen this.")
        text, box = repr(report), report._repr_html_()
        assert text.startswith(f"{mark} Exercise 99.1: {words}. Mind `a < b` & c.") and max(map(len, text.split("\n"))) <= 100
        assert f"{mark} Exercise 99.1: {words}." in box and "<code>a &lt; b</code> &amp; c." in box
        assert text.endswith("\nThen this.") and "<br>Then this." in box
    assert not re.search(r"[<>$\\]", repr(JUMP.hint()) + repr(JUMP.check(rootless)))
    solution = JUMP.solution()
    assert repr(solution).endswith("return a.sqrt() * x0 + (1 - a).sqrt() * eps") and "its own weights" in repr(solution)
    assert repr(JUMP).startswith("Exercise 99.1: A test (L12). Not yet.")


def first_of(kept):
    """The first tensor in what an answer was given."""
    while not isinstance(kept, torch.Tensor):
        kept = kept.alpha_bar if isinstance(kept, Schedule) else next(iter(kept.values() if isinstance(kept, dict) else kept))
    return kept


KEPT = {
    "a tensor": lambda: torch.ones(3),
    "a list": lambda: [torch.ones(3), 2],
    "a tuple": lambda: (torch.ones(3),),
    "a dict": lambda: {"weights": torch.ones(3), "steps": [3, 2, 1]},
    "lists in a dict in a list": lambda: [{"tables": [torch.ones(3)]}],
    "a schedule": lambda: Schedule.linear(2),
    "a schedule in a list": lambda: [Schedule.linear(2)],
}
CHANGES = {
    "a number": lambda kept: first_of(kept).add_(1),
    "an entry more": lambda kept: kept.append(0) if isinstance(kept, list) else kept.update(more=0),
    "an entry less": lambda kept: kept.pop() if isinstance(kept, list) else kept.popitem(),
    "another kind": lambda kept: kept.__setitem__(0 if isinstance(kept, list) else "weights", torch.ones(3).numpy()),
}


def ones(kept, scale):
    return torch.ones(2)


@pytest.mark.parametrize(
    ("what", "how"), [(w, h) for w in KEPT for h in CHANGES if h == "a number" or type(KEPT[w]()) in (list, dict)]
)
def test_each_call_has_its_own_copy_of_every_input_and_a_change_of_it_is_named(what, how):
    seen = []

    def answer(kept, scale):
        seen.append(float(first_of(kept).sum()))
        CHANGES[how](kept)
        return torch.ones(2)

    of_kept = registered(lambda: write(lambda g: [("sets", KEPT[what](), 2.0)] * 2, number="99.8", **ABOUT)(ones))
    report = of_kept.check(answer)
    assert report.state == "wrong" and "It changes its input kept in place" in report.says
    assert seen == [float(first_of(KEPT[what]()).sum())] * 4, "another call's change was seen"


def test_a_network_and_a_generator_are_as_they_were_in_every_call():
    """An answer may train a network and draw: each call begins where the first one began."""
    net = nn.BatchNorm1d(3).train()

    def answer(net, g):
        return net(torch.randn(4, 3, generator=g)).detach() + net.running_mean

    drawn = registered(
        lambda: write(lambda g: [("draws", net, torch.Generator().manual_seed(1))] * 2, number="99.8", **ABOUT)(
            lambda net, g: net(torch.randn(4, 3, generator=g)).detach() + net.running_mean
        )
    )
    assert drawn.check(answer).state == "right" and drawn.check(answer).state == "right" and not net.running_mean.any()


def test_numbers_are_compared_by_size_place_and_precision():
    want = torch.tensor([1.0, 0.0, -1000.0], dtype=torch.float64)
    assert difference(want + 1e-9, want) is None and difference((want * (1 + 1e-5)).float(), want) is None
    assert difference(torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64) + 1e-12) is None
    assert difference(want + torch.tensor([0, 1, 0]), want).startswith(
        "Expected 0, got 1 at [1]; 1 of 3 values differ, by up to 1"
    )
    assert "Expected 1, got 1.00003." in difference(plain(1.00003), plain(1.0))
    assert "close" not in difference(plain(1.01), plain(1.0)) and "close" in difference(plain(1.001), plain(1.0))
    assert same(plain([math.nan, 1.0]), plain([math.nan, 1.0])) and not same(plain([math.nan, 1.0]), plain([1.0, math.nan]))
    assert same(plain([1.0, 2.0]), (plain(1.0), plain(2.0))) and not same(plain([1.0, 2.0]), (plain(1.0), plain(3.0)))
    assert same(plain([math.inf]), plain([math.inf])) and not same(plain([1, 2]), plain([1.0, 2.0]))
