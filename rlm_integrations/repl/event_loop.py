"""The event loop of a REPL, for code that awaits at top level or asks for "the" loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any
from weakref import finalize

_new_event_loop, _set_event_loop, _all_tasks = asyncio.new_event_loop, asyncio.set_event_loop, asyncio.all_tasks


class ReplLoop:
    """One loop for all steps, opened when code first needs it: it costs file descriptors and 0.1 ms."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin_step(self, blocks: Sequence[str]) -> None:
        """Make the loop the current one where code may ask for it: `asyncio.run` leaves none behind."""
        if any("asyncio" in block for block in blocks):
            with suppress(OSError):  # no descriptor is left: code that needs a loop will meet the error itself
                _set_event_loop(self._open())

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        loop = self._open()
        try:
            return loop.run_until_complete(coroutine)
        except KeyboardInterrupt:
            for task in _all_tasks(loop):
                task.cancel()
            raise

    def _open(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._loop.is_closed():
            self._loop = _new_event_loop()
            finalize(self, self._loop.close)  # a loop that nobody closed complains when it is collected
        return self._loop
