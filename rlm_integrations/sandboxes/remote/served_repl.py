"""A REPL on its machine, whose host is elsewhere and asks from time to time what is new."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import fields

from rlm_integrations.sandboxes.channel.fork_client import WorkerProcess
from rlm_integrations.sandboxes.channel.open_calls import held_bytes
from rlm_integrations.sandboxes.process.repl import ProcessRepl
from rlm_integrations.wire.calls import HostCall
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import ReplLost, StepDone

ANSWER_S = 3.0
"""Seconds after which a question for news is answered in any case: the sign that the machine lives."""

BATCH_BYTES = 1 << 20
"""News of this size are enough for one answer."""

Event = HostCall | StepDone | ReplLost


class ServedRepl(ProcessRepl):
    """Checks what the code sends, and keeps its time, where it runs: how long the way is matters to no clock."""

    def __init__(self, worker: WorkerProcess, settings: ReplSettings) -> None:
        super().__init__(worker, settings)
        self._said: deque[Event] = deque()
        self._news = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def begin(self, blocks: Sequence[str], seconds_left: float) -> None:
        """Begin a step, whose events are the news until its end."""
        self._running = asyncio.create_task(self._run(blocks, seconds_left))

    async def news(self) -> list[Event]:
        """What was said since the last call; [] where that is nothing for a while."""
        try:
            await asyncio.wait_for(self._news.wait(), ANSWER_S)
        except TimeoutError:
            return []
        size, batch = 0, list[Event]()
        while self._said and size < BATCH_BYTES:
            event = self._said.popleft()
            batch.append(event)
            if isinstance(event, HostCall):
                size += held_bytes({each.name: getattr(event.call, each.name) for each in fields(event.call)})
        if not self._said:
            self._news.clear()
        return batch

    def hand_on(self, answers: list[tuple[int, bytes]]) -> None:
        """Give the code these answers: frames as its host encoded them. Calls that are not open any more are passed."""
        for call_id, frame in answers:
            if call_id in self._open_calls:
                self._answer(call_id, frame)

    async def _run(self, blocks: Sequence[str], seconds_left: float) -> None:
        try:
            self._tell_of(await self.step(blocks, self._tell_of, seconds_left))
        except Exception as error:  # else its host would wait for ever
            self._tell_of(ReplLost(f"its machine failed: {type(error).__name__}: {error}"))
            raise

    def _tell_of(self, event: Event) -> None:
        self._said.append(event)
        self._news.set()
