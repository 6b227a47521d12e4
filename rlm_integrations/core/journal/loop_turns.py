"""Short rows of a run are written on its event loop, those of one turn of the loop in one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from rlm_integrations.core.journal.store import Store
from rlm_integrations.core.journal.together import Together
from rlm_integrations.core.journal.told import Told
from rlm_integrations.core.journal.writing import Job


class LoopTurns:
    """Where the file is slow, or somebody else writes, the thread of the file does it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn: Together | None = None
        """What came in this turn of the loop; None where nothing did yet."""
        self._crowded = False
        """Whether several came in the turn before that: then the first waits for others too, else it is kept itself."""

    async def write(self, values: list[Any], chars: int, *, alone: bool) -> None:
        """They are in the file when this returns, with what else comes in this turn where they do not come `alone`.

        `chars` is how long their texts are, about. Raises sqlite3.Error.
        """
        told: Told[None] | None = None
        at_once = alone or (self._turn is None and not self._crowded)
        if not alone:
            turn = self._in_turn()
            turn.came += 1
            if not at_once:
                told = turn.add(values, chars)
        if at_once:
            job = Job(values)
            if not self._store.attempt(job):
                job.told = told = Told()
                self._store.ask(job)
        if told is not None:
            await told

    def hand_to_thread(self) -> None:
        """Amid a turn: what waits for its end is the thread's to write."""
        turn, self._turn = self._turn, None
        if turn is not None and turn.values:
            self._store.ask(Job(turn.values, turn))

    def _in_turn(self) -> Together:
        """What comes in this turn of the loop."""
        if self._turn is None:
            loop = asyncio.get_running_loop()
            self._turn = Together(loop)
            loop.call_soon(self._turn_over)
        return self._turn

    def _turn_over(self) -> None:
        """Keep together what waits of one turn of the loop."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        self._crowded = turn.came > 1
        if not turn.values:
            return
        job = Job(turn.values)
        try:
            written = turn.is_short and self._store.attempt(job)
        except sqlite3.Error as error:
            turn.fail(error)
            return
        if written:
            turn.tell()
        else:
            job.told = turn
            self._store.ask(job)
