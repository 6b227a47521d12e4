"""The thread that waits for a sync run: it calls the user's handlers, for much of what they touch belongs to it.

A page of Streamlit, a window of Tk and a connection to SQLite refuse other threads.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

from rlm_integrations.core.calls.foreign_code import being_cancelled, raisable

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Job:
    function: Callable[[], Any]
    done: Future[Any] = field(default_factory=Future[Any])


class CallersThread:
    """Make it in the thread that is going to wait. Functions come from any thread."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._open: set[_Job] = set()
        self._closed = False
        self._left = False
        """Whether a function ended the wait."""

    def submit(self, function: Callable[[], T]) -> Future[T] | None:
        """Have it called there. None where nobody waits any more; a future that is cancelled was not called either."""
        job = _Job(function)
        with self._lock:
            if self._closed:
                return None
            self._open.add(job)
        self._jobs.put(job)
        return job.done

    def wait(self, outcome: Future[Any], seconds: float) -> bool:
        """Call what comes until the outcome is there, or so many seconds are over. Returns whether it is there.

        Raises what was raised in this thread and is no fault of a function: a KeyboardInterrupt, a SystemExit, what a
        signal handler raised. What a function raises goes to whoever had it called.
        """
        end = time.monotonic() + seconds
        try:
            while not outcome.done():
                try:
                    job = self._jobs.get(timeout=max(0.0, end - time.monotonic()))
                except Empty:
                    return outcome.done()
                if job is not None:
                    self._call(job)
                del job
            return True
        finally:
            del outcome  # it may come to hold what a function raised, whose traceback holds this frame, as a job does

    def wake(self, _outcome: object = None) -> None:
        """End the wait for an outcome that has come."""
        self._jobs.put(None)

    def close(self) -> None:
        """Nobody waits any more: what has not been called is cancelled."""
        with self._lock:
            self._closed = True
            for job in self._open:
                if not job.done.cancel() and not job.done.done():
                    job.done.set_exception(RuntimeError("the thread that waited for the run was interrupted"))
            self._open.clear()

    def _call(self, job: _Job) -> None:
        try:
            if job.done.set_running_or_notify_cancel():
                job.done.set_result(job.function())
        except BaseException as error:
            out = not isinstance(error, Exception) or _raised_by_a_signal(error.__traceback__)
            if out and not self._left:  # whoever asked is not told, but cancelled with the run
                self._left = True
                raise
            with suppress(InvalidStateError):  # a signal came when the result was there
                job.done.set_exception(raisable(error))
            if out:
                raise
        self._open.discard(job)
        del job


WAITING: ContextVar[CallersThread | None] = ContextVar("rlm_callers_thread", default=None)
"""The thread that waits for the sync run that goes on here."""


async def ask_caller(function: Callable[[], T], *, always: bool = False) -> T:
    """The function's result, from the thread that waits for this sync run; from this one where none waits any more.

    `always`: it is called even if who asked is cancelled before it was.
    """
    waiting = WAITING.get()
    done = None if waiting is None else waiting.submit(function)
    if done is None:
        return function()
    asked = asyncio.wrap_future(done)
    try:
        return await (asyncio.shield(asked) if always else asked)
    except asyncio.CancelledError:
        if being_cancelled():
            if always:
                asked.add_done_callback(lambda asked: asked.cancelled() or asked.exception())  # nobody waits for it
                done.add_done_callback(lambda done: _call_after_all(function) if done.cancelled() else None)
            raise
        if not done.cancelled():
            raise
    finally:
        del asked, done  # they may come to hold what is raised, whose traceback holds this frame
    return function()


def _call_after_all(function: Callable[[], object]) -> None:
    with suppress(Exception):
        function()


def ask_first_caller(function: Callable[[], T]) -> T:
    """The same, blocking, and of the outermost of the sync runs that go on here."""
    waiting = WAITING.get()
    done = None if waiting is None else waiting.submit(lambda: ask_first_caller(function))
    if done is None:
        return function()
    try:
        return done.result()
    except CancelledError:
        if not done.cancelled():
            raise
    except BaseException:
        del done  # it holds it, and its traceback this frame
        raise
    return function()


def _raised_by_a_signal(traceback: TracebackType | None) -> bool:
    """Whether a signal's handler was what raised: it interrupts whatever this thread was about."""
    if threading.current_thread() is not threading.main_thread():
        return False
    handlers = map(signal.getsignal, signal.valid_signals())
    codes = {getattr(handler, "__code__", None) for handler in handlers if callable(handler)}
    while traceback is not None:
        if traceback.tb_frame.f_code in codes:
            return True
        traceback = traceback.tb_next
    return False
