"""One journal's file, as this process has it open. What takes microseconds is written where it comes up, while nobody
else writes; a thread of its own does the rest, many rows at once.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.file import file_id, hash_seed, open_file
from rlm_integrations.core.journal.owners import Owners
from rlm_integrations.core.journal.told import Told
from rlm_integrations.core.journal.writer import Writer
from rlm_integrations.core.journal.writing import Job, hand_over, make_all

T = TypeVar("T")

_LINGER_S = 1.0
"""How long a file is kept open for the next run: to open and to close it takes as long as some dozen iterations."""
_AT_ONCE = 1_000
"""Jobs of one transaction."""


class Keeper(Protocol):
    """Who has the stores of a process. A store's thread tells of itself."""

    def opens(self, store: Store) -> None:
        """Its file is about to be open."""

    def retires(self, store: Store) -> bool:
        """Nobody has used it for a while. Whether it is to close: then it is forgotten."""
        ...

    def closed(self, store: Store) -> None:
        """Its file is closed."""

    def refused(self, store: Store) -> None:
        """Its file could not be opened: the next one who wants it tries anew."""


class Store:
    """Open while a run uses it. Whatever may have to be waited for is its thread's: a disk, or others who write."""

    def __init__(self, path: str, before: threading.Thread | None, keeper: Keeper) -> None:
        """`before` is the thread of the last one that had the file, which may still be closing it."""
        self.path = path
        self.live: set[int] = set()
        """Ids of the runs of this process that are going on. For whoever works on the file."""
        self.owner = 0
        """Its number among those that have worked on the file. Likewise."""
        self.owners: Owners
        self.hash_seed = 0
        self.file_id: tuple[int, int] | None = None
        self.users = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._undone: deque[Job] = deque()
        """Those of them that the thread has not done yet: nothing goes past them."""
        self._before = before
        self._keeper = keeper
        self._writer: Writer | None = None
        self._at_work = threading.Lock()
        """Held while the writer is used."""
        self.thread = threading.Thread(target=self._serve, name="rlm-journal", daemon=True)
        self.thread.start()

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, which the thread calls within a transaction.

        It was written when this returns. Raises InvalidArgumentError where the file cannot be opened, sqlite3.Error
        where it cannot be written, and what `work` raises before it changes anything.
        """
        told: Told[T] = Told()
        self.ask(Job((), told, work))
        return await told

    def attempt(self, job: Job) -> bool:
        """Do it before this returns, in the caller's thread. Who waits for it is told nothing.

        False, with nothing done, where somebody else would have to be waited for: then `ask` for it. Raises
        sqlite3.Error where the file cannot be written.
        """
        if self._undone or not self._at_work.acquire(blocking=False):
            return False
        try:
            writer = self._writer
            if writer is None or not writer.attempt(job):
                return False
            if writer.log_is_long:
                self.ask(Job())
            return True
        finally:
            self._at_work.release()

    def ask(self, job: Job) -> None:
        """Have the thread do it, together with what others ask for. Who waits is told when it is in the file, or with
        what error it is not.
        """
        self._undone.append(job)
        self._jobs.put(job)

    def close(self) -> None:
        """Once all is done that was asked for."""
        self._jobs.put(None)

    @property
    def is_astray(self) -> bool:
        """Whether the file is no more what its name means: it was removed, and made anew perhaps."""
        return self.file_id is not None and self.file_id != file_id(self.path)

    def is_live(self, run: int, owner: int | None) -> bool:
        """Whether somebody works on the run, whose owner is written there. For whoever works on the file."""
        if owner is None:
            return False
        return run in self.live if owner == self.owner else self.owners.is_alive(owner)

    def _serve(self) -> None:
        if self._before is not None:
            self._before.join()
            self._before = None
        try:
            with self._at_work:
                self._keeper.opens(self)
                self._writer = self._opened()
                self.file_id = file_id(self.path)
        except BaseException as error:
            self._keeper.refused(self)
            self._refuse_all(error)
            return
        try:
            while jobs := self._next():
                self._perform(jobs)
                del jobs
        finally:
            self.before_fork()
            self.owners.close()
            self.after_fork()
            self._keeper.closed(self)

    def before_fork(self) -> None:
        """Let go of the file, until `after_fork`: SQLite in a fork would take its parent's locks for its own."""
        self._at_work.acquire()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def after_fork(self) -> None:
        self._at_work.release()

    def _perform(self, jobs: Sequence[Job]) -> None:
        made = make_all(jobs)
        with self._at_work:
            try:
                if self._writer is None:
                    self._writer = Writer(open_file(self.path))
            except BaseException as error:
                for job in made:
                    job.error = error
            else:
                self._writer.perform(made)
        for _ in jobs:
            self._undone.popleft()
        hand_over(jobs)
        with self._at_work:
            if self._writer is not None and self._writer.log_is_long:
                self._writer.shorten_log()

    def _opened(self) -> Writer:
        connection = open_file(self.path)
        try:
            self.owners = Owners(f"{self.path}-owners")
            try:
                self._join(connection)
                self.hash_seed = hash_seed(connection)
                return Writer(connection)
            except BaseException:
                self.owners.close()
                raise
        except BaseException as error:
            connection.close()
            if isinstance(error, (sqlite3.Error, OSError)):
                why = f"journal: {self.path!r} cannot be written ({error}); free space, or name another file"
                raise InvalidArgumentError(why) from error
            raise

    def _join(self, connection: sqlite3.Connection) -> None:
        """Have a number that nobody has, and be alive under it."""
        while True:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE facts SET value = value + 1 WHERE name = 'owners'")
            (self.owner,) = connection.execute("SELECT value FROM facts WHERE name = 'owners'").fetchone()
            connection.execute("COMMIT")
            if self.owners.join(self.owner):
                return

    def _next(self) -> list[Job]:
        """What waits by now, or comes. Nothing, once the store is closed or nobody has used it for a while."""
        jobs: list[Job] = []
        job = self._wait()
        while job is not None:
            jobs.append(job)
            if len(jobs) == _AT_ONCE or self._jobs.empty():
                return jobs
            job = self._jobs.get()
        if jobs:
            self._jobs.put(None)  # for the next time
        return jobs

    def _wait(self) -> Job | None:
        while True:
            try:
                return self._jobs.get(timeout=_LINGER_S)
            except Empty:
                if self._keeper.retires(self):
                    return None

    def _refuse_all(self, error: BaseException) -> None:
        """Whoever has the store already."""
        while self.users or not self._jobs.empty():
            with contextlib.suppress(Empty):
                if (job := self._jobs.get(timeout=_LINGER_S)) is not None:
                    job.error = error
                    hand_over([job])
