"""Runs a coroutine for a sync caller, whether or not the caller's thread already runs an event loop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

from rlm_integrations.core.calls.callers_thread import WAITING, CallersThread

T = TypeVar("T")

_GLANCE_S = 0.1
"""Seconds of one wait for the run: between two, Python handles signals."""
_one_at_a_time = threading.Lock()
_WIND_UP_S = 0.8
"""Seconds that a run has to end when it was given up, and a loop to close after its run."""
_OUTER: ContextVar[tuple[threading.Event, ...]] = ContextVar("rlm_outer_runs", default=())
"""Runs and batches that wait for what is called here; set where one was given up."""


def run_blocking(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of the coroutine, run on an event loop in a thread of its own with the caller's context variables.

    A loop for each run: one that is shared deadlocks when a tool calls an engine again.

    Whatever is raised in the waiting thread cancels the run, and is raised again within a second, even if a model or
    a tool hangs: the KeyboardInterrupt of Ctrl-C, a SystemExit, the soft time limit of a job queue. It then has as
    `.result` what the coroutine returned in spite of it, or what it attached to its CancelledError. Runs that are
    begun inside a run, by its tools, are given up with it.

    Raises:
        OSError: No loop can be made.
        concurrent.futures.CancelledError: What waits for this run was given up.
    """
    outcome: Future[T] = Future()
    results: list[T] = []
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()
    outer, given_up = _OUTER.get(), threading.Event()

    async def body() -> None:
        task = asyncio.current_task()
        assert task is not None
        started.set_result((asyncio.get_running_loop(), task))
        if given_up.is_set():
            outcome.set_exception(asyncio.CancelledError())
            return
        try:
            results.append(await make())
            outcome.set_result(results[0])
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

    waiting = CallersThread()
    outcome.add_done_callback(waiting.wake)
    context = copy_context()
    context.run(_OUTER.set, (*outer, given_up))
    context.run(WAITING.set, waiting)
    thread = threading.Thread(target=lambda: context.run(serve), name="rlm-run", daemon=True)
    try:
        thread.start()
        while not waiting.wait(outcome, _GLANCE_S):  # a signal that comes just before a wait begins does not end it
            if any(waiting.is_set() for waiting in outer):
                raise CancelledError("what waits for this run was given up")
        waiting.close()
        _join(thread, _WIND_UP_S)
    except BaseException as end:
        given_up.set()
        last_moment = time.monotonic() + _WIND_UP_S

        def wind_up() -> None:
            if thread.ident is not None:  # else it sees for itself that it was given up
                with suppress(TimeoutError):
                    loop, task = started.result(max(0.0, last_moment - time.monotonic()))
                    if not task.cancelling():
                        with suppress(RuntimeError):  # the loop is closed
                            loop.call_soon_threadsafe(task.cancel)
                waiting.wait(outcome, last_moment - time.monotonic())
            waiting.close()
            _join(thread, last_moment - time.monotonic())

        latest = seen_through(wind_up, end)
        _hand_over(outcome, latest)
        if latest is end:
            raise
        raise latest from end
    if results:
        return results[0]  # no call, amid which a signal handler could raise
    return outcome.result()


def seen_through(work: Callable[[], None], end: BaseException) -> BaseException:
    """Do it, and again where a signal handler raises amid it. Returns what was raised last: `end` where nothing was."""
    while True:
        try:
            work()
        except BaseException as again:
            end = again
        else:
            return end


@contextmanager
def given_up_together(outer: threading.Event) -> Generator[None]:
    """Runs begun here, or in threads with a copy of these context variables, are given up when the event is set."""
    token = _OUTER.set((*_OUTER.get(), outer))
    try:
        yield
    finally:
        _OUTER.reset(token)


def _hand_over(outcome: Future[Any], end: BaseException) -> None:
    """Attach to the exception what the run came to, as far as it has ended."""
    if not outcome.done():
        return
    error = outcome.exception()
    if error is None:
        vars(end)["result"] = outcome.result()
        return
    kept = vars(error)
    vars(end).update({name: kept[name] for name in ("result", "results") if name in kept})
    for note in kept.get("__notes__", ()):
        end.add_note(note)


if sys.platform != "win32":
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
