"""Runs a coroutine for a sync caller, whether or not the caller's thread already runs an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")

_GLANCE_S = 0.1
"""Seconds of one wait for the run: between two, Python handles signals."""
_WIND_UP_S = 0.8
"""Seconds that a run has to end after Ctrl-C, and a loop to close after its run."""


def run_blocking(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of the coroutine, run on an event loop in a thread of its own with the caller's context variables.

    A loop for each run: one that is shared deadlocks when a tool calls an engine again. Ctrl-C cancels
    the run and is raised within a second, even if a model or a tool hangs.
    """
    outcome: Future[T] = Future()
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def body() -> None:
        task = asyncio.current_task()
        assert task is not None
        started.set_result((asyncio.get_running_loop(), task))
        try:
            outcome.set_result(await make())
        except BaseException as error:
            outcome.set_exception(error)

    def serve() -> None:
        coroutine = body()
        try:
            asyncio.run(coroutine)
        except BaseException as error:  # no loop could be made, for want of file descriptors for instance
            coroutine.close()
            if not outcome.done():
                outcome.set_exception(error)

    context = copy_context()
    thread = threading.Thread(target=lambda: context.run(serve), name="rlm-run", daemon=True)
    try:
        thread.start()
        while not wait([outcome], _GLANCE_S).done:
            pass  # a signal that comes just before a wait begins does not end it
        return outcome.result()
    except KeyboardInterrupt:
        with suppress(TimeoutError, RuntimeError):  # it has not begun, or its loop is closed
            loop, task = started.result(_WIND_UP_S)
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        if thread.is_alive():
            thread.join(_WIND_UP_S)
