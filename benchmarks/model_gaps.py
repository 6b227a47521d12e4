"""A script of replies that times the engine around it. Standard library only: the peers' processes use it too."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable


class TimedReplies:
    """Gives its replies in order. Between two of them only the engine works: that is a gap, in milliseconds."""

    def __init__(self, replies: Iterable[str]) -> None:
        self._replies = iter(replies)
        self._replied_at: float | None = None
        self.gaps: list[float] = []

    def next(self) -> str:
        if self._replied_at is not None:
            self.gaps.append((time.perf_counter() - self._replied_at) * 1_000)
        reply = next(self._replies)
        self._replied_at = time.perf_counter()
        return reply

    @property
    def median(self) -> float:
        """What the engine costs between two calls of its model, in milliseconds."""
        return statistics.median(self.gaps)
