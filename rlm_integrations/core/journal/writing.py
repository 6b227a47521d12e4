"""What is asked of a journal's file, and doing all that waits in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_integrations.core.journal.rows import Row, encoded, hash_of, packed
from rlm_integrations.core.journal.told import Told

_INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?, ?)"
_ONE_MORE = ", (?, ?, ?, ?, ?)"
_COLUMNS = 5
_VALUES_AT_ONCE = 199 * _COLUMNS
"""Of one statement, which old versions of SQLite give 999 at most."""

Work = Callable[[sqlite3.Connection], Any]
EntryRow = tuple[int, int, str, Row, bool]
"""Its id, the run, the key, what is kept, and whether as more than a hash."""


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


def in_transaction(connection: sqlite3.Connection, jobs: Sequence[Job]) -> None:
    """All in one. What cannot be written fails all of them."""
    # Each statement is a turn of the interpreter's lock, for which the loop's thread may have to be waited for.
    begun = False
    try:
        values, works = _taken_apart(jobs)
        if works or len(values) > _VALUES_AT_ONCE:
            connection.execute("BEGIN IMMEDIATE")
            begun = True
        for start in range(0, len(values), _VALUES_AT_ONCE):
            some = values[start : start + _VALUES_AT_ONCE]
            connection.execute(_INSERT + _ONE_MORE * (len(some) // _COLUMNS - 1), some)
        for job, work in works:
            try:
                job.result = work(connection)
            except sqlite3.Error:
                raise
            except Exception as error:
                job.error = error
        if begun:
            connection.execute("COMMIT")
    except BaseException as error:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        for job in jobs:
            job.error = job.error or error


def _taken_apart(jobs: Sequence[Job]) -> tuple[list[Any], list[tuple[Job, Work]]]:
    """The values of all rows, one after the other, and the jobs that are other work."""
    values: list[Any] = []
    works: list[tuple[Job, Work]] = []
    for job in jobs:
        if job.work is not None:
            works.append((job, job.work))
        for entry, run, key, row, contents in job.rows:
            value = encoded(row)
            values += (entry, run, key, packed(value) if contents else hash_of(value), len(value))
    return values, works


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
