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
        self._connection: sqlite3.Connection | None = None
        self._at_work = threading.Lock()
        """Held while the connection is used."""
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
            with self._at_work:
                _open.add(self)
                self._connection = self._opened()
        except BaseException as error:
            _open.discard(self)
            self._refuse_all(error)
            return
        try:
            while (job := self._jobs.get()) is not None:
                jobs, ends = self._more(job)
                self._perform(jobs)
                del job, jobs
                if ends:
                    break
        finally:
            self.before_fork()
            _open.discard(self)
            self.owners.close()
            self.after_fork()

    def before_fork(self) -> None:
        """Let go of the file, until `after_fork`: SQLite in a fork would take its parent's locks for its own."""
        self._at_work.acquire()
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def after_fork(self) -> None:
        self._at_work.release()

    def _perform(self, jobs: Sequence[_Job]) -> None:
        with self._at_work:
            try:
                if self._connection is None:
                    self._connection = open_file(self.path)
            except BaseException as error:
                for job in jobs:
                    job.error = error
            else:
                _in_transaction(self._connection, jobs)
        _hand_over(jobs)

    def _opened(self) -> sqlite3.Connection:
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


def _in_transaction(connection: sqlite3.Connection, jobs: Sequence[_Job]) -> None:
    """All in one. What cannot be written fails all of them."""
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
_open: set[Store] = set()
"""Those whose file is open."""
_held: list[Store] = []
"""Those that wait for a fork."""
_left_by_parent: list[object] = []
"""What a fork has of its parent's, and does not touch."""
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


def _before_fork() -> None:
    _lock.acquire()
    for store in [*_open]:
        store.before_fork()
        _held.append(store)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().after_fork()
    _lock.release()


def _after_fork_in_child() -> None:
    _left_by_parent.extend(_open)
    for kept in (_held, _open, _stores, _closing):
        kept.clear()
    _lock.release()


if sys.platform != "win32":
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
