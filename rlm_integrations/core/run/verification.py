"""Has the user's checks look at an answer, before it is one: off the loop, within the run's time, and recorded."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.run.account import Account
from rlm_integrations.core.run.checks import BrokenCheckError, Check
from rlm_integrations.core.trace.call_records import AnswerCheck
from rlm_integrations.core.trace.ends_run import EndsRun, let_through
from rlm_integrations.core.trace.events import CheckEnded, CheckStarted
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.core.wording import error_words


class Verification:
    """Of the root's answers in one run; those of children are their parents' to judge."""

    def __init__(
        self,
        checks: Sequence[Check],
        calls: ModelCalls,
        threads: RunThreads,
        account: Account,
        ends_run: EndsRun | None = None,
    ) -> None:
        self._checks = checks
        self._calls = calls
        self._threads = threads
        self._account = account
        self._ends_run = ends_run
        self._numbers = itertools.count(1)

    async def objection(self, result: RLMResult[object], iteration: int) -> tuple[str | None, bool]:
        """What the first check says that refuses it, None where none does; and whether the run's time was up.

        Raises RunError for a check that broke, and EndsRunError.
        """
        for check in self._checks:
            said, out_of_time = await self._asked(check, result, iteration)
            if said is not None:
                return said, out_of_time
        return None, False

    async def _asked(self, check: Check, result: RLMResult[object], iteration: int) -> tuple[str | None, bool]:
        number, began = next(self._numbers), self._account.seconds()
        await self._account.emit(CheckStarted(iteration, number, check.name))
        said, failure, out_of_time = None, None, False
        seconds = self._calls.seconds()
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                said = await check.objection(result, self._threads)
        except TimeoutError as error:
            failure = error
            out_of_time = deadline.expired() and self._calls.budget.limit_met() == "timeout"
        except Exception as error:
            failure = error
        record = AnswerCheck(
            name=check.name,
            objection=said,
            error=None if failure is None else _failure_words(failure, seconds if deadline.expired() else None),
            start=began,
            seconds=self._account.seconds() - began,
        )
        await self._account.emit(CheckEnded(iteration, number, record))
        if out_of_time:
            return f"{check.name} was not done when the run's time was up", True
        if failure is not None:
            try:
                let_through(failure, self._ends_run)
                raise RunError(
                    f"verify: {check.name} {record.error}; the answer that it was to check is in .result"
                ) from (None if isinstance(failure, BrokenCheckError) else failure)
            finally:
                del failure, deadline  # its traceback holds this frame, and the other its task
        return said, False


def _failure_words(failure: Exception, timed_out_after: float | None) -> str:
    if timed_out_after is not None:
        return f"gave no word within {timed_out_after:.3g} s"
    if isinstance(failure, BrokenCheckError):
        return str(failure)
    return f"raised {error_words(failure)}"
