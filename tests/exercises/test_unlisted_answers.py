"""Answers that no misconception names: wrong ones are refused, right ones accepted in every form, and none does harm."""

import contextlib
import copy
import functools
import itertools
import math
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from re import match as re_match

import numpy as np
import pytest
import torch

from ddpm_lite.exercises import clip_conditioning, closed_form, epsilon_training, latents_and_transformers
from ddpm_lite.exercises.kit.exercise import Exercise, Write, write
from ddpm_lite.maths import gaussian

pytestmark = pytest.mark.usefixtures("unchecked")
WRITTEN = [e for number, e in sorted(Exercise.all.items()) if isinstance(e, Write)]
every = pytest.mark.parametrize("exercise", WRITTEN, ids=lambda e: e.number)


def function_of(exercise: Write, does, star: str = ""):
    """`does` as a function with the parameters of the exercise; keyword-only after the star."""
    names = ", ".join(exercise.names)
    space = {"does": does}
    exec(f"def my_answer({star}{names}):\n    return does({names})", space)
    return space["my_answer"]


def solved(exercise: Write):
    """A copy of the reference, made of its source: the reference itself may not be called."""
    space = dict(vars(sys.modules[exercise.reference.__module__]))
    exec(exercise.answer(), space)
    return space[f"my_{exercise.reference.__name__}"]


@every
def test_an_answer_with_one_argument_written_in_is_refused(exercise):
    def written_in(k, value):
        return lambda *given: solution(*(copy.deepcopy(value) if i == k else v for i, v in enumerate(given)))

    solution, passed = solved(exercise), []
    for k, name in enumerate(exercise.names):
        if not re.search(rf"\b{name}\b", exercise.answer().split(":\n", 1)[1]):
            continue  # not used: the best that least squares can draw does not depend on the noise
        for arguments in (exercise._inputs[0], exercise._inputs[-1]):
            if exercise.check(function_of(exercise, written_in(k, arguments[k]))).state == "right":
                passed.append(name)
    assert passed == [], "the same in all cases"


@pytest.mark.parametrize("exercise", [epsilon_training.eps_loss, clip_conditioning.clip_loss], ids=lambda e: e.number)
@pytest.mark.parametrize(
    "cut",
    [
        lambda loss: loss.detach(),
        lambda loss: loss.item(),
        lambda loss: loss.detach().numpy(),
        lambda loss: torch.tensor(loss.item(), dtype=torch.float64, requires_grad=True),
    ],
    ids=["detached", "item", "numpy", "a new leaf"],
)
def test_a_loss_that_cannot_be_trained_on_is_refused(exercise, cut):
    solution = solved(exercise)
    report = exercise.check(function_of(exercise, lambda *given: cut(solution(*given))))
    assert report.state == "wrong" and "cut off" in report.says


def test_a_loss_without_a_graph_or_with_half_of_its_gradient_is_refused():
    report = epsilon_training.eps_loss.check(torch.no_grad()(_eps_loss))
    assert report.state == "wrong" and "cut off" in report.says

    def half(logits):
        return -(logits.log_softmax(1).diag() + logits.detach().log_softmax(0).diag()).mean() / 2

    report = clip_conditioning.clip_loss.check(half)
    assert report.state == "wrong" and "gradient" in report.says


def _eps_loss(eps_model, x0, t, eps, schedule):
    a = schedule.alpha_bar[t].reshape(-1, *[1] * (x0.ndim - 1))
    return ((eps - eps_model(a.sqrt() * x0 + (1 - a).sqrt() * eps, t)) ** 2).mean()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_product_in_16_bits_is_refused(dtype):
    def my_alpha_bar(beta):
        beta = beta.to(dtype)
        return torch.cat([torch.ones(1, dtype=dtype), (1 - beta).cumprod(0)])

    assert closed_form.alpha_bar.check(my_alpha_bar).state != "right"


