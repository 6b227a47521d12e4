"""What spans say of calls, in the names of OpenTelemetry's conventions for generative AI, and in some of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping

from opentelemetry.util.types import AttributeValue

from rlm_integrations.core.trace.call_records import ModelCall
from rlm_integrations.core.trace.events import RootReplied
from rlm_integrations.core.usage import Usage

Attributes = dict[str, AttributeValue]

CONTENT_CHARS = 16_000
"""Of one text in a span."""


def chat_with(model: str | None) -> tuple[str, Attributes]:
    """The name of the span of a call of a model, and what it begins with."""
    told: Attributes = {"gen_ai.operation.name": "chat"}
    return ("chat", told) if model is None else (f"chat {model}", {**told, "gen_ai.request.model": model})


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


def of_replayed(usage: Usage) -> Attributes:
    """Of what came from the journal, which nobody who adds up usage may take for paid."""
    return {
        "rlm.replayed": True,
        "rlm.replayed_usage.input_tokens": usage.input_tokens,
        "rlm.replayed_usage.output_tokens": usage.output_tokens,
    }


def of_reply(
    model: str | None, usage: Usage, finish: str | None, *, cached: bool, replayed: Usage | None = None
) -> Attributes:
    """`usage` is what was paid for; `replayed` came from the journal, None where nothing did."""
    told = of_usage(usage) if replayed is None else of_usage(usage) | of_replayed(replayed)
    if model:
        told |= {"gen_ai.request.model": model, "gen_ai.response.model": model}
    if finish:
        told["gen_ai.response.finish_reasons"] = (finish,)
    if cached:
        told["rlm.cached"] = True
    return told


def of_root_reply(said: RootReplied | ModelCall) -> Attributes:
    paid, replayed = (Usage(), said.usage) if said.replayed else (said.usage, None)
    return of_reply(said.model, paid, said.finish, cached=said.cached, replayed=replayed)


def message(role: str, content: str) -> str:
    """Messages of one text, as `gen_ai.input.messages` and `gen_ai.output.messages` want them."""
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": cut(content)}]}], ensure_ascii=False)


def cut(text: str) -> str:
    left = len(text) - CONTENT_CHARS
    return text if left <= 0 else f"{text[:CONTENT_CHARS]} [{left:,} more characters]"


def layers(isolation: Mapping[str, str]) -> Attributes:
    return {f"rlm.isolation.{name}": state for name, state in isolation.items()}
