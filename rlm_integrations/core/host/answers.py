"""What the host says to a call of the code: its value, or why there is none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rlm_integrations.core.trace.events import Event
from rlm_integrations.wire.calls import RefusalKind

Emit = Callable[[Event], Awaitable[None]]
"""Records an event and tells the user of it. Raises RunError where the user's handler raised."""


class Reply(NamedTuple):
    """Any JSON value."""

    value: Any


class Refusal(NamedTuple):
    kind: RefusalKind
    message: str


class RefusedCallError(Exception):
    """A call that is answered with a Refusal.

    `detail` is what came of the call nevertheless: for its caller alone, and not part of why it failed.
    """

    def __init__(self, kind: RefusalKind, why: str, detail: str = "") -> None:
        super().__init__(f"{why}; {detail}" if detail else why)
        self.kind: RefusalKind = kind
        self.why = why