def decorated(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


class CallableObject:
    def __init__(self, does):
        self.does = does

    def __call__(self, *given):
        return self.does(*given)

    def method(self, *given):
        return self.does(*given)


def each(change):
    """A change of one tensor, for a result that may be several."""

    def changed(value):
        return tuple(map(changed, value)) if isinstance(value, tuple) else change(value)

    return changed


def lowered(value):
    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def spread(value):
    """The same numbers, not next to each other in memory."""
    return value.repeat_interleave(2, -1)[..., ::2] if value.ndim else value.expand(1)[0]


def in_place(value):
    return value.clone().add_(1).sub_(1)


IN_64_BITS = ("0.5", "5.5")  # a draw in 32 bits is another draw, and a network in 64 takes nothing in 32
FORMS = {
    "keyword-only": lambda e, does: function_of(e, does, "*, "),
    "without gradients": lambda e, does: torch.no_grad()(function_of(e, does)),
    "decorated": lambda e, does: decorated(function_of(e, does)),
    "an object": lambda e, does: CallableObject(does),
    "a method": lambda e, does: CallableObject(does).method,
    "a lambda": lambda e, does: lambda *given: does(*given),
    "a partial": lambda e, does: functools.partial(lambda factor, *given: does(*given), 1),
    "a partial with keywords": lambda e, does: functools.partial(lambda *given, factor: does(*given), factor=1),
    "through NumPy": lambda e, does: lambda *given: each(lambda x: torch.from_numpy(np.array(x)))(does(*given)),
    "in 32 bits": lambda e, does: lambda *given: each(lowered)(does(*(given if e.number in IN_64_BITS else map(lowered, given)))),
    "a view": lambda e, does: lambda *given: each(spread)(does(*given)),
    "in place on a copy": lambda e, does: lambda *given: each(in_place)(does(*given)),
}


@every
def test_the_same_answer_is_right_in_twelve_forms(exercise):
    forms = set(FORMS) - ({"without gradients", "through NumPy"} if exercise.trained else set())
    solution = solved(exercise)
    reports = {form: exercise.check(FORMS[form](exercise, solution)) for form in forms}
    assert {form: report.says for form, report in reports.items() if report.state != "right"} == {}


def test_what_of_the_package_may_be_used_is_said_everywhere():
    assert all("The package may be used" in exercise.question for exercise in WRITTEN)
    assert closed_form.q_sample.question.endswith("The package may be used, except `q_sample`.")


def doubled(before: dict, make):
    """What `make` makes, without a trace in the list of exercises."""
    try:
        return make()
    finally:
        Exercise.all.clear()
        Exercise.all.update(before)


def twice(x):
    return x + x


def doubling(hints=("Add.",), title="Twice"):
    about = {"number": "99.8", "title": title, "line": "L1", "question": "How?", "hints": hints}
    return write(lambda g: [("numbers", torch.randn(3, generator=g))], **about)(twice)


def test_an_exercise_can_be_made_twice_and_does_without_hints():
    before = dict(Exercise.all)
    exercise = doubled(before, lambda: (doubling(), doubling(hints=()))[1])
    assert exercise.check(lambda x: 2 * x).state == "right" and "no hints" in exercise.hint().says
    with pytest.raises(ValueError, match="'Twice' and 'Thrice'"):
        doubled(before, lambda: (doubling(), doubling(title="Thrice")))


def itself():
    found = [torch.ones(3)]
    found.append(found)
    return found


def leaked():
    kept = []
    torch.vmap(lambda x: kept.append(x) or x)(torch.ones(3))
    return kept[0]


class Misbehaving(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError("no")


ODD = {
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "leaked out of vmap": leaked,
    "float8": lambda: torch.ones(3).to(torch.float8_e4m3fn),
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8),
    "a list that contains itself": itself,
    "a subclass": lambda: torch.ones(3).as_subclass(Misbehaving),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_results_are_reported_and_never_raised(name):
    exercise = doubled(dict(Exercise.all), doubling)
    report = exercise.check(lambda x: ODD[name]())
    assert report.state in ("wrong", "stopped") and report.says and repr(report)
    assert exercise.points(lambda x: ODD[name]()) == 0


def patches(x):
    torch.set_default_dtype(torch.float16)
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    os.chdir("/")
    os.environ["DDPM_LITE_TEST"] = "1"
    torch.sqrt = torch.Tensor.add = torch.randn = None
    sys.setrecursionlimit(500)
    return 2 * x


def test_what_an_answer_changes_is_put_back():
    def state():
        functions = (torch.sqrt, torch.Tensor.add, torch.randn, itertools.count, os._exit)
        drawn = (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist())
        return torch.get_default_dtype(), os.getcwd(), dict(os.environ), sys.getrecursionlimit(), functions, drawn, sys.stdin

    exercise, before = doubled(dict(Exercise.all), doubling), state()
    assert exercise.check(patches).state == "right"
    assert state() == before


def closes_its_output(x):
    sys.stdout.close()
    sys.__stdout__.close()
    with contextlib.suppress(OSError):  # it is called twice
        os.close(1)
    print("on and on")
    return 2 * x


ENDS = {
    "exit()": lambda x: exit(),
    "os._exit": lambda x: os._exit(3),
    "closed output": closes_its_output,
}


@pytest.mark.parametrize("name", ENDS)
def test_an_answer_ends_neither_python_nor_its_output(name):
    exercise = doubled(dict(Exercise.all), doubling)
    assert exercise.check(ENDS[name]).state == ("right" if name == "closed output" else "stopped")
    assert not sys.__stdout__.closed and os.write(1, b"") == 0


RUNS_AWAY = re.compile("(a+)+b")
MATCHES = {
    "by the module": lambda x: re.match("(a+)+b", "a" * 40) or 2 * x,
    "compiled before": lambda x: RUNS_AWAY.search("a" * 40) or 2 * x,
    "compiled inside": lambda x: re.compile("(a|aa)+b").fullmatch("a" * 60) or 2 * x,
}


@pytest.mark.parametrize("name", MATCHES)
def test_a_regular_expression_that_runs_away_is_stopped(name, monkeypatch):
    monkeypatch.setattr("ddpm_lite.exercises.kit.matching.SECONDS", 0.5)
    report = doubled(dict(Exercise.all), doubling).check(MATCHES[name])
    assert report.state == "stopped" and "regular expression was not done after 0.5 seconds" in report.says
    assert not hasattr(re.match, "func") and isinstance(RUNS_AWAY, re.Pattern)


def test_a_regular_expression_that_ends_is_as_it_is():
    def answer(x):
        assert re.sub("a", lambda m: "b", "abc") == "bbc" and re.split(" ", "a b") == ["a", "b"]
        assert RUNS_AWAY.match("aab")[0] == "aab" and RUNS_AWAY.pattern == "(a+)+b" and re.compile("b+").findall("abb") == ["bb"]
        assert re.fullmatch(re.compile("b+"), "bb")[0] == "bb" and RUNS_AWAY.match("baab", 1)[0] == "aab"
        assert re.sub(pattern="a", repl="b", string="A", flags=re.I) == "b" and re_match("a", "ab")[0] == "a"
        with contextlib.suppress(re.error):
            re.match("(", "a")
        return 2 * x

    assert doubled(dict(Exercise.all), doubling).check(answer).state == "right"
    assert re_match is re.match and isinstance(RUNS_AWAY, re.Pattern)


def test_what_is_imported_inside_of_an_answer_keeps_its_own_patterns(monkeypatch, tmp_path):
    (tmp_path / "imported_inside.py").write_text("import re\nDIGIT = re.compile('[0-9]')\n")
    monkeypatch.syspath_prepend(tmp_path)

    def answer(x):
        import imported_inside

        return 2 * x if imported_inside.DIGIT.match("1") else x

    assert doubled(dict(Exercise.all), doubling).check(answer).state == "right"
    assert re.sub(sys.modules.pop("imported_inside").DIGIT, "x", "1") == "x"


FIRST = """
import itertools, sys, torch
from ddpm_lite import exercises
from ddpm_lite.exercises.score_and_flow import mixture_score

def my_mixture_score(x, weights, means, std):
    free = torch.nn.Parameter(torch.ones(2))
    free.sum().backward()
    torch.optim.SGD([free], 0.1).step()      # torch imports its compiler here, which builds on itertools
    away = means - x[:, None]
    shares = (weights.log() - (away ** 2).sum(2) / (2 * std ** 2)).softmax(1)
    return (shares[..., None] * away).sum(1) / std ** 2

counted = itertools.count
assert "torch._dynamo" not in sys.modules, "nothing is tested if it is there before"
assert mixture_score.check(my_mixture_score).state == "right"
assert itertools.count is counted and not any("FirstImport" in type(each).__name__ for each in sys.meta_path)
"""


def test_a_library_may_be_imported_for_the_first_time_by_an_answer():
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-1000:]


@pytest.mark.skipif(sys.platform != "linux", reason="the state of a process is read from /proc")
def test_no_process_is_left_behind_by_an_expression_that_runs_away(monkeypatch):
    monkeypatch.setattr("ddpm_lite.exercises.kit.calling.SECONDS", 1.0)
    started, popen = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **options: started.append(popen(*given, **options)) or started[-1])
    report = doubled(dict(Exercise.all), doubling).check(lambda x: RUNS_AWAY.match("a" * 40) or 2 * x)
    assert report.state == "stopped" and len(started) == 1
    for _ in range(50):
        if (state := Path(f"/proc/{started[0].pid}/stat").read_text().split()[2]) == "Z":
            break
        time.sleep(0.1)
    assert state == "Z", "it has ended, and nobody has asked for it"


