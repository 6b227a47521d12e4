"""One sub-call from its reservation to its end, of a model or of a child RLM."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rlm_integrations.core.host.answers import Emit
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.language_model import Completion
from rlm_integrations.core.trace.call_records import SentImage
from rlm_integrations.core.trace.events import SubCallEnded, SubCallStarted
from rlm_integrations.core.trace.records import SubCall
from rlm_integrations.wire.calls import LlmQuery, RlmQuery

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import CallJournal, Request


class ReservedCall:
    """Sent within a `with` block. Where it has not begun by its end, it is given back."""

    def __init__(
        self,
        call: LlmQuery | RlmQuery,
        step: StepRecord,
        reservations: Reservations,
        emit: Emit,
        number: int | None = None,
        kept: CallJournal | None = None,
        images: Sequence[SentImage] = (),
        model: str | None = None,
    ) -> None:
        """`number` is its place among the sub-calls of its node, where that is known before it begins. `kept` is what
        the journal has of it. `model` is what a sub-LM is called.
        """
        self._model = model
        self._images = images
        self._call = call
        self._step = step
        self._reservations = reservations
        self._emit = emit
        self._number = number
        self.kept = kept
        self.record: SubCall | None = None
        """None until it begins."""
        self._closed = False
        self.untold = False
        """Whether a reply was taken that no event tells of."""

    def request(self) -> Request | None:
        """What the journal has of the next request that it comes to; None where there is no journal."""
        return None if self.kept is None else self.kept.request()

    @property
    def sent_record(self) -> SubCall:
        """The record of a call that has begun."""
        assert self.record is not None, "the call has not begun"
        return self.record

    def take(self, completion: Completion) -> None:
        """A reply to it came: the last one counts, and what all of them consumed."""
        record, self.untold = self.sent_record, True
        first = record.requests == 1
        if completion.replayed:
            record.replayed += 1
            record.replayed_usage += completion.usage
        record.note(
            reply=completion.text,
            model=completion.model or record.model,
            usage=completion.usage if first else record.usage + completion.usage,
            thoughts=completion.thoughts,
            finish=completion.finish,
            cached=completion.cached and (first or record.cached),
        )

    async def begin(self) -> None:
        """It is sent now. Raises RunError where the user's handler raises."""
        call, step = self._call, self._step
        number = self._reservations.number() if self._number is None else self._number
        now = step.clock()
        self.record = SubCall(
            number=number,
            batch=call.batch,
            index=call.index,
            prompt=call.prompt,
            images=list(self._images),
            model=self._model,
            start=now,
        )
        step.sub_call_sent(now)
        is_rlm = isinstance(call, RlmQuery)
        await self._emit(
            SubCallStarted(step.iteration, number, call.prompt, call.batch, call.index, is_rlm, self._model)
        )

    async def end_amid(self) -> None:
        """Tell of its end within the block, which an error leaves. Raises RunError where the user's handler raises."""
        self._close()
        await self._emit(SubCallEnded(self._step.iteration, self.sent_record))

    def _close(self) -> None:
        """Note how long it took, once: what was told of is not changed any more."""
        if self._closed:
            return
        self._closed = True
        now = self._step.clock()
        self.sent_record.seconds = now - self.sent_record.start
        self._step.sub_call_closed(now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.record is None:
            self._reservations.give_back()
            return
        self._close()
