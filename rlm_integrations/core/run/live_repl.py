"""The REPL of one node: opened while the root LM still thinks, and opened anew when it has died."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from typing import Any

from rlm_integrations.core.host.answers import Reply
from rlm_integrations.core.host.functions import HostFunctions
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.sandbox import Repl
from rlm_integrations.wire.calls import HostCall
from rlm_integrations.wire.steps import ReplLost, StepDone


class LiveRepl:
    """Runs steps, and hands the host calls of their code to the host functions."""

    def __init__(
        self,
        open_repl: Callable[[], Coroutine[Any, Any, Repl]],
        host: HostFunctions,
        opened: Callable[[], Awaitable[None]],
    ) -> None:
        """`open_repl` starts a REPL over what the corpus is at that moment; `opened` is awaited when code is to run."""
        self._open_repl = open_repl
        self._host = host
        self._opened = opened
        self._opening: asyncio.Task[Repl] | None = None
        self._repl: Repl | None = None
        self._calls: set[asyncio.Task[Any]] = set()

    def open_early(self) -> None:
        """Begin to open, so that the first step need not wait."""
        self._opening = asyncio.create_task(self._open_repl())

    async def step(self, blocks: tuple[str, ...], seconds: float, record: StepRecord) -> StepDone | ReplLost:
        """Run the blocks. After ReplLost the next step has a new REPL. Raises SandboxError."""
        if self._repl is None:
            self._repl = await (self._opening or self._open_repl())
            self._opening = None
            await self._opened()
        repl, loop, context = self._repl, asyncio.get_running_loop(), copy_context()

        def begin(call: HostCall) -> None:
            answering = self._answer(call, repl, record)
            self._calls.add(loop.create_task(answering, context=context.copy()))

        outcome = await repl.step(blocks, begin, seconds)
        if isinstance(outcome, ReplLost):
            self._repl = None
            await repl.close()
        return outcome

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
        if isinstance(answer, Reply):
            repl.reply(event.id, answer.value)
        else:
            repl.refuse(event.id, answer.kind, answer.message)

    async def close(self) -> None:
        """End the REPL and every call that is still open.

        The code ends first, and at once, even if a call does not let itself be cancelled or this is cancelled too.
        """
        repl, ending = self._repl, [*self._calls]
        if self._opening is not None:
            if not self._opening.done():
                ending.append(self._opening)
            elif not self._opening.cancelled() and self._opening.exception() is None:
                repl = self._opening.result()
        for task in ending:
            task.cancel()
        try:
            if repl is not None:
                await repl.close()
        finally:
            await asyncio.gather(*ending, return_exceptions=True)
