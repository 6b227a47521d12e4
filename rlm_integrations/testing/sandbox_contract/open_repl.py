"""A REPL whose host is a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from rlm_integrations.core.sandbox import Repl
from rlm_integrations.wire.calls import Call, HostCall, Reserve
from rlm_integrations.wire.steps import ReplLost, StepDone


def echo(call: Call) -> Any:
    """A reserve gets a batch id, a sub-call its own prompt."""
    return 1 if isinstance(call, Reserve) else getattr(call, "prompt", "?")


@dataclass
class OpenRepl:
    """A REPL whose host calls are answered by `answer`; None leaves a call open."""

    repl: Repl
    answer: Callable[[Call], Any] = echo
    calls: list[HostCall] = field(default_factory=list[HostCall])

    async def run(self, *blocks: str, seconds_left: float = float("inf")) -> StepDone | ReplLost:
        """The end of a step."""

        def answer(call: HostCall) -> None:
            self.calls.append(call)
            value = self.answer(call.call)
            if value is not None:
                self.repl.reply(call.id, value)

        return await self.repl.step(blocks, answer, seconds_left)

    async def events(self, *blocks: str) -> AsyncGenerator[HostCall | StepDone | ReplLost, None]:
        """The host calls of a step, for the caller to answer, then its end. Closing this cancels the step."""
        calls: asyncio.Queue[HostCall | None] = asyncio.Queue()
        step = asyncio.ensure_future(self.repl.step(blocks, calls.put_nowait))
        step.add_done_callback(lambda _: calls.put_nowait(None))
        try:
            while (call := await calls.get()) is not None:
                yield call
            yield step.result()
        finally:
            step.cancel()
            await asyncio.wait([step])

    async def value(self, code: str) -> str:
        """What the code prints, and the value of its trailing expression."""
        done = await self.run(code)
        assert isinstance(done, StepDone), done
        assert done.error is None, done.error
        return (done.output.head + done.output.tail).strip()

    async def error(self, code: str) -> str:
        """The exception that ends the code."""
        done = await self.run(code)
        assert isinstance(done, StepDone), done
        assert done.error is not None, done
        return done.error.message

    async def death(self, code: str) -> str:
        """Why the code ends the REPL."""
        lost = await self.run(code)
        assert isinstance(lost, ReplLost), lost
        return lost.reason
