"""What the code in a REPL needs of the world outside: calls that the host answers, and a place for output.

A sandbox implements it over its own channel; tests implement it in a few lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from rlm_integrations.wire.calls import Call, RefusalKind


class HostRefusalError(Exception):
    """The host answered a call with an error."""

    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class HostPort(Protocol):
    """Safe to use from several threads at once."""

    def call(self, call: Call) -> Any:
        """Ask the host and wait for its value, which each kind of call describes. Raises HostRefusalError."""
        ...

    def call_all(self, calls: Sequence[Call]) -> list[Any]:
        """Ask many at once and wait for all: for each its value or, in its place, its HostRefusalError."""
        ...

    def print_head(self, text: str) -> None:
        """Hand on output as it is produced, so that it outlives the REPL."""
        ...
