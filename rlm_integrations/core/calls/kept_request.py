"""What the gate sees of a journal: one request to a model, which may have been answered before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rlm_integrations.core.language_model import Completion, Message


class KeptRequest(Protocol):
    async def reply(self, messages: Sequence[Message] | None) -> Completion | None:
        """The reply that was kept; None where there is none, and the request is to be sent.

        `messages` are what would be sent; None where that is not all of it. Raises RecordedFailureError where the
        request failed then.
        """
        ...

    async def keep(self, completion: Completion) -> None:
        """The reply, which may be used once this returns."""
        ...

    def failed(self, error: Exception) -> None:
        """There is none."""
        ...
