"""Who is alive of those that work on runs of a journal: each process holds the lock on a byte of its own.

The kernel gives up the locks of a process that has ended in whatever way, so no number of a process is trusted, which
may belong to another one by now, or mean another one in another container.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import ClassVar

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class Owners:
    """The locks on one file. A process has at most one of these: closing one gives up the locks of both."""

    _open: ClassVar[set[str]] = set()

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        self._own: set[int] = set()
        self._path = path
        self._open.add(path)

    @classmethod
    def has_open(cls, path: str) -> bool:
        """Whether this process has the file open already."""
        return path in cls._open

    def join(self, number: int) -> bool:
        """Be alive under that number. False where another process is."""
        taken = self._lock(number)
        if taken:
            self._own.add(number)
        return taken

    def is_alive(self, number: int) -> bool:
        if number in self._own:
            return True
        if not self._lock(number):
            return True
        self._unlock(number)
        return False

    def close(self) -> None:
        self._open.discard(self._path)
        os.close(self._file)

    if sys.platform == "win32":

        def _lock(self, number: int) -> bool:
            os.lseek(self._file, number, os.SEEK_SET)
            try:
                msvcrt.locking(self._file, msvcrt.LK_NBLCK, 1)
            except OSError:
                return False
            return True

        def _unlock(self, number: int) -> None:
            os.lseek(self._file, number, os.SEEK_SET)
            with contextlib.suppress(OSError):
                msvcrt.locking(self._file, msvcrt.LK_UNLCK, 1)

    else:

        def _lock(self, number: int) -> bool:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except OSError:
                return False
            return True

        def _unlock(self, number: int) -> None:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
