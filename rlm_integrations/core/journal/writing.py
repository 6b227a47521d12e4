"""What is asked of a journal's file, and doing all that waits in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rlm_integrations.core.journal.rows import Row, encoded, hash_of, length_up_to, packed
from rlm_integrations.core.journal.told import Told

_INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?, ?)"
_ONE_MORE = ", (?, ?, ?, ?, ?)"
_ROWS_AT_ONCE = 199
"""In one statement, which old versions of SQLite give 999 values at most."""
_SHORT_CHARS = 64_000
"""Of rows that an event loop may wait for: to encode, pack and write them takes a millisecond at most."""

Work = Callable[[sqlite3.Connection], Any]
EntryRow = tuple[int, int, str, Row, bool]
"""Its id, the run, the key, what is kept, and whether as more than a hash."""
_Stored = tuple[int, int, str, bytes, int]
"""Its id, the run, the key, JSON or its hash, and bytes of the JSON."""


@dataclass(slots=True)
class Job:
    """Rows for the file, or other work on it, and who waits for that."""

    rows: Sequence[EntryRow]
    told: Told[Any] | None = None
    work: Work | None = None
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.told is None:
            return
        if self.error is None:
            self.told.tell(self.result)
        else:
            self.told.fail(self.error)


def are_short(rows: Sequence[EntryRow]) -> bool:
    """Whether an event loop may wait until they are written, where nobody else writes."""
    left = _SHORT_CHARS
    for _, _, _, row, _ in rows:
        left -= length_up_to(left, row)
        if left < 0:
            return False
    return len(rows) <= _ROWS_AT_ONCE


def _stored(rows: Sequence[EntryRow]) -> list[_Stored]:
    """The rows as the file has them."""
    made: list[_Stored] = []
    for entry, run, key, row, contents in rows:
        value = encoded(row)
        made.append((entry, run, key, packed(value) if contents else hash_of(value), len(value)))
    return made


def _insert_all(connection: sqlite3.Connection, entries: Sequence[_Stored]) -> None:
    """Each statement is a transaction of its own where none is going on."""
    # Each statement is a turn of the interpreter's lock, for which another thread may have to be waited for.
    for start in range(0, len(entries), _ROWS_AT_ONCE):
        some = entries[start : start + _ROWS_AT_ONCE]
        connection.execute(_INSERT + _ONE_MORE * (len(some) - 1), [*chain.from_iterable(some)])


def in_transaction(connection: sqlite3.Connection, jobs: Sequence[Job]) -> int:
    """All in one. What cannot be written fails all of them. Returns how many bytes the rows have."""
    begun, written = False, 0
    try:
        entries = _stored([row for job in jobs for row in job.rows])
        works = [(job, job.work) for job in jobs if job.work is not None]
        if works or len(entries) > _ROWS_AT_ONCE:
            connection.execute("BEGIN IMMEDIATE")
            begun = True
        _insert_all(connection, entries)
        for job, work in works:
            try:
                job.result = work(connection)
            except sqlite3.Error:
                raise
            except Exception as error:
                job.error = error
        if begun:
            connection.execute("COMMIT")
        written = sum(len(value) for _, _, _, value, _ in entries)
    except BaseException as error:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        for job in jobs:
            job.error = job.error or error
    return written


def hand_over(jobs: Sequence[Job]) -> None:
    """Tell who waits, on their loops: each is woken once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        if job.told is not None:
            by_loop.setdefault(job.told.get_loop(), []).append(job)
    for loop, its in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, its)
        except RuntimeError:  # it is closed
            continue


def _settle(jobs: Sequence[Job]) -> None:
    """Each goes on in a turn of its own, so that one that waits for another one in it is no deadlock."""
    for job in jobs[1:]:
        assert job.told is not None
        job.told.get_loop().call_soon(job.settle)
    jobs[0].settle()
