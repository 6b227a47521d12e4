"""`llm_query` and its batches: prompts for the sub-LM, whose whole replies alone are taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from rlm_integrations.core.calls.budget import BudgetError
from rlm_integrations.core.calls.endings import MOST_READ_CHARS, shown, unfinished, worth_asking_again
from rlm_integrations.core.calls.failure_words import failure_words
from rlm_integrations.core.calls.long_thoughts import thoughts_left
from rlm_integrations.core.calls.model_calls import ModelCalls, TooLongReplyError
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.overflow import is_overflow
from rlm_integrations.core.calls.threads import off_loop
from rlm_integrations.core.calls.token_counts import (
    USAGE_ESTIMATED,
    WINDOW_ADVICE,
    count_tells,
    pieces_advice,
    prompt_chars,
    silently_cut,
)
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.host.answers import Emit, RefusedCallError
from rlm_integrations.core.host.pictures import Picture, Pictures
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.reserved_call import ReservedCall
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.host.tool_loop import Said, SubPrompt, ToolLoop
from rlm_integrations.core.host.wrapped_work import AroundSubCall, wrapped
from rlm_integrations.core.trace.cut_off import CUT_OFF
from rlm_integrations.core.trace.ends_run import EndsRun, let_through
from rlm_integrations.core.trace.events import SubCallEnded, Warned
from rlm_integrations.core.trace.records import SubCall
from rlm_integrations.core.trace.run_errors import JournalError, RunError
from rlm_integrations.core.wording import number
from rlm_integrations.wire.calls import LlmQuery

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import CallJournal


class SubCalls:
    """The sub-calls of one node. `prompt_chars` is the longest prompt, in characters."""

    def __init__(
        self,
        calls: ModelCalls,
        model: ModelPath,
        prompt_chars: int,
        reservations: Reservations,
        emit: Emit,
        ends_run: EndsRun | None = None,
        tools: ToolLoop | None = None,
        around: AroundSubCall | None = None,
        pictures: Pictures | None = None,
    ) -> None:
        """`pictures` are those that code can name; without it there are none. `tools` are the sub-LM's, and `around`
        wraps a call of a sub-LM that has some.
        """
        self._calls = calls
        self._model = model
        self._prompt_chars = prompt_chars
        self._reservations = reservations
        self._emit = emit
        self._ends_run = ends_run
        self._tools = tools
        self._around = around
        self._pictures = pictures or Pictures(Corpus.of(None), dict)
        self._warned = False
        """Whether the user was told that tokens are estimated."""

    async def query(self, call: LlmQuery, step: StepRecord, kept: CallJournal | None = None) -> str:
        """The sub-LM's reply. `kept` is what the journal has of it. Raises RefusedCallError, BudgetError.

        A reply that is no whole one fails the call. It is asked for once more where that can help and the budget has
        room; that is a sub-call of its own.
        """
        self._reservations.check_depth(1)
        if len(call.prompt) > self._prompt_chars:
            chars = f"the prompt has {len(call.prompt):,} characters"
            raise RefusedCallError("value", f"{chars}; a sub-call takes {self._prompt_chars:,}")
        pictures = self._pictures.named(call.images)
        self._reservations.take(call, step)
        record, again = await self._attempt(call, pictures, step, kept, tell=call.batch is None)
        if again and self._reservations.one_more():
            with suppress(BudgetError):  # it was not sent after all: the first failure stands
                record, _ = await self._attempt(call, pictures, step, kept, tell=True)
        if record.error is None and record.reply is not None:
            return record.reply
        quoted = record.finish == "refusal"  # by the error
        began = f"it began {shown(record.reply)}" if record.reply and record.reply.strip() and not quoted else ""
        kind = "cut" if record.finish == "length" else "failed"
        raise RefusedCallError(kind, record.error or "the sub-call failed", began)

    async def _attempt(
        self, call: LlmQuery, pictures: Sequence[Picture], step: StepRecord, kept: CallJournal | None, *, tell: bool
    ) -> tuple[SubCall, bool]:
        """Send what is reserved, once. It is given back where it is not sent after all.

        Returns the record, with the error of a call that failed, and whether asking again can help. `tell` says
        whether the user is still to be told of the reservation.
        """
        cut, again, unknown = None, False, None
        refusal: BudgetError | None = None
        prompt = SubPrompt(call.prompt, tuple([picture.image for picture in pictures]) if pictures else ())
        told = [picture.told for picture in pictures] if pictures else ()
        with ReservedCall(call, step, self._reservations, self._emit, None, kept, told, self._model.name) as sent:
            try:
                if tell:
                    await self._reservations.tell(step, 1, len(call.prompt))
                said = await self._reply_to(prompt, step, sent)
                record, completion = sent.sent_record, said.completion
                unknown = self._model.unpriced(completion)
                if count_tells(completion):
                    chars = prompt_chars(said.messages)
                    cut = await off_loop(chars, silently_cut, said.messages, chars, completion)
                if cut is not None:
                    record.error = f"{cut}; {pieces_advice(completion)}, as its reply counts for nothing"
                elif (problem := unfinished(completion)) is not None:
                    record.error = problem
                    again = record.requests == 1 and worth_asking_again(completion)
                elif len(completion.text) > MOST_READ_CHARS:
                    record.error = await off_loop(len(completion.text), thoughts_left, completion.text)
            except asyncio.CancelledError:
                if sent.untold:  # its reply was paid for
                    sent.sent_record.error = CUT_OFF
                    await sent.end_amid()
                raise
            except JournalError as error:
                if error.unkept is not None:
                    sent.take(error.unkept)
                    await sent.end_amid()
                raise
            except RunError:  # of the user's handler, and the run ends with it
                raise
            except BudgetError as error:
                record = sent.record
                if record is None:
                    raise
                record.error, refusal = str(error), error
            except Exception as error:
                let_through(error, self._ends_run)
                record = sent.record
                if record is None:
                    raise
                if isinstance(error, TooLongReplyError):
                    sent.take(error.reply)
                    record.reply = None
                record.error = _failure_words(error, len(call.prompt))
        await self._emit(SubCallEnded(step.iteration, record))
        if refusal is not None:  # what it had begun is recorded
            raise refusal
        await self._warn_of(record, unknown, cut)
        return record, again

    async def _warn_of(self, record: SubCall, unknown: str | None, cut: str | None) -> None:
        """Of tokens and costs that nobody counted, and of a prompt that the server has cut."""
        if record.usage.estimated_tokens and not self._warned:
            self._warned = True
            await self._emit(Warned("usage_estimated", USAGE_ESTIMATED))
        if unknown is not None:
            await self._emit(Warned("cost_unknown", unknown))
        if cut is not None:
            await self._emit(Warned("prompt_cut", f"sub_llm: {cut}; {WINDOW_ADVICE}"))

    def _reply_to(self, prompt: SubPrompt, step: StepRecord, sent: ReservedCall) -> Awaitable[Said]:
        if self._tools is None:
            return self._ask(prompt, step, sent)
        ask = partial(self._tools.ask, prompt, step, sent)
        return wrapped("around_sub_call", self._around, (prompt.text,), ask, lambda said: said.completion.text)

    async def _ask(self, prompt: SubPrompt, step: StepRecord, sent: ReservedCall) -> Said:
        messages = prompt.messages()
        completion = await self._calls.sub_call(self._model, messages, step.waiting, sent.begin, kept=sent.request())
        sent.take(completion)
        return Said(completion, messages)


def _failure_words(error: Exception, prompt_chars: int) -> str:
    """Why there is no reply, in words for the root LM and the trace."""
    words = failure_words(error)
    if not is_overflow(error):
        return words
    return f"the prompt of {number(prompt_chars)} characters is too long for the sub-LM: send smaller pieces; {words}"
