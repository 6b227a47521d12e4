"""How a run shows in LangChain's callbacks: a `python_repl` tool run for each step, an event for each iteration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, adispatch_custom_event
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import (
    ensure_config,
    get_async_callback_manager_for_config,
    patch_config,
    set_config_context,
)

from rlm_integrations.core.run.account import tell
from rlm_integrations.core.run.plan import OnEvent
from rlm_integrations.core.trace.events import (
    CheckEnded,
    CheckStarted,
    Event,
    FoldEnded,
    IterationStarted,
    RootReplied,
    RunEnded,
    RunStarted,
    SubCallEnded,
)
from rlm_integrations.core.usage import Usage
from rlm_integrations.langchain.handler_errors import handlers_end_run

REPL_TOOL_NAME = "python_repl"
CHILD_NAME = "rlm_query"
SUB_CALL_NAME = "llm_query"
EVENT_NAME = "rlm_iteration"
CHECK_NAME = "rlm_check"
AGREEMENT_NAME = "rlm_agreement"

_of_child: ContextVar[RunnableConfig | None] = ContextVar("_of_child", default=None)
"""The config of the child RLM whose code runs; None for the root's."""


class RunCallbacks:
    """Tells LangChain's callbacks, and the user's `on_event`, of one run.

    `config` is the child config of the runnable's own run.

    `write_progress` is given what an `rlm_iteration` event holds, under that name, as well.
    """

    def __init__(
        self,
        config: RunnableConfig,
        on_event: OnEvent | None = None,
        write_progress: Callable[[Any], None] | None = None,
        *,
        sync: bool,
    ) -> None:
        self._config = config
        self._on_event = on_event
        self._write_progress = write_progress
        self._sync = sync
        self._sub_calls = 0
        self._failed_sub_calls = 0
        self._paid_tokens = self._replayed_tokens = 0
        self._attempt: dict[str, int] = {}
        """Which of the runs of its question it is at, where that is not the first."""
        self._checks: dict[int, AsyncCallbackManagerForChainRun] = {}
        """Runs of checks that go on, by their number."""

    async def around_step(self, iteration: int, code: str, execute: Callable[[], Awaitable[str]]) -> str:
        """Show a step as a tool run; what its code calls becomes a child of that."""
        with handlers_end_run():
            return await self._around_step(iteration, code, execute)

    async def _around_step(self, iteration: int, code: str, execute: Callable[[], Awaitable[str]]) -> str:
        config = _of_child.get() or self._config
        manager = get_async_callback_manager_for_config(config)
        description = "The Python REPL of a Recursive Language Model; `context` holds the corpus."
        run = await manager.on_tool_start(
            {"name": REPL_TOOL_NAME, "description": description},
            code,
            name=REPL_TOOL_NAME,
            inputs={"code": code, "iteration": iteration, **self._attempt},
        )

        async def step() -> str:
            return await execute()

        try:
            with set_config_context(patch_config(config, callbacks=run.get_child())) as context:
                observation = await asyncio.create_task(step(), context=context)
        except BaseException as error:
            await run.on_tool_error(error)
            raise
        await run.on_tool_end(observation)
        return observation

    async def around_child(self, prompt: str, execute: Callable[[], Awaitable[str]]) -> str:
        """Show a child RLM as a chain run below the step that called it; its own steps and calls are below that."""
        with handlers_end_run():
            return await self._below_step(CHILD_NAME, prompt, execute)

    async def around_sub_call(self, prompt: str, execute: Callable[[], Awaitable[str]]) -> str:
        """Show a sub-call of a sub-LM with tools likewise, with the runs of the model and of its tools below it."""
        with handlers_end_run():
            return await self._below_step(SUB_CALL_NAME, prompt, execute)

    async def _below_step(self, name: str, prompt: str, execute: Callable[[], Awaitable[str]]) -> str:
        config = ensure_config()  # of the step: this runs in its context
        run = await get_async_callback_manager_for_config(config).on_chain_start(None, {"input": prompt}, name=name)
        config = patch_config(config, callbacks=run.get_child())

        async def child() -> str:
            _of_child.set(config)
            return await execute()

        try:
            with set_config_context(config) as context:
                answer = await asyncio.create_task(child(), context=context)
        except BaseException as error:
            await run.on_chain_error(error)
            raise
        await run.on_chain_end({"output": answer})
        return answer

    async def handle(self, event: Event) -> None:
        """Dispatch `rlm_iteration` at the start of each iteration, and `rlm_check` when a check of `verify` has looked
        at an answer, which is a chain run besides, and `rlm_agreement` when two blind runs were compared; then tell
        the user's own handler."""
        with handlers_end_run():
            await self._dispatch(event)
        if self._on_event is not None:
            await tell(self._on_event, event, sync=self._sync)

    async def _dispatch(self, event: Event) -> None:
        if isinstance(event, RunStarted) and not event.node and event.attempt > 1:
            self._attempt = {"attempt": event.attempt}
        elif isinstance(event, RootReplied):
            self._count(event.usage, event.usage if event.replayed else Usage())
            self._sub_calls += bool(event.node)
        elif isinstance(event, FoldEnded):
            call = event.fold.call
            self._count(call.usage, call.usage if call.replayed else Usage())
            self._sub_calls += bool(event.node)
        elif isinstance(event, SubCallEnded):
            # each reply of a child's root LM is counted above
            self._sub_calls += event.call.model_calls if event.call.child is None else 0
            self._failed_sub_calls += event.call.error is not None
            self._count(event.call.usage, event.call.replayed_usage)
        elif isinstance(event, IterationStarted) and not event.node:
            progress = self._progress(event)
            await adispatch_custom_event(EVENT_NAME, progress, config=self._config)
            if self._write_progress is not None:
                self._write_progress({EVENT_NAME: progress})
        elif isinstance(event, CheckStarted):
            manager = get_async_callback_manager_for_config(self._config)
            asked = {"iteration": event.iteration, **self._attempt}
            self._checks[event.number] = await manager.on_chain_start(None, asked, name=event.name)
        elif isinstance(event, CheckEnded):
            await self._end_check(event)
            checked = event.check.model_dump(include={"name", "objection", "error"})
            await adispatch_custom_event(CHECK_NAME, {"iteration": event.iteration, **checked}, config=self._config)
        elif isinstance(event, RunEnded) and event.result.agreement is not None:
            said = {"agreement": event.result.agreement, "attempt": event.result.trace.attempt}
            await adispatch_custom_event(AGREEMENT_NAME, said, config=self._config)

    async def _end_check(self, event: CheckEnded) -> None:
        run, check = self._checks.pop(event.number), event.check
        if check.error is None:
            await run.on_chain_end({"taken": check.objection is None, "objection": check.objection})
        else:
            await run.on_chain_error(RuntimeError(check.error))

    def _count(self, usage: Usage, replayed: Usage) -> None:
        self._paid_tokens += usage.total_tokens - replayed.total_tokens
        self._replayed_tokens += replayed.total_tokens

    def _progress(self, event: IterationStarted) -> dict[str, int]:
        """What the run has paid for before this iteration, and apart from it what came from its journal."""
        replayed = {"replayed_tokens": self._replayed_tokens} if self._replayed_tokens else {}
        return {
            "iteration": event.iteration,
            **self._attempt,
            "max_iterations": event.max_iterations,
            "sub_calls": self._sub_calls,
            "failed_sub_calls": self._failed_sub_calls,
            "total_tokens": self._paid_tokens,
            **replayed,
        }
