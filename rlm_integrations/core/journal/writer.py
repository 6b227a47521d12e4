"""The way to write to a journal's file: at once, where nobody need be waited for, or after whoever else writes.

A row goes to the end of the file's log (`-wal`), which is a write to the kernel's cache. To bring the log into the file
takes the disk: that is asked for now and then, by whoever can wait for it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence

from rlm_integrations.core.journal.file import mark
from rlm_integrations.core.journal.writing import Job, in_transaction

_BUSY_MS = 60_000
"""How long one who writes waits for others that do: each has the file for some milliseconds at most."""
_TAKEN = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)
_PRIMARY = 0xFF
"""Of an error's code: its kind."""
_COMMIT_PAGES, _PAGE_BYTES = 2, 2_048
"""What a transaction and its rows take of the log, about."""
_LOG_PAGES = 1_000
"""From here on the log is brought into the file, as SQLite does by itself."""
_SLOW_S = 0.01
_REST, _LONGER, _LONGEST_REST_S = 10, 8, 60.0
"""How many times as long as a slow write took none is made at once; and how many times longer where the next one is
slow again.
"""


class Writer:
    """For one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float] = time.perf_counter) -> None:
        """What is open already, and its own from now on. The clock counts seconds. Raises sqlite3.Error."""
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA busy_timeout = 0")
        self._connection, self._clock = connection, clock
        self._pages = 0
        """How long the log is, about."""
        self._rest = self._rests_until = 0.0

    def attempt(self, job: Job) -> bool:
        """Do what is a matter of microseconds, where the kernel takes what is written to the log. Raises sqlite3.Error.

        False, with nothing done: somebody else writes, the disk has been slow of late, or something watches the event
        loop and refuses it all that may block.
        """
        began = self._clock()
        if began < self._rests_until:
            return False
        written = in_transaction(self._connection, [job])
        self._note(began, self._clock())
        if job.error is None:
            self._pages += _COMMIT_PAGES + written // _PAGE_BYTES
            return True
        error, job.error = job.error, None
        if isinstance(error, sqlite3.Error):
            refused = getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _TAKEN
        else:
            refused = isinstance(error, Exception)  # blockbuster's, for instance, which LangGraph's server has
        if not refused:
            raise error
        return False

    def _note(self, began: float, ended: float) -> None:
        """Whether the disk is slow. A thread that had to wait for its turn looks the same, but not time after time."""
        took = ended - began
        if took < _SLOW_S:
            self._rest = 0.0
        else:
            self._rest = min(max(_REST * took, _LONGER * self._rest), _LONGEST_REST_S)
            self._rests_until = max(self._rests_until, ended + self._rest)

    def perform(self, jobs: Sequence[Job]) -> None:
        """All of them, in one transaction, after whoever writes now. Each has then its result or its error."""
        if not jobs:
            return
        self._connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        try:
            self._pages += _COMMIT_PAGES * len(jobs) + in_transaction(self._connection, jobs) // _PAGE_BYTES
        finally:
            self._connection.execute("PRAGMA busy_timeout = 0")

    @property
    def log_is_long(self) -> bool:
        return self._pages >= _LOG_PAGES

    def shorten_log(self) -> None:
        """Bring it into the file. Waits for the disk."""
        self._pages = 0
        with contextlib.suppress(sqlite3.Error):  # what is in the log is safe, and whoever writes next hears of it
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            mark(self._connection)  # who begins the log anew waits for the disk again

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
