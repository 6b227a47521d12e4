"""Models that take no system message: how they say so, and how the same is said without one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlm_integrations.core.language_model import Message

_REFUSED = re.compile(
    r"(system|developer).{0,30}(role|message|prompt|instruction)s?.{0,30}(not|n't|un)\W?"
    r"(supported|support|enabled|allowed|accepted|permitted)"
    r"|(not support|unsupported|not allowed|invalid|only accepts?)\b.{0,40}\bsystem\b"
    r"|non-consecutive system message|roles must alternate",
    re.IGNORECASE | re.DOTALL,
)
"""As Gemma's and Mistral's chat templates say it, Google's API, OpenAI's for o1-mini, and langchain-anthropic."""
_MOST_CHARS = 4_000
"""Of an error, which may hold a whole page of a server's: each "system" in it makes the pattern look around."""


def refuses_system_messages(error: BaseException) -> bool:
    """Whether a model's error says that it takes no system message, or none in that place."""
    return _REFUSED.search(str(error)[:_MOST_CHARS]) is not None


def without_system_messages(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with the text of each system message at the head of the user's next one, or in one of its own."""
    kept: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message.role == "system":
            waiting.append(message.content)
            continue
        if waiting and message.role == "user":
            message = Message("user", "\n\n".join([*waiting, message.content]))
        elif waiting:
            kept.append(Message("user", "\n\n".join(waiting)))
        waiting = []
        kept.append(message)
    if waiting:
        kept.append(Message("user", "\n\n".join(waiting)))
    return tuple(kept)
