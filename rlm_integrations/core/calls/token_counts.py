"""What servers report of tokens, and what to think of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.messages import Messages
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import number

_CHARS_PER_TOKEN = 4
_SURE_CHARS_PER_TOKEN = 3
_MOST_CHARS_PER_TOKEN = 12
"""Of text that people or programs write: of English a token has four, of indented code five or six."""
_TOKENS_PER_IMAGE = 1_000
"""Of a picture of some million pixels, providers count 500 to 1,600."""
_LEAST_CHARS = 4_000
_LEAST_TOKENS = 200
"""No window is as small: a lower count is no count of a prompt that was cut, but a constant or a mistake."""
_WORD = r"[^\W_\u2e80-\U0003ffff]{1,24}+|[\u2e80-\U0003ffff]{1,12}+"
"""What no tokenizer has in one token together with what stands beside it. Scripts without spaces: in pieces.
Few runs need it, and it takes long to compile: that is left to `re`, which keeps it."""

USAGE_ESTIMATED = (
    "a model reported no token usage: its tokens are estimated at four characters each, in the trace and for "
    "max_total_tokens (where it is streamed, the server may need to be asked for usage)"
)

WINDOW_ADVICE = (
    "raise the server's window (Ollama's num_ctx, llama.cpp's --ctx-size), and tell the model's max_input_tokens"
)


class PromptSize(NamedTuple):
    """What a prompt without a count is estimated by."""

    chars: int = 0
    images: int = 0


def prompt_size(messages: Sequence[Message]) -> PromptSize:
    """Of all messages."""
    if type(messages) is Messages:  # `isinstance` asks the ABC about each tuple
        return PromptSize(messages.chars, messages.images)
    chars = images = 0
    for message in messages:
        chars += len(message.content)
        images += len(message.images)
    return PromptSize(chars, images)


def with_estimates(completion: Completion, messages: Sequence[Message]) -> Usage:
    """The usage, with an estimate of the tokens that the server did not count: no prompt takes none.

    `messages` is what was sent.
    """
    usage = completion.usage
    if usage.input_tokens:
        return usage
    chars, images = prompt_size(messages)
    read = _tokens(chars) + images * _TOKENS_PER_IMAGE
    called = sum([len(call.arguments) for call in completion.tool_calls])
    written = usage.output_tokens or _tokens(len(completion.text) + len(completion.thoughts) + called)
    estimated = read + (0 if usage.output_tokens else written)
    return Usage(
        input_tokens=read,
        output_tokens=written,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        estimated_tokens=estimated,
        cost_usd=usage.cost_usd,
    )


def count_tells(completion: Completion) -> bool:
    """Whether the server's count of tokens can show that a prompt was cut.

    One that a cache may have lessened proves nothing, and no window is so small that it makes for a very low one.
    """
    usage = completion.usage
    return usage.input_tokens >= _LEAST_TOKENS and not (
        completion.cached or usage.cached_tokens or usage.estimated_tokens
    )


def counts_too_few(completion: Completion, chars: int) -> bool:
    """Whether the count is lower than that of most prompts of so many characters: then their words are counted."""
    few = completion.usage.input_tokens * _MOST_CHARS_PER_TOKEN < chars
    return few and chars >= _LEAST_CHARS and count_tells(completion)


def silently_cut(messages: Sequence[Message], chars: int, completion: Completion) -> str | None:
    """In words how much of the prompt the server read, where it counts too few tokens to have read all; else None.

    Nothing that tokenizers compress is held against it: runs of spaces, of punctuation and of one character are no
    words, and of these each is a token at least. `chars` are the characters of all messages.
    """
    read = completion.usage.input_tokens
    if not counts_too_few(completion, chars):
        return None
    words = (word for message in messages for word in re.finditer(_WORD, message.content) if len(set(word[0])) > 2)
    if next(islice(words, read, None), None) is None:
        return None
    return f"the server read only about {number(read)} tokens of the prompt's {number(chars)} characters: it was cut"


def pieces_advice(completion: Completion) -> str:
    """What to do about a prompt that was cut."""
    return f"send pieces of at most {number(completion.usage.input_tokens * _SURE_CHARS_PER_TOKEN)} characters"


def prompt_chars(messages: Sequence[Message]) -> int:
    """Characters of all messages."""
    return sum([len(message.content) for message in messages])  # a list: it is done for each call


def _tokens(chars: int) -> int:
    return -(-chars // _CHARS_PER_TOKEN)
