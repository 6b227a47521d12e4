"""Rows that come in one turn of a loop: one transaction has them all, and each who waits goes on when it is over."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from rlm_integrations.core.journal.told import Told
from rlm_integrations.core.journal.writing import SHORT_CHARS, VALUES_AT_ONCE


class Together:
    """Those of one turn, from the first of them on. Its loop calls `tell` or `fail`, once."""

    __slots__ = ("_chars", "_loop", "_waiting", "came", "values")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.values: list[Any] = []
        """Of those that wait, as the file has them, all in one list."""
        self.came = 0
        """How many times something came, to wait or not."""
        self._chars = 0
        self._loop = loop
        self._waiting: deque[Told[None]] = deque()

    def add(self, values: Sequence[Any], chars: int) -> Told[None]:
        """What the coroutine is to await that brings them. `chars` is how long their texts are, about."""
        self.values += values
        self._chars += chars
        told: Told[None] = Told()
        self._waiting.append(told)
        return told

    @property
    def is_short(self) -> bool:
        """Whether the loop may wait until all is written, where nobody else writes."""
        return len(self.values) <= VALUES_AT_ONCE and self._chars <= SHORT_CHARS

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def tell(self, result: object = None) -> None:
        """They are in the file."""
        self._wake(None)

    def fail(self, error: BaseException) -> None:
        """None of them is."""
        self._wake(error)

    def _wake(self, error: BaseException | None) -> None:
        """Each in its order. One may run the loop within this, and wait there for another: that one is woken then."""
        if len(self._waiting) > 1:
            self._loop.call_soon(self._wake, error)
        while self._waiting:
            told = self._waiting.popleft()
            if error is None:
                told.tell(None)
            else:
                told.fail(error)
