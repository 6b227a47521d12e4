"""What spans say of calls, in the names of OpenTelemetry's conventions for generative AI, and in some of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping

from opentelemetry.util.types import AttributeValue

from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.trace.call_records import ModelCall
from rlm_integrations.core.trace.events import RootReplied
from rlm_integrations.core.trace.records import RLMTrace
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
        told["gen_ai.response.finish_reasons"] = (fit(finish),)
    if cached:
        told["rlm.cached"] = True
    return told


def of_root_reply(said: RootReplied | ModelCall) -> Attributes:
    paid, replayed = (Usage(), said.usage) if said.replayed else (said.usage, None)
    return of_reply(said.model, paid, said.finish, cached=said.cached, replayed=replayed)


def message(role: str, content: str, finish: str | None = None) -> str:
    """Messages of one text, as `gen_ai.input.messages` wants them, and with `finish` `gen_ai.output.messages`."""
    said: dict[str, object] = {"role": role, "parts": [{"type": "text", "content": fit(content)}]}
    if finish is not None:
        said["finish_reason"] = fit(finish)
    return json.dumps([said], ensure_ascii=False)


def fit(text: str) -> str:
    """At most `CONTENT_CHARS` of it, as valid Unicode: an exporter drops all that it was to send for one lone half."""
    left = len(text) - CONTENT_CHARS
    return without_lone_surrogates(text if left <= 0 else f"{text[:CONTENT_CHARS]} [{left:,} more characters]")


def fitting(told: Attributes) -> Attributes:
    """The same of all texts that attributes say. Messages, which are JSON, were made to fit before."""
    return {
        name: fit(value) if isinstance(value, str) and not name.endswith(".messages") else value
        for name, value in told.items()
    }


def of_trace(trace: RLMTrace) -> Attributes:
    """Of a run, or of a child RLM, that has ended."""
    replayed = trace.replayed_usage
    journal: Attributes = {} if trace.journal is None else {"rlm.journal": trace.journal}
    twice: Attributes = {}
    if trace.agreement is not None:
        twice = {"rlm.agreement": trace.agreement, "rlm.answer_of_attempt": trace.attempt}
    return {
        **of_usage(trace.usage - replayed),
        **(of_replayed(replayed) if replayed.total_tokens else {}),
        **journal,
        **twice,
        "rlm.iterations": trace.iteration_count,
        "rlm.sub_calls": trace.sub_call_count,
        "rlm.failed_sub_calls": trace.failed_sub_call_count,
        "rlm.citations": len(trace.citations),
        "rlm.stop_reason": trace.stop_reason or "failed",
        "rlm.route": trace.route,
    }


def layers(isolation: Mapping[str, str]) -> Attributes:
    return {f"rlm.isolation.{name}": state for name, state in isolation.items()}
