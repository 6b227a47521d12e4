"""The REPL of one run: opened while the root LM still thinks, and opened anew when it has died."""

from __future__ import annotations

import asyncio
from typing import Any

from rlm_integrations.core.host.functions import HostFunctions
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.sandbox import Capabilities, Repl, ReplSettings, Sandbox
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.wire.calls import HostCall
from rlm_integrations.wire.steps import ReplLost, StepDone


class LiveRepl:
    """Runs steps, and hands the host calls of their code to the host functions."""

    def __init__(self, sandbox: Sandbox, settings: ReplSettings, host: HostFunctions) -> None:
        self._sandbox, self._settings, self._host = sandbox, settings, host
        self._opening: asyncio.Task[Repl] | None = None
        self._repl: Repl | None = None
        self.capabilities: Capabilities | None = None
        """What isolates the code, once a REPL has been opened."""
        self._calls: set[asyncio.Task[Any]] = set()

    def open_early(self) -> None:
        """Begin to open, so that the first step need not wait."""
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> Repl:
        return await self._sandbox.open(self._host.corpus, self._settings, tuple(self._host.retrieved.values()))

    async def step(self, blocks: tuple[str, ...], seconds: float, record: StepRecord) -> StepDone | ReplLost:
        """Run the blocks. After ReplLost the next step has a new REPL. Raises SandboxError."""
        if self._repl is None:
            self._repl = await (self._opening or self._open())
            self._opening = None
            self.capabilities = self._sandbox.capabilities()
        repl = self._repl
        outcome: StepDone | ReplLost | None = None
        async for event in repl.step(blocks, seconds):  # to its end; a cancellation is raised within it
            if isinstance(event, HostCall):
                task = asyncio.create_task(self._host.answer(event, repl, record))
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
            else:
                outcome = event
        if outcome is None:
            raise SandboxError("the sandbox ended a step without saying how")
        if isinstance(outcome, ReplLost):
            self._repl = None
            await repl.close()
        return outcome

    async def close(self) -> None:
        """End the session and every call that is still open.

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
