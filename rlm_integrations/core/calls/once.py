"""What takes long and is done when it is first needed: once, for all who need it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Generic, TypeVar

from rlm_integrations.core.calls.foreign_code import raisable

T = TypeVar("T")


class Once(Generic[T]):
    """The result of a function that is called when it is first asked for.

    `get` calls it in the caller's thread, `aget` in one of its own, with the caller's context variables. Whoever asks
    meanwhile, from any thread and any event loop, waits for that call. What it raises is raised for all of them, and
    whoever asks next has it called again. One who gives up waiting does not end it.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function: Callable[[], T] | None = function
        self._lock = threading.Lock()
        self._result: Future[T] | None = None

    @property
    def is_there(self) -> bool:
        """Whether the result is, so that nobody waits for it."""
        return self._function is None

    def get(self) -> T:
        result, call = self._claim()
        if call is not None:
            self._settle(result, call)
        return result.result()

    async def aget(self) -> T:
        result, call = self._claim()
        if call is not None:
            settle = (self._settle, result, call)
            threading.Thread(target=copy_context().run, args=settle, name="rlm-once", daemon=True).start()
        return await asyncio.wrap_future(result)

    def _claim(self) -> tuple[Future[T], Callable[[], T] | None]:
        """Where the result will be, and what the caller has to call for it, if nobody does yet."""
        with self._lock:
            if self._result is not None:
                return self._result, None
            self._result = Future()
            self._result.set_running_or_notify_cancel()  # from here on, no waiter's cancellation reaches it
            return self._result, self._function

    def _settle(self, result: Future[T], call: Callable[[], T]) -> None:
        try:
            value = call()
        except BaseException as error:
            with self._lock:
                self._result = None
            result.set_exception(raisable(error))
            if not isinstance(error, Exception):  # Ctrl-C in `get`: it ends whoever it was meant for
                raise
        else:
            self._function = None  # and what it holds
            result.set_result(value)
