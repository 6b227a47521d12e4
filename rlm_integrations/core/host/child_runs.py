"""`rlm_query` and its batches: questions for child RLMs, each over a part of the corpus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rlm_integrations.core.calls.budget import BudgetError
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.host.answers import Emit, RefusedCallError
from rlm_integrations.core.host.child_corpus import child_corpus
from rlm_integrations.core.host.own_task import in_own_task
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.reserved_call import ReservedCall
from rlm_integrations.core.host.retrieval import Retrieval
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.limits import StopReason
from rlm_integrations.core.trace.events import SubCallEnded
from rlm_integrations.frozen import frozen
from rlm_integrations.wire.calls import RlmQuery

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import CallJournal

_DRAFT_CHARS = 2_000
_STEP_OVER = "the step of this call is over"


@frozen
class ChildTask:
    """What a child RLM is asked, over which corpus. `number` is its place among the sub-calls of its parent."""

    question: str
    read_corpus: Callable[[], Awaitable[Corpus]]
    """Once it is the child's turn: its corpus is held no longer than it works. Raises RefusedCallError."""
    number: int
    step: StepRecord
    """The step of the parent that waits for it."""
    kept: CallJournal | None = None
    """What the journal has of it."""


@frozen
class ChildEnd:
    """How a child RLM ended: with an answer, maybe with a caveat; or failed, with the draft that stood in its REPL."""

    text: str
    stop_reason: StopReason | None = None
    caveat: str = ""
    """Why its answer may be less than it looks."""
    error: str | None = None


RunChild = Callable[[ChildTask, Callable[[], Awaitable[None]]], Awaitable[ChildEnd]]
"""Runs a child, and awaits the function when it begins. Raises BudgetError and RefusedCallError where it did not, and
errors that end the whole run."""


class ChildRuns:
    """The child RLMs of one node."""

    def __init__(
        self, run: RunChild, prompt_chars: int, retrieval: Retrieval, reservations: Reservations, emit: Emit
    ) -> None:
        """`prompt_chars` is the longest prompt, in characters: the trace keeps them all."""
        self._run = run
        self._prompt_chars = prompt_chars
        self._retrieval = retrieval
        self._reservations = reservations
        self._emit = emit

    async def query(self, call: RlmQuery, step: StepRecord, kept: CallJournal | None = None) -> str:
        """The child's answer. Raises RefusedCallError, BudgetError."""
        self._reservations.check_depth(2)
        if len(call.prompt) > self._prompt_chars:
            raise RefusedCallError("value", f"the prompt of a child has at most {self._prompt_chars:,} characters")
        self._reservations.take(call, step)
        end = await self._recorded(call, step, kept)
        if end.error is None:
            return f"{end.text}\n[{end.caveat}]" if end.caveat else end.text
        draft = f"its draft of an answer: {end.text[:_DRAFT_CHARS]}" if end.text.strip() else ""
        raise RefusedCallError("failed", end.error, draft)

    async def _recorded(self, call: RlmQuery, step: StepRecord, kept: CallJournal | None) -> ChildEnd:
        """Run a child whose first call is reserved. It is given back where the child does not begin."""
        number, retrieval = self._reservations.number(), self._retrieval

        async def read_corpus() -> Corpus:
            return await in_thread(child_corpus, call.context, retrieval.corpus, dict(retrieval.added))

        with ReservedCall(call, step, self._reservations, self._emit, number) as sent:
            child = ChildTask(call.prompt, read_corpus, number, step, kept)
            task = asyncio.ensure_future(self._run(child, sent.begin))
            step.waiting.add_child(task)
            try:
                end = await in_own_task(task)
            except BudgetError:
                if sent.record is None:
                    raise
                end = ChildEnd("", error=_STEP_OVER)
            record = sent.sent_record
            record.error, record.reply = end.error, end.text if end.error is None or end.text else None
        await self._emit(SubCallEnded(step.iteration, record, end.stop_reason))
        return end
