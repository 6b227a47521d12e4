"""What tests of replies share."""

from __future__ import annotations

from rlm_integrations.core.loop.reply_parser import parse_reply


def blocks(reply: str) -> tuple[str, ...]:
    """The code in the first reply of a session."""
    return parse_reply(reply).blocks
