"""Files of a corpus on their way into a machine: memory files whose pieces come in any order."""

from __future__ import annotations

import os
import threading
from typing import Any


class ArrivingFiles:
    """Safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[tuple[str, str], int] = {}

    def write(self, key: str, kind: str, start: int, data: Any) -> None:
        """A piece, which is anything that has bytes, of the file of this kind that is to be known by the key."""
        with self._lock:
            file = self._files.get((key, kind))
            if file is None:
                file = os.memfd_create(f"rlm-{kind}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
                self._files[key, kind] = file
        rest = memoryview(data).cast("B")
        while rest:
            written = os.pwrite(file, rest, start)
            rest, start = rest[written:], start + written

    def take(self, key: str, kind: str) -> int:
        """The descriptor of a file that is whole. The caller closes it. Raises KeyError."""
        with self._lock:
            return self._files.pop((key, kind))

    def drop(self, key: str) -> None:
        """Free what came for a key and was not taken. Nobody may be writing it any more."""
        with self._lock:
            for known in [known for known in self._files if known[0] == key]:
                os.close(self._files.pop(known))
