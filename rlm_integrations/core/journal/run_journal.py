"""What the journal holds of one run, and the way to keep more."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any, TypeVar

from rlm_integrations.core.calls.threads import RunThreads, off_loop
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.claiming import Claiming, Find
from rlm_integrations.core.journal.claims import ABOUT, END, Claim, release
from rlm_integrations.core.journal.file import entry_ids
from rlm_integrations.core.journal.fingerprints import text_hash
from rlm_integrations.core.journal.loop_turns import LoopTurns
from rlm_integrations.core.journal.retention import sweep
from rlm_integrations.core.journal.rows import Row, encoded, entry_values, length_up_to, packed, unpacked
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.journal.store import Store
from rlm_integrations.core.journal.stores import give_back
from rlm_integrations.core.journal.told import Told
from rlm_integrations.core.journal.writing import SHORT_CHARS, Job
from rlm_integrations.core.trace.run_errors import JournalError

T = TypeVar("T")
_Entry = tuple[int, str, Row]
"""Its id, the key and what is kept."""

_CHARS_OF_BYTE = 5
"""Of what is packed."""
_BAR = re.compile(r"\|")

STEP, REFUSED = "step", "refused"
MOST_REFUSALS = 10_000
"""Of a run that are kept. Beyond them a call is refused, or done, as what it asks is when the run goes on."""


class RunJournal:
    """One run's own, from `begin` to `release`. Use it on the run's event loop alone.

    Keys are paths: "3|llm_query 1f….1|1" is the first request of the first such call of iteration 3, and what a child
    did stands below the call that it answers.
    """

    def __init__(self, settings: Journal, store: Store, claimed: Claim, sub_llm: str) -> None:
        self.settings = settings
        self.sub_llm = sub_llm
        """The name of the sub-LM, for the cache."""
        self.changed = claimed.changed
        self.hash_seed = store.hash_seed
        self._store, self._run, self._secret = store, claimed.id, claimed.secret
        self._found = claimed.rows
        self.resumed = bool(claimed.rows.keys() - {ABOUT})
        """Whether something of the run was there."""
        self._below = _prefixes(key for key in claimed.rows if not key.endswith(f"|{REFUSED}"))
        self._stepped = {key[: -len(STEP)] for key in claimed.rows if key.endswith(f"|{STEP}")}
        self._with_step: list[tuple[str, Row]] = []
        """Failures of steps that go on: by key."""
        self._refusals = 0
        """How many were kept in this process."""
        self._cached: Counter[str] = Counter()
        self._entry_ids = itertools.count(max(claimed.last_entry, entry_ids(self._run)[0]) + 1)
        self._turns = LoopTurns(store)
        self._failure: JournalError | None = None
        self._let_go = self._released = False
        self._ending: asyncio.Future[bool] | None = None
        """What keeps its end, in a thread."""
        self.has_ended = END in claimed.rows

    @classmethod
    async def begin(cls, settings: Journal, find: Find, sub_llm: str, threads: RunThreads) -> RunJournal:
        """Go on with the run that the call is, or begin it. `release` it in any case.

        `find` is called in a thread. Raises what it raises, and InvalidArgumentError where the file cannot be a journal
        or cannot be written, and for a `run_id` that is another run's, or of one that is going on.
        """
        try:
            store, claimed = await Claiming(settings, find).claimed(threads)
        except sqlite3.Error as error:
            raise InvalidArgumentError(str(_unwritable(settings.file, error))) from error
        return cls(settings, store, claimed, sub_llm)

    def seed(self, of: str) -> str:
        """What chance in the run comes from. Nobody who does not read the file can know it."""
        return blake2b(of.encode("utf-8", "surrogatepass"), key=self._secret, digest_size=16).hexdigest()

    def find(self, key: str) -> Row | None:
        value = self._found.get(key)
        return None if value is None else unpacked(value)

    async def read(self, key: str) -> Row | None:
        """The same, in a thread where the row is long."""
        value = self._found.get(key)
        return None if value is None else await off_loop(_CHARS_OF_BYTE * len(value), unpacked, value)

    def has_below(self, prefix: str) -> bool:
        """Whether something but a refusal was kept whose key begins with that, which ends with a "|"."""
        return prefix in self._below

    def is_stepped(self, prefix: str) -> bool:
        """Whether the end of the step was kept whose keys begin with that: what it asked for then is known."""
        return prefix in self._stepped

    async def keep(
        self, key: str, row: Row, *, chars: int | None = None, cache_as: str | None = None, alone: bool = False
    ) -> None:
        """It is in the file when this returns, together with what else comes in this turn of the loop, where it does
        not come `alone`. `chars` is how long its texts are, about, where that is known. Raises JournalError.
        """
        if chars is None:
            chars = length_up_to(SHORT_CHARS, row)
        await self._write([self._entry(key, row)], chars, alone)
        if cache_as is not None:
            kept = packed(encoded(row))
            insert = "INSERT OR IGNORE INTO cache VALUES (?, ?, ?)"
            self._store.ask(Job(work=lambda file: file.execute(insert, (cache_as, kept, time.time()))))

    def keep_with_step(self, step: str, key: str, row: Row) -> None:
        """Once the end of the step is kept whose keys begin with `step`: a kill before that forgets it."""
        if not self.is_stepped(step):
            self._with_step.append((key, row))
            return
        with contextlib.suppress(sqlite3.Error):  # nobody waits for it: the next one hears of that who writes
            job = Job(self._values([self._entry(key, row)]))
            if not self._store.attempt(job):
                self._store.ask(job)

    def keep_refusal(self, step: str, key: str, row: Row) -> None:
        """The same of a call that came to nothing else, if it is one of the first: a refused call costs code nothing,
        and it may make millions.
        """
        if self._refusals < MOST_REFUSALS:
            self._refusals += 1
            self.keep_with_step(step, key, row)

    async def keep_step(self, step: str, row: Row, chars: int) -> None:
        """The end of a step, with the failures in it and in the children below it. Raises JournalError."""
        entries = [self._entry(step + STEP, row)]
        if self._with_step:
            its = [kept for kept in self._with_step if kept[0].startswith(step)]
            self._with_step = [kept for kept in self._with_step if not kept[0].startswith(step)]
            entries += [self._entry(*kept) for kept in its]
            chars += sum(length_up_to(SHORT_CHARS, failure) for _, failure in its)
        self._stepped.add(step)
        await self._write(entries, chars, alone=True)

    async def keep_end(self, make: Callable[[], bytes], threads: RunThreads) -> None:
        """What the run came to, by which an equal call is answered. `make` gives its JSON, in a thread.

        Raises JournalError, and what `make` raises.
        """
        if self.has_ended:  # and was gone through again, for checks that may be others now
            self.has_ended = False
            await self.forget([END])
        self._check()
        told: Told[None] = Told()
        try:
            self._ending = asyncio.ensure_future(threads.run(self._end_with, make, told))
            if not await asyncio.shield(self._ending):
                await told
        except sqlite3.Error as error:
            raise self._failed(error) from error
        self.has_ended = True

    def _end_with(self, make: Callable[[], bytes], told: Told[None]) -> bool:
        """In a thread: whether all is done, else who waits is told."""
        values = entry_values(next(self._entry_ids), self._run, END, make(), contents=self.settings.contents)
        job = Job(values, told)
        if not self.settings.has_bounds:  # else others go with it
            job.work, job.done = lambda file: release(file, self._run, ended=True), self._is_let_go
        if len(values[3]) <= SHORT_CHARS and self._store.attempt(job):
            return True
        self._store.ask(job)
        return False

    async def forget(self, keys: list[str]) -> None:
        def work(file: sqlite3.Connection) -> None:
            delete = "DELETE FROM entries WHERE id BETWEEN ? AND ? AND key = ?"
            file.executemany(delete, [(*entry_ids(self._run), key) for key in keys])

        for key in keys:
            self._found.pop(key, None)
        await self._do(work)

    def cache_key(self, texts: list[str]) -> str:
        """Of the next request of the run with these texts: equal ones are samples of their own."""
        request = text_hash(self.sub_llm, *texts)
        self._cached[request] += 1
        return f"{request}.{self._cached[request]}"

    async def find_cached(self, key: str) -> Row | None:
        """A reply to another run's request. Raises JournalError."""

        def work(file: sqlite3.Connection) -> Row | None:
            found = file.execute("SELECT value FROM cache WHERE key = ?", (key,)).fetchone()
            if found is None:
                return None
            file.execute("UPDATE cache SET updated = ? WHERE key = ?", (time.time(), key))
            return unpacked(found[0])

        return await self._do(work)

    async def release(self) -> None:
        """The run has ended: the next who makes the call may have it. What is over its bounds is deleted."""
        if self._released:
            return
        self._turns.hand_to_thread()
        try:
            if self._ending is not None:  # where that was cancelled: nobody may have the run before it is over
                await asyncio.wait([self._ending])
            job = self._letting_go()
            with contextlib.suppress(sqlite3.Error):  # what was lost was told; who has a dead owner is free
                if job is not None and (self.settings.has_bounds or not self._store.attempt(job)):
                    job.told = told = Told[None]()
                    self._store.ask(job)
                    await told
        finally:
            self._give_back()

    def release_later(self) -> None:
        """The same, where the loop is closed over the run and nothing can be awaited."""
        if self._released:
            return
        self._turns.hand_to_thread()
        job = self._letting_go()
        if job is not None and (self._ending is None or self._ending.done()):  # else that lets go of it
            self._store.ask(job)
        self._give_back()

    def _letting_go(self) -> Job | None:
        """None where that was done."""
        return None if self._let_go else Job(work=self._let_go_in, done=self._is_let_go)

    def _let_go_in(self, file: sqlite3.Connection) -> None:
        release(file, self._run, ended=self.has_ended)
        if self.settings.has_bounds:
            sweep(file, self._store, self.settings)

    def _is_let_go(self) -> None:
        self._let_go = True
        self._store.live.discard(self._run)

    def _give_back(self) -> None:
        if not self._released:
            self._released = True
            give_back(self._store)

    async def _write(self, entries: list[_Entry], chars: int, alone: bool) -> None:
        self._check()
        try:
            if chars <= SHORT_CHARS:
                return await self._turns.write(self._values(entries), chars, alone=alone)
            told: Told[None] = Told()
            self._store.ask(Job((), told, make=partial(self._values, entries)))
            await told
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _entry(self, key: str, row: Row) -> _Entry:
        return next(self._entry_ids), key, row

    def _values(self, entries: Sequence[_Entry]) -> list[Any]:
        """Those that the file has of them."""
        values: list[Any] = []
        for entry, key, row in entries:
            values += entry_values(entry, self._run, key, encoded(row), contents=self.settings.contents)
        return values

    def _check(self) -> None:
        if self._failure is not None:
            raise JournalError(str(self._failure))

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self._check()
        try:
            return await self._store.do(work)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> JournalError:
        self._failure = _unwritable(self._store.path, error)
        return self._failure


def _prefixes(keys: Iterable[str]) -> set[str]:
    return {key[: bar.end()] for key in keys for bar in _BAR.finditer(key)}


def _unwritable(path: str, error: sqlite3.Error) -> JournalError:
    return JournalError(
        f"journal: {path!r} cannot be written ({error}); free space on its disk, or name another file. What "
        "was paid for is in .result"
    )
