"""A lock that does not keep its owner from being copied."""

from __future__ import annotations

import threading
from types import TracebackType


class OwnLock:
    """A copy and a pickle of its owner have a new one, which is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[OwnLock], tuple[()]]:
        return OwnLock, ()
