"""The host's side of a REPL on another machine: asks for what its step says, and sends the answers together."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import uuid
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from rlm_integrations.sandboxes.channel.answers import hand_over, refusal_frame
from rlm_integrations.sandboxes.remote.engine import MachineLostError, answer
from rlm_integrations.sandboxes.remote.errands import Errands
from rlm_integrations.sandboxes.remote.placement import Host, Placement
from rlm_integrations.wire.calls import HostCall, RefusalKind
from rlm_integrations.wire.steps import ReplLost, StepDone

_CALLS_A_TURN = 16  # that are begun in one turn of the loop: a flood of them is to leave room for others
_CLOSE_S = 5.0


class RemoteRepl:
    """Implements `core.sandbox.Repl`. It is closed where its object ends, too."""

    def __init__(self, host: Host, placement: Placement, errands: Errands) -> None:
        """Take over a place. The pool is to open it by its `id`."""
        self.host, self.id = host, uuid.uuid4().hex
        self._pool = host.pool
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running = False
        self._open_calls: set[int] = set()
        self._outbox: list[tuple[int, bytes]] = []
        self._lost: str | None = None
        """Why, in words for the root LM."""
        self._memory_bytes = 0
        self._placement = placement
        self._let_go = weakref.finalize(self, errands.ask, functools.partial(_close, host, placement, self.id))
        self._let_go.atexit = False

    async def step(
        self, blocks: Sequence[str], on_call: Callable[[HostCall], None], seconds_left: float = float("inf")
    ) -> StepDone | ReplLost:
        if self._running:
            raise RuntimeError("a step of this REPL is still running; steps never overlap")
        if self._lost is not None:
            return ReplLost(self._lost)
        self._running, self._loop = True, asyncio.get_running_loop()
        try:
            end = await self._until_the_end(list(blocks), on_call, seconds_left)
        except MachineLostError as error:
            self.host.lose()
            self._lost = self._lost or f"the machine that ran it ({self.host.machine.address}) {error}"
            return ReplLost(self._lost)
        except BaseException:
            self._lost = self._lost or "the step was abandoned"
            self._submit("close", self.id)
            raise
        finally:
            self._running = False
            self._open_calls.clear()
            self._outbox.clear()
        if isinstance(end, ReplLost):
            self._lost = end.reason
        return end

    def reply(self, call_id: int, value: Any) -> None:
        if call_id in self._open_calls and self._loop is not None:
            hand_over(self._loop, call_id, value, self._answer)

    def refuse(self, call_id: int, kind: RefusalKind, message: str) -> None:
        if call_id in self._open_calls:
            self._answer(call_id, refusal_frame(call_id, kind, message))

    def interrupt(self) -> None:
        if self._running:
            self._submit("interrupt", self.id)

    async def close(self) -> None:
        self._lost = self._lost or "it was closed"
        if self._let_go.detach() is None:
            return
        try:
            with contextlib.suppress(MachineLostError):
                await answer(self._pool.submit("close", self.id), _CLOSE_S)
        finally:
            self._placement.give_back(self.host)

    def leave_loop(self) -> bool:
        if self._running:
            raise RuntimeError("a step of this REPL is still running")
        self._loop = None
        return self._lost is None

    def join_loop(self) -> None:
        """It is of no loop but while a step runs."""

    def end(self) -> None:
        self._lost = self._lost or "it was closed"
        self._let_go()

    @property
    def memory_bytes(self) -> int:
        """As it was after the last step."""
        return self._memory_bytes

    async def _until_the_end(
        self, blocks: list[str], on_call: Callable[[HostCall], None], seconds_left: float
    ) -> StepDone | ReplLost:
        asked = self._pool.submit("step", self.id, blocks, seconds_left)
        while True:
            events, self._memory_bytes = await answer(asked)
            end = events.pop() if events and not isinstance(events[-1], HostCall) else None
            if end is None:  # asked on before the calls are answered
                asked = self._pool.submit("news", self.id)
            await self._begin(events, on_call)
            if end is not None:
                return end

    async def _begin(self, calls: list[HostCall], on_call: Callable[[HostCall], None]) -> None:
        self._open_calls.update(call.id for call in calls)
        for n, call in enumerate(calls, 1):
            on_call(call)
            if n % _CALLS_A_TURN == 0:
                await asyncio.sleep(0)

    def _answer(self, call_id: int, frame: bytes) -> None:
        if call_id not in self._open_calls:  # its step has ended while the frame was written
            return
        self._open_calls.discard(call_id)
        assert self._loop is not None
        if not self._outbox:
            self._loop.call_soon(self._send_answers)
        self._outbox.append((call_id, frame))

    def _send_answers(self) -> None:
        answers, self._outbox = self._outbox, []
        if answers:
            self._submit("answer", self.id, answers)

    def _submit(self, method: str, *arguments: Any) -> None:
        """Of a call whose end nobody waits for: where the machine is lost, that shows elsewhere."""
        with contextlib.suppress(MachineLostError):
            self._pool.submit(method, *arguments)


def _close(host: Host, placement: Placement, repl: str) -> None:
    placement.give_back(host)
    host.pool.submit("close", repl)
