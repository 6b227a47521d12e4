"""Calls of the user's own code, by a REPL's code or by a sub-LM: counted, in a slot, in time, and recorded."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from rlm_integrations.core.calls.budget import BudgetError
from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.host.answers import Emit, RefusedCallError
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.trace.call_records import HostFunctionCall
from rlm_integrations.core.trace.ends_run import EndsRun, let_through
from rlm_integrations.core.trace.events import HostCallEnded, HostCallStarted
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.core.wording import error_words
from rlm_integrations.repl.bounded_repr import bounded_repr

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import Request

_SHOWN_CHARS = 2_000


class ForeignCalls:
    """Those of one run. `ends_run` says which of their exceptions are not for the code, and end it."""

    def __init__(self, calls: ModelCalls, emit: Emit, ends_run: EndsRun | None = None) -> None:
        self._calls = calls
        self._emit = emit
        self._ends_run = ends_run
        self._numbers = itertools.count(1)

    async def run(
        self,
        name: str,
        arguments: dict[str, Any],
        step: StepRecord,
        work: Callable[[], Awaitable[Any]],
        sub_call: int | None = None,
        *,
        kept: Request | None = None,
    ) -> Any:
        """What `work` returns, within the run's bounds. `kept` is what it has asked the journal by.

        `sub_call` is the number of the sub-call whose model calls it; None where code does. Raises RefusedCallError,
        BudgetError, EndsRunError, JournalError.
        """
        try:
            self._calls.budget.count_tool_call()
        except BudgetError as refusal:  # not the kind that says sub-calls are used up
            raise RefusedCallError("failed", f"{name}: {refusal}") from None
        shown = _shown(arguments)
        async with self._calls.slot(step.waiting):
            number, began = next(self._numbers), step.clock()
            await self._emit(HostCallStarted(step.iteration, number, name, shown, sub_call))
            value, failure = None, None
            try:
                async with asyncio.timeout(self._calls.seconds()):
                    value = await work()
                result, error = _shown(value), None
            except RunError:
                raise
            except Exception as raised:
                failure, result, error = raised, None, error_words(raised)
            record = HostFunctionCall(
                name=name,
                arguments=shown,
                result=result,
                error=error,
                start=began,
                seconds=step.clock() - began,
                replayed=kept is not None and kept.replayed,
            )
            await self._emit(HostCallEnded(step.iteration, number, record, sub_call))
        if failure is not None:
            try:
                let_through(failure, self._ends_run)
                raise RefusedCallError("failed", f"{name}: {error}") from failure
            finally:
                del failure  # its traceback holds this frame
        return value


def _shown(value: Any) -> str:
    """The beginning of its repr, at a cost that does not grow with the value."""
    return bounded_repr(value, _SHOWN_CHARS)[:_SHOWN_CHARS]
