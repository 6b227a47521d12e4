"""What spans say of calls, in the names of OpenTelemetry's conventions for generative AI, and in some of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping

from opentelemetry.util.types import AttributeValue

from rlm_integrations.core.usage import Usage

Attributes = dict[str, AttributeValue]

CONTENT_CHARS = 16_000
"""Of one text in a span."""


def of_usage(usage: Usage) -> Attributes:
    told: Attributes = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }
    if usage.cached_tokens:
        told["gen_ai.usage.cache_read.input_tokens"] = usage.cached_tokens
    if usage.reasoning_tokens:
        told["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_tokens
    if usage.estimated_tokens:
        told["rlm.usage.estimated_tokens"] = usage.estimated_tokens
    if usage.cost_usd is not None:
        told["rlm.usage.cost_usd"] = usage.cost_usd
    return told


def of_reply(model: str | None, usage: Usage, finish: str | None, *, cached: bool) -> Attributes:
    told = of_usage(usage)
    if model:
        told |= {"gen_ai.request.model": model, "gen_ai.response.model": model}
    if finish:
        told["gen_ai.response.finish_reasons"] = (finish,)
    if cached:
        told["rlm.cached"] = True
    return told


def message(role: str, content: str) -> str:
    """Messages of one text, as `gen_ai.input.messages` and `gen_ai.output.messages` want them."""
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": cut(content)}]}], ensure_ascii=False)


def cut(text: str) -> str:
    left = len(text) - CONTENT_CHARS
    return text if left <= 0 else f"{text[:CONTENT_CHARS]} [{left:,} more characters]"


def layers(isolation: Mapping[str, str]) -> Attributes:
    return {f"rlm.isolation.{name}": state for name, state in isolation.items()}
