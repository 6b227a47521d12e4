"""What a job has come to so far, in a file of the program that runs it: what was answered is not asked again."""

from __future__ import annotations

import hashlib
import os
import pickle
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from rlm_integrations.core.errors import InvalidArgumentError


class JobRecord:
    """One process and thread at a time may have it."""

    def __init__(self, path: Path) -> None:
        """Raises InvalidArgumentError where it is no file of this kind, or another program has it."""
        self._seen: Counter[str] = Counter()
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # answers are nobody else's to read
            self._file = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._file.execute("BEGIN EXCLUSIVE")
            self._file.execute("CREATE TABLE IF NOT EXISTS answered (question TEXT PRIMARY KEY, answer BLOB NOT NULL)")
            self._file.execute("COMMIT")  # the lock stays with this connection
        except (OSError, sqlite3.Error) as error:
            raise InvalidArgumentError(
                f"journal: {path} cannot be used: {error}; pass a file for this job alone, in a folder that exists"
            ) from error

    def key(self, question: Any) -> str:
        """What a question is known by in every run of the job: what it says, and how many like it came before."""
        try:
            said = hashlib.sha256(pickle.dumps(question, protocol=4)).hexdigest()
        except Exception as error:
            raise InvalidArgumentError(f"questions: {type(question).__name__} cannot be sent: {error}") from error
        self._seen[said] += 1
        return f"{said} {self._seen[said]}"

    def answer(self, key: str) -> tuple[Any] | None:
        """What was kept of it, in a tuple."""
        row = self._file.execute("SELECT answer FROM answered WHERE question = ?", [key]).fetchone()
        return None if row is None else (pickle.loads(row[0]),)

    def keep(self, key: str, answer: Any) -> None:
        self._file.execute("INSERT OR REPLACE INTO answered VALUES (?, ?)", [key, pickle.dumps(answer)])

    def close(self) -> None:
        self._file.close()
