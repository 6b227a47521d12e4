"""What one question of a session leaves to the next: the corpus, the REPL, and what was said."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.question import Question, message_key, read_question
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.prompts.texts import fill
from rlm_integrations.core.sandbox import Repl
from rlm_integrations.core.session.idle_repls import IdleRepl, idle_repls
from rlm_integrations.core.session.in_order import Asking, InOrder
from rlm_integrations.core.session.taken_up import take_up
from rlm_integrations.core.session.transcript import Transcript
from rlm_integrations.core.wording import one_line
from rlm_integrations.frozen import frozen
from rlm_integrations.wire.steps import ReplLost

_ASKED: ContextVar[tuple[SessionMemory, ...]] = ContextVar("rlm_sessions_asked", default=())
"""Sessions of which a question is being answered here."""
_CUT_SHORT = "the question before was ended while its code ran"


@frozen
class TakenUp:
    """How a question finds its session."""

    repl: Repl | None = None
    """That of the questions before, ready for this one. None: one is opened when code is to run."""
    variables: frozenset[str] | None = None
    """Their names; None where no code has run."""
    words: str = ""
    """What the root LM is told of it; "" where there is nothing to tell."""


class SessionMemory:
    """One session. Its questions come one after another: they alone call what stands below "within one question"."""

    def __init__(self, context: object, id: str) -> None:
        self.id = id
        self.context = context
        """As it was passed; read with the first question."""
        self.corpus: Corpus | None = None
        """As the REPL has it, once it was read."""
        self.question_number = 0
        """Of the last question that began, from 1."""
        self.ended = False
        self._line = InOrder()
        self._lock = threading.Lock()
        self._idle: IdleRepl | None = None
        self._made_for: object = None
        """What the REPL depends on besides the corpus."""
        self._lost = ""
        """Why there is no REPL any more, where there was one."""
        self._transcript = Transcript()
        self._long_messages: dict[str, str] = {}
        """Messages that became documents: by `message_key`, their ids."""
        self._remade = ""
        """Why the question that goes on brought such a message; "" where it did not."""

    @contextmanager
    def asking(self) -> Generator[Asking]:
        """A question that stands in line from now on.

        Raises InvalidArgumentError where the session has ended, and within one of its own questions, which would wait
        for itself.
        """
        self.check()
        if self.is_asked_here:
            raise InvalidArgumentError(
                "session: it is asked by what one of its own questions calls, as a tool; that question would wait for "
                "itself for ever: ask another session there, or the engine"
            )
        token = _ASKED.set((*_ASKED.get(), self))
        asking = Asking(self._line)
        try:
            yield asking
        finally:
            asking.give_up()
            _ASKED.reset(token)

    @property
    def is_asked_here(self) -> bool:
        """Whether what calls this was called by one of its questions."""
        return any(asked is self for asked in _ASKED.get())

    def check(self) -> None:
        """Raises InvalidArgumentError where the session has ended."""
        if self.ended:
            raise InvalidArgumentError("session: it is closed; begin another with engine.session(context)")

    # --- within one question

    def read(self, question: str | Sequence[Message], message_chars: int, *, context: object = None) -> Question:
        """The question, after what was said before: where it is one message, what the session remembers of that.

        Raises InvalidArgumentError as `read_question` does.
        """
        number = self.question_number + 1
        prefix = "message" if number == 1 else f"question-{number}-message"
        asked = read_question(question, message_chars, prefix=prefix, known=self._long_messages, context=context)
        self.question_number = number
        pictured = any(document.images for document in asked.documents)
        self._remade = ("has pictures" if pictured else "is too long to be shown") if asked.documents else ""
        self._long_messages |= {message_key(each.text, each.images): each.id for each in asked.documents}
        if any(message.role != "system" for message in asked.before):
            return asked
        return replace(asked, before=(*asked.before, *self._transcript.messages()))

    def go_over(self, context: object) -> None:
        """The question is over that context: where it is not that of the questions before, it is read anew."""
        if context is self.context:
            return
        self.context, self.corpus = context, None
        idle, self._idle = self._idle, None
        if idle is not None:
            idle_repls.end(idle)
            self._lost = "this question came with another corpus"

    async def take_up(self, corpus: Corpus, made_for: object, seconds: float) -> TakenUp:
        """What there is of the REPL.

        Args:
            corpus: As this question has it.
            made_for: What a REPL of this question depends on besides; an equal one can go on.
            seconds: Those left of the run.
        """
        idle, self._idle = self._idle, None
        made_before, self._made_for = self._made_for, made_for
        repl = None if idle is None else idle_repls.take(idle)
        if repl is None:
            return self._begin_anew(self._lost if idle is None else idle.ended)
        if self._remade:
            repl.end()
            return self._begin_anew(f"the question {self._remade}, so `context` was made anew with it")
        if made_for != made_before:
            repl.end()
            return self._begin_anew("this question came with other limits, functions or another sandbox")
        self._lost = _CUT_SHORT
        assert self.corpus is not None
        added = corpus.documents[len(self.corpus.documents) :]
        repl.join_loop()
        try:
            ready = await take_up(repl, added, seconds)
        except BaseException:
            await repl.close()
            raise
        if isinstance(ready, ReplLost):
            await repl.close()
            return self._begin_anew(ready.reason)
        return TakenUp(repl, ready.names, goes_on(ready.lines))

    def _begin_anew(self, reason: str) -> TakenUp:
        self._lost = reason  # until there is an answer: a root LM that failed may not have read it
        return begun_anew(reason)

    def keep(self, corpus: Corpus, added: Sequence[Document], repl: Repl | None, lost: str, limits: RLMLimits) -> None:
        """The question is over.

        Args:
            corpus: As it began with.
            added: What `retrieve` brought since.
            repl: It has left its loop. None: there is none.
            lost: Why not, where there was one.
            limits: Of the question.
        """
        self.corpus = corpus.followed_by(added)
        if repl is not None or lost:
            self._lost = lost
        with self._lock:
            if repl is not None and self.ended:
                repl.end()
            elif repl is not None:
                self._idle = idle_repls.keep(repl, limits)

    def remember(self, question: Question, answer: str) -> None:
        """The question has this answer: what the next one is told of it."""
        self._lost = ""
        self._transcript.add(question.text, answer)

    def end(self) -> None:
        """No question follows. One that is being answered goes on to its end."""
        with self._lock:
            self.ended = True
            idle, self._idle = self._idle, None
        if idle is not None:
            idle_repls.end(idle)


def goes_on(variables: Sequence[str]) -> str:
    """What the root LM is told of a REPL with these, "name: type size" each."""
    listed = f"Your variables: {', '.join(variables)}." if variables else "You have no variables yet."
    return fill("session_goes_on", variables=one_line(listed, 4_000))


def begun_anew(reason: str) -> TakenUp:
    return TakenUp(words=fill("session_ended", reason=one_line(reason)) if reason else "")


def rests(repl: Repl) -> bool:
    """Whether it has left its loop, to be kept. A sandbox that knows no sessions is warned of (RuntimeWarning)."""
    leave = getattr(repl, "leave_loop", None)
    if leave is None:
        warnings.warn(
            f"sandbox: {type(repl).__name__} has no leave_loop, so variables end with each question of a session; "
            "see rlm_integrations.core.sandbox.Repl",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return bool(leave())
