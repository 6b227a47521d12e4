"""What the code in a REPL needs of the world outside: calls that the host answers, and a place for output.

A sandbox implements it over its own channel; tests implement it in a few lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

RefusalKind = Literal["type", "value", "budget", "failed"]


class HostRefusalError(Exception):
    """The host answered a call with an error."""

    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class HostPort(Protocol):
    """Safe to use from several threads at once."""

    def call(self, name: str, payload: dict[str, Any]) -> Any:
        """Ask the host and wait. The calls there are: see `core.sandbox.HostCall`. Raises HostRefusalError."""
        ...

    def call_all(self, name: str, payloads: Sequence[dict[str, Any]]) -> list[Any]:
        """Ask many at once and wait for all: for each its value or, in its place, its HostRefusalError."""
        ...

    def print_head(self, text: str) -> None:
        """Hand on output as it is produced, so that it outlives the session."""
        ...
