"""Token usage out of a LlamaIndex response, which each integration leaves where its provider puts it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_integrations.core.calls.reply_fields import cost_of, count_of, field_of
from rlm_integrations.core.usage import Usage

_INPUT = ("prompt_tokens", "input_tokens", "prompt_token_count", "inputTokens", "prompt_eval_count")
_OUTPUT = ("completion_tokens", "output_tokens", "candidates_token_count", "outputTokens", "eval_count")


def usage_of(raw: object, additional: Mapping[str, Any]) -> Usage:
    """The usage that `response.raw` or `response.additional_kwargs` reports; zero where neither does."""
    places = (field_of(raw, "usage"), field_of(raw, "usage_metadata"), raw, additional.get("usage"), additional)
    for place in places:
        if place is not None and (_first(place, _INPUT) is not None or _first(place, _OUTPUT) is not None):
            return _read(place)
    return Usage()


def _read(usage: object) -> Usage:
    input_details = field_of(usage, "prompt_tokens_details") or field_of(usage, "input_tokens_details")
    output_details = field_of(usage, "completion_tokens_details") or field_of(usage, "output_tokens_details")
    # Anthropic counts what it read from and wrote to its cache beside the input, everyone else within it.
    anthropic_cached = _count(usage, "cache_read_input_tokens")
    beside_input = anthropic_cached + _count(usage, "cache_creation_input_tokens")
    thoughts = _count(usage, "thoughts_token_count")  # Gemini counts them beside the candidates
    cached = _count(input_details, "cached_tokens") + anthropic_cached + _count(usage, "cached_content_token_count")
    return Usage(
        input_tokens=count_of(_first(usage, _INPUT)) + beside_input,
        output_tokens=count_of(_first(usage, _OUTPUT)) + thoughts,
        cached_tokens=cached,
        reasoning_tokens=_count(output_details, "reasoning_tokens") + thoughts,
        cost_usd=cost_of(usage),
    )


def _first(holder: object, names: tuple[str, ...]) -> int | None:
    return next((value for name in names if isinstance(value := field_of(holder, name), int)), None)


def _count(holder: object, name: str) -> int:
    return count_of(field_of(holder, name))
