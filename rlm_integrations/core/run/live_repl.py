"""The REPL of one node: opened while the root LM still thinks, and opened anew when it has died."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from math import inf
from typing import Any

from rlm_integrations.core.calls.end_together import end_together
from rlm_integrations.core.host.answers import Reply
from rlm_integrations.core.host.functions import HostFunctions
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.sandbox import Repl
from rlm_integrations.wire.calls import HostCall
from rlm_integrations.wire.steps import ReplLost, StepDone

_INTERRUPT_S = 0.5
"""Seconds that code has to end when its run is cancelled: whoever waits for that run waits little longer."""

_LET_GO_S = 0.5
"""Seconds that open calls have to end before the run's end is told. What they come to by then is recorded."""

_CUT_SHORT = "the question before was ended while its code ran"


class LiveRepl:
    """Runs steps, and hands the host calls of their code to the host functions."""

    def __init__(
        self,
        open_repl: Callable[[], Coroutine[Any, Any, Repl]],
        host: HostFunctions,
        opened: Callable[[], Awaitable[None]],
        *,
        outlives: bool = False,
    ) -> None:
        """Give it what opens a REPL.

        Args:
            open_repl: Starts a REPL over what the corpus is at that moment.
            host: Answers the calls of the code.
            opened: Awaited when code is to run.
            outlives: Whether the REPL is to outlive this run, even one that is cancelled amid a step.
        """
        self._open_repl = open_repl
        self._host = host
        self._opened = opened
        self._opening: asyncio.Task[Repl] | None = None
        self._repl: Repl | None = None
        self._closing: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._stepping: asyncio.Task[Any] | None = None
        """What waits for a step that goes on; None where it was given up, too."""
        self._told = self._ending = False
        self._outlives = outlives
        self.lost = ""
        """Why there is no REPL, where there was one."""

    def take_up(self, repl: Repl) -> None:
        """Go on with one that is there."""
        self._repl = repl

    def open_early(self) -> None:
        """Begin to open, so that the first step need not wait."""
        self._opening = asyncio.create_task(self._open_repl())

    async def step(self, blocks: tuple[str, ...], seconds: float, record: StepRecord) -> StepDone | ReplLost:
        """Run the blocks. After ReplLost the next step has a new REPL. Raises SandboxError."""
        loop, context = asyncio.get_running_loop(), copy_context()
        last_moment = loop.time() + seconds
        if self._repl is None:
            opened = await self._opened_within(seconds)
            if isinstance(opened, ReplLost):
                self.lost = opened.reason
                return opened
            self._repl, self._opening, self._told = opened, None, False
        if not self._told:
            self._told = True
            await self._opened()
        repl = self._repl
        self.lost = _CUT_SHORT

        def begin(call: HostCall) -> None:
            if self._ending:
                repl.refuse(call.id, "failed", "the run was ended")
                return
            answering = self._answer(call, repl, record)
            self._calls.add(loop.create_task(answering, context=context.copy()))

        running = repl.step(blocks, begin, last_moment - loop.time())
        stays = self._outlives and hasattr(repl, "interrupt")  # a sandbox of somebody's own may know no sessions
        outcome = await self._unless_interrupted(self._interruptible(repl, running) if stays else running)
        if isinstance(outcome, ReplLost):
            self._repl, self.lost = None, outcome.reason
            await repl.close()
        return outcome

    async def _opened_within(self, seconds: float) -> Repl | ReplLost:
        """The REPL that is on its way, or a new one. One that does not come in time is given up."""
        if self._opening is None:
            self.open_early()
        opening = self._opening
        assert opening is not None
        timeout = asyncio.timeout(None if seconds == inf else seconds)
        try:
            async with timeout:
                return await opening
        except TimeoutError:
            if not timeout.expired():
                raise
            if opening.cancelled() or opening.exception() is not None:
                self._opening = None
                return ReplLost("it did not start within the time of the run")
            return opening.result()  # it came in the last moment
        finally:
            del opening, timeout  # they hold tasks, and these what is raised, whose traceback holds this frame

    async def lose(self, reason: str) -> None:
        """End the REPL, if it lives: the next step has a new one."""
        repl, self._repl, self.lost = self._repl, None, reason
        if repl is not None:
            await repl.close()

    async def _unless_interrupted(self, running: Coroutine[Any, Any, StepDone | ReplLost]) -> StepDone | ReplLost:
        """What the step comes to. Where a call says that the user wants out, it is given up as in a cancelled run.

        Raises then what the run must end with.
        """
        self._stepping = asyncio.current_task()
        try:
            return await running
        except asyncio.CancelledError:
            if self._stepping is None and self._host.fatal is not None and not _uncancelled():
                raise self._host.fatal from None
            raise
        finally:
            self._stepping = None

    async def _interruptible(
        self, repl: Repl, running: Coroutine[Any, Any, StepDone | ReplLost]
    ) -> StepDone | ReplLost:
        """A cancellation interrupts the code, which keeps its variables; only code that goes on is killed."""
        step = asyncio.create_task(running)
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            self._cancel_calls()
            repl.interrupt()
            await asyncio.wait([step], timeout=_INTERRUPT_S)
            raise
        finally:
            await end_together([step])

    async def _answer(self, event: HostCall, repl: Repl, record: StepRecord) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            answer = await self._host.answer(event.call, record)
        except (
            asyncio.CancelledError
        ):  # if by none of ours, by a handler of the user's: the code must not wait for ever
            repl.refuse(event.id, "failed", "the call was cancelled")
            raise
        finally:
            self._calls.discard(task)  # not in a callback of the task, which would have the loop turn once more
            del (
                task
            )  # it holds the error whose traceback holds this frame, and so what the call sent, until a collection
        if self._host.interrupted and self._stepping is not None:
            self._stepping.cancel()
            self._stepping = None
        if isinstance(answer, Reply):
            repl.reply(event.id, answer.value)
        else:
            repl.refuse(event.id, answer.kind, answer.message)

    def begin_to_close(self) -> None:
        """The code has done its work: its REPL ends while other things are done, and `close` waits for that.

        Not where a call is open: it goes on until then.
        """
        if self._repl is not None and self._closing is None and not self._calls:
            self._closing = asyncio.create_task(self._repl.close())

    def _cancel_calls(self) -> list[asyncio.Task[Any]]:
        """Have the open calls end, and no other one begin. Returns them.

        Each is cancelled once: what it does then may take a while.
        """
        if not self._ending:
            self._ending = True
            for task in [*self._calls]:
                task.cancel()
        return [*self._calls]

    async def end_calls(self) -> None:
        """End every call that is still open, but wait no longer than a moment for one that goes on."""
        if calls := self._cancel_calls():
            await asyncio.wait(calls, timeout=_LET_GO_S)

    async def close(self) -> None:
        """End the REPL and every call that is still open.

        The code ends first, and at once, even if a call does not let itself be cancelled or this is cancelled too.
        """
        await self.end(lambda repl: False)

    async def end(self, keeps: Callable[[Repl], bool]) -> None:
        """The same, but for a REPL that `keeps` takes over. It is asked where there is one, dead or alive."""
        repl, ending = self._repl, self._cancel_calls()
        if self._opening is not None:
            if not self._opening.done():
                self._opening.cancel()
                ending.append(self._opening)
            elif not self._opening.cancelled() and self._opening.exception() is None:
                repl = self._opening.result()
        self._repl = self._opening = None
        try:
            if self._closing is not None:
                await self._closing
            elif repl is not None and not keeps(repl):
                await repl.close()
        finally:
            if ending:
                await asyncio.gather(*ending, return_exceptions=True)


def _uncancelled() -> int:
    """Take back one cancellation of this task. Returns how many there are besides."""
    task = asyncio.current_task()
    assert task is not None
    return task.uncancel()
