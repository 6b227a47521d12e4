"""A journal as one finds it: which runs it holds, and what it has of each. Nothing is written."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self
from urllib.parse import quote

from rlm_integrations.core.calls.raised_instead import raising_instead
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.claims import keeps_contents
from rlm_integrations.core.journal.file import check_kind, entries_of
from rlm_integrations.core.journal.owners import Owners
from rlm_integrations.frozen import frozen

RunState = Literal["finished", "unfinished", "going on"]

_HEAD = b"SQLite format 3\0"
_BUSY_S = 10.0


class KeptRow(NamedTuple):
    """What a journal has under one key of a run."""

    key: str
    value: bytes
    """JSON, packed where it is long; or its hash alone."""
    size: int
    """Bytes of the JSON."""


@frozen
class JournalRun:
    """One run of a journal."""

    id: int
    """Its number in the file."""
    run_id: str | None
    """As the user named it."""
    state: RunState
    updated: float
    """When it was last worked on: seconds since 1970."""
    contents: bool
    """Whether more than sizes and hashes were kept."""


def is_journal(path: Path) -> bool:
    """Whether the file is one of SQLite's, as far as its first bytes say. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_HEAD)) == _HEAD


class JournalReader:
    """Use it as a context manager, in a process that keeps no runs in the file.

    Raises InvalidArgumentError for a file that is no journal, or cannot be read, here and in each of its methods.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.path.realpath(path)
        with self._words_for_errors():
            self._file = self._connect("ro")
        try:
            with self._words_for_errors():
                self._file.execute("PRAGMA trusted_schema = OFF")  # somebody else may have made it
                check_kind(self._file, self._path)
        except BaseException:
            self._file.close()
            raise

    def runs(self) -> list[JournalRun]:
        """In the order in which they began."""
        with self._words_for_errors():
            found = self._file.execute("SELECT id, run_id, owner, ended, updated, parts FROM runs ORDER BY id")
            rows = found.fetchall()
            alive = self._alive({row[2] for row in rows if row[2] is not None})
            return [
                JournalRun(
                    int(id_),
                    None if run_id is None else str(run_id),
                    "going on" if owner in alive else "finished" if ended else "unfinished",
                    float(updated),
                    keeps_contents(parts),
                )
                for id_, run_id, owner, ended, updated, parts in rows
            ]

    def rows(self, run: JournalRun) -> Iterator[KeptRow]:
        """All that it has of the run, in the order in which it was kept."""
        with self._words_for_errors():
            for key, value, size in entries_of(self._file, run.id):
                yield KeptRow(str(key), value if isinstance(value, bytes) else b"", int(size))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _alive(self, owners: set[int]) -> set[int]:
        """Those of the processes that are still there. Where that cannot be found out, none of them is."""
        names = f"{self._path}-owners"
        if not owners or not os.path.exists(names) or Owners.has_open(names):
            return set()
        alive: set[int] = set()
        with contextlib.suppress(OSError, sqlite3.Error), contextlib.closing(self._connect("rw")) as file:
            # Whether somebody has a lock is found out by taking it: whoever looks for a run of the dead waits for that.
            file.execute("BEGIN IMMEDIATE")
            with contextlib.closing(Owners(names)) as known:
                alive = {owner for owner in owners if known.is_alive(owner)}
            file.execute("ROLLBACK")
        return alive

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(self._path)}?mode={mode}", uri=True, timeout=_BUSY_S, isolation_level=None)

    def _words_for_errors(self) -> contextlib.AbstractContextManager[None]:
        return raising_instead(self._say)

    def _say(self, error: BaseException) -> None:
        if isinstance(error, sqlite3.Error | TypeError | ValueError):
            raise InvalidArgumentError(
                f"journal: {self._path!r} cannot be read ({error}); name another file"
            ) from error
