"""The threads of one run: for tools, and for the sync methods of models on the sync path.

They are daemons and the run's own. Shared ones deadlock when a tool calls an engine again, those of a
ThreadPoolExecutor are joined at exit and would hold up an interpreter whose model hangs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from rlm_integrations.core.calls.foreign_code import raisable

T = TypeVar("T")


_LONG_CHARS = 50_000


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """The function's result, from a thread of its own with a copy of the context variables.

    `asyncio.to_thread` has so few threads on a small machine that calls would wait for each other.
    """
    threads = RunThreads("rlm-blocking")
    try:
        return await threads.run(function, *args)
    finally:
        threads.close()


async def off_loop(chars: int, function: Callable[..., T], *args: Any) -> T:
    """The result of a function that reads so many characters: in a thread where that takes over some milliseconds."""
    return await in_thread(function, *args) if chars > _LONG_CHARS else function(*args)


def within_loop() -> bool:
    """Whether this thread runs an event loop, which waits while anything else is done here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class RunThreads:
    """Runs blocking functions, each with a copy of the caller's context variables.

    Threads are started as they are needed and used again; whoever calls bounds how many run at once.
    A function's SystemExit, and whatever else would end the caller's event loop, comes back as a RuntimeError.
    A call that was given up keeps its thread until it returns.
    """

    def __init__(self, name: str = "rlm") -> None:
        self._name = name
        self._calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._alive = 0
        self._closed = False

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Await the function's result. Cancelling gives the call up; it cannot be stopped."""
        call: _Call[T] = _Call(partial(copy_context().run, function, *args))
        self._submit(call)
        return await call

    def close(self) -> None:
        """Let the idle threads end, and the others when they are done. What is run later has a thread for itself."""
        with self._lock:
            self._closed = True
            for _ in range(self._alive):
                self._calls.put(None)
            self._alive = 0

    def _submit(self, call: _Call[Any]) -> None:
        with self._lock:
            if self._closed:  # those that are idle end before they would take it
                threading.Thread(target=call.do_and_tell, name=self._name, daemon=True).start()
                return
            if self._idle:
                self._idle -= 1
            else:
                name = f"{self._name}-{self._alive + 1}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()
                self._alive += 1
        self._calls.put(call)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call.do()
            with self._lock:
                self._idle += 1  # before whoever waits can have more to do, for which another thread would be started
            call.tell()
            del call  # it would keep what came of it alive while idle


class _Call(Generic[T]):
    """One call, and what the task that awaits it waits for, as for a future.

    A future would have the loop turn once more between the result and whoever waits for it, which takes as long as
    all else that is done here: a sync run comes back from a thread for each call of a model.
    """

    _asyncio_future_blocking = False
    """What asyncio knows futures by, and notes of them."""

    def __init__(self, work: Callable[[], T]) -> None:
        """For the running loop."""
        self._loop = asyncio.get_running_loop()
        self._work: Callable[[], T] | None = work
        self._outcome: tuple[T] | Exception | None = None
        self._wake: tuple[Callable[[Any], object], Context] | None = None
        """What has the task go on, and its context; None where it does not wait, or no more."""
        self._given_up: tuple[object, ...] | None = None
        """Why, as a CancelledError has it."""

    # --- in a thread

    def do(self) -> None:
        """Never raises."""
        work, self._work = self._work, None
        assert work is not None, "a call is made once"
        try:
            self._outcome = (work(),)
        except BaseException as error:
            self._outcome = _tellable(error)

    def tell(self) -> None:
        """Have whoever waits go on."""
        try:
            self._loop.call_soon_threadsafe(self._go_on)
        except RuntimeError:  # the call was given up, and its loop is closed
            self._outcome = None

    def do_and_tell(self) -> None:
        self.do()
        self.tell()

    # --- in the loop

    def __await__(self) -> Generator[Any, None, T]:
        self._asyncio_future_blocking = True
        yield self
        outcome, self._outcome = self._outcome, None
        try:
            if isinstance(outcome, Exception):
                raise outcome
            assert outcome is not None
            return outcome[0]
        finally:
            del outcome  # an error's traceback holds this frame

    def _go_on(self) -> None:
        wake, self._wake = self._wake, None
        if wake is None:  # it was given up: nobody takes what came of it, and an error's traceback holds this
            self._outcome = None
            return
        tell, context = wake
        try:
            context.run(tell, self)
        finally:
            del wake, tell  # from Python 3.12 on, the task's frames hold this one, and what the task raises holds them

    # --- what the task asks of it

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, wake: Callable[[Any], object], *, context: Context) -> None:
        self._wake = wake, context

    def cancel(self, msg: object = None) -> bool:
        """Give it up, for the reason `msg`. Returns False where that was done before."""
        if self._given_up is not None:
            return False
        self._given_up = () if msg is None else (msg,)
        self._loop.call_soon(self._go_on)
        return True

    def result(self) -> None:
        """Raises CancelledError where it was given up: with the reason, by which a scope of anyio knows its own."""
        if self._given_up is not None:
            raise asyncio.CancelledError(*self._given_up)


def _tellable(error: BaseException) -> Exception:
    with suppress(BaseException):  # its class is foreign code too, and whoever waits is to be told
        return raisable(error)
    return RuntimeError("it raised what cannot be told of")
