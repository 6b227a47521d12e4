"""Which run of the journal a call is: a claim on one that nobody works on, or on a new one."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, cast

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.file import entry_ids
from rlm_integrations.core.journal.fingerprints import text_hash, value_hash
from rlm_integrations.core.journal.rows import Row, encoded, entry_values
from rlm_integrations.core.journal.store import Store
from rlm_integrations.core.journal.writing import insert
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.wording import shortened
from rlm_integrations.frozen import frozen

SECRET_BYTES = 32

ABOUT = "about"
"""The key of what a run is about, for whoever looks into the file."""
END = "end"
"""That of what it ended with."""

_OWN = ("question", "context")
"""What a run that is named is of: another one cannot be meant. Of the rest, some may change on the way."""
_HASHES = "hashes alone"
"""Marks the parts of a run whose contents are not kept: nothing can go on from it."""
_NAME_CHARS = 100
"""Of the name of a run, in an error."""


@frozen
class CallIdentity:
    """What a call is, as far as the journal knows: equal ones are the same run, made again."""

    parts: Mapping[str, str]
    """Hashes by what they are of: "question", "context", "llm" and so on."""
    run_id: str | None = None
    """What the user named the run."""
    attempt: int = 1
    """Which of the runs of its question it is, where those are several."""
    sample: str = ""
    """Which of the equal calls of a job it is, but for the first."""

    @property
    def key(self) -> str:
        if self.run_id is None:
            return value_hash(self._own_parts())
        if self.attempt == 1:
            return f"run_id {text_hash(self.run_id)}"
        # No other name makes this key. A run that reconciles two is asked about what they came to.
        return f"run_id {text_hash(self.run_id, str(self.attempt), self.parts['question'])}"

    def _own_parts(self) -> dict[str, str]:
        """A blind run is another one than the first of its question, and so is another sample."""
        attempt = {} if self.attempt == 1 else {"attempt": str(self.attempt)}
        return {**self.parts, **attempt, **({"sample": self.sample} if self.sample else {})}


@frozen
class Claim:
    """A run that is this caller's, until it is released."""

    id: int
    secret: bytes
    changed: tuple[str, ...] = ()
    """Parts of the call that are others than when the run began, where its id is the user's."""
    rows: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """What it has come to, by key."""
    last_entry: int = 0
    """The id of the last of its rows; 0 where there are none."""


def keeps_contents(parts: str) -> bool:
    """Whether of the run with these parts, as JSON, more than hashes is kept."""
    return _HASHES not in json.loads(parts)


def claim(connection: sqlite3.Connection, store: Store, call: CallIdentity, secret: bytes, *, afresh: bool) -> Claim:
    """The first of the equal runs that nobody works on; a new one where there is none, or it is to be `afresh`.

    Raises InvalidArgumentError for an id that is of another run, or of one that is going on.
    """
    rows = connection.execute(
        "SELECT id, occurrence, owner, parts, secret FROM runs WHERE key = ? ORDER BY occurrence", (call.key,)
    ).fetchall()
    free = [row for row in rows if not store.is_live(row[0], row[2])]
    whole = [row for row in free if keeps_contents(row[3]) and not afresh]
    if call.run_id is not None and rows:
        _check_named(call, rows[0], is_free=bool(free), is_whole=bool(whole))
    now = time.time()
    if whole:
        run, _, _, parts, secret = whole[0]
        connection.execute("UPDATE runs SET owner = ?, updated = ? WHERE id = ?", (store.owner, now, run))
        query = "SELECT id, key, value FROM entries WHERE id BETWEEN ? AND ? ORDER BY id"
        entries = connection.execute(query, entry_ids(run)).fetchall()
        found = Claim(run, secret, _changed(call, parts), {key: value for _, key, value in entries}, _last(entries))
    else:
        occurrence = rows[-1][1] + 1 if rows else 1
        parts = {**call.parts, _HASHES: ""} if afresh else dict(call.parts)
        name = None if call.run_id is None else without_lone_surrogates(call.run_id)
        cursor = connection.execute(
            "INSERT INTO runs (key, occurrence, run_id, parts, secret, owner, updated) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (call.key, occurrence, name, json.dumps(parts), secret, store.owner, now),
        )
        found = Claim(cast(int, cursor.lastrowid), secret)
    store.live.add(found.id)
    return found


def keep_about(connection: sqlite3.Connection, claimed: Claim, about: Row, *, contents: bool) -> Claim:
    """Keep what the run is about, once. Returns the claim as it is then."""
    if ABOUT in claimed.rows:
        return claimed
    entry = max(claimed.last_entry, entry_ids(claimed.id)[0]) + 1
    insert(connection, entry_values(entry, claimed.id, ABOUT, encoded(about), contents=contents))
    return replace(claimed, last_entry=entry)


def release(connection: sqlite3.Connection, run: int, *, ended: bool) -> None:
    """Nobody works on it any more, once it is out of the store's `live` too."""
    now = time.time()
    connection.execute("UPDATE runs SET owner = NULL, ended = ?, updated = ? WHERE id = ?", (ended, now, run))


def _last(entries: Sequence[tuple[int, str, bytes]]) -> int:
    return entries[-1][0] if entries else 0


def _check_named(call: CallIdentity, row: tuple[Any, ...], *, is_free: bool, is_whole: bool) -> None:
    named = f"run_id: {shortened(call.run_id or '', _NAME_CHARS)!r}"
    changed = [name for name in _changed(call, row[3]) if name in _OWN]
    if changed:
        other = " and ".join(f"another {name}" for name in changed)
        raise InvalidArgumentError(f"{named} is a run over {other}; give this one a name of its own")
    if not is_free:
        raise InvalidArgumentError(f"{named} is going on; wait for its end, or name another run")
    if not is_whole:
        raise InvalidArgumentError(
            f"{named} is in the journal, without contents (contents=False) to go on from; name another run"
        )


def _changed(call: CallIdentity, parts: str) -> tuple[str, ...]:
    then: dict[str, str] = json.loads(parts)
    return tuple(name for name, part in call.parts.items() if then.get(name) != part)
