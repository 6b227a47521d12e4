"""The way to a run of the journal: its file is opened and the run claimed in one visit to a thread."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable

from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.journal.claims import (
    END,
    SECRET_BYTES,
    CallIdentity,
    Claim,
    claim,
    keep_about,
    release,
)
from rlm_integrations.core.journal.rows import Row
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.journal.store import Store
from rlm_integrations.core.journal.stores import give_back, take
from rlm_integrations.core.journal.told import Told
from rlm_integrations.core.journal.writing import Job

Find = Callable[[], tuple[CallIdentity, Row]]
"""Says what the call is, and what it is about. May take a while."""


class Claiming:
    """One run on its way to whoever asked for it: let go of where nobody waits for it any more."""

    def __init__(self, settings: Journal, find: Find) -> None:
        self._settings, self._find = settings, find
        self._store: Store | None = None
        self._made: list[Claim] = []
        self._given_up = False

    async def claimed(self, threads: RunThreads) -> tuple[Store, Claim]:
        """The run, and the store that has it, to be given back.

        Raises InvalidArgumentError where the file cannot be opened or the call cannot have the run, sqlite3.Error where
        the file cannot be written, and what `find` raises.
        """
        told: Told[None] = Told()
        asking = asyncio.ensure_future(threads.run(self._ask, told))
        try:
            if not await asyncio.shield(asking):
                await told
        except BaseException:
            self._give_up()
            if asking.done():
                self._give_back(asking)
            else:
                asking.add_done_callback(self._give_back)
            raise
        assert self._store is not None
        return self._store, self._made[-1]

    def _ask(self, told: Told[None]) -> bool:
        """Whether it is claimed, else who waits is told."""
        call, about = self._find()
        store = self._store = take(self._settings.file)  # which asks the file system
        secret = secrets.token_bytes(SECRET_BYTES)
        contents = self._settings.contents

        def work(file: sqlite3.Connection) -> None:
            if self._given_up:
                return
            found = claim(file, store, call, secret, afresh=not contents)
            self._made.append(keep_about(file, found, about, contents=contents))

        job = Job((), told, work)
        if store.attempt(job):
            return True
        store.ask(job)
        return False

    def _give_up(self) -> None:
        """Nobody waits for it: it is not made any more, and what is made, or just being made, is undone."""
        self._given_up = True
        store = self._store
        if store is None:
            return

        def undo(file: sqlite3.Connection) -> None:
            for each in self._made:
                release(file, each.id, ended=END in each.rows)
                store.live.discard(each.id)

        store.ask(Job(work=undo))

    def _give_back(self, asking: asyncio.Future[bool]) -> None:
        if not asking.cancelled():
            asking.exception()  # it was raised, or nobody waits for it
        if self._store is not None:
            give_back(self._store)
