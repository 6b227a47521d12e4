"""One thread of the host that looks at all running workers: their bounds hold whatever keeps the callers' loops."""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
import weakref
from typing import Protocol

LOOK_S = 0.05
"""Seconds between two looks."""

_IDLE_LOOKS = 2  # then the thread ends: the next step is some way off, and a fork of the host better has one thread


class Watched(Protocol):
    def look(self) -> None:
        """Enforce its bounds. Called in the watch's thread, with its lock held."""
        ...


class Watch:
    """Whoever is added is looked at until it is discarded, which waits for a look that is going on.

    It keeps nobody alive. Any thread may call.
    """

    def __init__(self) -> None:
        # re-entrant: collecting garbage during a look may discard somebody
        self._lock = threading.RLock()
        self._watched: dict[int, weakref.ref[Watched]] = {}
        self._runs = False

    def add(self, watched: Watched) -> None:
        with self._lock:
            self._watched[id(watched)] = weakref.ref(watched)
            if not self._runs:
                # not one of `threading`, which would count it among the program's own
                _thread.start_new_thread(self._run, ())
                self._runs = True

    def discard(self, watched: Watched) -> None:
        with self._lock:
            self._watched.pop(id(watched), None)

    def look(self) -> bool:
        """Look at all of them once. Whether there was anybody."""
        watched = [*self._watched]
        for key in watched:
            with self._lock:  # let go of after each
                reference = self._watched.get(key)
                each = None if reference is None else reference()
                if each is not None:
                    each.look()
                elif reference is not None:
                    del self._watched[key]
        return bool(watched)

    def _run(self) -> None:
        try:
            idle = 0
            while True:
                time.sleep(LOOK_S)
                idle = 0 if self.look() else idle + 1
                with self._lock:
                    if idle >= _IDLE_LOOKS and not self._watched:
                        self._runs = False
                        return
        except BaseException:
            self._runs = False  # the next step starts another
            raise

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """A fork has none of its parent's workers, and not its thread."""
        self._watched.clear()
        self._runs = False
        self._lock.release()


watch = Watch()
"""The one of this process."""

if sys.platform != "win32":  # where nothing of this runs, but can be imported
    os.register_at_fork(
        before=watch.before_fork,
        after_in_parent=watch.after_fork_in_parent,
        after_in_child=watch.after_fork_in_child,
    )
