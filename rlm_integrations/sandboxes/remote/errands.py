"""What finalizers ask for, done in a thread: they run anywhere, with any lock held, and may wait for nothing."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue

Errand = Callable[[], object]


class Errands:
    """A thread, which ends with this object."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Errand | None] = SimpleQueue()  # the one queue that a finalizer may put into
        self._started = threading.Lock()
        weakref.finalize(self, self._queue.put, None).atexit = False

    def begin(self) -> None:
        """Have the thread, if it is not there. Not for finalizers."""
        if self._started.acquire(blocking=False):
            threading.Thread(target=_run, args=[self._queue], name="rlm-remote", daemon=True).start()

    def ask(self, errand: Errand) -> None:
        self._queue.put(errand)


def _run(queue: SimpleQueue[Errand | None]) -> None:
    while (errand := queue.get()) is not None:
        with contextlib.suppress(Exception):  # whatever is to be freed may be gone
            errand()
        del errand
