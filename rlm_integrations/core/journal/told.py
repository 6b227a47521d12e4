"""Waiting for the journal's thread, a turn of the event loop shorter than with a future of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Told(Generic[T]):
    """What one coroutine awaits, once. It goes on within `tell` or `fail`, which its loop calls.

    A future would have it go on in the loop's next turn, and a turn costs as much as a row. This is what asyncio asks
    of the futures of others, as far as a task does that awaits one.
    """

    # What most have is the class's: to set it costs as much as a third of all else.
    _asyncio_future_blocking = False
    _done = False
    _go_on: Callable[[Told[T]], object] | None = None
    _context: Context | None = None
    _error: BaseException | None = None
    _result: Any = None

    def __init__(self) -> None:
        """Call it in a coroutine."""
        self._loop = asyncio.get_running_loop()

    def tell(self, result: T) -> None:
        """Nobody waits any more where it was cancelled."""
        if not self._done:
            self._done, self._result = True, result
            self._wake()

    def fail(self, error: BaseException) -> None:
        if not self._done:
            self._done, self._error = True, error
            self._wake()

    def _wake(self) -> None:
        if self._go_on is not None:
            assert self._context is not None
            self._context.run(self._go_on, self)

    def __await__(self) -> Generator[Any, None, T]:
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def done(self) -> bool:
        return self._done

    def add_done_callback(self, callback: Callable[[Told[T]], object], *, context: Context) -> None:
        self._go_on, self._context = callback, context

    def cancel(self, msg: object = None) -> bool:
        """Its task is cancelled. That does not go on within this, but in the loop's next turn."""
        if self._done:
            return False
        self._done, self._error = True, asyncio.CancelledError(*(() if msg is None else (msg,)))
        if self._go_on is not None:
            self._loop.call_soon(self._go_on, self, context=self._context)
        return True

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result
