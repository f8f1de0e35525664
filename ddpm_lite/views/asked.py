"""Asked: the reader types a question, which no slider could offer, and Python answers it with pictures."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from .base import View, esm, packed, pictures, unpacked
from .plots import figure_strip


class Asked(View):
    """Pictures for a question that the reader types: a caption, for a network to draw.
    Slides L24, L25, L26, L27; Nichol et al. 2022, section 3.1; Ramesh et al. 2022, sections 2.1 and 2.2.

    answer      answer(question) is a generator: it yields its progress from 0 to 1 any number of times, and finally the
                pictures (n, c, h, w) in [-1, 1]. It runs in its own thread and can be cancelled wherever it yields
    beforehand  {question: its pictures}, at least one: the first is shown at the start, and a page without Python has only
                these
    title       what is asked for, in words: "A caption"

    `view.question = "a red circle"` asks, `view.wait()` waits for the pictures, `view.cancel()` gives up. Only the last
    question counts: an earlier one ends at its next yield, and its pictures are dropped. A question that was answered
    before is answered from memory. It is for models that are too large for a page; `Write` runs smaller ones there.
    """

    STATE = ("question",)
    _esm = esm("asked")
    title = traitlets.Unicode().tag(sync=True)
    question = traitlets.Unicode().tag(sync=True)
    shown = traitlets.Unicode(help="the question whose pictures are shown: the old one, while a new one is being answered").tag(
        sync=True
    )
    working = traitlets.Bool(False).tag(sync=True)
    progress = traitlets.Float(0.0).tag(sync=True)
    problem = traitlets.Unicode("", help="why the last question has no answer, in one sentence, or empty").tag(sync=True)
    known = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    known_pictures = traitlets.Bytes().tag(sync=True)
    latest = traitlets.Bytes(help="the pictures of `shown`").tag(sync=True)

    def __init__(
        self,
        answer: Callable[[str], Iterator[float | Tensor]],
        beforehand: dict[str, Float[Tensor, "n c h w"]],
        title: str,
    ):
        if not beforehand:
            raise ValueError("Give at least one question with its pictures beforehand: it is what is seen at first.")
        shapes = {tuple(pictures(x, f"The pictures of {question!r}").shape) for question, x in beforehand.items()}
        if len(shapes) > 1:
            raise ValueError(f"All answers must have the same shape, but these have {sorted(shapes)}.")
        self._answer = answer
        self._answers: dict[str, bytes] = {}  # to questions that were not known beforehand
        self._lock, self._asked = threading.RLock(), 0
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        first = next(iter(beforehand))
        super().__init__(
            title=title,
            question=first,
            shown=first,
            known=list(beforehand),
            shape=list(shapes.pop()),
            known_pictures=b"".join(b"".join(packed(x)) for x in beforehand.values()),
            latest=b"".join(packed(beforehand[first])),
        )
        self.on_msg(self._from_browser)

    @traitlets.validate("question")
    def _sensible(self, proposal: dict[str, Any]) -> Any:
        question = proposal["value"].strip()
        if not 0 < len(question) <= 200:
            raise traitlets.TraitError(f"A question must have 1 to 200 letters, not {len(question)}.")
        if question != self.question:
            with self._lock:
                self._asked += 1  # from here on the thread no longer touches the question, which is set after this
        return question

    @traitlets.observe("question")
    def _ask(self, change: dict[str, Any]) -> None:
        with self._lock:
            self._asked += 1  # whatever is running is stale from now on
            self._error = None
            if self.question in self.known or self.question in self._answers:
                self._end(self.question)
                return
            with self.hold_sync():
                self.working, self.progress, self.problem = True, 0.0, ""
            work = (self.question, self._asked, self._thread)
            self._thread = threading.Thread(target=self._work, args=work, daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Give up the question that is being answered and go back to the one before it."""
        with self._lock:
            self.question = self.shown

    def wait(self) -> Float[Tensor, "n c h w"]:
        """Wait for the pictures of the question and return them, or those shown if cancelled. Raises what `answer` raises."""
        try:
            while self._thread and self._thread.is_alive():
                self._thread.join()
        except KeyboardInterrupt:
            self.cancel()
            raise
        if self._error:
            raise self._error
        return torch.from_numpy(self.frame()["pictures"])

    def _work(self, question: str, number: int, before: threading.Thread | None) -> None:
        """Answer a question in a thread. One question is answered at a time, so this first waits for the one before it."""
        if before:
            before.join()
        try:
            found = None
            for value in self._answer(question) if number == self._asked else ():
                with self._lock:
                    if number != self._asked:
                        return
                    if isinstance(value, Tensor):
                        found = value
                    else:
                        self.progress = round(min(1.0, max(0.0, float(value))), 2)
            if found is None:
                raise ValueError("it ended without pictures.")
            if tuple(pictures(found, "The answer").shape) != tuple(self.shape):
                raise ValueError(f"the answer must have the shape {tuple(self.shape)}, not {tuple(found.shape)}.")
            with self._lock:
                if number == self._asked:
                    self._answers[question] = b"".join(packed(found))
                    self._end(question)
        except Exception as error:
            with self._lock:
                if number == self._asked:
                    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
                    self.question = self.shown
                    self.problem, self._error = f"“{question}” could not be answered: {reason}", error

    def _end(self, question: str) -> None:
        """Show the pictures of a question and end the wait for it."""
        if question in self.known:
            place, size = self.known.index(question), len(self.known_pictures) // len(self.known)
            answer = self.known_pictures[place * size : (place + 1) * size]
        else:
            answer = self._answers[question]
        with self.hold_sync():
            self.working, self.shown, self.latest, self.problem = False, question, answer, ""

    def set_state(self, sync_data: dict) -> None:
        """Take over what the browser has changed, but not while the thread changes something."""
        with self._lock:
            super().set_state(sync_data)

    def _from_browser(self, _: object, content: dict, buffers: list) -> None:
        if "ask" in content:
            self.question = content["ask"]
        elif "cancel" in content:
            self.cancel()

    def frame(self) -> dict[str, np.ndarray]:
        """pictures (n, c, h, w) of the question that is shown."""
        return {"pictures": unpacked(self.latest, *self.shape[1:])}

    def describe(self) -> str:
        """The question whose pictures are shown, and the one that is being answered."""
        what = "the picture" if self.shape[0] == 1 else f"{self.shape[0]} pictures"
        waiting = f"; “{self.question}” is being answered" if self.working else ""
        return f"{self.title}: {what} for “{self.shown}”{waiting}."

    def filmstrip(self) -> Figure:
        """The first pictures of up to five questions answered beforehand."""
        every = torch.from_numpy(unpacked(self.known_pictures, *self.shape[1:])).unflatten(0, (-1, self.shape[0]))
        count = min(6, self.shape[0])
        rows = {q: x[:count] for q, x in zip(self.known[:5], every, strict=False)}
        return figure_strip(rows, [""] * count)
