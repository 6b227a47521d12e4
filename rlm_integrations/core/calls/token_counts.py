"""What servers report of tokens, and what to think of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.usage import Usage

_CHARS_PER_TOKEN = 4

USAGE_ESTIMATED = (
    "a model reported no token usage: its tokens are estimated at four characters each, in the trace and for "
    "max_total_tokens (where it is streamed, the server may need to be asked for usage)"
)


def with_estimates(completion: Completion, messages: Sequence[Message]) -> Usage:
    """The usage, with an estimate of the tokens that the server did not count: no prompt takes none."""
    usage = completion.usage
    if usage.input_tokens:
        return usage
    read = _tokens(prompt_chars(messages))
    written = usage.output_tokens or _tokens(len(completion.text) + len(completion.thoughts))
    estimated = read + (0 if usage.output_tokens else written)
    return usage.model_copy(update={"input_tokens": read, "output_tokens": written, "estimated_tokens": estimated})


def prompt_chars(messages: Sequence[Message]) -> int:
    """Characters of all messages."""
    return sum(len(message.content) for message in messages)


def _tokens(chars: int) -> int:
    return -(-chars // _CHARS_PER_TOKEN)
