"""Turns to work, for the child RLMs of a run: so many at once, and whoever waits for children of its own has none."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Turns:
    """Of those that wait, the deepest is next: others wait for it. So a tree of any shape comes to its end."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def take(self, depth: int) -> None:
        """Wait for a turn."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-depth, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came in the same moment
                self.give()
            raise

    def give(self) -> None:
        """End a turn."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Turn:
    """The turn of one node, at its depth. The root needs none, and has `turns` for its children alone."""

    def __init__(self, turns: Turns, depth: int) -> None:
        self._turns = turns
        self._depth = depth
        self._held = False
        self._children = 0

    def of_child(self) -> Turn:
        return Turn(self._turns, self._depth + 1)

    async def begin(self) -> None:
        """Have it, from now on: when there is one."""
        if self._depth and not self._held:
            await self._turns.take(self._depth)
            self._held = True

    def end(self) -> None:
        if self._held:
            self._held = False
            self._turns.give()

    @asynccontextmanager
    async def lent(self) -> AsyncGenerator[None]:
        """While a child works. One that is ended early does not have it come back: the next step begins it."""
        self._children += 1
        self.end()
        try:
            yield
        finally:
            self._children -= 1
        if not self._children:
            await self.begin()
