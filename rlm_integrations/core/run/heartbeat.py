"""Wakes the event loop of a run now and then, so that Ctrl-C is heard."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager

_BEAT_S = 0.25


@contextmanager
def heartbeat() -> Generator[None]:
    """While it lasts, the running loop never sleeps longer than a quarter of a second, where it handles signals.

    A signal that comes just before a loop begins to wait does not end that wait: Python handles it when the loop wakes.
    And a tool's thread takes over at that very moment.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def beat() -> None:
        nonlocal timer
        timer = loop.call_later(_BEAT_S, beat)

    timer = loop.call_later(_BEAT_S, beat)
    try:
        yield
    finally:
        timer.cancel()
