"""What is asked of a journal's file, and doing all that waits in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Protocol

ROW_VALUES = 5
"""Of an entry: its id, the run, the key, JSON or its hash, and bytes of the JSON."""
ROWS_AT_ONCE = 199
"""In one statement, which old versions of SQLite give 999 values at most."""
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
def insert(rows: int) -> str:
    """One text for so many, by which SQLite's statement is found again."""
    return f"INSERT INTO entries VALUES {', '.join(['(?, ?, ?, ?, ?)'] * rows)}"


def _insert_all(connection: sqlite3.Connection, values: Sequence[Any]) -> None:
    """Each statement is a transaction of its own where none is going on."""
    # Each statement is a turn of the interpreter's lock, for which another thread may have to be waited for.
    most = ROWS_AT_ONCE * ROW_VALUES
    if 0 < len(values) <= most:
        connection.execute(insert(len(values) // ROW_VALUES), values)
        return
    for start in range(0, len(values), most):
        some = values[start : start + most]
        connection.execute(insert(len(some) // ROW_VALUES), some)


def in_transaction(connection: sqlite3.Connection, jobs: Sequence[Job]) -> int:
    """All in one. What cannot be written fails all of them. Returns how many bytes the entries have."""
    begun = False
    try:
        values = jobs[0].values if len(jobs) == 1 else [*chain.from_iterable(job.values for job in jobs)]
        works = [(job, job.work) for job in jobs if job.work is not None]
        if works or len(values) > ROWS_AT_ONCE * ROW_VALUES:
            connection.execute("BEGIN IMMEDIATE")
            begun = True
        _insert_all(connection, values)
        for job, work in works:
            try:
                job.result = work(connection)
            except sqlite3.Error:
                raise
            except Exception as error:
                job.error = error
        if begun:
            connection.execute("COMMIT")
        for job in jobs:
            if job.done is not None and job.error is None:
                job.done()
    except BaseException as error:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        for job in jobs:
            job.error = job.error or error
        return 0
    return sum(map(len, values[3::ROW_VALUES]))


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
