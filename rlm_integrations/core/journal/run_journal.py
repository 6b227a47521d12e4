"""What the journal holds of one run, and the way to keep more."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import TypeVar

from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.claims import SECRET_BYTES, CallIdentity, Claim, claim, release
from rlm_integrations.core.journal.file import entry_ids
from rlm_integrations.core.journal.fingerprints import text_hash
from rlm_integrations.core.journal.retention import sweep
from rlm_integrations.core.journal.rows import Row, encoded, packed, unpacked
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.journal.store import Store
from rlm_integrations.core.journal.stores import give_back, take
from rlm_integrations.core.journal.told import Told
from rlm_integrations.core.journal.writing import EntryRow
from rlm_integrations.core.trace.run_errors import JournalError

T = TypeVar("T")

_BAR = re.compile(r"\|")

END = "end"
"""The key of what a run ended with."""
ABOUT = "about"
"""That of what it is about, for whoever looks into the file."""
STEP, REFUSED = "step", "refused"


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
        self._waiting: list[tuple[str, Row]] = []
        """Failures of steps that go on: by key."""
        self._cached: Counter[str] = Counter()
        self._entry_ids = itertools.count(max(claimed.last_entry, entry_ids(self._run)[0]) + 1)
        self._turn: list[tuple[list[EntryRow], Told[None]]] | None = None
        """What came in this turn of the loop after the first; None where nothing did yet."""
        self._failure: JournalError | None = None
        self._released = False
        self.has_ended = END in claimed.rows

    @classmethod
    async def begin(cls, settings: Journal, call: CallIdentity, sub_llm: str) -> RunJournal:
        """Go on with the run that the call is, or begin it. `release` it in any case.

        Raises InvalidArgumentError where the file cannot be a journal, or cannot be written; and for a `run_id` that is
        another run's, or of one that is going on.
        """
        store = await _taken(settings)
        secret = secrets.token_bytes(SECRET_BYTES)
        made: list[Claim] = []

        def work(file: sqlite3.Connection) -> None:
            made.append(claim(file, store, call, secret, afresh=not settings.contents))

        def undo(file: sqlite3.Connection) -> None:
            for each in made:  # it may be made although nobody waits for it any more
                release(file, store, each.id, ended=END in each.rows)

        try:
            await store.do(work)
        except BaseException as error:
            store.do_later(undo)
            give_back(store)
            if isinstance(error, sqlite3.Error):
                raise InvalidArgumentError(str(_unwritable(store.path, error))) from error
            raise
        return cls(settings, store, made[0], sub_llm)

    def describe(self, row: Row) -> None:
        """Keep what the run is about, once. Nothing waits for it."""
        if ABOUT not in self._found:
            self._write_soon([self._entry(ABOUT, row)])

    def seed(self, of: str) -> str:
        """What chance in the run comes from. Nobody who does not read the file can know it."""
        return blake2b(of.encode("utf-8", "surrogatepass"), key=self._secret, digest_size=16).hexdigest()

    def find(self, key: str) -> Row | None:
        value = self._found.get(key)
        return None if value is None else unpacked(value)

    def has_below(self, prefix: str) -> bool:
        """Whether something but a refusal was kept whose key begins with that, which ends with a "|"."""
        return prefix in self._below

    def is_stepped(self, prefix: str) -> bool:
        """Whether the end of the step was kept whose keys begin with that: what it asked for then is known."""
        return prefix in self._stepped

    async def keep(self, key: str, row: Row, *, cache_as: str | None = None, alone: bool = False) -> None:
        """It is in the file when this returns, together with what else comes in this turn of the loop, where it does
        not come `alone`. Raises JournalError.
        """
        await self._write([self._entry(key, row)], alone=alone)
        if cache_as is not None:
            kept = packed(encoded(row))
            insert = "INSERT OR IGNORE INTO cache VALUES (?, ?, ?)"
            self._store.do_later(lambda file: file.execute(insert, (cache_as, kept, time.time())))

    def keep_with_step(self, step: str, key: str, row: Row) -> None:
        """Once the end of the step is kept whose keys begin with `step`: a kill before that forgets it."""
        if self.is_stepped(step):
            self._write_soon([self._entry(key, row)])
        else:
            self._waiting.append((key, row))

    async def keep_step(self, step: str, row: Row) -> None:
        """The end of a step, with the failures in it and in the children below it. Raises JournalError."""
        rows = [self._entry(step + STEP, row)]
        if self._waiting:
            rows += [self._entry(*waiting) for waiting in self._waiting if waiting[0].startswith(step)]
            self._waiting = [waiting for waiting in self._waiting if not waiting[0].startswith(step)]
        self._stepped.add(step)
        await self._write(rows, alone=True)

    async def keep_end(self, row: Row) -> None:
        """What the run came to: an equal call is answered by it. Raises JournalError."""
        if self.has_ended:  # and was gone through again, for checks that may be others now
            self.has_ended = False
            await self.forget([END])
        await self._write([self._entry(END, row)], by_thread=True)  # its REPL ends meanwhile, and it may be long
        self.has_ended = True

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
        self._turn_over()
        try:
            with contextlib.suppress(sqlite3.Error):  # what was lost was told; who has a dead owner is free
                if self.settings.has_bounds or not self._store.do_now(self._let_go):
                    await self._store.do(self._let_go)
        finally:
            self._give_back()

    def release_later(self) -> None:
        """The same, where the loop is closed over the run and nothing can be awaited."""
        if not self._released:
            for rows, _ in self._turn or ():
                self._store.write(rows)
            self._store.do_later(self._let_go)
            self._give_back()

    def _let_go(self, file: sqlite3.Connection) -> None:
        release(file, self._store, self._run, ended=self.has_ended)
        if self.settings.has_bounds:
            sweep(file, self._store, self.settings)

    def _give_back(self) -> None:
        if not self._released:
            self._released = True
            give_back(self._store)

    async def _write(self, rows: list[EntryRow], *, alone: bool = False, by_thread: bool = False) -> None:
        if self._failure is not None:
            raise JournalError(str(self._failure))
        try:
            told: Told[None] = Told()
            if by_thread:
                self._store.write(rows, told)
            elif alone or self._turn is None:
                if not alone:
                    self._turn = []
                    told.get_loop().call_soon(self._turn_over)
                if self._store.write_now(rows):
                    return
                self._store.write(rows, told)
            else:
                self._turn.append((rows, told))
            await told
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _write_soon(self, rows: list[EntryRow]) -> None:
        """Nobody waits for it, nor hears that it failed: the next one does who writes."""
        with contextlib.suppress(sqlite3.Error):
            if not self._store.write_now(rows):
                self._store.write(rows)

    def _turn_over(self) -> None:
        """Keep together what came in one turn of the loop, after the first of it."""
        turn, self._turn = self._turn, None
        if not turn:
            return
        error: sqlite3.Error | None = None
        written = False
        try:
            written = self._store.write_now([row for rows, _ in turn for row in rows])
        except sqlite3.Error as problem:
            error = problem
        for rows, told in turn:
            # Each goes on in a turn of its own, so that one that waits for another one in it is no deadlock.
            if error is not None:
                told.get_loop().call_soon(told.fail, error)
            elif written:
                told.get_loop().call_soon(told.tell, None)
            else:
                self._store.write(rows, told)

    def _entry(self, key: str, row: Row) -> EntryRow:
        return next(self._entry_ids), self._run, key, row, self.settings.contents

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._failure is not None:
            raise JournalError(str(self._failure))
        try:
            return await self._store.do(work)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> JournalError:
        self._failure = _unwritable(self._store.path, error)
        return self._failure


def _prefixes(keys: Iterable[str]) -> set[str]:
    return {key[: bar.end()] for key in keys for bar in _BAR.finditer(key)}


async def _taken(settings: Journal) -> Store:
    """In a thread, for it asks the file system. Give it back."""
    taking = asyncio.ensure_future(in_thread(lambda: take(settings.file)))
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(_given_back)
        raise


def _given_back(taken: asyncio.Future[Store]) -> None:
    if not taken.cancelled() and taken.exception() is None:
        give_back(taken.result())


def _unwritable(path: str, error: sqlite3.Error) -> JournalError:
    return JournalError(
        f"journal: {path!r} cannot be written ({error}); free space on its disk, or name another file. What "
        "was paid for is in .result"
    )
