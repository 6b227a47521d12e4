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

    def ask(self, depth: int) -> asyncio.Future[None]:
        """For a turn: it is there when this is done."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._free:
            self._free -= 1
            turn.set_result(None)
        else:
            heapq.heappush(self._waiting, (-depth, next(self._numbers), turn))
        return turn

    def end(self, turn: asyncio.Future[None]) -> None:
        """A turn is over, or is not waited for any more."""
        if not turn.done():
            turn.cancel()
            return
        while self._waiting:
            _, _, waiting = heapq.heappop(self._waiting)
            if not waiting.done():
                waiting.set_result(None)
                return
        self._free += 1


class _Lending:
    """The children for which a node has given up its turn, in one step of its code."""

    def __init__(self) -> None:
        self.children = 0


class Turn:
    """The turn of one node, at its depth. The root needs none, and has `turns` for its children alone."""

    def __init__(self, turns: Turns, depth: int) -> None:
        self._turns = turns
        self._depth = depth
        self._asked: asyncio.Future[None] | None = None
        """The node's turn: done once it has it, so that it never has two. None while its children work."""
        self._waiting = 0
        self._lending = _Lending()

    def of_child(self) -> Turn:
        return Turn(self._turns, self._depth + 1)

    async def begin(self) -> None:
        """Have it, from now on: when there is one. Children of an earlier step count no more."""
        self._lending = _Lending()
        await self._have()

    def end(self) -> None:
        """Give it up, or what was asked for."""
        if self._asked is not None:
            asked, self._asked = self._asked, None
            self._turns.end(asked)

    @asynccontextmanager
    async def lent(self) -> AsyncGenerator[None]:
        """While a child works. One that is ended early does not have it come back: the next step begins it."""
        lending = self._lending
        lending.children += 1
        self.end()
        try:
            yield
        finally:
            lending.children -= 1
        if lending is self._lending:
            await self._have()

    async def _have(self) -> None:
        """Wait for it, beside others that do, until there is one or a child works once more: its end waits again."""
        while self._depth and not self._lending.children:
            if self._asked is None:
                self._asked = self._turns.ask(self._depth)
            asked = self._asked
            if asked.done():
                return
            self._waiting += 1
            try:
                await asyncio.wait([asked])
            except asyncio.CancelledError:
                if self._waiting == 1 and self._asked is asked:
                    self.end()
                raise
            finally:
                self._waiting -= 1
