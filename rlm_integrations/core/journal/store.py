"""One journal's file, as this process has it open: a thread of its own does all the work, many rows at once."""

from __future__ import annotations

import asyncio
import atexit
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
from rlm_integrations.core.journal.file import file_id, hash_seed, open_file
from rlm_integrations.core.journal.owners import Owners
from rlm_integrations.core.journal.rows import Row, encoded, hash_of, packed

T = TypeVar("T")

_LINGER_S = 1.0
"""How long a file is kept open for the next run: to open and to close it takes as long as some dozen iterations."""
_AT_ONCE = 1_000
"""Jobs of one transaction."""
_ROWS_AT_ONCE = 200
"""Of one statement, which old versions of SQLite give 999 values at most."""


EntryRow = tuple[int, str, Row, bool]
"""The run, the key, what is kept, and whether as more than a hash."""


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
        self.file_id: tuple[int, int] | None = None
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
        self._jobs.put(_Job(work, loop, [future]))
        return await future

    def write(self, rows: Sequence[EntryRow], told: Sequence[asyncio.Future[None]] = ()) -> None:
        """Keep the entries, together with those of whoever else writes now. The futures, of one loop, are told when
        they are in the file, or with what error they are not.
        """
        self._jobs.put(_Job(None, told[0].get_loop() if told else None, told, rows))

    def do_later(self, work: Callable[[sqlite3.Connection], Any]) -> None:
        """The same, for one who cannot wait: whether it was done is not told."""
        self._jobs.put(_Job(work, None, ()))

    def close(self) -> None:
        """Once all is done that was asked for."""
        self._jobs.put(None)

    @property
    def is_astray(self) -> bool:
        """Whether the file is no more what its name means: it was removed, and made anew perhaps."""
        return self.file_id is not None and self.file_id != file_id(self.path)

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
                self.file_id = file_id(self.path)
        except BaseException as error:
            _open.discard(self)
            self._refuse_all(error)
            return
        try:
            while jobs := self._next():
                self._perform(jobs)
                del jobs
        finally:
            self.before_fork()
            _open.discard(self)
            self.owners.close()
            self.after_fork()
            _leaving.pop(self.path, None)

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

    def _next(self) -> list[_Job]:
        """What waits by now, or comes. Nothing, once the store is closed or nobody has used it for a while."""
        jobs: list[_Job] = []
        while len(jobs) < _AT_ONCE:
            try:
                job = self._jobs.get_nowait() if jobs else self._jobs.get(timeout=_LINGER_S)
            except Empty:
                if jobs or _retire(self):
                    break
                continue
            if job is None:
                self._jobs.put(None)  # for the next time
                break
            jobs.append(job)
        return jobs

    def _refuse_all(self, error: BaseException) -> None:
        """Whoever has the store already. The next one tries the file anew."""
        with _lock:
            if _stores.get(self.path) is self:
                del _stores[self.path]
        while self.users or not self._jobs.empty():
            with contextlib.suppress(Empty):
                if (job := self._jobs.get(timeout=_LINGER_S)) is not None:
                    job.error = error
                    _hand_over([job])


@dataclass(slots=True)
class _Job:
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


def _in_transaction(connection: sqlite3.Connection, jobs: Sequence[_Job]) -> None:
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
_leaving: dict[str, threading.Thread] = {}
"""Threads that are about to close a file: whoever opens it anew waits for that."""
_open: set[Store] = set()
"""Those whose file is open."""
_held: list[Store] = []
"""Those that wait for a fork."""
_left_by_parent: list[object] = []
"""What a fork has of its parent's, and does not touch."""
_lock = threading.Lock()


def take(path: str) -> Store:
    """The one of this process for the file. Give it back by `give_back`.

    Raises InvalidArgumentError where runs are going on in a file of that name that is not there any more.
    """
    with _lock:
        store, before = _stores.get(path), None
        if store is not None and store.is_astray:
            if store.users:
                raise InvalidArgumentError(
                    f"journal: {path!r} was removed while runs are going on in it; wait for their end"
                )
            store.close()
            store, before = None, store.thread
        if store is None:
            store = _stores[path] = Store(path, before or _leaving.get(path))
        store.users += 1
        return store


def give_back(store: Store) -> None:
    """The file stays open for a moment, for the next run."""
    with _lock:
        store.users -= 1


def _retire(store: Store) -> bool:
    """Forget the store, if nobody uses it."""
    with _lock:
        if not store.users and _stores.get(store.path) is store:
            del _stores[store.path]
            _leaving[store.path] = store.thread
        return not store.users


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
    for kept in (_held, _open, _stores, _leaving):
        kept.clear()
    _lock.release()


def _at_exit() -> None:
    """Daemon threads are not waited for, and a file that was closed has all in one."""
    for store in [*_open]:
        store.before_fork()
        store.after_fork()


atexit.register(_at_exit)
if sys.platform != "win32":
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
