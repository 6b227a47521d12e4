"""What is asked of a journal's file, and doing all that waits in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_integrations.core.journal.rows import Row, encoded, hash_of, packed

_ROWS_AT_ONCE = 200
"""Of one statement, which old versions of SQLite give 999 values at most."""
_INSERT = "INSERT INTO entries (run, key, value, size) VALUES (?, ?, ?, ?)"
_VALUES = ", (?, ?, ?, ?)"


EntryRow = tuple[int, str, Row, bool]
"""The run, the key, what is kept, and whether as more than a hash."""


@dataclass(slots=True)
class Job:
    """Rows for the file, or other work on it, and who waits for that."""

    rows: Sequence[EntryRow]
    told: asyncio.Future[Any] | None = None
    work: Callable[[sqlite3.Connection], Any] | None = None
    result: Any = None
    error: BaseException | None = None


def in_transaction(connection: sqlite3.Connection, jobs: Sequence[Job]) -> None:
    """All in one. What cannot be written fails all of them."""
    rows = [row for job in jobs for row in job.rows]
    others = [job for job in jobs if job.work is not None]
    # Each statement is a turn of the interpreter's lock, for which the loop's thread may have to be waited for.
    try:
        if others or len(rows) > _ROWS_AT_ONCE:
            connection.execute("BEGIN IMMEDIATE")
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            _insert(connection, rows[start : start + _ROWS_AT_ONCE])
        for job in others:
            assert job.work is not None
            try:
                job.result = job.work(connection)
            except sqlite3.Error:
                raise
            except Exception as error:
                job.error = error
        if connection.in_transaction:
            connection.execute("COMMIT")
    except BaseException as error:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        for job in jobs:
            job.error = job.error or error


def _insert(connection: sqlite3.Connection, rows: Sequence[EntryRow]) -> None:
    values: list[Any] = []
    for run, key, row, contents in rows:
        value = encoded(row)
        values += (run, key, packed(value) if contents else hash_of(value), len(value))
    connection.execute(_INSERT + _VALUES * (len(rows) - 1), values)


def hand_over(jobs: Sequence[Job]) -> None:
    """Tell who waits, on their loops: each is woken once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        if job.told is not None:
            by_loop.setdefault(job.told.get_loop(), []).append(job)
    for loop, its in by_loop.items():
        with contextlib.suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(_settle, its)


def _settle(jobs: Sequence[Job]) -> None:
    for job in jobs:
        future = job.told
        if future is None or future.done():  # nobody waits any more
            continue
        if job.error is None:
            future.set_result(job.result)
        else:
            future.set_exception(job.error)
