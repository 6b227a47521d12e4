"""A lock that does not keep its owner from being copied."""

from __future__ import annotations

import threading


class OwnLock:
    """A copy and a pickle of its owner have a new one, which is open."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __reduce__(self) -> tuple[type[OwnLock], tuple[()]]:
        return OwnLock, ()
