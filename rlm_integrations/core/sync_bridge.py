"""Runs a coroutine for a sync caller, whether or not the caller's thread already runs an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")

_WIND_UP_S = 0.8
"""Seconds that a run has to end after Ctrl-C, and a loop to close after its run."""


def run_blocking(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of the coroutine, run on an event loop in a thread of its own with the caller's context variables.

    A loop for each run: one that is shared deadlocks when a tool calls an engine again. Ctrl-C cancels
    the run and is raised within a second, even if a model or a tool hangs.
    """
    outcome: Future[T] = Future()
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()

    async def body() -> None:
        started.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        try:
            outcome.set_result(await make())
        except BaseException as error:
            outcome.set_exception(error)

    context = copy_context()
    thread = threading.Thread(target=lambda: context.run(asyncio.run, body()), name="rlm-run", daemon=True)
    thread.start()
    try:
        result = outcome.result()
    except KeyboardInterrupt:
        loop, task = started.result(_WIND_UP_S)
        if task is not None and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)
        thread.join(_WIND_UP_S)
        raise
    except BaseException:
        thread.join(_WIND_UP_S)
        raise
    thread.join(_WIND_UP_S)
    return result
