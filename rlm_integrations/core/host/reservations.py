"""Sub-calls of one node are reserved before they are sent, those of a batch all at once: a limit is never passed."""

from __future__ import annotations

import itertools

from rlm_integrations.core.calls.budget import Budget, BudgetError
from rlm_integrations.core.calls.estimates import Estimates
from rlm_integrations.core.calls.slots import STEP_OVER
from rlm_integrations.core.host.answers import Emit, RefusedCallError
from rlm_integrations.core.host.step_record import Batch, StepRecord
from rlm_integrations.core.trace.events import SubCallsReserved
from rlm_integrations.wire.calls import LlmQuery, Reserve, RlmQuery


class Reservations:
    """`depth` is how many levels of calls there are below the node; `estimates` are those of its sub-LM.

    `emit` tells the user, and is None where nobody listens: the trace has those that are sent.
    """

    def __init__(self, budget: Budget, depth: int, emit: Emit | None, estimates: Estimates | None = None) -> None:
        self._budget = budget
        self._depth = depth
        self._emit = emit
        self._estimates = estimates
        self._numbers = itertools.count(1)
        self._batch_ids = itertools.count(1)

    async def reserve(self, call: Reserve, step: StepRecord) -> int:
        """Set a batch of sub-calls aside, all or none. Returns its id. Raises BudgetError."""
        self.check_depth(1)
        if call.n < 1:
            raise RefusedCallError("value", "a batch needs at least one prompt")
        _refuse_over(step)
        self._budget.reserve(call.n)
        batch_id = next(self._batch_ids)
        step.batches[batch_id] = Batch(call.n)
        await self.tell(step, call.n, call.chars)
        return batch_id

    async def tell(self, step: StepRecord, count: int, chars: int) -> None:
        """Tell the user of sub-calls that are reserved, whose prompts have so many characters in all; 0: not known.

        What they cost about is said of a batch alone.
        """
        if self._emit is None:
            return
        cost = None
        if self._estimates is not None and chars and count > 1:
            cost = self._estimates.cost_usd(count, chars)
        await self._emit(SubCallsReserved(step.iteration, count, cost))

    def take(self, call: LlmQuery | RlmQuery, step: StepRecord) -> None:
        """One of its batch, or one of its own. Raises BudgetError and RefusedCallError."""
        _refuse_over(step)
        if call.batch is None:
            self._budget.reserve(1)
            return
        batch = step.batches.get(call.batch)
        if batch is None or batch.begun >= batch.size:
            raise RefusedCallError("budget", "this batch has no sub-call left; nothing was sent")
        batch.begun += 1

    def one_more(self) -> bool:
        """Reserve another, if there is one: asking for one that there is not would end the run."""
        if self._budget.sub_calls_left < 1:
            return False
        try:
            self._budget.reserve(1)
        except BudgetError:
            return False
        return True

    def give_back(self) -> None:
        """One that was not sent after all."""
        self._budget.release(1)

    def number(self) -> int:
        """The place of the next sub-call that is sent, from 1."""
        return next(self._numbers)

    def check_depth(self, depth: int) -> None:
        """Raises RefusedCallError where there are fewer levels of calls below the node."""
        if self._depth < depth:
            what = "sub-calls in this run" if depth == 1 else "child RLMs at this depth"
            raise RefusedCallError("value", f"there are no {what}")


def _refuse_over(step: StepRecord) -> None:
    """A step that has ended gave back what was reserved for it: taken now, it would be given back twice."""
    if step.over:
        raise BudgetError(STEP_OVER)
