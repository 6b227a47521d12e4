"""A REPL that is kept from call to call, on an event loop in a thread of its own: its callers' loops come and go."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextvars import copy_context

from rlm_integrations.core.calls.budget import Budget
from rlm_integrations.core.calls.end_together import end_together
from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.host.answers import RefusedCallError
from rlm_integrations.core.host.foreign_calls import ForeignCalls
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.host.tool_calls import ToolCalls
from rlm_integrations.core.host.tools import Tool
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.sandbox import Repl, Sandbox
from rlm_integrations.core.trace.events import Event
from rlm_integrations.core.wording import error_words
from rlm_integrations.wire.calls import CallTool, HostCall
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import ReplLost, StepDone

_WIND_UP_S = 5.0
"""Seconds that it has to end: a tool that holds up its loop is not to hold up the interpreter's exit."""


class KeptRepl:
    """Runs code in one REPL, a step at a time, and answers the calls of tools in it."""

    def __init__(self, sandbox: Sandbox, settings: ReplSettings, tools: Mapping[str, Tool], limits: RLMLimits) -> None:
        """`limits` hold for the calls of tools in a step, and for nothing else: how long one takes, how many there are,
        and how many run at once.
        """
        self._sandbox = sandbox
        self._settings = settings
        self._limits = limits.model_copy(update={"timeout_s": None, "max_total_tokens": None, "max_cost_usd": None})
        self._tools = tools
        self._corpus = Corpus((), "none")
        self._repl: Repl | None = None
        self._threads = RunThreads("rlm-tools")
        self._turn = asyncio.Lock()
        self._closed = False
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, code: str) -> Future[StepDone | ReplLost]:
        """Begin to run the code; after ReplLost, and after a cancelled call, the next one has a new REPL.

        Raises InvalidArgumentError once it is closed. The future raises SandboxError.
        """
        with self._starting:
            if self._closed:
                raise InvalidArgumentError("code executor: it is closed; make another with get_code_executor()")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name="rlm-session", daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(self._step(code), self._loop)

    def close(self) -> None:
        """End the REPL and what runs in it. May be called twice, and from any thread."""
        with self._starting:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(self._end(loop), loop)
            if thread is not threading.current_thread():
                thread.join(_WIND_UP_S)

    async def _step(self, code: str) -> StepDone | ReplLost:
        async with self._turn:
            if self._repl is None:
                self._repl = await self._sandbox.open(self._corpus, self._settings)
            repl, calls = self._repl, set[asyncio.Task[None]]()
            outcome: StepDone | ReplLost | None = None
            context = copy_context()
            step = StepRecord(0, time.monotonic)
            foreign = ForeignCalls(ModelCalls(Budget(self._limits, time.monotonic)), _unheard)
            tools = ToolCalls(self._tools, self._threads, foreign)

            def begin(call: HostCall) -> None:
                task = asyncio.create_task(_answer(call, repl, tools, step), context=context.copy())
                calls.add(task)
                task.add_done_callback(calls.discard)

            try:
                outcome = await repl.step((code,), begin)
                return outcome
            finally:
                step.end()
                for task in [*calls]:
                    task.cancel()
                if not isinstance(outcome, StepDone):
                    self._repl = None
                    await repl.close()

    async def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        await end_together(asyncio.all_tasks() - {asyncio.current_task()})
        try:
            if self._repl is not None:
                await self._repl.close()
        finally:
            self._threads.close()
            loop.stop()


async def _answer(event: HostCall, repl: Repl, tools: ToolCalls, step: StepRecord) -> None:
    if not isinstance(event.call, CallTool):
        repl.refuse(event.id, "failed", "there is no corpus here, and no sub-calls")
        return
    try:
        value = await tools.call(event.call, step)
    except RefusedCallError as refusal:
        repl.refuse(event.id, refusal.kind, str(refusal))
    except Exception as error:  # a call that is not answered would hang the code for ever
        repl.refuse(event.id, "failed", error_words(error))
    else:
        repl.reply(event.id, value)


async def _unheard(event: Event) -> None:
    """Nobody is told of it, and there is no trace."""


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