def fills_the_memory(x):
    kept = []
    while len(kept) < 100:
        kept.append(torch.ones(2**26))  # 256 MiB
    return 2 * x


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system refuses it")
@pytest.mark.parametrize("greedy", [lambda x: torch.ones(25 * 2**30) + x[0], fills_the_memory, lambda x: [x] * 2**37])
def test_an_answer_that_takes_all_memory_is_stopped(greedy, monkeypatch):
    import resource  # Windows has none

    monkeypatch.setattr("ddpm_lite.exercises.kit.keeping.ROOM", 2**30)
    before = resource.getrlimit(resource.RLIMIT_AS)
    report = doubled(dict(Exercise.all), doubling).check(greedy)
    assert report.state == "stopped" and "memory" in report.says.lower(), report.says
    assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.parametrize("endless", [lambda x: sum(itertools.count()), torch.no_grad()(lambda x: max(itertools.cycle([1])))])
def test_counting_without_end_is_stopped(monkeypatch, endless):
    monkeypatch.setattr("ddpm_lite.exercises.kit.calling.SECONDS", 0.3)
    report = doubled(dict(Exercise.all), doubling).check(endless)
    assert report.state == "stopped" and "restart" not in report.says


def test_the_packages_other_functions_may_be_used():
    def my_eps_loss(eps_model, x0, t, eps, schedule):
        return ((eps - eps_model(gaussian.q_sample(x0, t, eps, schedule), t)) ** 2).mean()

    assert epsilon_training.eps_loss.check(my_eps_loss).state == "right"


def test_answers_of_nan_alone_are_not_named():
    """Nothing can be seen in them, whatever other slip gives NaN, too."""

    def my_latent_kl(mean, log_var):
        return (mean + math.nan).flatten(1).sum(1)

    report = latents_and_transformers.latent_kl.check(my_latent_kl)
    assert report.state == "wrong" and "as if" not in report.says and "Its result is NaN" in report.says


def test_numbers_for_each_channel_that_meet_the_columns_are_told_their_shape():
    def my_scaled_latents(mean, log_var, z, channel_mean, channel_var):
        return (mean + (log_var / 2).exp() * z - channel_mean) / channel_var.sqrt()

    report = latents_and_transformers.scaled_latents.check(my_scaled_latents)
    assert report.state in ("stopped", "partly")
    assert "Numbers for each channel, of shape (4,), must become (4, 1, 1) to meet a tensor of shape (3, 4, 5, 6)." in report.says
