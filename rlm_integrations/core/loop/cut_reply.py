"""What can be used of a root reply that was cut: code whose fence was closed before the cut, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Collection

from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.reply_parser import ParsedReply, parse_reply

_CLOSING = re.compile(r"^[ \t]*+(?:`{3,}+|~{3,}+)[ \t]*+$", re.MULTILINE)


def whole_blocks(reply: str, quotations: Quotations, variables: Collection[str] | None) -> ParsedReply:
    """The blocks before the last closing fence. What stands behind it may be half of anything, a FINAL(...) too."""
    reply = reply.replace("\r\n", "\n")
    end = max((closing.end() for closing in _CLOSING.finditer(reply)), default=0)
    parsed = parse_reply(reply[:end], quotations, variables)
    whole = len(parsed.blocks) - parsed.fence_open - parsed.looked_up
    blocks = parsed.blocks[:whole]
    return parsed._replace(blocks=blocks, final=None, prose="", fence_open=False, looked_up=False, example=False)
