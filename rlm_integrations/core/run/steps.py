"""Runs the code of one node's root LM, a step at a time, and tells of what came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.loop.happenings import CodeRan
from rlm_integrations.core.loop.observation import output_text
from rlm_integrations.core.loop.outcomes import error_line
from rlm_integrations.core.run.host_side import HostSide
from rlm_integrations.core.run.live_repl import LiveRepl
from rlm_integrations.core.run.shared import Shared
from rlm_integrations.core.run.turns import Turn
from rlm_integrations.core.trace.events import CodeEnded, CodeStarted, Event
from rlm_integrations.core.trace.records import CodeExecution
from rlm_integrations.wire.steps import ReplLost, StepDone

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import NodeJournal


class Steps:
    """Those of the node at `path`."""

    def __init__(
        self,
        shared: Shared,
        path: tuple[int, ...],
        emit: Callable[[Event], Awaitable[None]],
        turn: Turn,
        repl: LiveRepl,
        host: HostSide,
        journal: NodeJournal | None,
    ) -> None:
        self._shared, self._path, self._emit, self._turn = shared, path, emit, turn
        self._repl, self._host, self._journal = repl, host, journal

    async def run(self, iteration: int, blocks: tuple[str, ...]) -> CodeRan:
        """What came of it. Raises what the run must end with."""
        host, clock, calls = self._host, self._shared.account.seconds, self._shared.calls
        await self._turn.begin()
        step = StepRecord(iteration, clock)
        host.maps.begin_step()
        await self._emit(CodeStarted(iteration, blocks))
        began = clock()
        seconds = max(0.0, calls.budget.seconds_left(last_call=calls.last_call))
        try:
            outcome = await self._repl.step(blocks, seconds, step)
        except BaseException:
            host.functions.take_fatal()
            raise
        finally:  # where this is a child that is ended, others go on with what it had reserved
            calls.budget.release(step.end())
        if self._journal is not None and host.functions.fatal is None:
            outcome = await self._in_journal(self._journal, iteration, outcome)
        facts: dict[str, object] = {"output": output_text(outcome.output), "seconds": clock() - began}
        if isinstance(outcome, StepDone):
            facts |= {"error": outcome.error and error_line(outcome.error), "variables": list(outcome.variables)}
        else:
            host.maps.forget()
            facts |= {"lost": outcome.reason}
        await self._emit(CodeEnded(iteration, self._running(iteration).model_copy(update=facts)))
        if (fatal := host.functions.take_fatal()) is not None:
            try:
                raise fatal
            finally:
                del fatal  # its traceback holds this frame
        self._shared.check_budget()
        return CodeRan(
            outcome,
            sub_calls_made=step.sub_calls_made,
            sub_call_seconds=step.seconds,
            failed_batches=step.failed_batches(),
            unresolved=host.maps.unresolved(),
            retrieved=len(host.retrieval.added),
            budget=self._shared.budget_view(),
        )

    async def _in_journal(
        self, journal: NodeJournal, iteration: int, outcome: StepDone | ReplLost
    ) -> StepDone | ReplLost:
        """What the root LM is told of the step, and its REPL as it was told then."""
        known = await journal.step_ended(iteration, outcome)
        if isinstance(known, ReplLost):
            await self._repl.lose(known.reason)
        return known

    def _running(self, iteration: int) -> CodeExecution:
        execution = self._shared.account.trace_of(self._path).iterations[iteration - 1].execution
        assert execution is not None
        return execution
