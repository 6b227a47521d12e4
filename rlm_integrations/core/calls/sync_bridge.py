"""Runs a coroutine for a sync caller, whether or not the caller's thread already runs an event loop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")

_GLANCE_S = 0.1
"""Seconds of one wait for the run: between two, Python handles signals."""
_one_at_a_time = threading.Lock()
_WIND_UP_S = 0.8
"""Seconds that a run has to end after Ctrl-C, and a loop to close after its run."""


def run_blocking(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of the coroutine, run on an event loop in a thread of its own with the caller's context variables.

    A loop for each run: one that is shared deadlocks when a tool calls an engine again. Ctrl-C cancels
    the run and is raised within a second, even if a model or a tool hangs; what the run attached to its
    CancelledError is then found on the KeyboardInterrupt. Raises OSError where no loop can be made.
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
            with asyncio.Runner(loop_factory=_new_loop) as runner:
                runner.run(coroutine)
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
        result = outcome.result()
        _join(thread, _WIND_UP_S)
        return result
    except KeyboardInterrupt as interrupt:
        last_moment = time.monotonic() + _WIND_UP_S
        with suppress(TimeoutError, RuntimeError):  # it has not begun, or its loop is closed, or it hangs
            loop, task = started.result(_WIND_UP_S)
            loop.call_soon_threadsafe(task.cancel)
            ended = outcome.exception(last_moment - time.monotonic())
            vars(interrupt).update({} if ended is None else vars(ended))
        _join(thread, last_moment - time.monotonic())
        raise
    except BaseException:
        _join(thread, _WIND_UP_S)
        raise


# No fork may come while another thread holds it: nobody would release it in the child.
os.register_at_fork(
    before=_one_at_a_time.acquire, after_in_parent=_one_at_a_time.release, after_in_child=_one_at_a_time.release
)


def _join(thread: threading.Thread, seconds: float) -> None:
    if thread.ident is not None:
        thread.join(max(0.0, seconds))


def _new_loop() -> asyncio.AbstractEventLoop:
    """Raises OSError where descriptors are short, before there is half a loop: Python complains of those on stderr."""
    with _one_at_a_time:
        spare: list[int] = []
        try:
            for _ in range(2):
                spare += os.pipe()
        except OSError as error:
            remedy = "no event loop for the run; raise the limit (ulimit -n) or run fewer at once"
            raise OSError(error.errno, f"{error.strerror}: {remedy}") from None
        finally:
            for descriptor in spare:
                os.close(descriptor)
        return asyncio.new_event_loop()
