"""What the host answers to a call, as frames."""

from __future__ import annotations

from typing import Any

from rlm_integrations.sandboxes.channel.frames import encode
from rlm_integrations.wire.calls import RefusalKind


def reply_frame(call_id: int, value: Any) -> bytes:
    """A refusal where the value is nothing that can be handed on."""
    try:
        return encode({"t": "reply", "id": call_id, "value": value})
    except (TypeError, ValueError, RecursionError) as error:
        return refusal_frame(call_id, "type", f"the host's reply cannot be handed on: {error}")


def refusal_frame(call_id: int, kind: RefusalKind, message: str) -> bytes:
    return encode({"t": "refuse", "id": call_id, "kind": kind, "message": message})
