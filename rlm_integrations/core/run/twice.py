"""`verify=Twice()`: two blind runs of one question, and where they differ a third that says which holds.

They are runs beside each other, one after another: the second finds the provider's caches warm, and what they tell
never mixes.
"""

from __future__ import annotations

import asyncio
import inspect
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.question import read_question
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.run.account import LAST_WORDS_S, tell
from rlm_integrations.core.run.plan import OnEvent, RunPlan
from rlm_integrations.core.run.reconciling import Reconciling, Verdict, same_answer
from rlm_integrations.core.run.tree import RunTree
from rlm_integrations.core.trace.collector import collect
from rlm_integrations.core.trace.ends_run import boundary, delivering_ends
from rlm_integrations.core.trace.events import Event, RunEnded, RunFailed, Warned
from rlm_integrations.core.trace.records import Agreement
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import RunError, keep_result, result_of
from rlm_integrations.core.trace.watching import Watchers
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import error_words, one_line

_QUESTION_CHARS = 80


class TwiceRun:
    """Use `await TwiceRun(...).perform()`, once. Raises InvalidArgumentError for a wrong question."""

    def __init__(
        self,
        plan: RunPlan,
        question: str | Sequence[Message],
        context: object,
        *,
        sync: bool,
        run_id: str | None = None,
    ) -> None:
        assert plan.twice is not None
        self._plan, self._twice = plan, plan.twice
        self._question, self._context, self._sync, self._run_id = question, context, sync, run_id
        self._began = time.monotonic()
        self._number = 0
        """Of the first run, which all events say."""
        self._done: list[RLMResult[Any]] = []
        self._fence_key = plan.fence_key
        self._warnings: list[str] = []
        self._watchers = Watchers(read_question(question, plan.limits.message_chars, context=context).text)

    async def perform(self) -> RLMResult[Any]:
        """The answer that holds, with what all runs cost. Whatever ends one of them carries what there is of all."""
        with boundary("context"):
            self._context = await in_thread(Corpus.of, self._context)  # for all: it may be one that can be read once
        result: RLMResult[Any] | None = None
        try:
            ended = result = await self._agreed()
            with delivering_ends(), boundary("on_event", known=()):
                await self._tell(RunEnded(result, at=self._seconds(), run=self._number))
        except BaseException as error:
            partial = result_of(error)
            if partial is None and self._done:  # it came between two runs
                partial = self._done[0]
            if result is not None:
                keep_result(error, result)
            elif partial is not None:
                result = self._joined(partial)
                keep_result(error, result)
                if not isinstance(error, GeneratorExit):
                    await self._tell_badly(
                        RunFailed(result.trace.error or "", result, at=self._seconds(), run=self._number), error
                    )
            raise
        finally:
            if result is not None:
                collect(result.trace)
        return ended

    async def _agreed(self) -> RLMResult[Any]:
        reconcile = self._twice.reconcile
        first = await self._performed(self._run(self._question, self._share(2 + reconcile)))
        limits = self._share(1 + reconcile)
        if limits is None:
            why = "nothing was left of the limits to ask a second time: the answer is that of one run"
            await self._warn("one_opinion", why)
            return self._joined(first)
        second = await self._performed(self._run(self._question, limits))
        calls = [iteration.call for iteration in second.trace.iterations]
        if calls and all(call.cached for call in calls):
            await self._warn("one_opinion", "the second run's replies came from a cache: it is no second opinion")
        if same_answer(first, second):
            return self._joined(first, "agreed")
        return await self._reconciled(first, second) if reconcile else await self._differed(first)

    async def _performed(self, run: RunTree) -> RLMResult[Any]:
        result = await run.perform()
        if not self._done:
            self._fence_key = run.fence_key  # in a journal, it is the same in every process
        self._done.append(result)
        return result

    async def _reconciled(self, first: RLMResult[Any], second: RLMResult[Any]) -> RLMResult[Any]:
        plan = self._plan
        reconciling = Reconciling(first, second, plan.answer_type, self._fence_key)
        question = reconciling.question(self._question, plan.limits.message_chars)
        limits = self._share(1)
        if limits is None:
            return await self._differed(first, "nothing was left of the limits to reconcile them")
        plan = replace(
            plan, answer_type=reconciling.verdict_type(), checks=reconciling.checks(plan.checks), route="rlm"
        )
        try:
            third = await self._performed(self._run(question, limits, plan))
        except RunError as error:
            if error.result is None:
                raise
            self._done.append(error.result)
            return await self._differed(first, f"the run that was to reconcile them failed: {one_line(str(error))}")
        verdict: Verdict = third.answer
        if verdict.verdict == "same":
            return self._joined(first, "agreed")
        if verdict.verdict != "neither":
            return self._joined(first if verdict.verdict == "first" else second, "reconciled")
        answer, text = reconciling.own_answer(verdict)
        trace = third.trace.model_copy(update={"answer": text})
        self._done[-1] = own = replace(third, answer=answer, text=text, trace=trace)
        return self._joined(own, "reconciled")

    async def _differed(self, first: RLMResult[Any], why: str | None = None) -> RLMResult[Any]:
        asked = one_line(self._question if isinstance(self._question, str) else first.trace.question, _QUESTION_CHARS)
        because = "" if why is None else f", and {why}"
        await self._warn(
            "differed",
            f"the two runs for “{asked}” differ{because}: the answer is the first one's; both are in result.answers",
        )
        return self._joined(first, "differed")

    def _joined(self, result: RLMResult[Any], agreement: Agreement | None = None) -> RLMResult[Any]:
        """The result with the other runs beside its trace, so that totals are of all that was paid for."""
        others = [each.trace for each in self._done if each.trace is not result.trace]
        ended = result.trace.model_copy(
            update={
                "beside": others,
                "agreement": agreement,
                "warnings": [*result.trace.warnings, *self._warnings],
            }
        )
        answers = tuple(each.answer for each in self._done[:2])
        return replace(result, trace=ended, agreement=agreement, answers=answers)

    def _run(self, question: str | Sequence[Message], limits: RLMLimits | None, plan: RunPlan | None = None) -> RunTree:
        """The next run, in seconds and limits of its own."""
        attempt, offset = len(self._done) + 1, self._seconds()
        own = self._plan.limits
        plan = replace(plan or self._plan, limits=limits or own, limits_of_all=own, attempt=attempt)
        if self._plan.on_event is not None:
            plan = replace(plan, on_event=self._telling(self._plan.on_event, offset))
        return RunTree(plan, question, self._context, sync=self._sync, part_of=self._watchers, run_id=self._run_id)

    def _telling(self, on_event: OnEvent, offset: float) -> OnEvent:
        """Tells the events of one of the runs as of all, in their seconds; that they ended is told once."""

        def shown(event: Event) -> Event | None:
            if isinstance(event, RunEnded | RunFailed):
                return None
            self._number = self._number or event.run
            return replace(event, at=event.at + offset, run=self._number)

        if inspect.iscoroutinefunction(on_event):

            async def atold(event: Event) -> None:
                if (told := shown(event)) is not None:
                    await on_event(told)

            return atold
        return lambda event: None if (told := shown(event)) is None else on_event(told)

    async def _warn(self, kind: Literal["differed", "one_opinion"], message: str) -> None:
        self._warnings.append(message)
        with suppress(Warning):  # a filter that makes errors of warnings must not end what goes well
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        with delivering_ends(), boundary("on_event", known=()):
            await self._tell(Warned(kind, message, at=self._seconds(), run=self._number))

    async def _tell(self, event: Event) -> None:
        self._watchers.see(event)
        if self._plan.on_event is not None:
            await contained(tell(self._plan.on_event, event, sync=self._sync))

    async def _tell_badly(self, last: Event, cause: BaseException) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self._tell(last)
        except Exception as error:
            cause.add_note(f"on_event: it raised {error_words(error)}")

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _share(self, runs_left: int) -> RLMLimits | None:
        """The limits of the next run: of tokens, money and time an equal share of what is left. None: nothing is."""
        limits, spent = self._plan.limits, sum((each.usage for each in self._done), Usage())
        left: dict[str, float] = {}
        if limits.max_total_tokens is not None:
            left["max_total_tokens"] = (limits.max_total_tokens - spent.total_tokens) // runs_left
        if limits.max_cost_usd is not None:
            left["max_cost_usd"] = (limits.max_cost_usd - (spent.cost_usd or 0.0)) / runs_left
        if limits.timeout_s is not None:
            left["timeout_s"] = (limits.timeout_s - self._seconds()) / runs_left
        if any(value <= 0 for value in left.values()):
            return None
        return limits.model_copy(update=left)


def new_run(
    plan: RunPlan, question: str | Sequence[Message], context: object, *, sync: bool, run_id: str | None = None
) -> RunTree | TwiceRun:
    """What performs the plan for the question. Raises InvalidArgumentError for a wrong one."""
    return (RunTree if plan.twice is None else TwiceRun)(plan, question, context, sync=sync, run_id=run_id)
