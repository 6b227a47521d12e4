"""Who may send now: `max_concurrency` calls of code at once, and those that wait for one of these places."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from rlm_integrations.core.calls.budget import BudgetError

STEP_OVER = "the step of this call is over; nothing was sent"


class Slots:
    """So many at once. Of those that wait for one, who has waited longest is next, and nobody comes between.

    `asyncio.Semaphore` takes several times as long where one is free, as it is for most calls.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._queue: deque[asyncio.Future[None]] = deque()

    def take_free(self) -> bool:
        """Take one, if one is free."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Take the next one for which nobody has waited longer."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came in that moment
                self.give_back()
            raise

    def give_back(self) -> None:
        """Hand one on to who is next, or keep it free."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Waiting:
    """Calls of one step of code that have no slot yet, and child RLMs. When the step ends they are given up."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._children: set[asyncio.Task[Any]] = set()
        self.over = False
        """Whether the step has ended: nothing is begun for it any more."""

    def add_child(self, task: asyncio.Task[Any]) -> None:
        """A child RLM, which is cancelled when the step ends, if it has not ended then."""
        self._children.add(task)
        task.add_done_callback(self._children.discard)

    def give_up(self) -> None:
        """The step has ended."""
        self.over = True
        for task in self._tasks | self._children:
            task.cancel()

    async def take(self, slots: Slots) -> None:
        """Take one of the slots, once there is one."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await slots.wait()
        finally:
            self._tasks.discard(task)
            del task  # or the error of one that is given up holds it, and it the error


class Slot:
    """One of `max_concurrency`, held while an `async with` lasts. A class: a generator would take thrice as long."""

    def __init__(self, slots: Slots, waiting: Waiting, check: Callable[[], None]) -> None:
        self._slots, self._waiting, self._check = slots, waiting, check

    async def __aenter__(self) -> None:
        if not self._slots.take_free():
            await self._waiting.take(self._slots)
        try:
            self._check()
            if self._waiting.over:
                raise BudgetError(STEP_OVER)
        except BaseException:
            self._slots.give_back()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._slots.give_back()
