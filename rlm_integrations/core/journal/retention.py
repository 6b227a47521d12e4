"""What a journal lets go of: runs that are too old, and the oldest where the file is too large."""

from __future__ import annotations

import sqlite3
import time

from rlm_integrations.core.journal.file import entry_ids
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.journal.store import Store

_DAY_S = 86_400.0
_MB = 1_000_000
_CACHED_AT_ONCE = 100


def sweep(file: sqlite3.Connection, store: Store, settings: Journal) -> None:
    """Delete what is over the bounds. Runs that are going on stay, of whatever process."""
    if settings.keep_days is not None:
        before = time.time() - settings.keep_days * _DAY_S
        for run, owner in file.execute("SELECT id, owner FROM runs WHERE updated < ?", (before,)).fetchall():
            _delete(file, store, run, owner)
        file.execute("DELETE FROM cache WHERE updated < ?", (before,))
    if settings.max_mb is not None and _bytes(file) > settings.max_mb * _MB:
        runs = file.execute("SELECT id, owner FROM runs ORDER BY ended DESC, updated, id").fetchall()
        for run, owner in runs:
            if _bytes(file) <= settings.max_mb * _MB:
                break
            _delete(file, store, run, owner)
        while _bytes(file) > settings.max_mb * _MB:
            oldest = "SELECT key FROM cache ORDER BY updated LIMIT ?"
            if not file.execute(f"DELETE FROM cache WHERE key IN ({oldest})", (_CACHED_AT_ONCE,)).rowcount:
                break
    file.execute("PRAGMA incremental_vacuum").fetchall()


def _delete(file: sqlite3.Connection, store: Store, run: int, owner: int | None) -> None:
    if store.is_live(run, owner):
        return
    file.execute("DELETE FROM entries WHERE id BETWEEN ? AND ?", entry_ids(run))
    file.execute("DELETE FROM runs WHERE id = ?", (run,))


def _bytes(file: sqlite3.Connection) -> int:
    """What is in use."""
    (pages,) = file.execute("PRAGMA page_count").fetchone()
    (free,) = file.execute("PRAGMA freelist_count").fetchone()
    (size,) = file.execute("PRAGMA page_size").fetchone()
    return (pages - free) * size
