"""What is asked of a journal's file, and doing all that waits in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_integrations.core.journal.rows import Row, encoded, hash_of, packed

_ROWS_AT_ONCE = 200
"""Of one statement, which old versions of SQLite give 999 values at most."""


EntryRow = tuple[int, str, Row, bool]
"""The run, the key, what is kept, and whether as more than a hash."""


@dataclass(slots=True)
class Job:
    """Work on the file, or rows for it, and who is told: futures of one loop."""

    work: Callable[[sqlite3.Connection], Any] | None
    loop: asyncio.AbstractEventLoop | None
    told: Sequence[asyncio.Future[Any]]
    rows: Sequence[EntryRow] = ()
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        for future in self.told:
            if future.done():  # nobody waits any more
                continue
            if self.error is None:
                future.set_result(self.result)
            else:
                future.set_exception(self.error)


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
    values = ", ".join(["(?, ?, ?, ?)"] * len(rows))
    made = [value for run, key, row, contents in rows for value in (run, key, *_stored(row, contents=contents))]
    connection.execute(f"INSERT INTO entries (run, key, value, size) VALUES {values}", made)


def _stored(row: Row, *, contents: bool) -> tuple[bytes, int]:
    value = encoded(row)
    return packed(value) if contents else hash_of(value), len(value)


def hand_over(jobs: Sequence[Job]) -> None:
    """Tell who waits, on their loops."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.loop is not None:
            by_loop[job.loop].append(job)
    for loop, its in by_loop.items():
        with contextlib.suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(_settle_all, its)


def _settle_all(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.settle()
