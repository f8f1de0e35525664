"""The exercises: the reference passes, each slip that students make gets its own sentence, and nothing wrong is accepted.

helpers/answers/ holds, for each notebook, right answers in other forms and the mutants that are proven equal to the reference.
"""

import importlib
import itertools
import re

import pytest
import torch
from slips import mutants

from ddpm_lite.exercises.kit.asking import Answer, Prediction
from ddpm_lite.exercises.kit.comparing import difference, plain, same
from ddpm_lite.exercises.kit.exercise import Exercise, Write
from ddpm_lite.site.citations import PAPER

# The package's shape checks would run in every mutant, for minutes; what the exercises call is checked by its own tests.
pytestmark = [pytest.mark.usefixtures("unchecked"), pytest.mark.filterwarnings("ignore::SyntaxWarning")]  # 1(x) in a mutant
ALL = [Exercise.all[number] for number in sorted(Exercise.all)]
WRITTEN = [e for e in ALL if isinstance(e, Write)]
ANSWERED = [e for e in ALL if isinstance(e, Answer)]
by_number = {"ids": lambda e: e.number}


def module(exercise: Write):
    """The module of an exercise's reference."""
    return importlib.import_module(exercise.reference.__module__)


def answers(exercise: Exercise):
    """helpers/answers/ for the exercise's notebook."""
    names = ["from_noise", "forward_process", "closed_form", "reverse_posterior", "epsilon_training", "sampling"]
    names += ["clip_conditioning", "unclip", "score_and_flow", "latents_and_transformers"]
    return importlib.import_module(f"answers.{names[int(exercise.number[0])]}")


def made(exercise: Write, source: str):
    """The function my_... of a source, with the names that the exercise's module imports, as a notebook would."""
    space = dict(vars(module(exercise)))
    exec(compile(source, f"<exercise {exercise.number}>", "exec"), space)
    return space[f"my_{exercise.reference.__name__}"]


MUTANTS = {e.number: mutants(e.answer()) for e in WRITTEN}


def test_there_are_enough_of_them():
    a_notebook = [e.number.split(".")[0] for e in ALL]
    assert len(ALL) >= 24 and all(a_notebook.count(str(n)) >= 3 for n in range(10))
    assert sum(len(e.misconceptions) for e in ALL) >= 60
    assert sum(map(len, MUTANTS.values())) >= 200


@pytest.mark.parametrize("exercise", ALL, **by_number)
def test_it_asks_hints_and_explains(exercise):
    assert re.fullmatch(rf"L\d+|{PAPER}", exercise.line) and exercise.question and 2 <= len(exercise.hints) <= 3
    solution = exercise.solution()
    assert len(solution.says) > 40 and "my_" in solution.code
    for text in (exercise, exercise.check(...), exercise.hint(), solution):
        assert repr(text) and (hasattr(text, "_repr_html_") or hasattr(text, "_repr_markdown_"))
    squeezed = [re.sub(r"\s", "", hint) for hint in exercise.hints]
    for line in exercise.answer().split("\n")[1:]:
        code = re.sub(r"\s|^return", "", line.strip().removeprefix("return "))
        assert len(code) < 15 or not any(code in hint for hint in squeezed)


@pytest.mark.parametrize("exercise", WRITTEN, **by_number)
def test_the_solution_is_right_and_the_stub_is_not_attempted(exercise):
    assert exercise.check(made(exercise, exercise.answer())).state == "right"
    assert exercise.points(made(exercise, exercise.answer())) == 1
    assert exercise.check(made(exercise, exercise.stub())).state == "not attempted"
    assert exercise.check(...).state == "not attempted"


@pytest.mark.parametrize("exercise", WRITTEN, **by_number)
def test_the_right_numbers_with_one_more_axis_are_told_of_the_axis(exercise):
    """And of no mistake that was not made."""

    def longer(*arguments):
        return solution(*arguments)[..., None]

    solution = made(exercise, exercise.answer())
    if not isinstance(solution(*exercise.cases()[0][1:]), torch.Tensor):
        return  # it returns several
    says = exercise.check(longer).says
    assert "It has an axis of length 1 too many" in says or "should be one number, without axes" in says, says
    assert "mistake" not in says and "missing" not in says, says


