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
from typing import Any, Generic, TypeVar

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
    run = _RunInThread(make)
    try:
        run.see_through()
    except BaseException as end:
        latest = seen_through(run.give_up, end)
        _hand_over(run.take_outcome(), latest)
        try:
            if latest is end:
                raise
            raise latest from end
        finally:
            del latest  # its traceback holds this frame
    if run.results:
        return run.results[0]  # no call, amid which a signal handler could raise
    return run.take_outcome().result()


class _RunInThread(Generic[T]):
    """A coroutine that runs on an event loop in a thread of its own, as the thread sees it that waits for it."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._make = make
        self.outcome: Future[T] = Future()
        self.results: list[T] = []
        """What the coroutine returned, where it did."""
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()
        self._outer, self._given_up = _OUTER.get(), threading.Event()
        self._last_moment: float | None = None
        """On the monotonic clock, for a run that was given up."""
        self._waiting = CallersThread()
        self.outcome.add_done_callback(self._waiting.wake)
        context = copy_context()
        context.run(_OUTER.set, (*self._outer, self._given_up))
        context.run(WAITING.set, self._waiting)
        self._thread = threading.Thread(target=lambda: context.run(self._serve), name="rlm-run", daemon=True)

    def see_through(self) -> None:
        """Start it and wait for its end. Raises CancelledError where what waits for it was given up."""
        self._thread.start()
        # A signal that comes just before a wait begins does not end it: many short ones do not miss it for long.
        while not self._waiting.wait(self.outcome, _GLANCE_S):
            if any(outer.is_set() for outer in self._outer):
                raise CancelledError("what waits for this run was given up")
        self._waiting.close()
        _join(self._thread, _WIND_UP_S)

    def give_up(self) -> None:
        """Cancel it, and give it a moment to end. To be called again where a signal handler raised amid it."""
        self._given_up.set()
        if self._last_moment is None:
            self._last_moment = time.monotonic() + _WIND_UP_S
        last_moment = self._last_moment
        if self._thread.ident is not None:  # else it sees for itself that it was given up
            with suppress(TimeoutError):
                loop, task = self._started.result(max(0.0, last_moment - time.monotonic()))
                if not task.cancelling():
                    with suppress(RuntimeError):  # the loop is closed
                        loop.call_soon_threadsafe(task.cancel)
            self._waiting.wait(self.outcome, last_moment - time.monotonic())
        self._waiting.close()
        _join(self._thread, last_moment - time.monotonic())

    def take_outcome(self) -> Future[T]:
        """What it came to. Not kept, for the traceback of an error holds this, and so all that the run held."""
        outcome, self.outcome = self.outcome, Future()
        return outcome

    # --- in its thread

    def _serve(self) -> None:
        coroutine = self._body()
        try:
            with asyncio.Runner(loop_factory=_new_loop) as runner:
                runner.run(coroutine)
        except BaseException as error:  # no loop could be made, for want of file descriptors for instance
            coroutine.close()
            if not self.outcome.done():
                self.outcome.set_exception(error)

    async def _body(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._started.set_result((asyncio.get_running_loop(), task))
        if self._given_up.is_set():
            self.outcome.set_exception(asyncio.CancelledError())
            return
        try:
            self.results.append(await self._make())
            self.outcome.set_result(self.results[0])
        except BaseException as error:
            self.outcome.set_exception(error)


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
