"""The SQLite file: opened or made, with nobody's rights but its owner's, and refused where it is something else."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sqlite3
import time
from functools import cache

from rlm_integrations.core.errors import InvalidArgumentError

_VERSION = 2
_KIND = 0x524C4D4A
"""The `application_id` of a journal: RLMJ."""
_BUSY_S = 60.0
"""How long one who writes waits for others that do: each has the file for some milliseconds at most."""
_MODE = 0o600
_ENTRY_BITS = 32
"""Of an entry's id: what tells it from others of its run."""

_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,          -- equal for equal calls
    occurrence INTEGER NOT NULL,
    run_id TEXT,                -- as the user named it
    parts TEXT NOT NULL,        -- JSON: hashes of what the key was made of
    secret BLOB NOT NULL,       -- of its seeds, and of the tags of its fences
    owner INTEGER,              -- who works on it
    ended INTEGER NOT NULL DEFAULT 0,
    updated REAL NOT NULL       -- seconds since 1970
);
CREATE UNIQUE INDEX runs_by_key ON runs (key, occurrence);
CREATE TABLE cache (key TEXT PRIMARY KEY, value BLOB NOT NULL, updated REAL NOT NULL) WITHOUT ROWID;
"""
_ENTRIES = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,     -- those of a run stand side by side, so one that is added touches one page: no index
    run INTEGER NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,        -- JSON, zlib; or the hash alone
    size INTEGER NOT NULL       -- bytes of the JSON
)
"""
_RENEWED = f"""
ALTER TABLE entries RENAME TO entries_1;
DROP INDEX entries_by_run;
{_ENTRIES};
INSERT INTO entries SELECT (run << {_ENTRY_BITS}) + rowid, run, key, value, size FROM entries_1;
DROP TABLE entries_1
"""
"""For a file of the first version."""


def open_file(path: str) -> sqlite3.Connection:
    """A connection, for one thread at a time. Raises InvalidArgumentError for what cannot be a journal."""
    try:
        _make(path)
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise InvalidArgumentError(f"journal: {path!r} cannot be opened ({_words(error)}); {_remedy(error)}") from error
    try:
        _check(connection, path)
        _make_private(path)
    except BaseException as error:
        connection.close()
        if isinstance(error, (sqlite3.Error, OSError)):
            why = f"journal: {path!r} cannot be written ({error}); {_remedy(error)}"
            raise InvalidArgumentError(why) from error
        raise
    return connection


def entry_ids(run: int) -> tuple[int, int]:
    """The first and the last that an entry of the run may have."""
    return run << _ENTRY_BITS, ((run + 1) << _ENTRY_BITS) - 1


def hash_seed(connection: sqlite3.Connection) -> int:
    """What the order of sets comes from in the REPLs of all its runs."""
    return connection.execute("SELECT value FROM facts WHERE name = 'hash_seed'").fetchone()[0]


def mark(connection: sqlite3.Connection) -> None:
    """Write to the file without changing what it says."""
    connection.execute(f"PRAGMA application_id = {_KIND}")


def file_id(path: str) -> tuple[int, int] | None:
    """Which file the name means now; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make(path: str) -> None:
    """For its owner alone; SQLite makes its other files with the rights of this one."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _MODE))


def _make_private(path: str) -> None:
    """A journal that others may read: what is no journal keeps its rights."""
    if os.name != "posix":
        return
    for file in (path, f"{path}-wal", f"{path}-shm"):
        with contextlib.suppress(FileNotFoundError):
            if os.stat(file).st_mode & 0o077:
                os.chmod(file, _MODE)


def check_kind(connection: sqlite3.Connection, path: str) -> None:
    """Raises InvalidArgumentError for a file that is no journal, or one of a newer version."""
    kind, version, _ = _read_kind(connection, path)
    if kind != _KIND:
        raise _foreign(path)
    _check_version(version, path)


def entries_of(connection: sqlite3.Connection, run: int) -> sqlite3.Cursor:
    """Key, value and size of each entry, in the order in which they were kept; of a file of any version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 1:  # an index leads to them
        return connection.execute("SELECT key, value, size FROM entries WHERE run = ? ORDER BY rowid", (run,))
    return connection.execute(
        "SELECT key, value, size FROM entries WHERE id BETWEEN ? AND ? ORDER BY id", entry_ids(run)
    )


def _check(connection: sqlite3.Connection, path: str) -> None:
    kind, version, tables = _read_kind(connection, path)
    if kind != _KIND and (kind or version or tables):
        raise _foreign(path)
    _check_version(version, path)
    connection.execute("PRAGMA synchronous = NORMAL")  # what was written outlives the process, whatever ends it
    if not version:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _go_to_wal(connection)
    if version < _VERSION:
        _make_tables(connection)


def _read_kind(connection: sqlite3.Connection, path: str) -> tuple[int, int, int]:
    """What the file says that it is: its kind, its version, and how many tables it has."""
    try:
        connection.execute("BEGIN")  # another process may be making the tables
        (kind,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise _foreign(path) from error
    return kind, version, tables


def _check_version(version: int, path: str) -> None:
    if version > _VERSION:
        raise InvalidArgumentError(
            f"journal: {path!r} was made by a newer version of rlm-integrations; update this one, or name another file"
        )


def _go_to_wal(connection: sqlite3.Connection) -> None:
    """Wait for others that do so, which SQLite does not."""
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < _VERSION:  # else another process was quicker
            for statement in (_RENEWED if version else _TABLES + _ENTRIES).split(";\n"):
                connection.execute(statement)
            if not version:
                connection.execute("INSERT INTO facts VALUES ('hash_seed', ?)", (_new_seed(),))
                connection.execute("INSERT INTO facts VALUES ('owners', 0)")
                connection.execute(f"PRAGMA application_id = {_KIND}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


@cache
def _new_seed() -> int:
    """One for all files that a process makes: REPLs of one seed share a helper, which is slow to start."""
    return secrets.randbelow(2**32 - 1) + 1


def _foreign(path: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"journal: {path!r} is a file of something else; name another one, or a new one")


def _words(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _remedy(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "make its folder first"
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "full" in str(error):
        return "free space on its disk, or name a file on another one"
    return "name a file in a folder that this user may write to"
