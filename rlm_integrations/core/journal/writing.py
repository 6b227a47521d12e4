"""What is asked of a journal's file, and doing all that waits in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Protocol

_ROW_VALUES = 5
"""Of an entry: its id, the run, the key, JSON or its hash, and bytes of the JSON."""
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 199)
"""Rows of a statement. SQLite takes longer to read one than to do it, so there are few, which it knows by their text.

Old versions of it give a statement 999 values at most.
"""
VALUES_AT_ONCE = _SIZES[-1] * _ROW_VALUES
SHORT_CHARS = 64_000
"""Of entries that an event loop may wait for: to encode, pack and write them takes a millisecond at most."""

Work = Callable[[sqlite3.Connection], Any]


class Waiting(Protocol):
    """Who is told what came of a job, by the loop that it is on."""

    def get_loop(self) -> asyncio.AbstractEventLoop: ...

    def tell(self, result: Any) -> None: ...

    def fail(self, error: BaseException) -> None: ...


@dataclass(slots=True)
class Job:
    """Entries for the file, and other work on it after them, all or nothing; and who waits for that."""

    values: Sequence[Any] = ()
    """Those of all entries, one after the other."""
    told: Waiting | None = None
    work: Work | None = None
    make: Callable[[], Sequence[Any]] | None = None
    """Gives the values, where that may take a while: whoever writes them calls it."""
    done: Callable[[], None] | None = None
    """Called once all is in the file, before anybody else works on it."""
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.told is None:
            return
        if self.error is None:
            self.told.tell(self.result)
        else:
            self.told.fail(self.error)


@cache
def _statement(size: int) -> str:
    """For so many rows, of which those of NULL are none."""
    rows = ", ".join(["(?, ?, ?, ?, ?)"] * size)
    if size == 1:
        return f"INSERT INTO entries VALUES {rows}"
    return f"INSERT INTO entries SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL"


def insert(connection: sqlite3.Connection, values: Sequence[Any]) -> None:
    """The entries with these values, `VALUES_AT_ONCE` at most: a transaction of its own where none is going on."""
    # It is one statement: each is a turn of the interpreter's lock, for which another thread may have to be waited for.
    rows = len(values) // _ROW_VALUES
    size = _SIZES[bisect_left(_SIZES, rows)]
    missing = (size - rows) * _ROW_VALUES
    connection.execute(_statement(size), [*values, *[None] * missing] if missing else values)


def in_transaction(connection: sqlite3.Connection, jobs: Sequence[Job]) -> int:
    """All in one. What cannot be written fails all of them. Returns how many bytes the entries have."""
    values = jobs[0].values if len(jobs) == 1 else [*chain.from_iterable(job.values for job in jobs)]
    try:
        first = jobs[0]
        if len(jobs) == 1 and first.work is None and first.done is None and 0 < len(values) <= VALUES_AT_ONCE:
            insert(connection, values)
        elif values or any(job.work for job in jobs):
            _in_several_statements(connection, jobs, values)
    except BaseException as error:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        for job in jobs:
            job.error = job.error or error
        return 0
    return sum(map(len, values[3::_ROW_VALUES]))


def _in_several_statements(connection: sqlite3.Connection, jobs: Sequence[Job], values: Sequence[Any]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for start in range(0, len(values), VALUES_AT_ONCE):
        insert(connection, values[start : start + VALUES_AT_ONCE])
    for job in jobs:
        if job.work is not None:
            try:
                job.result = job.work(connection)
            except sqlite3.Error:
                raise
            except Exception as error:
                job.error = error
    connection.execute("COMMIT")
    for job in jobs:
        if job.done is not None and job.error is None:
            job.done()


def make_all(jobs: Sequence[Job]) -> list[Job]:
    """Have the values that are still to be made. Returns the jobs that have theirs: the others failed."""
    made: list[Job] = []
    for job in jobs:
        if job.make is not None:
            try:
                job.values = job.make()
            except BaseException as error:
                job.error = error
                continue
            job.make = None
        made.append(job)
    return made


def hand_over(jobs: Sequence[Job]) -> None:
    """Tell who waits, on their loops: each is woken once."""
    by_loop: dict[asyncio.AbstractEventLoop, deque[Job]] = {}
    for job in jobs:
        if job.told is not None:
            by_loop.setdefault(job.told.get_loop(), deque()).append(job)
    for loop, its in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, loop, its)
        except RuntimeError:  # it is closed
            continue


def _settle(loop: asyncio.AbstractEventLoop, jobs: deque[Job]) -> None:
    """Each in its order. Who waits may run the loop within this, and wait there for another: that one is told then."""
    if len(jobs) > 1:
        loop.call_soon(_settle, loop, jobs)
    while jobs:
        jobs.popleft().settle()
