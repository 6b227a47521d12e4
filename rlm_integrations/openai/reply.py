"""A server's chat completion -> Completion. Servers differ: nothing is taken for granted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from rlm_integrations.core.calls.reply_fields import (
    cost_of,
    count_of,
    field_of,
    finish_of,
    refusal_in,
    text_in,
    thoughts_in,
    thoughts_of,
)
from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.language_model import Completion
from rlm_integrations.core.usage import Usage
from rlm_integrations.openai.tool_calling import called

_INPUT, _OUTPUT = ("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens")
"""Where Moonshot and DeepSeek say it, if not among the details."""
_READ_CHARS, _SHOWN_CHARS = 3_000, 300
"""Of a reply that is none, which may be a web page: so much is read, and shown in an error."""


def completion_of(response: object, server: str) -> Completion:
    """The reply's text, usage, thoughts and end. Raises RLMError where the response is no chat completion."""
    choices: object = getattr(response, "choices", None)
    if not isinstance(choices, list) or not choices:
        raise RLMError(
            f"{server} did not reply with a chat completion but with {_excerpt(response)}; "
            "check base_url (it usually ends in /v1)"
        )
    choice = cast(list[object], choices)[0]
    message: object = getattr(choice, "message", None)
    content: object = getattr(message, "content", None)
    refusal = text_in(getattr(message, "refusal", None)) or refusal_in(content)
    finish = "refusal" if refusal else finish_of(choice)
    thoughts = thoughts_of(message) or thoughts_in(content)
    usage = _usage(getattr(response, "usage", None))
    model: object = getattr(response, "model", None)
    calls, native = called(message)
    return Completion(
        text_in(content) or refusal,
        usage,
        model if isinstance(model, str) else None,
        finish,
        thoughts,
        tool_calls=calls,
        native=native,
    )


def _usage(usage: object) -> Usage:
    read = _first(usage, _INPUT)
    written = _first(usage, _OUTPUT)
    reasoning = _count(field_of(usage, "completion_tokens_details"), "reasoning_tokens")
    total = _count(usage, "total_tokens")
    if reasoning and total == read + written + reasoning:  # xAI counts them beside the output
        written += reasoning
    return Usage(
        input_tokens=read,
        output_tokens=written,
        cached_tokens=_count(field_of(usage, "prompt_tokens_details"), "cached_tokens") or _first(usage, _CACHED),
        reasoning_tokens=reasoning,
        cost_usd=cost_of(usage),
    )


def _first(counts: object, names: Sequence[str]) -> int:
    return next(filter(None, (_count(counts, name) for name in names)), 0)


def _count(counts: object, name: str) -> int:
    return count_of(field_of(counts, name))


def _excerpt(response: object) -> str:
    dump = getattr(response, "model_dump_json", None)
    shown = str(dump(exclude_none=True)) if callable(dump) else str(response)
    return repr(" ".join(shown[:_READ_CHARS].split())[:_SHOWN_CHARS])
