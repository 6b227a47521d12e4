"""Turns of those who ask one session, in threads and on event loops alike: in the order in which they came."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import Future, InvalidStateError
from contextlib import asynccontextmanager, suppress

Place = Future[None]
"""In the line. It has its result when it is the first."""


class InOrder:
    """Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line: deque[Place] = deque()

    def stand(self) -> Place:
        """Stand at the end of the line. Whoever does it leaves, whatever happens."""
        place = Place()
        with self._lock:
            self._line.append(place)
            first = self._line[0]
        _call(first)
        return place

    def leave(self, place: Place) -> None:
        """The next one is the first. May be called twice."""
        with self._lock:
            if place in self._line:
                self._line.remove(place)
            first = self._line[0] if self._line else None
        if first is not None:
            _call(first)

    def is_first(self, place: Place) -> bool:
        """Whether it is its turn, and it has not left."""
        with self._lock:
            return bool(self._line) and self._line[0] is place


class Asking:
    """A question that stands in line, from when it is made. It leaves after its turn, or by `give_up` without one."""

    def __init__(self, line: InOrder) -> None:
        self._line, self._place = line, line.stand()
        self._has_turn = False

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for the turn, and have it."""
        self._has_turn = True
        try:
            await asyncio.wrap_future(self._place)
            if not self._line.is_first(self._place):
                raise asyncio.CancelledError("the question was given up before its turn")
            yield
        finally:
            self._line.leave(self._place)

    def give_up(self) -> None:
        """Nobody waits for it any more: one whose turn goes on sees to itself."""
        if not self._has_turn:
            self._line.leave(self._place)


def _call(place: Place) -> None:
    with suppress(InvalidStateError):  # it knows already, or does not wait any more and is about to leave
        place.set_result(None)
