"""What runs inside an event of LlamaIndex's callbacks, as a step of code, a child or a sub-call does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.callbacks.schema import CBEventType, EventPayload


async def in_event(
    manager: CallbackManager,
    kind: CBEventType,
    begins: dict[str, Any],
    ends: EventPayload,
    execute: Callable[[], Awaitable[str]],
) -> str:
    """What `execute` gives, told as `ends` of an event of this kind that begins with the payload `begins`."""
    with manager.event(kind, payload=begins) as event:
        given = await execute()
        event.on_end(payload={ends: given})
    return given
