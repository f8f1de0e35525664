"""Asked: the last question wins, stale work is dropped, a failure is a sentence, and the view lives on."""

import threading

import numpy as np
import pytest
import torch
import traitlets

from ddpm_lite.views import Asked
from ddpm_lite.views.plots import png

BEFORE = {"a dog": torch.full((2, 1, 4, 4), 0.5), "a cat": torch.full((2, 1, 4, 4), -0.5)}


class Network:
    """A stand-in that draws flat pictures as bright as the question is long; `gate` lets it take its steps."""

    def __init__(self):
        self.gate, self.started, self.broken = threading.Event(), threading.Event(), False
        self.seen, self.closed = [], []

    def __call__(self, question):
        self.seen.append(question)
        try:
            for step in range(5):
                yield step / 5
                self.started.set()
                assert self.gate.wait(10)
                if self.broken:
                    raise RuntimeError("the network is broken")
            yield torch.full((2, 1, 4, 4), len(question) / 100)
        except GeneratorExit:
            self.closed.append(question)
            raise


def asked():
    network = Network()
    return Asked(network, BEFORE, "A caption"), network


def begun(network):
    assert network.started.wait(10)
    network.started.clear()


def test_a_question_is_answered():
    view, network = asked()
    assert view.describe() == "A caption: 2 pictures for “a dog”." and view.start == {"question": "a dog"}
    view.question = " a red circle "
    begun(network)
    assert view.working and view.progress < 1
    assert view.describe() == "A caption: 2 pictures for “a dog”; “a red circle” is being answered."
    assert np.allclose(view.frame()["pictures"], 0.5, atol=0.01)  # still the old ones
    network.gate.set()
    assert torch.allclose(view.wait(), torch.tensor(0.12, dtype=torch.float64), atol=0.01)
    assert not view.working and view.problem == "" and view.describe() == "A caption: 2 pictures for “a red circle”."


def test_progress_rises():
    view, network = asked()
    network.gate.set()
    told = []
    view.observe(lambda change: told.append(change["new"]), "progress")
    view.question = "a red circle"
    view.wait()
    assert told == [0.2, 0.4, 0.6, 0.8]


def test_what_was_answered_is_not_asked_again():
    view, network = asked()
    network.gate.set()
    for question in ("a bird", "a cat", "a bird", "a dog"):
        view.question = question
        view.wait()
    assert network.seen == ["a bird"]
    assert np.allclose(view.frame()["pictures"], 0.5, atol=0.01)


def test_the_last_question_wins_and_stale_work_is_dropped():
    view, network = asked()
    view.question = "the first"
    begun(network)
    view.question = "the second, never begun"
    view.question = "third"
    network.gate.set()
    assert torch.allclose(view.wait(), torch.tensor(0.05, dtype=torch.float64), atol=0.01)
    assert network.seen == ["the first", "third"] and network.closed == ["the first"]
    assert view.shown == "third"


def test_an_answer_known_beforehand_takes_over_from_one_under_way():
    view, network = asked()
    view.question = "a bird"
    begun(network)
    view.question = "a cat"
    assert not view.working and view.shown == "a cat"
    network.gate.set()
    view.wait()
    assert view.shown == "a cat" and network.closed == ["a bird"]


def test_cancel_gives_up_and_the_question_can_be_asked_again():
    view, network = asked()
    view.question = "a bird"
    begun(network)
    view._from_browser(view, {"cancel": True}, [])
    assert not view.working and view.question == "a dog" == view.shown
    network.gate.set()
    view.wait()
    assert network.closed == ["a bird"]
    view._from_browser(view, {"ask": "a bird"}, [])
    view.wait()
    assert view.shown == "a bird" and network.seen == ["a bird", "a bird"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda question: iter([0.5]), "it ended without pictures."),
        (lambda question: iter([torch.zeros(1, 1, 4, 4)]), r"the answer must have the shape (2, 1, 4, 4), not (1, 1, 4, 4)."),
        (lambda question: iter([torch.full((2, 1, 4, 4), torch.nan)]), "finite"),
        (lambda question: 1 / 0, "division by zero"),
        (lambda question: None, "NoneType"),
        (lambda question: iter(["half"]), "half"),
    ],
)
def test_a_failure_is_one_sentence_and_the_view_lives_on(answer, says):
    view, network = asked()
    view._answer = answer
    view.question = "a bird"
    with pytest.raises(Exception):  # noqa: B017  whatever answering raised
        view.wait()
    assert view.problem.startswith("“a bird” could not be answered: ") and says in view.problem and "\n" not in view.problem
    assert not view.working and view.question == view.shown == "a dog"
    view._answer = network
    network.gate.set()
    view.question = "a bird"
    view.wait()
    assert view.problem == "" and view.shown == "a bird"


def test_a_failure_of_stale_work_is_not_told():
    view, network = asked()
    view.question = "a bird"
    begun(network)
    network.broken = True
    network.gate.set()  # it fails now, while the next question is asked
    view.question = "a cat"
    view.wait()
    assert view.problem == "" and view.shown == "a cat"


def test_a_failure_just_after_the_next_question_is_set_does_not_take_it_back():
    view, network = asked()

    class LateLock:
        """The view's lock; the work under way fails as soon as the main thread asks for it with the new question set."""

        def __init__(self, lock):
            self.lock = lock

        def __enter__(self):
            if threading.current_thread() is threading.main_thread() and view.question == "a cat":
                network.gate.set()
                view._thread.join()
            self.lock.acquire()

        def __exit__(self, *error):
            self.lock.release()

    view.question = "a bird"
    begun(network)
    network.broken, view._lock = True, LateLock(view._lock)
    view.question = "a cat"
    assert view.question == view.shown == "a cat" and view.problem == ""


def test_a_page_without_python_has_the_answers_known_beforehand():
    view, _ = asked()
    assert len(png(view.filmstrip())) < 100_000
    stored = np.frombuffer(view.get_state()["known_pictures"], "u1").reshape(2, 2, 1, 4, 4)
    assert view.known == ["a dog", "a cat"] and (stored[0] == 191).all() and (stored[1] == 64).all()


def test_bad_questions_and_answers_beforehand_are_refused():
    view, _ = asked()
    for question in ("", "  ", "x" * 201):
        with pytest.raises(traitlets.TraitError, match="1 to 200 letters"):
            view.question = question
    with pytest.raises(ValueError, match="at least one question"):
        Asked(Network(), {}, "A caption")
    with pytest.raises(ValueError, match="the same shape"):
        Asked(Network(), BEFORE | {"a bird": torch.zeros(1, 1, 4, 4)}, "A caption")
    with pytest.raises(ValueError, match="The pictures of 'a bird' must lie within"):
        Asked(Network(), {"a bird": torch.full((1, 1, 4, 4), 2.0)}, "A caption")
