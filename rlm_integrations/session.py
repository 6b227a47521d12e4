"""RLMSession: questions one after another over one REPL."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.session.memory import SessionMemory
from rlm_integrations.core.trace.result import RLMResult

AnswerT = TypeVar("AnswerT")
QuestionInput = str | Sequence[Message]


class RLMSession(Generic[AnswerT]):
    """What `RLMEngine.session` gives: any number of questions over one corpus and one REPL, whose variables stay.

        with engine.session(documents) as session:
            session.ask("Which contracts end in 2027?")
            session.ask("And which of these can be renewed?")

    Each question is a run of its own, with its limits, its trace and its citations. The root LM sees the earlier
    questions with their answers, as far as they fit 20,000 characters, and the names of its variables; messages that
    are passed as a question with others before it stand in their place. `answer` is empty again. Questions that are
    asked at once, from threads or tasks, wait for each other in their order; other sessions go on beside them.

    The REPL is opened by the first question that runs code, and ends with the session: at the end of `with`, by
    `close`, when nobody holds it any more, and with the program. Between questions it rests, and uses memory alone,
    which `limits.max_sessions`, `session_idle_s` and `sessions_memory_mb` bound: where one of them, a crash or a
    question that was ended amid its code has ended the REPL, the next question begins a new one, and the
    root LM is told.
    """

    def __init__(
        self,
        memory: SessionMemory,
        ask: Callable[[SessionMemory, QuestionInput, object], RLMResult[AnswerT]],
        aask: Callable[[SessionMemory, QuestionInput, object], Awaitable[RLMResult[AnswerT]]],
    ) -> None:
        """Not for users, who have `RLMEngine.session`."""
        self._memory, self._ask, self._aask = memory, ask, aask
        self._end = weakref.finalize(self, memory.end)

    @property
    def id(self) -> str:
        """As traces have it."""
        return self._memory.id

    @property
    def questions(self) -> int:
        """How many have begun."""
        return self._memory.question_number

    @property
    def closed(self) -> bool:
        return self._memory.ended

    def ask(self, question: QuestionInput) -> RLMResult[AnswerT]:
        """Answer the question, from sync code, as `RLMEngine.run` does.

        Raises:
            InvalidArgumentError: As `RLMEngine.run`; or the session is closed, or asked within one of its questions.
            RunError: As `RLMEngine.run`.
        """
        return self._ask(self._memory, question, self._memory.context)

    async def aask(self, question: QuestionInput) -> RLMResult[AnswerT]:
        """Answer the question on the caller's event loop, any at all. Raises as `ask` does."""
        return await self._aask(self._memory, question, self._memory.context)

    def close(self) -> None:
        """End the REPL, without waiting. A question that is being answered goes on to its end; no other follows."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *end: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        return f"RLMSession({self.id!r}, {self.questions} questions{state})"
