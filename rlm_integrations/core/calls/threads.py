"""The threads of one run: for tools, and for the sync methods of models on the sync path.

They are daemons and the run's own. Shared ones deadlock when a tool calls an engine again, those of a
ThreadPoolExecutor are joined at exit and would hold up an interpreter whose model hangs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from rlm_integrations.core.calls.foreign_code import raisable

T = TypeVar("T")


_LONG_CHARS = 50_000

_Work = Callable[[], Callable[[], None]]
"""Does it. Returns what hands its outcome over."""


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
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._alive = 0
        self._closed = False

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Await the function's result. Cancelling gives the call up; it cannot be stopped."""
        loop = asyncio.get_running_loop()
        waiting: list[asyncio.Future[T]] = [loop.create_future()]
        context = copy_context()

        def settle(result: T | None, error: Exception | None) -> None:
            future = waiting.pop()  # not kept, nor the error: its traceback holds what this closes over
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def hand_over(result: T | None, error: Exception | None) -> None:
            with suppress(RuntimeError):  # the call was given up, and its loop is closed
                loop.call_soon_threadsafe(settle, result, error)

        def work() -> Callable[[], None]:
            try:
                return partial(hand_over, context.run(function, *args), None)
            except BaseException as error:
                return partial(hand_over, None, _tellable(error))

        self._submit(work)
        return await waiting[0]

    def close(self) -> None:
        """Let the idle threads end, and the others when they are done. What is run later has a thread for itself."""
        with self._lock:
            self._closed = True
            for _ in range(self._alive):
                self._work.put(None)
            self._alive = 0

    def _submit(self, work: _Work) -> None:
        with self._lock:
            if self._closed:  # those that are idle end before they would take it
                threading.Thread(target=lambda: work()(), name=self._name, daemon=True).start()
                return
            if self._idle:
                self._idle -= 1
            else:
                name = f"{self._name}-{self._alive + 1}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()
                self._alive += 1
        self._work.put(work)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            hand_over = work()
            with self._lock:
                self._idle += 1  # before whoever waits can have more to do, for which another thread would be started
            hand_over()
            del work, hand_over  # references would keep the call's arguments alive while idle


def _tellable(error: BaseException) -> Exception:
    with suppress(BaseException):  # its class is foreign code too, and whoever waits is to be told
        return raisable(error)
    return RuntimeError("it raised what cannot be told of")
