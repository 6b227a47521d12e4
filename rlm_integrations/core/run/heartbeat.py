"""Wakes the event loop of a run now and then, so that Ctrl-C is heard."""

from __future__ import annotations

import asyncio
import threading

_BEAT_S = 0.25


class Heartbeat:
    """While a `with` of it lasts, the running loop never sleeps longer than a quarter of a second, where it handles
    signals.

    A signal that comes just before a loop begins to wait does not end that wait: Python handles it when the loop wakes.
    And a tool's thread takes over at that very moment.
    """

    def __enter__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        if threading.current_thread() is threading.main_thread():
            self._loop = asyncio.get_running_loop()
            self._beat()

    def _beat(self) -> None:
        self._timer = self._loop.call_later(_BEAT_S, self._beat)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None  # it holds this
