"""One journal's file, as this process has it open: a thread of its own does all the work, many rows at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.file import hash_seed, open_file
from rlm_integrations.core.journal.owners import Owners

T = TypeVar("T")

_AT_ONCE = 1_000
"""Jobs of one transaction."""


class Store:
    """Open while a run uses it. The file is touched by its thread alone, so no event loop waits for a disk."""

    def __init__(self, path: str, before: threading.Thread | None) -> None:
        """`before` is the thread of the last one that had the file, which may still be closing it."""
        self.path = path
        self.live: set[int] = set()
        """Ids of the runs of this process that are going on. For the thread alone."""
        self.owner = 0
        """Its number among those that have worked on the file. For the thread, likewise."""
        self.owners: Owners
        self.hash_seed = 0
        self.users = 0
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._before = before
        self.thread = threading.Thread(target=self._serve, name="rlm-journal", daemon=True)
        self.thread.start()

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, which the thread calls within a transaction.

        It was written when this returns. Raises InvalidArgumentError where the file cannot be opened, sqlite3.Error
        where it cannot be written, and what `work` raises before it changes anything.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(work, loop, future))
        return await future

    def do_later(self, work: Callable[[sqlite3.Connection], Any]) -> None:
        """The same, for one who cannot wait: whether it was done is not told."""
        self._jobs.put(_Job(work, None, None))

    def close(self) -> None:
        """Once all is done that was asked for."""
        self._jobs.put(None)

    def is_live(self, run: int, owner: int | None) -> bool:
        """Whether somebody works on the run, whose owner is written there. For the thread alone."""
        if owner is None:
            return False
        return run in self.live if owner == self.owner else self.owners.is_alive(owner)

    def _serve(self) -> None:
        if self._before is not None:
            self._before.join()
            self._before = None
        try:
            connection = self._open()
        except BaseException as error:
            self._refuse_all(error)
            return
        try:
            while (job := self._jobs.get()) is not None:
                jobs, ends = self._more(job)
                _perform(connection, jobs)
                del job, jobs
                if ends:
                    break
        finally:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
            self.owners.close()

    def _open(self) -> sqlite3.Connection:
        connection = open_file(self.path)
        try:
            self.owners = Owners(f"{self.path}-owners")
            try:
                self._join(connection)
                self.hash_seed = hash_seed(connection)
            except BaseException:
                self.owners.close()
                raise
        except BaseException as error:
            connection.close()
            if isinstance(error, (sqlite3.Error, OSError)):
                why = f"journal: {self.path!r} cannot be written ({error}); free space, or name another file"
                raise InvalidArgumentError(why) from error
            raise
        return connection

    def _join(self, connection: sqlite3.Connection) -> None:
        """Have a number that nobody has, and be alive under it."""
        while True:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE facts SET value = value + 1 WHERE name = 'owners'")
            (self.owner,) = connection.execute("SELECT value FROM facts WHERE name = 'owners'").fetchone()
            connection.execute("COMMIT")
            if self.owners.join(self.owner):
                return

    def _more(self, first: _Job) -> tuple[list[_Job], bool]:
        """What waits by now, and whether that is all there will be."""
        jobs = [first]
        with contextlib.suppress(Empty):
            while len(jobs) < _AT_ONCE:
                job = self._jobs.get_nowait()
                if job is None:
                    return jobs, True
                jobs.append(job)
        return jobs, False

    def _refuse_all(self, error: BaseException) -> None:
        while (job := self._jobs.get()) is not None:
            job.error = error
            _hand_over([job])


@dataclass(slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop | None
    future: asyncio.Future[Any] | None
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        future = self.future
        if future is None or future.done():  # nobody waits any more
            return
        if self.error is None:
            future.set_result(self.result)
        else:
            future.set_exception(self.error)


def _perform(connection: sqlite3.Connection, jobs: Sequence[_Job]) -> None:
    """All in one transaction. What cannot be written fails all of them."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            try:
                job.result = job.work(connection)
            except sqlite3.Error:
                raise
            except Exception as error:
                job.error = error
        connection.execute("COMMIT")
    except BaseException as error:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        for job in jobs:
            job.error = job.error or error
    _hand_over(jobs)


def _hand_over(jobs: Sequence[_Job]) -> None:
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[_Job]] = defaultdict(list)
    for job in jobs:
        if job.loop is not None:
            by_loop[job.loop].append(job)
    for loop, its in by_loop.items():
        with contextlib.suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(_settle_all, its)


def _settle_all(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.settle()


_stores: dict[str, Store] = {}
_closing: dict[str, threading.Thread] = {}
_left_by_parent: list[object] = []
"""What a fork must not close: SQLite would take it for the last who has the file."""
_lock = threading.Lock()


def take(path: str) -> Store:
    """The one of this process for the file. Give it back by `give_back`."""
    with _lock:
        store = _stores.get(path)
        if store is None:
            store = _stores[path] = Store(path, _closing.pop(path, None))
        store.users += 1
        return store


def give_back(store: Store) -> None:
    """The last who does so closes the file."""
    with _lock:
        store.users -= 1
        if not store.users:
            del _stores[store.path]
            _closing[store.path] = store.thread
            store.close()
            for path in [path for path, thread in _closing.items() if not thread.is_alive()]:
                del _closing[path]


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it
    _left_by_parent.append(dict(_stores))
    _stores.clear()
    _closing.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork)