@pytest.mark.parametrize("exercise", WRITTEN, **by_number)
def test_each_misconception_gets_its_own_sentence(exercise):
    assert len(exercise.misconceptions) >= 2
    for says, function in exercise.misconceptions:
        report = exercise.check(function)
        assert (report.state, report.says) == ("misconception", says)
    results = [[plain(function(*arguments)) for _, *arguments in exercise.cases()] for _, function in exercise.misconceptions]
    for one, two in itertools.combinations(results, 2):
        assert not all(same(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("exercise", WRITTEN, **by_number)
def test_the_name_of_a_misconception_says_the_mistake(exercise):
    names = [function.__name__ for _, function in exercise.misconceptions]
    assert len(set(names)) == len(names)
    assert not [name for name in names if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+){1,5}", name)]


@pytest.mark.parametrize("exercise", WRITTEN, **by_number)
def test_each_misconception_is_known_in_lower_precision(exercise):
    """In 32 bits it is taken for itself alone, in 16 at least not for right."""

    def results(function, lower=lambda x: x):
        return [lowered(plain(function(*arguments)), lower) for _, *arguments in exercise.cases()]

    def lowered(value, lower):
        if isinstance(value, tuple):
            return tuple(lowered(part, lower) for part in value)
        return plain(lower(value)) if value.is_floating_point() else value

    wants, known = results(exercise.reference), [results(function) for _, function in exercise.misconceptions]
    for k, (says, function) in enumerate(exercise.misconceptions):
        for lower in (lambda x: x.float().numpy(), lambda x: x.half(), lambda x: x.bfloat16()):
            assert any(map(difference, results(function, lower), wants)), says
        low = results(function, lambda x: x.float())
        assert [all(map(same, low, other)) for other in known] == [i == k for i in range(len(known))], says


@pytest.mark.parametrize("exercise", WRITTEN, **by_number)
def test_right_answers_in_other_forms_are_accepted(exercise):
    forms = answers(exercise).FORMS[exercise.number]
    assert len(forms) >= 3
    for form in forms:
        report = exercise.check(form)
        assert report.state == "right", report.says


@pytest.mark.parametrize("exercise", WRITTEN, **by_number)
def test_no_mutant_is_accepted_but_those_proven_equal(exercise):
    accepted = {m for m in MUTANTS[exercise.number] if exercise.check(made(exercise, m)).state == "right"}
    assert accepted == set(answers(exercise).EQUAL.get(exercise.number, {}))


def test_few_mutants_are_proven_equal():
    equal = [source for e in WRITTEN for source in answers(e).EQUAL.get(e.number, {})]
    assert len(equal) <= sum(map(len, MUTANTS.values())) / 10


@pytest.mark.parametrize("exercise", ANSWERED, **by_number)
def test_an_answer_is_right_and_each_wrong_one_gets_its_own_sentence(exercise):
    assert exercise.check(exercise.reference).state == "right"
    for says, value in exercise.misconceptions:
        report = exercise.check(value)
        assert (report.state, report.says) == ("misconception", says)
    if exercise.options:
        assert {value for _, value in exercise.misconceptions} | {exercise.reference} == set(exercise.options)
        assert exercise.check("none of them").state == "wrong"


@pytest.mark.parametrize("exercise", [e for e in ALL if isinstance(e, Prediction)], **by_number)
def test_a_prediction_is_kept_and_compared(exercise):
    assert "no prediction" in exercise.compare(exercise.reference).says
    assert exercise.check(exercise.reference).state == "kept"
    assert "and it is" in exercise.compare(exercise.reference).says
    exercise.check(10 * exercise.reference + 1)
    assert "but it is" in exercise.compare(exercise.reference).says
    assert exercise.check(...).state == "not attempted"
