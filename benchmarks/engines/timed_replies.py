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
        self.sent_chars = 0

    def next(self, sent_chars: int) -> str:
        """The next reply, to a request of so many characters. Raises RuntimeError where there is none."""
        if self._replied_at is not None:
            self.gaps.append((time.perf_counter() - self._replied_at) * 1_000)
        self.sent_chars += sent_chars
        reply = next(self._replies, None)
        if reply is None:
            raise RuntimeError(f"the model was asked beyond the end of its script, which is {len(self.gaps)} long")
        self._replied_at = time.perf_counter()
        return reply

    @property
    def median(self) -> float:
        """What the engine costs between two calls of its model, in milliseconds."""
        return statistics.median(self.gaps)
