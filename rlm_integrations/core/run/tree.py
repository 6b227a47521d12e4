"""One run of a plan: a tree of nodes that share a budget and an account, and the one place where a run fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from rlm_integrations.core.calls.budget import Budget
from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.corpus.question import read_question
from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.limits import StopReason
from rlm_integrations.core.loop.actions import Finish
from rlm_integrations.core.loop.limit_met import limit_warning, unverified_warning
from rlm_integrations.core.loop.nothing_read import nothing_read_warning
from rlm_integrations.core.loop.unresolved import unresolved_warning
from rlm_integrations.core.run.account import Account
from rlm_integrations.core.run.heartbeat import Heartbeat
from rlm_integrations.core.run.node import Node
from rlm_integrations.core.run.plan import LONG_TEXT_CHARS, RunPlan
from rlm_integrations.core.run.shared import Shared
from rlm_integrations.core.run.turns import Turn, Turns
from rlm_integrations.core.run.verification import Verification
from rlm_integrations.core.session.memory import SessionMemory
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.trace.collector import collect
from rlm_integrations.core.trace.ends_run import EndsRunError
from rlm_integrations.core.trace.events import RunEnded, RunFailed, Warned
from rlm_integrations.core.trace.evidence import Evidence
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import (
    JournalError,
    LimitReachedError,
    RootModelError,
    RunError,
    keep_result,
)
from rlm_integrations.core.trace.watching import Watchers
from rlm_integrations.core.wording import error_words

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import NodeJournal
    from rlm_integrations.core.run.journalled import Ended


class RunTree:
    """Use `await RunTree(...).perform()`, once. Raises InvalidArgumentError for a wrong question."""

    def __init__(
        self,
        plan: RunPlan,
        question: str | Sequence[Message],
        context: object,
        *,
        sync: bool,
        session: SessionMemory | None = None,
        part_of: Watchers | None = None,
        run_id: str | None = None,
    ) -> None:
        """`part_of`: who watches its question, of which it is one of several runs. Whoever joins them hands out its
        trace.
        """
        read = read_question if session is None else session.read
        self._question = read(question, plan.limits.message_chars, context=context)
        self._plan, self._context = plan, context
        self._session, self._is_part = session, part_of is not None
        self._run_id = run_id
        self._journal: NodeJournal | None = None
        self._answer: RLMResult[Any] | None = None
        """That of a run which has one, and is to keep it."""
        asked = self._question.text
        watchers = Watchers(asked) if part_of is None else part_of.of_part(asked)
        self._account = Account(asked, plan, watchers, sync=sync)
        self._calls = ModelCalls(Budget(plan.limits, self._account.seconds))
        self._threads = RunThreads()
        self._kept: RLMResult[Any] | None = None
        """What there is to hand back, once the run ends."""
        threads = self._threads if sync else None
        root = ModelPath(plan.root, "llm", threads, plan.root_prices, plan.root_with_tool)
        sub = ModelPath(plan.sub, "sub_llm", threads, plan.sub_prices, plan.sub_with_tools)
        child_root = None
        if plan.limits.max_depth > 1:
            child_root = ModelPath(plan.sub, "sub_llm", threads, plan.sub_prices, plan.child_with_tool)
        turns = Turns(plan.limits.max_repls)
        self._verification = Verification(plan.checks, self._calls, self._threads, self._account, plan.ends_run)
        self._in_question: RLMResult[Any] | None = None
        """What the user's checks look at."""
        self._shared = Shared(
            plan, self._account, self._calls, self._threads, root, sub, child_root, sync, turns, set()
        )
        self._ask = partial(self._calls.root_call, root, with_tool=plan.protocol == "tool")
        self._node = self._root_node(self._shared)

    def _root_node(self, shared: Shared) -> Node:
        check = self._check if self._plan.checks else None
        directly = None if self._plan.route == "rlm" else partial(self._calls.root_call, shared.root, directly=True)
        return Node(shared, self._question, (), self._ask, Turn(shared.turns, 0), self._session, check, directly)

    @property
    def fence_key(self) -> bytes:
        """What the tags of its fences are made with, once it has begun."""
        return self._shared.plan.fence_key

    async def perform(self) -> RLMResult[Any]:
        """The result of the run.

        Raises RunError, which carries what there is, and InvalidArgumentError for a wrong context. Whatever else ends
        a run that had begun, a CancelledError and what `ends_run` lets through too, has a `.result` as well.
        """
        try:
            with Heartbeat():
                return await self._perform()
        except asyncio.CancelledError as end:  # it may come when all is done, too
            if self._kept is not None:
                keep_result(end, self._kept)
            raise

    async def _perform(self) -> RLMResult[Any]:
        closed_loop = False
        try:
            result = await self._answered()
            if self._session is not None:
                self._session.remember(self._question, result.text)
        except GeneratorExit:  # the loop was closed over the run: nothing can be awaited, all ends as it is let go of
            closed_loop = True
            raise
        except EndsRunError as ended:
            raise await self._failed(ended) from None
        except BaseException as error:
            failure = await self._failed(error)
            try:
                if failure is error:
                    raise
                raise failure from error
            finally:
                del failure  # its traceback holds this frame, and so the run and its corpus, until a collection
        else:
            await self._after_calls(partial(self._end, result))
            return result
        finally:
            if self._account.closed and not self._is_part:  # not a call that was refused
                collect(self._account.trace)
            self._threads.close()
            if closed_loop:
                if self._journal is not None:
                    self._journal.run.release_later()
            else:
                await self._close()

    async def _close(self) -> None:
        try:
            await self._node.close()
        finally:
            if self._journal is not None:
                await self._journal.run.release()

    async def _answered(self) -> RLMResult[Any]:
        """The result that the run comes to, or that it came to when it was made before."""
        if self._plan.journal is not None:
            before = await self._begin_journal(self._plan.journal)
            if before is not None:
                return await self._as_before(before)
        action = await self._node.answer(self._context)
        await self._warn_of(action)
        result = await self._finished(action)
        if self._journal is not None:
            from rlm_integrations.core.run.journalled import end_row  # the engine has imported it

            self._node.begin_to_close()
            self._answer = result  # the journal may not take it
            came_to = {"stop_reason": result.stop_reason, "seconds": self._account.seconds()}
            trace = result.trace.model_copy(update=came_to)  # the event that says so comes when this is kept
            make = partial(end_row, action, trace, self._node.retrieved, self._plan.limits)
            await self._journal.run.keep_end(make, self._threads)
        return result

    async def _begin_journal(self, settings: Journal) -> Ended | None:
        """Find out which run of the journal this is. Returns what it came to, where that is known.

        Raises InvalidArgumentError.
        """
        from rlm_integrations.core.run.journalled import begin, ended_before, with_its_fences  # as above

        call = self._plan, self._question, self._context, self._run_id
        journal, self._context = await begin(settings, *call, self._say, self._threads)
        self._journal, plan = journal, with_its_fences(self._plan, journal)
        self._shared = self._shared._replace(plan=plan)
        self._node = self._root_node(self._shared)
        self._node.journal = journal
        return await self._threads.run(ended_before, journal, plan) if journal.run.has_ended else None

    async def _say(self, what: str) -> None:
        await self._account.emit(Warned("replay_diverged", what))

    async def _as_before(self, before: Ended) -> RLMResult[Any]:
        """The result of a run that has ended: nothing of it is done again."""
        await self._node.take_over(self._context, before.retrieved)
        self._account.take_over(before.trace)
        return await self._finished(before.action)

    async def _warn_of(self, action: Finish) -> None:
        """Tell of an answer that is less than it looks."""
        if action.nothing_read:
            await self._account.emit(Warned("nothing_read", nothing_read_warning(self._question.text)))
        if action.unresolved:
            await self._account.emit(Warned("unresolved", unresolved_warning(action.unresolved, self._question.text)))
        warning = limit_warning(action, self._question.text, self._plan.limits, self._plan.limits_of_all)
        if warning is not None and self._plan.on_limit == "answer":
            await self._account.emit(Warned("limit_met", warning))
        if action.objection is not None and self._plan.on_limit == "answer":
            await self._account.emit(Warned("unverified", unverified_warning(action.objection, self._question.text)))

    async def _check(self, action: Finish, iteration: int) -> tuple[str | None, bool]:
        """Why the user's checks refuse the answer, None where they do not; and whether the run's time was up."""
        self._in_question = result = await self._finished(action)
        objection = await self._verification.objection(result, iteration)
        self._in_question = None
        return objection

    async def _finished(self, action: Finish) -> RLMResult[Any]:
        answer_type = self._plan.answer_type

        def read() -> tuple[Any, str]:
            text = without_lone_surrogates(action.text)
            return answer_type.read(text, action.is_json), answer_type.text(text, action.is_json)

        # A long one may take longer than an event loop should wait, and what checks a type over a short one too.
        long = answer_type.schema is not None or len(action.text) > LONG_TEXT_CHARS
        answer, shown = await self._threads.run(read) if long else read()
        return self._result(answer, shown, action.stop_reason, action.verified, action.objection)

    async def _end(self, result: RLMResult[Any]) -> None:
        """The run has its answer. Raises RunError, with that result, where it is not simply to be handed back."""
        try:
            await self._account.end(RunEnded(result))
        except EndsRunError as ended:
            end = ended.let_go()
            keep_result(end, result)
            try:
                raise end from None
            finally:
                del end  # its traceback holds this frame
        except RunError as error:
            error.result = result
            raise
        if self._plan.on_limit == "raise" and result.stop_reason not in ("answer", "plain_reply"):
            raise LimitReachedError(f"limits: the run reached {result.stop_reason}; its result is in .result", result)

    async def _failed(self, error: BaseException) -> BaseException:
        """What to raise for an error that ends the run: with what was done and paid for, unless it had not begun."""
        if isinstance(error, RLMError) and not isinstance(error, RunError) and not self._node.started:
            return error
        return await self._after_calls(partial(self._end_badly, error))

    async def _after_calls(self, end: Callable[[], Awaitable[Any]]) -> Any:
        """What `end` returns, once the open calls have ended: what they reply by then is recorded."""
        self._calls.close()
        try:
            await self._node.end_calls()
        except asyncio.CancelledError as cancelled:
            try:
                await end()
            except RunError as error:  # the cancellation goes on, with what was done and paid for
                if error.result is not None:
                    keep_result(cancelled, error.result)
            raise
        return await end()

    async def _end_badly(self, error: BaseException) -> BaseException:
        raised: BaseException = error
        if isinstance(error, asyncio.CancelledError):
            words = "the run was cancelled"
        elif isinstance(error, EndsRunError):
            words, raised = str(error), error.let_go()
        elif isinstance(error, RLMError):
            words = str(error)
        elif isinstance(error, Exception):
            words = f"the run failed: {error_words(error)}"
            raised = RunError(words)
        else:
            words = f"the run was ended by {type(error).__name__}"
        if self._journal is not None and isinstance(error, RootModelError):
            with suppress(JournalError):
                await self._journal.forget_last_replies()
        checked = self._in_question
        answer, text = (self._node.draft,) * 2 if checked is None else (checked.answer, checked.text)
        result = self._result(answer, text, self._node.stop_reason)
        if self._answer is not None:  # there was one, which the journal did not take
            result = self._answer
        keep_result(raised, result)
        await self._account.end_badly(RunFailed(words, result), raised)
        return raised

    def _result(
        self,
        answer: Any,
        text: str,
        stop_reason: StopReason | None,
        verified: bool | None = None,
        objection: str | None = None,
    ) -> RLMResult[Any]:
        trace = self._account.trace
        evidence = Evidence(trace, self._node.corpus, self._node.retrieved)
        self._kept = RLMResult(answer, text, tuple(trace.citations), evidence, stop_reason, trace, verified, objection)
        return self._kept
