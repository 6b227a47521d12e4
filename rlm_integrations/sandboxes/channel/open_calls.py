"""The host calls of a worker that are not answered yet."""

from __future__ import annotations

import sys
from typing import Any

from rlm_integrations.wire.inbound import ProtocolError

MAX_OPEN_CALLS = 10_000
MAX_OPEN_CALL_BYTES = 256 << 20


_VALUE_BYTES = 32
"""Of a number, about."""
_EMPTY_BYTES = sys.getsizeof(dict[str, object]())


def held_bytes(payload: dict[str, Any]) -> int:
    """Memory that a call takes: of a text up to four bytes for each character, where a frame has one."""
    held = 0
    containers: list[Any] = [payload]
    container: dict[str, object] | list[object]
    for container in containers:  # which grow as they are looked at
        held += sys.getsizeof(container) + _VALUE_BYTES * len(container)
        values = container
        if isinstance(container, dict):
            held += sum(map(sys.getsizeof, container))
            values = container.values()
        for value in values:
            if isinstance(value, str):
                held += sys.getsizeof(value)
            elif isinstance(value, (dict, list)):
                if value:
                    containers.append(value)
                else:
                    held += _EMPTY_BYTES
    return held


class OpenCalls:
    """Call ids with the size of each call, in bytes."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._bytes = 0

    def open(self, call_id: int, size: int) -> None:
        """Raises ProtocolError for an id that is open, and for too many calls."""
        if call_id in self._sizes:
            raise ProtocolError("two calls of one id")
        if len(self._sizes) >= MAX_OPEN_CALLS:
            raise ProtocolError(f"more than {MAX_OPEN_CALLS:,} calls at once")
        self._sizes[call_id] = size
        self._bytes += size

    def close(self, call_id: int) -> None:
        self._bytes -= self._sizes.pop(call_id)

    def take_all(self) -> list[int]:
        """Close all. Returns their ids."""
        ids = list(self._sizes)
        self._sizes.clear()
        self._bytes = 0
        return ids

    @property
    def held_bytes(self) -> int:
        """Memory that they take."""
        return self._bytes

    def __contains__(self, call_id: int) -> bool:
        return call_id in self._sizes

    def __bool__(self) -> bool:
        return bool(self._sizes)

    @property
    def too_large(self) -> bool:
        """Whether the host holds so much that no more is to be read until some of it is answered."""
        return self._bytes > MAX_OPEN_CALL_BYTES
