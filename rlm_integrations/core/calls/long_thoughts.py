"""Thoughts in replies that are too long for `split_thoughts`: they are not taken out, and such a reply is none."""

from __future__ import annotations

import re

from rlm_integrations.core.calls.endings import MOST_READ_CHARS

_MARK = re.compile(
    r"(?:[<\[◁]|&lt;) ?+\|?+/?+(?>(?:\w{1,40}+:)?)think(?>(?:ing)?)\b|<\|channel\b|<channel\|>", re.IGNORECASE
)
"""Has no other use than to set thoughts apart."""
_LONGEST_MARK, _AT_ONCE_CHARS = 60, 500_000
"""The interpreter is locked until so many are looked through."""


def thoughts_left(reply: str) -> str | None:
    """Why thoughts may stand in a reply that was split, for the root LM and the trace; None where none do."""
    if len(reply) <= MOST_READ_CHARS or (mark := mark_of_thoughts(reply)) is None:
        return None
    return (
        f"the reply has {len(reply):,} characters, and its thoughts ({mark}) were not taken out: that is done up to "
        f"{MOST_READ_CHARS:,} (ask for less at once, have the model reason less, or lower max_tokens)"
    )


def mark_of_thoughts(text: str) -> str | None:
    """The first tag in it that models put around what they think."""
    for start in range(0, len(text), _AT_ONCE_CHARS):
        if (mark := _MARK.search(text, start, start + _AT_ONCE_CHARS + _LONGEST_MARK)) is not None:
            return mark.group()
    return None
