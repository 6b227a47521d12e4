"""Blocking work beside the event loop, on a daemon thread of its own.

Not the loop's default executor: its few threads may all be waiting for runs, and interpreter exit waits for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_own_thread(work: Callable[[], T], discard: Callable[[T], None]) -> T:
    """What `work` returns or raises. Where nobody waits for the result any more, `discard` gets it."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()
    values: list[T] = []
    errors: list[BaseException] = []
    lock = threading.Lock()
    abandoned = False

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    def run() -> None:
        try:
            value = work()
        except BaseException as error:
            errors.append(error)
        else:
            with lock:  # not left to a callback of the loop, which may be closed before it runs
                kept = not abandoned
                if kept:
                    values.append(value)
            if not kept:
                discard(value)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(wake)

    threading.Thread(target=run, name="rlm-sandbox", daemon=True).start()
    try:
        await woken
    except BaseException:
        with lock:
            abandoned = True
        for value in values:
            discard(value)
        raise
    if errors:
        raise errors[0]
    return values[0]
